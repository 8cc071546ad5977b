//! Manifests against the offline checks: good ones pass, bad ones give exactly what their comments say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};

use lineshaft_crds::{manifest, validate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

#[test]
fn manifests_of_the_repository_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests");
    for path in yaml_files(&root) {
        assert_eq!(findings(&path), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn good_manifests_pass() {
    let files = yaml_files(&data("good"));
    assert!(files.len() >= 2);
    for path in files {
        assert_eq!(findings(&path), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn bad_manifests_are_refused_at_the_right_place() {
    let files = yaml_files(&data("bad"));
    assert!(files.len() >= 3);
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected: Vec<String> =
            text.lines().filter_map(|line| line.strip_prefix("# expect ")).map(str::to_owned).collect();
        assert!(!expected.is_empty(), "{} says not what is wrong", path.display());
        assert_eq!(findings(&path), expected, "{}", path.display());
    }
}

#[test]
fn good_manifests_keep_their_meaning_through_the_types() {
    for path in yaml_files(&data("good")) {
        for document in manifest::parse(&std::fs::read_to_string(&path).unwrap()).unwrap() {
            let defaulted = validate::with_defaults(&document.value);
            let typed = match document.value["kind"].as_str() {
                Some("PlcRuntime") => through::<lineshaft_crds::PlcRuntime>(&defaulted),
                Some("EdgeNode") => through::<lineshaft_crds::EdgeNode>(&defaulted),
                Some("MeshPeer") => through::<lineshaft_crds::MeshPeer>(&defaulted),
                Some("Pairing") => through::<lineshaft_crds::Pairing>(&defaulted),
                Some("MeshSubscription") => through::<lineshaft_crds::MeshSubscription>(&defaulted),
                _ => continue,
            };
            assert_eq!(typed["spec"], defaulted["spec"], "{}", path.display());
        }
    }
}

fn through<K: DeserializeOwned + Serialize>(object: &Value) -> Value {
    serde_json::to_value(serde_json::from_value::<K>(object.clone()).unwrap()).unwrap()
}

/// `LINE:COLUMN PATH: MESSAGE` of each finding.
fn findings(path: &Path) -> Vec<String> {
    let documents = manifest::parse(&std::fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!documents.is_empty(), "{} is empty", path.display());
    let mut lines = Vec::new();
    for document in documents {
        for finding in validate::manifest(&document.value) {
            let at = document.position(&finding.path).unwrap();
            lines.push(format!("{}:{} {finding}", at.line, at.column));
        }
    }
    lines
}

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
