//! The inbox: values of other runtimes, on their way into a program.
//!
//! An image holds all entries; those of one scan of a publisher are set together and therefore show together.
//! Signs of life stand beside the images, since they come far more often than values change: one word for each
//! *source*, which is a group of entries that live and die together.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::{FrameHeader, MailboxPlan, Quality, Reader, Region, Writer};

/// Before the heads: number of the writer.
const IMAGE_HEAD: usize = 8;
const ENTRY_HEAD: usize = 8;
/// `QUALITY_NONE` of an entry that nobody has set: not connected, or no value yet.
const QUALITY_NONE: u8 = 0x81;

/// Bytes before the values of an image.
pub(crate) fn head_len(entries: usize) -> usize {
    IMAGE_HEAD + entries * ENTRY_HEAD
}

/// Words with the last signs of life.
#[derive(Debug)]
pub(crate) struct Signs {
    pub(crate) region: Arc<Region>,
    pub(crate) count: usize,
}

/// What is known of an entry beside its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryHead {
    /// Another one with each new value; 0 before the first.
    pub stamp: u32,
    /// Whose signs of life count for it.
    pub source: u16,
    /// What the value is worth, as far as its bringer knows; greater is worse.
    pub quality: u8,
}

/// The side that brings values.
#[derive(Debug)]
pub struct InboxWriter {
    writer: Writer,
    plan: Arc<MailboxPlan>,
    signs: Signs,
    images: u64,
}

/// The scan's side.
#[derive(Debug)]
pub struct InboxReader {
    reader: Reader,
    plan: Arc<MailboxPlan>,
    signs: Signs,
}

/// The values of all entries at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    frame: &'a [u8],
    plan: &'a MailboxPlan,
}

impl InboxWriter {
    pub(crate) fn new(mut writer: Writer, plan: Arc<MailboxPlan>, signs: Signs, id: u64) -> Self {
        let frame = writer.frame_mut();
        frame[..IMAGE_HEAD].copy_from_slice(&id.to_le_bytes());
        for entry in 0..plan.received.len() {
            frame[head(entry)][6] = QUALITY_NONE;
        }
        Self { writer, plan, signs, images: 0 }
    }

    /// Gives an entry a value, in its form in memory. Nothing shows before [`Self::publish`]. An entry that the plan
    /// does not have, or a value of another length, is passed over.
    pub fn set(&mut self, entry: usize, value: &[u8]) {
        let Some(place) = self.plan.received.get(entry) else { return };
        let place = behind_heads(&self.plan, place);
        let frame = self.writer.frame_mut();
        if place.len() != value.len() {
            return;
        }
        frame[place].copy_from_slice(value);
        let stamp = &mut frame[head(entry)][..4];
        let last = u32::from_le_bytes([stamp[0], stamp[1], stamp[2], stamp[3]]);
        // 0 means that there is no value.
        stamp.copy_from_slice(&last.wrapping_add(1).max(1).to_le_bytes());
    }

    /// Signs of life that are told apart.
    pub fn sources(&self) -> u16 {
        self.plan.sources
    }

    /// The value that an entry was given last, shown or not; `None` for one that the plan does not have.
    pub fn value(&self, entry: usize) -> Option<&[u8]> {
        let place = behind_heads(&self.plan, self.plan.received.get(entry)?);
        self.writer.frame().get(place)
    }

    /// Says what an entry is worth.
    pub fn set_quality(&mut self, entry: usize, quality: u8) {
        if entry < self.plan.received.len() {
            self.writer.frame_mut()[head(entry)][6] = quality;
        }
    }

    /// Says whose signs of life count for an entry.
    pub fn set_source(&mut self, entry: usize, source: u16) {
        if entry < self.plan.received.len() {
            self.writer.frame_mut()[head(entry)][4..6].copy_from_slice(&source.to_le_bytes());
        }
    }

    /// Shows everything that was set since the last time, together.
    pub fn publish(&mut self) {
        self.images += 1;
        let time_ns = crate::monotonic_ns();
        let header = FrameHeader { sequence: self.images, time_ns, quality: Quality::Good };
        self.writer.publish(header, |_| ());
    }

    /// A source's program was known to scan at this time of `CLOCK_MONOTONIC`. Shows at once.
    pub fn alive(&self, source: u16, at_ns: i64) {
        if let Some(word) = self.signs.word(source) {
            word.store(at_ns.cast_unsigned(), Ordering::Release);
        }
    }
}

impl InboxReader {
    pub(crate) fn new(reader: Reader, plan: Arc<MailboxPlan>, signs: Signs) -> Self {
        Self { reader, plan, signs }
    }

    /// Takes the newest image. `true`: it is another one than before.
    ///
    /// Wait-free, without allocation or system call.
    pub fn latest(&mut self) -> (Option<Image<'_>>, bool) {
        let (_, _, fresh) = self.reader.latest();
        (self.image(), fresh)
    }

    /// The image that was taken last; `None` before the first.
    pub fn image(&self) -> Option<Image<'_>> {
        let (header, frame) = self.reader.held();
        (header.sequence > 0).then_some(Image { frame, plan: &self.plan })
    }

    /// When a source's program was last known to scan, `CLOCK_MONOTONIC`; 0: never.
    pub fn alive(&self, source: u16) -> i64 {
        self.signs.word(source).map_or(0, |word| word.load(Ordering::Acquire).cast_signed())
    }
}

impl<'a> Image<'a> {
    /// Number of who made it: another one has its own stamps.
    pub fn writer(&self) -> u64 {
        let mut id = [0; 8];
        id.copy_from_slice(&self.frame[..IMAGE_HEAD]);
        u64::from_le_bytes(id)
    }

    /// What is known of an entry, which must be one of the plan's.
    pub fn head(&self, entry: usize) -> EntryHead {
        let bytes = &self.frame[head(entry)];
        EntryHead {
            stamp: u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
            source: u16::from_le_bytes([bytes[4], bytes[5]]),
            quality: bytes[6],
        }
    }

    /// The value of an entry, which must be one of the plan's.
    pub fn value(&self, entry: usize) -> &'a [u8] {
        &self.frame[behind_heads(self.plan, &self.plan.received[entry])]
    }
}

fn head(entry: usize) -> Range<usize> {
    let start = IMAGE_HEAD + entry * ENTRY_HEAD;
    start..start + ENTRY_HEAD
}

fn behind_heads(plan: &MailboxPlan, place: &Range<usize>) -> Range<usize> {
    let heads = head_len(plan.received.len());
    heads + place.start..heads + place.end
}
