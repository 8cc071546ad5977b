//! Programs from files.

use std::path::PathBuf;

use lineshaft_plc_compiler::SourceUnit;

use crate::manifest::load::LoadError;

/// Reads the files. Diagnostics name them as they were given.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<SourceUnit>, LoadError> {
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path)
                .map_err(|source| LoadError::Read { path: path.clone(), source })?;
            Ok(SourceUnit { name: path.display().to_string(), text })
        })
        .collect()
}
