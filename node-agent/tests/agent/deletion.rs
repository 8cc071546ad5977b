//! Letting go: deleted, moved, given up.

use lineshaft_node_agent::{Error, Lifeline};
use lineshaft_test_fixture::{wait_for, wait_gone};
use serde_json::json;

use crate::plant::{NAME, Plant, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_object_is_gone_after_its_outputs_are_safe() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    plant.delete().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
    assert!(plant.is_safe(), "result {}, valve {}", plant.result(), plant.valve());
    assert!(!plant.keeper_directory(&object).exists());
    assert!(plant.keeper_status(&object).is_none());
    plant.event("Stopping").await;
    plant.event("Released").await;
    let metrics = plant.metrics();
    assert!(!metrics.contains("lineshaft_plc_"), "series of a deleted runtime:\n{metrics}");
    plant.stop_agent().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_waits_for_a_device_that_does_not_answer() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    plant.device_vanishes();
    plant.condition("IoHealthy", "False", "DeviceUnreachable").await;
    plant.event("DeviceUnreachable").await;
    plant.delete().await;
    let note = plant.event("OutputsUnconfirmed").await;
    assert!(note.contains("press") && note.contains("lineshaft.dev/abandon-outputs"), "{note}");
    let waiting = plant.condition("Running", "False", "Stopping").await;
    assert!(waiting.metadata.deletion_timestamp.is_some());

    plant.device_returns().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
    assert!(plant.is_safe(), "result {}, valve {}", plant.result(), plant.valve());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_can_be_given_up() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    plant.device_vanishes();
    plant.delete().await;
    plant.event("OutputsUnconfirmed").await;
    plant.merge(&json!({"metadata": {"annotations": {"lineshaft.dev/abandon-outputs": "true"}}})).await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
    assert!(plant.event("OutputsAbandoned").await.contains("press"));
    assert!(plant.keeper_status(&object).is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_released_only_with_safe_outputs() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    let accepted = object.status.unwrap().accepted;
    plant
        .operator_says(&json!({"nodeName": plant.node, "accepted": accepted,
            "transfer": {"to": "edge-9", "reason": "spec.nodeName changed"}}))
        .await;
    let released = wait_for(&plant.runtimes(), NAME, SOON, |object| {
        object.status.as_ref().is_some_and(|status| status.holder.is_none())
    })
    .await;
    assert!(plant.is_safe(), "released with result {}, valve {}", plant.result(), plant.valve());
    assert!(!plant.keeper_directory(&released).exists());
    let status = released.status.unwrap();
    assert!(
        status.program.is_none() && status.conditions.is_empty(),
        "nothing of the old node is left: {status:#?}"
    );

    // The operator changes its mind: the object stays after all.
    plant.operator_says(&json!({"nodeName": plant.node, "accepted": accepted})).await;
    plant.device_shows("the program again", |plant| plant.result() == 7).await;
    plant.condition("Running", "True", "Scanning").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_bound_elsewhere_is_ended() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    plant.operator_says(&json!({"nodeName": "edge-9"})).await;
    plant.device_shows("safe values", Plant::is_safe).await;
    lineshaft_test_fixture::eventually(SOON, "nothing is left of it", async || {
        (!plant.keeper_directory(&object).exists()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_ends_with_its_keepers_names_silent_devices() {
    let mut plant = Plant::new().await;
    plant.running(Lifeline::WithParent).await;
    plant.device_vanishes();
    plant.condition("IoHealthy", "False", "DeviceUnreachable").await;
    let Err(Error::OutputsUnconfirmed(unconfirmed)) = plant.stop_agent().await else {
        panic!("the device cannot have confirmed anything");
    };
    assert_eq!(unconfirmed.len(), 1);
    assert_eq!(unconfirmed[0].driver, "press");
    assert!(unconfirmed[0].runtime.ends_with("/filler"));
}
