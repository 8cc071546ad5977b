//! `lineshaft plc check`.

use std::path::PathBuf;
use std::process::ExitCode;

use lineshaft_plc_compiler::{Dialect, Options};

use super::arguments::dialect;
use crate::arguments::Output;
use crate::failure::Failure;
use crate::finding::{Finding, Findings};

/// The flags of `lineshaft plc check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Structured Text; all files are one program, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Which Structured Text: iec (Ed. 3 to the letter), lineshaft, codesys (adds vendors' extensions)
    #[arg(long, value_name = "DIALECT", default_value = "lineshaft", value_parser = dialect)]
    dialect: Dialect,

    /// How diagnostics are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let units = super::sources::read(&arguments.files)?;
    let options = Options { dialect: arguments.dialect, ..Options::default() };
    let diagnostics = lineshaft_plc_compiler::check(&units, &options);
    let files = units.len();
    let findings = Findings { findings: diagnostics.into_iter().map(Finding::from).collect(), units };
    findings.print(arguments.output, |found| {
        format!("checked {}: {found}", crate::finding::count(files, "file"))
    })?;
    Ok(findings.exit_code())
}
