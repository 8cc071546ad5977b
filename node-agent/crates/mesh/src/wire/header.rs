//! The 32 bytes before the values of a datagram.

use super::WireError;
use super::cursor::Cursor;

/// Bytes of a header.
pub const HEADER_LEN: usize = 32;
/// Greatest number of a DATA: out of reach at any rate, and far from where adding one goes wrong.
pub(super) const MAX_SEQ: u64 = u64::MAX >> 1;
/// Where `parts` stands, for a writer that knows the number of parts only at the end.
const PARTS_AT: usize = 29;
const RUNS_AT: usize = 30;

/// What a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Changed values of one scan.
    Data = 1,
    /// The publisher scans, and nothing has changed.
    Beat = 2,
}

/// What stands before the values of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Values or a sign of life.
    pub kind: Kind,
    /// The publisher's program is in RUN.
    pub running: bool,
    /// The publisher's clock is synchronised.
    pub synchronised: bool,
    /// Chosen by the publisher for the subscription.
    pub flow: u16,
    /// New at each negotiation; datagrams of another are dropped.
    pub epoch: u32,
    /// DATA 1, 2, 3…; a BEAT repeats the last one (0 before the first).
    pub seq: u64,
    /// Start of the scan, ns since 1970-01-01.
    pub scan_time_ns: i64,
    /// Low 32 bits of the scan counter.
    pub scan_no: u32,
    /// Which of [`Self::parts`], from 0.
    pub part: u8,
    /// Datagrams of this scan, 1 to 255.
    pub parts: u8,
    /// Runs of values that follow.
    pub runs: u16,
}

impl Header {
    /// Appends the 32 bytes.
    pub fn encode(&self, wire: &mut Vec<u8>) {
        wire.push(self.kind as u8);
        wire.push(u8::from(self.running) | u8::from(self.synchronised) << 1);
        wire.extend_from_slice(&self.flow.to_le_bytes());
        wire.extend_from_slice(&self.epoch.to_le_bytes());
        wire.extend_from_slice(&self.seq.to_le_bytes());
        wire.extend_from_slice(&self.scan_time_ns.to_le_bytes());
        wire.extend_from_slice(&self.scan_no.to_le_bytes());
        wire.push(self.part);
        wire.push(self.parts);
        wire.extend_from_slice(&self.runs.to_le_bytes());
    }

    /// Reads a header; what follows it are the runs.
    pub fn decode(datagram: &[u8]) -> Result<(Self, &[u8]), WireError> {
        let mut fields = Cursor::new("datagram", datagram);
        let kind = match fields.u8()? {
            1 => Kind::Data,
            2 => Kind::Beat,
            other => return Err(WireError::Field { field: "kind", value: u64::from(other) }),
        };
        let flags = fields.u8()?;
        if flags > 3 {
            return Err(WireError::Field { field: "flags", value: u64::from(flags) });
        }
        let header = Self {
            kind,
            running: flags & 1 != 0,
            synchronised: flags & 2 != 0,
            flow: fields.u16()?,
            epoch: fields.u32()?,
            seq: fields.u64()?,
            scan_time_ns: fields.i64()?,
            scan_no: fields.u32()?,
            part: fields.u8()?,
            parts: fields.u8()?,
            runs: fields.u16()?,
        };
        header.check()?;
        let rest = fields.rest();
        if kind == Kind::Beat && !rest.is_empty() {
            return Err(WireError::Trailing { what: "BEAT", count: rest.len() });
        }
        Ok((header, rest))
    }

    fn check(&self) -> Result<(), WireError> {
        let field = |field, value| Err(WireError::Field { field, value });
        match self.kind {
            _ if self.part >= self.parts => field("part", u64::from(self.part)),
            Kind::Beat if self.parts != 1 => field("parts of a BEAT", u64::from(self.parts)),
            Kind::Beat if self.runs != 0 => field("runs of a BEAT", u64::from(self.runs)),
            Kind::Data if self.seq == 0 => field("seq", 0),
            _ if self.seq > MAX_SEQ => field("seq", self.seq),
            Kind::Data if self.runs == 0 => field("runs", 0),
            Kind::Data | Kind::Beat => Ok(()),
        }
    }

    /// Sets the number of parts in a datagram that was written before it was known.
    pub(crate) fn set_parts(datagram: &mut [u8], parts: u8) {
        datagram[PARTS_AT] = parts;
    }

    /// Sets the number of runs.
    pub(crate) fn set_runs(datagram: &mut [u8], runs: u16) {
        datagram[RUNS_AT..RUNS_AT + 2].copy_from_slice(&runs.to_le_bytes());
    }
}
