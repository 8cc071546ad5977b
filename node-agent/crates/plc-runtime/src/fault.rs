//! The record of a fault: what ended a scan, where, and with which values.

use lineshaft_plc_compiler::diagnostic::Place;
use lineshaft_plc_compiler::ir::{FaultCode, Site};
use serde::{Deserialize, Serialize};

/// Calls that a record keeps, innermost first.
pub const CALL_STACK_MAX: usize = 32;

/// Why, where and when a scan ended early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRecord {
    /// What happened.
    pub code: FaultCode,
    /// `file:line:col`; for a value that is stale, what is received.
    pub at: String,
    /// Path of the program or function-block instance whose code ran; for a value that is
    /// stale, of the variable that holds it.
    pub instance: String,
    /// Task that ran it.
    pub task: String,
    /// Integers that explain it: index, low, high; value, low, high.
    pub operands: Vec<i64>,
    /// Innermost first, at most [`CALL_STACK_MAX`].
    pub call_stack: Vec<CallSite>,
    /// Number of the scan, from 1.
    pub scan: u64,
    /// Task clock of the scan, nanoseconds.
    pub task_time_ns: i64,
    /// Milliseconds since 1970; 0 in virtual time.
    pub unix_ms: u64,
}

/// One level of a call stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSite {
    /// Name of the function, function block or program.
    pub function: String,
    /// Where it was when the fault happened, or when it called the next one: `file:line:col`.
    pub at: String,
}

/// `file:line:col`.
pub(crate) fn place(site: &Site) -> String {
    format!("{}:{}:{}", site.file, site.line, site.column)
}

/// How places in the standard library name their file.
pub(crate) const STANDARD_FILE: &str = "<standard>";

/// The place of `file:line:col`, one character wide.
pub(crate) fn parse_place(text: &str) -> Option<Place> {
    let mut parts = text.rsplitn(3, ':');
    let column: u32 = parts.next()?.parse().ok()?;
    let line: u32 = parts.next()?.parse().ok()?;
    let file = parts.next()?.to_owned();
    Some(Place { file, line, column, end_line: line, end_column: column + 1 })
}

impl FaultRecord {
    /// `IndexOutOfBounds at main.st:42:17 in Main.Conv (12, 0, 9)`.
    pub fn summary(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{} at {}", self.code.name(), self.at);
        if !self.instance.is_empty() {
            let _ = write!(text, " in {}", self.instance);
        }
        if !self.operands.is_empty() {
            let list: Vec<String> = self.operands.iter().map(ToString::to_string).collect();
            let _ = write!(text, " ({})", list.join(", "));
        }
        text
    }
}
