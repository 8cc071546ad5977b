//! `Pairing`: one side of a trust between two agents. A person offers a code on one side and claims it on the other.
//!
//! `spec` is written by people, `status` by the agent of `spec.nodeName`. Deleting the object, on either side, ends the
//! trust: the agent drops the key before it removes the finalizer.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::patterns;

/// Finalizer that the agent sets before it pins a key, and removes once it has dropped it.
pub const FINALIZER: &str = "lineshaft.dev/unpair";

/// Condition types of a `Pairing`; the agent of its node writes both.
pub mod conditions {
    /// The offer or claim may be acted on.
    pub const APPROVED: &str = "Approved";
    /// Both sides have pinned each other's key.
    pub const PAIRED: &str = "Paired";
}

/// One side of a trust: an offer of a code, or the claim of one.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "lineshaft.dev",
    version = "v1alpha1",
    kind = "Pairing",
    doc = "Pairing makes two agents trust each other: one side offers a code, the other claims it. Deleting it revokes the trust.",
    derive = "PartialEq",
    status = "PairingStatus",
    shortname = "pair",
    category = "lineshaft",
    selectable = ".spec.nodeName",
    cel,
    printcolumn(name = "Node", type_ = "string", json_path = ".spec.nodeName"),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.role"),
    printcolumn(name = "Peer", type_ = "string", json_path = ".status.peer.name"),
    printcolumn(
        name = "Paired",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Paired")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Paired")].reason"#
    ),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "Approval", type_ = "string", json_path = ".spec.approval", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.offer) != has(self.claim)").message("must have exactly one of offer, claim"),
    validation = Rule::new("has(self.offer) == has(oldSelf.offer) && (!has(self.offer) || self.offer == oldSelf.offer)")
        .message("offer is immutable: delete the pairing and make a new one")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("has(self.claim) == has(oldSelf.claim) && (!has(self.claim) || self.claim == oldSelf.claim)")
        .message("claim is immutable: delete the pairing and make a new one")
        .reason(Reason::FieldValueForbidden),
    validation = Rule::new("oldSelf.approval == 'Pending' || self.approval == oldSelf.approval")
        .message("approval may not be taken back: delete the pairing")
        .reason(Reason::FieldValueForbidden)
)]
pub struct PairingSpec {
    /// Node whose agent is to be paired.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("nodeName is immutable").reason(Reason::FieldValueForbidden))]
    pub node_name: String,
    /// Whether the agent may act on it: whoever may make pairings but not approve them makes it Pending.
    #[serde(default)]
    pub approval: Approval,
    /// Offers a code, which the agent writes to the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Offer>,
    /// Claims the code that the other side offers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
}

/// Whether a pairing may be acted on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Approval {
    /// The agent acts on it; needs the verb approve on pairings.
    #[default]
    Approved,
    /// The agent waits for somebody who may approve.
    Pending,
}

/// An offer of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// How long the code is good for, in seconds from when the agent made it.
    #[serde(default = "Offer::default_ttl")]
    #[schemars(range(min = 30, max = 3600))]
    pub ttl_seconds: i32,
}

impl Offer {
    fn default_ttl() -> i32 {
        300
    }
}

impl Default for Offer {
    fn default() -> Self {
        Self { ttl_seconds: Self::default_ttl() }
    }
}

/// The claim of a code.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.peerRef) != has(self.address)").message("must have exactly one of peerRef, address"))]
pub struct Claim {
    /// A runtime of the other side, as discovered or added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_ref: Option<PeerRef>,
    /// Address of the other side, such as `10.9.0.2:5210`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260), regex(pattern = patterns::ENDPOINT))]
    pub address: Option<String>,
    /// The code that the other side shows, such as `4821-7730`.
    #[schemars(length(max = 9), regex(pattern = patterns::PAIRING_CODE))]
    pub code: String,
}

/// The name of a `MeshPeer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerRef {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    pub name: String,
}

/// How far a pairing is.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairingStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Which side this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The code to give to the other side, while the offer is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 9), regex(pattern = patterns::PAIRING_CODE))]
    pub code: Option<String>,
    /// When the code ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Wrong codes that the offer still bears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub attempts_left: Option<i32>,
    /// Who the other side is, once it proved that it knows the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PairedPeer>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Which side of a pairing an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// It shows the code.
    Offer,
    /// It was given the code.
    Claim,
}

/// The other side of a pairing.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairedPeer {
    /// Identity of the agent.
    #[serde(rename = "agentID")]
    #[schemars(length(max = 36), regex(pattern = patterns::UUID))]
    pub agent_id: String,
    /// Name of the agent, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// SHA-256 sum of the public key that is pinned.
    #[schemars(length(max = 71), regex(pattern = patterns::SHA256))]
    pub fingerprint: String,
    /// Service names of the agent's runtimes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub runtimes: Vec<String>,
}
