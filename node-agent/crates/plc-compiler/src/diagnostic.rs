//! What the compiler has to say, in order of file, position, code.

mod codes;
mod explain;
mod render;
mod sink;

pub(crate) use codes::Code;
pub use codes::{CODES, CodeInfo};
pub use explain::{Explanation, explain, reference, similar};
pub use render::render;
pub(crate) use sink::{Finding, Sink, place_of};

use serde::{Deserialize, Serialize};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The program is refused.
    Error,
    /// Probably a mistake.
    Warning,
    /// Worth knowing.
    Note,
}

/// Where in a source text; lines and columns from 1, columns in characters, the end exclusive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// Name of the source unit.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// One after the last character.
    pub end_column: u32,
}

/// One finding. `message` stands alone: it may be all that the user sees.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// `LS3002`: stable, with a page of its own.
    pub code: String,
    /// How bad.
    pub severity: Severity,
    /// What.
    pub message: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Other places that matter, each with a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<(Place, String)>,
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

impl std::fmt::Display for Diagnostic {
    /// `filler.st:12:9: error[LS3002]: cannot assign DINT to INT`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = severity_name(self.severity);
        let Place { file, line, column, .. } = &self.place;
        write!(f, "{file}:{line}:{column}: {severity}[{}]: {}", self.code, self.message)
    }
}
