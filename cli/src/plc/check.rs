//! `lineshaft plc check`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::arguments::Output;
use crate::failure::Failure;
use crate::finding::{Finding, Findings};

/// The flags of `lineshaft plc check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Structured Text; all files are one program, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// How diagnostics are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let units = super::sources::read(&arguments.files)?;
    let diagnostics = lineshaft_plc_compiler::check(&units, &lineshaft_plc_compiler::Options::default());
    let files = units.len();
    let findings = Findings { findings: diagnostics.into_iter().map(Finding::from).collect(), units };
    findings.print(arguments.output, |found| {
        format!("checked {}: {found}", crate::finding::count(files, "file"))
    })?;
    Ok(findings.exit_code())
}
