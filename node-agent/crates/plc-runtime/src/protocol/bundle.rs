//! Everything needed to run one PlcRuntime.

use lineshaft_plc_compiler::{Options, SourceUnit};
use lineshaft_plc_io::DriverSpec;
use serde::{Deserialize, Serialize};

/// One runtime: program, I/O and policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// Whose it is.
    pub identity: Identity,
    /// `metadata.generation` that this was made from.
    pub generation: i64,
    /// What to compile.
    pub program: ProgramSpec,
    /// How a changed program takes over.
    pub update: UpdatePolicy,
    /// Whether it scans.
    pub run: RunMode,
    /// How tasks share the processor.
    pub scheduling: Scheduling,
    /// Devices and safe values.
    pub io: IoSpec,
    /// What ends a scan that takes too long.
    pub watchdog: WatchdogSpec,
    /// What follows a fault of the program.
    pub fault: FaultPolicy,
    /// Scheduling class and locked memory of the scan threads.
    pub realtime: RealtimeMode,
    /// Paths of the variables that other runtimes may be given.
    #[serde(default)]
    pub publish: Vec<String>,
}

/// Name of a runtime, for messages and shared memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Kubernetes namespace.
    pub namespace: String,
    /// Object name.
    pub name: String,
    /// Object UID.
    pub uid: String,
}

/// Sources and how to compile them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSpec {
    /// `sha256:…` of sources and options. Equal hashes mean the same program.
    pub hash: String,
    /// The sources.
    pub sources: Vec<SourceUnit>,
    /// Dialect, resource, task overrides, bindings.
    pub options: Options,
    /// Meaning of operations that the standard leaves open.
    pub semantics: Semantics,
}

/// Meaning of operations that the standard leaves open. Only the defaults exist so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Semantics {
    /// Integer overflow faults instead of wrapping.
    pub integer_overflow_faults: bool,
    /// REAL division by zero faults instead of giving infinity.
    pub real_divide_by_zero_faults: bool,
    /// A conversion out of range faults instead of saturating.
    pub conversion_range_faults: bool,
}

/// How a changed program takes over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdatePolicy {
    /// Between two scans, or by a restart.
    pub mode: UpdateMode,
    /// When the online change is refused.
    pub on_refused: OnRefused,
    /// Variables that keep their value under a new path.
    pub renames: Vec<Rename>,
}

/// See [`UpdatePolicy::mode`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateMode {
    /// Values are carried over, no scan is missed.
    #[default]
    OnlineChange,
    /// Outputs safe, new program from its initial values (RETAIN and PERSISTENT variables are carried over).
    Restart,
}

/// See [`UpdatePolicy::on_refused`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnRefused {
    /// The old program runs on.
    #[default]
    Keep,
    /// As [`UpdateMode::Restart`].
    Restart,
}

/// A variable or a whole instance that moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// Path in the old program.
    pub from: String,
    /// Path in the new one.
    pub to: String,
}

/// See [`Bundle::run`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunMode {
    /// Scanning.
    #[default]
    Running,
    /// Not scanning, outputs safe; the next start begins from initial values (RETAIN is kept).
    Stopped,
    /// Not scanning, outputs safe, task clock stopped; goes on from the same values.
    Paused,
}

/// See [`Bundle::scheduling`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheduling {
    /// One thread a task.
    #[default]
    Preemptive,
    /// One thread, due tasks in order of priority.
    NonPreemptive,
}

/// Devices and safe values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IoSpec {
    /// Each with explicit ranges of the image; an overlap is refused.
    pub drivers: Vec<DriverSpec>,
    /// Values that outputs take when the program does not run.
    pub safe_state: Vec<SafeValue>,
    /// For outputs without an entry.
    pub safe_state_default: SafeDefault,
}

/// One entry of the safe state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafeValue {
    /// Which output.
    pub target: SafeTarget,
    /// An IEC literal: `FALSE`, `INT#0`, `16#FF`.
    pub value: String,
}

/// An output by address or by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SafeTarget {
    /// `%QX0.0`.
    Address(String),
    /// Path of a variable located in `%Q`.
    Variable(String),
}

/// See [`IoSpec::safe_state_default`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SafeDefault {
    /// 0 and FALSE.
    #[default]
    Zero,
    /// What was written last stays.
    Hold,
}

/// What ends a scan that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchdogSpec {
    /// Off: an endless loop still ends when the keeper stops or replaces the program.
    pub enabled: bool,
    /// Longest execution of one task; `None` is the larger of three intervals and 50 ms.
    pub timeout_ns: Option<u64>,
    /// Scans in a row that must be too long before the action follows, at least 1. A scan that takes ten
    /// timeouts counts as all of them.
    pub sensitivity: u32,
    /// What follows.
    pub action: WatchdogAction,
}

impl Default for WatchdogSpec {
    fn default() -> Self {
        Self { enabled: true, timeout_ns: None, sensitivity: 1, action: WatchdogAction::SafeHalt }
    }
}

/// See [`WatchdogSpec::action`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WatchdogAction {
    /// Outputs safe, values readable, until a new program or an acknowledgement.
    Halt,
    /// As `Halt`, and a new program does not end it: only an acknowledgement does.
    #[default]
    SafeHalt,
    /// Outputs safe, warm start with back-off; too often is `SafeHalt`.
    Restart,
}

/// What follows a fault of the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultPolicy {
    /// Outputs safe, values readable, until a new program or an acknowledgement.
    #[default]
    Halt,
    /// As `Halt`, and a new program does not end it: only an acknowledgement does.
    SafeHalt,
    /// Outputs safe, warm start with back-off; too often is `SafeHalt`.
    Restart,
    /// This scan's outputs are dropped, the outputs go safe, the next scan runs; ten in a row is `Halt`.
    ContinueSafe,
    /// This scan's outputs are dropped, the outputs stay, the next scan runs; ten in a row is `Halt`.
    ContinueHold,
}

/// Scheduling class and locked memory of the scan threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RealtimeMode {
    /// Ordinary threads.
    Off,
    /// SCHED_FIFO and locked memory where granted; the status says what was refused.
    #[default]
    Preferred,
    /// As `Preferred`, and without them the program does not run.
    Required,
}
