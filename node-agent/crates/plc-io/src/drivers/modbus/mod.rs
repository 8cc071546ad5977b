//! Modbus TCP master.

mod blocks;

pub use blocks::{MapPlace, ModbusPlan, ReadBlock, WriteBlock};
