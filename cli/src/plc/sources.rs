//! Programs from files, and what is said of them.

use std::io::{self, Write};
use std::path::PathBuf;

use lineshaft_plc_compiler::diagnostic::render;
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_compiler::{Diagnostic, SourceUnit};
use lineshaft_plc_runtime::state::visible_paths;

use crate::failure::Failure;
use crate::finding::colored;
use crate::manifest::load::{LoadError, read_text};
use crate::spelling;

/// Reads the files. Diagnostics name them as they were given.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SourceUnit>, LoadError> {
    paths
        .iter()
        .map(|path| Ok(SourceUnit { name: path.display().to_string(), text: read_text(path)? }))
        .collect()
}

/// Standard output carries the values, standard error what the compiler has to say.
pub(super) fn complain(diagnostics: &[Diagnostic], units: &[SourceUnit]) {
    let mut err = io::stderr().lock();
    let color = colored(&err);
    // Without standard error there is nobody to tell.
    let _ = write!(err, "{}", render(diagnostics, units, color));
}

/// A path or a value that does not fit is a mistake on the command line.
pub(super) fn explain(error: lineshaft_plc_runtime::Error, layout: &Layout) -> Failure {
    use lineshaft_plc_runtime::Error;
    match error {
        Error::UnknownVariable(path) => {
            let hint = spelling::hint(&path, visible_paths(layout));
            Failure::Usage(format!("there is no variable {path:?}{hint}"))
        }
        Error::BadLiteral { .. } | Error::Constant(_) | Error::ReadOnly(_) => {
            Failure::Usage(error.to_string())
        }
        other => Failure::Engine(other),
    }
}
