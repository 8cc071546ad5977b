//! The outbox: what a runtime publishes, as it was at the end of its last good scan.

use crate::{FrameHeader, Quality, Reader, Writer};

/// Bytes before the values: start of the scan since 1970, state.
pub(crate) const OUTBOX_HEAD: usize = 16;

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum ScanState {
    /// It stands still on purpose, or has not scanned yet.
    #[default]
    Stopped = 0,
    /// It scans.
    Running = 1,
    /// A fault ended it.
    Faulted = 2,
}

impl ScanState {
    /// Reads a state from shared memory; what no version knows is `Faulted`.
    fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Stopped,
            1 => Self::Running,
            _ => Self::Faulted,
        }
    }
}

/// What stands before published values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Number of the scan that they are of; 0 before the first.
    pub scan: u64,
    /// When it began, `CLOCK_MONOTONIC`.
    pub start_ns: i64,
    /// The same since 1970-01-01.
    pub start_unix_ns: i64,
    /// What the program has done since.
    pub state: ScanState,
}

/// The scan's side.
#[derive(Debug)]
pub struct OutboxWriter {
    writer: Writer,
    last: Published,
}

/// The side that takes values away.
#[derive(Debug)]
pub struct OutboxReader {
    reader: Reader,
}

impl OutboxWriter {
    pub(crate) fn new(writer: Writer) -> Self {
        Self { writer, last: Published::default() }
    }

    /// Leaves the values of a scan: `fill` gets those of the last one and changes what is new.
    ///
    /// Wait-free, without allocation or system call.
    pub fn publish(&mut self, head: Published, fill: impl FnOnce(&mut [u8])) {
        self.last = head;
        let header = FrameHeader { sequence: head.scan, time_ns: head.start_ns, quality: Quality::Good };
        self.writer.publish(header, |frame| {
            let (bytes, values) = frame.split_at_mut(OUTBOX_HEAD);
            bytes[..8].copy_from_slice(&head.start_unix_ns.to_le_bytes());
            bytes[8] = head.state as u8;
            fill(values);
        });
    }

    /// Says what the program does now; the values stay. Whether that is news.
    pub fn tell(&mut self, state: ScanState) -> bool {
        let news = self.last.state != state;
        if news {
            self.publish(Published { state, ..self.last }, |_| ());
        }
        news
    }

    /// What it said last.
    pub fn state(&self) -> ScanState {
        self.last.state
    }
}

impl OutboxReader {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// The newest values, and whether they, or their state, are others than at the last call.
    pub fn latest(&mut self) -> (Published, &[u8], bool) {
        let (header, frame, fresh) = self.reader.latest();
        let (bytes, values) = frame.split_at(OUTBOX_HEAD);
        let mut time = [0; 8];
        time.copy_from_slice(&bytes[..8]);
        let head = Published {
            scan: header.sequence,
            start_ns: header.time_ns,
            start_unix_ns: i64::from_le_bytes(time),
            state: ScanState::from_bits(bytes[8]),
        };
        (head, values, fresh)
    }
}
