//! Judgements of targets.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use lineshaft_crds::MeshSubscriptionSpec;
use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};
use serde_json::{Value, json};

use super::*;

const PROGRAM: &str = "\
VAR_GLOBAL
  level : REAL;
  mask : WORD;
  pump AT %QX0.0 : BOOL;
  sensor AT %IX0.0 : BOOL;
END_VAR
VAR_GLOBAL CONSTANT limit : INT := 3; END_VAR
PROGRAM Main
VAR
  state : DINT;
  quality : BYTE;
  age : TIME;
  list : ARRAY[0..3] OF INT;
END_VAR
  state := state + 1;
  list[0] := limit;
  pump := sensor;
END_PROGRAM
";

fn program() -> Program {
    let unit = SourceUnit { name: "main.st".to_owned(), text: PROGRAM.to_owned() };
    let mut options = Options::default();
    options.image_bytes.inputs = 1;
    options.image_bytes.outputs = 1;
    compile(&[unit], &options).unwrap_or_else(|found| panic!("{found:?}"))
}

fn spec(entries: Value) -> MeshSubscriptionSpec {
    serde_json::from_value(json!({"runtimeRef": {"name": "plca"}, "subscribe": entries})).unwrap()
}

fn to(variable: &str) -> Value {
    json!({"to": variable, "from": {"peer": "LineB", "variable": "A.b"}})
}

/// `REASON MESSAGE` of everything that is wrong with the entries.
fn judged(entries: Value) -> Vec<String> {
    let program = program();
    let (claims, mut problems) = claims(&spec(entries), &Places::new(&program.layout));
    problems.extend(conflicts(&claims, &[]));
    problems.into_iter().map(|problem| format!("{} {}", problem.reason, problem.message)).collect()
}

#[test]
fn good_targets_pass_without_regard_to_case() {
    let mut full = to("main.STATE");
    full["quality"] = json!("Main.quality");
    full["age"] = json!("Main.age");
    full["deadband"] = json!("2");
    assert_eq!(judged(json!([full, to("level"), to("Main.list[0]"), to("Main.list[1]")])), [""; 0]);
}

#[test]
fn what_is_missing_or_of_another_type_is_named() {
    let mut typed = to("level");
    typed["quality"] = json!("Main.state");
    typed["age"] = json!("Main.quality");
    assert_eq!(
        judged(json!([to("Main.stat"), typed, to("Mian.*")])),
        [
            "TargetNotFound spec.subscribe[0].to: the program has no variable \"Main.stat\"",
            "TargetNotFound spec.subscribe[1].quality: Main.state must be a BYTE, and is a DINT",
            "TargetNotFound spec.subscribe[1].age: Main.quality must be a TIME, and is a BYTE",
            "TargetNotFound spec.subscribe[2].to: the program has no variables below \"Mian\"",
        ]
    );
}

#[test]
fn what_something_else_writes_is_no_target() {
    assert_eq!(
        judged(json!([to("sensor"), to("pump"), to("limit")])),
        [
            "TargetConflict spec.subscribe[0].to: sensor is an input of the process image, which a driver writes: receive into a variable of its own",
            "TargetConflict spec.subscribe[1].to: pump is an output of the process image, which the program writes: receive into a variable of its own",
            "TargetConflict spec.subscribe[2].to: limit is a constant: receive into a variable of its own",
        ]
    );
}

#[test]
fn two_entries_never_write_one_place() {
    let twice = judged(json!([to("level"), to("LEVEL")]));
    assert_eq!(twice, ["TargetConflict spec.subscribe[1].to: LEVEL is also written by spec.subscribe[0].to"]);
    let part = judged(json!([to("Main.list"), to("Main.list[2]"), to("Main.state")]));
    assert_eq!(
        part,
        ["TargetConflict spec.subscribe[1].to: Main.list[2] is also written by spec.subscribe[0].to"]
    );
    let all = judged(json!([to("Main.*"), to("Main.age")]));
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn the_subscription_that_was_there_first_keeps_the_target() {
    let program = program();
    let claims_of = |entries| claims(&spec(entries), &Places::new(&program.layout)).0;
    let first = vec![("first".to_owned(), claims_of(json!([to("level"), to("Main.state")])))];
    let own = claims_of(json!([to("Main.list"), to("Main.state")]));
    let problems = conflicts(&own, &first);
    assert_eq!(
        problems,
        [Problem::new(
            "TargetConflict",
            "spec.subscribe[1].to",
            "Main.state is also written by spec.subscribe[1].to of MeshSubscription first"
        )]
    );
    assert_eq!(conflicts(&own[..1], &first), []);
    // Two others that are in conflict with each other are not this one's concern.
    let both = [first.clone(), vec![("second".to_owned(), first[0].1.clone())]].concat();
    assert_eq!(conflicts(&own[..1], &both), []);
}

#[test]
fn only_numbers_have_a_deadband() {
    let with = |variable: &str, deadband: &str| {
        let mut entry = to(variable);
        entry["deadband"] = json!(deadband);
        entry
    };
    assert_eq!(judged(json!([with("level", "0.5"), with("mask", "0.0")])), [""; 0]);
    assert_eq!(
        judged(json!([with("mask", "0.5")])),
        ["InvalidDeadband spec.subscribe[0].deadband: only numbers have a deadband, and mask is a WORD"]
    );
}

#[test]
fn a_runtime_does_not_subscribe_to_itself() {
    let own = json!({"to": "level", "from": {"runtimeRef": {"name": "plca"}, "variable": "level"}});
    assert_eq!(
        judged(json!([own])),
        [
            "SelfSubscription spec.subscribe[0].from.runtimeRef: plca would subscribe to itself: assign in its program"
        ]
    );
}
