//! Step 3: the operator's part of a status, from what was found. Pure.

use jiff::Timestamp;
use lineshaft_api_client::bounded;
use lineshaft_crds::plc_runtime::conditions::{
    ACCEPTED, IO_HEALTHY, PROGRAM_LOADED, READY, RESOLVED_REFS, RUNNING,
};
use lineshaft_crds::plc_runtime::{AcceptedProgram, Unresolved, sources_hash};
use lineshaft_crds::{
    Condition, ConditionStatus, EdgeNode, PlcRuntime, PlcRuntimeStatus, condition, edge_node, short_version,
    story,
};

use super::binding::{self, Decision};
use super::dereference::Dereferenced;
use super::validate::Judgement;
use crate::story::Chapter;

/// The conditions that the operator writes.
const OWN_CONDITIONS: [&str; 3] = [ACCEPTED, RESOLVED_REFS, READY];
const LONGEST_MESSAGE_BYTES: usize = 1024;

/// The operator's part of a status.
pub(super) fn owned(status: PlcRuntimeStatus) -> PlcRuntimeStatus {
    let PlcRuntimeStatus {
        observed_generation,
        node_name,
        transfer,
        accepted,
        diagnostics,
        mut conditions,
        ..
    } = status;
    conditions.retain(|condition| OWN_CONDITIONS.contains(&condition.type_.as_str()));
    // The server keeps a list-map in the order of its first writer, so the order says nothing.
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    PlcRuntimeStatus {
        observed_generation,
        node_name,
        transfer,
        accepted,
        diagnostics,
        conditions,
        ..PlcRuntimeStatus::default()
    }
}

/// The rest of a status: what agents write.
pub(crate) fn without_own_fields(mut status: PlcRuntimeStatus) -> PlcRuntimeStatus {
    status.conditions.retain(|condition| !OWN_CONDITIONS.contains(&condition.type_.as_str()));
    PlcRuntimeStatus {
        observed_generation: None,
        node_name: None,
        transfer: None,
        accepted: None,
        diagnostics: Vec::new(),
        ..status
    }
}

/// What the operator wants to stand in the status. `judgement` is absent where there are no sources to judge.
pub(super) fn status(
    plc: &PlcRuntime,
    found: &Dereferenced,
    judgement: Option<&Judgement>,
    now: Timestamp,
) -> PlcRuntimeStatus {
    let old = plc.status.clone().unwrap_or_default();
    let generation = plc.metadata.generation;
    let accepted = match (judgement, &found.sources) {
        (Some(Judgement { verdict: Ok(()), .. }), Ok(sources)) => Some(AcceptedProgram {
            generation: generation.unwrap_or_default(),
            sources_hash: sources_hash(sources),
        }),
        _ => None,
    };
    let is_good = accepted.is_some();
    let decision = if is_good {
        binding::decide(plc, &found.nodes, &found.load)
    } else {
        // What is refused is not bound, and does not move: the good version runs on where it is.
        Decision { node: old.node_name.clone(), transfer: None, obstacle: None }
    };
    let resolved = resolved_refs(&found.sources);
    let judged = accepted_condition(judgement, &decision, accepted.as_ref());
    let accepted = accepted.or_else(|| old.accepted.clone());
    let ready = ready(plc, &old, &decision, accepted.as_ref(), &found.nodes, [&resolved, &judged]);
    let conditions = [resolved, judged, ready].map(|Judged { type_, status, reason, message }| {
        Condition::new(type_, status, &reason, message, generation, now).keeping_time_of(&old.conditions)
    });
    owned(PlcRuntimeStatus {
        observed_generation: generation,
        node_name: decision.node,
        transfer: decision.transfer,
        accepted,
        diagnostics: judgement.map(Judgement::status_diagnostics).unwrap_or_default(),
        conditions: conditions.into(),
        ..PlcRuntimeStatus::default()
    })
}

/// A condition without its times.
struct Judged {
    type_: &'static str,
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Judged {
    fn new(
        type_: &'static str,
        status: impl Into<ConditionStatus>,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        // Ready takes those of agents, which may be newer than this operator.
        debug_assert!(
            type_ == READY || story::is_condition("PlcRuntime", type_, reason),
            "{type_}/{reason} is not documented"
        );
        let message = bounded(&message.into(), LONGEST_MESSAGE_BYTES);
        Self { type_, status: status.into(), reason: reason.to_owned(), message }
    }
}

fn resolved_refs<T>(sources: &Result<T, Vec<Unresolved>>) -> Judged {
    match sources {
        Ok(_) => Judged::new(RESOLVED_REFS, true, "ResolvedRefs", "every source was found"),
        Err(missing) => {
            let reason = missing.first().map_or("NoSources", Unresolved::reason);
            let message: Vec<_> = missing.iter().map(ToString::to_string).collect();
            Judged::new(RESOLVED_REFS, false, reason, message.join("; "))
        }
    }
}

fn accepted_condition(
    judgement: Option<&Judgement>,
    decision: &Decision,
    accepted: Option<&AcceptedProgram>,
) -> Judged {
    match (judgement.map(|judgement| &judgement.verdict), &decision.obstacle, accepted) {
        (Some(Err(refusal)), ..) => Judged::new(ACCEPTED, false, refusal.reason, &refusal.message),
        (Some(Ok(())), Some(obstacle), _) => Judged::new(ACCEPTED, false, "NoNodeFits", obstacle),
        (Some(Ok(())), None, Some(program)) => {
            let version = short_version(&program.sources_hash);
            Judged::new(ACCEPTED, true, "Accepted", format!("program version {version}"))
        }
        _ => Judged::new(
            ACCEPTED,
            ConditionStatus::Unknown,
            "SourcesMissing",
            "the program cannot be checked before all of its sources are there",
        ),
    }
}

/// The summary: the first thing that is not as it should be, or that all is.
fn ready(
    plc: &PlcRuntime,
    old: &PlcRuntimeStatus,
    decision: &Decision,
    accepted: Option<&AcceptedProgram>,
    nodes: &[EdgeNode],
    own: [&Judged; 2],
) -> Judged {
    let no = |reason: &str, message: String| Judged::new(READY, false, reason, message);
    if let Some(Judged { reason, message, .. }) =
        own.into_iter().find(|own| own.status != ConditionStatus::True)
    {
        return no(reason, message.clone());
    }
    let Some(node) = &decision.node else { return no("NotBound", "not bound to a node yet".to_owned()) };
    if let Some(transfer) = &decision.transfer {
        let message = format!("moves to {} once {node} has let go: {}", transfer.to, transfer.reason);
        return no("Moving", message);
    }
    if old.node_name.as_ref().is_some_and(|old| old != node) {
        return no("Moving", format!("moved to {node}"));
    }
    if let Some(lost) = lost(node, nodes) {
        return Judged::new(READY, ConditionStatus::Unknown, "NodeLost", lost);
    }
    let needed = [PROGRAM_LOADED, RUNNING, IO_HEALTHY];
    let needed = if plc.spec.io.drivers.is_empty() { &needed[..2] } else { &needed[..] };
    for type_ in needed {
        let found = condition::find(&old.conditions, type_);
        // What the agent said of an older spec says nothing of this one.
        let current = found.filter(|found| found.observed_generation >= plc.metadata.generation);
        match current {
            None => {
                return no(
                    "WaitingForAgent",
                    format!("{node} has not reported {type_} of this generation yet"),
                );
            }
            Some(found) if !found.is_true() => return no(&found.reason, found.message.clone()),
            Some(_) => {}
        }
    }
    let runs = old.program.as_ref().map(|program| program.hash.as_str());
    if runs != accepted.map(|accepted| accepted.sources_hash.as_str()) {
        return no("WaitingForAgent", format!("{node} does not run the accepted program yet"));
    }
    let running = condition::find(&old.conditions, RUNNING);
    let (reason, message) = running.map_or(("Scanning", ""), |found| (&found.reason, &found.message));
    Judged::new(READY, true, reason, message)
}

fn lost(name: &str, nodes: &[EdgeNode]) -> Option<String> {
    let Some(node) = nodes.iter().find(|node| node.metadata.name.as_deref() == Some(name)) else {
        return Some(format!("node {name} does not exist any more"));
    };
    let conditions = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    match condition::find(conditions, edge_node::conditions::READY) {
        Some(ready) if ready.is_true() => None,
        Some(ready) => Some(format!("node {name}: {}", ready.message)),
        None => Some(format!("node {name} has not been heard of yet")),
    }
}

/// What is told of a change of the operator's part of a status.
pub(super) fn story(old: &PlcRuntimeStatus, new: &PlcRuntimeStatus) -> Vec<Chapter> {
    let mut chapters = Vec::new();
    let said = |status: &PlcRuntimeStatus, type_: &str| {
        condition::find(&status.conditions, type_)
            .map(|found| (found.status, found.reason.clone(), found.message.clone()))
    };
    if let Some((status, reason, message)) = said(new, RESOLVED_REFS)
        && status != ConditionStatus::True
        && said(old, RESOLVED_REFS) != said(new, RESOLVED_REFS)
    {
        chapters.push(Chapter::warning(refusal_reason(&reason), "Dereference", message));
    }
    if let Some((status, reason, message)) = said(new, ACCEPTED)
        && said(old, ACCEPTED) != said(new, ACCEPTED)
    {
        match status {
            ConditionStatus::True => chapters.push(Chapter::normal("Accepted", "Validate", message)),
            ConditionStatus::False => {
                chapters.push(Chapter::warning(refusal_reason(&reason), "Validate", message));
            }
            // ResolvedRefs tells it already.
            ConditionStatus::Unknown => {}
        }
    }
    if let Some(node) = new.node_name.as_ref().filter(|node| old.node_name.as_ref() != Some(node)) {
        let note = match &old.node_name {
            Some(before) => format!("moved from {before} to {node}"),
            None => format!("bound to {node}"),
        };
        chapters.push(Chapter::normal("Bound", "Bind", note));
    }
    if let Some(transfer) = new.transfer.as_ref().filter(|transfer| old.transfer.as_ref() != Some(transfer)) {
        let note = format!("is to move to {}: {}", transfer.to, transfer.reason);
        chapters.push(Chapter::normal("MoveRequested", "Bind", note));
    }
    if let Some((ConditionStatus::Unknown, reason, message)) = said(new, READY)
        && reason == "NodeLost"
        && said(old, READY).is_none_or(|(_, before, _)| before != "NodeLost")
    {
        chapters.push(Chapter::warning("NodeLost", "Watch", message));
    }
    chapters
}

/// Reasons are few and fixed; this gives the constant that an event wants.
fn refusal_reason(reason: &str) -> &'static str {
    const REASONS: [&str; 8] = [
        "CompileError",
        "TestsFailed",
        "InvalidSpec",
        "NotSupported",
        "NoNodeFits",
        "ConfigMapNotFound",
        "KeyNotFound",
        "NoSources",
    ];
    REASONS.into_iter().find(|known| *known == reason).unwrap_or("InvalidSpec")
}

#[cfg(test)]
mod tests;
