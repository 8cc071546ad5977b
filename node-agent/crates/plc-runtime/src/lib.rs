//! Runs compiled PLC programs: interpreter, state image, virtual time, scan engine, online change, and the
//! two processes that every runtime consists of, the *keeper* (drivers, safe outputs, supervision) and the
//! *runner* (compiler, scan threads).
//!
//! Knows nothing of Kubernetes and opens no network socket: plain Rust types in and out, commands over a Unix
//! socket, values through the shared memory of `lineshaft-exchange`. A scan never allocates, locks, logs or
//! waits for a device.
//!
//! Start reading at [`protocol`] for what an agent sends.

#![allow(clippy::single_match_else, reason = "the two ways to go stand beside each other")]

pub mod change;
pub mod client;
mod clock;
pub mod engine;
mod error;
pub mod fault;
pub mod heap;
mod interp;
pub mod keeper;
pub mod launch;
pub mod mesh;
pub mod protocol;
mod rt;
pub mod runner;
pub mod scan;
pub mod state;
mod stdlib;
pub mod task;
pub mod testing;
pub mod virt;
mod wire;
pub mod write;

pub use error::Error;
pub use rt::{carrier_class, try_fifo};

/// Largest state block.
pub const STATE_BYTES_MAX: u64 = 64 * 1024 * 1024;
