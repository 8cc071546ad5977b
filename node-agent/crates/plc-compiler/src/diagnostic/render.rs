//! Diagnostics as text with the source line and carets under the place.

use super::{Diagnostic, Place, Severity};
use crate::SourceUnit;
use std::fmt::Write as _;

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";
/// Characters of a source line that are shown at most.
const SHOWN_COLUMNS: usize = 160;

/// Renders diagnostics as rustc does: message, source line, carets, help.
pub fn render(diagnostics: &[Diagnostic], units: &[SourceUnit], color: bool) -> String {
    let paint = |code: &'static str| if color { code } else { "" };
    let mut out = String::new();
    for diagnostic in diagnostics {
        let (word, tint) = match diagnostic.severity {
            Severity::Error => ("error", paint(RED)),
            Severity::Warning => ("warning", paint(YELLOW)),
            Severity::Note => ("note", paint(BLUE)),
        };
        let (bold, blue, reset) = (paint(BOLD), paint(BLUE), paint(RESET));
        let _ =
            writeln!(out, "{tint}{word}[{}]{reset}{bold}: {}{reset}", diagnostic.code, diagnostic.message);
        let width = diagnostic.related.iter().map(|(place, _)| place.line).max().unwrap_or(0);
        let width = width.max(diagnostic.place.line).to_string().len();
        excerpt(&mut out, &diagnostic.place, "", units, width, (tint, blue, reset), '^');
        for (place, text) in &diagnostic.related {
            excerpt(&mut out, place, text, units, width, (blue, blue, reset), '-');
        }
        if let Some(help) = &diagnostic.help {
            let _ = writeln!(out, "{:width$} {blue}={reset} {bold}help{reset}: {help}", "");
        }
        out.push('\n');
    }
    out
}

fn excerpt(
    out: &mut String,
    place: &Place,
    text: &str,
    units: &[SourceUnit],
    width: usize,
    (tint, blue, reset): (&str, &str, &str),
    mark: char,
) {
    let Place { file, line, column, .. } = place;
    let _ = writeln!(out, "{:width$}{blue}-->{reset} {file}:{line}:{column}", "");
    let unit = units.iter().find(|unit| unit.name == *file);
    let Some(source) = unit.and_then(|unit| unit.text.lines().nth(*line as usize - 1)) else {
        return;
    };
    let shown: String = source.chars().take(SHOWN_COLUMNS).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let length = shown.chars().count() as u32;
    if *column > length + 1 {
        return;
    }
    let end = if place.end_line == *line { place.end_column.min(length + 1) } else { length + 1 };
    let carets = mark.to_string().repeat(end.saturating_sub(*column).max(1) as usize);
    let indent = *column as usize - 1;
    let _ = writeln!(out, "{blue}{:width$} |{reset}", "");
    let _ = writeln!(out, "{blue}{line:width$} |{reset} {shown}");
    let _ = writeln!(out, "{blue}{:width$} |{reset} {:indent$}{tint}{carets} {text}{reset}", "", "");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_line_and_carets() {
        let unit = SourceUnit { name: "a.st".into(), text: "x := 1;\ny := total;\n".into() };
        let diagnostic = Diagnostic {
            place: Place { file: "a.st".into(), line: 2, column: 6, end_line: 2, end_column: 11 },
            code: "LS3002".into(),
            severity: Severity::Error,
            message: "cannot assign DINT to INT".into(),
            help: Some("write DINT_TO_INT(total)".into()),
            related: Vec::new(),
        };
        let text = render(&[diagnostic], &[unit], false);
        let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
        assert_eq!(
            text,
            "error[LS3002]: cannot assign DINT to INT\n --> a.st:2:6\n  |\n2 | y := total;\n  |      ^^^^^\n  = help: write DINT_TO_INT(total)\n"
        );
    }
}
