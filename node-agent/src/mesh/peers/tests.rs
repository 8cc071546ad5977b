use lineshaft_mesh::control::{RunState, RuntimeInfo};
use lineshaft_mesh::discovery::Advert;
use lineshaft_mesh::identity::Fingerprint;
use lineshaft_mesh::trust::Pin;
use serde_json::{Value, json};

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

fn runtime() -> RuntimeId {
    RuntimeId::from_bytes([0x6f; 16])
}

fn agent() -> AgentId {
    AgentId::from_bytes([1; 16])
}

fn sighting(present: bool) -> Seen {
    let advert = Advert {
        runtime: runtime(),
        name: "LineB".parse().unwrap(),
        agent: agent(),
        site: "there".parse().unwrap(),
        key: Fingerprint::of_public_key(b"b"),
        version: "0.1.0".parse().unwrap(),
        published: 3,
        console_port: 0,
        pairing: false,
    };
    let addresses = BTreeMap::from([("va".to_owned(), BTreeSet::from(["10.9.0.2:5210".parse().unwrap()]))]);
    let peer = Peer { advert, addresses, last_seen_ns: 0, trusted: false, present, name_conflict: false };
    Seen { peers: BTreeMap::from([(runtime(), peer)]), ..Seen::default() }
}

fn paired(mut seen: Seen, link: LinkStatus) -> Seen {
    let keys = vec![Fingerprint::of_public_key(b"b")];
    seen.pins = vec![Pin { agent: agent(), name: "edge-b".to_owned(), keys, pairing: "uid".to_owned() }];
    seen.links.insert(agent(), link);
    seen
}

fn object(name: &str, spec: &Value, status: &Value) -> MeshPeer {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
        "metadata": {"name": name, "uid": "u", "generation": 1}, "spec": spec, "status": status,
    }))
    .unwrap()
}

fn discovered(status: &Value) -> MeshPeer {
    object("lineb-6f6f6f6f", &json!({"source": "Discovered"}), status)
}

fn said(object: &MeshPeer, seen: &Seen, second: i64) -> Option<MeshPeerStatus> {
    let claimed = BTreeMap::from([("by-hand".to_owned(), agent())]);
    let now = Timestamp::from_second(second).unwrap();
    let clock_ns = second.unsigned_abs() * SECOND_NS;
    news(object, &Knowledge { node: "edge-a", seen, clock_ns, now, claimed: &claimed })
}

fn reason(status: &MeshPeerStatus, type_: &str) -> String {
    lineshaft_crds::condition::find(&status.conditions, type_).unwrap().reason.clone()
}

#[test]
fn a_peer_that_is_seen_gets_an_object_once() {
    let new = missing(&sighting(true), [].into_iter());
    assert_eq!((new.len(), new[0].name_any().as_str()), (1, "lineb-6f6f6f6f"));
    assert_eq!(new[0].spec.source, PeerSource::Discovered);
    assert!(missing(&sighting(true), new.iter()).is_empty());
    assert!(missing(&sighting(false), [].into_iter()).is_empty());
    // Somebody had added it by its address.
    let by_hand = json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]});
    let known = object("by-hand", &by_hand, &json!({"runtimeID": runtime().to_string()}));
    assert!(missing(&sighting(true), [&known].into_iter()).is_empty());
}

#[test]
fn the_status_says_what_the_peer_says_and_that_nobody_trusts_it() {
    let status = said(&discovered(&json!({})), &sighting(true), 100).unwrap();
    assert_eq!(status.service_name.as_deref(), Some("LineB"));
    assert_eq!(status.runtime_id, Some(runtime().to_string()));
    assert_eq!((status.trust, status.published_variables), (Some(Trust::Unpaired), Some(3)));
    assert_eq!((reason(&status, TRUSTED), reason(&status, REACHABLE)), ("NotPaired".into(), "Seen".into()));
    let [observer] = status.observers.as_slice() else { unreachable!("one node sees it") };
    assert_eq!((observer.node_name.as_str(), observer.addresses[0].as_str()), ("edge-a", "10.9.0.2:5210"));
    assert_eq!(observer.interfaces, ["va"]);
    assert_eq!(observer.last_seen.as_ref().unwrap().0.as_second(), 0, "when it was, not when it is told");
}

#[test]
fn that_it_is_still_there_is_written_every_five_minutes() {
    let mut seen = sighting(true);
    let mut known = discovered(&json!({}));
    known.status = said(&known, &seen, 100);
    let seen_at = |seen: &mut Seen, second: u64| {
        seen.peers.get_mut(&runtime()).unwrap().last_seen_ns = second * SECOND_NS;
    };
    seen_at(&mut seen, 299);
    assert_eq!(said(&known, &seen, 299), None);
    seen_at(&mut seen, 301);
    let written = said(&known, &seen, 301).unwrap();
    assert_eq!(written.observers[0].last_seen.as_ref().unwrap().0.as_second(), 301);
}

#[test]
fn who_is_gone_is_taken_back_unless_it_is_trusted() {
    let mut known = discovered(&json!({}));
    known.status = said(&known, &sighting(true), 100);
    let gone = said(&known, &sighting(false), 200).unwrap();
    assert!(gone.observers.is_empty());
    assert_eq!(reason(&gone, REACHABLE), "NotSeen");
    known.status = Some(gone);
    assert_eq!(said(&known, &sighting(false), 300), None, "nothing more to say");
    let trusted = said(&known, &paired(sighting(false), LinkStatus::default()), 300).unwrap();
    assert_eq!(trusted.observers.len(), 1);
    assert_eq!(trusted.trust, Some(Trust::Paired));
}

#[test]
fn connections_of_paired_peers_show() {
    let link = |connected, revoked, error: Option<&str>| LinkStatus {
        connected,
        revoked,
        last_error: error.map(str::to_owned),
        ..LinkStatus::default()
    };
    let another_key = |link| LinkStatus { key_mismatch: Some(Fingerprint::of_public_key(b"other")), ..link };
    for (link, trust, reachable) in [
        (link(true, false, None), Trust::Paired, "Connected"),
        (link(false, false, Some("timed out")), Trust::Paired, "DialFailed"),
        (link(false, false, None), Trust::Paired, "Seen"),
        (link(false, true, Some("closed")), Trust::RevokedByPeer, "Seen"),
        (another_key(link(false, false, Some("another key"))), Trust::KeyMismatch, "DialFailed"),
        (another_key(link(true, false, None)), Trust::Paired, "Connected"),
    ] {
        let status = said(&discovered(&json!({})), &paired(sighting(true), link), 100).unwrap();
        assert_eq!((status.trust, reason(&status, REACHABLE).as_str()), (Some(trust), reachable));
    }
}

#[test]
fn a_peer_that_was_added_by_address_is_who_it_says_over_the_connection() {
    let by_hand = object("by-hand", &json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]}), &json!({}));
    assert_eq!(said(&by_hand, &Seen::default(), 100), None, "not paired, not seen");
    let info = RuntimeInfo {
        id: runtime().to_string(),
        name: "LineB".to_owned(),
        scan_us: 1_000,
        state: RunState::Run,
    };
    let link = LinkStatus { connected: true, runtimes: vec![info], ..LinkStatus::default() };
    let status = said(&by_hand, &paired(Seen::default(), link), 100).unwrap();
    assert_eq!(
        (status.service_name.as_deref(), status.runtime_id),
        (Some("LineB"), Some(runtime().to_string()))
    );
    assert_eq!(status.agent_id, Some(agent().to_string()));
}

#[test]
fn of_several_nodes_one_speaks_and_each_observes() {
    let first = json!({"serviceName": "LineB", "runtimeID": runtime().to_string(), "observers": [{"nodeName": "a-edge"}]});
    let status = said(&discovered(&first), &sighting(true), 100).unwrap();
    assert_eq!((status.observers.len(), status.service_name, status.conditions.len()), (1, None, 0));
}
