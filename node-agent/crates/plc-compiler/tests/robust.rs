//! No input makes the compiler panic or run without bound.

use lineshaft_plc_compiler::diagnostic::render;
use lineshaft_plc_compiler::{Options, Severity, SourceUnit, check, compile_tests};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::time::Duration;

const GOOD: &str = include_str!("robust.st");

fn survives(text: &str) {
    let unit = SourceUnit { name: "x.st".into(), text: text.into() };
    let diagnostics = check(std::slice::from_ref(&unit), &Options::default());
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    assert!(errors <= 51, "{errors} errors");
    if errors == 0 && text.contains("END_TEST") {
        let _ = compile_tests(std::slice::from_ref(&unit), &Options::default(), true);
    }
    render(&diagnostics, &[unit], true);
}

fn words() -> Vec<&'static str> {
    let mut words: Vec<&str> = GOOD.split_whitespace().collect();
    words.extend([
        "(",
        ")",
        "[",
        "]",
        ";",
        ":=",
        "=>",
        ":",
        ",",
        "..",
        ".",
        "*",
        "**",
        "-",
        "NOT",
        "%IX0.0",
        "%QW3",
        "T#1s",
        "16#FF",
        "'a$'",
        "\"",
        "(*",
        "*)",
        "{",
        "}",
        "^",
        "CLASS",
        "METHOD",
        "REF_TO",
        "ARRAY",
        "OF",
        "END_VAR",
        "99999999999999999999",
        "1.5E400",
        "é",
        "\u{0}",
        "END_IF",
        "TYPE",
        "STRUCT",
        "CONFIGURATION",
        "VAR_CONFIG",
        "-9223372036854775808",
        "18446744073709551615",
        "STRING[40000]",
        "ARRAY[0..4000000000] OF LREAL",
        "__x",
    ]);
    words
}

/// A given number in the tests; `scripts/fuzz` says how many instead.
fn cases(usual: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

#[test]
fn the_good_program_is_good() {
    let unit = SourceUnit { name: "robust.st".into(), text: GOOD.into() };
    let diagnostics = check(std::slice::from_ref(&unit), &Options::default());
    assert!(diagnostics.is_empty(), "{}", render(&diagnostics, &[unit], false));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(300), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_any_text(text in "\\PC{0,300}") {
        survives(&text);
    }

    #[test]
    fn fuzz_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn fuzz_word_soup(picks in proptest::collection::vec(any::<prop::sample::Index>(), 0..120)) {
        let words = words();
        let text: Vec<&str> = picks.iter().map(|pick| *pick.get(&words)).collect();
        survives(&text.join(" "));
    }

    #[test]
    fn fuzz_mutations(edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0u8..3), 1..6)) {
        let words = words();
        let mut text: Vec<&str> = GOOD.split_inclusive(char::is_whitespace).collect();
        for (at, pick, kind) in &edits {
            let position = at.index(text.len());
            match kind {
                0 => { text.remove(position); }
                1 => text[position] = *pick.get(&words),
                _ => text.insert(position, *pick.get(&words)),
            }
        }
        survives(&text.concat());
    }

    #[test]
    fn fuzz_truncations(at in any::<prop::sample::Index>()) {
        let mut end = at.index(GOOD.len());
        while !GOOD.is_char_boundary(end) {
            end -= 1;
        }
        survives(&GOOD[..end]);
    }
}

/// What the process has computed: waiting for a busy machine does not count, the tests beside this one do.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Inputs that are made to take long or go deep.
#[test]
fn hostile_inputs_end_soon() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!(
            "PROGRAM P VAR x : INT; END_VAR {}x := 1;{} END_PROGRAM",
            open.repeat(depth),
            close.repeat(depth)
        )
    };
    let mut chain = String::from("TYPE T0 : INT; END_TYPE\n");
    for i in 1..5_000 {
        writeln!(chain, "TYPE T{i} : ARRAY[0..1] OF T{}; END_TYPE", i - 1)
            .expect("a string takes everything");
    }
    let reversed = chain.lines().rev().collect::<Vec<_>>().join("\n");
    let mut doubling = String::from("TYPE S0 : STRUCT a, b : INT; END_STRUCT END_TYPE\n");
    for i in 1..40 {
        writeln!(doubling, "TYPE S{i} : STRUCT a, b : S{}; END_STRUCT END_TYPE", i - 1)
            .expect("a string takes everything");
    }
    doubling.push_str("PROGRAM P VAR s : S24; END_VAR END_PROGRAM");
    let mut calls = String::from("FUNCTION F0 : INT F0 := 1; END_FUNCTION\n");
    for i in 1..2_000 {
        writeln!(calls, "FUNCTION F{i} : INT F{i} := F{}(); END_FUNCTION", i - 1)
            .expect("a string takes everything");
    }
    let cases = [
        nested("IF TRUE THEN ", "END_IF;", 100_000),
        format!(
            "PROGRAM P VAR x : INT; END_VAR x := {}1{}; END_PROGRAM",
            "(".repeat(100_000),
            ")".repeat(100_000)
        ),
        format!("PROGRAM P VAR x : INT; END_VAR x := {}1; END_PROGRAM", "-".repeat(100_000)),
        format!("PROGRAM P VAR x : INT; END_VAR x := x{}; END_PROGRAM", " + x".repeat(100_000)),
        format!("PROGRAM P VAR x : INT; END_VAR x := x{}; END_PROGRAM", ".a".repeat(100_000)),
        format!("PROGRAM P VAR x : INT; END_VAR {} END_PROGRAM", "y := 1;\n".repeat(100_000)),
        format!("PROGRAM P {}", "VAR ".repeat(100_000)),
        "(*".repeat(500_000),
        "PROGRAM ".repeat(100_000),
        "VAR_GLOBAL x : ARRAY[0..100000000, 0..100000000] OF LREAL; END_VAR".to_owned(),
        "VAR_GLOBAL x : ARRAY[0..60000000] OF BYTE := [60000000(1)]; END_VAR PROGRAM P END_PROGRAM"
            .to_owned(),
        "TEST 'a' END_TEST\n".repeat(100_000),
        format!("SETUP {} END_SETUP {}", ";".repeat(500_000), "TEST 'a' END_TEST\n".repeat(9_000)),
        chain,
        reversed,
        doubling,
        calls,
    ];
    for case in cases {
        let started = cpu_time();
        survives(&case);
        let taken = cpu_time().saturating_sub(started);
        let head: String = case.chars().take(60).collect();
        assert!(taken < Duration::from_secs(40), "{taken:?} for {head}");
    }
}
