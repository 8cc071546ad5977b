//! Tests written in Structured Text: what passes, what fails, and what is said of it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use lineshaft_plc_compiler::{Options, SourceUnit, TestProgram, compile, compile_tests, diagnostic::render};
use lineshaft_plc_runtime::engine::EngineKind;
use lineshaft_plc_runtime::testing::{Limits, Report, run};
use std::fmt::Write as _;
use std::time::Duration;

const ENGINES: [EngineKind; 2] = [EngineKind::Interpreter, EngineKind::Jit];
const LIMITS: Limits = Limits { steps: 100_000, duration: None };

fn program(text: &str) -> TestProgram {
    let unit = SourceUnit { name: "t.st".into(), text: text.into() };
    compile_tests(std::slice::from_ref(&unit), &Options::default(), true)
        .map_err(|found| panic!("{}", render(&found, &[unit], false)))
        .unwrap()
}

fn report(text: &str) -> Report {
    run(&program(text), EngineKind::Jit, LIMITS, |_| true).unwrap()
}

/// `NAME: LINE:COLUMN MESSAGE` of each failure, which both engines must give.
fn failures(text: &str) -> Vec<String> {
    let tests = program(text);
    let [interpreted, compiled] = ENGINES.map(|engine| {
        let report = run(&tests, engine, LIMITS, |_| true).unwrap();
        let said = report.failures().map(|(result, failure)| {
            let name = &tests.tests[result.test].name;
            format!("{name}: {}:{} {}", failure.place.line, failure.place.column, failure.message)
        });
        said.collect::<Vec<_>>()
    });
    assert_eq!(interpreted, compiled, "{text}");
    interpreted
}

/// Statements of one test that must pass.
fn pass(statements: &str) {
    let text = format!("TEST 'it'\n{statements}\nEND_TEST");
    assert_eq!(failures(&text), Vec::<String>::new(), "{text}");
}

/// Statements of one test that must fail with these words.
fn fail(statements: &str, message: &str) {
    let text = format!("TEST 'it'\n{statements}\nEND_TEST");
    let failures = failures(&text);
    assert_eq!(failures.len(), 1, "{text}");
    let said = failures[0].splitn(3, ' ').nth(2).unwrap();
    assert_eq!(said, message, "{text}");
}

#[test]
fn every_assertion_holds_or_says_both_values() {
    pass("ASSERT_TRUE(TRUE); ASSERT_FALSE(FALSE); ASSERT_EQ(1, 1); ASSERT_NEQ(1, 2); ASSERT_GT(2, 1);");
    pass("ASSERT_GE(2, 2); ASSERT_LT(1, 2); ASSERT_LE(2, 2); ASSERT_NEAR(1.0, 1.1, 0.2);");
    let with =
        |statement: &str| format!("VAR a : INT := 2; b : INT := 3; x : LREAL := 0.5; END_VAR {statement}");
    for (statement, message) in [
        ("ASSERT_TRUE(a > b);", "expected a > b, but a is 2 and b is 3"),
        ("ASSERT_FALSE(a < b);", "expected NOT (a < b), but a is 2 and b is 3"),
        ("ASSERT_FALSE(TRUE);", "expected TRUE to be FALSE"),
        ("ASSERT_EQ(a, b);", "expected a = b, but a is 2 and b is 3"),
        ("ASSERT_EQ(a + 1, 4);", "expected a + 1 = 4, but a + 1 is 3"),
        ("ASSERT_NEQ(a, 2);", "expected a <> 2, but a is 2"),
        ("ASSERT_GT(a, b);", "expected a > b, but a is 2 and b is 3"),
        ("ASSERT_GE(a, b);", "expected a >= b, but a is 2 and b is 3"),
        ("ASSERT_LT(b, a);", "expected b < a, but b is 3 and a is 2"),
        ("ASSERT_LE(b, a);", "expected b <= a, but b is 3 and a is 2"),
        ("ASSERT_NEAR(x, 1.0, 0.1);", "expected x to be within 0.1 of 1.0, but x is 0.5"),
        ("ASSERT_EQ(a, b, 'levels');", "levels: expected a = b, but a is 2 and b is 3"),
        ("ASSERT_EQ(1, 40000);", "expected 1 = 40000"),
    ] {
        fail(&with(statement), message);
    }
}

#[test]
fn values_of_every_type_are_shown_as_literals() {
    for (declaration, other, value) in [
        ("BOOL := TRUE", "FALSE", "TRUE"),
        ("SINT := -5", "1", "-5"),
        ("ULINT := 18446744073709551615", "0", "18446744073709551615"),
        ("WORD := 16#ABC", "16#0", "16#0ABC"),
        ("REAL := 0.1", "0.2", "0.1"),
        ("TIME := T#1h30m", "T#0s", "T#1h30m"),
        ("DATE := D#2026-11-21", "D#2026-11-22", "D#2026-11-21"),
        ("STRING := 'a$'b'", "'c'", "'a$'b'"),
        ("WSTRING := \"hé\"", "\"h\"", "\"hé\""),
        ("(Idle, Busy) := Busy", "Idle", "Busy"),
        ("INT (0..9) := 7", "8", "7"),
        ("CHAR := 'x'", "'y'", "'x'"),
    ] {
        let text = format!("VAR v : {declaration}; END_VAR ASSERT_EQ(v, {other});");
        fail(&text, &format!("expected v = {other}, but v is {value}"));
    }
}

#[test]
fn near_has_no_corner() {
    pass(
        "VAR lo : LINT := -9223372036854775807; hi : LINT := 9223372036854775807; END_VAR ASSERT_NEAR(lo, lo, 0); ASSERT_NEAR(hi, hi - 5, 5);",
    );
    fail(
        "VAR lo : LINT := -9223372036854775807; hi : LINT := 9223372036854775807; END_VAR ASSERT_NEAR(lo, hi, hi);",
        "expected lo to be within hi of hi, but lo is -9223372036854775807 and hi is 9223372036854775807",
    );
    fail("VAR a : INT := 1; END_VAR ASSERT_NEAR(a, 1, -1);", "expected a to be within -1 of 1, but a is 1");
    fail(
        "VAR z : LREAL; n : LREAL; END_VAR n := z / z; ASSERT_NEAR(n, n, 1.0);",
        "expected n to be within 1.0 of n, but n is NaN and n is NaN",
    );
    pass("VAR t : TIME := T#1s5ms; END_VAR ASSERT_NEAR(t, T#1s, T#5ms);");
    pass("VAR u : ULINT := 18446744073709551615; END_VAR ASSERT_NEAR(u, u - 3, 3);");
}

#[test]
fn an_operand_is_evaluated_once() {
    let text = "FUNCTION Next : INT VAR_IN_OUT n : INT; END_VAR n := n + 1; Next := n; END_FUNCTION
        TEST 'it' VAR n : INT; END_VAR ASSERT_EQ(Next(n), 1); ASSERT_EQ(n, 1); END_TEST";
    assert!(failures(text).is_empty());
}

#[test]
fn each_test_starts_anew_and_time_stands_still() {
    let text = "
VAR_GLOBAL g : INT := 5; END_VAR
FUNCTION_BLOCK Wait VAR t : TON; END_VAR VAR_OUTPUT done : BOOL; END_VAR
  g := g + 1;
  t(IN := TRUE, PT := T#100ms);
  done := t.Q;
END_FUNCTION_BLOCK
SETUP VAR w : Wait; log : INT; END_VAR log := 1; END_SETUP
TEST 'a' w(); w(); ASSERT_EQ(g, 7); ASSERT_EQ(log, 1); ASSERT_EQ(TIME(), T#0s); log := 9; END_TEST
TEST 'b'
  w(); ASSERT_EQ(g, 6); ASSERT_EQ(log, 1);
  ADVANCE_TIME(T#99ms); w(); ASSERT_FALSE(w.done);
  ADVANCE_TIME(T#1ms); w(); ASSERT_TRUE(w.done); ASSERT_EQ(TIME(), T#100ms);
END_TEST";
    assert_eq!(failures(text), Vec::<String>::new());
    assert_eq!(report(text).results[1].time_ns, 100_000_000);
}

#[test]
fn teardown_runs_after_failures_and_its_own_count() {
    let text = "
SETUP VAR clean : BOOL; END_VAR END_SETUP
TEARDOWN ASSERT_TRUE(clean); END_TEARDOWN
TEST 'ends clean' clean := TRUE; END_TEST
TEST 'ends dirty' END_TEST
TEST 'fails first' ASSERT_EQ(1, 2); END_TEST
TEST 'leaves early' clean := TRUE; RETURN; ASSERT_EQ(1, 2); END_TEST";
    let said = failures(text);
    assert_eq!(said.len(), 2, "{said:?}");
    assert_eq!(said[0], "ends dirty: 3:10 expected clean to be TRUE, but clean is FALSE");
    assert_eq!(said[1], "fails first: 6:20 expected 1 = 2");
    let text = "
SETUP ASSERT_EQ(1, 2); END_SETUP
TEARDOWN ASSERT_EQ(3, 4); END_TEARDOWN
TEST 'never' ASSERT_EQ(5, 6); END_TEST";
    assert_eq!(failures(text), ["never: 2:7 expected 1 = 2"]);
}

#[test]
fn mocks_replace_by_name_in_their_test_alone() {
    let text = "
FUNCTION Read : REAL VAR_INPUT channel : INT; END_VAR Read := 1.0; END_FUNCTION
FUNCTION Scaled : REAL VAR_INPUT channel : INT; END_VAR Scaled := 10.0 * Read(channel); END_FUNCTION
FUNCTION_BLOCK Sensor VAR_OUTPUT value : REAL; END_VAR VAR n : INT; END_VAR
  n := n + 1; value := Scaled(n);
END_FUNCTION_BLOCK
FUNCTION_BLOCK Plant VAR_OUTPUT hot : BOOL; END_VAR VAR s : ARRAY[1..2] OF Sensor; w : TON; END_VAR
  s[1](); s[2](); w(IN := TRUE, PT := T#1h);
  hot := s[1].value + s[2].value > 50.0 OR w.Q;
END_FUNCTION_BLOCK

SETUP VAR plant : Plant; last : INT; calls : INT; END_VAR END_SETUP

TEST 'real' plant(); ASSERT_FALSE(plant.hot); ASSERT_EQ(plant.s[2].value, 10.0); END_TEST

TEST 'mock of a function, deep down'
MOCK FUNCTION Read last := channel; calls := calls + 1; Read := 3.0; END_MOCK
  plant(); plant();
  ASSERT_TRUE(plant.hot); ASSERT_EQ(last, 2); ASSERT_EQ(calls, 4); ASSERT_EQ(Scaled(7), 30.0); ASSERT_EQ(last, 7);
END_TEST

TEST 'mock of a function block'
MOCK FUNCTION_BLOCK Sensor VAR_TEMP x : REAL; END_VAR x := x + 26.0; value := x; calls := calls + 1; END_MOCK
  plant();
  ASSERT_TRUE(plant.hot); ASSERT_EQ(calls, 2); ASSERT_EQ(plant.s[1].n, 0);
END_TEST

TEST 'mock of a standard block'
MOCK FUNCTION_BLOCK TON Q := IN; END_MOCK
  plant();
  ASSERT_TRUE(plant.hot);
END_TEST

TEST 'mock without statements leaves what the test wrote'
MOCK FUNCTION_BLOCK Sensor END_MOCK
  plant.s[1].value := 60.0;
  plant();
  ASSERT_TRUE(plant.hot);
END_TEST";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn a_mock_of_the_file_serves_all_its_tests_and_gives_way_to_theirs() {
    let text = "
FUNCTION Read : INT Read := 1; END_FUNCTION
MOCK FUNCTION Read Read := 2; END_MOCK
TEST 'file' ASSERT_EQ(Read(), 2); END_TEST
TEST 'own' MOCK FUNCTION Read Read := 3; END_MOCK ASSERT_EQ(Read(), 3); END_TEST";
    assert_eq!(failures(text), Vec::<String>::new());
    let other =
        SourceUnit { name: "o.st".into(), text: "TEST 'other' ASSERT_EQ(Read(), 1); END_TEST".into() };
    let unit = SourceUnit { name: "t.st".into(), text: text.into() };
    let tests = compile_tests(&[other, unit], &Options::default(), false).unwrap();
    let report = run(&tests, EngineKind::Jit, LIMITS, |_| true).unwrap();
    assert_eq!((report.results.len(), report.failures().count()), (3, 0));
}

#[test]
fn a_program_is_tested_through_the_image_and_its_members() {
    let text = "
PROGRAM Main
VAR start AT %IX0.0 : BOOL; lamp AT %QX0.1 : BOOL := TRUE; open AT %I* : BOOL; n : INT; END_VAR
  lamp := start AND open; n := n + 1;
END_PROGRAM
TEST 'image' VAR p : Main; END_VAR
  ASSERT_TRUE(%QX0.1);
  %IX0.0 := TRUE; p.open := TRUE; p(); ASSERT_TRUE(p.lamp); ASSERT_TRUE(%QX0.1);
  p.start := FALSE; p.n := 41; p(); ASSERT_FALSE(p.lamp); ASSERT_EQ(p.n, 42);
  %IW99 := 16#FFFF;
END_TEST";
    assert_eq!(failures(text), Vec::<String>::new());
}

#[test]
fn a_fault_names_its_place_in_the_sources_and_the_instance() {
    let text = "FUNCTION_BLOCK Belt VAR_INPUT i : INT; END_VAR VAR a : ARRAY[0..9] OF INT; END_VAR
  a[i] := 1;
END_FUNCTION_BLOCK
FUNCTION_BLOCK Line VAR belt : Belt; END_VAR belt(i := 12); END_FUNCTION_BLOCK
TEST 'it' VAR line : Line; END_VAR line(); END_TEST
TEST 'plain' ASSERT(FALSE); END_TEST
TEST 'back' VAR t : TIME := T#-1s; END_VAR ADVANCE_TIME(t); END_TEST";
    let said = failures(text);
    assert_eq!(said[0], "it: 2:5 fault IndexOutOfBounds in line.belt (12, 0, 9)");
    assert_eq!(said[1], "plain: 6:14 ASSERT of FALSE");
    assert!(said[2].starts_with("back: 7:44 fault SubrangeViolation"), "{said:?}");
}

#[test]
fn nothing_runs_for_ever() {
    let said = failures("TEST 'loop' WHILE TRUE DO END_WHILE; END_TEST");
    assert_eq!(said, ["loop: 1:13 not finished after 100000 loop passes and calls"]);
    // 2 to the power of 40 calls without a loop.
    let mut text = String::from("FUNCTION F0 : INT F0 := 1; END_FUNCTION\n");
    for level in 1..=40 {
        let below = level - 1;
        writeln!(text, "FUNCTION F{level} : INT F{level} := F{below}() + F{below}(); END_FUNCTION").unwrap();
    }
    text += "TEST 'calls' ASSERT_EQ(F40(), 1); END_TEST";
    assert!(failures(&text)[0].contains("not finished after 100000"), "{:?}", failures(&text));
    let tests =
        program("TEST 'loop' WHILE TRUE DO END_WHILE; END_TEST TEST 'after' ASSERT_TRUE(TRUE); END_TEST");
    let limits = Limits { steps: u64::MAX - 1, duration: Some(Duration::from_millis(50)) };
    for engine in ENGINES {
        let report = run(&tests, engine, limits, |_| true).unwrap();
        let said: Vec<_> = report.failures().map(|(_, failure)| failure.message.as_str()).collect();
        assert_eq!(said, ["not finished: the tests together took longer than 0 s"; 2], "{engine}");
    }
}

#[test]
fn statements_are_counted_across_tests() {
    let text = "FUNCTION Sign : INT VAR_INPUT x : INT; END_VAR
  IF x < 0 THEN
    Sign := -1;
  ELSIF x > 0 THEN
    Sign := 1;
  END_IF;
END_FUNCTION
FUNCTION Unused : INT
  Unused := 1;
END_FUNCTION
TEST 'a' ASSERT_EQ(Sign(5), 1); END_TEST
TEST 'b' ASSERT_EQ(Sign(6), 1); ASSERT_EQ(Sign(0), 0); END_TEST";
    let tests = program(text);
    for engine in ENGINES {
        let report = run(&tests, engine, LIMITS, |_| true).unwrap();
        let hits = tests.statements.iter().zip(&report.hits);
        let lines: Vec<(u32, u64)> = hits.map(|(statement, hits)| (statement.at.line, *hits)).collect();
        assert_eq!(lines, [(2, 3), (3, 0), (5, 2), (9, 0)], "{engine}");
    }
}

#[test]
fn tests_leave_no_trace_in_the_program() {
    let main = "PROGRAM Main VAR n : INT; END_VAR n := n + 1; END_PROGRAM\n";
    let tests = "TEST 'it' VAR t : TON; big : ARRAY[1..1000] OF LINT; END_VAR %QW500 := 1; t(); ASSERT_EQ(1, 2); END_TEST";
    let compiled = |text: String| {
        let program = compile(&[SourceUnit { name: "t.st".into(), text }], &Options::default()).unwrap();
        (program.layout, program.initial, program.module.functions.len())
    };
    assert_eq!(compiled(main.to_owned()), compiled(format!("{main}{tests}")));
}

#[test]
fn methods_are_tested_and_reach_mocks() {
    let text = "
FUNCTION Read : INT Read := 1; END_FUNCTION
CLASS Base
VAR PUBLIC n : INT; END_VAR
METHOD PUBLIC Step : INT n := n + Read(); Step := n; END_METHOD
END_CLASS
CLASS Fast EXTENDS Base
METHOD PUBLIC OVERRIDE Step : INT n := n + 10 * Read(); Step := n; END_METHOD
END_CLASS
FUNCTION_BLOCK Holder VAR f : Fast; END_VAR VAR_OUTPUT q : INT; END_VAR
METHOD PUBLIC Go q := f.Step(); END_METHOD
Go();
END_FUNCTION_BLOCK
TEST 'real' VAR b : Base; h : Holder; END_VAR
  ASSERT_EQ(b.Step(), 1); h(); ASSERT_EQ(h.q, 10);
END_TEST
TEST 'mocked'
MOCK FUNCTION Read Read := 5; END_MOCK
VAR b : Base; h : Holder; END_VAR
  ASSERT_EQ(b.Step(), 5); h(); h.Go(); ASSERT_EQ(h.q, 100);
END_TEST";
    assert_eq!(failures(text), Vec::<String>::new());
}
