//! Every reason of a condition and of an event, with a sentence for people: one table that operator and agent keep to
//! and that the book shows.

mod conditions;
mod events;
mod mesh;

use std::fmt::Write as _;

pub use events::EVENTS;

/// Who writes a condition or an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// The operator.
    Operator,
    /// The agent of the node.
    Agent,
}

/// A condition type.
#[derive(Clone, Copy, Debug)]
pub struct ConditionType {
    /// Kind that has it.
    pub kind: &'static str,
    /// Its name.
    pub type_: &'static str,
    /// Who writes it.
    pub writer: Writer,
    /// What holds when it is True.
    pub meaning: &'static str,
    /// Its reasons: status, reason, meaning and what to do.
    pub reasons: &'static [(&'static str, &'static str, &'static str)],
}

/// An event reason.
#[derive(Clone, Copy, Debug)]
pub struct EventReason {
    /// Who tells it.
    pub writer: Writer,
    /// Whether it is a Warning.
    pub warning: bool,
    /// The reason.
    pub reason: &'static str,
    /// What happened and what to do.
    pub meaning: &'static str,
}

/// Every condition type, kind by kind.
pub fn conditions() -> impl Iterator<Item = &'static ConditionType> {
    conditions::CONDITIONS.iter().chain(mesh::CONDITIONS)
}

/// Whether a condition of a kind may have this reason. A `Ready` that sums up others also takes theirs.
pub fn is_condition(kind: &str, type_: &str, reason: &str) -> bool {
    let has = |found: &ConditionType| found.reasons.iter().any(|(_, known, _)| *known == reason);
    let summary = type_ == "Ready" && kind != "EdgeNode";
    conditions().any(|found| found.kind == kind && (summary || found.type_ == type_) && has(found))
}

/// Whether an event may have this reason and type.
pub fn is_event(writer: Writer, warning: bool, reason: &str) -> bool {
    EVENTS.iter().any(|found| found.writer == writer && found.warning == warning && found.reason == reason)
}

/// The reference page.
pub(crate) fn page() -> String {
    let mut page = "# Conditions and events\n\n<!-- Written by `make generate` from crds/src/story. -->\n\n\
        What `kubectl describe` and `kubectl wait` show. Each condition has one writer; its `reason` is one of the words \
        below, its `message` says the particulars. A status of `-` means that the reason may stand with any.\n"
        .to_owned();
    let writer = |writer| match writer {
        Writer::Operator => "operator",
        Writer::Agent => "agent",
    };
    for ConditionType { kind, type_, writer: by, meaning, reasons } in conditions() {
        let _ = write!(page, "\n## {kind}: {type_}\n\nWritten by the {}. {meaning}\n", writer(*by));
        if !reasons.is_empty() {
            page.push_str("\n| Reason | Status | Meaning, and what to do |\n| --- | --- | --- |\n");
        }
        for (status, reason, meaning) in *reasons {
            let _ = writeln!(page, "| `{reason}` | {status} | {meaning} |");
        }
    }
    page.push_str(
        "\n## Events\n\nTold once for each change, by the operator (`lineshaft-operator`) or by the agent of the node \
         (`lineshaft-agent`).\n\n| Reason | Type | Teller | Meaning, and what to do |\n| --- | --- | --- | --- |\n",
    );
    for EventReason { writer: by, warning, reason, meaning } in EVENTS {
        let type_ = if *warning { "Warning" } else { "Normal" };
        let _ = writeln!(page, "| `{reason}` | {type_} | {} | {meaning} |", writer(*by));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_takes_the_reasons_of_the_others() {
        assert!(is_condition("PlcRuntime", "Accepted", "CompileError"));
        assert!(is_condition("PlcRuntime", "Ready", "CompileError"));
        assert!(!is_condition("PlcRuntime", "Running", "CompileError"));
        assert!(!is_condition("EdgeNode", "Ready", "Scanning"));
        assert!(is_condition("MeshSubscription", "Ready", "TargetConflict"));
        assert!(!is_condition("MeshSubscription", "Ready", "NameConflict"));
        assert!(is_event(Writer::Agent, true, "Faulted") && !is_event(Writer::Operator, true, "Faulted"));
    }

    #[test]
    fn every_kind_has_its_conditions_once_and_with_reasons_that_are_words() {
        let all: Vec<_> = conditions().collect();
        for (index, one) in all.iter().enumerate() {
            let same = |other: &&&ConditionType| (other.kind, other.type_) == (one.kind, one.type_);
            assert!(all[index + 1..].iter().find(same).is_none(), "{} {}", one.kind, one.type_);
            for (status, reason, meaning) in one.reasons {
                assert!(["True", "False", "Unknown", "-"].contains(status), "{reason}: {status}");
                assert!(reason.chars().all(char::is_alphanumeric), "{reason}");
                assert!(meaning.ends_with('.') && !meaning.contains('|'), "{reason}: {meaning}");
            }
        }
        for crd in crate::all() {
            assert!(all.iter().any(|one| one.kind == crd.spec.names.kind), "{}", crd.spec.names.kind);
        }
    }

    #[test]
    fn nothing_is_listed_twice() {
        for (index, one) in EVENTS.iter().enumerate() {
            let same = |other: &&EventReason| {
                (other.writer, other.warning, other.reason) == (one.writer, one.warning, one.reason)
            };
            assert!(EVENTS[index + 1..].iter().find(same).is_none(), "{}", one.reason);
        }
    }
}
