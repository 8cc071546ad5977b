//! What somebody on the network can do who says whatever he likes: nothing that matters.

use std::net::Ipv4Addr;
use std::time::Duration;

use lineshaft_mesh::discovery::{Advert, Change, RuntimeId, Settings};
use lineshaft_mesh::identity::{AgentId, Fingerprint};

use crate::forged::{announcement as forged, announcement_with, goodbye, send};
use crate::hosts::{Lan, Node, advert, announcement, id, site};

const SOON: Duration = Duration::from_secs(4);
const ATTACKER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 66);

/// A sees its paired peer B; the attacker sits on B's host.
fn paired() -> (Lan, Node, Node) {
    let lan = Lan::new();
    let a = Node::start(Some(&lan.a), Settings::new(site(1)));
    let b = Node::start(Some(&lan.b), Settings::new(site(2)));
    a.pair_with(2);
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.wait(SOON, "B", |peers| peers.get(&id(2)).is_some_and(|peer| peer.trusted));
    (lan, a, b)
}

#[test]
fn a_taken_name_is_a_conflict_and_no_more() {
    let (lan, a, _b) = paired();
    send(&lan.b, vec![forged(&advert(6, "LineB"), ATTACKER, 5210)]);
    a.wait(SOON, "a second LineB", |peers| peers.contains_key(&id(6)));
    let peers = a.discovery().peers();
    assert!(peers[&id(2)].trusted && peers[&id(2)].name_conflict && peers[&id(2)].present);
    assert!(!peers[&id(6)].trusted && peers[&id(6)].name_conflict);
    assert_eq!(a.addresses(2), ["va 10.9.0.2:5210"]);
}

#[test]
fn another_key_for_a_paired_agent_is_ignored_and_reported() {
    let (lan, a, _b) = paired();
    let victim = AgentId::from_bytes([2; 16]);
    // In the place of B's own record, and for a runtime that nobody knows.
    let mut replaced = advert(2, "LineB");
    replaced.key = Fingerprint::of_public_key(b"attacker");
    let mut invented = replaced.clone();
    invented.runtime = id(7);
    let packets = vec![forged(&replaced, ATTACKER, 1), forged(&invented, ATTACKER, 1)];
    a.wait_for_change(
        SOON,
        || send(&lan.b, packets),
        |change| matches!(change, Change::Impostor { agent, .. } if *agent == victim),
    );
    a.wait(SOON, "B as before", |peers| {
        peers.len() == 1 && peers[&id(2)].advert == advert(2, "LineB") && peers[&id(2)].trusted
    });
    assert!(a.rejected("foreign_key") > 0);
}

#[test]
fn a_forged_goodbye_is_answered_by_the_living() {
    let (lan, a, _b) = paired();
    a.wait_for_change(
        SOON,
        || send(&lan.b, vec![goodbye(&advert(2, "LineB"))]),
        |change| *change == Change::Vanished(id(2)),
    );
    assert_eq!(a.addresses(2), ["va 10.9.0.2:5210"], "its address stays known");
    a.wait(SOON, "B is there again", |peers| peers[&id(2)].present);
}

#[test]
fn nonsense_is_counted_by_reason() {
    let (lan, a, _b) = paired();
    let genuine: Vec<String> =
        advert(6, "Line6").to_txt().iter().map(|(key, value)| format!("{key}={value}")).collect();
    let change = |key: &str, text: String| -> Vec<String> {
        let others = genuine.iter().filter(|entry| !entry.starts_with(&format!("{key}=")));
        others.cloned().chain([text]).collect()
    };
    let instance = advert(6, "Line6").instance();
    for (reason, instance, record, address) in [
        ("malformed", "m", change("n", "n=<script>alert(1)</script>".to_owned()), ATTACKER),
        ("missing", "k", change("fp", "x=y".to_owned()), ATTACKER),
        ("version", "v", change("v", "v=2".to_owned()), ATTACKER),
        ("too_long", "t", change("x", format!("x={}", "y".repeat(250))), ATTACKER),
        ("instance", "someone-else", genuine.clone(), ATTACKER),
        ("off_link", instance.as_str(), genuine.clone(), Ipv4Addr::new(8, 8, 8, 8)),
    ] {
        send(&lan.b, vec![announcement_with(instance, &record, address, 5210)]);
        // Something that is taken in, to know that what came before was looked at.
        send(&lan.b, vec![forged(&marker(reason), ATTACKER, 5210)]);
        a.wait(SOON, reason, |peers| peers.contains_key(&marker(reason).runtime));
        assert!(a.rejected(reason) > 0, "{reason}: {:?}", a.discovery().rejected());
    }
    assert!(!a.discovery().peers().contains_key(&id(6)));
}

#[test]
fn a_flood_leaves_room_for_paired_peers() {
    let (lan, a, b) = paired();
    let flood = (0..2_000_u32).map(|number| forged(&stranger(number), ATTACKER, 5210)).collect();
    send(&lan.b, flood);
    a.wait(SOON, "some strangers", |peers| peers.len() > 32);
    // A runtime that B adds now is seen all the same.
    let mut second = announcement(8, "LineB2", "0.0.0.0:5210");
    second.advert.agent = AgentId::from_bytes([2; 16]);
    second.advert.key = Fingerprint::of_public_key(&[2]);
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210"), second]);
    a.wait(3 * SOON, "B's second runtime", |peers| peers.get(&id(8)).is_some_and(|peer| peer.trusted));
    let peers = a.discovery().peers();
    assert!(peers[&id(2)].trusted);
    assert_eq!(peers.values().filter(|peer| !peer.trusted).count(), 32, "32 strangers a minute");
    assert!(a.rejected("too_fast") > 0);
}

#[test]
fn a_cache_that_is_full_is_thrown_away() {
    let lan = Lan::new();
    let small = Settings { cached_records: 100, ..Settings::new(site(1)) };
    let (a, b) = (Node::start(Some(&lan.a), small), Node::start(Some(&lan.b), Settings::new(site(2))));
    // The flood reaches B as well, which has no room for new strangers then.
    b.pair_with(1);
    a.discovery().announce(vec![announcement(1, "LineA", "0.0.0.0:5210")]);
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.wait(SOON, "B", |peers| peers.contains_key(&id(2)));
    send(&lan.b, (0..500).map(|number| forged(&stranger(number), ATTACKER, 5210)).collect());
    a.wait(SOON, "strangers", |peers| peers.len() > 2);
    // Nobody answers for the strangers when the network is asked anew. It would take 30 s with the old cache.
    a.wait(3 * SOON, "B alone", |peers| peers.len() == 1 && peers[&id(2)].present);
    b.wait(SOON, "A announces itself again", |peers| peers[&id(1)].present);
}

#[test]
fn a_copied_advert_does_not_hide_a_proven_address() {
    let (lan, a, _b) = paired();
    let (agent, genuine) = (AgentId::from_bytes([2; 16]), "10.9.0.2:5210".parse().unwrap());
    a.discovery().prove(agent, genuine);
    send(&lan.b, vec![forged(&advert(2, "LineB"), ATTACKER, 5210)]);
    let astray = "10.9.0.66:5210".parse().unwrap();
    a.wait(SOON, "the copy", |_| a.discovery().addresses_of(agent).contains(&astray));
    assert_eq!(a.discovery().addresses_of(agent)[0], genuine);
}

fn stranger(number: u32) -> Advert {
    let mut bytes = [0xee; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    Advert { runtime: RuntimeId::from_bytes(bytes), ..advert(0xee, &format!("stranger-{number}")) }
}

fn marker(reason: &str) -> Advert {
    let mut bytes = [0xdd; 16];
    bytes[..4].copy_from_slice(&reason.as_bytes()[..4]);
    let name = format!("after-{reason}").replace('_', "-");
    Advert { runtime: RuntimeId::from_bytes(bytes), ..advert(0xdd, &name) }
}
