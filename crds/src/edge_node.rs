//! `EdgeNode`: one host that can run what is bound to it.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::patterns;

/// Condition types of an `EdgeNode`.
pub mod conditions {
    /// The agent renews its Lease; written by the operator, Unknown when the Lease lapses.
    pub const READY: &str = "Ready";
}

/// Name of the Lease by which the agent of a node shows that it lives.
///
/// The prefix keeps these apart from other Leases of the same namespace, such as the operator's.
pub fn lease_name(node: &str) -> String {
    format!("node-{node}")
}

/// Desired state of a host, as people set it.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "lineshaft.dev",
    version = "v1alpha1",
    kind = "EdgeNode",
    doc = "EdgeNode is a host that runs PLC programs and what belongs to them. Its agent creates it and reports in its status.",
    derive = "PartialEq",
    status = "EdgeNodeStatus",
    shortname = "enode",
    category = "lineshaft",
    cel,
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(name = "Scheduling", type_ = "string", json_path = ".spec.scheduling"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.addresses[0].address"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.agentVersion"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = 1
    ),
    printcolumn(name = "Fencing", type_ = "string", json_path = ".spec.fencing", priority = 1),
    printcolumn(name = "Realtime", type_ = "string", json_path = ".status.realtime.grade", priority = 1),
    printcolumn(name = "Kernel", type_ = "string", json_path = ".status.kernel", priority = 1),
    printcolumn(name = "Architecture", type_ = "string", json_path = ".status.architecture", priority = 1),
    printcolumn(name = "Cores", type_ = "integer", json_path = ".status.cores", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct EdgeNodeSpec {
    /// Whether new objects may be bound to this host; what is bound to it stays either way.
    #[serde(default)]
    pub scheduling: Scheduling,
    /// Fenced declares that this host drives no outputs any more (powered off, unplugged), so that what was bound to it may move without its agent's word.
    #[serde(default)]
    pub fencing: Fencing,
}

/// Whether new objects may be bound to a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheduling {
    /// Objects may be bound.
    #[default]
    Enabled,
    /// Nothing new is bound.
    Disabled,
}

/// A person's word on whether a host still drives outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fencing {
    /// Only its agent can say that outputs are released.
    #[default]
    Unfenced,
    /// The host is off; its objects may move.
    Fenced,
}

/// What the agent of a host reports, and whether the agent lives.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EdgeNodeStatus {
    /// Generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Addresses at which the host can be reached, the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub addresses: Vec<NodeAddress>,
    /// SHA-256 sum of the agent's certificate, for peers that check it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = patterns::SHA256))]
    pub fingerprint: Option<String>,
    /// Addresses and ports at which the agent takes connections of other agents of its site, for runtimes that have no endpoint of their own; the preferred one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 260), regex(pattern = patterns::ENDPOINT)))]
    pub mesh_endpoints: Vec<String>,
    /// Version of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub agent_version: Option<String>,
    /// Operating system as it names itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub operating_system: Option<String>,
    /// Release of the running kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub kernel: Option<String>,
    /// Processor architecture, such as `x86_64` or `aarch64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub architecture: Option<String>,
    /// Number of processor cores that the agent may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub cores: Option<i32>,
    /// Cores that no real-time task is pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub spare_cores: Option<i32>,
    /// Memory of the host in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub memory_bytes: Option<i64>,
    /// Memory in bytes that programs may still claim, as of the last change worth a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub spare_memory_bytes: Option<i64>,
    /// What the host grants to real-time tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realtime: Option<RealtimeAbilities>,
    /// Devices that drivers can use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub devices: Vec<Device>,
    /// Conditions of the host; Ready says whether its agent lives.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// One address of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAddress {
    /// What kind of address this is.
    #[serde(rename = "type")]
    pub type_: NodeAddressType,
    /// The address.
    #[schemars(length(min = 1, max = 253))]
    pub address: String,
}

/// Kinds of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NodeAddressType {
    /// An IP address of the host's own network.
    #[serde(rename = "InternalIP")]
    InternalIp,
    /// The host's name.
    Hostname,
    /// The endpoint of the agent's console.
    Console,
}

/// What a host grants to real-time tasks, as its agent found by trying.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RealtimeAbilities {
    /// Grade of the self-test at the agent's start.
    pub grade: RealtimeGrade,
    /// Whether `SCHED_FIFO` was granted.
    #[serde(default)]
    pub fifo: Grant,
    /// Whether memory could be locked.
    #[serde(default)]
    pub memory_lock: Grant,
    /// Preemption model of the kernel, such as `PREEMPT_RT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub preemption: Option<String>,
    /// Latest wake-up of the self-test, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub worst_lateness_microseconds: Option<i64>,
    /// What was refused and why, such as `EPERM: RT_GROUP_SCHED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub refused: Option<String>,
}

/// How punctual a host's wake-ups are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RealtimeGrade {
    /// Real-time kernel, priorities and locked memory granted, no late wake-up in the self-test.
    Hard,
    /// Priorities and locked memory granted on an ordinary kernel.
    Firm,
    /// Best effort.
    #[default]
    Soft,
}

/// Whether the kernel granted something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Grant {
    /// It was granted.
    Granted,
    /// It was refused.
    #[default]
    Refused,
}

/// A device that drivers of this host can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Name of the device, unique on the host, such as `gpiochip0` or `ttyUSB0`.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Path of its device file, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub path: Option<String>,
}

/// Kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeviceKind {
    /// A GPIO character device.
    Gpio,
    /// A serial port.
    Serial,
    /// A network interface.
    Network,
}
