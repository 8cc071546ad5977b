//! Modbus TCP master.

mod blocks;
mod master;

pub use blocks::{MapPlace, ModbusPlan, ReadBlock, WriteBlock};
pub(crate) use master::ModbusDriver;
