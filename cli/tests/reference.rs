//! docs/reference/cli.md says what `--help` says: `LINESHAFT_UPDATE=1 cargo test -p lineshaft-cli --test reference`
//! writes the help texts anew.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::path::Path;

use common::command;

/// Every command that does something.
const COMMANDS: [&[&str]; 17] = [
    &["up"],
    &["check"],
    &["peers"],
    &["pair", "offer"],
    &["pair", "claim"],
    &["pair", "list"],
    &["pair", "revoke"],
    &["mesh", "subscribe"],
    &["mesh", "links"],
    &["mesh", "watch"],
    &["import"],
    &["plc", "check"],
    &["plc", "run"],
    &["plc", "test"],
    &["plc", "bench"],
    &["explain"],
    &["sim", "filler"],
];

fn help(words: &[&str]) -> String {
    let mut command = command(words, Path::new("/"));
    let output = command.arg("--help").env("COLUMNS", "100").output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_texts_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/cli.md");
    let mut page = std::fs::read_to_string(path).unwrap();
    let update = std::env::var_os("LINESHAFT_UPDATE").is_some();
    for words in COMMANDS {
        let begin = format!("<!-- help: {} -->\n```text\n", words.join(" "));
        let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("no {begin:?} in {path}"));
        let (shown, after) = rest.split_once("```\n").unwrap();
        let lines: Vec<String> = help(words).lines().map(|line| line.trim_end().to_owned()).collect();
        let text = lines.join("\n") + "\n";
        if update {
            page = format!("{before}{begin}{text}```\n{after}");
        } else {
            assert!(shown == text, "{path}: `lineshaft {} --help` says now:\n{text}", words.join(" "));
        }
    }
    if update {
        std::fs::write(path, page).unwrap();
    }
}

#[test]
fn the_first_help_names_every_command() {
    let text = help(&[]);
    for words in COMMANDS {
        assert!(text.contains(&format!("\n  {}", words[0])), "{text}");
    }
    assert!(text.contains("Exit codes:"), "{text}");
}
