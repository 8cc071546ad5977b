//! No text makes the reader of manifests panic, and what it reads has positions inside of the text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use lineshaft_crds::manifest::parse;
use proptest::prelude::*;

const GOOD: &str = include_str!("data/good/plc-everything.yaml");

/// Few cases in the tests; `scripts/fuzz` says how many instead.
fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

fn survives(text: &str) {
    let lines = text.lines().count() as u64 + 1;
    match parse(text) {
        Ok(documents) => {
            for document in documents {
                if let Some(position) = document.position("spec.program") {
                    assert!((1..=lines).contains(&position.line), "line {} of {lines}", position.line);
                }
            }
        }
        Err(error) => assert!(!error.message.is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(32), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fuzz_manifest_text(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn fuzz_manifest_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn fuzz_manifest_mutations(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any::<prop::sample::Index>()), 1..6),
    ) {
        const PIECES: &[&str] = &["- ", ": ", "&a", "*a", "<<: *a", "{", "}", "[", "]", "\t", "---\n", "...", "!!int", "|\n", ">", "?", "\"", "'", "#", "0x", "\u{0}", "é"];
        let mut pieces: Vec<&str> = GOOD.split_inclusive([' ', '\n', ':']).collect();
        for (at, kind, with) in &edits {
            let at = at.index(pieces.len());
            match kind {
                0 => drop(pieces.remove(at)),
                1 => pieces[at] = *with.get(PIECES),
                _ => pieces.insert(at, *with.get(PIECES)),
            }
        }
        survives(&pieces.concat());
    }
}

#[test]
fn aliases_and_depth_are_bounded() {
    let nine = |value: &str| [value; 9].join(", ");
    let laughs: Vec<String> = (0..12_u8)
        .map(|k| match k {
            0 => format!("a0: &a0 [{}]", nine("x")),
            _ => format!("a{k}: &a{k} [{}]", nine(&format!("*a{}", k - 1))),
        })
        .collect();
    let laughs = laughs.join("\n");
    assert!(parse(&laughs).is_err(), "a billion values");
}

#[test]
fn fuzz_manifest_nesting() {
    for piece in ["[", "{a: ", "{\"a\":", "[{a: ", "- ", "? ", "- ? ", "[? "] {
        for depth in [65, 300, 10_000] {
            let error = parse(&piece.repeat(depth)).unwrap_err();
            assert!(error.position.is_some_and(|at| at.line == 1), "{depth} times {piece:?}: {error:?}");
            if depth > 300 {
                assert_eq!(error.message, "lists and mappings are nested deeper than 64 levels", "{piece:?}");
            }
        }
    }
    let deep = |depth: usize| [&"- ".repeat(depth), "x\n"].concat();
    assert_eq!(parse(&deep(64)).unwrap().len(), 1);
    let error = parse(&["kind: A\n---\n", &deep(65)].concat()).unwrap_err();
    assert_eq!(error.position.map(|at| at.line), Some(3), "{error:?}");
}
