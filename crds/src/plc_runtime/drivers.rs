//! Configuration of each kind of driver, one struct a kind.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// A Modbus device that the runtime reads and writes.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.tcp) != has(self.rtu)").message("must have exactly one of tcp, rtu"))]
pub struct ModbusMaster {
    /// Modbus TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<ModbusTcp>,
    /// Modbus RTU on a serial line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtu: Option<SerialLine>,
    /// Address of the device on its bus.
    #[serde(default = "ModbusMaster::default_unit_id")]
    #[schemars(range(min = 0, max = 255))]
    pub unit_id: i32,
    /// How long an answer may take, in milliseconds.
    #[serde(default = "ModbusMaster::default_timeout")]
    #[schemars(range(min = 1, max = 60_000))]
    pub timeout_milliseconds: i32,
    /// Ranges of the device and the addresses that they fill or send.
    #[schemars(length(min = 1, max = 256))]
    pub maps: Vec<ModbusMap>,
    /// A register by which the device itself goes safe when nobody writes to it; it is set when the connection opens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_watchdog: Option<DeviceWatchdog>,
}

impl ModbusMaster {
    fn default_unit_id() -> i32 {
        1
    }

    fn default_timeout() -> i32 {
        1000
    }
}

/// Where a Modbus TCP device listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModbusTcp {
    /// Host and port, such as `10.0.0.5:502`.
    #[schemars(length(min = 3, max = 260), regex(pattern = patterns::ENDPOINT))]
    pub endpoint: String,
}

/// A serial line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SerialLine {
    /// Path of the serial port, such as `/dev/ttyUSB0`.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/dev/[-_./A-Za-z0-9]+$"))]
    pub device: String,
    /// Bits per second.
    #[serde(default = "SerialLine::default_baud")]
    #[schemars(range(min = 300, max = 4_000_000))]
    pub baud: i32,
    /// Parity of each character.
    #[serde(default)]
    pub parity: Parity,
    /// Number of stop bits.
    #[serde(default = "SerialLine::default_stop_bits")]
    #[schemars(range(min = 1, max = 2))]
    pub stop_bits: i32,
}

impl SerialLine {
    fn default_baud() -> i32 {
        19_200
    }

    fn default_stop_bits() -> i32 {
        1
    }
}

/// Parity of a serial line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Parity {
    /// Even, as the Modbus specification wants.
    #[default]
    Even,
    /// Odd.
    Odd,
    /// No parity bit.
    None,
}

/// One range of a Modbus device.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.start + self.count <= 65536").message("start + count must not be above 65536"),
    validation = Rule::new("!self.address.startsWith('%Q') || self.area == 'Coil' || self.area == 'Holding'")
        .message("an output address must map to area Coil or Holding: the others are read-only")
)]
pub struct ModbusMap {
    /// Table of the device.
    pub area: ModbusArea,
    /// First coil or register, counted from 0.
    #[schemars(range(min = 0, max = 65535))]
    pub start: i32,
    /// Number of coils or registers.
    #[schemars(range(min = 1, max = 2000))]
    pub count: i32,
    /// First address in the process image: an input is read from the device, an output written to it.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::FIELD_ADDRESS))]
    pub address: String,
    /// Time from one read to the next, in milliseconds; a changed output is written at once, and all again at least every second.
    #[serde(default = "ModbusMap::default_poll")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub poll_milliseconds: i32,
    /// Order of the registers of a value that is wider than one, by the width of `address` (D: two, L: four).
    #[serde(default)]
    pub word_order: WordOrder,
}

impl ModbusMap {
    fn default_poll() -> i32 {
        20
    }
}

/// The four tables of a Modbus device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModbusArea {
    /// Bits, read and written.
    Coil,
    /// Bits, only read.
    Discrete,
    /// 16-bit registers, read and written.
    Holding,
    /// 16-bit registers, only read.
    Input,
}

/// Order of the registers of a wide value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WordOrder {
    /// The most significant register first.
    #[default]
    HighFirst,
    /// The least significant register first.
    LowFirst,
}

/// A register by which a device goes safe on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceWatchdog {
    /// Holding register, counted from 0.
    #[schemars(range(min = 0, max = 65535))]
    pub register: i32,
    /// Value to write, in the device's own unit of time.
    #[schemars(range(min = 0, max = 65535))]
    pub value: i32,
}

/// A Modbus device that the runtime is, for others to read and write.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModbusSlave {
    /// Endpoint to listen at.
    #[schemars(length(min = 3, max = 260), regex(pattern = patterns::ENDPOINT))]
    pub listen: String,
    /// Ranges that others see.
    #[schemars(length(min = 1, max = 256))]
    pub ranges: Vec<ModbusRange>,
}

/// One range that others see.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.start + self.count <= 65536").message("start + count must not be above 65536"))]
pub struct ModbusRange {
    /// Table in which others see it.
    pub area: ModbusArea,
    /// First coil or register, counted from 0.
    #[schemars(range(min = 0, max = 65535))]
    pub start: i32,
    /// Number of coils or registers.
    #[schemars(range(min = 1, max = 2000))]
    pub count: i32,
    /// First address in the process image.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::ADDRESS))]
    pub address: String,
    /// Whether others may write; a write takes effect at the start of a scan.
    #[serde(default)]
    pub access: ModbusAccess,
}

/// What others may do with a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModbusAccess {
    /// Read only.
    #[default]
    ReadOnly,
    /// Read and write.
    ReadWrite,
}

/// Pins of the host.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Gpio {
    /// Name of the GPIO chip, such as `gpiochip0`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[-_A-Za-z0-9]+$"))]
    pub chip: String,
    /// Pins and their addresses.
    #[schemars(length(min = 1, max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["line".into()]))]
    pub points: Vec<GpioPoint>,
}

/// One pin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GpioPoint {
    /// Number of the line on the chip.
    #[schemars(range(min = 0, max = 4095))]
    pub line: i32,
    /// Bit in the process image: an input is read, an output driven.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::FIELD_ADDRESS))]
    pub address: String,
    /// Level that counts as TRUE.
    #[serde(default)]
    pub polarity: GpioPolarity,
    /// Resistor at the pin.
    #[serde(default)]
    pub bias: GpioBias,
    /// How long an input must be stable, in microseconds; 0: no filter.
    #[serde(default)]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub debounce_microseconds: i32,
}

/// Level of a pin that counts as TRUE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GpioPolarity {
    /// High is TRUE.
    #[default]
    ActiveHigh,
    /// Low is TRUE.
    ActiveLow,
}

/// Resistor at a pin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GpioBias {
    /// As the host set it up.
    #[default]
    AsIs,
    /// None.
    Disabled,
    /// To the supply.
    PullUp,
    /// To ground.
    PullDown,
}

/// An EtherCAT segment of which the runtime is the master.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtherCat {
    /// Network interface of the segment.
    #[schemars(length(min = 1, max = 15))]
    pub interface: String,
    /// Time from one cycle to the next, in microseconds.
    #[schemars(range(min = 100, max = 1_000_000))]
    pub cycle_microseconds: i32,
    /// Devices in the order of the segment.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["position".into()]))]
    pub devices: Vec<EtherCatDevice>,
}

/// One device of a segment; another one at its position is an error.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtherCatDevice {
    /// Position in the segment, counted from 0.
    #[schemars(range(min = 0, max = 65535))]
    pub position: i32,
    /// Vendor identifier that the device must have.
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub vendor: i64,
    /// Product code that the device must have.
    #[schemars(range(min = 0, max = 4_294_967_295_i64))]
    pub product: i64,
    /// Process data of the device and their addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub maps: Vec<EtherCatMap>,
}

/// One process data object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EtherCatMap {
    /// Index in the object dictionary.
    #[schemars(range(min = 0, max = 65535))]
    pub index: i32,
    /// Subindex in the object dictionary.
    #[serde(default)]
    #[schemars(range(min = 0, max = 255))]
    pub subindex: i32,
    /// Width in bits.
    #[schemars(range(min = 1, max = 64))]
    pub bits: i32,
    /// First address in the process image.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::FIELD_ADDRESS))]
    pub address: String,
}

/// Values through an MQTT broker.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mqtt {
    /// Host and port of the broker.
    #[schemars(length(min = 3, max = 260), regex(pattern = patterns::ENDPOINT))]
    pub broker: String,
    /// TLS to the broker; absent: plain TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<MqttTls>,
    /// Topics and their addresses.
    #[schemars(length(min = 1, max = 1024))]
    pub points: Vec<MqttPoint>,
}

/// TLS to a broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttTls {
    /// Secret of the same namespace with `ca.crt`, and `tls.crt` and `tls.key` for mutual TLS.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    pub secret_name: String,
}

/// One topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MqttPoint {
    /// Topic, without wildcards.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^+#]+$"))]
    pub topic: String,
    /// Address in the process image.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::FIELD_ADDRESS))]
    pub address: String,
    /// How a value is written in a message.
    #[serde(default)]
    pub encoding: MqttEncoding,
    /// Whether the topic is received or published.
    pub direction: MqttDirection,
}

/// How a value is written in a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttEncoding {
    /// As JSON: `true`, `12`, `1.5`.
    #[default]
    Json,
    /// As little-endian bytes.
    Binary,
}

/// Whether a topic is received or published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MqttDirection {
    /// Received into an input.
    Receive,
    /// Published from an output.
    Publish,
}

/// Variables for OPC UA clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpcUaServer {
    /// Endpoint to listen at; the variables of `VAR_ACCESS` are served.
    #[schemars(length(min = 3, max = 260), regex(pattern = patterns::ENDPOINT))]
    pub listen: String,
}

/// Inputs from a script.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Simulated {
    /// Steps of the script, in the order of their times.
    #[schemars(length(min = 1, max = 1024))]
    pub steps: Vec<SimulatedStep>,
    /// Length of the script after which it starts again, in milliseconds; absent: it plays once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400_000))]
    pub repeat_milliseconds: Option<i32>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SimulatedStep {
    /// Time since the driver's start, in milliseconds.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub at_milliseconds: i32,
    /// Input address.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::INPUT_ADDRESS))]
    pub address: String,
    /// Value as an IEC literal in quotes, such as `"TRUE"` or `"INT#12"`.
    #[schemars(length(min = 1, max = 256))]
    pub value: String,
}

/// Outputs that come back as inputs with the next scan.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loopback {
    /// Which outputs come back where.
    #[schemars(length(min = 1, max = 256))]
    pub links: Vec<LoopbackLink>,
}

/// One range of outputs that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoopbackLink {
    /// First output address.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::OUTPUT_ADDRESS))]
    pub from: String,
    /// First input address, of the same width as `from`.
    #[schemars(length(min = 3, max = 16), regex(pattern = patterns::INPUT_ADDRESS))]
    pub to: String,
    /// Number of elements of that width.
    #[serde(default = "LoopbackLink::default_count")]
    #[schemars(range(min = 1, max = 8192))]
    pub count: i32,
}

impl LoopbackLink {
    fn default_count() -> i32 {
        1
    }
}
