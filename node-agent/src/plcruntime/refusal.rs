//! A version that the operator accepted and this node refused.

use lineshaft_plc_runtime::protocol::{Refusal, RefusalReason};

use super::record::{Version, sources_hash};

/// Messages of a refusal that fit into a condition.
const FINDINGS_MAX: usize = 3;

/// Why a version does not run here. The one that ran before runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) version: Version,
    /// Reason of the condition, one PascalCase word.
    pub(crate) reason: &'static str,
    /// A sentence.
    pub(crate) message: String,
    /// Variables that cannot be carried over, each with its reason.
    pub(crate) variables: Vec<String>,
}

impl Refused {
    /// The keeper or its compiler refused.
    pub(crate) fn by_keeper(refusal: &Refusal) -> Self {
        let reason = match refusal.reason {
            RefusalReason::CompileError => "CompileError",
            RefusalReason::Migration => "MigrationRefused",
            RefusalReason::InvalidIo => "InvalidIo",
            RefusalReason::InvalidMesh => "InvalidMesh",
            RefusalReason::Unsupported => "Unsupported",
            RefusalReason::RunnerFailed => "RunnerFailed",
        };
        let findings: Vec<String> =
            refusal.diagnostics.iter().take(FINDINGS_MAX).map(ToString::to_string).collect();
        let message = if findings.is_empty() { refusal.message.clone() } else { findings.join("\n") };
        let version =
            Version { generation: refusal.generation, sources_hash: sources_hash(&refusal.hash).to_owned() };
        // Of other refusals the message names them; these go into the plan of the change.
        let carried = refusal.variables.iter().filter(|_| refusal.reason == RefusalReason::Migration);
        let variables = carried.map(|(path, why)| format!("{path}: {why}")).collect();
        Self { version, reason, message, variables }
    }

    /// The spec asks for what this agent cannot do.
    pub(crate) fn unsupported(version: Version, message: String) -> Self {
        Self { version, reason: "Unsupported", message, variables: Vec::new() }
    }
}
