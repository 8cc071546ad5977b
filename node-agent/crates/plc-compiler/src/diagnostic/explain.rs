//! The page of each code: what it means, and an example of what is wrong and what is right.

use super::codes::{CODES, CodeInfo};
use super::severity_name;

/// All examples; its head says how it is written.
const EXAMPLES: &str = include_str!("examples.md");

/// What one can be told of a code.
#[derive(Clone, Copy, Debug)]
pub struct Explanation {
    /// Number, title and meaning.
    pub info: &'static CodeInfo,
    /// Sources that give the diagnostic.
    pub wrong: &'static str,
    /// What else the example needs to be wrong: `dialect=Iec`, `task=NAME`, `generated`, `untestable`, or nothing.
    pub needs: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// The sources without it.
    pub right: &'static str,
}

/// What is to be said of a code such as `LS3002`, in any case. `None`: there is no such code.
pub fn explain(code: &str) -> Option<Explanation> {
    let info = CODES.iter().find(|info| info.id.eq_ignore_ascii_case(code))?;
    let (_, rest) = EXAMPLES.split_once(&format!("\n## {}\n", info.id))?;
    let section = rest.split("\n## ").next()?;
    let (_, rest) = section.split_once("```st wrong")?;
    let (needs, rest) = rest.split_once('\n')?;
    let (wrong, rest) = rest.split_once("```\n")?;
    let (fix, rest) = rest.split_once("```st right\n")?;
    let (right, _) = rest.split_once("```")?;
    Some(Explanation { info, wrong, needs: needs.trim(), fix: fix.trim(), right })
}

impl Explanation {
    /// As a page of Markdown below a heading of this level.
    pub fn markdown(&self, level: usize) -> String {
        let CodeInfo { id, severity, title, explanation } = self.info;
        let marks = "#".repeat(level);
        let severity = severity_name(*severity);
        let Self { wrong, fix, right, .. } = self;
        format!(
            "{marks} {id}: {title}\n\n*{severity}.* {explanation}\n\n```\n{wrong}```\n\n{fix}\n\n```\n{right}```\n"
        )
    }

    /// As text for a terminal.
    pub fn text(&self) -> String {
        let CodeInfo { id, severity, title, explanation } = self.info;
        let indented = |text: &str| {
            text.lines()
                .map(|line| format!("    {line}").trim_end().to_owned())
                .collect::<Vec<_>>()
                .join("\n")
        };
        let (wrong, right) = (indented(self.wrong), indented(self.right));
        let severity = severity_name(*severity);
        format!("{severity}[{id}]: {title}\n\n{explanation}\n\n{wrong}\n\n{}\n\n{right}\n", self.fix)
    }
}

/// All pages as one document.
pub fn reference() -> String {
    let mut text = String::from(
        "# Diagnostics\n\nWhat the compiler says, by code; `lineshaft explain LS3002` prints the same. A code never changes its\nmeaning. Errors refuse a program, warnings and notes do not.\n",
    );
    for info in CODES {
        if let Some(explanation) = explain(info.id) {
            text.push('\n');
            text.push_str(&explanation.markdown(2));
        }
    }
    text
}

/// The codes nearest to what somebody typed: those that begin the same.
pub fn similar(code: &str) -> Vec<&'static str> {
    let wanted = code.to_ascii_uppercase();
    let same = |id: &str| id.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let best = CODES.iter().map(|info| same(info.id)).max().unwrap_or(0);
    CODES.iter().map(|info| info.id).filter(|id| best > 2 && same(id) == best).collect()
}
