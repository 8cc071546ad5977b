//! Statuses from what was found, and the stories that their changes tell.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use std::collections::BTreeMap;

use super::super::validate::Refusal;
use super::*;
use lineshaft_crds::plc_runtime::{ProgramStatus, SourceFile};
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn plc(generation: i64, status: Value) -> PlcRuntime {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
        "metadata": {"name": "filler", "namespace": "a", "generation": generation},
        "spec": {"program": {"sources": []}}, "status": status
    }))
    .unwrap()
}

fn node(ready: &str) -> EdgeNode {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode", "metadata": {"name": "edge"}, "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": ready, "reason": "Test", "message": "as tested",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
    }))
    .unwrap()
}

fn found(text: &str) -> Dereferenced {
    let sources = vec![SourceFile { name: "main.st".into(), text: text.into() }];
    Dereferenced { sources: Ok(sources), nodes: vec![node("True")], load: BTreeMap::new() }
}

fn good() -> Judgement {
    Judgement { verdict: Ok(()), diagnostics: Vec::new() }
}

fn bad() -> Judgement {
    let refusal = Refusal { reason: "CompileError", message: "main.st:1:1: error[LS0101]: no".into() };
    Judgement { verdict: Err(refusal), diagnostics: Vec::new() }
}

fn reasons(status: &PlcRuntimeStatus) -> Vec<String> {
    status
        .conditions
        .iter()
        .map(|found| format!("{}={:?}/{}", found.type_, found.status, found.reason))
        .collect()
}

fn told(old: &PlcRuntimeStatus, new: &PlcRuntimeStatus) -> Vec<String> {
    story(old, new).into_iter().map(|chapter| format!("{}: {}", chapter.reason, chapter.note)).collect()
}

/// What an agent reports of a program that runs.
fn running(mut status: PlcRuntimeStatus, generation: i64) -> PlcRuntimeStatus {
    for type_ in [PROGRAM_LOADED, RUNNING] {
        status.conditions.retain(|found| found.type_ != type_);
        status.conditions.push(Condition::new(type_, true, "Running", "", Some(generation), at(5)));
    }
    let hash = status.accepted.as_ref().unwrap().sources_hash.clone();
    status.program =
        Some(ProgramStatus { version: short_version(&hash).into(), hash, ..ProgramStatus::default() });
    status
}

#[test]
fn a_new_runtime_is_accepted_bound_and_then_ready() {
    let new = plc(1, json!({}));
    let first = status(&new, &found("x"), Some(&good()), at(1));
    assert_eq!(first.node_name.as_deref(), Some("edge"));
    assert_eq!(
        reasons(&first),
        ["Accepted=True/Accepted", "Ready=False/WaitingForAgent", "ResolvedRefs=True/ResolvedRefs"]
    );
    let version = short_version(&first.accepted.as_ref().unwrap().sources_hash).to_owned();
    assert_eq!(
        told(&PlcRuntimeStatus::default(), &first),
        [format!("Accepted: program version {version}"), "Bound: bound to edge".to_owned()]
    );
    let runs = PlcRuntime { status: Some(running(first, 1)), ..new };
    let second = status(&runs, &found("x"), Some(&good()), at(9));
    assert_eq!(reasons(&second)[1], "Ready=True/Running");
    let stays = PlcRuntime { status: Some(running(second.clone(), 1)), ..runs };
    assert_eq!(status(&stays, &found("x"), Some(&good()), at(20)), second);
}

#[test]
fn a_refused_version_leaves_the_accepted_one() {
    let first = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    let changed = PlcRuntime { status: Some(first.clone()), ..plc(1, json!({})) };
    let second = status(&changed, &found("y"), Some(&bad()), at(2));
    assert_eq!(second.accepted, first.accepted);
    assert_eq!(second.node_name, first.node_name);
    assert_eq!(reasons(&second)[..2], ["Accepted=False/CompileError", "Ready=False/CompileError"]);
    assert_eq!(told(&first, &second), ["CompileError: main.st:1:1: error[LS0101]: no"]);
}

#[test]
fn a_refused_version_is_not_bound() {
    let refused = status(&plc(1, json!({})), &found("x"), Some(&bad()), at(1));
    assert_eq!((refused.node_name, refused.accepted), (None, None));
}

#[test]
fn missing_sources_are_named_once() {
    let missing = vec![Unresolved::ConfigMap {
        path: "spec.program.sources[0].configMap.name".into(),
        name: "lib".into(),
    }];
    let found = Dereferenced { sources: Err(missing), ..found("") };
    let status = status(&plc(1, json!({})), &found, None, at(1));
    assert_eq!(
        reasons(&status),
        [
            "Accepted=Unknown/SourcesMissing",
            "Ready=False/ConfigMapNotFound",
            "ResolvedRefs=False/ConfigMapNotFound"
        ]
    );
    assert_eq!(
        told(&PlcRuntimeStatus::default(), &status),
        ["ConfigMapNotFound: spec.program.sources[0].configMap.name: there is no ConfigMap \"lib\""]
    );
    assert!(told(&status, &status).is_empty());
}

#[test]
fn a_changed_source_is_ready_only_when_the_agent_runs_it() {
    let first = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    let changed = PlcRuntime { status: Some(first), ..plc(1, json!({})) };
    let second = status(&changed, &found("y"), Some(&good()), at(2));
    assert_eq!(reasons(&second)[1], "Ready=False/WaitingForAgent");
}

#[test]
fn what_the_agent_says_of_an_older_generation_does_not_count() {
    let first = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    let changed = PlcRuntime { status: Some(first), ..plc(2, json!({})) };
    assert_eq!(
        reasons(&status(&changed, &found("x"), Some(&good()), at(2)))[1],
        "Ready=False/WaitingForAgent"
    );
}

#[test]
fn a_lost_node_makes_readiness_unknown() {
    let first = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    let lost = Dereferenced { nodes: vec![node("Unknown")], ..found("x") };
    let plc = PlcRuntime { status: Some(first.clone()), ..plc(1, json!({})) };
    let second = status(&plc, &lost, Some(&good()), at(2));
    assert_eq!(second.node_name.as_deref(), Some("edge"));
    assert_eq!(reasons(&second)[1], "Ready=Unknown/NodeLost");
    assert_eq!(told(&first, &second), ["NodeLost: node edge: as tested"]);
}

#[test]
fn a_driver_that_does_not_reach_its_device_is_what_ready_says() {
    let mut first = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    first.conditions.push(Condition::new(
        IO_HEALTHY,
        false,
        "Disconnected",
        "press: timed out",
        Some(1),
        at(3),
    ));
    let mut plc = PlcRuntime { status: Some(first), ..plc(1, json!({})) };
    plc.spec.io =
        serde_json::from_value(json!({"drivers": [{"name": "a", "loopback": {"links": []}}]})).unwrap();
    let second = status(&plc, &found("x"), Some(&good()), at(4));
    assert_eq!(reasons(&second)[1], "Ready=False/Disconnected");
}

#[test]
fn owned_and_foreign_fields_divide_a_status() {
    let whole = running(status(&plc(1, json!({})), &found("x"), Some(&good()), at(1)), 1);
    let own = owned(whole.clone());
    let foreign = without_own_fields(whole.clone());
    assert_eq!(own.conditions.len() + foreign.conditions.len(), whole.conditions.len());
    assert_eq!((own.program, foreign.program.is_some()), (None, true));
    assert_eq!((own.accepted.is_some(), foreign.accepted), (true, None));
}
