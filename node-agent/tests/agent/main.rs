//! The agent against a real API server, with real keepers and a real Modbus device.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking; clippy sees only test functions as tests"
)]

mod deletion;
mod halts;
mod mesh;
mod node;
mod plant;
mod programs;
mod restarts;
