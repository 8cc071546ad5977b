//! What an agent and a keeper say to each other.
//!
//! Frames are a `u32` length (little-endian) and CBOR, at most [`MESSAGE_BYTES_MAX`]; each side first sends a
//! [`Hello`]. A connection carries one request at a time; a client that waits in [`Request::Watch`] opens
//! another connection for everything else. `docs/design/keeper-runner.md` is the contract in words.

mod bundle;
mod mesh;
mod status;
mod write;

pub use bundle::{
    Bundle, FaultPolicy, Identity, IoSpec, OnRefused, ProgramSpec, RealtimeMode, Rename, RunMode,
    SafeDefault, SafeTarget, SafeValue, Scheduling, Semantics, UpdateMode, UpdatePolicy, WatchdogAction,
    WatchdogSpec,
};
pub use mesh::{Described, MailboxInfo, MeshStatus, OnStale, Problem, ProblemReason, Slot, Subscription};
pub use status::{
    ChangeState, ChangeStatus, Counters, Distribution, DriverState, DriverStatus, EngineKind, EngineStatus,
    Outputs, ProgramStatus, RealtimeStatus, Refusal, RefusalReason, State, Status, TaskStatus,
};
pub use write::{ValueChange, Variable, Write, Written};

use serde::{Deserialize, Serialize};

/// Version of everything in this module. It changes when an older peer could misread a message.
pub const PROTOCOL_VERSION: u32 = 2;

/// Largest frame, either way: 16 MiB of sources with room around them.
pub const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Name of the keeper's socket in its state directory.
pub const SOCKET_NAME: &str = "keeper.sock";

/// First message of each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`] of the sender.
    pub version: u32,
}

/// What a client asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Run this. Everything in it replaces what was applied before; what did not change is left alone.
    Apply(Box<Bundle>),
    /// How it goes.
    Status,
    /// Answered with a [`Response::Status`] as soon as its revision is above this one.
    Watch {
        /// Last revision that the client has seen; 0 answers at once.
        since_revision: u64,
    },
    /// Values of one scan, by symbol path.
    Read {
        /// Compared without regard to case; an instance or structure gives an object, and "" the whole program.
        paths: Vec<String>,
    },
    /// Types of variables of the program that is loaded.
    Describe {
        /// Compared without regard to case.
        paths: Vec<String>,
    },
    /// Receive these variables, and no others, from the next scan on. Answered with [`Response::Mesh`].
    Subscribe {
        /// As many as wanted; each stands for itself.
        wanted: Vec<Subscription>,
    },
    /// The present mailbox.
    Mailbox,
    /// All variables with their types, and which of them may be written.
    Variables,
    /// Values for variables, all of them between two scans or none. Answered with [`Response::Written`] or
    /// [`Response::NotWritten`].
    Write {
        /// At most 256.
        writes: Vec<Write>,
        /// Say only what would change.
        only_check: bool,
    },
    /// Ends a latched `SafeHalted`, and a `Halted` after too many crashes: the program starts again.
    Acknowledge,
    /// Ordered end: program stopped at a scan boundary, outputs safe, keeper gone after the answer.
    Shutdown {
        /// How long to wait for the devices to confirm their safe values.
        deadline_ms: u64,
    },
}

/// What a keeper answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Apply`]: it runs, or will after its next scan.
    Applied(Applied),
    /// To [`Request::Apply`]: nothing was changed, what ran before runs on.
    Refused(Refusal),
    /// To [`Request::Status`] and [`Request::Watch`].
    Status(Box<Status>),
    /// To [`Request::Read`], in the order asked.
    Values(Values),
    /// To [`Request::Describe`].
    Described(Described),
    /// To [`Request::Subscribe`].
    Mesh(MeshStatus),
    /// To [`Request::Mailbox`]. If there is one, its memory and its wake-up follow as descriptors.
    Mailbox(Option<Box<MailboxInfo>>),
    /// To [`Request::Variables`].
    Variables(Vec<Variable>),
    /// To [`Request::Write`]: the next scan works with it, and whoever reads sees it already.
    Written(Written),
    /// To [`Request::Write`]: nothing was written, because of this one.
    NotWritten(Problem),
    /// To [`Request::Acknowledge`].
    Acknowledged,
    /// To [`Request::Shutdown`]; the keeper ends when this is sent.
    Stopped(Stopped),
    /// The request could not be served.
    Failed {
        /// A sentence.
        message: String,
    },
}

/// What an apply did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The program was started or replaced; `None` when it already ran.
    pub change: Option<ChangeStatus>,
    /// Drivers were closed and opened anew, with the outputs safe in between.
    pub io_reconfigured: bool,
    /// Status revision after the apply.
    pub revision: u64,
}

/// Values that were read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Values {
    /// Number of the scan that they belong to.
    pub scan: u64,
    /// Task clock of that scan, nanoseconds.
    pub task_time_ns: i64,
    /// One for each path.
    pub values: Vec<Sample>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// As asked.
    pub path: String,
    /// The value in its JSON form, or why there is none.
    pub value: Result<serde_json::Value, String>,
}

/// How an ordered end went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stopped {
    /// Every device has taken its safe values.
    Confirmed,
    /// The deadline passed without an answer from these drivers.
    Unconfirmed {
        /// Names, each with its last error.
        drivers: Vec<(String, String)>,
    },
}
