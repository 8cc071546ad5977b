//! `lineshaft plc check` and `lineshaft plc run`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use common::{Done, Scratch, lineshaft};
use serde_json::{Value, json};

const COUNTER: &str = "\
TYPE Mode : (Idle, Busy); END_TYPE
PROGRAM Main
VAR
  n : INT := 5;
  half : REAL := 0.5;
  on : BOOL;
  mode : Mode := Mode#Busy;
  text : STRING := 'hé';
  wait : TON;
  list : ARRAY[1..3] OF INT := [1, 2, 3];
  grid : ARRAY[0..1, 0..1] OF INT;
END_VAR
  n := n + 1;
  wait(IN := TRUE, PT := T#25ms);
  on := wait.Q;
  grid[1, 0] := n;
END_PROGRAM
";

fn run(source: &str, arguments: &[&str]) -> Done {
    let scratch = Scratch::with(&[("main.st", source)]);
    let all: Vec<&str> = ["plc", "run", "main.st"].iter().chain(arguments).copied().collect();
    lineshaft(&all, scratch.path())
}

fn lines(done: &Done) -> Vec<Value> {
    done.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_trace_has_a_line_for_each_scan() {
    let done =
        run(COUNTER, &["--scans", "3", "--interval", "10ms", "--trace", "main.N,Main.on,Main.grid[1,0]"]);
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(
        done.stdout,
        "{\"scan\":1,\"time_us\":10000,\"values\":{\"main.N\":6,\"Main.on\":false,\"Main.grid[1,0]\":6}}\n\
         {\"scan\":2,\"time_us\":20000,\"values\":{\"main.N\":7,\"Main.on\":false,\"Main.grid[1,0]\":7}}\n\
         {\"scan\":3,\"time_us\":30000,\"values\":{\"main.N\":8,\"Main.on\":false,\"Main.grid[1,0]\":8}}\n"
    );
    let done = run(COUNTER, &["--scans=4", "--interval=10ms", "--trace=Main.on"]);
    assert_eq!(lines(&done)[3], json!({"scan": 4, "time_us": 40000, "values": {"Main.on": true}}));
}

#[test]
fn without_a_trace_every_variable_is_printed_once() {
    let done = run(COUNTER, &["--scans", "2", "--set", "Main.n=41", "--set", "MAIN.HALF=1.25"]);
    assert_eq!(done.code, 0, "{done:?}");
    let lines = lines(&done);
    assert_eq!(lines.len(), 1);
    assert_eq!((&lines[0]["scan"], &lines[0]["time_us"]), (&json!(2), &json!(20000)));
    let values = &lines[0]["values"];
    assert_eq!(values["Main.n"], 43);
    assert_eq!(values["Main.half"], 1.25);
    assert_eq!(values["Main.mode"], "Busy");
    assert_eq!(values["Main.text"], "hé");
    assert_eq!(values["Main.list"], json!([1, 2, 3]));
    assert_eq!(values["Main.wait"]["PT"], 25_000_000);
}

#[test]
fn a_fault_is_the_last_line_and_exit_code_3() {
    let source = "PROGRAM Main\nVAR n : INT; z : INT; END_VAR\n  n := 10 / z;\nEND_PROGRAM\n";
    let done = run(source, &["--scans", "5", "--trace", "Main.n"]);
    assert_eq!(done.code, 3, "{done:?}");
    let lines = lines(&done);
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["fault"]["code"], "DivideByZero");
    let at = lines[0]["fault"]["at"].as_str().unwrap();
    assert!(at.starts_with("main.st:3:"), "{at}");
    assert_eq!(run(source, &["--set", "Main.z=2"]).code, 0);
}

#[test]
fn what_does_not_compile_does_not_run() {
    let done = run("PROGRAM Main\n  x := 1;\nEND_PROGRAM\n", &[]);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
    assert!(done.stderr.starts_with("error[LS"), "{}", done.stderr);
    assert!(done.stderr.contains(" --> main.st:2:3\n"), "{}", done.stderr);
}

#[test]
fn mistakes_on_the_command_line_are_exit_code_2() {
    for (arguments, said) in [
        (
            &["--trace", "Main.nn"] as &[&str],
            "error: there is no variable \"Main.nn\", did you mean \"Main.n\"?\n",
        ),
        (
            &["--set", "Mian.half=1"],
            "error: there is no variable \"Mian.half\", did you mean \"Main.half\"?\n",
        ),
    ] {
        let done = run(COUNTER, arguments);
        assert_eq!((done.code, done.stderr.as_str(), done.stdout.as_str()), (2, said, ""), "{done:?}");
    }
    for arguments in [
        &["--set", "Main.n=abc"] as &[&str],
        &["--set", "Main.n"],
        &["--interval", "10"],
        &["--interval", "0ms"],
        &["--scans", "-1"],
        &["--nonsense"],
    ] {
        let done = run(COUNTER, arguments);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    }
    let done = lineshaft(&["plc", "run", "missing.st"], std::path::Path::new("/"));
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (2, "error: missing.st: No such file or directory (os error 2)\n")
    );
}

#[test]
fn bytes_that_are_no_text_are_named_with_their_place() {
    let scratch = Scratch::with(&[]);
    std::fs::write(
        scratch.path().join("main.st"),
        b"PROGRAM Main\n// \xC3\xA9 Temp\xE9rature\nEND_PROGRAM\n",
    )
    .unwrap();
    let done = lineshaft(&["plc", "check", "main.st"], scratch.path());
    let said = "error: main.st:2:10: byte 0xE9 is not UTF-8: save the file in UTF-8\n";
    assert_eq!((done.code, done.stderr.as_str()), (2, said));
}

#[test]
fn check_prints_the_diagnostics_alone() {
    let good = Scratch::with(&[("main.st", COUNTER)]);
    let done = lineshaft(&["plc", "check", "main.st"], good.path());
    assert_eq!((done.code, done.stdout.as_str()), (0, "checked 1 file: no errors\n"), "{done:?}");

    let bad = Scratch::with(&[
        ("a.st", "PROGRAM Main\n  x := 1;\nEND_PROGRAM\n"),
        ("b.st", "FUNCTION F : INT\n  F := 1;\nEND_FUNCTION\n"),
    ]);
    let done = lineshaft(&["plc", "check", "a.st", "b.st"], bad.path());
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("2 |   x := 1;\n  |   ^"), "{}", done.stdout);
    assert!(done.stdout.ends_with("checked 2 files: 1 error\n"), "{}", done.stdout);

    let done = lineshaft(&["plc", "check", "--output", "json", "a.st", "b.st"], bad.path());
    assert_eq!(done.code, 1);
    let found: Value = serde_json::from_str(&done.stdout).unwrap();
    let one = &found[0];
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(
        (&one["file"], &one["line"], &one["column"], &one["endLine"], &one["endColumn"], &one["severity"]),
        (&json!("a.st"), &json!(2), &json!(3), &json!(2), &json!(4), &json!("error"))
    );
    assert!(one["code"].as_str().unwrap().starts_with("LS"), "{one}");
    assert!(!one["message"].as_str().unwrap().is_empty(), "{one}");
}

fn bench(source: &str, arguments: &[&str]) -> Done {
    let scratch = Scratch::with(&[("main.st", source)]);
    let all: Vec<&str> = ["plc", "bench", "main.st"].iter().chain(arguments).copied().collect();
    lineshaft(&all, scratch.path())
}

#[test]
fn a_bench_says_times_and_values() {
    for engine in ["jit", "interpreter"] {
        times_and_values(engine);
    }
}

fn times_and_values(engine: &str) {
    let done = bench(COUNTER, &["--scans", "30", "--output", "json", "--engine", engine]);
    assert_eq!(done.code, 0, "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&report["engine"], &report["refused"]), (&json!(engine), &Value::Null));
    assert_eq!((&report["scans"], &report["interval_ns"]), (&json!(30), &json!(1_000_000)));
    let times = ["min", "p50", "p99", "max"].map(|which| report["scan_ns"][which].as_u64().unwrap());
    assert!(times.is_sorted() && times[3] > 0, "{report}");
    let compile = |which: &str| report["compile_ns"][which].as_u64().unwrap();
    assert!(compile("front_end") > 0 && compile("code_generation") > 0, "{report}");
    assert!(compile("to_first_scan") > compile("front_end") + compile("code_generation"), "{report}");
    // 30 scans of 1 ms: the timer of 25 ms has elapsed.
    assert_eq!((&report["values"]["Main.n"], &report["values"]["Main.on"]), (&json!(35), &json!(true)));
    assert_eq!(report["values"]["Main.grid"], json!([[0, 0], [35, 0]]));
}

#[test]
fn a_bench_in_text_shows_what_was_asked_for() {
    let values = |arguments: &[&str]| {
        let done = bench(COUNTER, arguments);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.stdout.contains(", 5 scans, ns each: minimum "), "{}", done.stdout);
        done.stdout.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        values(&["--scans=5"]),
        ["Main.n = 10", "Main.half = 0.5", "Main.on = false", "Main.mode = \"Busy\"", "Main.text = \"hé\""]
    );
    assert_eq!(
        values(&["--scans=5", "--interval=10ms", "--show", "main.list[2],Main.grid"]),
        ["main.list[2] = 2", "Main.grid = [[0,0],[10,0]]"]
    );
}

#[test]
fn a_bench_that_faults_is_none() {
    let source =
        "PROGRAM Main\nVAR n : INT := 3; m : INT; END_VAR\n  n := n - 1;\n  m := 10 / n;\nEND_PROGRAM\n";
    let done = bench(source, &["--scans", "5"]);
    assert_eq!(done.code, 3, "{done:?}");
    let lines = lines(&done);
    assert_eq!((lines.len(), &lines[0]["fault"]["code"]), (1, &json!("DivideByZero")));
    assert_eq!(lines[0]["fault"]["scan"], 3);

    assert_eq!(bench("PROGRAM Main\n  x := 1;\nEND_PROGRAM\n", &[]).code, 1);
    for arguments in [&["--scans", "0"] as &[&str], &["--show", "Main.nn"], &["--interval", "0ms"]] {
        let done = bench(COUNTER, arguments);
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{arguments:?}: {done:?}");
    }
}
