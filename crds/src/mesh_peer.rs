//! `MeshPeer`: a PLC runtime of another site, as it announces itself or as a person added it.
//!
//! Agents that see a runtime on their network create its object, with `source: Discovered`; people add others by
//! address. Several agents may see one peer: each owns its element of `status.observers`, with a field manager of its
//! own. What the peer said of itself and the conditions Trusted and Reachable are written by the agents that observe
//! it, NameUnique and Ready by the operator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::patterns;

/// Condition types of a `MeshPeer`, and who writes them.
pub mod conditions {
    /// Operator: no other peer, and no runtime of this site, has the same service name.
    pub const NAME_UNIQUE: &str = "NameUnique";
    /// Agent: a pairing pins the key of the peer's agent.
    pub const TRUSTED: &str = "Trusted";
    /// Agent: the peer is seen, or connected.
    pub const REACHABLE: &str = "Reachable";
    /// Operator: the summary of all others.
    pub const READY: &str = "Ready";
}

/// Where a peer comes from, and who may use it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "lineshaft.dev",
    version = "v1alpha1",
    kind = "MeshPeer",
    doc = "MeshPeer is a PLC runtime of another site that can be subscribed to once its agent is paired. Agents create those that they discover.",
    derive = "PartialEq",
    status = "MeshPeerStatus",
    shortname = "mpeer",
    category = "lineshaft",
    cel,
    printcolumn(name = "Service", type_ = "string", json_path = ".status.serviceName"),
    printcolumn(name = "Trust", type_ = "string", json_path = ".status.trust"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.observers[0].addresses[0]"),
    printcolumn(name = "Published", type_ = "integer", json_path = ".status.publishedVariables"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Last-Seen", type_ = "date", json_path = ".status.observers[0].lastSeen"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(name = "Source", type_ = "string", json_path = ".spec.source", priority = 1),
    printcolumn(name = "Site", type_ = "string", json_path = ".status.site", priority = 1),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.source == 'Manual') == (has(self.addresses) && self.addresses.size() > 0)")
        .message("addresses must be given with source Manual, and only with it")
)]
pub struct MeshPeerSpec {
    /// Whether an agent discovered the peer, or a person added it by its address.
    #[x_kube(validation = Rule::new("self == oldSelf").message("source is immutable").reason(Reason::FieldValueForbidden))]
    pub source: PeerSource,
    /// Addresses of a peer that cannot be discovered, such as `10.9.0.2:5210`; the first handshake fills in who it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4), inner(length(min = 1, max = 260), regex(pattern = patterns::ENDPOINT)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub addresses: Vec<String>,
    /// Namespaces whose subscriptions may use the peer; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = patterns::LABEL)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
}

/// How a peer became known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PeerSource {
    /// An agent saw its announcement; the object goes with the announcement unless it is paired or in use.
    Discovered,
    /// A person gave its address.
    Manual,
}

/// What the peer says of itself, whether it is trusted, and who sees it.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshPeerStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Name by which subscriptions refer to the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = patterns::SERVICE_NAME))]
    pub service_name: Option<String>,
    /// Identity of the runtime: the UID of its object.
    #[serde(default, rename = "runtimeID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), regex(pattern = patterns::UUID))]
    pub runtime_id: Option<String>,
    /// Identity of the agent that runs it.
    #[serde(default, rename = "agentID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), regex(pattern = patterns::UUID))]
    pub agent_id: Option<String>,
    /// SHA-256 sum of the agent's public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = patterns::SHA256))]
    pub fingerprint: Option<String>,
    /// Site that the peer belongs to, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub site: Option<String>,
    /// Version of the peer's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Number of variables that the peer publishes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub published_variables: Option<i32>,
    /// Port of the peer's console; absent: it has none that can be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub console_port: Option<i32>,
    /// Whether a pairing pins the key that the peer shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
    /// Nodes that see the peer, each with what it sees; an agent takes its own back when it sees the peer no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["nodeName".into()]))]
    pub observers: Vec<Observer>,
    /// Conditions; Ready sums them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Whether the peer's key is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Trust {
    /// No pairing has been made.
    Unpaired,
    /// A pairing pins the key that the peer shows.
    Paired,
    /// The peer's side deleted the pairing.
    RevokedByPeer,
    /// The peer shows another key than the one that was paired.
    KeyMismatch,
}

/// What one node sees of a peer.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observer {
    /// The node.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    pub node_name: String,
    /// Addresses at which the node reaches the peer, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 260), regex(pattern = patterns::ENDPOINT)))]
    pub addresses: Vec<String>,
    /// Network interfaces on which the node sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 15)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub interfaces: Vec<String>,
    /// When the node last saw it; written every five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
}
