//! What goes over the mesh: datagrams with the newest values, streams with all of them or with long ones.
//!
//! Everything is little-endian at fixed offsets. `docs/reference/mesh-wire.md` has the tables.

mod bulk;
mod cursor;
mod header;
mod quality;
mod run;
mod snapshot;

pub use bulk::Bulk;
pub use header::{HEADER_LEN, Header, Kind};
pub use quality::Quality;
pub use run::{Run, RunReader, RunWriter};
pub use snapshot::{SNAPSHOT_HEADER_LEN, SnapshotHeader};

/// What a peer sent is not what the protocol says: the connection is closed with `PROTOCOL`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Ends before what it announces.
    #[error("{what} ends after {len} bytes")]
    Short {
        /// Which message.
        what: &'static str,
        /// Its bytes.
        len: usize,
    },
    /// More bytes than announced.
    #[error("{what} has {count} bytes too many")]
    Trailing {
        /// Which message.
        what: &'static str,
        /// The excess.
        count: usize,
    },
    /// A field with a value that the protocol does not know.
    #[error("{field} has the unknown value {value}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
    /// A slot that was never agreed on.
    #[error("slot {slot} is outside of the flow, which has {slots}")]
    Slot {
        /// Which.
        slot: u32,
        /// How many there are.
        slots: usize,
    },
    /// Bytes that are no value of the slot's type.
    #[error("the bytes of slot {slot} are no value of its type")]
    Value {
        /// Whose.
        slot: u32,
    },
}
