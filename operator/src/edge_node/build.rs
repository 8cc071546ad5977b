//! The condition Ready of a host, and what is told about its change.

use std::time::Duration;

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use lineshaft_crds::edge_node::conditions::READY;
use lineshaft_crds::story as documented;
use lineshaft_crds::{Condition, ConditionStatus, EdgeNode, condition};
use serde::Serialize;

use super::liveness::Liveness;
use crate::story::Chapter;

/// Everything that the operator owns of a host's status.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Intent {
    api_version: String,
    kind: String,
    metadata: IntentMetadata,
    status: IntentStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntentMetadata {
    name: String,
    resource_version: Option<String>,
}

#[derive(Debug, Serialize)]
struct IntentStatus {
    conditions: [Condition; 1],
}

impl Intent {
    pub(super) fn condition(&self) -> &Condition {
        &self.status.conditions[0]
    }
}

pub(super) fn ready(node: &EdgeNode, liveness: Liveness, timeout: Duration, now: Timestamp) -> Intent {
    let (status, reason, message) = match liveness {
        Liveness::Alive { .. } => {
            (ConditionStatus::True, "AgentAlive", "the agent renews its Lease".to_owned())
        }
        Liveness::Lapsed => (
            ConditionStatus::Unknown,
            "LeaseLapsed",
            format!("the agent has not renewed its Lease for {} s", timeout.as_secs()),
        ),
        Liveness::NeverSeen => {
            (ConditionStatus::Unknown, "NoLease", "the agent has not made its Lease yet".to_owned())
        }
    };
    debug_assert!(documented::is_condition("EdgeNode", READY, reason), "{reason} is not documented");
    let old = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let condition =
        Condition::new(READY, status, reason, message, node.metadata.generation, now).keeping_time_of(old);
    Intent {
        api_version: EdgeNode::api_version(&()).into_owned(),
        kind: EdgeNode::kind(&()).into_owned(),
        metadata: IntentMetadata { name: node.name_any(), resource_version: node.resource_version() },
        status: IntentStatus { conditions: [condition] },
    }
}

pub(super) fn story(old: &[Condition], new: &Condition) -> Vec<Chapter> {
    let before = condition::find(old, READY).map(|condition| condition.status);
    match (before, new.status) {
        (before, now) if before == Some(now) => Vec::new(),
        (_, ConditionStatus::True) => vec![Chapter::normal("NodeReady", "Watch", &new.message)],
        (Some(ConditionStatus::True), _) => vec![Chapter::warning("NodeLost", "Watch", &new.message)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_story_tells_of_hosts_that_come_and_go() {
        let node = EdgeNode::new("edge", lineshaft_crds::EdgeNodeSpec::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let timeout = Duration::from_secs(40);
        let reasons = |old: &[Condition], new: &Condition| {
            story(old, new).iter().map(|chapter| chapter.reason).collect::<Vec<_>>()
        };
        let new = ready(&node, Liveness::NeverSeen, timeout, at(1)).condition().clone();
        assert!(reasons(&[], &new).is_empty());
        let alive = ready(&node, Liveness::Alive { lapses_in: timeout }, timeout, at(2)).condition().clone();
        assert_eq!(reasons(&[new], &alive), ["NodeReady"]);
        assert!(reasons(std::slice::from_ref(&alive), &alive).is_empty());
        let lost = ready(&node, Liveness::Lapsed, timeout, at(3)).condition().clone();
        assert_eq!(lost.message, "the agent has not renewed its Lease for 40 s");
        assert_eq!(reasons(&[alive], &lost), ["NodeLost"]);
    }
}
