//! Runs: values of neighbouring slots behind one head, `first u16 | n u8 | quality u8 | n values`.

use super::cursor::Cursor;
use super::{Quality, WireError};
use crate::schema::{Codec, Value};

/// Bytes before the values of a run.
const RUN_HEAD_LEN: usize = 4;

/// Appends values to a message and opens a new run where the slot or the quality asks for it.
#[derive(Debug, Default)]
pub struct RunWriter {
    /// Where the open run begins, the slot that would continue it, and its quality.
    open: Option<(usize, u16, Quality)>,
    runs: u32,
}

/// One value as received: its slot, quality and checked bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run<'w> {
    /// Where it belongs.
    pub slot: u16,
    /// What it is worth.
    pub quality: Quality,
    /// The value.
    pub value: Value<'w>,
}

/// Reads the values of a message, checked by the codecs of their slots.
pub struct RunReader<'w, 'c> {
    codecs: &'c [Codec],
    wire: &'w [u8],
    runs_left: u32,
    /// Values left in the current run, the slot of the next one, quality.
    current: (u8, u32, Quality),
}

impl RunWriter {
    /// Most bytes that [`Self::push`] appends for a value of `len` bytes.
    pub fn space_for(len: usize) -> usize {
        RUN_HEAD_LEN + len
    }

    /// Appends the value of a slot. Slots come in ascending order.
    pub fn push(&mut self, slot: u16, quality: Quality, codec: &Codec, memory: &[u8], wire: &mut Vec<u8>) {
        match &mut self.open {
            Some((at, next, same)) if *next == slot && *same == quality && wire[*at + 2] < u8::MAX => {
                wire[*at + 2] += 1;
                *next = slot.wrapping_add(1);
            }
            _ => {
                self.open = Some((wire.len(), slot.wrapping_add(1), quality));
                self.runs += 1;
                wire.extend_from_slice(&slot.to_le_bytes());
                wire.extend_from_slice(&[1, quality as u8]);
            }
        }
        codec.encode(memory, wire);
    }

    /// Runs so far.
    pub fn runs(&self) -> u32 {
        self.runs
    }
}

impl<'w, 'c> RunReader<'w, 'c> {
    /// `codecs` are those of the flow, by slot.
    pub fn new(wire: &'w [u8], runs: u32, codecs: &'c [Codec]) -> Self {
        Self { codecs, wire, runs_left: runs, current: (0, 0, Quality::Good) }
    }

    /// The next value; `None` at the end, which must be the end of the message too.
    pub fn read(&mut self) -> Result<Option<Run<'w>>, WireError> {
        if self.current.0 == 0 {
            if self.runs_left == 0 {
                return match self.wire.len() {
                    0 => Ok(None),
                    count => Err(WireError::Trailing { what: "the last run", count }),
                };
            }
            self.open_run()?;
        }
        let (left, slot, quality) = self.current;
        let outside = WireError::Slot { slot, slots: self.codecs.len() };
        let codec = self.codecs.get(slot as usize).ok_or(outside.clone())?;
        let value = codec.take(&mut self.wire).ok_or(WireError::Value { slot })?;
        self.current = (left - 1, slot + 1, quality);
        let slot = u16::try_from(slot).map_err(|_| outside)?;
        Ok(Some(Run { slot, quality, value }))
    }

    fn open_run(&mut self) -> Result<(), WireError> {
        let mut head = Cursor::new("a run", self.wire);
        let first = head.u16()?;
        let count = head.u8()?;
        let quality = head.u8()?;
        if count == 0 {
            return Err(WireError::Field { field: "n of a run", value: 0 });
        }
        let quality = Quality::from_byte(quality)
            .ok_or(WireError::Field { field: "quality", value: u64::from(quality) })?;
        self.wire = head.rest();
        self.runs_left -= 1;
        self.current = (count, u32::from(first), quality);
        Ok(())
    }
}
