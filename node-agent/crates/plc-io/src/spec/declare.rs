//! Drivers as they are declared: plain data that travels between agent and keeper.

use serde::{Deserialize, Serialize};

/// One driver: a device and the addresses that it owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriverSpec {
    /// Name in status, events and metrics; each driver of a runtime has its own.
    pub name: String,
    /// What inputs do while the device cannot be read.
    #[serde(default)]
    pub on_error: OnError,
    /// How long the device may be silent before `on_error` applies, in milliseconds.
    #[serde(default = "DriverSpec::default_error_ms")]
    pub error_ms: u32,
    /// Which driver, and its settings.
    pub config: DriverConfig,
}

impl DriverSpec {
    const fn default_error_ms() -> u32 {
        1000
    }
}

/// What inputs do while the device cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum OnError {
    /// They keep their last value.
    #[default]
    Hold,
    /// They become 0.
    Zero,
    /// They keep their last value, and the runtime is asked to fault.
    Fault,
}

/// Which driver, and its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DriverConfig {
    /// Reads and writes a Modbus TCP device.
    ModbusMaster(ModbusMasterSpec),
    /// Plays inputs from a script.
    Simulated(SimulatedSpec),
    /// Outputs come back as inputs.
    Loopback(LoopbackSpec),
}

/// A Modbus TCP device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModbusMasterSpec {
    /// Host and port, such as `10.0.0.5:502`.
    pub endpoint: String,
    /// Address of the device behind that endpoint.
    #[serde(default = "ModbusMasterSpec::default_unit_id")]
    pub unit_id: u8,
    /// How long a connection or an answer may take, in milliseconds.
    #[serde(default = "ModbusMasterSpec::default_timeout_ms")]
    pub timeout_ms: u32,
    /// Ranges of the device and the addresses that they fill or send.
    pub maps: Vec<ModbusMap>,
    /// A register by which the device goes safe on its own when nobody writes; set whenever a connection opens.
    #[serde(default)]
    pub device_watchdog: Option<DeviceWatchdog>,
}

impl ModbusMasterSpec {
    const fn default_unit_id() -> u8 {
        1
    }

    const fn default_timeout_ms() -> u32 {
        1000
    }
}

/// One range of a Modbus device. An input address is read from the device, an output address is written to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModbusMap {
    /// Table of the device.
    pub area: ModbusArea,
    /// First coil or register, counted from 0.
    pub start: u32,
    /// Number of coils or registers.
    pub count: u32,
    /// First address in the image. Coils take X (bit after bit) or B, registers take W, D (two each) or L (four).
    pub address: String,
    /// Time from one read to the next, in milliseconds. For outputs: a change is written at once, and everything
    /// again after 20 times this, at least every second.
    #[serde(default = "ModbusMap::default_poll_ms")]
    pub poll_ms: u32,
    /// Order of the registers of a value that is wider than one.
    #[serde(default)]
    pub word_order: WordOrder,
}

impl ModbusMap {
    const fn default_poll_ms() -> u32 {
        20
    }
}

/// The four tables of a Modbus device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

impl ModbusArea {
    /// Whether the table has bits, not registers.
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    /// Whether a master can write it.
    pub const fn is_writable(self) -> bool {
        matches!(self, Self::Coil | Self::Holding)
    }
}

/// Order of the registers of a wide value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum WordOrder {
    /// The most significant register first.
    #[default]
    HighFirst,
    /// The least significant register first.
    LowFirst,
}

/// A register by which a device goes safe on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeviceWatchdog {
    /// Holding register, counted from 0.
    pub register: u16,
    /// Value to write, in the device's own unit of time.
    pub value: u16,
}

/// Inputs from a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimulatedSpec {
    /// Steps, in the order of their times.
    pub steps: Vec<SimulatedStep>,
    /// After how many milliseconds the script starts again; absent: it plays once.
    #[serde(default)]
    pub repeat_ms: Option<u32>,
}

/// One step of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SimulatedStep {
    /// Milliseconds since the driver's start.
    pub at_ms: u32,
    /// Input address.
    pub address: String,
    /// Value as an IEC literal, such as `TRUE` or `INT#12`.
    pub value: String,
}

/// Outputs that come back as inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoopbackSpec {
    /// Which outputs come back where.
    pub links: Vec<LoopbackLink>,
}

/// One range of outputs that comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoopbackLink {
    /// First output address.
    pub from: String,
    /// First input address, of the same width.
    pub to: String,
    /// Number of elements of that width.
    #[serde(default = "LoopbackLink::default_count")]
    pub count: u32,
}

impl LoopbackLink {
    const fn default_count() -> u32 {
        1
    }
}
