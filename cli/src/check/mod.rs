//! `lineshaft check`: what the API or the operator would refuse, found without either.

mod foreign;
mod mesh;
mod objects;
mod report;
mod runtime;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::arguments::Output;
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::manifest::load::{self, LoadError};

pub(crate) use report::Report;

/// The flags of `lineshaft check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Manifests, and directories of manifests (*.yaml, *.yml, *.json, also in subdirectories)
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,

    /// How findings are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// What was checked, and what of it is wrong.
pub(crate) struct Checked {
    /// Every object, in order of file and document.
    pub(crate) manifests: Vec<Manifest>,
    /// What was found.
    pub(crate) report: Report,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let checked = check(&arguments.paths)?;
    checked.report.print(arguments.output)?;
    Ok(checked.report.found.exit_code())
}

/// Reads and checks.
pub(crate) fn check(paths: &[PathBuf]) -> Result<Checked, LoadError> {
    let loaded = load::load(paths)?;
    let mut report = Report::of(&loaded);
    objects::check_duplicates(&loaded.manifests, &mut report);
    for manifest in &loaded.manifests {
        objects::check(manifest, &loaded.manifests, &mut report);
    }
    mesh::check(&loaded.manifests, &mut report);
    report.sort();
    Ok(Checked { manifests: loaded.manifests, report })
}
