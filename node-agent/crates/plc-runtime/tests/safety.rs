//! Ways in which outputs could stay live although nobody answers for them any more, each with a real device.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test, and the plant has more than these tests need"
)]

mod plant;

use lineshaft_fieldbus::modbus::{Server, Table, Tables};
use lineshaft_plc_io::DriverConfig;
use lineshaft_plc_io::spec::OnError;
use lineshaft_plc_runtime::launch::{self, Lifeline};
use lineshaft_plc_runtime::protocol::{
    FaultPolicy, Outputs, RealtimeMode, RefusalReason, RunMode, SafeTarget, SafeValue, State,
};
use plant::{LIVE, PROGRAM, Plant, SAFE, signal, wait, wait_gone};
use rustix::process::Signal;
use std::fmt::Write as _;
use std::sync::Arc;

/// A program with so much text that it fits into no socket's buffer, and compiles for a while.
fn large() -> String {
    let mut body = String::new();
    for k in 0..8000 {
        writeln!(body, "IF n = {k} THEN i := {}; END_IF; (* padding, padding, padding *)", k % 100).unwrap();
    }
    PROGRAM.replace("n := n + 1;", &format!("n := n + 1;\n{body}"))
}

#[test]
fn a_runner_that_is_frozen_between_two_scans_is_killed() {
    let plant = Plant::running();
    let runner = plant.status().runner_pid.unwrap();
    signal(runner, Signal::STOP);
    plant.wait_safe();
    plant.wait_state(State::SafeHalted);
    wait_gone(&[runner]);
    plant.client().acknowledge().unwrap();
    plant.wait_live();
}

#[test]
fn a_slow_task_is_no_hang() {
    let mut plant = Plant::new();
    plant.bundle.watchdog.timeout_ns = Some(10_000_000);
    let slow = format!(
        "CONFIGURATION C RESOURCE R ON PLC TASK t(INTERVAL := T#400ms, PRIORITY := 1); \
         PROGRAM Main WITH t : Prog; END_RESOURCE END_CONFIGURATION {}",
        PROGRAM.replace("PROGRAM Main", "PROGRAM Prog")
    );
    plant.set_source(&slow);
    plant.apply().unwrap();
    plant.wait_live();
    let runner = plant.status().runner_pid;
    let scans = plant.status().counters.scans;
    wait("more scans", || (plant.status().counters.scans > scans + 4).then_some(()));
    let status = plant.status();
    assert_eq!((status.runner_pid, status.outputs, status.counters.watchdog), (runner, Outputs::Live, 0));
}

#[test]
fn a_runner_that_freezes_while_another_program_is_on_its_way_is_killed() {
    let mut plant = Plant::running();
    let runner = plant.status().runner_pid.unwrap();
    plant.set_source(&large());
    signal(runner, Signal::STOP);
    let (mut client, bundle) = (plant.client(), plant.bundle.clone());
    let applying = std::thread::spawn(move || client.apply(bundle));
    plant.wait_safe();
    plant.wait_state(State::SafeHalted);
    wait_gone(&[runner]);
    let answer = applying.join().unwrap().unwrap();
    let lineshaft_plc_runtime::client::ApplyOutcome::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!(refusal.reason, RefusalReason::RunnerFailed);
}

#[test]
fn a_frozen_runner_that_should_stand_still_is_replaced() {
    let mut plant = Plant::new();
    plant.bundle.watchdog.enabled = false;
    plant.apply().unwrap();
    plant.wait_live();
    let runner = plant.status().runner_pid.unwrap();
    signal(runner, Signal::STOP);
    // Other safe values need other drivers, but no other program.
    plant
        .bundle
        .io
        .safe_state
        .push(SafeValue { target: SafeTarget::Address("%QX0.2".into()), value: "TRUE".into() });
    assert_eq!(plant.apply().unwrap_err().reason, RefusalReason::RunnerFailed);
    wait_gone(&[runner]);
    wait("an accepted bundle", || plant.apply().ok());
    plant.wait_live();
    assert_eq!(plant.wait_state(State::Running).counters.crashes, 1);
}

#[test]
fn a_lost_driver_that_asks_for_a_fault_takes_the_outputs_of_all_to_safe() {
    let mut plant = Plant::new();
    let second = Arc::new(Tables::new(1, 16));
    let mut sensor = Some(Server::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&second) as _).unwrap());
    let endpoint = sensor.as_ref().unwrap().addr();
    let mut driver = plant.bundle.io.drivers[0].clone();
    driver.name = "sensor".into();
    (driver.on_error, driver.error_ms) = (OnError::Fault, 100);
    let DriverConfig::ModbusMaster(modbus) = &mut driver.config else { panic!("Modbus") };
    modbus.endpoint = endpoint.to_string();
    modbus.maps.remove(0);
    "%IX2.0".clone_into(&mut modbus.maps[0].address);
    plant.bundle.io.drivers.push(driver);
    plant.apply().unwrap();
    plant.wait_live();

    sensor.take().unwrap().stop();
    let status = plant.wait_state(State::Halted);
    assert!(status.reason.contains("driver sensor"), "{}", status.reason);
    assert_ne!(status.outputs, Outputs::Live);
    plant.wait_safe();
    // It is still away: an acknowledgement does not make the outputs live again, not for one scan.
    let writes = plant.device.writes();
    plant.client().acknowledge().unwrap();
    wait("a second halt", || (plant.status().state == State::Halted).then_some(()));
    assert_eq!(plant.coils(), SAFE);
    wait("a refresh of the safe values", || (plant.device.writes() > writes + 1).then_some(()));
    assert_eq!(plant.coils(), SAFE);

    sensor = Some(Server::start(endpoint, second as _).unwrap());
    wait("live outputs", || {
        plant.client().acknowledge().unwrap();
        (plant.coils() == LIVE).then_some(())
    });
    drop(sensor);
}

#[test]
fn a_frozen_keeper_is_killed_by_who_wants_to_adopt_it() {
    let mut plant = Plant::running();
    let pids = plant.pids();
    signal(pids[0], Signal::STOP);
    let error = launch::adopt(plant.dir.path()).unwrap_err();
    assert_eq!(error.to_string(), "no answer within 5000 ms");
    wait_gone(&pids);
    assert!(matches!(launch::adopt(plant.dir.path()).unwrap(), launch::Adopted::Absent));
    plant.device.set(Table::Coils, 0, &[1, 1]);
    start_again(&mut plant);
    plant.wait_live();
}

/// Another keeper in the same directory, with the bundle applied.
fn start_again(plant: &mut Plant) {
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
    plant.keeper = Some(launch::spawn_keeper(exe, plant.dir.path(), Lifeline::WithParent).unwrap());
    plant.apply().unwrap();
}

#[test]
fn a_safe_halt_outlives_its_keeper_until_it_is_acknowledged() {
    let mut plant = Plant::new();
    plant.bundle.fault = FaultPolicy::SafeHalt;
    plant.apply().unwrap();
    plant.wait_live();
    plant.device.set(Table::DiscreteInputs, 0, &[1]);
    let halted = plant.wait_state(State::SafeHalted);
    plant.device.set(Table::DiscreteInputs, 0, &[0]);
    // The device forgets its safe values, so that the next keeper has to write them.
    for kill in [Signal::KILL, Signal::TERM] {
        let pids = plant.pids();
        signal(pids[0], kill);
        wait_gone(&pids);
        plant.device.set(Table::Coils, 0, &[1, 1]);
        start_again(&mut plant);
        plant.wait_safe();
        let status = plant.status();
        assert_eq!((status.state, &status.reason), (State::SafeHalted, &halted.reason));
        assert_eq!(status.last_fault, halted.last_fault);
        let source = PROGRAM.replace("n := n + 1;", "n := n + 2;");
        plant.set_source(&source);
        plant.apply().unwrap();
        assert_eq!(plant.status().state, State::SafeHalted, "another program ends nothing either");
    }
    plant.client().acknowledge().unwrap();
    plant.wait_live();

    let pids = plant.pids();
    signal(pids[0], Signal::KILL);
    wait_gone(&pids);
    start_again(&mut plant);
    plant.wait_live();
}

#[test]
fn an_acknowledgement_that_the_disk_refuses_ends_nothing() {
    let plant = Plant::running();
    let runner = plant.status().runner_pid.unwrap();
    let file = plant.dir.path().join("safe-halted.json");
    signal(runner, Signal::STOP);
    plant.wait_state(State::SafeHalted);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let error = plant.client().acknowledge().unwrap_err().to_string();
    assert!(error.contains("not acknowledged") && error.contains("safe-halted.json"), "{error}");
    assert_eq!(plant.status().state, State::SafeHalted);
    std::fs::remove_dir(&file).unwrap();
    plant.client().acknowledge().unwrap();
    plant.wait_live();
}

#[test]
fn an_acknowledged_program_that_should_be_stopped_stays_stopped() {
    let mut plant = Plant::new();
    plant.bundle.fault = FaultPolicy::SafeHalt;
    plant.apply().unwrap();
    plant.wait_live();
    plant.device.set(Table::DiscreteInputs, 0, &[1]);
    plant.wait_state(State::SafeHalted);
    plant.device.set(Table::DiscreteInputs, 0, &[0]);
    plant.bundle.run = RunMode::Stopped;
    plant.apply().unwrap();
    assert_eq!(plant.status().state, State::SafeHalted);
    plant.client().acknowledge().unwrap();
    let status = plant.status();
    assert_eq!(status.state, State::Stopped);
    assert_ne!(status.outputs, Outputs::Live);
    plant.wait_safe();
}

#[test]
fn real_time_that_is_required_and_refused_ends_live_outputs() {
    let mut plant = Plant::new();
    plant.bundle.realtime = RealtimeMode::Preferred;
    plant.apply().unwrap();
    plant.wait_live();
    let refused = plant.status().realtime.refused;
    plant.bundle.realtime = RealtimeMode::Required;
    plant.apply().unwrap();
    if refused.is_empty() {
        assert_eq!(plant.status().state, State::Running);
        return;
    }
    assert_eq!(plant.status().state, State::Halted);
    plant.wait_safe();
    // Also from the first moment on.
    let mut plant = Plant::new();
    plant.bundle.realtime = RealtimeMode::Required;
    plant.apply().unwrap();
    plant.wait_state(State::Halted);
    plant.wait_safe();
}

#[test]
fn a_new_keeper_writes_safe_values_before_the_compiler_has_done_its_work() {
    let mut plant = Plant::running();
    let pids = plant.pids();
    signal(pids[0], Signal::KILL);
    wait_gone(&pids);
    assert_eq!(plant.coils(), LIVE, "nobody could tell the device");
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
    plant.keeper = Some(launch::spawn_keeper(exe, plant.dir.path(), Lifeline::WithParent).unwrap());
    plant.set_source(&large());
    let (mut client, bundle) = (plant.client(), plant.bundle.clone());
    let applying = std::thread::spawn(move || client.apply(bundle));
    let runner = wait("a runner that compiles", || plant.status().runner_pid);
    signal(runner, Signal::STOP);
    plant.wait_safe();
    assert_eq!(plant.status().program, None);
    signal(runner, Signal::CONT);
    applying.join().unwrap().unwrap();
    plant.wait_live();
}
