//! Which statements ran, file by file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lineshaft_plc_compiler::SourceUnit;
use lineshaft_plc_compiler::testing::Statement;
use serde::Serialize;

/// Coverage of all files that have statements.
pub(super) struct Coverage {
    pub(super) files: Vec<File>,
}

/// Coverage of one file.
#[derive(Serialize)]
pub(super) struct File {
    #[serde(rename = "file")]
    name: String,
    /// Statements outside of tests.
    statements: usize,
    /// Those that ran.
    covered: usize,
    /// Where those stand that did not.
    missed: Vec<Missed>,
    /// How often the statements of each line ran: the most of them.
    #[serde(skip)]
    lines: BTreeMap<u32, u64>,
    /// Lines on which something did not run.
    #[serde(skip)]
    missed_lines: Vec<u32>,
}

#[derive(Serialize)]
struct Missed {
    line: u32,
    column: u32,
    pou: String,
}

impl Coverage {
    pub(super) fn new(statements: &[Statement], hits: &[u64], units: &[SourceUnit]) -> Self {
        let of_file = |unit: &SourceUnit| {
            let mut file = File {
                name: unit.name.clone(),
                statements: 0,
                covered: 0,
                missed: Vec::new(),
                lines: BTreeMap::new(),
                missed_lines: Vec::new(),
            };
            for (statement, hits) in statements.iter().zip(hits).filter(|(s, _)| s.at.file == unit.name) {
                file.add(statement, *hits);
            }
            file
        };
        Self { files: units.iter().map(of_file).filter(|file| file.statements > 0).collect() }
    }

    /// A line for each file.
    pub(super) fn summary(&self) -> String {
        let mut text = String::from("\nstatements that ran:\n");
        let width = self.files.iter().map(|file| file.name.chars().count()).max().unwrap_or(0);
        for file in &self.files {
            let percent = 100.0 * file.covered as f64 / file.statements as f64;
            write!(text, "  {:width$}  {} of {} ({percent:.1} %)", file.name, file.covered, file.statements)
                .expect("writing to a String cannot fail");
            if !file.missed_lines.is_empty() {
                text.push_str(", not in line ");
                text.push_str(&ranges(&file.missed_lines));
            }
            text.push('\n');
        }
        text
    }

    /// The format of lcov and its kin.
    pub(super) fn lcov(&self) -> String {
        let mut text = String::from("TN:\n");
        for file in &self.files {
            let hit = file.lines.values().filter(|hits| **hits > 0).count();
            let mut line = |written: std::fmt::Arguments<'_>| {
                text.write_fmt(written).expect("writing to a String cannot fail");
            };
            line(format_args!("SF:{}\n", file.name));
            for (number, hits) in &file.lines {
                line(format_args!("DA:{number},{hits}\n"));
            }
            line(format_args!("LF:{}\nLH:{hit}\nend_of_record\n", file.lines.len()));
        }
        text
    }
}

impl File {
    fn add(&mut self, statement: &Statement, hits: u64) {
        let line = statement.at.line;
        self.statements += 1;
        let most = self.lines.entry(line).or_default();
        *most = hits.max(*most);
        if hits > 0 {
            self.covered += 1;
            return;
        }
        self.missed.push(Missed { line, column: statement.at.column, pou: statement.pou.clone() });
        if self.missed_lines.last() != Some(&line) {
            self.missed_lines.push(line);
        }
    }
}

/// `3, 7-9`
fn ranges(lines: &[u32]) -> String {
    let mut parts: Vec<(u32, u32)> = Vec::new();
    for &line in lines {
        match parts.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => parts.push((line, line)),
        }
    }
    let show = |(first, last): (u32, u32)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    parts.into_iter().map(show).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn neighbours_become_ranges() {
        assert_eq!(ranges(&[3, 7, 8, 9, 12]), "3, 7-9, 12");
    }
}
