//! The operator's part of a subscription's status.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use std::sync::Arc;

use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use serde_json::{Value, json};

use super::*;

const UID: &str = "6f1c2a9e-0000-4000-8000-000000000001";

fn layout() -> Arc<Layout> {
    let text = "PROGRAM Main\nVAR a, b : DINT; END_VAR\na := b;\nEND_PROGRAM\n".to_owned();
    let unit = SourceUnit { name: "main.st".to_owned(), text };
    Arc::new(compile(&[unit], &Options::default()).unwrap().layout)
}

fn runtime(name: &str, node: Option<&str>) -> PlcRuntime {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": name, "uid": UID},
        "spec": {"program": {"sources": []}}, "status": {"nodeName": node}
    }))
    .unwrap()
}

fn subscription(name: &str, to: &str, status: Value) -> MeshSubscription {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
        "metadata": {"name": name, "generation": 2},
        "spec": {"runtimeRef": {"name": "plca"},
            "subscribe": [{"to": to, "from": {"runtimeRef": {"name": "plcb"}, "variable": "Main.x"}}]},
        "status": status
    }))
    .unwrap()
}

fn found(node: Option<&str>) -> Found {
    let host = json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode", "metadata": {"name": "edge-b"}, "spec": {},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.9.0.2"}]}
    });
    Found {
        runtime: Some(runtime("plca", node)),
        layout: Some(layout()),
        earlier: Vec::new(),
        beside: vec![runtime("plca", node), runtime("plcb", Some("edge-b"))],
        nodes: vec![serde_json::from_value(host).unwrap()],
    }
}

fn judge(subscription: &MeshSubscription, found: &Found) -> MeshSubscriptionStatus {
    status(subscription, found, Timestamp::from_second(1).unwrap())
}

/// `TYPE=STATUS/REASON` of each condition.
fn said(status: &MeshSubscriptionStatus) -> Vec<String> {
    let one = |found: &Condition| format!("{}={:?}/{}", found.type_, found.status, found.reason);
    status.conditions.iter().map(one).collect()
}

fn reported(fresh: &str, generation: i64) -> Value {
    let one = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": "said by the agent",
            "lastTransitionTime": "2026-11-21T08:00:00Z", "observedGeneration": generation})
    };
    json!({"nodeName": "edge-a", "conditions": [
        one("ResolvedRefs", "True", "ResolvedRefs"), one("Compatible", "True", "Compatible"),
        one("Connected", "True", "Connected"), one("Fresh", fresh, if fresh == "True" { "AllFresh" } else { "Stale" })
    ]})
}

#[test]
fn a_subscription_goes_where_its_runtime_is() {
    let judged = judge(&subscription("one", "Main.a", json!({})), &found(Some("edge-a")));
    assert_eq!(judged.node_name.as_deref(), Some("edge-a"));
    assert_eq!(judged.observed_generation, Some(2));
    assert_eq!(said(&judged), ["Accepted=True/Accepted", "Ready=Unknown/WaitingForAgent"]);
    let target = &judged.targets[0];
    assert_eq!((target.publisher.as_str(), target.node_name.as_str()), ("runtime/plcb", "edge-b"));
    assert_eq!((target.address.as_deref(), target.runtime_id.as_str()), (Some("10.9.0.2"), UID));
}

#[test]
fn without_a_runtime_on_a_node_the_operator_says_so() {
    let unbound = judge(&subscription("one", "Main.a", json!({})), &found(None));
    let expected =
        ["Accepted=True/Accepted", "Ready=False/RuntimeNotFound", "ResolvedRefs=False/RuntimeNotFound"];
    assert_eq!(said(&unbound), expected);
    let nothing = Found { runtime: None, layout: None, ..found(None) };
    let missing = judge(&subscription("one", "Main.a", json!({})), &nothing);
    assert_eq!(
        said(&missing),
        [
            "Accepted=Unknown/ProgramUnknown",
            "Ready=False/ProgramUnknown",
            "ResolvedRefs=False/RuntimeNotFound"
        ]
    );
    assert!(missing.conditions[2].message.contains("there is no PlcRuntime plca"));
}

#[test]
fn what_the_operator_said_for_want_of_a_node_ends_with_it() {
    let before = judge(&subscription("one", "Main.a", json!({})), &found(None));
    let mut bound = subscription("one", "Main.a", json!({}));
    bound.status = Some(before);
    let judged = judge(&bound, &found(Some("edge-a")));
    assert_eq!(said(&judged), ["Accepted=True/Accepted", "Ready=Unknown/WaitingForAgent"]);
}

#[test]
fn a_program_that_does_not_compile_changes_no_judgement() {
    let before = judge(&subscription("one", "Main.a", json!({})), &found(Some("edge-a")));
    let broken = Found { layout: None, ..found(Some("edge-a")) };
    let mut known = subscription("one", "Main.a", json!({}));
    known.status = Some(before.clone());
    assert_eq!(said(&judge(&known, &broken))[0], "Accepted=True/Accepted");
    known.metadata.generation = Some(3);
    assert_eq!(said(&judge(&known, &broken))[0], "Accepted=Unknown/ProgramUnknown");
}

#[test]
fn the_older_of_two_has_the_target() {
    let older = subscription("older", "Main.a", json!({}));
    let both = Found { earlier: vec![older], ..found(Some("edge-a")) };
    let judged = judge(&subscription("newer", "Main.a", json!({})), &both);
    assert_eq!(said(&judged), ["Accepted=False/TargetConflict", "Ready=False/TargetConflict"]);
    assert!(judged.conditions[0].message.contains("MeshSubscription older"));
    let other = judge(&subscription("newer", "Main.b", json!({})), &both);
    assert_eq!(said(&other)[0], "Accepted=True/Accepted");
    let missing = judge(&subscription("newer", "Main.c", json!({})), &both);
    assert_eq!(said(&missing)[0], "Accepted=False/TargetNotFound");
}

#[test]
fn ready_sums_up_what_the_agent_says_of_this_generation() {
    let of = |status: Value| judge(&subscription("one", "Main.a", status), &found(Some("edge-a")));
    assert_eq!(said(&of(reported("True", 2)))[1], "Ready=True/AllFresh");
    assert_eq!(said(&of(reported("False", 2)))[1], "Ready=False/Stale");
    assert_eq!(said(&of(reported("True", 1)))[1], "Ready=Unknown/WaitingForAgent");
    // A link that was ended is not asked any more: that it was ended is the news.
    let mut revoked = reported("False", 2);
    revoked["conditions"][1]["status"] = json!("Unknown");
    revoked["conditions"][1]["reason"] = json!("NotNegotiated");
    revoked["conditions"][2]["status"] = json!("False");
    revoked["conditions"][2]["reason"] = json!("RevokedByPeer");
    assert_eq!(said(&of(revoked))[1], "Ready=False/RevokedByPeer");
}

#[test]
fn each_writer_has_its_part() {
    let whole: MeshSubscriptionStatus = serde_json::from_value(reported("True", 2)).unwrap();
    let own = owned(whole.clone());
    assert_eq!((own.node_name.as_deref(), own.conditions.len()), (Some("edge-a"), 0));
    let theirs = without_own_fields(whole.clone());
    assert_eq!((theirs.node_name, theirs.conditions.len()), (None, 4));
    // Without a node, ResolvedRefs is the operator's.
    assert_eq!(owned(MeshSubscriptionStatus { node_name: None, ..whole }).conditions.len(), 1);
}

#[test]
fn the_story_tells_of_refusals_and_their_end() {
    let good = judge(&subscription("one", "Main.a", json!({})), &found(Some("edge-a")));
    let bad = judge(&subscription("one", "Main.c", json!({})), &found(Some("edge-a")));
    let reasons = |old: &MeshSubscriptionStatus, new: &MeshSubscriptionStatus| {
        story(old, new).iter().map(|chapter| chapter.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(&MeshSubscriptionStatus::default(), &bad), ["TargetNotFound"]);
    assert_eq!(reasons(&bad, &good), ["SubscriptionAccepted"]);
    assert!(reasons(&good, &good).is_empty());
}
