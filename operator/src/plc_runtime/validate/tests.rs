//! Specs and what is said of them.
#![expect(clippy::needless_pass_by_value, reason = "literals of JSON read better without a borrow")]

use super::*;
use serde_json::{Value, json};

fn spec(extra: Value) -> PlcRuntimeSpec {
    let mut spec = json!({"program": {"sources": [{"name": "main.st", "inline": ""}]}});
    for (field, value) in extra.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn main(text: &str) -> Vec<SourceFile> {
    vec![SourceFile { name: "main.st".into(), text: text.into() }]
}

fn refused(extra: Value, text: &str) -> (&'static str, String) {
    let refusal = judge(&spec(extra), &main(text)).verdict.expect_err("refused");
    (refusal.reason, refusal.message)
}

const COUNTER: &str = "PROGRAM Main\nVAR n : INT; END_VAR\nn := n + 1;\nEND_PROGRAM\n";
const VALVE: &str = "PROGRAM Main\nVAR valve AT %QX0.0 : BOOL; speed AT %QW1 : INT; n : INT; END_VAR\nvalve := TRUE;\nEND_PROGRAM\n";

fn press(maps: Value) -> Value {
    json!([{"name": "press", "modbusMaster": {"tcp": {"endpoint": "10.0.0.5:502"}, "maps": maps}}])
}

fn outputs() -> Value {
    press(json!([
        {"area": "Coil", "start": 0, "count": 8, "address": "%QX0.0"},
        {"area": "Holding", "start": 0, "count": 1, "address": "%QW1"}
    ]))
}

#[test]
fn a_good_program_is_accepted() {
    let judgement = judge(&spec(json!({})), &main(COUNTER));
    assert_eq!(judgement.verdict, Ok(()), "{:?}", judgement.diagnostics);
    let with_io = json!({"io": {"drivers": outputs(), "safeState": [
        {"address": "%QX0.0", "value": "FALSE"}, {"variable": "Main.speed", "value": "INT#0"}
    ]}});
    assert_eq!(judge(&spec(with_io), &main(VALVE)).verdict, Ok(()));
}

#[test]
fn a_program_that_does_not_compile_is_refused_with_its_place() {
    let (reason, message) = refused(json!({}), "PROGRAM Main\nVAR n : INT; END_VAR\nn := m;\nEND_PROGRAM\n");
    assert_eq!(reason, "CompileError");
    assert!(message.starts_with("main.st:3:6: error[LS"), "{message}");
}

#[test]
fn a_flood_of_errors_is_cut() {
    let body = "undefined := 1;\n".repeat(100);
    let judgement = judge(&spec(json!({})), &main(&format!("PROGRAM Main\n{body}END_PROGRAM\n")));
    let message = judgement.verdict.as_ref().unwrap_err().message.clone();
    assert_eq!(message.matches("error[LS").count(), 3, "{message}");
    assert!(message.len() <= 1024);
    assert_eq!(judgement.status_diagnostics().len(), 20);
}

#[test]
fn what_this_version_does_not_execute_is_refused_by_path() {
    let script = json!({"steps": [{"atMilliseconds": 0, "address": "%IX0.0", "value": "TRUE"}]});
    let cases = [
        (json!({"retain": {"mode": "File"}}), "spec.retain.mode: File"),
        (json!({"realtime": {"mode": "Required"}}), "spec.realtime.mode: Required"),
        (json!({"history": {"variables": ["Main.n"]}}), "spec.history"),
        (json!({"web": {"enabled": true}}), "spec.web.enabled"),
        (json!({"debug": {"enabled": true}}), "spec.debug.enabled"),
        (json!({"tasks": [{"name": "a", "cpus": [1]}]}), "spec.tasks[0].cpus"),
        (json!({"tasks": [{"name": "a", "trigger": {"event": "Main.n"}}]}), "spec.tasks[0].trigger"),
        (
            json!({"program": {"sources": [], "semantics": {"integerOverflow": "Fault"}}}),
            "spec.program.semantics.integerOverflow: Fault",
        ),
        (
            json!({"io": {"drivers": [
                {"name": "a", "simulated": script},
                {"name": "b", "gpio": {"chip": "gpiochip0", "points": [{"line": 1, "address": "%IX0.0"}]}}
            ]}}),
            "spec.io.drivers[1].gpio",
        ),
        (
            json!({"io": {"drivers": [{"name": "a", "modbusMaster": {"rtu": {"device": "/dev/ttyS0"}, "maps": []}}]}}),
            "spec.io.drivers[0].modbusMaster.rtu",
        ),
    ];
    for (extra, path) in cases {
        let (reason, message) = refused(extra, COUNTER);
        assert_eq!((reason, message), ("NotSupported", format!("{path} is not supported by this version")));
    }
    for extra in
        [json!({"web": {"enabled": false}}), json!({"debug": {}}), json!({"retain": {"mode": "Disabled"}})]
    {
        assert_eq!(judge(&spec(extra), &main(COUNTER)).verdict, Ok(()));
    }
}

#[test]
fn published_variables_must_be_there_and_mean_something_elsewhere() {
    let program = "PROGRAM Main\nVAR n : INT; spot : REF_TO INT; END_VAR\nn := n + 1;\nEND_PROGRAM\n";
    let publish = |paths: &[&str]| {
        let entries: Vec<_> = paths.iter().map(|path| json!({"variable": path})).collect();
        json!({"mesh": {"publish": entries}, "discovery": {"serviceName": "LineA"}})
    };
    assert_eq!(judge(&spec(publish(&["main.N"])), &main(program)).verdict, Ok(()));
    let (reason, message) = refused(publish(&["Main.n", "Main.gone"]), program);
    assert_eq!(reason, "InvalidSpec");
    assert_eq!(message, "spec.mesh.publish[1].variable: the program has no variable \"Main.gone\"");
    let (_, message) = refused(publish(&["Main.spot"]), program);
    assert!(message.contains("\"Main.spot\" cannot be shared: REF_TO INT refers to"), "{message}");
}

#[test]
fn several_preemptive_tasks_are_not_supported() {
    let tasks = json!([
        {"name": "fast", "intervalMicroseconds": 1000, "programs": [{"instance": "A", "type": "Main"}]},
        {"name": "slow", "intervalMicroseconds": 10000, "programs": [{"instance": "B", "type": "Main"}]}
    ]);
    let (reason, message) = refused(json!({"tasks": tasks}), COUNTER);
    assert_eq!(reason, "NotSupported");
    assert!(message.contains("fast, slow"), "{message}");
    let alternating = judge(&spec(json!({"tasks": tasks, "scheduling": "NonPreemptive"})), &main(COUNTER));
    assert_eq!(alternating.verdict, Ok(()));
}

#[test]
fn overlapping_ranges_are_refused() {
    let maps = json!([
        {"area": "Holding", "start": 0, "count": 4, "address": "%IW0"},
        {"area": "Holding", "start": 8, "count": 1, "address": "%IW3"}
    ]);
    let (reason, message) = refused(json!({"io": {"drivers": press(maps)}}), COUNTER);
    assert_eq!(reason, "InvalidSpec");
    assert!(message.starts_with("spec.io: driver \"press\": maps[1] (%IW3): "), "{message}");
}

#[test]
fn two_sources_of_one_name_are_refused() {
    let twice = [main(COUNTER), main(COUNTER)].concat();
    let refusal = judge(&spec(json!({})), &twice).verdict.unwrap_err();
    assert_eq!(refusal.message, "spec.program.sources: two sources are named \"main.st\"");
}

#[test]
fn nothing_named_in_a_spec_may_be_missing_in_the_program() {
    let cases = [
        (
            json!({"safeState": [{"variable": "Main.gone", "value": "0"}]}),
            "spec.io.safeState[0]: the program has no variable \"Main.gone\"",
        ),
        (
            json!({"safeState": [{"variable": "Main.n", "value": "0"}]}),
            "spec.io.safeState[0]: Main.n has no output address, so it needs no safe value",
        ),
        (
            json!({"safeState": [{"address": "%QX9.0", "value": "FALSE"}]}),
            "spec.io.safeState[0]: no driver writes %QX9.0, so it cannot have a safe value",
        ),
    ];
    for (mut io, expected) in cases {
        io["drivers"] = outputs();
        let (reason, message) = refused(json!({"io": io}), VALVE);
        assert_eq!((reason, message.as_str()), ("InvalidSpec", expected));
    }
    let renames = json!({"sources": [], "update": {"renames": [{"from": "Main.m", "to": "Main.gone"}]}});
    let (_, message) = refused(json!({"program": renames}), COUNTER);
    assert_eq!(message, "spec.program.update.renames[0].to: the program has no variable \"Main.gone\"");
}

#[test]
fn the_same_input_gives_the_same_words() {
    let text = "PROGRAM Main\nb := c;\na := b;\nEND_PROGRAM\n";
    let first = judge(&spec(json!({})), &main(text));
    assert!((0..5).all(|_| judge(&spec(json!({})), &main(text)) == first));
}

#[test]
fn required_tests_must_exist_and_pass() {
    let required = || json!({"program": {"sources": [], "tests": "Required"}});
    let (reason, message) = refused(required(), COUNTER);
    assert_eq!(
        (reason, message.as_str()),
        ("TestsFailed", "spec.program.tests: Required, but the sources have no TEST")
    );
    let with = |test: &str| format!("{test}\n{COUNTER}");
    let passing = "TEST 'counts' VAR c : CTU; END_VAR c(CU := TRUE, PV := 1); ASSERT_TRUE(c.Q); END_TEST";
    assert_eq!(judge(&spec(required()), &main(&with(passing))).verdict, Ok(()));
    let failing = "TEST 'counts' VAR c : CTU; END_VAR c(CU := TRUE); ASSERT_EQ(c.CV, 2); END_TEST";
    let (reason, message) = refused(required(), &with(failing));
    assert_eq!(reason, "TestsFailed");
    assert_eq!(message, format!("main.st:1:51: TEST 'counts': expected c.CV = 2, but c.CV is 1"));
    assert_eq!(judge(&spec(json!({})), &main(&with(failing))).verdict, Ok(()), "Ignored is the default");
    let many = "TEST 'a' ASSERT_EQ(1, 2); END_TEST TEST 'b' ASSERT_EQ(1, 2); END_TEST TEST 'c' ASSERT_EQ(1, 2); END_TEST
        TEST 'd' ASSERT_EQ(1, 2); END_TEST TEST 'e' ASSERT_EQ(1, 2); END_TEST";
    assert!(refused(required(), &with(many)).1.ends_with("; and 2 more"));
    let (_, message) = refused(required(), &with("TEST 'hangs' WHILE TRUE DO END_WHILE; END_TEST"));
    assert!(message.ends_with("TEST 'hangs': not finished after 2000000 loop passes and calls"), "{message}");
}
