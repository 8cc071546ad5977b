//! The `PlcRuntime` controller on a real API server.

mod plant;

use kube::api::{DeleteParams, Patch, PatchParams};
use lineshaft_crds::plc_runtime::FINALIZER;
use lineshaft_test_fixture::{eventually, wait_for, wait_gone};
use plant::{ALSO_GOOD, BROKEN, GOOD, Plant, SOON, bound_to, from_config_map, has, inline};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_runtime_is_accepted_bound_and_ready_once_its_agent_runs_it() {
    let plant = Plant::start().await;
    let agent = plant.join("edge").await;
    plant.create("filler", inline(GOOD)).await;
    let plc = plant.until("filler", "Accepted", "True", "Accepted").await;
    assert_eq!(bound_to(&plc), Some(agent.node.as_str()));
    let status = plc.status.as_ref().unwrap();
    assert_eq!(status.observed_generation, plc.metadata.generation);
    assert!(status.conditions.iter().all(|found| found.observed_generation == plc.metadata.generation));
    plant.until("filler", "Ready", "False", "WaitingForAgent").await;
    agent.run("filler").await;
    plant.until("filler", "Ready", "True", "Running").await;
    let version = lineshaft_crds::short_version(&status.accepted.as_ref().unwrap().sources_hash);
    assert_eq!(
        plant.story("filler").await,
        [format!("Accepted: program version {version}"), format!("Bound: bound to {}", agent.node)]
    );
}

#[tokio::test]
async fn nothing_is_written_in_steady_state() {
    let plant = Plant::start().await;
    let agent = plant.join("edge").await;
    plant.create("filler", inline(GOOD)).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    agent.run("filler").await;
    let before = plant.until("filler", "Ready", "True", "Running").await;
    // An agent that says the same again, a renewed Lease, and a label that means nothing.
    agent.run("filler").await;
    agent.renew().await;
    plant.patch("filler", json!({"metadata": {"labels": {"a": "b"}}})).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = plant.plcs().get("filler").await.unwrap();
    assert_eq!(after.status, before.status);
    let writes = |plc: &lineshaft_crds::PlcRuntime| {
        let fields = plc.metadata.managed_fields.clone().unwrap();
        fields
            .into_iter()
            .find(|field| field.manager.as_deref() == Some("lineshaft-operator/plcruntime-status"))
    };
    assert_eq!(writes(&after), writes(&before));
}

#[tokio::test]
async fn a_changed_config_map_is_judged_at_once_and_a_broken_one_leaves_the_accepted_version() {
    let plant = Plant::start().await;
    let agent = plant.join("edge").await;
    plant.create("filler", from_config_map("sources")).await;
    plant.until("filler", "ResolvedRefs", "False", "ConfigMapNotFound").await;
    plant.set_source("sources", GOOD).await;
    let first = plant.until("filler", "Accepted", "True", "Accepted").await.status.unwrap();
    agent.run("filler").await;
    plant.until("filler", "Ready", "True", "Running").await;

    let start = Instant::now();
    plant.set_source("sources", BROKEN).await;
    let refused = plant.until("filler", "Accepted", "False", "CompileError").await.status.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1), "took {:?}", start.elapsed());
    assert_eq!(refused.accepted, first.accepted);
    assert_eq!(refused.program.unwrap().hash, first.accepted.unwrap().sources_hash);
    assert!(refused.diagnostics[0].at.starts_with("main.st:3:"), "{:?}", refused.diagnostics);

    plant.set_source("sources", ALSO_GOOD).await;
    let second = plant.until("filler", "Accepted", "True", "Accepted").await.status.unwrap();
    assert!(second.diagnostics.is_empty());
    assert_ne!(second.accepted.unwrap().sources_hash, refused.accepted.unwrap().sources_hash);
    let story = eventually(SOON, "four chapters", async || {
        Some(plant.story("filler").await).filter(|story| story.len() >= 5)
    })
    .await;
    let reasons: Vec<_> = story.iter().map(|chapter| chapter.split(": ").next().unwrap()).collect();
    assert_eq!(reasons, ["ConfigMapNotFound", "Accepted", "Bound", "CompileError", "Accepted"]);
    assert!(story[3].starts_with("CompileError: main.st:3:"), "{}", story[3]);
}

#[tokio::test]
async fn a_version_whose_required_tests_fail_leaves_the_accepted_one() {
    let plant = Plant::start().await;
    plant.join("edge").await;
    let with = |test: &str| {
        let mut spec = inline(&format!("{test}\n{GOOD}"));
        spec["program"]["tests"] = json!("Required");
        spec
    };
    let test = |wanted: u32| format!("TEST 'limits' ASSERT_EQ(LIMIT(0, 12, 9), {wanted}); END_TEST");
    plant.create("filler", with(&test(9))).await;
    let first = plant.until("filler", "Accepted", "True", "Accepted").await.status.unwrap();
    plant.patch("filler", json!({"spec": with(&test(12))})).await;
    let refused = plant.until("filler", "Accepted", "False", "TestsFailed").await.status.unwrap();
    assert_eq!(refused.accepted, first.accepted);
    let accepted = lineshaft_crds::condition::find(&refused.conditions, "Accepted").unwrap();
    let said = "main.st:1:15: TEST 'limits': expected LIMIT(0, 12, 9) = 12, but LIMIT(0, 12, 9) is 9";
    assert_eq!(accepted.message, said);
    let told = eventually(SOON, "an event", async || {
        plant.story("filler").await.into_iter().find(|chapter| chapter.starts_with("TestsFailed: "))
    });
    assert_eq!(told.await, format!("TestsFailed: {said}"));
    plant.patch("filler", json!({"spec": {"program": {"tests": "Ignored"}}})).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let plant = Plant::start().await;
    let mut spec = inline(GOOD);
    spec["retain"] = json!({"mode": "File"});
    plant.create("filler", spec).await;
    let plc = plant.until("filler", "Accepted", "False", "NotSupported").await;
    assert_eq!(bound_to(&plc), None);
    let story = eventually(SOON, "an event", async || plant.story("filler").await.pop()).await;
    assert_eq!(story, "NotSupported: spec.retain.mode: File is not supported by this version");
}

#[tokio::test]
async fn a_runtime_waits_for_a_node_that_fits() {
    let plant = Plant::start().await;
    plant.join("a").await;
    let mut spec = inline(GOOD);
    spec["nodeSelector"] = json!({"line": "b"});
    plant.create("filler", spec).await;
    let plc = plant.until("filler", "Accepted", "False", "NoNodeFits").await;
    let conditions = plc.status.unwrap().conditions;
    let accepted = lineshaft_crds::condition::find(&conditions, "Accepted").unwrap();
    assert_eq!(accepted.message, "0 of 1 nodes fit: 1 lacks the label line=b");
    let agent = plant.join("b").await;
    let plc = plant.until("filler", "Accepted", "True", "Accepted").await;
    assert_eq!(bound_to(&plc), Some(agent.node.as_str()));
}

#[tokio::test]
async fn a_runtime_moves_only_after_its_old_agent_let_go() {
    let plant = Plant::start().await;
    let a = plant.join("a").await;
    let mut spec = inline(GOOD);
    spec["nodeName"] = json!(a.node);
    plant.create("filler", spec).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    a.run("filler").await;
    let b = plant.join("b").await;
    plant.patch("filler", json!({"spec": {"nodeName": b.node}})).await;
    let moving = plant.until("filler", "Ready", "False", "Moving").await;
    assert_eq!(bound_to(&moving), Some(a.node.as_str()));
    assert_eq!(moving.status.unwrap().transfer.unwrap().to, b.node);
    a.let_go("filler").await;
    let moved = wait_for(&plant.plcs(), "filler", SOON, |plc| bound_to(plc) == Some(b.node.as_str())).await;
    assert_eq!(moved.status.unwrap().transfer, None);
    b.run("filler").await;
    plant.until("filler", "Ready", "True", "Running").await;
}

#[tokio::test]
async fn a_lost_node_keeps_its_runtime_until_it_is_fenced() {
    let plant = Plant::start().await;
    let a = plant.join("a").await;
    plant.create("filler", inline(GOOD)).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    a.run("filler").await;
    let lost = plant.until("filler", "Ready", "Unknown", "NodeLost").await;
    assert_eq!(bound_to(&lost), Some(a.node.as_str()));
    let b = plant.join("b").await;
    let still = plant.plcs().get("filler").await.unwrap();
    assert_eq!(bound_to(&still), Some(a.node.as_str()));
    let fence = json!({"spec": {"fencing": "Fenced"}});
    plant.nodes().patch(&a.node, &PatchParams::default(), &Patch::Merge(fence)).await.unwrap();
    wait_for(&plant.plcs(), "filler", SOON, |plc| bound_to(plc) == Some(b.node.as_str())).await;
    // The old agent comes back and may not claim it any more.
    let (code, message) = plant::refusal(a.try_report("filler", json!({"holder": a.node})).await);
    assert_eq!(code, 422, "{message}");
    assert!(message.contains("may only change runtimes that are bound to it"), "{message}");
}

#[tokio::test]
async fn a_deletion_waits_for_the_agent_that_drives_outputs() {
    let plant = Plant::start().await;
    let agent = plant.join("edge").await;
    plant.create("filler", inline(GOOD)).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    agent.try_set_finalizers("filler", json!([FINALIZER])).await.unwrap();
    agent.run("filler").await;
    let plc = plant.until("filler", "Ready", "True", "Running").await;
    plant.plcs().delete("filler", &DeleteParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(plant.plcs().get_opt("filler").await.unwrap().is_some());
    agent.let_go("filler").await;
    wait_gone(&plant.plcs(), &plc, SOON).await;
}

#[tokio::test]
async fn runtimes_spread_over_nodes() {
    let plant = Plant::start().await;
    let (a, b) = (plant.join("a").await, plant.join("b").await);
    let mut counts = [0, 0];
    for number in 0..4 {
        let name = format!("filler-{number}");
        plant.create(&name, inline(GOOD)).await;
        let plc = plant.until(&name, "Accepted", "True", "Accepted").await;
        counts[usize::from(bound_to(&plc) == Some(b.node.as_str()))] += 1;
        // Otherwise both nodes are lost in time.
        a.renew().await;
        b.renew().await;
    }
    assert_eq!(counts, [2, 2]);
}

#[tokio::test]
async fn a_restarted_operator_finds_everything_as_it_was() {
    let mut plant = Plant::start().await;
    let agent = plant.join("edge").await;
    plant.create("filler", inline(GOOD)).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    agent.run("filler").await;
    let before = plant.until("filler", "Ready", "True", "Running").await;
    plant.stop_operator().await;
    let mut second = Plant::without_operator().await;
    second.options = plant.options.clone();
    second.options.registry = prometheus::Registry::new();
    second.options.readiness = lineshaft_operator::Readiness::default();
    agent.renew().await;
    second.start_operator().await;
    eventually(SOON, "ready", async || second.options.readiness.is_ready().then_some(())).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = plant.plcs().get("filler").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert!(has(&after, "Ready", "True", "Running"));
}
