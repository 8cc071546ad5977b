//! Every `tests/golden/TOPIC/NAME.st` runs in virtual time and must do what its directives say:
//!
//! ```text
//! // interval 10ms           virtual time between two scans
//! // set PATH LITERAL        before the next scan
//! // scan 3                  so many scans
//! // expect PATH JSON        the value now
//! // fault CODE LINE:COL     the next scan faults there
//! // error CODE LINE:COL     the program does not compile; alone
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test"
)]

use lineshaft_plc_compiler::{SourceUnit, compile};
use lineshaft_plc_runtime::virt::{Simulation, options};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[test]
fn golden_programs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<PathBuf> = Vec::new();
    for topic in std::fs::read_dir(&root).unwrap() {
        let inside = std::fs::read_dir(topic.unwrap().path()).unwrap();
        files.extend(inside.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "st")));
    }
    files.sort();
    assert!(!files.is_empty());
    let failures: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let name = file.strip_prefix(&root).unwrap().display().to_string();
            check(file).err().map(|error| format!("{name}:{error}"))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), files.len(), failures.join("\n"));
}

fn check(file: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(file).unwrap();
    let directives: Vec<(usize, Vec<&str>)> = text
        .lines()
        .enumerate()
        .filter_map(|(i, line)| Some((i + 1, line.strip_prefix("// ")?.splitn(3, ' ').collect())))
        .collect();
    let value = |name: &str| directives.iter().find(|(_, words)| words[0] == name).map(|(_, words)| words[1]);
    let interval = value("interval").map_or(10, |ms| ms.trim_end_matches("ms").parse::<u64>().unwrap());
    let unit = SourceUnit { name: "t.st".into(), text: text.clone() };
    let program = match compile(&[unit], &options(interval * 1_000_000)) {
        Ok(program) => program,
        Err(found) => {
            let error = directives.iter().find(|(_, words)| words[0] == "error");
            let wanted = error.map(|(_, words)| format!("{} {}", words[1], words[2]));
            let seen = found.first().map(|d| format!("{} {}:{}", d.code, d.place.line, d.place.column));
            return if wanted == seen { Ok(()) } else { Err(format!("0: {}", found[0])) };
        }
    };
    let mut simulation = Simulation::new(Arc::new(program), interval * 1_000_000).unwrap();
    simulation.set_budget(Some(10_000_000));
    for (line, words) in &directives {
        let failed = |what: String| Err(format!("{line}: {what}"));
        match words.as_slice() {
            ["set", path, literal] => simulation.set(path, literal).map_err(|e| format!("{line}: {e}"))?,
            ["scan", count] => {
                for scan in 0..count.parse().unwrap() {
                    if let Err(fault) = simulation.step() {
                        return failed(format!("scan {scan}: {}", fault.summary()));
                    }
                }
            }
            ["expect", path, json] => {
                let wanted: serde_json::Value = serde_json::from_str(json).unwrap();
                let seen = simulation.get(path).map_err(|e| format!("{line}: {e}"))?;
                if seen != wanted {
                    return failed(format!("{path} is {seen}, not {wanted}"));
                }
            }
            ["fault", code, place] => match simulation.step() {
                Ok(()) => return failed("no fault".to_owned()),
                Err(fault) => {
                    let seen = (fault.code.name(), fault.at.as_str());
                    if seen != (*code, &*format!("t.st:{place}")) {
                        return failed(fault.summary());
                    }
                }
            },
            ["interval", _] => {}
            ["error", ..] => return failed("it compiles".to_owned()),
            other => return failed(format!("no directive: {other:?}")),
        }
    }
    Ok(())
}
