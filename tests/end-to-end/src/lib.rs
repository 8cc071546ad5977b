//! The whole product from outside: real `lineshaft up`, real `kubectl`, a third-party Modbus device, and
//! SIGKILL. Each test has directories, ports and a device of its own, so all of them run side by side.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test harness ends a test by panicking")]

mod cluster;
mod device;
mod dice;
mod host;
mod kubectl;
mod memory;
pub mod pair;
mod plant;
mod processes;
pub mod station;
mod terminal;
mod tutorial;
mod wait;

pub use cluster::{Cluster, apiserver};
pub use device::{Device, Write};
pub use dice::Dice;
pub use host::{Host, Lan};
pub use kubectl::{Kubectl, kubectl};
pub use memory::Memory;
pub use plant::{Plant, program, repository};
pub use processes::{Process, Role};
pub use terminal::{Printed, Running, Terminal};
pub use tutorial::{Block, Tutorial};
pub use wait::wait_until;
