//! Protocol clients for field devices, and simulators that speak the same protocols.
//!
//! This crate must never know of process images, of programs or of Kubernetes. A client makes one request at a time
//! and reports what became of it; when to try again is decided above, with [`Backoff`] as the tool.
//!
//! Start reading at [`modbus`].

mod backoff;
pub mod modbus;
pub mod sim;

pub use backoff::Backoff;
