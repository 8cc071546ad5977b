//! The operator's part of a peer's status, and names that two have.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use lineshaft_crds::PlcRuntime;
use serde_json::{Value, json};

use super::super::peer_names::others_of_that_name;
use super::*;

fn peer(name: &str, status: Value) -> MeshPeer {
    serde_json::from_value(json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
        "metadata": {"name": name}, "spec": {"source": "Discovered"}, "status": status}))
    .unwrap()
}

fn named(object: &str, name: &str, id: u8) -> MeshPeer {
    peer(
        object,
        json!({"serviceName": name, "runtimeID": format!("6f1c2a9e-0000-4000-8000-00000000000{id}")}),
    )
}

fn runtime(name: &str, discovery: Value) -> PlcRuntime {
    serde_json::from_value(json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
        "metadata": {"name": name, "namespace": "line-a", "uid": "own"},
        "spec": {"program": {"sources": []}, "discovery": discovery}}))
    .unwrap()
}

#[test]
fn a_name_is_of_one_runtime() {
    let peers = [
        named("b-1", "LineB", 1),
        named("b-2", "lineb", 2),
        named("c", "LineC", 3),
        named("b-again", "LineB", 1),
    ];
    let others = |at: usize| others_of_that_name(&peers[at], &peers, &[]).unwrap();
    assert_eq!(others(0), ["MeshPeer b-2"]);
    assert_eq!(others(1), ["MeshPeer b-1", "MeshPeer b-again"]);
    assert!(others(2).is_empty());
    assert_eq!(others_of_that_name(&peer("manual", json!({})), &peers, &[]), None);
}

#[test]
fn runtimes_of_this_site_have_names_if_they_announce_them() {
    let peers = [named("b", "LineB", 1)];
    let others = |runtime| others_of_that_name(&peers[0], &peers, &[runtime]).unwrap();
    assert_eq!(
        others(runtime("plcb", json!({"serviceName": "LineB"}))),
        ["PlcRuntime line-a/plcb of this site"]
    );
    assert_eq!(others(runtime("lineb", json!({}))), ["PlcRuntime line-a/lineb of this site"]);
    assert!(others(runtime("lineb", json!(null))).is_empty());
    assert!(others(runtime("lineb", json!({"advertise": false}))).is_empty());
}

fn agents(trusted: (&str, &str), reachable: (&str, &str)) -> Value {
    let one = |type_: &str, (status, reason): (&str, &str)| {
        json!({"type": type_, "status": status, "reason": reason, "message": "said by the agent",
            "lastTransitionTime": "2026-11-21T08:00:00Z"})
    };
    json!({"serviceName": "LineB", "conditions": [one("Trusted", trusted), one("Reachable", reachable)]})
}

/// `TYPE=STATUS/REASON` of each condition.
fn said(peer: &MeshPeer, others: Option<&[String]>) -> Vec<String> {
    conditions(peer, others, Timestamp::from_second(1).unwrap())
        .iter()
        .map(|found| format!("{}={:?}/{}", found.type_, found.status, found.reason))
        .collect()
}

#[test]
fn ready_takes_the_first_that_is_wrong_and_else_how_the_peer_is_reached() {
    let good = peer("b", agents(("True", "Paired"), ("True", "Connected")));
    assert_eq!(said(&good, Some(&[])), ["NameUnique=True/NameUnique", "Ready=True/Connected"]);
    let other = ["MeshPeer b-2".to_owned()];
    assert_eq!(said(&good, Some(&other)), ["NameUnique=False/NameConflict", "Ready=False/NameConflict"]);
    let strange = peer("b", agents(("False", "NotPaired"), ("True", "Seen")));
    assert_eq!(said(&strange, Some(&[]))[1], "Ready=False/NotPaired");
    let gone = peer("b", agents(("True", "Paired"), ("False", "NotSeen")));
    assert_eq!(said(&gone, Some(&[]))[1], "Ready=False/NotSeen");
    assert_eq!(said(&peer("b", json!({})), None), ["Ready=Unknown/WaitingForAgent"]);
}

#[test]
fn a_conflict_names_three_and_counts_the_rest() {
    let others: Vec<String> = (1..=5).map(|index| format!("MeshPeer b-{index}")).collect();
    let found = conditions(&named("b", "LineB", 1), Some(&others), Timestamp::UNIX_EPOCH);
    let expected = "LineB is also the name of MeshPeer b-1, MeshPeer b-2, MeshPeer b-3, 2 more";
    assert_eq!(found[0].message, expected);
    assert_eq!(story(&[], &found), [Chapter::warning("NameConflict", "Compare", expected)]);
    assert_eq!(story(&found, &found), []);
}

#[test]
fn what_the_operator_writes_is_no_report() {
    let bare = peer("b", agents(("True", "Paired"), ("True", "Connected")));
    let mut summed = bare.clone();
    summed.status.as_mut().unwrap().conditions.extend(conditions(&bare, Some(&[]), Timestamp::UNIX_EPOCH));
    assert_eq!(reported(&summed), reported(&bare));
    assert_eq!(owned(&summed).len(), 2);
}
