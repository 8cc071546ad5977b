//! What can be wrong with a declaration, in words for the one who wrote it.

use std::fmt;

use super::ModbusArea;
use crate::image::{AddressError, BitRange, LiteralError};

/// A problem and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IoSpecError {
    /// The driver it is in; empty for problems of the safe state.
    pub driver: String,
    /// The entry it is in, such as `maps[2]`.
    pub entry: Option<String>,
    /// The address as it was written, where the entry has one.
    pub address: Option<String>,
    /// What is wrong.
    pub problem: IoProblem,
}

impl fmt::Display for IoSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.driver.is_empty() {
            write!(f, "driver {:?}: ", self.driver)?;
        }
        match (&self.entry, &self.address) {
            (Some(entry), Some(address)) => write!(f, "{entry} ({address}): ")?,
            (Some(entry), None) => write!(f, "{entry}: ")?,
            (None, Some(address)) => write!(f, "{address}: ")?,
            (None, None) => {}
        }
        self.problem.fmt(f)
    }
}

impl std::error::Error for IoSpecError {}

/// What is wrong with a declaration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IoProblem {
    /// A driver without a name.
    #[error("a driver needs a name")]
    NoName,
    /// Two drivers with one name.
    #[error("another driver has the same name")]
    DuplicateName,
    /// The address cannot be read.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The value cannot be read.
    #[error(transparent)]
    Literal(#[from] LiteralError),
    /// The endpoint cannot be used.
    #[error("{0:?} is not an endpoint: write host:port, such as 10.0.0.5:502")]
    Endpoint(String),
    /// A time of 0.
    #[error("{0} must be above 0")]
    ZeroTime(&'static str),
    /// Nothing to transfer.
    #[error("count must be above 0")]
    ZeroCount,
    /// A driver that does nothing.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// `%M` belongs to programs.
    #[error("drivers have no part in %M: use %I for what is read and %Q for what is written")]
    MemoryAddress,
    /// An input where an output is needed, or the reverse.
    #[error("must be an {expected} address")]
    WrongDirection {
        /// `input (%I)` or `output (%Q)`.
        expected: &'static str,
    },
    /// An output on a table that only the device writes.
    #[error("an output cannot be written to area {0:?}, which is read-only: use Coil or Holding")]
    ReadOnlyArea(ModbusArea),
    /// The table's elements do not fit the address.
    #[error("area {area:?} has {elements}, which go to addresses of width {widths}")]
    WrongWidth {
        /// The table.
        area: ModbusArea,
        /// What it has.
        elements: &'static str,
        /// What would fit.
        widths: &'static str,
    },
    /// Registers left over.
    #[error("{count} registers do not make whole values: this width takes {per_value} registers each")]
    PartialValue {
        /// Registers declared.
        count: u32,
        /// Registers of one value.
        per_value: u32,
    },
    /// Behind the end of the table.
    #[error("start {start} + count {count} is above 65536, the end of a Modbus table")]
    OutOfTable {
        /// First element.
        start: u32,
        /// How many.
        count: u32,
    },
    /// Behind the end of the image.
    #[error("{0} lies behind the end of the image, which has 65536 bytes")]
    OutOfImage(BitRange),
    /// Two owners of one bit.
    #[error("{bits} already belongs to {owner}")]
    Overlap {
        /// The bits that both want.
        bits: BitRange,
        /// Who has them.
        owner: String,
    },
    /// One output of a device written from two addresses.
    #[error("{area:?} {first} to {last} of the device is already written by {owner}")]
    WrittenTwice {
        /// The table.
        area: ModbusArea,
        /// First element that both write.
        first: u32,
        /// Last element that both write.
        last: u32,
        /// The entry that writes it.
        owner: String,
    },
    /// A script that goes back in time.
    #[error("comes before the step above it: steps stand in the order of their times")]
    OutOfOrder,
    /// A step that is never played.
    #[error("begins at or after the end of the script, {repeat_ms} ms")]
    AfterRepeat {
        /// Length of the script.
        repeat_ms: u32,
    },
    /// Two addresses that should be equally wide.
    #[error("must be as wide as {other}")]
    WidthDiffers {
        /// The other address.
        other: String,
    },
    /// A safe value that nobody would write.
    #[error("no driver writes {0}, so it cannot have a safe value")]
    NotDriven(BitRange),
    /// Two safe values for one output.
    #[error("{0} already has a safe value")]
    SafeTwice(BitRange),
}
