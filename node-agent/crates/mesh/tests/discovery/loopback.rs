//! Two agents of one box find each other with nothing but the loopback.

use std::collections::BTreeMap;
use std::time::Duration;

use lineshaft_mesh::discovery::Settings;
use lineshaft_mesh::identity::Fingerprint;

use crate::hosts::{Node, announcement, id, site};

const SECOND: Duration = Duration::from_secs(1);
/// Multicast DNS keeps a record for a second after its goodbye, and says none twice within a second.
const LATER: Duration = Duration::from_secs(4);

/// A port that nobody has: the box may have a multicast DNS service of its own, and other tests run beside.
fn settings(number: u8, port: u16) -> Settings {
    Settings { port, ..Settings::new(site(number)) }
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn two_agents_find_each_other_in_a_second() {
    let port = free_port();
    let (a, b) = (Node::start(None, settings(1, port)), Node::start(None, settings(2, port)));
    a.discovery().announce(vec![announcement(1, "LineA", "127.0.0.1:5211")]);
    b.discovery().announce(vec![announcement(2, "LineB", "127.0.0.1:5212")]);
    a.wait(SECOND, "A sees B", |peers| peers.contains_key(&id(2)));
    b.wait(SECOND, "B sees A", |peers| peers.contains_key(&id(1)));
    assert_eq!(a.addresses(2), ["lo 127.0.0.1:5212"], "on the loopback alone");
    assert_eq!(b.addresses(1), ["lo 127.0.0.1:5211"]);
    let peer = a.discovery().peers()[&id(2)].clone();
    assert_eq!(peer.advert, announcement(2, "LineB", "127.0.0.1:0").advert);
    assert!(peer.present && !peer.trusted && !peer.name_conflict);
    assert_eq!(a.discovery().peers().len(), 1, "not itself");

    b.close();
    a.wait(LATER, "B says goodbye", BTreeMap::is_empty);
}

#[test]
fn who_comes_later_finds_those_who_are_there() {
    let port = free_port();
    let a = Node::start(None, settings(1, port));
    a.discovery().announce(vec![
        announcement(1, "LineA", "127.0.0.1:5211"),
        announcement(3, "LineC", "127.0.0.1:5213"),
    ]);
    let first = Node::start(None, settings(2, port));
    first.wait(LATER, "both", |peers| peers.len() == 2);
    let later = Node::start(None, settings(4, port));
    later.wait(LATER, "both, without an announcement", |peers| peers.len() == 2);
}

#[test]
fn announcements_follow_the_runtimes() {
    let port = free_port();
    let (a, b) = (Node::start(None, settings(1, port)), Node::start(None, settings(2, port)));
    let mut runtime = announcement(2, "LineB", "127.0.0.1:5212");
    b.discovery().announce(vec![runtime.clone(), announcement(3, "LineC", "127.0.0.1:5212")]);
    a.wait(LATER, "two runtimes", |peers| peers.len() == 2);

    runtime.advert.published = 7;
    runtime.advert.pairing = true;
    runtime.listen.set_port(5299);
    b.discovery().announce(vec![runtime.clone()]);
    a.wait(LATER, "one, changed", |peers| peers.len() == 1 && peers[&id(2)].advert == runtime.advert);
    a.wait(LATER, "its port", |_| a.addresses(2) == ["lo 127.0.0.1:5299"]);

    runtime.listen = "127.0.0.9:5299".parse().unwrap();
    b.discovery().announce(vec![runtime.clone()]);
    a.wait(LATER, "its address", |_| a.addresses(2) == ["lo 127.0.0.9:5299"]);
    b.discovery().announce(Vec::new());
    a.wait(LATER, "none", BTreeMap::is_empty);
}

#[test]
fn pairing_shows_at_once_and_names_can_be_in_conflict() {
    let port = free_port();
    let (a, b) = (Node::start(None, settings(1, port)), Node::start(None, settings(2, port)));
    a.discovery().announce(vec![announcement(1, "Line", "127.0.0.1:5211")]);
    b.discovery().announce(vec![announcement(2, "Line", "127.0.0.1:5212")]);
    for (node, own, other) in [(&a, 1, 2), (&b, 2, 1)] {
        node.wait(LATER, "a conflict", |peers| peers.get(&id(other)).is_some_and(|peer| peer.name_conflict));
        assert!(node.discovery().in_conflict(id(own)) && node.discovery().in_conflict(id(other)));
    }
    a.pair_with(2);
    a.wait(LATER, "trusted", |peers| peers[&id(2)].trusted);
    assert_eq!(a.discovery().peers()[&id(2)].advert.key, Fingerprint::of_public_key(&[2]));
}
