//! One long value on a stream of its own.

use super::cursor::Cursor;
use super::{Quality, WireError};

const MAGIC: [u8; 4] = *b"LSB1";

/// A value of more than 1,024 bytes. The bytes are not checked yet: that needs the slot's codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bulk<'w> {
    /// Whose.
    pub flow: u16,
    /// Where it belongs.
    pub slot: u16,
    /// Of which negotiation.
    pub epoch: u32,
    /// Grows with each value of the slot: the greatest is the newest.
    pub count: u64,
    /// Start of the scan, ns since 1970-01-01.
    pub scan_time_ns: i64,
    /// What it is worth.
    pub quality: Quality,
    /// The value on the wire.
    pub bytes: &'w [u8],
}

impl<'w> Bulk<'w> {
    /// Appends header and value.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(&MAGIC);
        wire.extend_from_slice(&self.flow.to_le_bytes());
        wire.extend_from_slice(&self.slot.to_le_bytes());
        wire.extend_from_slice(&self.epoch.to_le_bytes());
        wire.extend_from_slice(&self.count.to_le_bytes());
        wire.extend_from_slice(&self.scan_time_ns.to_le_bytes());
        wire.extend_from_slice(&[self.quality as u8, 0, 0, 0]);
        wire.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        wire.extend_from_slice(self.bytes);
    }

    /// Reads a whole stream.
    pub fn decode(stream: &'w [u8]) -> Result<Self, WireError> {
        let mut fields = Cursor::new("bulk", stream);
        fields.fixed("magic of a long value", MAGIC)?;
        let (flow, slot, epoch) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (count, scan_time_ns) = (fields.u64()?, fields.i64()?);
        let quality = fields.u8()?;
        let quality = Quality::from_byte(quality)
            .ok_or(WireError::Field { field: "quality", value: u64::from(quality) })?;
        fields.fixed("reserved", [0; 3])?;
        let len = fields.u32()? as usize;
        let bytes = fields.take(len)?;
        fields.end()?;
        Ok(Self { flow, slot, epoch, count, scan_time_ns, quality, bytes })
    }
}
