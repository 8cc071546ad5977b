//! What keeper and runner say to each other, over a socket that is the runner's standard input. Both come from
//! the same build: the keeper starts its own executable.

use crate::engine::EngineKind;
use crate::fault::FaultRecord;
use crate::mesh::Binding;
use crate::protocol::{FaultPolicy, ProgramSpec, RealtimeMode, RealtimeStatus, Rename, WatchdogSpec};
use crate::write::Patch;
use lineshaft_exchange::MailboxPlan;
use lineshaft_plc_compiler::Diagnostic;
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_io::{FrameMap, SafeFrame};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the keeper wants.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    Settings {
        fault: FaultPolicy,
        watchdog: WatchdogSpec,
        realtime: RealtimeMode,
    },
    /// The boxes of these drivers; the memory comes with it.
    Connect {
        ports: Vec<PortSpec>,
    },
    /// Compile, and plan the takeover, beside whatever runs. Answered with [`Report::Prepared`].
    Prepare {
        id: u64,
        program: ProgramSpec,
        renames: Vec<Rename>,
    },
    /// Put what was prepared in place. Answered with [`Report::TookOver`].
    Install {
        id: u64,
        how: How,
        mesh: Option<Box<MeshOrder>>,
    },
    /// Publish and receive other variables, from the next scan on.
    Mesh(Option<Box<MeshOrder>>),
    /// Put these values in place between two scans. Answered with [`Report::Written`].
    Write {
        id: u64,
        patches: Vec<Patch>,
    },
    /// Initial values, while it stands still; RETAIN and PERSISTENT variables keep theirs.
    Reset,
    /// Scan. The first good scan is answered with [`Report::Good`].
    Run,
    /// Stand still after the present scan. Answered with [`Report::Parked`].
    Park,
    /// Stand still and end.
    Quit,
}

/// What is published and received.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MeshOrder {
    pub(crate) binding: Binding,
    /// Of a new mailbox; its memory and its wake-up come with the order. `None`: the present one stays.
    pub(crate) mailbox: Option<Shape>,
}

/// What a mailbox has room for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Shape {
    published: u64,
    received: Vec<Range<u64>>,
    sources: u16,
}

impl From<&MailboxPlan> for Shape {
    fn from(plan: &MailboxPlan) -> Self {
        let received = plan.received.iter().map(|place| place.start as u64..place.end as u64).collect();
        Self { published: plan.published as u64, received, sources: plan.sources }
    }
}

impl From<Shape> for MailboxPlan {
    fn from(shape: Shape) -> Self {
        let received = shape.received.iter().map(|place| place.start as usize..place.end as usize).collect();
        Self { published: shape.published as usize, received, sources: shape.sources }
    }
}

/// How a program takes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// All values are carried over.
    Online,
    /// It begins anew; RETAIN and PERSISTENT variables are carried over.
    Afresh,
}

/// One driver's boxes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PortSpec {
    pub(crate) inputs: FrameMap,
    pub(crate) outputs: FrameMap,
    pub(crate) safe: SafeFrame,
}

/// What the runner tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    Started {
        pid: u32,
    },
    /// The snapshot's memory comes with a program that is ready.
    Prepared {
        id: u64,
        result: Result<Box<Ready>, Vec<Diagnostic>>,
    },
    TookOver {
        took_ns: u64,
    },
    Good,
    Parked,
    /// The values are in place, after this scan.
    Written {
        id: u64,
        scan: u64,
    },
    Fault {
        fault: Box<FaultRecord>,
        goes_on: bool,
    },
    Realtime(RealtimeStatus),
}

/// A program that can be put in place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    pub(crate) engine: EngineKind,
    /// Why the engine is not compiled code.
    pub(crate) engine_refused: Option<String>,
    pub(crate) layout: Layout,
    pub(crate) tasks: Vec<TaskInfo>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Against the program that ran when it was prepared.
    pub(crate) change: Option<Change>,
}

/// A task as declared.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TaskInfo {
    pub(crate) name: String,
    /// 0 for an event task.
    pub(crate) interval_ns: u64,
    pub(crate) priority: u32,
}

/// The plan of an online change, in figures.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) copied: u32,
    pub(crate) converted: u32,
    pub(crate) initialised: u32,
    pub(crate) dropped: u32,
    pub(crate) refused: Vec<(String, String)>,
}
