//! The one address space of a program: state block, then frame arena.

/// Alignment of the state block, that of a cache line and of every vector load.
const ALIGN: usize = 64;

/// Bytes that begin on a 64-byte boundary.
#[derive(Debug)]
pub(crate) struct AlignedBytes {
    buffer: Vec<u8>,
    start: usize,
    len: usize,
}

impl AlignedBytes {
    /// Zeroed.
    pub(crate) fn new(len: usize) -> Self {
        let buffer = vec![0; len + ALIGN];
        // A vector never moves while it is not grown, and this one never is.
        let start = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        Self { buffer, start, len }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.start + self.len]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}
