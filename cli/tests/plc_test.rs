//! `lineshaft plc test`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use common::{Done, Scratch, lineshaft};
use serde_json::{Value, json};

const MOTOR: &str = "\
FUNCTION ReadCurrent : REAL
VAR_INPUT channel : INT; END_VAR
  ReadCurrent := 0.0;
END_FUNCTION

FUNCTION_BLOCK Motor
VAR_INPUT start : BOOL; END_VAR
VAR_OUTPUT running, tripped : BOOL; END_VAR
VAR late : TON; END_VAR
  late(IN := ReadCurrent(1) > 8.0, PT := T#50ms);
  IF late.Q THEN
    tripped := TRUE;
  END_IF;
  running := start AND NOT tripped;
END_FUNCTION_BLOCK
";

const TESTS: &str = "\
SETUP
VAR m : Motor; amperes : REAL := 2.5; END_VAR
END_SETUP

MOCK FUNCTION ReadCurrent
  ReadCurrent := amperes;
END_MOCK

TEST 'runs when started'
  m(start := TRUE);
  ASSERT_TRUE(m.running);
END_TEST

TEST 'trips after 50 ms of overcurrent'
  amperes := 9.0;
  m(start := TRUE);
  ADVANCE_TIME(T#40ms);
  m();
  ASSERT_FALSE(m.tripped);
  ADVANCE_TIME(T#10ms);
  m();
  ASSERT_EQ(m.running, FALSE);
END_TEST
";

const BROKEN: &str = "\
TEST 'counts < 3 & more'
VAR c : CTU; END_VAR
  c(CU := TRUE, PV := 3);
  ASSERT_EQ(c.CV, 2, 'parts');
END_TEST

TEST 'reads beyond'
VAR a : ARRAY[0..9] OF INT; i : INT := 12; END_VAR
  a[i] := 1;
END_TEST
";

fn test(files: &[(&str, &str)], arguments: &[&str]) -> Done {
    let scratch = Scratch::with(files);
    let names = files.iter().map(|(name, _)| *name);
    let all: Vec<&str> = ["plc", "test"].into_iter().chain(names).chain(arguments.iter().copied()).collect();
    lineshaft(&all, scratch.path())
}

const ALL: [(&str, &str); 3] = [("motor.st", MOTOR), ("motor_test.st", TESTS), ("broken.st", BROKEN)];

/// Without the blanks at the ends of lines that excerpts have.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

#[test]
fn results_for_people_name_both_values_and_the_place() {
    let done = test(&ALL, &["--coverage"]);
    assert_eq!((done.code, done.stderr.as_str()), (1, ""), "{done:?}");
    assert_eq!(
        trimmed(&done.stdout),
        "\
motor_test.st
  ok     'runs when started'
  ok     'trips after 50 ms of overcurrent'
broken.st
  FAILED 'counts < 3 & more'
  FAILED 'reads beyond'

error[ASSERT_EQ]: 'counts < 3 & more': parts: expected c.CV = 2, but c.CV is 1
 --> broken.st:4:3
  |
4 |   ASSERT_EQ(c.CV, 2, 'parts');
  |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^

error[IndexOutOfBounds]: 'reads beyond': fault IndexOutOfBounds (12, 0, 9)
 --> broken.st:9:5
  |
9 |   a[i] := 1;
  |     ^
 --> broken.st:7:6
  |
7 | TEST 'reads beyond'
  |      -------------- while this test ran

4 tests: 2 passed, 2 failed

statements that ran:
  motor.st  4 of 5 (80.0 %), not in line 3
"
    );
    let done = test(&ALL[..2], &[]);
    assert_eq!((done.code, done.stdout.lines().last()), (0, Some("2 tests: all passed")), "{done:?}");
}

#[test]
fn results_for_tools_are_one_object() {
    let done = test(&ALL, &["--output", "json", "--coverage"]);
    assert_eq!(done.code, 1, "{done:?}");
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&found["passed"], &found["failed"]), (&json!(2), &json!(2)));
    assert_eq!(
        found["tests"][1],
        json!({
            "name": "trips after 50 ms of overcurrent", "file": "motor_test.st",
            "line": 14, "column": 6, "endLine": 14, "endColumn": 40, "passed": true, "timeNs": 50_000_000
        })
    );
    let failure = &found["tests"][2]["failure"];
    assert_eq!(failure["kind"], "ASSERT_EQ");
    assert_eq!(
        (&failure["file"], &failure["line"], &failure["column"]),
        (&json!("broken.st"), &json!(4), &json!(3))
    );
    assert_eq!(failure["operands"][0], json!({"text": "c.CV", "type": "INT", "value": "1"}));
    assert_eq!(failure["operands"][1], json!({"text": "2", "type": "INT", "value": "2"}));
    let fault = &found["tests"][3]["failure"];
    assert_eq!((&fault["assertion"], &fault["fault"]["operands"]), (&json!(false), &json!([12, 0, 9])));
    let missed = json!([{"line": 3, "column": 3, "pou": "ReadCurrent"}]);
    assert_eq!(
        found["coverage"],
        json!([{"file": "motor.st", "statements": 5, "covered": 4, "missed": missed}])
    );
}

#[test]
fn results_for_build_servers_are_junit() {
    let done = test(&ALL, &["-o", "junit"]);
    assert_eq!(done.code, 1, "{done:?}");
    assert_eq!(
        done.stdout,
        r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1">
  <testsuite name="motor_test.st" tests="2" failures="0" errors="0">
    <testcase classname="motor_test.st" name="runs when started" file="motor_test.st" line="9"/>
    <testcase classname="motor_test.st" name="trips after 50 ms of overcurrent" file="motor_test.st" line="14"/>
  </testsuite>
  <testsuite name="broken.st" tests="2" failures="1" errors="1">
    <testcase classname="broken.st" name="counts &lt; 3 &amp; more" file="broken.st" line="1">
      <failure type="ASSERT_EQ" message="parts: expected c.CV = 2, but c.CV is 1">broken.st:4:3: parts: expected c.CV = 2, but c.CV is 1</failure>
    </testcase>
    <testcase classname="broken.st" name="reads beyond" file="broken.st" line="7">
      <error type="IndexOutOfBounds" message="fault IndexOutOfBounds (12, 0, 9)">broken.st:9:5: fault IndexOutOfBounds (12, 0, 9)</error>
    </testcase>
  </testsuite>
</testsuites>
"#
    );
}

#[test]
fn lines_are_counted_for_lcov() {
    let scratch = Scratch::with(&ALL);
    let done = lineshaft(&["plc", "test", "motor.st", "motor_test.st", "--lcov", "out.info"], scratch.path());
    assert_eq!((done.code, done.stdout.contains("statements that ran")), (0, false), "{done:?}");
    let lcov = std::fs::read_to_string(scratch.path().join("out.info")).unwrap();
    assert_eq!(
        lcov,
        "TN:\nSF:motor.st\nDA:3,0\nDA:10,4\nDA:11,4\nDA:12,1\nDA:14,4\nLF:5\nLH:4\nend_of_record\n"
    );
}

#[test]
fn tests_are_chosen_by_name() {
    let done = test(&ALL, &["--filter", "STARTED", "--filter", "trips"]);
    assert_eq!((done.code, done.stdout.lines().last()), (0, Some("2 tests: all passed")), "{done:?}");
    let done = test(&ALL, &["--filter", "nothing"]);
    assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(done.stderr.starts_with("error: no test has such a name; there are 'runs when started', "));
}

#[test]
fn nothing_to_test_is_exit_code_2() {
    let done = test(&ALL[..1], &[]);
    assert_eq!((done.code, done.stderr.as_str()), (2, "error: the files have no TEST\n"), "{done:?}");
    let done = test(&[("a.st", "TEST 'x' ASSERT_EQ(y, 1); END_TEST\n")], &[]);
    assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
    assert!(
        done.stderr.starts_with("error[LS0201]: `y` is not declared\n --> a.st:1:20\n"),
        "{}",
        done.stderr
    );
    assert_eq!(test(&[], &["missing.st"]).code, 2);
}

#[test]
fn plc_run_ignores_tests_but_checks_them() {
    let main = "PROGRAM Main VAR n : INT; END_VAR n := n + 1; END_PROGRAM\n";
    let run = |tests: &str| {
        let scratch = Scratch::with(&[("a.st", &format!("{main}{tests}"))]);
        lineshaft(&["plc", "run", "a.st", "--trace", "Main.n"], scratch.path())
    };
    let done = run("TEST 'fails' ASSERT_EQ(1, 2); END_TEST");
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    let done = run("TEST 'wrong' ASSERT_EQ(m, 2); END_TEST");
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains("`m` is not declared"), "{done:?}");
}
