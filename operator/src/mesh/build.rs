//! The operator's part of a subscription's status, from what was found. Pure.

use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use lineshaft_api_client::bounded;
use lineshaft_crds::mesh_subscription::conditions::{
    ACCEPTED, COMPATIBLE, CONNECTED, FRESH, READY, RESOLVED_REFS,
};
use lineshaft_crds::mesh_subscription::{Target, runtime_publisher};
use lineshaft_crds::{
    Condition, ConditionStatus, EdgeNode, EdgeNodeStatus, MeshSubscription, MeshSubscriptionStatus,
    PlcRuntime, condition, story,
};
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_runtime::mesh::Places;

use super::claims::{Claim, Problem, claims, conflicts};
use crate::story::Chapter;

const LONGEST_MESSAGE_BYTES: usize = 1024;
const PROBLEMS_IN_MESSAGE: usize = 3;

/// What a subscription refers to.
pub(super) struct Found {
    /// The receiving runtime.
    pub(super) runtime: Option<PlcRuntime>,
    /// Where the variables of its program lie, if that compiles.
    pub(super) layout: Option<std::sync::Arc<Layout>>,
    /// Subscriptions of the same runtime that were there first, by age.
    pub(super) earlier: Vec<MeshSubscription>,
    /// The runtimes of the namespace.
    pub(super) beside: Vec<PlcRuntime>,
    /// Every host.
    pub(super) nodes: Vec<EdgeNode>,
}

/// The operator's part of a status.
pub(super) fn owned(status: MeshSubscriptionStatus) -> MeshSubscriptionStatus {
    let MeshSubscriptionStatus { observed_generation, node_name, targets, mut conditions, .. } = status;
    let bound = node_name.is_some();
    conditions.retain(|condition| is_own(&condition.type_, bound));
    // The server keeps a list-map in the order of its first writer, so the order says nothing.
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    MeshSubscriptionStatus {
        observed_generation,
        node_name,
        targets,
        conditions,
        ..MeshSubscriptionStatus::default()
    }
}

/// The rest of a status: what agents write.
pub(crate) fn without_own_fields(mut status: MeshSubscriptionStatus) -> MeshSubscriptionStatus {
    let bound = status.node_name.is_some();
    status.conditions.retain(|condition| !is_own(&condition.type_, bound));
    MeshSubscriptionStatus { observed_generation: None, node_name: None, targets: Vec::new(), ..status }
}

/// Without a node there is no agent to write `ResolvedRefs`.
fn is_own(type_: &str, bound: bool) -> bool {
    [ACCEPTED, READY].contains(&type_) || (type_ == RESOLVED_REFS && !bound)
}

/// What the operator wants to stand in the status.
pub(super) fn status(
    subscription: &MeshSubscription,
    found: &Found,
    now: Timestamp,
) -> MeshSubscriptionStatus {
    let old = subscription.status.clone().unwrap_or_default();
    let generation = subscription.metadata.generation;
    let node_name = found.runtime.as_ref().and_then(node_of).map(str::to_owned);
    let name = &subscription.spec.runtime_ref.name;
    let mut judged = vec![accepted(subscription, found, &old)];
    if node_name.is_none() {
        let message = match found.runtime {
            Some(_) => format!("PlcRuntime {name} is on no node yet"),
            None => format!("there is no PlcRuntime {name} in this namespace"),
        };
        judged.push(Judged::new(RESOLVED_REFS, false, "RuntimeNotFound", message));
    }
    judged.push(ready(&judged, &without_own_fields(old.clone()).conditions, generation));
    let conditions = judged.into_iter().map(|Judged { type_, status, reason, message }| {
        Condition::new(type_, status, &reason, message, generation, now).keeping_time_of(&old.conditions)
    });
    owned(MeshSubscriptionStatus {
        observed_generation: generation,
        node_name,
        targets: targets(subscription, found),
        conditions: conditions.collect(),
        ..MeshSubscriptionStatus::default()
    })
}

fn node_of(runtime: &PlcRuntime) -> Option<&str> {
    runtime.status.as_ref()?.node_name.as_deref()
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
            type_ == READY || story::is_condition("MeshSubscription", type_, reason),
            "{type_}/{reason} is not documented"
        );
        let message = bounded(&message.into(), LONGEST_MESSAGE_BYTES);
        Self { type_, status: status.into(), reason: reason.to_owned(), message }
    }
}

fn accepted(subscription: &MeshSubscription, found: &Found, old: &MeshSubscriptionStatus) -> Judged {
    let Some(layout) = &found.layout else {
        // A program that does not compile replaces none that runs: what was said of that one holds.
        let before = condition::find(&old.conditions, ACCEPTED).filter(|before| {
            found.runtime.is_some() && before.observed_generation == subscription.metadata.generation
        });
        if let Some(before) = before {
            return Judged::new(ACCEPTED, before.status, &before.reason, before.message.clone());
        }
        let message = "the targets cannot be checked before the program of the runtime compiles";
        return Judged::new(ACCEPTED, ConditionStatus::Unknown, "ProgramUnknown", message);
    };
    let places = Places::new(layout);
    let (own, mut problems) = claims(&subscription.spec, &places);
    let earlier: Vec<(String, Vec<Claim>)> = found
        .earlier
        .iter()
        .map(|other| (other.metadata.name.clone().unwrap_or_default(), claims(&other.spec, &places).0))
        .collect();
    problems.extend(conflicts(&own, &earlier));
    match problems.first() {
        None => {
            let message =
                if own.len() == 1 { "1 target".to_owned() } else { format!("{} targets", own.len()) };
            Judged::new(ACCEPTED, true, "Accepted", message)
        }
        Some(first) => Judged::new(ACCEPTED, false, first.reason, message(&problems)),
    }
}

fn message(problems: &[Problem]) -> String {
    let mut words: Vec<String> =
        problems.iter().take(PROBLEMS_IN_MESSAGE).map(|problem| problem.message.clone()).collect();
    if let more @ 1.. = problems.len().saturating_sub(PROBLEMS_IN_MESSAGE) {
        words.push(format!("and {more} more"));
    }
    words.join("; ")
}

/// Publishers in the namespace that are on a node, in the order of their names.
fn targets(subscription: &MeshSubscription, found: &Found) -> Vec<Target> {
    let entries = subscription.spec.subscribe.iter();
    let mut names: Vec<&str> =
        entries.filter_map(|entry| Some(entry.from.runtime_ref.as_ref()?.name.as_str())).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| target(name, found)).collect()
}

fn target(name: &str, found: &Found) -> Option<Target> {
    let runtime = found.beside.iter().find(|runtime| runtime.metadata.name.as_deref() == Some(name))?;
    let node = node_of(runtime)?;
    let host = found.nodes.iter().find(|host| host.metadata.name.as_deref() == Some(node));
    let host = host.and_then(|host| host.status.as_ref());
    let address = host.and_then(|host| host.addresses.first());
    Some(Target {
        publisher: runtime_publisher(name),
        runtime_id: runtime.metadata.uid.clone()?,
        node_name: node.to_owned(),
        address: address.map(|address| address.address.clone()),
        endpoints: host.map(|host| endpoints(runtime, host)).unwrap_or_default(),
    })
}

/// Where the publisher's agent listens for what this runtime publishes.
fn endpoints(runtime: &PlcRuntime, host: &EdgeNodeStatus) -> Vec<String> {
    let own = runtime.spec.mesh.as_ref().and_then(|mesh| mesh.listen.as_ref());
    let Some(own) = own.and_then(|listen| listen.parse::<SocketAddr>().ok()) else {
        return host.mesh_endpoints.clone();
    };
    if !own.ip().is_unspecified() {
        return vec![own.to_string()];
    }
    let addresses = host.addresses.iter().filter_map(|address| address.address.parse().ok());
    addresses.map(|address: IpAddr| SocketAddr::new(address, own.port()).to_string()).collect()
}

/// The summary: the first thing that is not as it should be, or that all is.
fn ready(own: &[Judged], agents: &[Condition], generation: Option<i64>) -> Judged {
    if let Some(wrong) = own.iter().find(|own| own.status != ConditionStatus::True) {
        return Judged::new(READY, false, &wrong.reason, wrong.message.clone());
    }
    let mut reported = Vec::new();
    for type_ in [RESOLVED_REFS, COMPATIBLE, CONNECTED, FRESH] {
        // What the agent said of an older spec says nothing of this one.
        let current = condition::find(agents, type_).filter(|found| found.observed_generation >= generation);
        let Some(found) = current else {
            let message = format!("the node has not reported {type_} of this generation yet");
            return Judged::new(READY, ConditionStatus::Unknown, "WaitingForAgent", message);
        };
        reported.push(found);
    }
    // What is known to be wrong says more than what is not known.
    let wrong = reported.iter().find(|found| found.status == ConditionStatus::False);
    if let Some(wrong) = wrong.or_else(|| reported.iter().find(|found| !found.is_true())) {
        return Judged::new(READY, false, &wrong.reason, wrong.message.clone());
    }
    let (reason, message) = reported.last().map_or(("AllFresh", ""), |found| (&found.reason, &found.message));
    Judged::new(READY, true, reason, message)
}

/// What is told of a change of the operator's part of a status.
pub(super) fn story(old: &MeshSubscriptionStatus, new: &MeshSubscriptionStatus) -> Vec<Chapter> {
    const REFUSALS: [&str; 4] = ["TargetConflict", "TargetNotFound", "SelfSubscription", "InvalidDeadband"];
    let said = |status: &MeshSubscriptionStatus| {
        condition::find(&status.conditions, ACCEPTED)
            .map(|found| (found.status, found.reason.clone(), found.message.clone()))
    };
    let (before, after) = (said(old), said(new));
    let Some((status, reason, message)) = after.clone().filter(|_| before != after) else {
        return Vec::new();
    };
    let refusal = REFUSALS.into_iter().find(|known| *known == reason);
    match (status, refusal) {
        (ConditionStatus::True, _) => vec![Chapter::normal("SubscriptionAccepted", "Validate", message)],
        (ConditionStatus::False, Some(reason)) => vec![Chapter::warning(reason, "Validate", message)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
