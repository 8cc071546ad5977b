//! `lineshaft check` of what runtimes publish and receive.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use common::{Scratch, lineshaft};
use serde_json::Value;

/// Publishes `Main.state`, `Main.level` and `Main.name`, as `LineB`.
const PUBLISHER: &str = "\
apiVersion: lineshaft.dev/v1alpha1
kind: PlcRuntime
metadata: {name: plcb, namespace: line}
spec:
  program:
    sources:
    - name: b.st
      inline: |
        PROGRAM Main
        VAR state : DINT; level : REAL; name : STRING[8]; END_VAR
          state := state + 1;
        END_PROGRAM
  discovery: {serviceName: LineB}
  mesh:
    publish:
    - variable: Main.state
    - variable: main.level
    - variable: Main.name
";

const RECEIVER: &str = "\
apiVersion: lineshaft.dev/v1alpha1
kind: PlcRuntime
metadata: {name: plca, namespace: line}
spec:
  program:
    sources:
    - name: a.st
      inline: |
        TYPE Remote : STRUCT state : DINT; level : REAL; name : STRING[8]; END_STRUCT; END_TYPE
        PROGRAM Main
        VAR remote : DINT; short : INT; quality : BYTE; age : TIME; all : Remote; END_VAR
          short := short + 1;
        END_PROGRAM
";

fn subscription(entries: &str) -> String {
    format!(
        "apiVersion: lineshaft.dev/v1alpha1\nkind: MeshSubscription\nmetadata: {{name: remote, namespace: line}}\nspec:\n  runtimeRef: {{name: plca}}\n  subscribe:\n{entries}\n"
    )
}

/// `LINE:COLUMN CODE MESSAGE` and `help` of the findings about the mesh.
fn findings(publisher: &str, subscription: &str) -> Vec<(String, Option<String>)> {
    let files = [("a.yaml", RECEIVER), ("b.yaml", publisher), ("c.yaml", subscription)];
    let scratch = Scratch::with(&files);
    let done = lineshaft(&["check", "--output", "json", "."], scratch.path());
    let found: Vec<Value> =
        serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {done:?}"));
    found
        .iter()
        .map(|one| {
            let text = |field: &str| one[field].as_str().unwrap_or_default();
            let at = format!("{}:{}:{}", text("file"), one["line"], one["column"]);
            (format!("{at} {} {}", text("code"), text("message")), one["help"].as_str().map(str::to_owned))
        })
        .collect()
}

/// That exactly this is found; the help must contain `help`.
fn one(publisher: &str, entries: &str, expected: &str, help: &str) {
    let found = findings(publisher, &subscription(entries));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].0, expected);
    assert!(found[0].1.as_deref().unwrap_or_default().contains(help), "{found:#?}");
}

#[test]
fn what_fits_passes_by_reference_and_by_service_name() {
    for from in ["runtimeRef: {name: plcb}", "peer: LineB"] {
        let entries = format!(
            "  - {{to: Main.remote, from: {{{from}, variable: MAIN.state}}, deadband: \"2\", quality: Main.quality, age: main.age}}\n  - {{to: Main.all.*, from: {{{from}, variable: \"Main.*\"}}}}"
        );
        assert_eq!(findings(PUBLISHER, &subscription(&entries)), []);
    }
    // Of a site that is not among the manifests nothing is known.
    let elsewhere = "  - {to: Main.remote, from: {peer: LineZ, variable: What.ever}}";
    assert_eq!(findings(PUBLISHER, &subscription(elsewhere)), []);
}

#[test]
fn targets_must_exist() {
    one(
        PUBLISHER,
        "  - {to: Main.remot, from: {peer: LineB, variable: Main.state}}",
        "./c.yaml:7:6 mesh-target MeshSubscription line/remote: spec.subscribe[0].to: the program has no variable \"Main.remot\"",
        "did you mean \"Main.remote\"?",
    );
}

#[test]
fn targets_have_one_writer() {
    let two = "  - {to: Main.remote, from: {peer: LineB, variable: Main.state}}\n  - {to: MAIN.remote, from: {peer: LineZ, variable: A.b}}";
    one(
        PUBLISHER,
        two,
        "./c.yaml:8:6 mesh-target MeshSubscription line/remote: spec.subscribe[1].to: MAIN.remote is also written by spec.subscribe[0].to",
        "",
    );
    let first = subscription("  - {to: Main.remote, from: {peer: LineB, variable: Main.state}}");
    let second = first.replace("name: remote", "name: second");
    let found = findings(PUBLISHER, &format!("{first}---\n{second}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0]
            .0
            .ends_with("Main.remote is also written by spec.subscribe[0].to of MeshSubscription remote"),
        "{found:#?}"
    );
}

#[test]
fn types_must_be_equal() {
    one(
        PUBLISHER,
        "  - {to: Main.short, from: {peer: LineB, variable: Main.state}}",
        "./c.yaml:7:42 mesh-type MeshSubscription line/remote: spec.subscribe[0].from.variable: Main.state of LineB is DINT, and Main.short is INT",
        "declare the target with the publisher's type",
    );
}

#[test]
fn what_is_received_must_be_published() {
    one(
        PUBLISHER,
        "  - {to: Main.remote, from: {runtimeRef: {name: plcb}, variable: Main.stat}}",
        "./c.yaml:7:56 mesh-publish MeshSubscription line/remote: spec.subscribe[0].from.variable: runtime/plcb does not publish Main.stat, did you mean \"Main.state\"?",
        "add {variable: Main.stat} to spec.mesh.publish of PlcRuntime line/plcb",
    );
    let found = findings(
        &PUBLISHER.replace("Main.name\n", "Main.nam\n"),
        &subscription("  - {to: Main.remote, from: {peer: LineB, variable: Main.state}}"),
    );
    assert_eq!(
        found,
        [(
            "./b.yaml:18:7 spec PlcRuntime line/plcb: spec.mesh.publish[2].variable: the program has no variable \"Main.nam\"".to_owned(),
            None
        )]
    );
}

#[test]
fn what_is_published_below_a_path_needs_a_target() {
    one(
        &PUBLISHER.replace("name : STRING[8]", "label : STRING[8]").replace("Main.name", "Main.label"),
        "  - {to: Main.all.*, from: {peer: LineB, variable: \"Main.*\"}}",
        "./c.yaml:7:42 mesh-target MeshSubscription line/remote: spec.subscribe[0].from.variable: LineB publishes Main.label, and the receiving program has no Main.all.label",
        "",
    );
    one(
        PUBLISHER,
        "  - {to: Main.all.*, from: {peer: LineB, variable: \"Other.*\"}}",
        "./c.yaml:7:42 mesh-publish MeshSubscription line/remote: spec.subscribe[0].from.variable: LineB publishes nothing below Other.*",
        "",
    );
}

#[test]
fn what_cannot_be_shared_is_not_published() {
    let pointer = PUBLISHER.replace("name : STRING[8]", "name : REF_TO DINT");
    let found =
        findings(&pointer, &subscription("  - {to: Main.remote, from: {peer: LineB, variable: Main.state}}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].0.starts_with("./b.yaml:18:7 spec "), "{found:#?}");
}

#[test]
fn a_runtime_receives_from_others() {
    one(
        PUBLISHER,
        "  - {to: Main.remote, from: {runtimeRef: {name: plca}, variable: Main.remote}}",
        "./c.yaml:7:30 mesh-target MeshSubscription line/remote: spec.subscribe[0].from.runtimeRef: plca would subscribe to itself: assign in its program",
        "",
    );
    one(
        PUBLISHER,
        "  - {to: Main.remote, from: {runtimeRef: {name: plcc}, variable: Main.remote}}",
        "./c.yaml:7:43 reference MeshSubscription line/remote: spec.subscribe[0].from.runtimeRef: there is no PlcRuntime line/plcc among the manifests, did you mean \"plca\"?",
        "",
    );
}
