//! Results for tools.

use lineshaft_plc_compiler::diagnostic::Place;
use lineshaft_plc_runtime::testing::Failure;
use serde::Serialize;

use super::Outcome;
use super::coverage::File;

#[derive(Serialize)]
struct Document<'a> {
    passed: usize,
    failed: usize,
    tests: Vec<Test<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<&'a [File]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Test<'a> {
    name: &'a str,
    #[serde(flatten)]
    place: &'a Place,
    passed: bool,
    /// Virtual time at its end.
    time_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<&'a Failure>,
}

/// One object.
pub(super) fn text(outcome: &Outcome<'_>) -> String {
    let results = outcome.by_file().flat_map(|(_, results)| results);
    let tests = results.map(|result| {
        let test = &outcome.tests.tests[result.test];
        Test {
            name: &test.name,
            place: &test.at,
            passed: result.failure.is_none(),
            time_ns: result.time_ns,
            failure: result.failure.as_deref(),
        }
    });
    let document = Document {
        passed: outcome.passed(),
        failed: outcome.failed(),
        tests: tests.collect(),
        coverage: outcome.coverage.as_ref().map(|coverage| coverage.files.as_slice()),
    };
    let text = serde_json::to_string_pretty(&document).expect("names, numbers and lists are JSON");
    text + "\n"
}
