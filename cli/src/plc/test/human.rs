//! Results for people.

use std::fmt::Write as _;

use lineshaft_plc_compiler::diagnostic::render;
use lineshaft_plc_compiler::{Diagnostic, Severity};

use super::Outcome;
use crate::finding::count;

const GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[1;31m";
const RESET: &str = "\x1b[0m";

/// A line for each test, then an excerpt for each failure, then the numbers.
pub(super) fn text(outcome: &Outcome<'_>, color: bool) -> String {
    let paint = |code: &'static str| if color { code } else { "" };
    let mut text = String::new();
    let mut line = |written: std::fmt::Arguments<'_>| {
        text.write_fmt(written).expect("writing to a String cannot fail");
        text.push('\n');
    };
    for (file, results) in outcome.by_file() {
        line(format_args!("{file}"));
        for result in results {
            let name = &outcome.tests.tests[result.test].name;
            let (tint, word) = match result.failure {
                None => (GREEN, "ok    "),
                Some(_) => (RED, "FAILED"),
            };
            line(format_args!("  {}{word}{} '{name}'", paint(tint), paint(RESET)));
        }
    }
    line(format_args!(""));
    let excerpts = render(&failures(outcome), outcome.units, color);
    let tests = count(outcome.report.results.len(), "test");
    let (passed, failed) = (outcome.passed(), outcome.failed());
    let (tint, numbers) = match failed {
        0 => (GREEN, "all passed".to_owned()),
        _ => (RED, format!("{passed} passed, {failed} failed")),
    };
    text.push_str(&excerpts);
    writeln!(text, "{tests}: {}{numbers}{}", paint(tint), paint(RESET))
        .expect("writing to a String cannot fail");
    if let Some(coverage) = &outcome.coverage {
        text.push_str(&coverage.summary());
    }
    text
}

fn failures(outcome: &Outcome<'_>) -> Vec<Diagnostic> {
    let failures = outcome.report.failures().map(|(result, failure)| {
        let test = &outcome.tests.tests[result.test];
        // An assertion stands in its test; a fault may be anywhere.
        let related = if failure.assertion {
            Vec::new()
        } else {
            vec![(test.at.clone(), "while this test ran".to_owned())]
        };
        Diagnostic {
            place: failure.place.clone(),
            code: failure.kind.clone(),
            severity: Severity::Error,
            message: format!("'{}': {}", test.name, failure.message),
            help: None,
            related,
        }
    });
    failures.collect()
}
