//! The operator's part of a peer's status, from what was found. Pure.

use jiff::Timestamp;
use lineshaft_crds::mesh_peer::conditions::{NAME_UNIQUE, REACHABLE, READY, TRUSTED};
use lineshaft_crds::{Condition, ConditionStatus, MeshPeer, condition};

use crate::story::Chapter;

const NAMES_IN_MESSAGE: usize = 3;

/// What people and agents write of a peer's status, as text.
pub(crate) fn reported(peer: &MeshPeer) -> String {
    let mut status = peer.status.clone().unwrap_or_default();
    status.conditions.retain(|condition| !is_own(condition));
    serde_json::to_string(&status).expect("a status is JSON")
}

fn is_own(condition: &Condition) -> bool {
    [NAME_UNIQUE, READY].contains(&condition.type_.as_str())
}

/// The conditions that stand in a status and are the operator's.
pub(super) fn owned(peer: &MeshPeer) -> Vec<Condition> {
    let mut conditions = all(peer).to_vec();
    conditions.retain(is_own);
    // The server keeps a list-map in the order of its first writer, so the order says nothing.
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    conditions
}

fn all(peer: &MeshPeer) -> &[Condition] {
    peer.status.as_ref().map_or(&[][..], |status| &status.conditions)
}

/// The conditions that the operator wants to stand in the status; `others` have the same name.
pub(super) fn conditions(peer: &MeshPeer, others: Option<&[String]>, now: Timestamp) -> Vec<Condition> {
    let (old, generation) = (all(peer), peer.metadata.generation);
    let condition = |type_: &str, status: ConditionStatus, reason: &str, message: &str| {
        Condition::new(type_, status, reason, message, generation, now).keeping_time_of(old)
    };
    let mut conditions = Vec::new();
    if let Some(others) = others {
        let unique = if others.is_empty() {
            condition(NAME_UNIQUE, ConditionStatus::True, "NameUnique", "")
        } else {
            condition(NAME_UNIQUE, ConditionStatus::False, "NameConflict", &conflict(peer, others))
        };
        conditions.push(unique);
    }
    let (status, reason, message) = ready(&conditions, old);
    conditions.push(condition(READY, status, &reason, &message));
    conditions
}

fn conflict(peer: &MeshPeer, others: &[String]) -> String {
    let name = peer.status.as_ref().and_then(|status| status.service_name.as_deref()).unwrap_or_default();
    let mut named: Vec<&str> = others.iter().take(NAMES_IN_MESSAGE).map(String::as_str).collect();
    let more = format!("{} more", others.len().saturating_sub(NAMES_IN_MESSAGE));
    if others.len() > NAMES_IN_MESSAGE {
        named.push(&more);
    }
    format!("{name} is also the name of {}", named.join(", "))
}

/// The summary: the first thing that is not as it should be, or how the peer is reached.
fn ready(own: &[Condition], old: &[Condition]) -> (ConditionStatus, String, String) {
    let unique = condition::find(own, NAME_UNIQUE);
    let mut last = None;
    for found in [unique, condition::find(old, TRUSTED), condition::find(old, REACHABLE)] {
        let Some(found) = found else {
            let message = "no agent has reported on the peer yet";
            return (ConditionStatus::Unknown, "WaitingForAgent".to_owned(), message.to_owned());
        };
        if !found.is_true() {
            return (found.status, found.reason.clone(), found.message.clone());
        }
        last = Some(found);
    }
    let (reason, message) = last.map_or(("", ""), |found| (&found.reason, &found.message));
    (ConditionStatus::True, reason.to_owned(), message.to_owned())
}

/// What is told of a change of the operator's conditions.
pub(super) fn story(old: &[Condition], new: &[Condition]) -> Vec<Chapter> {
    let conflict = |conditions: &[Condition]| {
        condition::find(conditions, NAME_UNIQUE)
            .filter(|found| found.status == ConditionStatus::False)
            .map(|found| found.message.clone())
    };
    match conflict(new) {
        Some(message) if conflict(old).as_ref() != Some(&message) => {
            vec![Chapter::warning("NameConflict", "Compare", message)]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
