use std::net::IpAddr;

use lineshaft_mesh::control::{RunState, RuntimeInfo};

use super::*;

fn agent(number: u8) -> AgentId {
    AgentId::from_bytes([number; 16])
}

fn runtime(number: u8) -> RuntimeId {
    RuntimeId::from_bytes([number; 16])
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn me() -> Me {
    Me {
        agent: agent(9),
        key: Fingerprint::of_public_key(b"me"),
        site: "here".parse().unwrap(),
        node: "edge-a".to_owned(),
        version: "0.1.0".parse().unwrap(),
        listen: address("0.0.0.0:5210"),
    }
}

fn local(listen: Option<&str>) -> LocalRuntime {
    LocalRuntime {
        id: runtime(9),
        namespace: "line-a".to_owned(),
        object: "plca".to_owned(),
        name: "LineA".parse().unwrap(),
        listen: listen.map(address),
        advertise: true,
        interfaces: Vec::new(),
        published: 1,
    }
}

/// Runtime and agent of one number.
fn sighting(number: u8, name: &str) -> (RuntimeId, Peer) {
    let advert = Advert {
        runtime: runtime(number),
        name: name.parse().unwrap(),
        agent: agent(number),
        site: "there".parse().unwrap(),
        key: Fingerprint::of_public_key(&[number]),
        version: "0.1.0".parse().unwrap(),
        published: 1,
        console_port: 0,
        pairing: false,
    };
    let peer = Peer {
        advert,
        addresses: BTreeMap::new(),
        last_seen_ns: 0,
        trusted: false,
        present: true,
        name_conflict: false,
    };
    (runtime(number), peer)
}

fn pin(number: u8) -> Pin {
    Pin {
        agent: agent(number),
        name: "edge".to_owned(),
        keys: vec![Fingerprint::of_public_key(&[number])],
        pairing: "uid".to_owned(),
    }
}

fn says(number: u8, name: &str) -> LinkStatus {
    let info = RuntimeInfo {
        id: runtime(number).to_string(),
        name: name.to_owned(),
        scan_us: 1_000,
        state: RunState::Run,
    };
    LinkStatus { connected: true, runtimes: vec![info], ..LinkStatus::default() }
}

fn wants(peer: &str) -> Wanted {
    let subscription = LocalSubscription {
        uid: "sub".to_owned(),
        namespace: "line-a".to_owned(),
        publishers: vec![Publisher::Peer(peer.to_owned())],
        targets: BTreeMap::new(),
    };
    Wanted { runtimes: vec![local(None)], subscriptions: vec![subscription], ..Wanted::default() }
}

/// Paired agents and where each was seen.
fn seen(sightings: &[(u8, &str)], paired: &[u8]) -> Seen {
    Seen {
        peers: sightings.iter().map(|&(number, name)| sighting(number, name)).collect(),
        addresses: paired
            .iter()
            .map(|&number| (agent(number), vec![SocketAddr::new(IpAddr::from([10, 0, 0, number]), 5210)]))
            .collect(),
        pins: paired.iter().map(|&number| pin(number)).collect(),
        ..Seen::default()
    }
}

/// Who the only publisher is, or why nobody.
fn route(plan: &Plan) -> Result<u8, &'static str> {
    let (_, route) = plan.routes.first_key_value().unwrap();
    route.clone().map(|route| route.agent.bytes()[0]).map_err(|unresolved| unresolved.reason)
}

fn dialled(plan: &Plan) -> Vec<u8> {
    plan.targets.values().flatten().map(|target| target.peer.bytes()[0]).collect()
}

#[test]
fn only_a_paired_peer_that_is_wanted_is_dialled() {
    for (sightings, paired, expected, dials) in [
        (&[][..], &[][..], Err("PeerNotFound"), &[][..]),
        (&[(1, "LineC")], &[1], Err("PeerNotFound"), &[]),
        (&[(1, "LineB")], &[], Err("PeerNotTrusted"), &[]),
        (&[(1, "LineB")], &[1], Ok(1), &[1]),
        (&[(1, "LineB"), (2, "LineC")], &[1, 2], Ok(1), &[1]),
        // A stranger with the name neither takes nor blocks it.
        (&[(1, "LineB"), (2, "LineB")], &[1], Ok(1), &[1]),
        (&[(1, "LineB"), (2, "LineB")], &[2], Ok(2), &[2]),
        (&[(1, "LineB"), (2, "LineB")], &[1, 2], Err("AmbiguousPeer"), &[1, 2]),
    ] {
        let plan = plan(&me(), &wants("LineB"), &seen(sightings, paired), &Plan::default());
        assert_eq!((route(&plan), dialled(&plan).as_slice()), (expected, dials), "{sightings:?} {paired:?}");
    }
}

#[test]
fn a_binding_stays_with_its_runtime() {
    let first = plan(&me(), &wants("LineB"), &seen(&[(2, "LineB")], &[2]), &Plan::default());
    let both = seen(&[(1, "LineB"), (2, "LineB")], &[1, 2]);
    let later = plan(&me(), &wants("LineB"), &both, &first);
    assert_eq!(route(&later), Ok(2));
    let gone = plan(&me(), &wants("LineB"), &seen(&[(1, "LineB"), (2, "LineB")], &[1]), &later);
    assert_eq!(route(&gone), Ok(1), "revoked: the other one");
}

#[test]
fn what_a_key_has_proven_counts_more_than_adverts() {
    // Somebody announces another runtime of the paired agent 1 under the name of its runtime.
    let mut seen = seen(&[(1, "LineB")], &[1]);
    let (_, mut copy) = sighting(7, "LineB");
    copy.advert.agent = agent(1);
    seen.peers.insert(runtime(7), copy);
    assert_eq!(route(&plan(&me(), &wants("LineB"), &seen, &Plan::default())), Err("AmbiguousPeer"));
    seen.links.insert(agent(1), says(1, "LineB"));
    let plan = plan(&me(), &wants("LineB"), &seen, &Plan::default());
    assert_eq!(plan.routes.values().next().unwrap().as_ref().unwrap().runtime, runtime(1));
}

#[test]
fn a_peer_that_was_added_by_address_says_its_name_itself() {
    let mut wanted = wants("LineB");
    wanted.peers.push(KnownPeer {
        object: "lineb".to_owned(),
        namespaces: vec!["line-a".to_owned()],
        manual: true,
        addresses: vec![address("10.9.0.2:5210")],
        runtime: None,
        agent: Some(agent(1)),
        name: None,
    });
    let mut seen = Seen { pins: vec![pin(1)], ..Seen::default() };
    let first = plan(&me(), &wanted, &seen, &Plan::default());
    assert_eq!((route(&first), dialled(&first)), (Err("PeerNotFound"), vec![1]));
    seen.links.insert(agent(1), says(1, "LineB"));
    wanted.peers[0].runtime = Some(runtime(1));
    assert_eq!(route(&plan(&me(), &wanted, &seen, &first)), Ok(1));
    wanted.subscriptions[0].namespace = "line-c".to_owned();
    assert_eq!(route(&plan(&me(), &wanted, &seen, &first)), Err("NamespaceNotAllowed"));
}

#[test]
fn a_key_that_changes_is_told_to_all_who_are_paired() {
    let mut seen = seen(&[(1, "LineB"), (2, "LineC"), (3, "LineD")], &[1, 2, 3]);
    seen.unaware = vec![agent(2)];
    let plan = plan(&me(), &wants("LineB"), &seen, &Plan::default());
    assert_eq!(dialled(&plan), [1, 2]);
}

#[test]
fn who_has_revoked_is_not_called_again() {
    let mut seen = seen(&[(1, "LineB")], &[1]);
    seen.links.insert(agent(1), LinkStatus { revoked: true, ..LinkStatus::default() });
    let plan = plan(&me(), &wants("LineB"), &seen, &Plan::default());
    assert!(dialled(&plan).is_empty());
    assert_eq!(route(&plan), Ok(1), "the pin is still there");
}

#[test]
fn the_endpoint_of_the_agent_opens_only_if_something_needs_it() {
    let listens = |wanted: &Wanted, seen: &Seen| -> Vec<String> {
        let plan = plan(&me(), wanted, seen, &Plan::default());
        plan.listen.iter().map(ToString::to_string).collect()
    };
    let nobody = Seen::default();
    assert!(listens(&Wanted::default(), &nobody).is_empty());
    assert_eq!(listens(&Wanted { pairing: true, ..Wanted::default() }, &nobody), ["0.0.0.0:5210"]);
    let mut wanted = wants("LineB");
    assert_eq!(listens(&wanted, &nobody), ["0.0.0.0:5210"]);
    wanted.runtimes = vec![local(Some("127.0.0.1:5211"))];
    wanted.offering = true;
    assert_eq!(listens(&wanted, &nobody), ["127.0.0.1:5211"]);
    // A peer on the network is not reached from the loopback.
    let paired = seen(&[(1, "LineB")], &[1]);
    assert_eq!(listens(&wanted, &paired), ["0.0.0.0:5210", "127.0.0.1:5211"]);
    let plan = plan(&me(), &wanted, &paired, &Plan::default());
    assert_eq!(plan.targets.keys().next(), Some(&address("0.0.0.0:5210")));
    assert_eq!(plan.announcements[0].listen, address("127.0.0.1:5211"));
    assert!(plan.announcements[0].advert.pairing);
}
