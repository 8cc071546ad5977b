//! `PlcRuntime`: one PLC program with its tasks, its I/O and what happens when something goes wrong.
//!
//! `spec` is written by users, `status.nodeName`, `accepted`, `diagnostics`, `transfer` and the conditions Accepted,
//! ResolvedRefs and Ready by the operator, everything else of `status` by the agent of the node that it is bound to.

mod behaviour;
mod drivers;
mod exchange;
mod io;
mod program;
mod sources;
mod status;
mod tasks;

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

pub use behaviour::{
    Fault, FaultPolicy, Log, LogLevel, Realtime, RealtimeMode, Retain, RetainMode, Watchdog, WatchdogAction,
};
pub use drivers::{
    DeviceWatchdog, EtherCat, EtherCatDevice, EtherCatMap, Gpio, GpioBias, GpioPoint, GpioPolarity, Loopback,
    LoopbackLink, ModbusAccess, ModbusArea, ModbusMap, ModbusMaster, ModbusRange, ModbusSlave, ModbusTcp,
    Mqtt, MqttDirection, MqttEncoding, MqttPoint, MqttTls, OpcUaServer, Parity, SerialLine, Simulated,
    SimulatedStep, WordOrder,
};
pub use exchange::{Debug, Discovery, History, Mesh, OnBreak, Publication, Web};
pub use io::{Binding, Driver, DriverError, Io, SafeState, SafeStateDefault};
pub use program::{
    ConfigMapSource, ConversionRange, Dialect, IntegerOverflow, OnRefused, Program, RealDivideByZero, Rename,
    Semantics, Source, TestPolicy, Update, UpdateMode,
};
pub use sources::{ConfigMaps, SourceFile, Unresolved, sources_hash};
pub use status::{
    AcceptedProgram, Change, ChangeState, Diagnostic, DriverState, DriverStatus, Engine, EngineKind,
    LastFault, PlcRuntimeStatus, ProgramStatus, SchedulingPolicy, Severity, TaskStatus, Transfer, conditions,
};
pub use tasks::{ProgramInstance, Task, TaskScheduling, Trigger};

/// Finalizer that the agent sets before it starts a program, and removes once every output has its safe value.
pub const FINALIZER: &str = "lineshaft.dev/outputs-safe";

/// Annotation whose new values, each once, end a halt: a person has seen it and removed its cause.
pub const ACKNOWLEDGE: &str = "lineshaft.dev/acknowledge";

/// Desired state of one PLC program on one node.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lineshaft.dev",
    version = "v1alpha1",
    kind = "PlcRuntime",
    namespaced,
    doc = "PlcRuntime runs one PLC program on one node: its sources, tasks, inputs and outputs, and what happens when something goes wrong.",
    derive = "PartialEq",
    status = "PlcRuntimeStatus",
    shortname = "plc",
    category = "lineshaft",
    selectable = ".status.nodeName",
    cel,
    validation = Rule::new("self.metadata.name.size() <= 63").message("metadata.name must have at most 63 characters"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Node", type_ = "string", json_path = ".status.nodeName"),
    printcolumn(name = "Program", type_ = "string", description = "Version of the running program", json_path = ".status.program.version"),
    printcolumn(name = "Scan", type_ = "string", json_path = ".status.scan"),
    printcolumn(name = "Fault", type_ = "string", json_path = ".status.lastFault.code"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Run", type_ = "string", json_path = ".spec.run", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = 1),
    printcolumn(name = "Accepted", type_ = "string", json_path = r#".status.conditions[?(@.type=="Accepted")].reason"#, priority = 1),
    printcolumn(name = "Engine", type_ = "string", json_path = ".status.engine.kind", priority = 1),
    printcolumn(name = "Drivers", type_ = "string", json_path = ".status.drivers[*].state", priority = 1),
    printcolumn(name = "Forces", type_ = "integer", json_path = ".status.forces", priority = 1),
    printcolumn(name = "Requested-Node", type_ = "string", json_path = ".spec.nodeName", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct PlcRuntimeSpec {
    /// Node on which this must run; absent: the operator chooses one. A change asks for a move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    pub node_name: Option<String>,
    /// Labels that the chosen node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,
    /// Whether the program runs: Running scans, Paused keeps state and stops its clock, Stopped ends; outputs have their safe values in both.
    #[serde(default)]
    pub run: RunMode,
    /// The program: its sources and how they are compiled and replaced.
    pub program: Program,
    /// Whether a task may interrupt another: Preemptive gives each task a thread, NonPreemptive runs all in one by priority.
    #[serde(default)]
    pub scheduling: TaskScheduling,
    /// Tasks; an entry overrides the task of that name in the source. Without any, here or there, a task `main` runs every program each scan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tasks: Vec<Task>,
    /// What is asked of the node's real-time abilities.
    #[serde(default)]
    pub realtime: Realtime,
    /// Inputs and outputs: drivers, bindings of variables to addresses, safe values.
    #[serde(default)]
    pub io: Io,
    /// How RETAIN variables are kept over restarts.
    #[serde(default)]
    pub retain: Retain,
    /// Limit for the duration of a scan, and what happens beyond it.
    #[serde(default)]
    pub watchdog: Watchdog,
    /// What happens when the program faults.
    #[serde(default)]
    pub fault: Fault,
    /// Variables published to other runtimes; absent: the runtime takes no part in the mesh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mesh: Option<Mesh>,
    /// How the runtime announces itself on the local network; absent: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// The runtime's own web page; absent: none beside the node's console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
    /// Breakpoints and stepping; absent: not allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debug: Option<Debug>,
    /// Variables whose changes the node records; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
    /// How much the runtime's processes log.
    #[serde(default)]
    pub log: Log,
}

/// Whether a program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RunMode {
    /// The program scans.
    #[default]
    Running,
    /// The program ended; outputs have their safe values.
    Stopped,
    /// The program holds: outputs have their safe values, state stays, its clock stands still.
    Paused,
}
