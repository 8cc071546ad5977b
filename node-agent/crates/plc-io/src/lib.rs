//! The process image of a PLC runtime and the drivers that fill and send it.
//!
//! A user declares drivers ([`DriverSpec`]); [`plan`] checks them, purely, and gives an [`IoPlan`]: which bits of the
//! image each driver owns ([`FrameMap`]) and what it asks its device for.
//!
//! This crate must never make a scan wait, never write anything but safe values until its gate is live, and never
//! know of Kubernetes or of programs. Start reading at `spec`.

pub mod drivers;
pub mod image;
pub mod spec;

pub use image::{Address, Area, BitRange, FrameMap};
pub use spec::{DriverConfig, DriverSpec, IoPlan, IoSpecError, SafeFrame, plan, plan_safe};
