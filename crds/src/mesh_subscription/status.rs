//! Status of a `MeshSubscription`: transitions, and figures that are rounded and written once a minute at most.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::patterns;

/// Condition types of a `MeshSubscription`, and who writes them.
pub mod conditions {
    /// Operator: every target is a variable of the program that nothing else writes.
    pub const ACCEPTED: &str = "Accepted";
    /// Agent: every publisher is known and trusted. Operator: only while there is no node.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// Agent: the publishers accepted every entry.
    pub const COMPATIBLE: &str = "Compatible";
    /// Agent: there is a connection to every publisher.
    pub const CONNECTED: &str = "Connected";
    /// Agent: no value is stale.
    pub const FRESH: &str = "Fresh";
    /// Operator: the summary of all others.
    pub const READY: &str = "Ready";
}

/// `links[].publisher` and `targets[].publisher` of a runtime in the same namespace; a peer's is its service name,
/// which has no slash.
pub fn runtime_publisher(name: &str) -> String {
    format!("runtime/{name}")
}

/// Where a subscription is served, and how it goes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshSubscriptionStatus {
    /// Generation of the spec that the operator last judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Node of the receiving runtime; written by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// Publishers in this namespace, and where they are; written by the operator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["publisher".into()]))]
    pub targets: Vec<Target>,
    /// Entries by the quality of their values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries: Option<EntryCounts>,
    /// The state of the connection to each publisher.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["publisher".into()]))]
    pub links: Vec<Link>,
    /// Conditions; Ready sums them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where a publisher of the same namespace is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The publisher, as `runtime/NAME`.
    #[schemars(length(min = 1, max = 80))]
    pub publisher: String,
    /// Identity of the runtime.
    #[serde(rename = "runtimeID")]
    #[schemars(length(max = 36), regex(pattern = patterns::UUID))]
    pub runtime_id: String,
    /// Node that it is bound to.
    #[schemars(length(min = 1, max = 253))]
    pub node_name: String,
    /// Host address of that node; absent: unknown yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub address: Option<String>,
    /// Addresses and ports at which the publisher's agent is reached, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 260), regex(pattern = patterns::ENDPOINT)))]
    pub endpoints: Vec<String>,
}

/// Entries by the quality of their values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryCounts {
    /// All of them.
    #[schemars(range(min = 0))]
    pub total: i32,
    /// Good.
    #[schemars(range(min = 0))]
    pub good: i32,
    /// Neither good nor bad: a gap is open, or the source is not sure.
    #[schemars(range(min = 0))]
    pub uncertain: i32,
    /// Bad: stale, refused, not connected.
    #[schemars(range(min = 0))]
    pub bad: i32,
}

/// The connection to one publisher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Service name of a peer, or `runtime/NAME` for a runtime in this namespace.
    #[schemars(length(min = 1, max = 80))]
    pub publisher: String,
    /// Address that is connected, or was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260))]
    pub address: Option<String>,
    /// How values come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Whether there is a connection.
    #[serde(default)]
    pub connected: bool,
    /// Whether the publisher's scan is seen in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<Staleness>,
    /// Time since the last message, in milliseconds, when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub last_received_age_milliseconds: Option<i64>,
    /// Round trip in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub rtt_microseconds: Option<i64>,
    /// Messages since the connection was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub messages_received: Option<i64>,
    /// Messages that never came; newer values stood in for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub messages_lost: Option<i64>,
    /// Messages a second, of late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub messages_per_second: Option<i32>,
}

/// How values come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Transport {
    /// Over the network.
    Quic,
    /// From a runtime of the same agent.
    InProcess,
}

/// Whether a publisher's scan is seen in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Staleness {
    /// Within the timeout of every entry.
    Fresh,
    /// Not within the timeout of at least one entry.
    Stale,
    /// Nothing has come yet.
    NeverReceived,
}
