//! Modbus TCP: a client, and a server for simulators and tests.

mod client;
mod error;
mod server;
mod tables;

pub use client::Client;
pub use error::{Exception, ModbusError};
pub use server::{DataModel, MAX_CONNECTIONS, Server};
pub use tables::{Table, Tables};
