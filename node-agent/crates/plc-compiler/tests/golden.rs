//! Diagnostics of the programs in `tests/golden`.
//!
//! Under each line with findings stands a comment for each of them: carets under the first column, then the
//! code: `//   ^^^ LS3002 the message or a part of it`. Findings without such a comment, and comments without
//! a finding, are failures. `// at 1:1 LS4014` names a place that no comment can stand under.

use lineshaft_plc_compiler::{Options, SourceUnit, check, diagnostic::render};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Line, column, code, part of the message.
fn expected(text: &str) -> Vec<(u32, u32, String, String)> {
    let mut expected = Vec::new();
    let mut code_line = 0;
    for (number, line) in (1u32..).zip(text.lines()) {
        let split = |rest: &str| {
            let (code, message) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            (code.to_owned(), message.trim().to_owned())
        };
        if let Some(rest) = line.strip_prefix("// at ") {
            let (place, rest) = rest.split_once(' ').expect("a code");
            let (line, column) = place.split_once(':').expect("line:column");
            let (code, message) = split(rest);
            expected.push((line.parse().expect("a line"), column.parse().expect("a column"), code, message));
        } else if line.starts_with("//") && line.contains('^') {
            let column = line.find('^').expect("a caret") as u32 + 1;
            let (code, message) = split(line.trim_start_matches(['/', ' ', '^']));
            expected.push((code_line, column, code, message));
        } else {
            code_line = number;
        }
    }
    expected
}

#[test]
fn golden() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.sort();
    let mut failures = String::new();
    for path in &paths {
        let name = path.strip_prefix(&root).expect("below the root").display().to_string();
        let text = std::fs::read_to_string(path).expect("readable");
        let unit = SourceUnit { name: name.clone(), text: text.clone() };
        let diagnostics = check(std::slice::from_ref(&unit), &Options::default());
        let mut missing = expected(&text);
        let mut extra = Vec::new();
        for diagnostic in &diagnostics {
            let at = missing.iter().position(|(line, column, code, part)| {
                (diagnostic.place.line, diagnostic.place.column) == (*line, *column)
                    && diagnostic.code == *code
                    && diagnostic.message.contains(part.as_str())
            });
            match at {
                Some(at) => drop(missing.remove(at)),
                None => extra.push(diagnostic.clone()),
            }
        }
        if !missing.is_empty() || !extra.is_empty() {
            let extra = render(&extra, &[unit], false);
            writeln!(failures, "{name}: missing {missing:?}, not expected:\n{extra}")
                .expect("a string takes everything");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}
