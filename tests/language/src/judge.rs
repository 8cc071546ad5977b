//! Runs a case and compares.

use crate::case::{Case, Fault, Position};
use crate::engine::{Engine, Running};
use lineshaft_plc_compiler::{Diagnostic, Severity, SourceUnit, compile};
use lineshaft_plc_runtime::fault::FaultRecord;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::sync::Arc;

/// Name of the source unit of every case.
const FILE: &str = "case.st";

/// Runs one case. `Err` says all that differed.
pub fn run(case: &Case, engine: &dyn Engine) -> Result<(), String> {
    let name = case.file.clone().unwrap_or_else(|| FILE.to_owned());
    let units = [SourceUnit { name, text: case.text.clone() }];
    let expects_errors = case.more_errors || case.findings.iter().any(|f| f.severity == Severity::Error);
    let mut report = String::new();
    match compile(&units, &case.options) {
        Ok(program) => {
            findings(case, &program.diagnostics, &mut report);
            if expects_errors {
                report.push_str("  compiled, but an error was expected\n");
            } else if let Err(why) = execute(case, engine, Arc::new(program), &mut report) {
                let _ = writeln!(report, "  {why}");
            }
        }
        Err(diagnostics) => {
            if diagnostics.is_empty() {
                report.push_str("  refused without a word\n");
            }
            findings(case, &diagnostics, &mut report);
        }
    }
    if report.is_empty() { Ok(()) } else { Err(report) }
}

/// Each expected finding is there, and none that the case does not know.
fn findings(case: &Case, diagnostics: &[Diagnostic], report: &mut String) {
    let mut left: Vec<&Diagnostic> = diagnostics.iter().collect();
    for wanted in &case.findings {
        let found = left.iter().position(|it| {
            it.severity == wanted.severity
                && it.code.starts_with(&wanted.code)
                && wanted.at.matches(it.place.line, it.place.column)
                && (it.message.contains(&wanted.text)
                    || it.help.as_ref().is_some_and(|help| help.contains(&wanted.text)))
        });
        if let Some(found) = found {
            left.remove(found);
        } else {
            let _ = writeln!(
                report,
                "  missing: {:?} {} @ {} {}",
                wanted.severity, wanted.code, wanted.at, wanted.text
            );
        }
    }
    for it in left {
        let accepted = match it.severity {
            Severity::Error => case.more_errors,
            Severity::Warning | Severity::Note => !case.quiet,
        };
        if !accepted || !report.is_empty() {
            let help = it.help.as_deref().unwrap_or_default();
            let _ = writeln!(report, "  got: {it} [{help}]");
        }
    }
}

fn execute(
    case: &Case,
    engine: &dyn Engine,
    program: Arc<lineshaft_plc_compiler::Program>,
    report: &mut String,
) -> Result<(), String> {
    let mut running = engine.start(program, case.interval_ns)?;
    for scan in 1..=case.scans {
        for (path, literal) in case.sets.get(&scan).into_iter().flatten() {
            running.set(path, literal).map_err(|why| format!("set {path}: {why}"))?;
        }
        if let Err(fault) = running.step() {
            match &case.fault {
                Some(wanted) => compare_fault(wanted, &fault, report),
                None => return Err(format!("scan {scan}: fault {fault:?}")),
            }
            compare(&case.end, running.as_ref(), case.tolerance, "after the fault", report);
            return Ok(());
        }
        if let Some(expected) = case.expects.get(&scan) {
            compare(expected, running.as_ref(), case.tolerance, &format!("scan {scan}"), report);
        }
    }
    if let Some(wanted) = &case.fault {
        let _ = writeln!(report, "  no fault, but {} was expected", wanted.code);
    }
    compare(&case.end, running.as_ref(), case.tolerance, "at the end", report);
    Ok(())
}

fn compare(
    expected: &Map<String, Value>,
    running: &dyn Running,
    tolerance: f64,
    when: &str,
    report: &mut String,
) {
    for (path, wanted) in expected {
        match running.get(path) {
            Ok(got) if equal(wanted, &got, tolerance) => {}
            Ok(got) => {
                let _ = writeln!(report, "  {when}: {path} expected {wanted}, got {got}");
            }
            Err(why) => {
                let _ = writeln!(report, "  {when}: {path}: {why}");
            }
        }
    }
}

fn equal(wanted: &Value, got: &Value, tolerance: f64) -> bool {
    match (wanted, got) {
        (Value::Number(a), Value::Number(b)) if a.is_f64() || b.is_f64() => {
            let (a, b) = (a.as_f64().unwrap_or(f64::NAN), b.as_f64().unwrap_or(f64::NAN));
            a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1.0)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b, tolerance))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b, tolerance)))
        }
        _ => wanted == got,
    }
}

fn compare_fault(wanted: &Fault, got: &FaultRecord, report: &mut String) {
    let mut differs = |what: &str, wanted: &dyn std::fmt::Display, got: &dyn std::fmt::Display| {
        let _ = writeln!(report, "  fault: {what} expected {wanted}, got {got}");
    };
    if got.code.name() != wanted.code {
        differs("code", &wanted.code, &got.code.name());
    }
    if !at(wanted.at, &got.at) {
        differs("place", &wanted.at, &got.at);
    }
    if let Some(operands) = &wanted.operands
        && *operands != got.operands
    {
        differs("operands", &format!("{operands:?}"), &format!("{:?}", got.operands));
    }
    if let Some(scan) = wanted.scan
        && scan != got.scan
    {
        differs("scan", &scan, &got.scan);
    }
    if let Some(instance) = &wanted.instance
        && *instance != got.instance
    {
        differs("instance", instance, &got.instance);
    }
    if let Some(stack) = &wanted.stack {
        let same = stack.len() == got.call_stack.len()
            && stack.iter().zip(&got.call_stack).all(|((name, place), level)| {
                name.eq_ignore_ascii_case(&level.function) && at(*place, &level.at)
            });
        if !same {
            differs("stack", &format!("{stack:?}"), &format!("{:?}", got.call_stack));
        }
    }
}

/// Whether `case.st:7:5` is the expected place.
fn at(wanted: Position, got: &str) -> bool {
    let mut parts = got.rsplitn(3, ':');
    let column = parts.next().and_then(|it| it.parse().ok());
    let line = parts.next().and_then(|it| it.parse().ok());
    parts.next() == Some(FILE) && line.zip(column).is_some_and(|(line, column)| wanted.matches(line, column))
}
