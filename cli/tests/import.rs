//! `lineshaft import` of the runtime.toml of another PLC runtime.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::path::{Path, PathBuf};

use common::{Done, Scratch, lineshaft};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

const SOURCE: &str = "PROGRAM Main\nVAR n : INT; END_VAR\nn := n + 1;\nEND_PROGRAM\n";
const SMALLEST: &str = "[resource]\nname = \"Press_1\"\n";

fn import(toml: &str, source: &str) -> Done {
    let scratch = Scratch::with(&[("runtime.toml", toml), ("src/main.st", source)]);
    lineshaft(&["import", "runtime.toml"], scratch.path())
}

/// Standard error with the place of each finding before it, on one line.
fn said(done: &Done) -> String {
    let mut text = String::new();
    let mut lines = done.stderr.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(place) = lines.peek().and_then(|next| next.trim().strip_prefix("--> ")) {
            text += place;
            text += ": ";
        }
        text += line;
        text += "\n";
    }
    text
}

/// That nothing is written, and standard error has all of these.
fn refused(toml: &str, expected: &[&str]) {
    let done = import(toml, SOURCE);
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
    for text in expected {
        assert!(said(&done).contains(text), "{text:?} is missing:\n{}", said(&done));
    }
}

/// `LINESHAFT_UPDATE=1 cargo test -p lineshaft-cli --test import` writes them anew.
#[test]
fn the_two_plcs_of_the_tutorial_become_the_manifests_of_this_repository() {
    for plc in ["plc-a", "plc-b"] {
        let given = root().join("cli/tests/data/two-plcs").join(plc);
        let shown = root().join("manifests/two-plcs").join(plc);
        let scratch = Scratch::with(&[]);
        let output = if std::env::var_os("LINESHAFT_UPDATE").is_some() {
            shown.clone()
        } else {
            scratch.path().join("made/here")
        };
        let done = lineshaft(&["import", "runtime.toml", "--output", output.to_str().unwrap()], &given);
        assert_eq!(done.code, 0, "{done:?}");
        for expected in [
            "runtime.toml:9:1: warning[import-elsewhere]: runtime.control.endpoint is not imported",
            "runtime.control.mode is not imported",
            "runtime.web.listen is not imported",
        ] {
            assert!(said(&done).contains(expected), "{}", said(&done));
        }
        assert_eq!(done.stderr.matches("warning[").count(), 3, "{}", done.stderr);
        let files = |directory: &Path| -> Vec<(String, String)> {
            let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
            let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
            let mut files: Vec<_> =
                entries.map(|path| (name(&path), std::fs::read_to_string(&path).unwrap())).collect();
            files.sort();
            files
        };
        assert_eq!(files(&output), files(&shown), "{plc}");
    }
}

#[test]
fn the_manifests_of_both_pass_together() {
    let done = lineshaft(&["check", "manifests/two-plcs"], &root());
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stdout.contains("checked 5 objects in 5 files: no errors"), "{done:?}");
}

#[test]
fn every_kind_of_value_finds_its_field() {
    let toml = "\
[bundle]
version = 1
[resource]
name = \"Press_1\"
cycle_interval_ms = 20
[runtime.control]
debug_enabled = true
[runtime.discovery]
enabled = true
service_name = \"Press 1\"
advertise = false
interfaces = [\"eth0\"]
[runtime.mesh]
enabled = true
publish = [\"Main.n\"]
[runtime.log]
level = \"debug\"
[runtime.retain]
mode = \"file\"
save_interval_ms = 5000
[runtime.watchdog]
enabled = true
timeout_ms = 500
action = \"safe_halt\"
[runtime.fault]
policy = \"restart\"
";
    let done = import(toml, "// \"quotes\"\n\nPROGRAM Main\nVAR n : INT; END_VAR\n\tn := 1;\nEND_PROGRAM");
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{done:?}");
    let expected = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: press-1-program
  namespace: default
data:
  main.st: "// \"quotes\"\n\nPROGRAM Main\nVAR n : INT; END_VAR\n\tn := 1;\nEND_PROGRAM"
---
apiVersion: lineshaft.dev/v1alpha1
kind: PlcRuntime
metadata:
  name: press-1
  namespace: default
spec:
  program:
    sources:
    - configMap: {name: press-1-program, keys: [main.st]}
  tasks:
  - {name: main, intervalMicroseconds: 20000}
  discovery: {serviceName: "Press 1", advertise: false, interfaces: [eth0]}
  mesh:
    publish:
    - variable: Main.n
  watchdog: {enabled: true, timeoutMilliseconds: 500, action: SafeHalt}
  fault: {policy: Restart}
  retain: {mode: File, saveIntervalMilliseconds: 5000}
  debug: {enabled: true}
  log: {level: Debug}
"#;
    assert_eq!(done.stdout, expected);
}

#[test]
fn what_has_no_counterpart_is_named_with_its_line() {
    let toml = format!(
        "{SMALLEST}cycle_time = 5\n[runtime.mesh]\nenabled = true\nauth_token = \"secret\"\n[runtime.opcua]\n"
    );
    refused(
        &toml,
        &[
            "runtime.toml:3:1: error[import-unknown]: resource.cycle_time has no counterpart",
            "runtime.toml:6:1: error[import-secret]: runtime.mesh.auth_token has no counterpart",
            "`lineshaft pair offer`",
            "runtime.toml:7:10: error[import-unknown]: runtime.opcua has no counterpart",
            "nothing is written: 3 errors",
        ],
    );
    refused(
        &format!("{SMALLEST}[runtime.log]\nlevle = \"info\"\n"),
        &[
            "runtime.toml:4:1: error[import-unknown]: runtime.log.levle has no counterpart, did you mean \"runtime.log.level\"?",
        ],
    );
}

#[test]
fn values_that_do_not_fit_are_named() {
    let toml = format!(
        "{SMALLEST}cycle_interval_ms = 0\n[runtime.log]\nlevel = \"loud\"\n[runtime.mesh]\nenabled = \"yes\"\npublish = [1]\n[runtime.mesh.subscribe]\n\"A.b\" = \"C.d\"\n\"LineB:A.b\" = 1\n"
    );
    refused(
        &toml,
        &[
            "runtime.toml:3:1: error[import-value]: resource.cycle_interval_ms must be a number of milliseconds",
            "runtime.toml:5:1: error[import-value]: runtime.log.level must be one of error, warn, info, debug, trace",
            "runtime.toml:7:1: error[import-value]: runtime.mesh.enabled must be true or false",
            "runtime.toml:8:1: error[import-value]: runtime.mesh.publish must be a list of strings",
            "runtime.toml:10:1: error[import-value]: runtime.mesh.subscribe: \"A.b\" names no peer",
            "runtime.toml:11:1: error[import-value]: runtime.mesh.subscribe must be a string",
        ],
    );
    refused(
        "[resource]\nname = \"Pré\"\n",
        &["error[import-value]: resource.name: \"Pré\" cannot be the name"],
    );
    refused("[bundle]\nversion = 2\n", &["bundle.version is not 1"]);
    refused("[bundle]\nversion = 1\n", &["error[import-missing]: resource.name is missing"]);
    refused("[resource\n", &["runtime.toml:1:10: error[toml-syntax]"]);
}

#[test]
fn what_is_switched_off_is_said() {
    let toml = format!("{SMALLEST}[runtime.mesh]\nenabled = false\npublish = [\"Main.n\"]\n");
    let done = import(&toml, SOURCE);
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        said(&done).contains("runtime.toml:4:1: warning[import-disabled]: runtime.mesh.* is not imported"),
        "{done:?}"
    );
    assert!(!done.stdout.contains("mesh"), "{done:?}");
}

#[test]
fn tasks_of_the_program_say_when_it_runs() {
    let source = "CONFIGURATION Plant\nRESOURCE Cpu ON PLC\nTASK Fast(INTERVAL := T#10ms, PRIORITY := 1);\nPROGRAM P1 WITH Fast : Main;\nEND_RESOURCE\nEND_CONFIGURATION\n";
    let done = import(&format!("{SMALLEST}cycle_interval_ms = 100\n"), &format!("{SOURCE}{source}"));
    assert_eq!(done.code, 0, "{done:?}");
    let expected = "runtime.toml:3:1: warning[import-elsewhere]: resource.cycle_interval_ms is not imported: the program declares its tasks itself (Fast)";
    assert!(said(&done).contains(expected), "{}", said(&done));
    assert!(!done.stdout.contains("tasks:"), "{done:?}");
}

#[test]
fn programs_are_looked_for_beside_the_file() {
    let scratch = Scratch::with(&[("runtime.toml", SMALLEST), ("st/main.st", SOURCE), ("empty/readme", "")]);
    let done = lineshaft(&["import", "runtime.toml"], scratch.path());
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("src: "), "{done:?}");
    let done = lineshaft(&["import", "runtime.toml", "--sources", "empty"], scratch.path());
    assert!(done.code == 2 && done.stderr.contains("name their directory with --sources"), "{done:?}");
    let done =
        lineshaft(&["import", "runtime.toml", "--sources", "st", "--namespace", "hall-2"], scratch.path());
    assert!(done.code == 0 && done.stdout.contains("namespace: hall-2"), "{done:?}");
}
