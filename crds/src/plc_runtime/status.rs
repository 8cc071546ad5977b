//! Status of a `PlcRuntime`.
//!
//! Two writers share it, each with its own field manager. The operator owns `nodeName`, `accepted`, `diagnostics`,
//! `transfer` and three conditions; the agent of the bound node owns everything else. Figures are written on
//! transitions only: what moves with every scan is a metric.
//!
//! **What runs.** The agent loads a program only if the object's generation is `accepted.generation` and the hash of
//! the sources that it read is `accepted.sourcesHash`: so nothing runs that the operator did not compile, also when a
//! `ConfigMap` changes without the spec. Otherwise it goes on with what it last loaded.
//!
//! **Who drives outputs.** Before it starts anything, the agent writes its node's name to `holder` (which admission
//! allows only while `nodeName` says so too), and removes it once all outputs have their safe values. To move an
//! object, the operator sets `transfer`, waits until `holder` is gone (or that node is fenced), and writes the new
//! `nodeName` with the resource version that it read, so that a late `holder` makes it start over.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::edge_node::RealtimeGrade;
use crate::patterns;

/// Condition types of a `PlcRuntime`, and who writes them.
pub mod conditions {
    /// Operator: the spec is legal, the program compiles, a node fits.
    pub const ACCEPTED: &str = "Accepted";
    /// Operator: everything that the spec refers to exists.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// Operator: the summary of all others.
    pub const READY: &str = "Ready";
    /// Agent: the accepted program is the one that is loaded.
    pub const PROGRAM_LOADED: &str = "ProgramLoaded";
    /// Agent: the program scans, or stands as `spec.run` asks.
    pub const RUNNING: &str = "Running";
    /// Agent: every driver reaches its device.
    pub const IO_HEALTHY: &str = "IoHealthy";
    /// Agent: the node grants what `spec.realtime` prefers.
    pub const REALTIME_QUALIFIED: &str = "RealtimeQualified";
    /// Agent: retained values were found and restored.
    pub const RETAIN_RESTORED: &str = "RetainRestored";
}

/// What is known of a runtime: where it is bound, what was accepted, what runs.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlcRuntimeStatus {
    /// Generation of the spec that the operator last judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Node that this is bound to; written by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node_name: Option<String>,
    /// Node whose agent drives the outputs, or may; it removes the name once they have their safe values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub holder: Option<String>,
    /// Asks the agent of the bound node to let go, because the object is to move; written by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// The newest program that the operator accepted, and the only one that an agent may load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<AcceptedProgram>,
    /// What the operator's compiler says of the newest program, accepted or not; the first twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub diagnostics: Vec<Diagnostic>,
    /// The program that runs, whatever was refused since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramStatus>,
    /// What executes the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// The last change of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// Interval of the fastest task, for people, such as `10ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub scan: Option<String>,
    /// Tasks as the node granted them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tasks: Vec<TaskStatus>,
    /// Drivers and whether they reach their devices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub drivers: Vec<DriverStatus>,
    /// Number of forced variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub forces: Option<i32>,
    /// The newest fault since the keeper started; it stays there while a later program runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_fault: Option<LastFault>,
    /// Conditions; Ready sums them up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// A move that waits for the old node's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Node that the object is to move to.
    #[schemars(length(min = 1, max = 253))]
    pub to: String,
    /// Why, in a sentence.
    #[schemars(length(max = 256))]
    pub reason: String,
}

/// A program that passed the operator's checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedProgram {
    /// Generation of the spec that was accepted.
    #[schemars(range(min = 0))]
    pub generation: i64,
    /// Hash of all sources' names and texts, in their order.
    #[schemars(length(max = 71), regex(pattern = patterns::SHA256))]
    pub sources_hash: String,
}

/// The program that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgramStatus {
    /// Hash of its sources' names and texts.
    #[schemars(length(max = 71), regex(pattern = patterns::SHA256))]
    pub hash: String,
    /// The first twelve digits of `hash`, for people.
    #[schemars(length(max = 12))]
    pub version: String,
    /// Generation of the spec that it runs with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub generation: Option<i64>,
    /// Hash of the layout of its variables; two programs with the same one exchange without conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub layout_hash: Option<String>,
    /// Version of the compiler that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub compiler: Option<String>,
    /// What the node's compiler said of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub diagnostics: Vec<Diagnostic>,
}

/// One message of a compiler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    /// Stable code, such as `LS3002`.
    #[schemars(length(max = 16))]
    pub code: String,
    /// How bad it is.
    pub severity: Severity,
    /// Where: `file:line:column`.
    #[schemars(length(max = 320))]
    pub at: String,
    /// What is wrong.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// What to write instead, where the compiler knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub help: Option<String>,
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Severity {
    /// The program is refused.
    Error,
    /// The program may not do what was meant.
    Warning,
    /// Something worth knowing.
    Note,
}

/// What executes a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Engine {
    /// Machine code or interpreter.
    pub kind: EngineKind,
    /// Why it is this one, where it is not the first choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
}

/// Kinds of engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EngineKind {
    /// Machine code.
    Jit,
    /// The interpreter.
    Interpreter,
}

/// How a program replaced the one before it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// How far the change came.
    pub state: ChangeState,
    /// Number of variables whose values were kept as they are.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub copied: i32,
    /// Number of variables whose values were converted to a wider type or another bound.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub converted: i32,
    /// Number of variables that got their initial values.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub initialised: i32,
    /// Number of variables that are gone.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub dropped: i32,
    /// Variables for which the change was refused, and why; the first twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 640)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub refused: Vec<String>,
    /// When it came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}

/// How far a change of program came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeState {
    /// It waits for a moment between two scans.
    Planned,
    /// The new program runs.
    Applied,
    /// The old program runs on.
    Refused,
    /// The old program runs again.
    RolledBack,
}

/// A task as the node granted it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Name of the task.
    #[schemars(length(min = 1, max = 64))]
    pub name: String,
    /// Time from one scan to the next, in microseconds; absent for a task that only its trigger releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub interval_microseconds: Option<i64>,
    /// Scheduling policy that the kernel granted.
    pub policy: SchedulingPolicy,
    /// Priority under that policy.
    #[serde(default)]
    pub priority: i32,
    /// Cores that the task is pinned to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(range(min = 0, max = 1023)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub cpus: Vec<i32>,
    /// What the kernel refused, such as `EPERM: RT_GROUP_SCHED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub refused: Option<String>,
    /// How punctual the task is.
    #[serde(default)]
    pub grade: RealtimeGrade,
}

/// Scheduling policies of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SchedulingPolicy {
    /// `SCHED_FIFO`.
    #[serde(rename = "FIFO")]
    Fifo,
    /// `SCHED_OTHER`.
    #[serde(rename = "OTHER")]
    Other,
}

/// A driver and whether it reaches its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DriverStatus {
    /// Name of the driver.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Whether it reaches its device.
    pub state: DriverState,
    /// What is wrong, where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// Whether a driver reaches its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriverState {
    /// It is connecting for the first time.
    Connecting,
    /// It reads and writes.
    Operational,
    /// It reaches the device, and some of what it asks for fails.
    Degraded,
    /// It does not reach the device and tries again.
    Disconnected,
    /// It is closed.
    Stopped,
}

/// A fault of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastFault {
    /// What happened, such as `IndexOutOfBounds`.
    #[schemars(length(min = 1, max = 64))]
    pub code: String,
    /// What happened, in a sentence with its operands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Where in the source: `file:line:column`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub at: Option<String>,
    /// Path of the instance that executed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub instance: Option<String>,
    /// Task in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub task: Option<String>,
    /// Number of the scan in which it happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub scan: Option<i64>,
    /// When it happened.
    pub time: Time,
}
