//! Keeper and runner as processes, with a Modbus device that shows what they really do: outputs are safe on
//! every way out, values survive changes, and nothing is left running.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test"
)]

mod plant;

use lineshaft_fieldbus::modbus::Table;
use lineshaft_plc_runtime::launch::{self, Adopted, Lifeline};
use lineshaft_plc_runtime::protocol::{
    ChangeState, FaultPolicy, Outputs, RefusalReason, Rename, RunMode, SafeTarget, SafeValue, State, Stopped,
    UpdateMode, WatchdogAction,
};
use plant::{LIVE, PROGRAM, Plant, SAFE, is_alive, signal, wait, wait_gone};
use rustix::process::Signal;
use std::time::Duration;

#[test]
fn a_program_runs_and_a_shutdown_makes_safe_and_ends_everything() {
    let plant = Plant::running();
    let pids = plant.pids();
    assert_eq!(pids.len(), 2);
    let status = plant.status();
    assert_eq!((status.state, status.outputs), (State::Running, Outputs::Live));
    assert_eq!(status.drivers[0].name, "press");
    let before = plant.read("main.N").as_i64().unwrap();
    wait("more scans", || (plant.read("Main.n").as_i64().unwrap() > before + 3).then_some(()));
    assert!(plant.status().tasks[0].scans > 0 && plant.status().tasks[0].exec.count > 0);
    let stopped = plant.client().shutdown(Duration::from_secs(5)).unwrap();
    assert_eq!(stopped, Stopped::Confirmed);
    assert_eq!(plant.coils(), SAFE);
    wait_gone(&pids);
    assert!(matches!(launch::adopt(plant.dir.path()).unwrap(), Adopted::Absent));
}

#[test]
fn a_device_that_is_away_is_reported_at_shutdown() {
    let mut plant = Plant::running();
    let pids = plant.pids();
    plant.server.take().unwrap().stop();
    let stopped = plant.client().shutdown(Duration::from_millis(300)).unwrap();
    let Stopped::Unconfirmed { drivers } = stopped else { panic!("confirmed by nobody") };
    assert_eq!(drivers[0].0, "press");
    wait_gone(&pids);
}

#[test]
fn stopped_and_paused_are_safe_and_only_paused_keeps_values() {
    let mut plant = Plant::running();
    wait("scans", || (plant.read("Main.n").as_i64().unwrap() > 20).then_some(()));
    plant.bundle.run = RunMode::Paused;
    plant.apply().unwrap();
    plant.wait_safe();
    assert_eq!(plant.status().state, State::Paused);
    let n = plant.read("Main.n").as_i64().unwrap();
    assert_eq!(plant.read("Main.n").as_i64().unwrap(), n);
    plant.bundle.run = RunMode::Running;
    plant.apply().unwrap();
    plant.wait_live();
    assert!(plant.read("Main.n").as_i64().unwrap() > n);
    plant.bundle.run = RunMode::Stopped;
    plant.apply().unwrap();
    plant.wait_safe();
    wait("confirmation", || (plant.status().outputs == Outputs::Safe).then_some(()));
    let n = plant.read("Main.n").as_i64().unwrap();
    plant.bundle.run = RunMode::Running;
    plant.apply().unwrap();
    plant.wait_live();
    assert!(plant.read("Main.n").as_i64().unwrap() < n, "a start begins with initial values");
}

#[test]
fn a_killed_runner_is_safe_and_starts_again() {
    let plant = Plant::running();
    let runner = plant.status().runner_pid.unwrap();
    // A device that refuses to change back to live at once shows the safe values for sure.
    let writes = plant.device.writes();
    signal(runner, Signal::KILL);
    wait("safe values", || (plant.coils() == SAFE || plant.device.writes() > writes + 1).then_some(()));
    plant.wait_live();
    let status = plant.wait_state(State::Running);
    assert_ne!(status.runner_pid, Some(runner));
    assert_eq!(status.counters.crashes, 1);
    assert!(!is_alive(runner));
}

#[test]
fn too_many_crashes_halt_until_acknowledged() {
    let plant = Plant::running();
    for crash in 1..=6 {
        let runner = wait("a runner", || plant.status().runner_pid);
        signal(runner, Signal::KILL);
        wait("the crash", || (plant.status().counters.crashes == crash).then_some(()));
    }
    let status = plant.wait_state(State::Halted);
    assert_eq!(status.runner_pid, None);
    plant.wait_safe();
    plant.apply().unwrap();
    assert_eq!(plant.status().state, State::Halted, "the same bundle again ends nothing");
    assert!(plant.read("Main.n").as_i64().unwrap() >= 0, "values stay readable");
    plant.client().acknowledge().unwrap();
    plant.wait_live();
}

#[test]
fn sigterm_makes_safe_and_ends() {
    let plant = Plant::running();
    let pids = plant.pids();
    signal(pids[0], Signal::TERM);
    plant.wait_safe();
    wait_gone(&pids);
}

#[test]
fn the_end_of_the_starter_makes_safe_and_ends() {
    let mut plant = Plant::running();
    let pids = plant.pids();
    // What the kernel does for a starter that is killed: the pipe closes.
    drop(plant.keeper.take());
    plant.wait_safe();
    wait_gone(&pids);
}

#[test]
fn a_killed_keeper_takes_its_runner_along_and_another_takes_over() {
    let mut plant = Plant::running();
    let pids = plant.pids();
    signal(pids[0], Signal::KILL);
    wait_gone(&pids);
    assert!(matches!(launch::adopt(plant.dir.path()).unwrap(), Adopted::Absent));
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
    plant.keeper = Some(launch::spawn_keeper(exe, plant.dir.path(), Lifeline::WithParent).unwrap());
    plant.apply().unwrap();
    plant.wait_live();
}

#[test]
fn there_is_one_keeper_for_a_directory_and_it_can_be_adopted() {
    let plant = Plant::running();
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
    let error = launch::spawn_keeper(exe, plant.dir.path(), Lifeline::WithParent).unwrap_err();
    assert!(error.to_string().contains("another keeper"), "{error}");
    let Adopted::Running(mut client) = launch::adopt(plant.dir.path()).unwrap() else {
        panic!("it runs");
    };
    assert_eq!(client.status().unwrap().state, State::Running);
    assert_eq!(plant.coils(), LIVE);
}

#[test]
fn an_independent_keeper_outlives_its_starter() {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a".repeat(100)).join("b".repeat(100));
    let exe = std::path::Path::new(env!("CARGO_BIN_EXE_lineshaft-plc"));
    let spawned = launch::spawn_keeper(exe, &deep, Lifeline::Independent).unwrap();
    let pid = spawned.pid;
    drop(spawned);
    let Adopted::Running(mut client) = launch::adopt(&deep).unwrap() else { panic!("it runs") };
    assert!(is_alive(pid));
    assert_eq!(client.shutdown(Duration::from_secs(1)).unwrap(), Stopped::Confirmed);
    wait_gone(&[pid]);
}

#[test]
fn a_fault_halts_with_its_record_until_acknowledged() {
    let plant = Plant::running();
    plant.device.set(Table::DiscreteInputs, 0, &[1]);
    plant.wait_safe();
    let status = plant.wait_state(State::Halted);
    let fault = status.last_fault.unwrap();
    assert_eq!(fault.code.name(), "IndexOutOfBounds");
    assert_eq!((fault.at.as_str(), fault.instance.as_str()), ("main.st:13:24", "Main"));
    assert_eq!(fault.operands, [9, 0, 3]);
    assert_eq!(plant.read("Main.i"), 9, "values stay readable");
    plant.device.set(Table::DiscreteInputs, 0, &[0]);
    // The first scan may still see the old input.
    wait("live outputs", || {
        plant.client().acknowledge().unwrap();
        (plant.coils() == LIVE).then_some(())
    });
}

#[test]
fn a_fault_with_policy_restart_starts_again() {
    let mut plant = Plant::new();
    plant.bundle.fault = FaultPolicy::Restart;
    plant.apply().unwrap();
    plant.wait_live();
    plant.device.set(Table::DiscreteInputs, 0, &[1]);
    let status = wait("a fault", || Some(plant.status()).filter(|s| s.counters.faults > 0));
    assert!(matches!(status.state, State::Restarting | State::Starting | State::SafeHalted));
    let status = plant.wait_state(State::SafeHalted);
    assert_eq!(status.counters.faults, 4, "three restarts in a minute, then latched");
    plant.device.set(Table::DiscreteInputs, 0, &[0]);
    // The first scan may still see the old input.
    wait("live outputs", || {
        plant.client().acknowledge().unwrap();
        (plant.coils() == LIVE).then_some(())
    });
}

#[test]
fn an_endless_loop_is_stopped_and_everything_else_lives() {
    let plant = Plant::running();
    let pids = plant.pids();
    plant.device.set(Table::DiscreteInputs, 1, &[1]);
    plant.wait_safe();
    let status = plant.wait_state(State::SafeHalted);
    assert_eq!(status.last_fault.unwrap().code.name(), "Watchdog");
    assert_eq!(plant.pids(), pids);
}

#[test]
fn an_endless_loop_without_watchdog_ends_with_the_stop() {
    let mut plant = Plant::new();
    plant.bundle.watchdog.enabled = false;
    plant.apply().unwrap();
    plant.wait_live();
    plant.device.set(Table::DiscreteInputs, 1, &[1]);
    let scans = |plant: &Plant| plant.status().counters.scans;
    let stuck = wait("the loop", || {
        let before = scans(&plant);
        std::thread::sleep(Duration::from_millis(100));
        (scans(&plant) == before).then_some(before)
    });
    assert!(stuck > 0);
    plant.bundle.run = RunMode::Stopped;
    plant.apply().unwrap();
    plant.wait_safe();
    assert_eq!(plant.status().state, State::Stopped);
}

#[test]
fn a_stuck_runner_is_killed_by_the_keeper() {
    let mut plant = Plant::new();
    plant.bundle.watchdog.action = WatchdogAction::Restart;
    // Mostly in a scan, so that the process stops in the middle of one.
    let busy = PROGRAM
        .replace("i : INT;", "i : INT; k : DINT;")
        .replace("valve := TRUE;", "valve := TRUE; FOR k := 0 TO 4000000 DO ; END_FOR;");
    plant.set_source(&busy);
    plant.apply().unwrap();
    plant.wait_live();
    let runner = plant.status().runner_pid.unwrap();
    // Frozen: its own watchdog cannot act.
    wait("a hang inside of a scan", || {
        signal(runner, Signal::STOP);
        std::thread::sleep(Duration::from_millis(400));
        if is_alive(runner) {
            signal(runner, Signal::CONT);
            return None;
        }
        Some(())
    });
    plant.wait_live();
    assert_ne!(plant.wait_state(State::Running).runner_pid, Some(runner));
}

#[test]
fn an_online_change_keeps_values_and_outputs() {
    let mut plant = Plant::running();
    wait("scans", || (plant.read("Main.n").as_i64().unwrap() > 10).then_some(()));
    let runner = plant.status().runner_pid;
    let changed = PROGRAM
        .replace("n : DINT;", "fresh : INT := 7; count : LINT; m : DINT;")
        .replace("n := n + 1;", "m := m + 1; count := count + 1;");
    plant.set_source(&changed);
    plant.bundle.update.renames = vec![Rename { from: "Main.n".into(), to: "Main.count".into() }];
    let writes_of_safe = |plant: &Plant| plant.coils() == SAFE;
    let applied = plant.apply().unwrap();
    let change = applied.change.unwrap();
    assert_eq!(change.state, ChangeState::Applied);
    assert_eq!((change.converted, change.initialised, change.dropped), (1, 2, 0));
    assert!(!writes_of_safe(&plant));
    let status = plant.status();
    assert_eq!(
        (status.runner_pid, status.outputs, status.counters.online_changes),
        (runner, Outputs::Live, 1)
    );
    assert_eq!(status.program.unwrap().hash, "1+");
    assert!(plant.read("Main.count").as_i64().unwrap() > 10);
    assert_eq!(plant.read("Main.fresh"), 7);
}

#[test]
fn a_bad_program_is_refused_and_the_good_one_scans_on() {
    let mut plant = Plant::running();
    plant.set_source(&PROGRAM.replace("n := n + 1;", "n := unknown;"));
    let refusal = plant.apply().unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::CompileError);
    assert_eq!((refusal.diagnostics[0].place.line, refusal.generation), (11, 2));
    let status = plant.status();
    assert_eq!((status.state, status.outputs), (State::Running, Outputs::Live));
    assert_eq!(status.program.unwrap().hash, "1");
    assert_eq!(status.refused.unwrap().generation, 2);
    plant.set_source(&PROGRAM.replace("n : DINT", "n : INT"));
    let refusal = plant.apply().unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::Migration);
    assert_eq!(refusal.variables[0].0, "Main.n");
    assert_eq!(plant.status().outputs, Outputs::Live);
    plant.bundle.update.mode = UpdateMode::Restart;
    let applied = plant.apply().unwrap();
    assert_eq!(applied.change.unwrap().state, ChangeState::Restarted);
    plant.wait_live();
    assert_eq!(plant.status().refused, None);
}

#[test]
fn a_first_program_that_does_not_compile_leaves_safe_outputs() {
    let mut plant = Plant::new();
    plant.set_source("PROGRAM Main nonsense");
    assert_eq!(plant.apply().unwrap_err().reason, RefusalReason::CompileError);
    plant.wait_safe();
    plant.set_source(PROGRAM);
    plant.apply().unwrap();
    plant.wait_live();
}

#[test]
fn other_drivers_keep_the_values() {
    let mut plant = Plant::running();
    wait("scans", || (plant.read("Main.n").as_i64().unwrap() > 10).then_some(()));
    plant.bundle.io.drivers.push(plant::loopback());
    plant
        .bundle
        .io
        .safe_state
        .push(SafeValue { target: SafeTarget::Variable("Main.valve".into()), value: "FALSE".into() });
    let applied = plant.apply().unwrap();
    assert!(applied.io_reconfigured);
    plant.wait_live();
    assert!(plant.read("Main.n").as_i64().unwrap() > 10);
    assert_eq!(plant.status().drivers.len(), 2);
    plant.bundle.io.safe_state[0].target = SafeTarget::Address("%IX0.0".into());
    assert_eq!(plant.apply().unwrap_err().reason, RefusalReason::InvalidIo);
    assert_eq!(plant.status().outputs, Outputs::Live);
}

#[test]
fn a_watch_is_answered_by_a_change_and_not_by_figures() {
    let mut plant = Plant::running();
    let revision = wait("a quiet status", || {
        let (a, b) = (plant.status().revision, plant.status());
        (a == b.revision && b.outputs == Outputs::Live && b.drivers[0].error.is_empty()).then_some(a)
    });
    let mut watcher = plant.client();
    let canceller = watcher.canceller().unwrap();
    let watching = std::thread::spawn(move || watcher.watch(revision));
    plant.bundle.run = RunMode::Paused;
    plant.apply().unwrap();
    assert!(watching.join().unwrap().unwrap().revision > revision);
    let mut watcher = plant.client();
    let latest = wait("a confirmed pause", || {
        Some(plant.status()).filter(|s| s.outputs == Outputs::Safe).map(|s| s.revision)
    });
    let cancel = watcher.canceller().unwrap();
    let watching = std::thread::spawn(move || watcher.watch(latest));
    cancel.cancel();
    assert!(watching.join().unwrap().is_err());
    canceller.cancel();
}
