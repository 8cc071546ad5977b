//! Conformance cases of the Structured Text implementation, and what runs them.
//!
//! A case is one `.st` file under `cases/<topic>/`, named for the one rule it pins down. Its leading `//` lines
//! say what must happen; `README.md` lists them. Cases follow the specification (plc-engine §2 and IEC 61131-3
//! Ed. 3), never the implementation, and every engine must pass the same ones.
//!
//! Start reading at [`run`].

mod case;
mod engine;
mod judge;
mod reference;

pub use case::Case;
pub use engine::{Engine, Running};
pub use judge::run;
pub use reference::{cases_page, page};

use std::path::{Path, PathBuf};

/// All cases of this crate, by name.
pub fn cases() -> Result<Vec<Case>, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"));
    let mut paths = Vec::new();
    collect(root, &mut paths).map_err(|error| error.to_string())?;
    paths.sort();
    paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(root).unwrap_or(path).with_extension("").display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
            Case::parse(&name, &text).map_err(|why| format!("{name}: {why}"))
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "st") {
            found.push(path);
        }
    }
    Ok(())
}

/// The page of the book that lists the feature tables.
pub fn page_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/language.md")
}

/// The page of the book that lists every case.
pub fn cases_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/language-cases.md")
}
