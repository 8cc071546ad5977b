//! Drivers at work: a thread for each, its boxes, and the gate between safe and live outputs.

mod control;
mod driver;
mod inputs;
mod port;
mod status;
mod threads;

pub use control::{Order, OutputMode, StopToken};
pub use driver::{Driver, IoError};
pub use port::DriverPort;
pub use status::{DriverState, DriverStatus};
pub use threads::{DriverHost, HostError, StopOutcome};
