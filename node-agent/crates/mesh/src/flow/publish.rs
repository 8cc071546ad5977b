//! The publishing end of a flow: which values leave at a scan end, in which datagrams.

use std::ops::Range;

use super::{BULK_ABOVE, Deadband, MAX_SLOTS};
use crate::schema::Codec;
use crate::wire::{Bulk, HEADER_LEN, Header, Kind, Quality, RunWriter, SnapshotHeader};

/// The first BEAT after values, which tells of them if they were lost; each further one takes twice as long.
const FIRST_BEAT_NS: u64 = 10_000_000;

/// What was agreed on for a flow.
#[derive(Debug, Clone, Copy)]
pub struct PublicationConfig {
    /// Chosen by the publisher.
    pub flow: u16,
    /// New at each negotiation.
    pub epoch: u32,
    /// Values leave every so many scans, at least 1.
    pub every_scans: u32,
    /// After at most so long without a datagram a BEAT goes out, if the program has scanned.
    pub beat_after_ns: u64,
}

/// A variable of a flow, at the publisher.
#[derive(Debug, Clone)]
pub struct PublishedSlot {
    /// Where its memory lies in the image of published values.
    pub image: Range<usize>,
    /// Of its type.
    pub codec: Codec,
    /// Changes up to this are not sent.
    pub deadband: Option<Deadband>,
}

/// The published values after one scan.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// Memory of all published variables of the runtime.
    pub image: &'a [u8],
    /// What each slot is worth at its source; empty means that all are good.
    pub quality: &'a [Quality],
    /// The scan counter.
    pub number: u64,
    /// Start of the scan, ns since 1970-01-01.
    pub time_ns: i64,
    /// The program is in RUN.
    pub running: bool,
    /// The clock is synchronised.
    pub synchronised: bool,
}

/// The publishing end of one flow.
#[derive(Debug)]
pub struct Publication {
    config: PublicationConfig,
    slots: Vec<Sent>,
    /// What was sent last, slot after slot.
    sent: Vec<u8>,
    seq: u64,
    /// Scan whose values left last.
    last_scan: Option<u64>,
    last_out_ns: u64,
    /// From then to the next BEAT.
    beat_wait_ns: u64,
    /// Scan counter in the last datagram.
    last_told: Option<u64>,
    /// A long value may be due.
    any_bulk_due: bool,
}

#[derive(Debug)]
struct Sent {
    slot: PublishedSlot,
    /// Where its last sent value lies.
    at: Range<usize>,
    quality: Quality,
    /// DATA of its last change.
    changed: u64,
    /// Goes on streams of its own; counts its values.
    bulk: Option<u64>,
    bulk_due: bool,
}

impl Publication {
    /// A flow that has sent nothing. The first thing that its subscriber gets is a snapshot.
    ///
    /// # Panics
    /// With more than [`MAX_SLOTS`] slots: the negotiation refuses them.
    pub fn new(config: PublicationConfig, slots: Vec<PublishedSlot>, scan: &Scan<'_>) -> Self {
        assert!(slots.len() <= MAX_SLOTS, "the negotiation admits no more slots");
        let mut sent = Vec::new();
        let slots: Vec<Sent> = slots
            .into_iter()
            .enumerate()
            .map(|(index, slot)| {
                let start = sent.len();
                sent.extend_from_slice(&scan.image[slot.image.clone()]);
                let bulk = slot.codec.wire_len().longest() > BULK_ABOVE;
                Sent {
                    quality: quality_of(scan, index),
                    at: start..sent.len(),
                    changed: 0,
                    bulk: bulk.then_some(0),
                    bulk_due: bulk,
                    slot,
                }
            })
            .collect();
        let beat_wait_ns = config.beat_after_ns.min(FIRST_BEAT_NS);
        let any_bulk_due = slots.iter().any(|sent| sent.bulk_due);
        Self {
            config,
            slots,
            sent,
            seq: 0,
            last_scan: None,
            last_out_ns: 0,
            beat_wait_ns,
            last_told: None,
            any_bulk_due,
        }
    }

    /// What was agreed on.
    pub fn config(&self) -> PublicationConfig {
        self.config
    }

    /// The number of the last DATA.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The datagrams that leave after a scan, each at most `max_len` bytes long; none if nothing is due. A scan
    /// that cannot be sent is simply not offered: its changes ride in the next.
    pub fn scan(&mut self, scan: &Scan<'_>, now_ns: u64, max_len: usize) -> Vec<Vec<u8>> {
        let due = self
            .last_scan
            .is_none_or(|last| scan.number.wrapping_sub(last) >= u64::from(self.config.every_scans));
        let mut datagrams = if due {
            self.last_scan = Some(scan.number);
            self.changes(scan, max_len)
        } else {
            Vec::new()
        };
        let silent = now_ns.saturating_sub(self.last_out_ns) >= self.beat_wait_ns;
        if !datagrams.is_empty() {
            self.beat_wait_ns = self.config.beat_after_ns.min(FIRST_BEAT_NS);
        } else if silent && self.last_told != Some(scan.number) {
            self.beat_wait_ns = self.config.beat_after_ns.min(2 * self.beat_wait_ns);
            let mut beat = Vec::with_capacity(HEADER_LEN);
            self.header(scan, Kind::Beat).encode(&mut beat);
            datagrams.push(beat);
        }
        if !datagrams.is_empty() {
            self.last_out_ns = now_ns;
            self.last_told = Some(scan.number);
        }
        datagrams
    }

    /// The next long value that is due, as a stream. One is in flight per slot: `free` says for which slots the
    /// last one has arrived.
    pub fn bulk(&mut self, scan: &Scan<'_>, free: impl Fn(u16) -> bool) -> Option<(u16, Vec<u8>)> {
        if !self.any_bulk_due {
            return None;
        }
        let mut due = self.slots.iter_mut().enumerate().filter(|(_, sent)| sent.bulk_due).peekable();
        self.any_bulk_due = due.peek().is_some();
        let (index, sent) = due.find(|(index, _)| free(*index as u16))?;
        sent.bulk_due = false;
        let count = sent.bulk.map_or(1, |count| count + 1);
        sent.bulk = Some(count);
        let mut bytes = Vec::new();
        sent.slot.codec.encode(&self.sent[sent.at.clone()], &mut bytes);
        let mut stream = Vec::new();
        Bulk {
            flow: self.config.flow,
            slot: index as u16,
            epoch: self.config.epoch,
            count,
            scan_time_ns: scan.time_ns,
            quality: sent.quality,
            bytes: &bytes,
        }
        .encode(&mut stream);
        Some((index as u16, stream))
    }

    /// A stream with every value that changed after DATA `have`; all of them for `None`. Long values become due
    /// again on their own streams.
    pub fn snapshot(&mut self, have: Option<u64>) -> Vec<u8> {
        let mut runs = RunWriter::default();
        let mut values = Vec::new();
        for (index, sent) in self.slots.iter_mut().enumerate() {
            if have.is_some_and(|have| sent.changed <= have) {
                continue;
            }
            if sent.bulk.is_some() {
                sent.bulk_due = true;
                self.any_bulk_due = true;
            } else {
                let memory = &self.sent[sent.at.clone()];
                runs.push(index as u16, sent.quality, &sent.slot.codec, memory, &mut values);
            }
        }
        let mut stream = Vec::with_capacity(crate::wire::SNAPSHOT_HEADER_LEN + values.len());
        SnapshotHeader {
            flow: self.config.flow,
            epoch: self.config.epoch,
            up_to: self.seq,
            runs: runs.runs(),
        }
        .encode(&mut stream);
        stream.extend_from_slice(&values);
        stream
    }

    /// The datagrams with what has changed.
    fn changes(&mut self, scan: &Scan<'_>, max_len: usize) -> Vec<Vec<u8>> {
        let mut header = self.header(scan, Kind::Data);
        header.seq += 1;
        let mut parts = Parts::new(header, max_len);
        for (index, sent) in self.slots.iter_mut().enumerate() {
            let memory = &scan.image[sent.slot.image.clone()];
            let quality = quality_of(scan, index);
            if !sent.differs(memory, &self.sent, quality) {
                continue;
            }
            if sent.bulk.is_some() {
                sent.bulk_due = true;
                self.any_bulk_due = true;
            } else if !parts.push(index as u16, quality, &sent.slot.codec, memory) {
                // Larger than 255 datagrams: the rest rides in the next set.
                self.last_scan = None;
                break;
            }
            self.sent[sent.at.clone()].copy_from_slice(memory);
            sent.quality = quality;
            sent.changed = header.seq;
        }
        let datagrams = parts.finish();
        if !datagrams.is_empty() {
            self.seq = header.seq;
        }
        datagrams
    }

    fn header(&self, scan: &Scan<'_>, kind: Kind) -> Header {
        Header {
            kind,
            running: scan.running,
            synchronised: scan.synchronised,
            flow: self.config.flow,
            epoch: self.config.epoch,
            seq: self.seq,
            scan_time_ns: scan.time_ns,
            scan_no: scan.number as u32,
            part: 0,
            parts: 1,
            runs: 0,
        }
    }
}

impl Sent {
    fn differs(&self, memory: &[u8], sent: &[u8], quality: Quality) -> bool {
        let sent = &sent[self.at.clone()];
        quality != self.quality
            || (!same(memory, sent)
                && self.slot.deadband.is_none_or(|deadband| deadband.passes(sent, memory)))
    }
}

/// Most values are numbers of eight bytes, for which this is one comparison and no call.
fn same(one: &[u8], other: &[u8]) -> bool {
    match (<&[u8; 8]>::try_from(one), <&[u8; 8]>::try_from(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn quality_of(scan: &Scan<'_>, slot: usize) -> Quality {
    scan.quality.get(slot).copied().unwrap_or(Quality::Good)
}

/// The datagrams of one DATA while they are filled.
struct Parts {
    header: Header,
    max_len: usize,
    done: Vec<Vec<u8>>,
    open: Vec<u8>,
    runs: RunWriter,
}

impl Parts {
    fn new(header: Header, max_len: usize) -> Self {
        Self { header, max_len, done: Vec::new(), open: Vec::new(), runs: RunWriter::default() }
    }

    /// `false` if 255 datagrams are full.
    fn push(&mut self, slot: u16, quality: Quality, codec: &Codec, memory: &[u8]) -> bool {
        let space = RunWriter::space_for(codec.wire_len().longest() as usize);
        if self.runs.runs() > 0 && self.open.len() + space > self.max_len {
            if self.done.len() == usize::from(u8::MAX) - 1 {
                return false;
            }
            self.close();
        }
        if self.runs.runs() == 0 {
            self.open.reserve(self.max_len);
            self.header.part = self.done.len() as u8;
            // Complete but for the counts, which `close` and `finish` know.
            self.header.encode(&mut self.open);
        }
        self.runs.push(slot, quality, codec, memory, &mut self.open);
        true
    }

    fn close(&mut self) {
        let mut datagram = std::mem::take(&mut self.open);
        Header::set_runs(&mut datagram, self.runs.runs() as u16);
        self.runs = RunWriter::default();
        self.done.push(datagram);
    }

    fn finish(mut self) -> Vec<Vec<u8>> {
        if self.runs.runs() > 0 {
            self.close();
        }
        let parts = self.done.len() as u8;
        for datagram in &mut self.done {
            Header::set_parts(datagram, parts);
        }
        self.done
    }
}
