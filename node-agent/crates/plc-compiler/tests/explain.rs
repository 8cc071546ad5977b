//! Every code has a page whose examples are true. `LINESHAFT_UPDATE=1 cargo test -p lineshaft-plc-compiler --test
//! explain` writes docs/reference/diagnostics.md anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use lineshaft_plc_compiler::diagnostic::{CODES, explain, reference, similar};
use lineshaft_plc_compiler::{Dialect, Options, SourceUnit, TaskOverride, check};
use std::collections::BTreeSet;

/// Sources that are too long to be shown.
fn generated(code: &str) -> String {
    let program = |body: &str| format!("PROGRAM Main\nVAR n : INT; END_VAR\n{body}END_PROGRAM\n");
    match code {
        "LS7001" => program(&format!("n := {}1{};\n", "(".repeat(300), ")".repeat(300))),
        "LS7002" => " ".repeat((16 << 20) + 1),
        "LS7003" => program(&"x := 1;\n".repeat(60)),
        "LS7006" => program(&format!("n := n{};\n", " + n".repeat(2000))),
        "LS7008" => {
            let tests = (0..=10_000).map(|n| format!("TEST '{n}' END_TEST"));
            program("") + &tests.collect::<Vec<_>>().join("\n")
        }
        other => panic!("{other} is marked as generated, but nothing generates it"),
    }
}

fn codes(text: &str, needs: &str) -> BTreeSet<String> {
    let mut options = Options::default();
    match needs.split_once('=') {
        Some(("dialect", "Iec")) => options.dialect = Dialect::Iec,
        Some(("dialect", "Codesys")) => options.dialect = Dialect::Codesys,
        Some(("task", name)) => options.tasks.push(TaskOverride {
            name: name.to_owned(),
            interval_ns: Some(1_000_000),
            priority: None,
            programs: Vec::new(),
        }),
        _ => assert!(matches!(needs, "" | "generated"), "{needs}"),
    }
    let unit = SourceUnit { name: "example.st".to_owned(), text: text.to_owned() };
    check(&[unit], &options).into_iter().map(|found| found.code).collect()
}

#[test]
fn every_code_has_a_page_with_true_examples() {
    let mut wrong = Vec::new();
    for info in CODES {
        let Some(page) = explain(info.id) else {
            wrong.push(format!("{} has no section in src/diagnostic/examples.md", info.id));
            continue;
        };
        // A machine without memory cannot be shown by sources.
        if page.needs != "untestable" {
            let text = if page.needs == "generated" { generated(info.id) } else { page.wrong.to_owned() };
            let mut found = codes(&text, page.needs);
            if info.id == "LS7003" {
                // The note stands after the errors that are too many.
                found.remove("LS0201");
            }
            if found != BTreeSet::from([info.id.to_owned()]) {
                wrong.push(format!("{}: the wrong example gives {found:?}", info.id));
            }
        }
        let right = codes(page.right, if page.needs.starts_with("dialect") { page.needs } else { "" });
        if !right.is_empty() {
            wrong.push(format!("{}: the right example gives {right:?}", info.id));
        }
        if page.fix.is_empty() || page.wrong == page.right && page.needs.is_empty() {
            wrong.push(format!("{}: the page does not say what to do", info.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_codes_that_exist_have_pages() {
    assert!(explain("LS9999").is_none());
    assert!(explain("ls3002").is_some_and(|page| page.info.id == "LS3002"));
    assert!(similar("LS3099").contains(&"LS3001"));
    assert!(similar("E0308").is_empty());
    let examples = include_str!("../src/diagnostic/examples.md");
    let sections = examples.lines().filter_map(|line| line.strip_prefix("## "));
    let unknown: Vec<&str> = sections.filter(|id| explain(id).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn the_reference_says_the_same() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/reference/diagnostics.md");
    if std::env::var_os("LINESHAFT_UPDATE").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert!(page == reference(), "{path} is out of date: run this test with LINESHAFT_UPDATE=1");
}
