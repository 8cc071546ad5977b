//! `lineshaft explain`: what a code of the compiler means.

use std::io::{self, Write};
use std::process::ExitCode;

use lineshaft_plc_compiler::diagnostic::{explain, similar};

use crate::failure::Failure;

/// The flags of `lineshaft explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The code, as diagnostics print it: LS3002
    #[arg(value_name = "CODE")]
    code: String,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Some(explanation) = explain(arguments.code.trim()) else {
        return Err(Failure::Usage(unknown(&arguments.code)));
    };
    io::stdout().lock().write_all(explanation.text().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(code: &str) -> String {
    let near = similar(code);
    let hint = if near.is_empty() { String::new() } else { format!("; there are {}", near.join(", ")) };
    format!("the compiler has no code {code:?}{hint}")
}
