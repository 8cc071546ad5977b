//! The shape of the source tree.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::path::{Path, PathBuf};

/// A source file holds one idea; beyond this it holds several.
const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target" && name != ".git") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["crds", "operator", "node-agent", "cli", "tests"] {
        rust_files(&root().join(folder), &mut found);
    }
    assert!(found.len() > 50, "only {} Rust files found", found.len());
    found
}

#[test]
fn files_hold_one_idea() {
    let long: Vec<String> = all_rust_files()
        .iter()
        .map(|path| (path, std::fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(path, lines)| format!("{}: {lines}", path.display()))
        .collect();
    assert!(long.is_empty(), "files above {LINES_MAX} lines:\n{}", long.join("\n"));
}

#[test]
fn no_todo_without_an_issue() {
    let marks: Vec<String> = all_rust_files()
        .iter()
        .filter(|path| !path.ends_with("tidy/tests/files.rs"))
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines()
                .enumerate()
                .filter(|(_, line)| ["TODO", "FIXME", "XXX"].iter().any(|mark| line.contains(mark)))
                .map(|(number, _)| format!("{}:{}", path.display(), number + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(marks.is_empty(), "unfinished marks:\n{}", marks.join("\n"));
}

#[test]
fn every_crate_says_what_it_is_for() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let missing: Vec<&str> = members
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(|member| !member.starts_with("tests/"))
        .filter(|member| !root().join(member).join("README.md").exists())
        .collect();
    assert!(missing.is_empty(), "crates without README.md: {missing:?}");
}
