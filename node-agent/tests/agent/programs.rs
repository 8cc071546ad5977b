//! Programs that run, change and are refused.

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use lineshaft_crds::plc_runtime::{ChangeState, FINALIZER};
use lineshaft_crds::program_hash;
use lineshaft_node_agent::Lifeline;
use lineshaft_test_fixture::wait_for;
use serde_json::json;
use std::time::Duration;

use crate::plant::{COUNTS_TO_SEVEN, NAME, Plant, SOON, shows_tenfold};

#[tokio::test(flavor = "multi_thread")]
async fn a_program_runs_and_its_status_says_so() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    plant.condition("IoHealthy", "True", "Operational").await;
    let object = plant.condition("ProgramLoaded", "True", "Loaded").await;

    assert_eq!(object.finalizers(), [FINALIZER]);
    let status = object.status.unwrap();
    assert_eq!(status.holder.as_deref(), Some(plant.node.as_str()));
    assert_eq!(status.scan.as_deref(), Some("10ms"));
    let program = status.program.unwrap();
    assert_eq!(program.hash, program_hash([("main.st", COUNTS_TO_SEVEN)]));
    assert_eq!(program.generation, Some(1));
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
    let version = program.version;
    assert!(plant.event("ProgramLoaded").await.contains(&version));
    plant.event("KeeperStarted").await;
    plant.event("OutputsLive").await;

    let metrics = plant.metrics();
    for name in [
        "lineshaft_agent_keepers 1",
        "lineshaft_plc_scan_duration_seconds_bucket",
        "lineshaft_plc_scans_total",
    ] {
        assert!(metrics.contains(name), "{name} is not in:\n{metrics}");
    }
    plant.stop_agent().await.unwrap();
    assert!(plant.is_safe(), "a keeper that shares the agent's life leaves safe outputs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_writes_nothing_to_the_api() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    plant.condition("IoHealthy", "True", "Operational").await;
    plant.event("OutputsLive").await;
    let now = plant.runtimes().get(NAME).await.unwrap();
    let params = WatchParams::default().fields(&format!("metadata.name={NAME}"));
    let version = now.resource_version().unwrap();
    let changes = plant.runtimes();
    let changes = changes.watch(&params, &version).await.unwrap();
    let mut changes = std::pin::pin!(changes.filter(|event| {
        let change = matches!(event, Ok(WatchEvent::Modified(_)));
        async move { change }
    }));
    let beats = plant.beats();
    let change = tokio::time::timeout(Duration::from_secs(3), changes.next()).await;
    assert!(change.is_err(), "a write without a reason: {change:#?}");
    assert_ne!(plant.beats(), beats, "the program scanned all the while");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_keeps_values() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    let object = plant.change(&shows_tenfold()).await;
    plant.accept(&object).await;
    plant.device_shows("ten times the count that was kept", |plant| plant.result() == 70).await;
    let object = wait_for(&plant.runtimes(), NAME, SOON, |object| {
        let status = object.status.as_ref().unwrap();
        status.program.as_ref().is_some_and(|program| program.generation == Some(2))
    })
    .await;
    let status = object.status.unwrap();
    assert_eq!(status.change.unwrap().state, ChangeState::Applied);
    assert!(plant.event("OnlineChange").await.contains("took over between two scans"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_did_not_accept_never_runs() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    let object = plant.change(&shows_tenfold()).await;
    // The operator accepted a text that is not what the agent reads.
    plant.accept_hash(&object, &program_hash([("main.st", "another text")])).await;
    // What follows is handled after what came before it.
    let object = plant.merge(&json!({"metadata": {"annotations": {"seen": "yes"}}})).await;
    plant.accept_hash(&object, &program_hash([("main.st", "a third text")])).await;
    let beats = plant.beats();
    plant.device_shows("more scans", |plant| plant.beats().wrapping_sub(beats) > 20).await;
    assert_eq!(plant.result(), 7);
    plant.accept(&object).await;
    plant.device_shows("the new program", |plant| plant.result() == 70).await;
    plant.condition("ProgramLoaded", "True", "Loaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_this_node_cannot_compile_leaves_the_old_one_running() {
    let mut plant = Plant::new().await;
    let first = plant.running(Lifeline::WithParent).await;
    let old = first.status.unwrap().program.unwrap();
    let object = plant.change("PROGRAM Main count := ; END_PROGRAM").await;
    plant.accept(&object).await;
    let object = plant.condition("ProgramLoaded", "False", "CompileError").await;
    let status = object.status.unwrap();
    let program = status.program.unwrap();
    assert_eq!((program.hash, program.generation), (old.hash, Some(1)), "the status says what really runs");
    assert!(plant.event("ProgramRefused").await.contains("the version before it runs on"));
    let beats = plant.beats();
    plant.device_shows("more scans", |plant| plant.beats() != beats && plant.result() == 7).await;

    let object = plant.change(&shows_tenfold()).await;
    plant.accept(&object).await;
    plant.device_shows("the repaired program", |plant| plant.result() == 70).await;
    plant.condition("ProgramLoaded", "True", "Loaded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_come_from_a_config_map_and_follow_it() {
    let mut plant = Plant::new().await;
    let maps: kube::Api<ConfigMap> = plant.namespace.api();
    let map = |text: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "program"}, "data": {"main.st": text}});
    maps.create(&PostParams::default(), &serde_json::from_value(map(COUNTS_TO_SEVEN)).unwrap())
        .await
        .unwrap();
    plant.start_agent(Lifeline::WithParent);
    plant.create(COUNTS_TO_SEVEN).await;
    let object =
        plant.merge(&json!({"spec": {"program": {"sources": [{"configMap": {"name": "program"}}]}}})).await;
    plant.accept_hash(&object, &program_hash([("main.st", COUNTS_TO_SEVEN)])).await;
    plant.device_shows("the count", |plant| plant.result() == 7).await;

    let changed = shows_tenfold();
    maps.patch("program", &PatchParams::apply("test").force(), &Patch::Apply(map(&changed))).await.unwrap();
    plant.accept_hash(&object, &program_hash([("main.st", changed.as_str())])).await;
    plant.device_shows("the changed program", |plant| plant.result() == 70).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_this_agent_cannot_do_is_refused_by_name() {
    let mut plant = Plant::new().await;
    plant.start_agent(Lifeline::WithParent);
    plant.create(COUNTS_TO_SEVEN).await;
    let object = plant.merge(&json!({"spec": {"retain": {"mode": "File"}}})).await;
    plant.accept(&object).await;
    plant.condition("ProgramLoaded", "False", "Unsupported").await;
    assert!(plant.event("ProgramRefused").await.contains("spec.retain.mode File"));
    plant.delete().await;
    lineshaft_test_fixture::wait_gone(&plant.runtimes(), &object, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_as_the_spec_asks_is_as_it_should_be() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    let object = plant.merge(&json!({"spec": {"run": "Stopped"}})).await;
    plant.accept(&object).await;
    plant.device_shows("safe values", Plant::is_safe).await;
    plant.condition("Running", "True", "Stopped").await;
    plant.event("Stopped").await;
    let object = plant.merge(&json!({"spec": {"run": "Running"}})).await;
    plant.accept(&object).await;
    plant.device_shows("the program again", |plant| plant.result() == 7).await;
    plant.condition("Running", "True", "Scanning").await;
}
