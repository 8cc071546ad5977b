//! Values that are written from outside: a keeper, its runner, and the program between them.

#![allow(
    unreachable_pub,
    dead_code,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test; the plant is that of several"
)]

mod plant;

use lineshaft_plc_runtime::client::WriteOutcome;
use lineshaft_plc_runtime::protocol::{
    OnStale, Problem, ProblemReason, RunMode, State, Subscription, Write, Written,
};
use plant::{Plant, signal, wait};
use rustix::process::Signal;
use serde_json::json;

const PROGRAM: &str = "
PROGRAM Main
VAR
  valve AT %QX0.0 : BOOL;
  n : DINT; limit : INT (0..100) := 50; twice : DINT; name : STRING[8]; remote : DINT; one : DINT; other : DINT;
  torn : BOOL;
END_VAR
valve := TRUE;
n := n + 1;
twice := 2 * limit;
torn := torn OR one <> other;
END_PROGRAM
";

fn plant() -> Plant {
    let mut plant = Plant::new();
    plant.set_source(PROGRAM);
    plant.apply().unwrap();
    plant.wait_live();
    plant
}

fn value(path: &str, literal: &str) -> Write {
    Write { path: path.to_owned(), literal: literal.to_owned() }
}

fn write(plant: &Plant, writes: Vec<Write>) -> Result<Written, Problem> {
    match plant.client().write(writes).unwrap() {
        WriteOutcome::Written(written) => Ok(written),
        WriteOutcome::Refused(problem) => Err(problem),
    }
}

#[test]
fn the_next_scan_works_with_what_was_written() {
    let plant = plant();
    let checked = match plant.client().check_write(vec![value("Main.limit", "7")]).unwrap() {
        WriteOutcome::Written(written) => written,
        WriteOutcome::Refused(problem) => panic!("{problem:?}"),
    };
    assert_eq!((checked.after_scan, &checked.changes[0].before), (None, &json!(50)));
    assert_eq!(plant.read("Main.limit"), 50, "a check writes nothing");

    let written = write(&plant, vec![value("main.LIMIT", "7"), value("Main.name", "'seven'")]).unwrap();
    assert!(written.after_scan.unwrap() > 0);
    assert_eq!((&written.changes[0].before, &written.changes[0].after), (&json!(50), &json!(7)));
    assert_eq!(written.changes[0].ty, "INT(0..100)");
    // Readers see it at once, before the next scan.
    assert_eq!(plant.read("Main.limit"), 7);
    assert_eq!(plant.read("Main.name"), "seven");
    wait("the program works with it", || (plant.read("Main.twice") == 14).then_some(()));
    assert_eq!(plant.status().state, State::Running);
    assert_eq!(plant.status().counters.starts, 1, "nothing was restarted");
}

#[test]
fn values_of_one_write_never_show_apart() {
    let plant = plant();
    for round in 1..=50 {
        let text = round.to_string();
        write(&plant, vec![value("Main.one", &text), value("Main.other", &text)]).unwrap();
    }
    wait("a scan after the last one", || (plant.read("Main.other") == 50).then_some(()));
    assert_eq!(plant.read("Main.torn"), false);
}

#[test]
fn what_may_not_be_written_changes_nothing() {
    let plant = plant();
    let subscription = Subscription {
        to: "Main.remote".to_owned(),
        from: "LineB:x".to_owned(),
        quality: None,
        age: None,
        timeout_ns: 50_000_000,
        on_stale: OnStale::Hold,
        startup_grace_ns: 0,
    };
    plant.client().subscribe(vec![subscription]).unwrap();
    for (path, literal, reason) in [
        ("Main.limit", "101", ProblemReason::InvalidValue),
        ("Main.valve", "FALSE", ProblemReason::Conflict),
        ("Main.remote", "1", ProblemReason::Conflict),
        ("Main.gone", "1", ProblemReason::NotFound),
    ] {
        let problem = write(&plant, vec![value("Main.one", "9"), value(path, literal)]).unwrap_err();
        assert_eq!((problem.variable.as_str(), problem.reason), (path, reason), "{problem:?}");
    }
    assert_eq!(plant.read("Main.one"), 0, "none of the list");
    plant.client().subscribe(Vec::new()).unwrap();
    write(&plant, vec![value("Main.remote", "1")]).unwrap();
    assert_eq!(plant.read("Main.remote"), 1, "nothing else writes it any more");

    let variables = plant.client().variables().unwrap();
    let limit = variables.iter().find(|variable| variable.path == "Main.limit").unwrap();
    assert_eq!((limit.ty.as_str(), &limit.obstacle), ("INT(0..100)", &None));
    assert!(variables.iter().any(|v| v.path == "Main.valve" && v.obstacle.is_some()));
}

#[test]
fn a_program_that_stands_still_takes_values_too() {
    let mut plant = plant();
    plant.bundle.run = RunMode::Paused;
    plant.apply().unwrap();
    let n = plant.read("Main.n");
    write(&plant, vec![value("Main.limit", "3")]).unwrap();
    assert_eq!((plant.read("Main.limit"), plant.read("Main.n")), (json!(3), n), "it is seen without a scan");
    plant.bundle.run = RunMode::Running;
    plant.apply().unwrap();
    wait("it goes on with it", || (plant.read("Main.twice") == 6).then_some(()));
}

#[test]
fn without_a_program_nothing_is_written() {
    let empty = Plant::new();
    assert!(empty.client().write(vec![value("Main.n", "1")]).is_err());
    assert!(empty.client().variables().is_err());

    let plant = plant();
    let runner = plant.status().runner_pid.unwrap();
    signal(runner, Signal::KILL);
    // Either nobody is there to take it, or the next runner is.
    let written = plant.client().write(vec![value("Main.limit", "9")]);
    plant.wait_state(State::Running);
    if written.is_err() {
        assert_eq!(plant.read("Main.limit"), 50);
    }
    wait("the next runner takes values", || write(&plant, vec![value("Main.limit", "8")]).ok());
    wait("the program works with it", || (plant.read("Main.twice") == 16).then_some(()));
}
