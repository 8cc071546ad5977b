//! `lineshaft up` starts, stops, and starts again.

use lineshaft_end_to_end::{Cluster, Device, Role, station, wait_until};
use rustix::process::Signal;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn ordered_stop_leaves_safe_outputs_and_no_process() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");
    wait_until(SOON, "outputs live", || station::is_live(&device).then_some(()));

    let status = plant.terminate();

    assert_eq!(status.code(), Some(0), "{}", plant.printed().join("\n"));
    assert!(station::is_safe(&device), "the device must see the safe values before up ends");
    plant.wait_nothing_left();
}

#[test]
fn ctrl_c_is_an_ordered_stop() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");

    plant.process(Role::Up).signal(Signal::INT);

    assert_eq!(plant.wait_end().code(), Some(0));
    assert!(station::is_safe(&device));
    plant.wait_nothing_left();
}

#[test]
fn second_start_finds_everything_as_it_was() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");
    let kubectl = plant.kubectl();
    kubectl.ok(&["create", "configmap", "note", "--from-literal=kept=yes"]);
    let uid = ["get", "plc", "station", "-o=jsonpath={.metadata.uid}"];
    let before = kubectl.ok(&uid);
    plant.terminate();

    plant.start();
    plant.wait_ready("station");

    assert_eq!(kubectl.ok(&uid), before);
    assert_eq!(kubectl.ok(&["get", "configmap", "note", "-o=jsonpath={.data.kept}"]), "yes");
    wait_until(SOON, "outputs live again", || station::is_live(&device).then_some(()));
}

#[test]
fn sigkill_of_up_leaves_safe_outputs_and_no_process() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");
    wait_until(SOON, "outputs live", || station::is_live(&device).then_some(()));

    plant.process(Role::Up).kill();
    plant.wait_end();

    wait_until(SOON, "outputs safe", || station::is_safe(&device).then_some(()));
    plant.wait_nothing_left();
}

#[test]
fn a_cluster_instead_of_an_api_server_of_its_own() {
    let cluster = Cluster::start();
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.use_cluster(&cluster.kubeconfig());
    plant.start();
    plant.wait_ready("station");
    assert!(plant.processes().iter().all(|process| process.role != Role::ApiServer));
    wait_until(SOON, "outputs live", || station::is_live(&device).then_some(()));

    assert_eq!(plant.terminate().code(), Some(0));
    assert!(station::is_safe(&device));
    plant.wait_nothing_left();
}

#[test]
fn device_that_vanishes_is_a_condition_and_comes_back() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");
    let kubectl = plant.kubectl();

    device.vanish();
    kubectl.ok(&["wait", "--for=condition=IoHealthy=False", "plc/station", "--timeout=30s"]);
    let events = kubectl.ok(&["describe", "plc", "station"]);
    assert!(events.contains("DeviceUnreachable"), "{events}");
    let running = r#"-o=jsonpath={.status.conditions[?(@.type=="Running")].status}"#;
    assert_eq!(kubectl.ok(&["get", "plc", "station", running]), "True", "the scan goes on");

    let before = device.write_count();
    device.come_back();
    kubectl.ok(&["wait", "--for=condition=Ready", "plc/station", "--timeout=30s"]);
    wait_until(SOON, "written again", || {
        (device.write_count() > before && station::is_live(&device)).then_some(())
    });
}
