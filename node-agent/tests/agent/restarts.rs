//! Agents, keepers and API servers that end and come back.

use std::fs;

use kube::Client;
use lineshaft_node_agent::{Error, Lifeline, run};
use lineshaft_test_fixture::{eventually, wait_gone};
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

use crate::plant::{Plant, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_adopts_the_keeper_and_no_scan_is_missed() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    let before = plant.keeper_status(&object).unwrap();
    plant.stop_agent().await.unwrap();
    let beats = plant.beats();
    plant.device_shows("more scans without an agent", |plant| plant.beats().wrapping_sub(beats) > 10).await;

    plant.start_agent(Lifeline::Independent);
    plant.event("KeeperAdopted").await;
    plant.condition("Running", "True", "Scanning").await;
    let after = plant.keeper_status(&object).unwrap();
    assert_eq!((after.pid, after.runner_pid), (before.pid, before.runner_pid));
    assert_eq!(after.counters.starts, before.counters.starts);
    assert_eq!(after.counters.online_changes, before.counters.online_changes);
    plant.delete().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_keeper_is_replaced() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    let killed = plant.keeper_status(&object).unwrap().pid;
    kill_process(Pid::from_raw(killed as i32).unwrap(), Signal::KILL).unwrap();
    plant.event("KeeperLost").await;
    let other = eventually(SOON, "another keeper", async || {
        plant.keeper_status(&object).filter(|status| status.pid != killed)
    })
    .await;
    assert_ne!(other.pid, killed);
    plant.device_shows("the program again", |plant| plant.result() == 7 && plant.valve()).await;
    plant.condition("Running", "True", "Scanning").await;
    plant.delete().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_keeper_is_killed_and_replaced() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    let frozen = plant.keeper_status(&object).unwrap().pid;
    kill_process(Pid::from_raw(frozen as i32).unwrap(), Signal::STOP).unwrap();
    // Nobody asks the frozen one here: what ends it is the agent.
    plant.event("KeeperLost").await;
    eventually(SOON, "another keeper", async || {
        plant.metrics().contains("lineshaft_agent_keepers 1").then_some(())
    })
    .await;
    assert_ne!(plant.keeper_status(&object).unwrap().pid, frozen);
    plant.condition("Running", "True", "Scanning").await;
    plant.delete().await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_the_last_good_program_runs_from_disk() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::WithParent).await;
    plant.stop_agent().await.unwrap();
    assert!(plant.is_safe());

    let (give, client) = tokio::sync::oneshot::channel::<Client>();
    let client = async {
        match client.await {
            Ok(client) => client,
            Err(_) => std::future::pending().await,
        }
    };
    plant.start_agent_with(client, Lifeline::WithParent);
    plant.device_shows("the stored program", |plant| plant.result() == 7 && plant.valve()).await;
    let running = plant.keeper_status(&object).unwrap();
    assert!(give.send(plant.namespace.client()).is_ok());
    plant.condition("Running", "True", "Scanning").await;
    assert_eq!(plant.keeper_status(&object).unwrap().pid, running.pid, "the list changed nothing");
    plant.stop_agent().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_meanwhile_ends_with_the_first_complete_list() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::Independent).await;
    plant.stop_agent().await.unwrap();
    plant.delete().await;
    plant.merge(&serde_json::json!({"metadata": {"finalizers": null}})).await;
    wait_gone(&plant.runtimes(), &object, SOON).await;
    assert!(plant.keeper_status(&object).is_some(), "nobody has told the keeper yet");

    plant.start_agent(Lifeline::Independent);
    plant.device_shows("safe values", Plant::is_safe).await;
    eventually(SOON, "nothing is left of it", async || {
        (!plant.keeper_directory(&object).exists()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_told_and_the_program_comes_from_the_api_again() {
    let mut plant = Plant::new().await;
    let object = plant.running(Lifeline::WithParent).await;
    plant.stop_agent().await.unwrap();
    let record = plant.keeper_directory(&object).join("bundle.cbor");
    let mut bytes = fs::read(&record).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x40;
    fs::write(&record, bytes).unwrap();

    plant.start_agent(Lifeline::WithParent);
    plant.device_shows("the program", |plant| plant.result() == 7).await;
    assert!(plant.event("StoredProgramDamaged").await.contains("checksum"));
    assert!(record.with_file_name("bundle.cbor.damaged").exists());
    plant.stop_agent().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_one_directory_is_refused() {
    let mut plant = Plant::new().await;
    plant.start_agent(Lifeline::WithParent);
    eventually(SOON, "the agent is ready", async || {
        plant.metrics().contains("lineshaft_agent_").then_some(())
    })
    .await;
    let mut options = plant.options(Lifeline::WithParent);
    options.registry = prometheus::Registry::new();
    let second = run(std::future::pending(), options, CancellationToken::new()).await;
    assert!(matches!(&second, Err(Error::Lock(_))), "{second:?}");
    assert!(second.unwrap_err().to_string().contains("in use by another agent"));
    plant.stop_agent().await.unwrap();
}
