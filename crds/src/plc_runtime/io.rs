//! `spec.io`: drivers, bindings of variables to addresses, safe values.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::drivers::{EtherCat, Gpio, Loopback, ModbusMaster, ModbusSlave, Mqtt, OpcUaServer, Simulated};
use crate::patterns;

/// Inputs and outputs of a runtime.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Io {
    /// Drivers that fill inputs from devices and send outputs to them; no two may own the same address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub drivers: Vec<Driver>,
    /// Variables that get an address here instead of in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["variable".into()]))]
    pub bindings: Vec<Binding>,
    /// Values that outputs take whenever the program does not drive them: stopped, faulted, deleted, crashed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4096))]
    pub safe_state: Vec<SafeState>,
    /// What outputs without an entry in `safeState` do: Zero writes 0 or FALSE, Hold keeps the last value.
    #[serde(default)]
    pub safe_state_default: SafeStateDefault,
}

/// What outputs without a declared safe value do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SafeStateDefault {
    /// They become 0 or FALSE.
    #[default]
    Zero,
    /// They keep their last value.
    Hold,
}

/// One driver: a device or bus, and the addresses that it owns.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "[has(self.modbusMaster), has(self.modbusSlave), has(self.gpio), has(self.etherCat), has(self.mqtt), \
     has(self.opcUaServer), has(self.simulated), has(self.loopback)].filter(present, present).size() == 1"
).message("must have exactly one of modbusMaster, modbusSlave, gpio, etherCat, mqtt, opcUaServer, simulated, loopback"))]
pub struct Driver {
    /// Name of the driver, as status, events and metrics use it.
    #[schemars(length(min = 1, max = 63), regex(pattern = patterns::LABEL))]
    pub name: String,
    /// What its inputs do while the device cannot be read: Hold keeps the last value, Zero becomes 0, Fault stops the program.
    #[serde(default)]
    pub on_error: DriverError,
    /// How long the device may be unreadable before `onError` applies, in milliseconds.
    #[serde(default = "Driver::default_error_milliseconds")]
    #[schemars(range(min = 0, max = 3_600_000))]
    pub error_milliseconds: i32,
    /// Reads and writes a Modbus device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus_master: Option<ModbusMaster>,
    /// Is a Modbus device that others read and write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus_slave: Option<ModbusSlave>,
    /// Reads and writes pins of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpio: Option<Gpio>,
    /// Is the master of an EtherCAT segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ether_cat: Option<EtherCat>,
    /// Receives and publishes values through an MQTT broker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<Mqtt>,
    /// Serves variables to OPC UA clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opc_ua_server: Option<OpcUaServer>,
    /// Plays inputs from a script, without any device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
    /// Copies outputs to inputs, without any device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loopback: Option<Loopback>,
}

impl Driver {
    fn default_error_milliseconds() -> i32 {
        1000
    }
}

/// What inputs do while their device cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriverError {
    /// They keep the last value.
    #[default]
    Hold,
    /// They become 0.
    Zero,
    /// The program faults.
    Fault,
}

/// A variable that gets its address here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Path of the variable, declared without an address or with `AT %I*`.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub variable: String,
    /// Address in the process image.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::ADDRESS))]
    pub address: String,
}

/// The safe value of one output.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.address) != has(self.variable)").message("must have exactly one of address, variable"))]
pub struct SafeState {
    /// Output address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::OUTPUT_ADDRESS))]
    pub address: Option<String>,
    /// Path of a variable that has an output address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub variable: Option<String>,
    /// The value as an IEC literal in quotes, such as `"FALSE"`, `"INT#0"` or `"16#FF"`.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}
