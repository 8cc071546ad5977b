//! The process image of a PLC runtime and the drivers that fill and send it.
//!
//! A user declares drivers ([`DriverSpec`]); [`plan`] checks them, purely, and gives an [`IoPlan`]: which bits of the
//! image each driver owns ([`FrameMap`]) and what it asks its device for. [`DriverHost`] runs the plan: a thread for
//! each driver, which exchanges frames with the scans through the boxes of `lineshaft-exchange`.
//!
//! This crate must never make a scan wait, never write anything but safe values until its gate is live, never call
//! safe values confirmed that a device did not acknowledge, and never know of Kubernetes or of programs. Start
//! reading at [`spec`], then [`host`].

pub mod drivers;
pub mod host;
pub mod image;
pub mod spec;

pub use host::{DriverHost, DriverState, DriverStatus, OutputMode};
pub use image::{Address, Area, BitRange, FrameMap};
pub use spec::{DriverConfig, DriverSpec, IoPlan, IoSpecError, SafeFrame, plan, plan_safe};
