//! What is said of a failed test.

use super::{Limits, ShownOperand};
use crate::fault::FaultRecord;
use lineshaft_plc_compiler::ir::FaultCode;
use lineshaft_plc_compiler::testing::{Assertion, Claim};

/// `expected uut.CV = 3, but uut.CV is 2`
pub(super) fn assertion(assertion: &Assertion, operands: &[ShownOperand]) -> String {
    let name = |side: usize| match (operands.get(side), side) {
        (Some(operand), _) if !operand.text.is_empty() => operand.text.clone(),
        (_, 0) => "the left side".to_owned(),
        _ => "the right side".to_owned(),
    };
    let (left, right) = (name(0), name(1));
    let expected = match assertion.claim {
        Claim::Is(wanted) => format!("expected {left} to be {}", if wanted { "TRUE" } else { "FALSE" }),
        Claim::Compare { operator, holds: true } => format!("expected {left} {operator} {right}"),
        Claim::Compare { operator, holds: false } => format!("expected NOT ({left} {operator} {right})"),
        Claim::Near => {
            let tolerance = assertion.tolerance.as_deref().filter(|text| !text.is_empty());
            format!("expected {left} to be within {} of {right}", tolerance.unwrap_or("the tolerance"))
        }
    };
    let values: Vec<String> = assertion
        .operands
        .iter()
        .zip(operands)
        .enumerate()
        .filter(|(_, (operand, shown))| !operand.literal || !says_its_value(&operand.text, &shown.value))
        .map(|(side, (_, shown))| format!("{} is {}", name(side), shown.value))
        .collect();
    let found = if values.is_empty() { String::new() } else { format!(", but {}", values.join(" and ")) };
    match &assertion.message {
        Some(said) => format!("{said}: {expected}{found}"),
        None => format!("{expected}{found}"),
    }
}

/// Whether the text of a constant needs no value beside it, as that of a literal.
fn says_its_value(text: &str, value: &str) -> bool {
    let first = text.trim_start_matches(['-', '+']).chars().next();
    let of_enum = value.split_once('#').is_some_and(|(_, name)| name.eq_ignore_ascii_case(text));
    first.is_some_and(|c| c.is_ascii_digit() || c == '\'' || c == '"')
        || text.contains('#')
        || text.eq_ignore_ascii_case(value)
        || of_enum
}

/// `fault IndexOutOfBounds in uut.belt (12, 0, 9)`
pub(super) fn fault(fault: &FaultRecord, limits: Limits, out_of_time: bool) -> String {
    let place = if fault.instance.is_empty() { String::new() } else { format!(" in {}", fault.instance) };
    match (fault.code, limits.duration) {
        (FaultCode::Watchdog, Some(duration)) if out_of_time => {
            format!("not finished: the tests together took longer than {} s", duration.as_secs())
        }
        (FaultCode::Watchdog, _) => {
            format!("not finished after {} loop passes and calls{place}", limits.steps)
        }
        (FaultCode::AssertionFailed, _) => format!("ASSERT of FALSE{place}"),
        (code, _) => {
            let operands: Vec<String> = fault.operands.iter().map(ToString::to_string).collect();
            let operands =
                if operands.is_empty() { String::new() } else { format!(" ({})", operands.join(", ")) };
            format!("fault {}{place}{operands}", code.name())
        }
    }
}
