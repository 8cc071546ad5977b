//! What a runtime publishes and receives, seen from the side of an agent: a keeper, its runner and their mailbox.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test; the plant is that of several"
)]

mod plant;

use lineshaft_exchange::{Published, ScanState};
use lineshaft_plc_runtime::client::OpenMailbox;
use lineshaft_plc_runtime::protocol::{
    FaultPolicy, OnStale, ProblemReason, RefusalReason, RunMode, State, Subscription,
};
use plant::{PATIENCE, Plant, signal, wait};
use rustix::process::Signal;

const PROGRAM: &str = "
PROGRAM Main
VAR
  valve AT %QX0.0 : BOOL;
  n : DINT; twice : DINT; remote : DINT; quality : BYTE; other : INT;
END_VAR
valve := TRUE;
n := n + 1;
twice := 2 * n;
END_PROGRAM
";

fn plant(publish: &[&str]) -> Plant {
    let mut plant = Plant::new();
    plant.set_source(PROGRAM);
    plant.bundle.publish = publish.iter().map(|&path| path.to_owned()).collect();
    plant.apply().unwrap();
    plant.wait_live();
    plant
}

fn from_b(to: &str, on_stale: OnStale) -> Subscription {
    Subscription {
        to: to.to_owned(),
        from: "LineB:x".to_owned(),
        quality: Some("Main.quality".to_owned()),
        age: None,
        timeout_ns: 50_000_000,
        on_stale,
        startup_grace_ns: 0,
    }
}

fn mailbox(plant: &Plant) -> OpenMailbox {
    plant.client().mailbox().unwrap().unwrap()
}

/// The next thing in the outbox for which the answer is some.
fn next<T>(open: &OpenMailbox, mut look: impl FnMut(Published, &[u8]) -> Option<T>) -> T {
    let mut outbox = open.mailbox.outbox_reader().unwrap();
    loop {
        let (head, values, _) = outbox.latest();
        if let Some(found) = look(head, values) {
            return found;
        }
        assert!(open.wakeup.wait(Some(PATIENCE)).unwrap(), "never came");
    }
}

fn pair(values: &[u8]) -> (i32, i32) {
    let number = |at: usize| i32::from_le_bytes(values[at..at + 4].try_into().unwrap());
    (number(0), number(4))
}

#[test]
fn values_of_one_scan_leave_with_its_number_and_its_time() {
    let plant = plant(&["Main.n", "Main.twice"]);
    let open = mailbox(&plant);
    assert_eq!(plant.status().mesh.mailbox, Some(open.info.number));
    assert_eq!(open.info.scan_ns, 10_000_000);
    let mut last: Option<Published> = None;
    for _ in 0..20 {
        let head = next(&open, |head, values| {
            let (n, twice) = pair(values);
            assert_eq!(twice, 2 * n);
            last.is_none_or(|last| head.scan > last.scan).then_some(head)
        });
        assert_eq!(head.state, ScanState::Running);
        if let Some(last) = last {
            assert!(head.start_ns > last.start_ns && head.start_unix_ns > last.start_unix_ns);
        }
        last = Some(head);
    }
}

#[test]
fn others_are_told_when_the_program_stands_still_or_faults() {
    let mut plant = plant(&["Main.n"]);
    let open = mailbox(&plant);
    for (run, state) in [(RunMode::Paused, ScanState::Stopped), (RunMode::Running, ScanState::Running)] {
        plant.bundle.run = run;
        plant.apply().unwrap();
        next(&open, |head, _| (head.state == state).then_some(()));
    }
    plant.set_source(&PROGRAM.replace("n := n + 1;", "n := n / (n - n);"));
    plant.apply().unwrap();
    let open = mailbox(&plant);
    let n = next(&open, |head, values| (head.state == ScanState::Faulted).then(|| values.to_vec()));
    assert_ne!(n, [0; 4], "the values of the last good scan");
}

#[test]
fn a_published_variable_that_is_not_there_refuses_the_bundle() {
    let mut plant = plant(&["Main.n"]);
    let number = mailbox(&plant).info.number;
    plant.bundle.publish = vec!["Main.n".to_owned(), "Main.gone".to_owned()];
    let refusal = plant.apply().unwrap_err();
    assert_eq!(refusal.reason, RefusalReason::InvalidMesh);
    assert!(refusal.message.contains("\"Main.gone\""), "{}", refusal.message);
    assert_eq!(refusal.variables[0].0, "Main.gone");
    assert_eq!(plant.status().mesh.mailbox, Some(number), "the old list stays");

    // Another list for the program that runs, without a pause of it.
    let runner = plant.status().runner_pid;
    plant.bundle.publish = vec!["Main.twice".to_owned(), "Main.n".to_owned()];
    plant.apply().unwrap();
    let open = mailbox(&plant);
    assert_ne!(open.info.number, number);
    assert_eq!(open.info.published[0].variable, "Main.twice");
    next(&open, |head, _| (head.state == ScanState::Running).then_some(()));
    assert_eq!(plant.status().runner_pid, runner);
    plant.bundle.publish.clear();
    plant.apply().unwrap();
    assert!(plant.client().mailbox().unwrap().is_none());
}

#[test]
fn received_values_come_and_go_without_a_restart() {
    let plant = plant(&["Main.n"]);
    let runner = plant.status().runner_pid;
    let status = plant.client().subscribe(vec![
        from_b("Main.remote", OnStale::Substitute("-1".to_owned())),
        from_b("Main.valve", OnStale::Hold),
        from_b("Main.nothing", OnStale::Hold),
    ]);
    let problems = status.unwrap().problems;
    let named: Vec<_> = problems.iter().map(|p| (p.variable.as_str(), p.reason)).collect();
    assert_eq!(named, [("Main.valve", ProblemReason::Conflict), ("Main.nothing", ProblemReason::NotFound)]);
    assert_eq!(plant.status().mesh.problems, problems);
    wait("the substitute", || (plant.read("Main.remote") == -1).then_some(()));
    let open = mailbox(&plant);
    assert_eq!(open.info.received.len(), 1);
    let types = &open.info.types;
    assert_eq!(types.type_name(open.info.received[0].ty), "DINT");

    let mut inbox = open.mailbox.inbox_writer().unwrap();
    inbox.set(0, &7i32.to_le_bytes());
    inbox.set_quality(0, 0);
    inbox.publish();
    wait("the value", || {
        inbox.alive(0, lineshaft_exchange::monotonic_ns());
        (plant.read("Main.remote") == 7 && plant.read("Main.quality") == 0).then_some(())
    });
    // Nobody says anything any more.
    wait("the substitute again", || (plant.read("Main.remote") == -1).then_some(()));
    assert_eq!(plant.read("Main.quality"), 0x80);

    let number = open.info.number;
    let held = Subscription { timeout_ns: u64::MAX, ..from_b("Main.remote", OnStale::Hold) };
    let status = plant.client().subscribe(vec![held]).unwrap();
    assert_eq!(status.mailbox, Some(number), "another timeout needs no other mailbox");
    wait("the value again", || (plant.read("Main.remote") == 7).then_some(()));

    plant.client().subscribe(Vec::new()).unwrap();
    assert_eq!(mailbox(&plant).info.received, []);
    assert_eq!(plant.read("Main.remote"), 7, "what was received stays when nothing is received any more");
    assert_eq!(plant.status().runner_pid, runner);
    assert_eq!(plant.status().counters.starts, 1);
}

#[test]
fn another_program_is_looked_through_anew() {
    let mut plant = plant(&["Main.n"]);
    plant.client().subscribe(vec![from_b("Main.remote", OnStale::Substitute("-1".to_owned()))]).unwrap();
    let number = mailbox(&plant).info.number;

    // Online, with the variables elsewhere: the mailbox stays, and so does what they mean.
    plant.set_source(&PROGRAM.replace("n : DINT;", "more : ARRAY[0..99] OF LREAL; n : DINT;"));
    plant.apply().unwrap();
    let open = mailbox(&plant);
    assert_eq!(open.info.number, number);
    let before = plant.read("Main.n").as_i64().unwrap();
    next(&open, |_, values| {
        (i64::from(i32::from_le_bytes(values.try_into().unwrap())) > before).then_some(())
    });

    // Without the variable it is a problem; with another type it is another mailbox.
    plant.set_source(&PROGRAM.replace("remote", "far"));
    plant.apply().unwrap();
    assert_eq!(plant.status().mesh.problems[0].reason, ProblemReason::NotFound);
    plant.set_source(&PROGRAM.replace("remote : DINT", "remote : LINT"));
    plant.apply().unwrap();
    let open = mailbox(&plant);
    assert!(open.info.number != number && plant.status().mesh.problems.is_empty());
    assert_eq!(open.info.received[0].place, 0..8);
    wait("the substitute", || (plant.read("Main.remote") == -1).then_some(()));

    // What is published must be there.
    let without = PROGRAM.replace("n : DINT;", "").replace("n := n + 1;", "").replace("2 * n", "2");
    plant.set_source(&without.replace("remote : DINT", "remote : LINT"));
    assert_eq!(plant.apply().unwrap_err().reason, RefusalReason::InvalidMesh);
}

#[test]
fn a_runner_that_is_killed_leaves_its_subscriptions_to_the_next() {
    let plant = plant(&["Main.n"]);
    plant.client().subscribe(vec![from_b("Main.remote", OnStale::Substitute("-1".to_owned()))]).unwrap();
    let before = mailbox(&plant);
    signal(plant.status().runner_pid.unwrap(), Signal::KILL);
    let number = wait("another mailbox", || plant.status().mesh.mailbox.filter(|n| *n != before.info.number));
    let open = mailbox(&plant);
    assert_eq!(open.info.number, number);
    next(&open, |head, _| (head.state == ScanState::Running).then_some(()));
    wait("the substitute", || (plant.read("Main.remote") == -1).then_some(()));
}

#[test]
fn silence_can_be_a_fault() {
    let mut plant = plant(&[]);
    plant.bundle.fault = FaultPolicy::Halt;
    plant.apply().unwrap();
    let grace = Subscription {
        startup_grace_ns: 100_000_000,
        timeout_ns: 1_000_000_000,
        ..from_b("Main.remote", OnStale::Fault)
    };
    plant.client().subscribe(vec![grace]).unwrap();
    let open = mailbox(&plant);
    let mut inbox = open.mailbox.inbox_writer().unwrap();
    inbox.publish();
    let alive = || inbox.alive(0, lineshaft_exchange::monotonic_ns());
    alive();
    let begun = plant.read("Main.n").as_i64().unwrap();
    wait("scans after the grace period", || {
        alive();
        (plant.read("Main.n").as_i64().unwrap() > begun + 20).then_some(())
    });
    assert_eq!(plant.status().state, State::Running);
    let status = plant.wait_state(State::Halted);
    let fault = status.last_fault.unwrap();
    assert_eq!(fault.code.name(), "MeshStale");
    assert_eq!((fault.instance.as_str(), fault.at.as_str()), ("Main.remote", "LineB:x"));
    plant.wait_safe();
    // It runs again for as long as its grace lasts.
    plant.client().acknowledge().unwrap();
    plant.wait_live();
    plant.wait_state(State::Halted);
}
