//! What a user declares about inputs and outputs, and the pure checks of it.

mod declare;
mod error;
mod plan;
mod safe;

pub use declare::{
    DeviceWatchdog, DriverConfig, DriverSpec, LoopbackLink, LoopbackSpec, ModbusArea, ModbusMap,
    ModbusMasterSpec, OnError, SimulatedSpec, SimulatedStep, WordOrder,
};
pub use error::{IoProblem, IoSpecError};
pub use plan::{DriverPlan, IoPlan, PlannedDriver, plan};
pub use safe::{SafeDefault, SafeEntry, SafeFrame, SafeValue, plan_safe};
