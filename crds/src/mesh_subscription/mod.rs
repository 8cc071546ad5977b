//! `MeshSubscription`: variables of other runtimes that are to be in a program at each of its scans.
//!
//! `spec` is written by users; `status.nodeName`, `targets` and the conditions Accepted and Ready by the operator,
//! everything else of `status` by the agent of the node on which the subscribing runtime is.

mod status;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

pub use status::{
    EntryCounts, Link, MeshSubscriptionStatus, Staleness, Target, Transport, conditions, runtime_publisher,
};

/// What a path ends with that stands for every published variable below it.
pub const ALL_BELOW: &str = ".*";

/// Variables that one runtime receives.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "lineshaft.dev",
    version = "v1alpha1",
    kind = "MeshSubscription",
    namespaced,
    doc = "MeshSubscription brings variables of other PLC runtimes into a program, with a quality that the program can test.",
    derive = "PartialEq",
    status = "MeshSubscriptionStatus",
    shortname = "msub",
    category = "lineshaft",
    selectable = ".status.nodeName",
    cel,
    printcolumn(name = "Runtime", type_ = "string", json_path = ".spec.runtimeRef.name"),
    printcolumn(name = "Publishers", type_ = "string", json_path = ".status.links[*].publisher"),
    printcolumn(name = "Good", type_ = "integer", json_path = ".status.entries.good"),
    printcolumn(name = "Total", type_ = "integer", json_path = ".status.entries.total"),
    printcolumn(
        name = "Fresh",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Fresh")].status"#
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(
        name = "RTT",
        type_ = "integer",
        description = "Round trip in microseconds",
        json_path = ".status.links[0].rttMicroseconds",
        priority = 1
    ),
    printcolumn(
        name = "Rate",
        type_ = "integer",
        description = "Messages a second",
        json_path = ".status.links[0].messagesPerSecond",
        priority = 1
    ),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct MeshSubscriptionSpec {
    /// The runtime in this namespace whose program receives.
    #[x_kube(validation = Rule::new("self == oldSelf").message("runtimeRef is immutable").reason(Reason::FieldValueForbidden))]
    pub runtime_ref: RuntimeRef,
    /// What is received.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["to".into()]))]
    pub subscribe: Vec<Subscription>,
    /// After a start, `onStale: Fault` does not fault the program before this time, in milliseconds.
    #[serde(default = "default_startup_grace")]
    #[schemars(range(min = 0, max = 3_600_000))]
    pub startup_grace_milliseconds: i32,
}

fn default_startup_grace() -> i32 {
    5_000
}

/// The name of a `PlcRuntime` of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 63), regex(pattern = patterns::SUBDOMAIN))]
    pub name: String,
}

/// One variable that is received, or, with `.*` at both ends, every published one below a path.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.onStale == 'Substitute') == has(self.substitute)")
        .message("substitute must be given with onStale Substitute, and only with it"),
    validation = Rule::new("self.to.endsWith('.*') == self.from.variable.endsWith('.*')")
        .message("to and from.variable must both end with .*, or neither")
)]
pub struct Subscription {
    /// Variable of the receiving program; nothing else may write it.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH_OR_ALL))]
    pub to: String,
    /// What is received.
    pub from: Origin,
    /// Changes of a number that are smaller than this, as a decimal, are not sent; 0: every change is.
    #[serde(default = "Subscription::default_deadband")]
    #[schemars(length(min = 1, max = 32), regex(pattern = patterns::DECIMAL))]
    pub deadband: String,
    /// Shortest time between two messages, in milliseconds; 0: with every scan of the publisher that changed something.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600_000))]
    pub min_interval_milliseconds: i32,
    /// After this time without a sign of the publisher's scan a value is stale, in milliseconds; absent: three intervals, at least 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_milliseconds: Option<i32>,
    /// What becomes of a stale value.
    #[serde(default)]
    pub on_stale: OnStale,
    /// Literal of the variable's type that takes the place of a stale value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub substitute: Option<String>,
    /// BYTE variable that receives the quality.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub quality: Option<String>,
    /// TIME variable that receives the age of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub age: Option<String>,
}

impl Subscription {
    fn default_deadband() -> String {
        "0".to_owned()
    }
}

/// A variable of a publisher.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.peer) != has(self.runtimeRef)").message("must have exactly one of peer, runtimeRef"))]
pub struct Origin {
    /// Service name of a paired peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = patterns::SERVICE_NAME))]
    pub peer: Option<String>,
    /// A runtime in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_ref: Option<RuntimeRef>,
    /// Path of a variable that the publisher publishes.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH_OR_ALL))]
    pub variable: String,
}

/// What becomes of a stale value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnStale {
    /// It stays, with a quality that says so.
    #[default]
    Hold,
    /// A literal takes its place.
    Substitute,
    /// It stays, and the program faults.
    Fault,
}
