//! What two agents say to each other beside values, on the control stream of their connection: who they are, what
//! one wants of the other, what it gets.
//!
//! A frame is a `u32` length and JSON, at most [`MAX_FRAME`] bytes: rare messages stay readable, and fields can be
//! added. A message of a kind that this version does not know is passed over.

mod frame;
mod negotiate;

use serde::{Deserialize, Serialize};

use crate::hex::Hex;
use crate::identity::{AgentId, Fingerprint};
use crate::schema::SchemaHash;

pub use frame::{FrameError, FrameReader, MAX_FRAME, encode};
pub use negotiate::{Catalogue, Flow, Granted, Limits, Offered, negotiate};

/// Version of the protocol below `lineshaft-mesh/1` that this build speaks.
pub const MINOR: u32 = 0;

/// Most entries of one [`Subscribe`].
pub const MAX_ENTRIES: usize = 512;

/// A message of the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Message {
    /// First from both sides.
    Hello(Hello),
    /// The sender's runtimes, since others have come, gone or been renamed.
    Runtimes(Vec<RuntimeInfo>),
    /// The sender wants variables of one of the receiver's runtimes.
    Subscribe(Subscribe),
    /// What became of entries: one for each flow that they form.
    SubscribeResult(SubscribeResult),
    /// The sender has made room for a flow: snapshot and datagrams may start.
    Ready(FlowName),
    /// The sender misses values.
    Resync(Resync),
    /// A runtime has a new program: what was agreed on for it is void.
    LayoutChanged(RuntimeName),
    /// A runtime runs, stops or has faulted.
    PublisherState(PublisherState),
    /// The sender wants a flow no more.
    Unsubscribe(FlowName),
    /// The sender will have another key, and proves that it has it already.
    Rotate(Rotate),
    /// The receiver's new key is pinned.
    RotateAck(Fingerprint),
    /// The sender's only key: those before it are no longer its.
    OnlyKey(Fingerprint),
    /// The connection ends.
    Bye(Bye),
}

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Minor version: the lower one of both counts.
    pub minor: u32,
    /// The agent, whose key the TLS handshake has shown.
    pub agent: AgentId,
    /// The agents of a cluster share a site; a box alone is one.
    pub site: String,
    /// Its runtimes.
    pub runtimes: Vec<RuntimeInfo>,
}

/// A runtime behind an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeInfo {
    /// Never used twice.
    pub id: String,
    /// What people call it; unique by agreement only.
    pub name: String,
    /// Interval of its fastest task.
    pub scan_us: u64,
    /// What it does.
    pub state: RunState,
}

/// What a publisher does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunState {
    /// It scans.
    Run,
    /// It was stopped.
    Stop,
    /// Its program has faulted.
    Fault,
}

/// Wanted variables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscribe {
    /// Runtime of the sender that takes the values.
    pub subscriber: String,
    /// Name of that runtime, for `to` in publish lists.
    pub subscriber_name: String,
    /// Runtime of the receiver that gives them.
    pub publisher: String,
    /// At most [`MAX_ENTRIES`].
    pub entries: Vec<Entry>,
}

/// One wanted variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The sender's number for it.
    pub i: u32,
    /// Path at the publisher, without regard to case.
    pub variable: String,
    /// Type at the subscriber, for messages.
    #[serde(rename = "type")]
    pub ty: String,
    /// Type at the subscriber.
    pub hash: SchemaHash,
    /// Changes up to this need not be sent; a decimal number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadband: Option<String>,
    /// At least so long between two values.
    #[serde(default)]
    pub min_interval_us: u64,
    /// Silence for so long is stale.
    pub timeout_us: u64,
}

/// A flow that was formed, and the entries that were refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscribeResult {
    /// As in [`Subscribe`].
    pub subscriber: String,
    /// As in [`Subscribe`].
    pub publisher: String,
    /// Absent if every entry was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowTerms>,
    /// With their reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
}

/// What holds for a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowTerms {
    /// Number and epoch.
    #[serde(flatten)]
    pub name: FlowName,
    /// Between two values.
    pub interval_us: u64,
    /// Between two signs of life.
    pub beat_us: u64,
    /// Which entry has which slot.
    pub slots: Vec<Slot>,
}

/// An entry's place in the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Of the entry.
    pub i: u32,
    /// In the flow.
    pub slot: u16,
}

/// An entry that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Of the entry.
    pub i: u32,
    /// Why.
    pub reason: Reason,
    /// With [`Reason::TypeMismatch`]: the type at the publisher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publisher_type: Option<String>,
}

/// Why an entry was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// No such variable, not published, or not to this peer: which of them is nobody's business.
    NotPublished,
    /// Published with another type.
    TypeMismatch,
    /// Shorter than the interval in which values come.
    TimeoutBelowInterval,
    /// The publisher would send more than it may.
    RateExceeded,
    /// Too many entries, slots, flows, or too long a value.
    LimitExceeded,
    /// A deadband that is no positive number, or of a variable that is none.
    InvalidDeadband,
}

/// A flow, and which negotiation it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowName {
    /// Chosen by the publisher.
    pub flow: u16,
    /// New at each negotiation.
    pub epoch: u32,
}

/// Values are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resync {
    /// Of which flow.
    #[serde(flatten)]
    pub name: FlowName,
    /// Everything up to this DATA has arrived.
    pub have: u64,
}

/// A runtime of the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeName {
    /// Its id.
    pub runtime: String,
}

/// What a runtime of the sender does now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublisherState {
    /// Its id.
    pub runtime: String,
    /// What it does.
    pub state: RunState,
}

/// A new key of the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotate {
    /// The Ed25519 public key.
    pub new: Hex<32>,
    /// By it, for this connection.
    pub signature: Hex<64>,
}

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bye {
    /// For people.
    pub reason: String,
}

#[cfg(test)]
mod tests;
