//! How a runtime goes, as its keeper sees it.

use super::mesh::MeshStatus;
pub use crate::engine::EngineKind;
use crate::fault::FaultRecord;
use lineshaft_exchange::HistogramSnapshot;
use lineshaft_plc_compiler::Diagnostic;
use serde::{Deserialize, Serialize};

/// The whole status. Everything but [`TaskStatus`]'s figures and [`Counters`] moves
/// [`revision`](Self::revision) when it changes; those are for metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Counts changes, from 1, for as long as the keeper lives.
    pub revision: u64,
    /// The keeper's process.
    pub pid: u32,
    /// The runner's process, while there is one.
    pub runner_pid: Option<u32>,
    /// Generation of the last applied bundle, 0 before the first.
    pub generation: i64,
    /// What it does.
    pub state: State,
    /// A sentence on why it is in this state, or empty.
    pub reason: String,
    /// The program that is loaded.
    pub program: Option<ProgramStatus>,
    /// A newer bundle that was refused; gone with the next one that is accepted.
    pub refused: Option<Refusal>,
    /// What executes it.
    pub engine: EngineStatus,
    /// What the scan thread was granted.
    pub realtime: RealtimeStatus,
    /// In order of priority.
    pub tasks: Vec<TaskStatus>,
    /// In order of the bundle.
    pub drivers: Vec<DriverStatus>,
    /// What the devices see.
    pub outputs: Outputs,
    /// The last fault since the keeper started.
    pub last_fault: Option<FaultRecord>,
    /// The last time a program took over.
    pub change: Option<ChangeStatus>,
    /// What is published and received.
    pub mesh: MeshStatus,
    /// Figures for metrics.
    pub counters: Counters,
}

/// What a runtime does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Nothing has scanned yet.
    #[default]
    Starting,
    /// Scanning.
    Running,
    /// Asked to stand still, from initial values next time.
    Stopped,
    /// Asked to stand still, goes on from here.
    Paused,
    /// Stands still after a fault or too many crashes.
    Halted,
    /// Stands still until acknowledged.
    SafeHalted,
    /// Waits to start again after a fault or a crash.
    Restarting,
}

/// The program that is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramStatus {
    /// From its bundle.
    pub hash: String,
    /// Of the bundle that brought it.
    pub generation: i64,
    /// Of the state block.
    pub layout_hash: u64,
    /// Version of the compiler.
    pub compiler: String,
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
}

/// A bundle that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Generation of the bundle.
    pub generation: i64,
    /// Hash of its program.
    pub hash: String,
    /// Which part.
    pub reason: RefusalReason,
    /// A sentence.
    pub message: String,
    /// The compiler's findings.
    pub diagnostics: Vec<Diagnostic>,
    /// For [`RefusalReason::Migration`] and [`RefusalReason::InvalidMesh`]: variables, each with its reason.
    pub variables: Vec<(String, String)>,
}

/// Why a bundle was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusalReason {
    /// The program does not compile.
    CompileError,
    /// Values cannot be carried over and the policy is to keep the old program.
    Migration,
    /// Drivers, addresses or safe values are wrong.
    InvalidIo,
    /// A published variable is not in the program, or cannot be shared.
    InvalidMesh,
    /// Something that this engine cannot do.
    Unsupported,
    /// The runner died or hung while it prepared the program.
    RunnerFailed,
}

/// What executes the program.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Which.
    pub kind: EngineKind,
    /// One thread a task, or all tasks on one.
    pub one_thread: bool,
    /// A sentence where this is not what was asked for, or empty.
    pub note: String,
}

/// What the scan thread was granted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RealtimeStatus {
    /// `FIFO` or `OTHER`.
    pub policy: String,
    /// Of SCHED_FIFO, 0 otherwise.
    pub priority: u32,
    /// Memory cannot be paged out.
    pub memory_locked: bool,
    /// What was refused and why (`SCHED_FIFO 79: EPERM`), or empty.
    pub refused: String,
}

/// One task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// As declared.
    pub name: String,
    /// 0 for an event or background task.
    pub interval_ns: u64,
    /// IEC priority, 0 is the highest.
    pub priority: u32,
    /// Figure: execution time of the last scan.
    pub exec_last_ns: u64,
    /// Figure: mean execution time.
    pub exec_avg_ns: u64,
    /// Figure: longest execution time.
    pub exec_max_ns: u64,
    /// Figure: how late the last scan began.
    pub late_last_ns: u64,
    /// Figure: how late the latest scan began.
    pub late_max_ns: u64,
    /// Figure: scans done.
    pub scans: u64,
    /// Figure: scans that ended after their next grid point.
    pub overruns: u64,
    /// Figure: grid points without a scan.
    pub missed: u64,
    /// Figure: execution times of all scans.
    pub exec: Distribution,
    /// Figure: how late all scans began.
    pub late: Distribution,
}

/// How many of a task's times lie below which bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    /// Times at or below each of [`Distribution::BOUNDS_NS`], so never falling; empty before the first scan.
    pub at_or_below: Vec<u64>,
    /// All times.
    pub count: u64,
    /// Their sum.
    pub sum_ns: u64,
}

impl Distribution {
    /// From a microsecond, which no scan beats, to a second, which no scan should take.
    pub const BOUNDS_NS: [u64; 16] = [
        1_000,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        1_000_000_000,
    ];

    /// What the scan threads counted, with the sum of all times.
    pub fn of(counted: &HistogramSnapshot, sum_ns: u64) -> Self {
        let at_or_below = Self::BOUNDS_NS.iter().map(|&bound| counted.at_or_below(bound)).collect();
        Self { at_or_below, count: counted.total(), sum_ns }
    }
}

/// One driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverStatus {
    /// From its spec.
    pub name: String,
    /// How it is.
    pub state: DriverState,
    /// The last error, or empty.
    pub error: String,
    /// Since when, milliseconds since 1970.
    pub since_unix_ms: u64,
}

/// See [`DriverStatus::state`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverState {
    /// Not connected yet.
    #[default]
    Connecting,
    /// Exchanging data.
    Operational,
    /// Not exchanging data; tries again.
    Failed,
}

/// What the devices see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outputs {
    /// Safe values, taken by every device.
    Safe,
    /// Safe values were sent, and not every device has answered yet.
    #[default]
    SafeUnconfirmed,
    /// The program's values.
    Live,
}

/// How a program took over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeStatus {
    /// In which way.
    pub state: ChangeState,
    /// Variables that kept their value.
    pub copied: u32,
    /// Variables whose value was widened to a new type.
    pub converted: u32,
    /// Variables that began with their initial value.
    pub initialised: u32,
    /// Variables of the old program that are gone.
    pub dropped: u32,
    /// Nanoseconds between the last scan of the old and the readiness of the new program.
    pub swap_ns: u64,
}

/// See [`ChangeStatus::state`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChangeState {
    /// First program, from initial values.
    #[default]
    Started,
    /// Between two scans.
    Applied,
    /// Outputs safe, then from initial values.
    Restarted,
}

/// Figures of a keeper, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Scans of all tasks.
    pub scans: u64,
    /// Overruns of all tasks.
    pub overruns: u64,
    /// Missed grid points of all tasks.
    pub missed: u64,
    /// Faults of the program.
    pub faults: u64,
    /// Watchdog hits, both levels.
    pub watchdog: u64,
    /// Runner processes that ended by themselves.
    pub crashes: u64,
    /// Runner processes started.
    pub starts: u64,
    /// Programs that took over between two scans.
    pub online_changes: u64,
}
