//! `spec.program.tests: Required`: the tests in the sources, run before a program is accepted.

use std::time::Duration;

use lineshaft_plc_compiler as compiler;
use lineshaft_plc_runtime::engine::EngineKind;
use lineshaft_plc_runtime::testing::{self, Limits};

/// Bounds by which the same tests fail on every machine: loop passes and calls in each part of a test.
const STEPS_MAX: u64 = 2_000_000;
/// All tests of a program together. No sensible ones take so long: this protects the operator.
const DURATION_MAX: Duration = Duration::from_secs(20);

/// What is wrong with the tests, each with its place.
pub(super) fn problems(units: &[compiler::SourceUnit], options: &compiler::Options) -> Vec<String> {
    let tests = match compiler::compile_tests(units, options, false) {
        Ok(tests) => tests,
        // The program compiles, so this is a limit that only its tests exceed.
        Err(diagnostics) => {
            let errors = diagnostics.iter().filter(|found| found.severity == compiler::Severity::Error);
            return errors.map(ToString::to_string).collect();
        }
    };
    if tests.tests.is_empty() {
        return vec!["spec.program.tests: Required, but the sources have no TEST".to_owned()];
    }
    let limits = Limits { steps: STEPS_MAX, duration: Some(DURATION_MAX) };
    // Programs come from whoever may write the object: here they never run as machine code.
    let report = match testing::run(&tests, EngineKind::Interpreter, limits, |_| true) {
        Ok(report) => report,
        Err(error) => return vec![format!("spec.program.tests: {error}")],
    };
    let failures = report.failures().map(|(result, failure)| {
        let place = &failure.place;
        let name = &tests.tests[result.test].name;
        format!("{}:{}:{}: TEST '{name}': {}", place.file, place.line, place.column, failure.message)
    });
    failures.collect()
}
