//! What a program gives to other runtimes and receives of them.
//!
//! Types are those of the compiler; what they look like on a wire, and whether two are equal, is not known here.

use lineshaft_exchange::MailboxPlan;
use lineshaft_plc_compiler::layout::{Layout, TypeId};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A variable that is received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Path of the variable that takes the values; nothing else may write it.
    pub to: String,
    /// What is received, for messages: `LineB:Status.PLCState`.
    pub from: String,
    /// BYTE variable that takes the quality.
    pub quality: Option<String>,
    /// TIME variable that takes the time since the publisher was last known to scan.
    pub age: Option<String>,
    /// After this time without a sign of the publisher's scan the value is stale.
    pub timeout_ns: u64,
    /// What follows then.
    pub on_stale: OnStale,
    /// [`OnStale::Fault`] waits so long after the program begins to run, or the subscription is made.
    pub startup_grace_ns: u64,
}

/// What becomes of a stale value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnStale {
    /// It stays.
    #[default]
    Hold,
    /// An IEC literal takes its place.
    Substitute(String),
    /// It stays, and the program faults with `MeshStale`.
    Fault,
}

/// A variable that cannot be published, received, described or written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Its path, as asked for; that of a subscription is its `to`.
    pub variable: String,
    /// Which kind.
    pub reason: ProblemReason,
    /// A sentence that names the variable.
    pub message: String,
}

/// See [`Problem::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProblemReason {
    /// The program has no such variable.
    NotFound,
    /// Something else writes it: an input, the program's output, another subscription; or it is a constant.
    Conflict,
    /// It refers to something in its own program, or is too large.
    NotShareable,
    /// A variable for quality or age is of another type than BYTE or TIME.
    WrongType,
    /// The substitute is no value of the variable's type.
    InvalidSubstitute,
    /// What is to be written is no value of the variable's type.
    InvalidValue,
    /// Everything together is too much.
    LimitExceeded,
}

/// Types of variables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Types only.
    pub types: Layout,
    /// One for each path that was asked for, in that order.
    pub variables: Vec<Result<TypeId, Problem>>,
}

/// What lies where in a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MailboxInfo {
    /// Never used twice on a host while it is up. Another number means that values, scan numbers and types of the
    /// one before mean nothing any more.
    pub number: u64,
    /// Interval of the fastest task; 0 if none is cyclic.
    pub scan_ns: u64,
    /// Types only.
    pub types: Layout,
    /// Published variables, in the order of the bundle.
    pub published: Vec<Slot>,
    /// Received variables: the entries of the inbox. Those with a problem are left out.
    pub received: Vec<Slot>,
    /// Signs of life that are told apart.
    pub sources: u16,
}

/// A variable in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its path, as asked for.
    pub variable: String,
    /// For a received one: [`Subscription::from`].
    pub from: String,
    /// Its type, in [`MailboxInfo::types`].
    pub ty: TypeId,
    /// Where its memory lies: among the published values, or among those of an image.
    pub place: Range<u32>,
}

/// How a runtime takes part in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeshStatus {
    /// [`MailboxInfo::number`] of the present mailbox; `None` while nothing is published or received.
    pub mailbox: Option<u64>,
    /// Subscriptions that the present program cannot take.
    pub problems: Vec<Problem>,
}

impl MailboxInfo {
    /// What both sides attach with.
    pub fn plan(&self) -> MailboxPlan {
        let end = |slot: &Slot| slot.place.end as usize;
        MailboxPlan {
            published: self.published.iter().map(end).max().unwrap_or(0),
            received: self.received.iter().map(|s| s.place.start as usize..s.place.end as usize).collect(),
            sources: self.sources,
        }
    }
}
