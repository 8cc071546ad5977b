//! Halts that only a person ends.

use lineshaft_crds::PlcRuntime;
use lineshaft_node_agent::Lifeline;
use lineshaft_test_fixture::{eventually, wait_gone};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::plant::{COUNTS_TO_SEVEN, NAME, Plant, SOON};

/// Divides by zero as soon as it has counted to seven.
fn fails_at_seven() -> String {
    COUNTS_TO_SEVEN.replace("result := count;", "result := count;\nbeats := beats / INT_TO_UINT(7 - count);")
}

async fn annotate(plant: &Plant, value: &str) {
    plant.merge(&json!({"metadata": {"annotations": {"lineshaft.dev/acknowledge": value}}})).await;
}

/// Waits for a keeper other than the one that was killed, with its program and so many faults.
async fn faults(plant: &Plant, object: &PlcRuntime, killed: u32, expected: u64) {
    eventually(SOON, "the faults of the second keeper", async || {
        let status = plant.keeper_status(object).filter(|status| status.pid != killed)?;
        (status.program.is_some() && status.counters.faults == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_safe_halt_ends_once_for_each_word_of_a_person() {
    let mut plant = Plant::new().await;
    plant.start_agent(Lifeline::Independent);
    plant.create(&fails_at_seven()).await;
    // Said before there was anything to acknowledge.
    annotate(&plant, "before").await;
    let object = plant.merge(&json!({"spec": {"fault": {"policy": "SafeHalt"}}})).await;
    plant.accept(&object).await;
    let halted = plant.condition("Running", "False", "SafeHalted").await;
    let running = halted.status.unwrap().conditions.into_iter().find(|c| c.type_ == "Running").unwrap();
    let way_out = format!(
        "kubectl annotate -n {} plc {NAME} lineshaft.dev/acknowledge=\"$(date -Is)\" --overwrite",
        plant.namespace.name()
    );
    assert!(running.message.starts_with("DivideByZero at main.st:"), "{}", running.message);
    assert!(running.message.ends_with(&way_out), "{}", running.message);

    let killed = plant.keeper_status(&object).unwrap().pid;
    kill_process(Pid::from_raw(killed as i32).unwrap(), Signal::KILL).unwrap();
    faults(&plant, &object, killed, 0).await;
    plant.condition("Running", "False", "SafeHalted").await;
    annotate(&plant, "first").await;
    faults(&plant, &object, killed, 1).await;
    assert_eq!(
        plant.event("Acknowledged").await,
        "annotation lineshaft.dev/acknowledge is \"first\": the halt ends"
    );

    plant.stop_agent().await.unwrap();
    plant.start_agent(Lifeline::Independent);
    plant.event("KeeperAdopted").await;
    plant.device_shows("safe values", Plant::is_safe).await;
    let seen = plant.keeper_status(&object).unwrap();
    assert_eq!(seen.counters.faults, 1, "an old word ends no new halt");
    annotate(&plant, "second").await;
    eventually(SOON, "another fault", async || {
        plant.keeper_status(&object).filter(|status| status.counters.faults == 2)
    })
    .await;
    plant.condition("Running", "False", "SafeHalted").await;
    plant.delete().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
}
