//! Reads fields off the front of a message.

use super::WireError;

pub(super) struct Cursor<'w> {
    what: &'static str,
    len: usize,
    rest: &'w [u8],
}

impl<'w> Cursor<'w> {
    pub(super) fn new(what: &'static str, message: &'w [u8]) -> Self {
        Self { what, len: message.len(), rest: message }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) =
            self.rest.split_first_chunk::<N>().ok_or(WireError::Short { what: self.what, len: self.len })?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u8(&mut self) -> Result<u8, WireError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Result<i64, WireError> {
        self.array().map(i64::from_le_bytes)
    }

    /// A field that has one value today.
    pub(super) fn fixed<const N: usize>(
        &mut self,
        field: &'static str,
        expected: [u8; N],
    ) -> Result<(), WireError> {
        let found = self.array::<N>()?;
        if found == expected {
            return Ok(());
        }
        let value = found.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        Err(WireError::Field { field, value })
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'w [u8], WireError> {
        let (head, rest) =
            self.rest.split_at_checked(len).ok_or(WireError::Short { what: self.what, len: self.len })?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn rest(self) -> &'w [u8] {
        self.rest
    }

    pub(super) fn end(self) -> Result<(), WireError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(WireError::Trailing { what: self.what, count }),
        }
    }
}
