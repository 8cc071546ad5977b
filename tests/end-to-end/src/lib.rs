//! The whole product from outside: real `lineshaft up`, real `kubectl`, a third-party Modbus device, and
//! SIGKILL. Each test has directories, ports and a device of its own, so all of them run side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test harness ends a test by panicking")]

mod cluster;
mod device;
mod kubectl;
mod plant;
mod processes;
pub mod station;
mod wait;

pub use cluster::{Cluster, apiserver};
pub use device::{Device, Write};
pub use kubectl::Kubectl;
pub use plant::{Plant, repository};
pub use processes::{Process, Role};
pub use wait::wait_until;
