//! `lineshaft check`: what it finds, where, and how it says so.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use common::{Scratch, lineshaft};
use serde_json::Value;

const CONFIG_MAP: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: code}
data:
  main.st: |
    PROGRAM Main
    VAR n : INT; END_VAR
      n := n + 1;
    END_PROGRAM
";

fn runtime(spec: &str) -> String {
    format!(
        "apiVersion: lineshaft.dev/v1alpha1\nkind: PlcRuntime\nmetadata:\n  name: filler\nspec:\n  {}\n",
        spec.replace('\n', "\n  ")
    )
}

const FROM_CODE: &str = "program:\n  sources:\n  - configMap: {name: code, keys: [main.st]}";

/// Checks the files and returns exit code and findings.
fn findings(files: &[(&str, &str)]) -> (i32, Vec<Value>) {
    let scratch = Scratch::with(files);
    let done = lineshaft(&["check", "--output", "json", "."], scratch.path());
    let findings = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    (done.code, findings)
}

/// Checks that exactly one finding comes, with this place, code and message.
fn one(files: &[(&str, &str)], place: &str, code: &str, message: &str) {
    let (exit, found) = findings(files);
    assert_eq!((exit, found.len()), (1, 1), "{found:#?}");
    let one = &found[0];
    let at = format!("{}:{}:{}", one["file"].as_str().unwrap(), one["line"], one["column"]);
    assert_eq!(at, place, "{one:#}");
    assert_eq!(one["code"], code, "{one:#}");
    assert_eq!(one["severity"], "error", "{one:#}");
    let said = one["message"].as_str().unwrap();
    assert!(said.contains(message), "{said:?} does not contain {message:?}");
}

#[test]
fn good_manifests_pass_with_one_line() {
    let runtime = runtime(FROM_CODE);
    let scratch =
        Scratch::with(&[("a/code.yaml", CONFIG_MAP), ("a/b/plc.yml", &runtime), ("a/notes.txt", "{")]);
    let done = lineshaft(&["check", "a"], scratch.path());
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (0, "checked 2 objects in 2 files: no errors\n"),
        "{done:?}"
    );
    let done = lineshaft(&["check", "--output=json", "a/code.yaml"], scratch.path());
    assert_eq!((done.code, done.stdout.as_str()), (0, "[]\n"), "{done:?}");
}

#[test]
fn the_quickstart_passes() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests");
    let done = lineshaft(&["check", manifests], std::path::Path::new("/"));
    assert_eq!(done.code, 0, "{}", done.stdout);
    assert!(done.stdout.ends_with("no errors\n"), "{}", done.stdout);
}

#[test]
fn syntax_has_a_position() {
    one(&[("a.yaml", "kind: A\nspec: [1, 2\nx: 3\n")], "./a.yaml:3:2", "manifest-syntax", "");
}

#[test]
fn a_document_that_is_no_object_is_refused() {
    one(&[("a.yaml", "- 1\n")], "./a.yaml:1:1", "manifest-object", "mapping");
    one(
        &[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n")],
        "./a.yaml:3:1",
        "manifest-object",
        "metadata.name must be given",
    );
}

#[test]
fn an_unknown_field_is_named_with_its_path_and_the_right_name() {
    let text = runtime(&format!("{FROM_CODE}\ntaks: []"));
    one(
        &[("code.yaml", CONFIG_MAP), ("plc.yaml", &text)],
        "./plc.yaml:9:3",
        "unknown-field",
        "spec.taks: unknown field \"spec.taks\", did you mean \"tasks\"?",
    );
}

#[test]
fn limits_and_rules_are_those_of_the_api() {
    let text = runtime(&format!("{FROM_CODE}\ntasks:\n- {{name: main, intervalMicroseconds: 1}}"));
    one(
        &[("code.yaml", CONFIG_MAP), ("plc.yaml", &text)],
        "./plc.yaml:10:18",
        "schema",
        "spec.tasks[0].intervalMicroseconds",
    );
    let text = runtime("program:\n  sources:\n  - {name: a.st}");
    let (exit, found) = findings(&[("plc.yaml", &text)]);
    assert_eq!(exit, 1);
    assert!(found.iter().all(|one| one["code"] == "rule"), "{found:#?}");
}

#[test]
fn an_unknown_kind_of_ours_is_refused() {
    let text = runtime(FROM_CODE).replace("PlcRuntime", "PlcRuntim");
    one(&[("plc.yaml", &text)], "./plc.yaml:2:1", "manifest-object", "did you mean \"PlcRuntime\"?");
}

#[test]
fn foreign_kinds_are_looked_at_lightly() {
    let (exit, found) =
        findings(&[("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {x: 1}\n")]);
    assert_eq!((exit, found.len()), (0, 0));
    one(
        &[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  count: 5\n")],
        "./a.yaml:5:3",
        "schema",
        "data.count: must be a string",
    );
    one(
        &[("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndatta: {}\n")],
        "./a.yaml:4:1",
        "unknown-field",
        "did you mean \"data\"?",
    );
}

#[test]
fn references_are_followed() {
    let text = runtime(FROM_CODE);
    one(
        &[("code.yaml", &CONFIG_MAP.replace("name: code", "name: cod")), ("plc.yaml", &text)],
        "./plc.yaml:8:19",
        "reference",
        "there is no ConfigMap \"code\" among the manifests, did you mean \"cod\"?",
    );
    one(
        &[("code.yaml", &CONFIG_MAP.replace("main.st", "mian.st")), ("plc.yaml", &text)],
        "./plc.yaml:8:38",
        "reference",
        "did you mean \"mian.st\"?",
    );
}

#[test]
fn an_object_given_twice_is_refused() {
    one(
        &[("a.yaml", CONFIG_MAP), ("b.yaml", CONFIG_MAP)],
        "./b.yaml:3:12",
        "duplicate",
        "ConfigMap code: is given twice, first in ./a.yaml:1",
    );
}

#[test]
fn programs_are_compiled_and_shown_with_an_excerpt() {
    let text = runtime(FROM_CODE);
    let code = CONFIG_MAP.replace("n + 1", "m + 1");
    let scratch = Scratch::with(&[("code.yaml", &code), ("plc.yaml", &text)]);
    let done = lineshaft(&["check", "."], scratch.path());
    assert_eq!(done.code, 1, "{done:?}");
    for part in [
        "--> main.st:3:8",
        "  n := m + 1;",
        "./plc.yaml:4:3",
        "a program of PlcRuntime filler",
        "checked 2 objects in 2 files: 1 error\n",
    ] {
        assert!(done.stdout.contains(part), "no {part:?} in:\n{}", done.stdout);
    }
    let (_, found) = findings(&[("code.yaml", &code), ("plc.yaml", &text)]);
    assert_eq!(found[0]["file"], "main.st");
    assert_eq!(found[0]["manifest"], "./plc.yaml");
    assert_eq!(found[0]["object"], "PlcRuntime filler");
}

#[test]
fn what_cannot_be_read_is_a_mistake_on_the_command_line() {
    let scratch = Scratch::with(&[("empty/a.txt", "")]);
    let done = lineshaft(&["check", "missing.yaml"], scratch.path());
    assert_eq!((done.code, done.stdout.as_str()), (2, ""));
    assert_eq!(done.stderr, "error: missing.yaml: No such file or directory (os error 2)\n");
    let done = lineshaft(&["check", "empty"], scratch.path());
    assert_eq!(done.code, 2);
    assert!(done.stderr.starts_with("error: empty: no manifests"), "{done:?}");
    assert_eq!(lineshaft(&["check"], scratch.path()).code, 2);
}

#[test]
fn required_tests_must_pass() {
    let test = "  main_test.st: |\n    TEST 'counts'\n    VAR m : Main; END_VAR\n      m(); m();\n      ASSERT_EQ(m.n, 3);\n    END_TEST\n";
    let failing = format!("{CONFIG_MAP}{test}");
    let passing = failing.replace("3)", "2)");
    let runtime = runtime("program:\n  sources:\n  - configMap: {name: code}\n  tests: Required");
    one(
        &[("code.yaml", &failing), ("plc.yaml", &runtime)],
        "./plc.yaml:9:5",
        "tests",
        "main_test.st:4:3: TEST 'counts': expected m.n = 3, but m.n is 2",
    );
    assert_eq!(findings(&[("code.yaml", &passing), ("plc.yaml", &runtime)]).0, 0);
    one(
        &[("code.yaml", CONFIG_MAP), ("plc.yaml", &runtime)],
        "./plc.yaml:9:5",
        "tests",
        "spec.program.tests: Required, but the sources have no TEST",
    );
}
