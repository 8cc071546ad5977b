//! Two hosts on one cable: found, killed, renumbered, cut off.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lineshaft_mesh::discovery::{Limits, Settings};

use crate::hosts::{Lan, Node, announcement, id, ip, site};

const SECOND: Duration = Duration::from_secs(1);

fn settings(number: u8) -> Settings {
    Settings::new(site(number))
}

/// Asks sooner than after 30 s whether a peer is there.
fn impatient(number: u8, seconds: u64) -> Settings {
    let limits = Limits { verify_after_ns: seconds * 1_000_000_000, ..Limits::default() };
    Settings { limits, ..settings(number) }
}

#[test]
fn two_hosts_find_each_other_in_a_second() {
    let lan = Lan::new();
    let (a, b) = (Node::start(Some(&lan.a), settings(1)), Node::start(Some(&lan.b), settings(2)));
    a.discovery().announce(vec![announcement(1, "LineA", "0.0.0.0:5210")]);
    b.discovery().announce(vec![
        announcement(2, "LineB", "0.0.0.0:5210"),
        announcement(3, "Here", "127.0.0.1:5211"),
        announcement(4, "There", "10.9.0.2:5212"),
    ]);
    a.wait(SECOND, "B and There", |peers| peers.contains_key(&id(2)) && peers.contains_key(&id(4)));
    b.wait(SECOND, "A", |peers| peers.contains_key(&id(1)));
    assert_eq!(a.addresses(2), ["va 10.9.0.2:5210"]);
    assert_eq!(a.addresses(4), ["va 10.9.0.2:5212"]);
    assert_eq!(b.addresses(1), ["vb 10.9.0.1:5210"]);
    let beside = Node::start(Some(&lan.b), settings(5));
    beside.wait(4 * SECOND, "all of its host", |peers| {
        peers.contains_key(&id(2)) && peers.contains_key(&id(3))
    });
    assert_eq!(beside.addresses(3), ["lo 127.0.0.1:5211"]);
    assert!(!a.discovery().peers().contains_key(&id(3)), "a loopback listener is nothing for other hosts");

    b.close();
    a.wait(4 * SECOND, "goodbye", BTreeMap::is_empty);
}

#[test]
fn a_loopback_is_enough() {
    let lan = Lan::new();
    ip(&format!("-n {} link del va", lan.a));
    let (a, b) = (Node::start(Some(&lan.a), settings(1)), Node::start(Some(&lan.a), settings(2)));
    a.discovery().announce(vec![announcement(1, "LineA", "127.0.0.1:5211")]);
    b.discovery().announce(vec![announcement(2, "LineB", "127.0.0.1:5212")]);
    a.wait(SECOND, "B", |peers| peers.contains_key(&id(2)));
    b.wait(SECOND, "A", |peers| peers.contains_key(&id(1)));
    assert_eq!(a.addresses(2), ["lo 127.0.0.1:5212"]);
}

#[test]
fn a_socket_for_both_families_is_found_by_both() {
    let lan = Lan::new();
    ip(&format!("-n {} addr add fd00:9::1/64 dev va nodad", lan.a));
    ip(&format!("-n {} addr add fd00:9::2/64 dev vb nodad", lan.b));
    let (a, b) = (Node::start(Some(&lan.a), settings(1)), Node::start(Some(&lan.b), settings(2)));
    b.discovery().announce(vec![announcement(2, "LineB", "[::]:5210")]);
    a.wait(5 * SECOND, "both families", |_| {
        let addresses = a.addresses(2);
        ["va 10.9.0.2:5210", "va [fd00:9::2]:5210"].iter().all(|one| addresses.iter().any(|seen| seen == one))
    });
}

#[test]
fn an_address_that_changes_is_followed() {
    let lan = Lan::new();
    let (a, b) = (Node::start(Some(&lan.a), settings(1)), Node::start(Some(&lan.b), settings(2)));
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.wait(4 * SECOND, "B", |peers| peers.contains_key(&id(2)));
    ip(&format!("-n {} addr del 10.9.0.2/24 dev vb", lan.b));
    ip(&format!("-n {} addr add 10.9.0.77/24 dev vb", lan.b));
    a.wait(12 * SECOND, "the new address alone", |_| a.addresses(2) == ["va 10.9.0.77:5210"]);
}

#[test]
fn a_network_that_comes_later_is_used() {
    let lan = Lan::new();
    ip(&format!("-n {} link set vb down", lan.b));
    ip(&format!("-n {} addr flush dev vb", lan.b));
    let (a, b) = (Node::start(Some(&lan.a), settings(1)), Node::start(Some(&lan.b), settings(2)));
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.discovery().announce(vec![announcement(1, "LineA", "10.9.0.1:5210")]);
    ip(&format!("-n {} link set vb up", lan.b));
    ip(&format!("-n {} addr add 10.9.0.2/24 dev vb", lan.b));
    a.wait(12 * SECOND, "B", |peers| peers.contains_key(&id(2)));
    b.wait(12 * SECOND, "A", |peers| peers.contains_key(&id(1)));
}

#[test]
fn who_is_silent_is_asked_and_stays_if_there() {
    let lan = Lan::new();
    let (a, b) = (Node::start(Some(&lan.a), impatient(1, 1)), Node::start(Some(&lan.b), settings(2)));
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.wait(4 * SECOND, "B", |peers| peers.contains_key(&id(2)));
    let first = a.discovery().peers()[&id(2)].last_seen_ns;
    a.hears_nothing_for(6 * SECOND);
    assert!(a.discovery().peers()[&id(2)].last_seen_ns > first, "it was asked and answered");
}

#[test]
fn a_killed_peer_vanishes_and_comes_back() {
    let lan = Lan::new();
    let a = Node::start(Some(&lan.a), impatient(1, 3));
    let mut b = announcer(&lan.b);
    a.wait(3 * SECOND, "B", |peers| peers.contains_key(&id(2)));
    b.kill().unwrap();
    b.wait().unwrap();
    // 3 s until it is asked, 2 s to answer, and the clock of the table; with 30 s in place of 3: 35 s at most.
    let took = a.wait(8 * SECOND, "B is gone", BTreeMap::is_empty);
    assert!(took > SECOND, "it did not say goodbye, and was gone after {took:?}");
    let mut again = announcer(&lan.b);
    a.wait(3 * SECOND, "B is back", |peers| peers.contains_key(&id(2)));
    again.kill().unwrap();
    again.wait().unwrap();
}

#[test]
fn a_cut_cable_is_noticed_and_mended() {
    let lan = Lan::new();
    let (a, b) = (Node::start(Some(&lan.a), impatient(1, 1)), Node::start(Some(&lan.b), settings(2)));
    a.pair_with(2);
    b.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    a.wait(4 * SECOND, "B", |peers| peers.get(&id(2)).is_some_and(|peer| peer.present));
    ip(&format!("-n {} link set vb multicast off", lan.b));
    ip(&format!("-n {} link set vb down", lan.b));
    a.wait(10 * SECOND, "B is absent", |peers| !peers[&id(2)].present);
    assert_eq!(a.addresses(2), ["va 10.9.0.2:5210"], "where a paired peer was stays known");
    ip(&format!("-n {} link set vb multicast on", lan.b));
    ip(&format!("-n {} link set vb up", lan.b));
    a.wait(15 * SECOND, "B is back", |peers| peers[&id(2)].present);
}

/// An agent in a process of its own.
fn announcer(host: &str) -> Child {
    Command::new("ip")
        .args(["netns", "exec", host])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "lan::announce_until_killed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the process that a_killed_peer_vanishes_and_comes_back kills"]
fn announce_until_killed() {
    let node = Node::start(None, settings(2));
    node.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    // Ends with the test that started it, should that fail.
    let _ = std::io::stdin().read(&mut [0]);
}
