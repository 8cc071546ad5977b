//! What stands before the values of a snapshot, which has a stream of its own: all values that changed after what
//! the subscriber has.

use super::WireError;
use super::cursor::Cursor;
use super::header::MAX_SEQ;

/// Bytes of the header.
pub const SNAPSHOT_HEADER_LEN: usize = 24;
const MAGIC: [u8; 4] = *b"LSS1";

/// The header of a snapshot; runs follow until the end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotHeader {
    /// Whose values.
    pub flow: u16,
    /// Of which negotiation.
    pub epoch: u32,
    /// The values are those of this DATA, or of before.
    pub up_to: u64,
    /// Runs that follow.
    pub runs: u32,
}

impl SnapshotHeader {
    /// Appends the 24 bytes.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(&MAGIC);
        wire.extend_from_slice(&self.flow.to_le_bytes());
        wire.extend_from_slice(&[0; 2]);
        wire.extend_from_slice(&self.epoch.to_le_bytes());
        wire.extend_from_slice(&self.up_to.to_le_bytes());
        wire.extend_from_slice(&self.runs.to_le_bytes());
    }

    /// Reads the header; what follows it are the runs.
    pub fn decode(stream: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let mut fields = Cursor::new("snapshot", stream);
        fields.fixed("magic of a snapshot", MAGIC)?;
        let flow = fields.u16()?;
        fields.fixed("reserved", [0; 2])?;
        let header = Self { flow, epoch: fields.u32()?, up_to: fields.u64()?, runs: fields.u32()? };
        if header.up_to > MAX_SEQ {
            return Err(WireError::Field { field: "upTo", value: header.up_to });
        }
        Ok((header, fields.rest()))
    }
}
