//! What can become of a Modbus request.

use std::fmt;
use std::time::Duration;

use tokio_modbus::ExceptionCode;

/// Why a request brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ModbusError {
    /// No connection.
    #[error("cannot connect to {endpoint}: {}", plain(.source))]
    Connect {
        /// Host and port.
        endpoint: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// No connection within the time limit.
    #[error("cannot connect to {endpoint} within {limit:?}: check the address, and whether the device is on")]
    ConnectTimeout {
        /// Host and port.
        endpoint: String,
        /// How long it was tried.
        limit: Duration,
    },
    /// No answer within the time limit. The answer may still come, so the connection is of no more use.
    #[error("no answer to {request} within {limit:?}")]
    Timeout {
        /// What was asked.
        request: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection broke.
    #[error("connection lost during {request}: {}", plain(.source))]
    Lost {
        /// What was asked.
        request: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The device closed the connection.
    #[error("the device closed the connection during {request}")]
    Closed {
        /// What was asked.
        request: String,
    },
    /// Something came back that is no answer to the request.
    #[error("wrong answer to {request}: {problem}")]
    WrongAnswer {
        /// What was asked.
        request: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The device refused the request; the connection is fine.
    #[error("the device refused {request}: {exception}")]
    Refused {
        /// What was asked.
        request: String,
        /// Its reason.
        exception: Exception,
    },
}

impl ModbusError {
    /// Whether the connection can be used on.
    pub fn connection_is_fine(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// What a person can do about a system's answer, without its number.
fn plain(source: &std::io::Error) -> String {
    use std::io::ErrorKind as K;
    let text = match source.kind() {
        K::ConnectionRefused => "nothing listens there; check the port, and whether the device is on",
        K::HostUnreachable | K::NetworkUnreachable => {
            "there is no way to it; check the address, the cable and the network"
        }
        K::TimedOut => "it does not answer any more; check the network, and whether the device is on",
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            "the device broke it off; it may have been restarted, or allow fewer connections"
        }
        _ => {
            let text = source.to_string();
            return text.split(" (os error ").next().unwrap_or_default().to_owned();
        }
    };
    text.to_owned()
}

/// A device's reason to refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exception {
    /// 1: it does not know the function.
    IllegalFunction,
    /// 2: it does not have these addresses.
    IllegalDataAddress,
    /// 3: it does not take this value or count.
    IllegalDataValue,
    /// 4: it failed.
    DeviceFailure,
    /// 6: it is busy.
    DeviceBusy,
    /// 10: the gateway has no way to it.
    GatewayPathUnavailable,
    /// 11: the gateway got no answer from it.
    GatewayTargetDevice,
    /// Any other code.
    Other(u8),
}

impl Exception {
    /// The code on the wire.
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalDataAddress => 2,
            Self::IllegalDataValue => 3,
            Self::DeviceFailure => 4,
            Self::DeviceBusy => 6,
            Self::GatewayPathUnavailable => 10,
            Self::GatewayTargetDevice => 11,
            Self::Other(code) => code,
        }
    }

    const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::IllegalFunction,
            2 => Self::IllegalDataAddress,
            3 => Self::IllegalDataValue,
            4 => Self::DeviceFailure,
            6 => Self::DeviceBusy,
            10 => Self::GatewayPathUnavailable,
            11 => Self::GatewayTargetDevice,
            code => Self::Other(code),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::IllegalFunction => "IllegalFunction, it does not know this function",
            Self::IllegalDataAddress => "IllegalDataAddress, it does not have these addresses",
            Self::IllegalDataValue => "IllegalDataValue, it does not take this value or count",
            Self::DeviceFailure => "ServerDeviceFailure, it failed or there is no such unit",
            Self::DeviceBusy => "ServerDeviceBusy, it is busy",
            Self::GatewayPathUnavailable => "GatewayPathUnavailable, the gateway has no way to this unit",
            Self::GatewayTargetDevice => "GatewayTargetDevice, the unit does not answer the gateway",
            Self::Other(_) => "a reason of its own",
        };
        write!(f, "exception {} ({text})", self.code())
    }
}

impl From<ExceptionCode> for Exception {
    fn from(code: ExceptionCode) -> Self {
        Self::from_code(code.into())
    }
}

impl From<Exception> for ExceptionCode {
    fn from(exception: Exception) -> Self {
        Self::new(exception.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_what_to_do_and_not_the_number_of_an_error() {
        let connect = |code| {
            let source = std::io::Error::from_raw_os_error(code);
            ModbusError::Connect { endpoint: "press:502".to_owned(), source }.to_string()
        };
        let refused = "cannot connect to press:502: nothing listens there; check the port, and whether the device is on";
        assert_eq!(connect(111), refused);
        for code in 1..134 {
            assert!(!connect(code).contains("os error"), "{}", connect(code));
        }
    }

    #[test]
    fn every_code_survives_the_way_through_the_library() {
        for code in 1..=255 {
            let exception = Exception::from_code(code);
            assert_eq!(exception.code(), code);
            assert_eq!(Exception::from(ExceptionCode::from(exception)), exception);
        }
    }
}
