//! Findings in manifests and programs, and the two ways to show them: excerpts for people, JSON for tools.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use lineshaft_plc_compiler::diagnostic::{Place, render};
use lineshaft_plc_compiler::{Diagnostic, Severity, SourceUnit};
use serde::Serialize;

use crate::arguments::Output;

/// A diagnostic, with the object it speaks of where that is one of a manifest.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// Place, code, severity and message.
    #[serde(flatten)]
    pub(crate) diagnostic: Diagnostic,
    /// `PlcRuntime default/filler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) object: Option<String>,
    /// Field of the object, as the API server writes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// Manifest that holds the program whose text `file`, `line` and `column` speak of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) manifest: Option<String>,
}

impl From<Diagnostic> for Finding {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, object: None, path: None, manifest: None }
    }
}

/// Whether a diagnostic refuses what it speaks of.
pub(crate) fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}

/// The place of one character.
pub(crate) fn point(file: &str, line: u32, column: u32) -> Place {
    Place { file: file.to_owned(), line, column, end_line: line, end_column: column + 1 }
}

/// Findings with the texts that they point into.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// In the order in which they are shown.
    pub(crate) findings: Vec<Finding>,
    /// Manifests and programs: what excerpts are taken from.
    pub(crate) units: Vec<SourceUnit>,
}

impl Findings {
    /// Whether anything is refused.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| is_error(&finding.diagnostic)).count()
    }

    /// 1 with errors, 0 without.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// To standard output. `summary` makes the last line of the text from `no errors` or `2 errors, 1 warning`.
    pub(crate) fn print(&self, output: Output, summary: impl FnOnce(&str) -> String) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match output {
            Output::Text => {
                let color = colored(&out);
                write!(out, "{}", self.excerpts(color))?;
                writeln!(out, "{}", summary(&self.found()))
            }
            Output::Json => {
                serde_json::to_writer_pretty(&mut out, &self.findings)?;
                writeln!(out)
            }
        }
    }

    /// The findings with excerpts.
    pub(crate) fn excerpts(&self, color: bool) -> String {
        let diagnostics: Vec<Diagnostic> =
            self.findings.iter().map(|finding| finding.diagnostic.clone()).collect();
        render(&diagnostics, &self.units, color)
    }

    /// `no errors`, `2 errors, 1 warning`
    pub(crate) fn found(&self) -> String {
        let warnings = self.findings.len() - self.errors();
        match (self.errors(), warnings) {
            (0, 0) => "no errors".to_owned(),
            (0, warnings) => format!("no errors, {}", count(warnings, "warning")),
            (errors, 0) => count(errors, "error"),
            (errors, warnings) => format!("{}, {}", count(errors, "error"), count(warnings, "warning")),
        }
    }
}

/// Whether a stream takes colours.
pub(crate) fn colored(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `1 file`, `2 files`
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
