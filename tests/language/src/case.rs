//! A case as its file describes it.

use lineshaft_plc_compiler::{Binding, Dialect, ImageBytes, Options, Severity, TaskOverride};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What a case file says.
#[derive(Debug, Default)]
pub struct Case {
    /// `topic/name`.
    pub name: String,
    /// The whole file: line numbers count its directives too.
    pub text: String,
    /// Name of the source unit, where it matters.
    pub file: Option<String>,
    /// Feature tables of the standard that it is about, beside those of its topic.
    pub tables: Vec<String>,
    /// Steps of the virtual clock; at least as many as `expect` lines.
    pub scans: u64,
    /// Virtual time between two steps.
    pub interval_ns: u64,
    /// Path and IEC literal, by the scan they precede.
    pub sets: BTreeMap<u64, Vec<(String, String)>>,
    /// Values after a scan, by its number.
    pub expects: BTreeMap<u64, Map<String, Value>>,
    /// Values after the last scan, or after the fault.
    pub end: Map<String, Value>,
    /// Relative error that floating-point values may have.
    pub tolerance: f64,
    /// How the run must end.
    pub fault: Option<Fault>,
    /// What the compiler must say.
    pub findings: Vec<Finding>,
    /// Errors besides the listed ones are accepted.
    pub more_errors: bool,
    /// No warnings and notes besides the listed ones are accepted.
    pub quiet: bool,
    /// For the compiler.
    pub options: Options,
}

/// A place that a case expects; parts left out match anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// From 1.
    pub line: Option<u32>,
    /// From 1.
    pub column: Option<u32>,
}

/// `// error: LS3002 @ 7:5 DINT_TO_INT`
#[derive(Debug)]
pub struct Finding {
    /// Error, warning or note.
    pub severity: Severity,
    /// A code or the beginning of one.
    pub code: String,
    /// Where it begins.
    pub at: Position,
    /// Must be in message or help.
    pub text: String,
}

/// `// fault: IndexOutOfBounds @ 7:10 operands 12,0,9`
#[derive(Debug)]
pub struct Fault {
    /// Its name.
    pub code: String,
    /// Where.
    pub at: Position,
    /// Integers that explain it.
    pub operands: Option<Vec<i64>>,
    /// Number of the scan.
    pub scan: Option<u64>,
    /// Path of the instance.
    pub instance: Option<String>,
    /// Function and place of each level, innermost first.
    pub stack: Option<Vec<(String, Position)>>,
}

impl Case {
    /// Reads the directives of a file.
    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let mut case =
            Self { name: name.to_owned(), text: text.to_owned(), interval_ns: 10_000_000, ..Self::default() };
        let mut next_scan = 1;
        for line in text.lines().map_while(|line| line.trim_end().strip_prefix("//")) {
            let (key, value) = line.split_once(':').ok_or_else(|| format!("no directive: {line}"))?;
            let (key, scan) = match key.trim().split_once('@') {
                Some((key, scan)) => (key, Some(number(scan)?)),
                None => (key.trim(), None),
            };
            case.directive(key, scan, value.trim(), &mut next_scan)
                .map_err(|why| format!("{line}: {why}"))?;
        }
        let last = case.expects.keys().chain(case.sets.keys()).max().copied().unwrap_or(1);
        case.scans = case.scans.max(last);
        case.options.default_interval_ns = case.interval_ns;
        let expects_something = !case.expects.is_empty() || !case.end.is_empty();
        if !expects_something && case.fault.is_none() && case.findings.is_empty() && !case.more_errors {
            return Err("expects nothing".to_owned());
        }
        Ok(case)
    }

    fn directive(&mut self, key: &str, scan: Option<u64>, value: &str, next: &mut u64) -> Result<(), String> {
        match key {
            "file" => self.file = Some(value.to_owned()),
            "scans" => self.scans = number(value)?,
            "interval" => self.interval_ns = duration_ns(value)?,
            "set" => {
                let (path, literal) = pair(value)?;
                self.sets.entry(scan.unwrap_or(1)).or_default().push((path, literal));
            }
            "expect" => {
                let scan = scan.unwrap_or(*next);
                *next = scan + 1;
                self.expects.entry(scan).or_default().append(&mut object(value)?);
            }
            "final" => self.end.append(&mut object(value)?),
            "table" => self.tables.extend(value.split_whitespace().map(str::to_owned)),
            "tolerance" => self.tolerance = value.parse().map_err(|_| "no number")?,
            "fault" => self.fault = Some(fault(value)?),
            "stack" => {
                let levels = value.split(',').map(level).collect::<Result<_, _>>()?;
                self.fault.as_mut().ok_or("stack without fault")?.stack = Some(levels);
            }
            "error" if value == "*" => self.more_errors = true,
            "error" => self.findings.push(finding(Severity::Error, value)?),
            "warning" => self.findings.push(finding(Severity::Warning, value)?),
            "note" => self.findings.push(finding(Severity::Note, value)?),
            "warnings" if value == "none" => self.quiet = true,
            "dialect" => {
                self.options.dialect = match value {
                    "Iec" => Dialect::Iec,
                    "Lineshaft" => Dialect::Lineshaft,
                    "Codesys" => Dialect::Codesys,
                    _ => return Err("no such dialect".to_owned()),
                };
            }
            "image" => self.options.image_bytes = image(value)?,
            "bind" => {
                let (variable, address) = pair(value)?;
                self.options.bindings.push(Binding { variable, address });
            }
            "resource" => self.options.resource = Some(value.to_owned()),
            "task" => {
                let (name, interval) = pair(value)?;
                let interval_ns = Some(duration_ns(&interval)?);
                self.options.tasks.push(TaskOverride {
                    name,
                    interval_ns,
                    priority: None,
                    programs: Vec::new(),
                });
            }
            _ => return Err("no such directive".to_owned()),
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is no number"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (left, right) = text.split_once('=').ok_or("no `=`")?;
    Ok((left.trim().to_owned(), right.trim().to_owned()))
}

fn object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

fn duration_ns(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        _ => return Err("unit ns, us, ms or s".to_owned()),
    };
    Ok(number::<u64>(digits)? * unit)
}

fn image(text: &str) -> Result<ImageBytes, String> {
    let mut bytes = ImageBytes::default();
    for part in text.split_whitespace() {
        let (area, size) = pair(part)?;
        let size = number(&size)?;
        match area.as_str() {
            "I" => bytes.inputs = size,
            "Q" => bytes.outputs = size,
            "M" => bytes.memory = size,
            _ => return Err("areas are I, Q, M".to_owned()),
        }
    }
    Ok(bytes)
}

/// `7:5`, `7` or nothing.
fn position(text: &str) -> Result<Position, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(Position::default());
    }
    let (line, column) = match text.split_once(':') {
        Some((line, column)) => (line, Some(number(column)?)),
        None => (text, None),
    };
    Ok(Position { line: Some(number(line)?), column })
}

fn level(text: &str) -> Result<(String, Position), String> {
    let (name, at) = text.split_once('@').unwrap_or((text, ""));
    Ok((name.trim().to_owned(), position(at)?))
}

fn finding(severity: Severity, text: &str) -> Result<Finding, String> {
    let (code, rest) = text.split_once('@').unwrap_or((text, ""));
    let (at, text) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    Ok(Finding { severity, code: code.trim().to_owned(), at: position(at)?, text: text.trim().to_owned() })
}

fn fault(text: &str) -> Result<Fault, String> {
    let (code, rest) = text.split_once('@').unwrap_or((text, ""));
    let mut words = rest.split_whitespace();
    let at = position(words.next().unwrap_or_default())?;
    let mut fault =
        Fault { code: code.trim().to_owned(), at, operands: None, scan: None, instance: None, stack: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or("a word without value")?;
        match word {
            "operands" => fault.operands = Some(value.split(',').map(number).collect::<Result<_, _>>()?),
            "scan" => fault.scan = Some(number(value)?),
            "in" => fault.instance = Some(value.to_owned()),
            _ => return Err(format!("`{word}` is not one of operands, scan, in")),
        }
    }
    Ok(fault)
}

impl Position {
    /// Whether a place found is the expected one.
    pub fn matches(self, line: u32, column: u32) -> bool {
        self.line.is_none_or(|it| it == line) && self.column.is_none_or(|it| it == column)
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "{line}:{column}"),
            (Some(line), None) => write!(f, "{line}"),
            _ => write!(f, "anywhere"),
        }
    }
}
