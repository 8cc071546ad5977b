//! What a driver is.

use lineshaft_fieldbus::modbus::ModbusError;

use super::{DriverPort, StopToken};

/// A way to a device. Each has a thread of its own and may block there; it must look at the stop token and at the
/// port's order at least every few milliseconds while it waits for anything but an answer.
pub trait Driver: Send {
    /// Makes the connection. Called again after each failure, with growing delays.
    fn open(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError>;

    /// Exchanges values until it is stopped (`Ok`) or the device is lost (`Err`).
    fn run(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError>;

    /// Brings the device to its safe values; `Ok` once it has acknowledged them. The last call of all. It has to work
    /// after `open` or `run` failed, too, and gives up at the port's deadline.
    fn safe(&mut self, port: &mut DriverPort) -> Result<(), IoError>;
}

/// Why a driver does not exchange values.
#[derive(Debug, thiserror::Error)]
pub enum IoError {
    /// A Modbus request failed.
    #[error(transparent)]
    Modbus(#[from] ModbusError),
    /// The time that a stopping driver had is over; an answer may have been on its way.
    #[error("given up on an answer because the driver has to end")]
    GivenUp,
    /// Safe values must not wait for an answer that may take long.
    #[error("the device took too long for an answer while its outputs had to go safe; it is connected anew")]
    HeldUp,
    /// A defect of the driver itself.
    #[error("a defect in this driver ended it; it is started again, and the log says where the defect is")]
    Panicked,
    /// The device did not acknowledge its safe values in time.
    #[error("the device has not acknowledged its safe values in time: {0}")]
    SafeNotConfirmed(String),
}

impl IoError {
    /// Whether the connection to the device can be used on.
    pub fn connection_is_fine(&self) -> bool {
        matches!(self, Self::Modbus(error) if error.connection_is_fine())
    }
}
