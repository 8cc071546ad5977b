//! Every case on every engine; all failures are reported together.

use lineshaft_language_tests::{Case, Engine, run};
use lineshaft_plc_runtime::engine::EngineKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// Runs only the cases whose name contains it.
const ONLY: &str = "LANGUAGE_CASE";

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder of cases") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "st") {
            found.push(path);
        }
    }
}

fn judge(name: &str, path: &Path, engine: &dyn Engine) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("  {error}\n"))?;
    let case = Case::parse(name, &text).map_err(|why| format!("  bad case file: {why}\n"))?;
    catch_unwind(AssertUnwindSafe(|| run(&case, engine))).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
        Err(format!("  PANIC {message}\n"))
    })
}

#[test]
fn all_cases() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    let engines: [&dyn Engine; 2] = [&EngineKind::Interpreter, &EngineKind::Jit];
    let only = std::env::var(ONLY).unwrap_or_default();
    let mut paths = Vec::new();
    collect(root, &mut paths);
    paths.sort();
    assert!(paths.len() > 200, "only {} cases found", paths.len());
    let mut failures = Vec::new();
    for path in &paths {
        let name = path.strip_prefix(root).unwrap().with_extension("").display().to_string();
        if !name.contains(&only) {
            continue;
        }
        for engine in engines {
            if let Err(report) = judge(&name, path, engine) {
                failures.push(format!("{name} ({})\n{report}", engine.name()));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases fail:\n{}", failures.len(), paths.len(), failures.join(""));
}
