//! The drivers, one module each.

mod loopback;
mod modbus;
mod simulated;

pub use loopback::LoopbackPlan;
pub use modbus::{MapPlace, ModbusPlan, ReadBlock, WriteBlock};
pub use simulated::SimulatedPlan;

pub(crate) use loopback::LoopbackDriver;
pub(crate) use modbus::ModbusDriver;
pub(crate) use simulated::SimulatedDriver;
