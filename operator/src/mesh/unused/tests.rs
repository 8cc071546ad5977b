//! When peers go.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use serde_json::{Value, json};

use super::*;

const KEPT: Duration = Duration::from_mins(2);

fn peer(source: Value, status: Value) -> MeshPeer {
    serde_json::from_value(json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
        "metadata": {"name": "b"}, "spec": source, "status": status}))
    .unwrap()
}

fn discovered(status: Value) -> MeshPeer {
    peer(json!({"source": "Discovered"}), status)
}

fn seen(last_seen: &str) -> MeshPeer {
    discovered(
        json!({"observers": [{"nodeName": "edge-a", "addresses": ["10.9.0.2:5210"], "lastSeen": last_seen}]}),
    )
}

#[test]
fn it_goes_two_minutes_after_the_last_agent_took_its_word_back() {
    let start = Instant::now();
    let gone = discovered(json!({}));
    let sighting = Sighting::of(&gone, None, start);
    assert_eq!(sighting.left(&gone, KEPT, start), KEPT);
    let later = start + Duration::from_mins(1);
    assert_eq!(Sighting::of(&gone, Some(sighting), later).left(&gone, KEPT, later), Duration::from_mins(1));
    let end = start + KEPT;
    assert_eq!(Sighting::of(&gone, Some(sighting), end).left(&gone, KEPT, end), Duration::ZERO);
    // Somebody sees it again.
    let again = seen("2026-11-21T08:00:00Z");
    assert!(Sighting::of(&again, Some(sighting), end).left(&again, KEPT, end) > KEPT);
}

#[test]
fn the_word_of_an_agent_that_ended_lapses() {
    let start = Instant::now();
    let first = seen("2026-11-21T08:00:00Z");
    let sighting = Sighting::of(&first, None, start);
    let late = start + CONFIRMED_EVERY;
    let confirmed = Sighting::of(&seen("1970-01-01T00:05:00Z"), Some(sighting), late);
    assert_eq!(confirmed.left(&first, KEPT, late), CONFIRMED_EVERY + KEPT, "whatever clock the agent has");
    let end = start + CONFIRMED_EVERY + KEPT;
    assert_eq!(Sighting::of(&first, Some(sighting), end).left(&first, KEPT, end), Duration::ZERO);
}

#[test]
fn what_is_made_by_a_person_paired_or_named_stays() {
    let subscription: MeshSubscription = serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription", "metadata": {"name": "remote"},
        "spec": {"runtimeRef": {"name": "plca"}, "subscribe": [
            {"to": "Main.a", "from": {"runtimeRef": {"name": "plcb"}, "variable": "Main.b"}},
            {"to": "Main.b", "from": {"peer": "LineB", "variable": "Main.b"}}]}
    }))
    .unwrap();
    let subscriptions = [subscription];
    assert!(is_needed(&peer(json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]}), json!({})), &[]));
    for trust in ["Paired", "RevokedByPeer", "KeyMismatch"] {
        assert!(is_needed(&discovered(json!({"trust": trust})), &[]), "{trust}");
    }
    assert!(is_needed(&discovered(json!({"serviceName": "LineB", "trust": "Unpaired"})), &subscriptions));
    assert!(!is_needed(&discovered(json!({"serviceName": "LineC"})), &subscriptions));
    assert!(!is_needed(&discovered(json!({})), &subscriptions));
}
