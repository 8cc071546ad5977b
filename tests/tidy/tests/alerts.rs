//! Alerts: Prometheus takes them, they fire when they should, each has a page, and what they look at exists.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Values of a key, wherever it stands.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key.as_str())).collect()
}

#[test]
fn promtool_takes_the_alerts_and_their_tests() {
    let promtool = std::env::var_os("LINESHAFT_PROMTOOL")
        .map_or_else(|| root().join("tests/.tools/usr/bin/promtool"), PathBuf::from);
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]] {
        let said =
            Command::new(&promtool).args(arguments).current_dir(root().join("monitoring")).output().unwrap();
        let text = [said.stdout, said.stderr].concat();
        assert!(said.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn each_alert_has_a_page_and_a_test_and_looks_at_metrics_that_exist() {
    let (alerts, tests, metrics) = (
        read("monitoring/alerts.yaml"),
        read("monitoring/alerts_test.yaml"),
        read("docs/reference/metrics.md"),
    );
    let names = values(&alerts, "alert");
    assert!(!names.is_empty());
    assert_eq!(names.len(), values(&alerts, "runbook").len());
    for (name, page) in names.iter().zip(values(&alerts, "runbook")) {
        assert!(read(page).starts_with(&format!("# {name}\n")), "{page} is not that of {name}");
        assert!(values(&tests, "alertname").contains(name), "{name} is not tested");
    }
    for expression in values(&alerts, "expr") {
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for metric in words.filter(|word| word.starts_with("lineshaft_")) {
            assert!(metrics.contains(&format!("| `{metric}` |")), "{metric} is not in the reference");
        }
    }
}
