//! Triple buffers: one writer, one reader, always the newest complete frame, and nobody waits.
//!
//! Three slots hold frames. The writer owns one, the reader owns one, the third lies between them. Which is which
//! stands in one word, together with a flag that says whether the slot in between is newer than the reader's.
//! Publishing exchanges the writer's slot with the one in between; reading exchanges the reader's. As the whole
//! assignment is one word, it is complete at every instant: a process may die between any two instructions and its
//! successor attaches to a buffer that is as good as new. A slot is never written and read at the same time, so a
//! frame that a dead writer left half written is never handed out.
//!
//! Both sides copy between the slots and memory of their own. A peer that misbehaves can therefore spoil values,
//! but never change a frame while it is being used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{ExchangeError, Region};

const MAGIC: u64 = u64::from_le_bytes(*b"LStriple");
const CACHE_LINE: usize = 64;
/// Slot words before the data: sequence, time, quality; padded to a cache line.
const SLOT_HEADER_WORDS: usize = 8;
/// The control block: one line for magic and length, one for the word that is exchanged.
const CONTROL_LEN: usize = 2 * CACHE_LINE;
const STATE_WORD: usize = CACHE_LINE / 8;
/// Attempts at an exchange. Two suffice between honest peers, since each can only disturb the other once for each
/// frame; the bound is there for a peer that keeps scribbling over the word.
const EXCHANGE_ATTEMPTS: usize = 16;

/// How much a frame's values are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Quality {
    /// Fresh from the source.
    Good = 0,
    /// The last good values, held while the source is silent.
    Stale = 1,
    /// Substitutes, or nothing was ever received.
    #[default]
    Bad = 2,
}

impl Quality {
    /// Reads a quality from shared memory; what no version knows is `Bad`.
    pub fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Good,
            1 => Self::Stale,
            _ => Self::Bad,
        }
    }
}

/// What stands before the data of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameHeader {
    /// Chosen by the writer: number of the scan, or of the poll. 0 means that no frame was published yet.
    pub sequence: u64,
    /// When the values were taken, `CLOCK_MONOTONIC`.
    pub time_ns: i64,
    /// What they are worth.
    pub quality: Quality,
}

/// Where a triple buffer lies in a region, and how long its frames are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TripleBuffer {
    offset: usize,
    frame_len: usize,
}

impl TripleBuffer {
    /// A buffer for frames of `frame_len` bytes at `offset`, which must be a multiple of 64.
    pub const fn new(offset: usize, frame_len: usize) -> Self {
        Self { offset, frame_len }
    }

    /// Bytes in the region, a multiple of 64.
    pub const fn size(self) -> usize {
        CONTROL_LEN + 3 * self.slot_words() * 8
    }

    /// Where it lies.
    pub const fn offset(self) -> usize {
        self.offset
    }

    /// Bytes in a frame.
    pub const fn frame_len(self) -> usize {
        self.frame_len
    }

    const fn slot_words(self) -> usize {
        SLOT_HEADER_WORDS + self.frame_len.div_ceil(CACHE_LINE) * (CACHE_LINE / 8)
    }

    /// Makes an empty buffer. To be called once, by the creator of the region, before anybody attaches.
    pub fn initialise(self, region: &Region) -> Result<(), ExchangeError> {
        let words = region.words(self.offset, self.size() / 8)?;
        for word in words {
            word.store(0, Ordering::Relaxed);
        }
        for slot in 0..3 {
            let quality = &words[CONTROL_LEN / 8 + slot * self.slot_words() + 2];
            quality.store(Quality::Bad as u64, Ordering::Relaxed);
        }
        words[STATE_WORD].store(Slots::FIRST.encode(), Ordering::Relaxed);
        words[1].store(self.frame_len as u64, Ordering::Relaxed);
        words[0].store(MAGIC, Ordering::Release);
        Ok(())
    }

    /// Attaches the writing side. There must be one at a time; a successor of a dead one is welcome.
    pub fn writer(self, region: &Arc<Region>) -> Result<Writer, ExchangeError> {
        let memory = self.attach(region)?;
        let slots = Slots::decode(memory.state().load(Ordering::Acquire)).unwrap_or(Slots::FIRST);
        Ok(Writer { memory, own: slots.writer, frame: vec![0; self.frame_len].into() })
    }

    /// Attaches the reading side. There must be one at a time; a successor of a dead one is welcome and finds the
    /// frame that its predecessor read last, or a newer one.
    pub fn reader(self, region: &Arc<Region>) -> Result<Reader, ExchangeError> {
        let memory = self.attach(region)?;
        let slots = Slots::decode(memory.state().load(Ordering::Acquire)).unwrap_or(Slots::FIRST);
        let mut frame: Box<[u8]> = vec![0; self.frame_len].into();
        let header = memory.load(slots.reader, &mut frame);
        Ok(Reader { memory, own: slots.reader, header, frame })
    }

    fn attach(self, region: &Arc<Region>) -> Result<Memory, ExchangeError> {
        let words = region.words(self.offset, self.size() / 8)?;
        if words[0].load(Ordering::Acquire) != MAGIC {
            return Err(ExchangeError::WrongMagic { what: "triple buffer", offset: self.offset });
        }
        let found = words[1].load(Ordering::Relaxed);
        if found != self.frame_len as u64 {
            return Err(ExchangeError::WrongSize { expected: self.frame_len as u64, found });
        }
        Ok(Memory { region: Arc::clone(region), place: self })
    }
}

/// Who owns which slot. Always a permutation of 0, 1, 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slots {
    writer: u8,
    between: u8,
    reader: u8,
    /// The slot in between is newer than the reader's.
    dirty: bool,
}

impl Slots {
    const FIRST: Self = Self { writer: 0, between: 1, reader: 2, dirty: false };

    const fn encode(self) -> u64 {
        (self.writer as u64)
            | ((self.between as u64) << 2)
            | ((self.reader as u64) << 4)
            | ((self.dirty as u64) << 6)
    }

    /// `None` unless the word is one that [`Slots::encode`] can give: the other process could have written anything.
    fn decode(word: u64) -> Option<Self> {
        let slot = |shift: u32| ((word >> shift) & 3) as u8;
        let slots = Self { writer: slot(0), between: slot(2), reader: slot(4), dirty: word & 0x40 != 0 };
        let each_once = (1 << slots.writer | 1 << slots.between | 1 << slots.reader) == 0b111;
        (word >> 7 == 0 && each_once).then_some(slots)
    }
}

/// The buffer in the region; indexes are always below 3, so that no access can leave it.
#[derive(Debug)]
struct Memory {
    region: Arc<Region>,
    place: TripleBuffer,
}

impl Memory {
    fn words(&self) -> &[AtomicU64] {
        self.region
            .words(self.place.offset, self.place.size() / 8)
            .expect("`attach` asked for exactly these words, and a region never changes its size")
    }

    fn state(&self) -> &AtomicU64 {
        &self.words()[STATE_WORD]
    }

    fn slot(&self, index: u8) -> &[AtomicU64] {
        let len = self.place.slot_words();
        let start = CONTROL_LEN / 8 + usize::from(index) * len;
        &self.words()[start..start + len]
    }

    fn store(&self, index: u8, header: FrameHeader, frame: &[u8]) {
        let (head, data) = self.slot(index).split_at(SLOT_HEADER_WORDS);
        head[0].store(header.sequence, Ordering::Relaxed);
        head[1].store(header.time_ns.cast_unsigned(), Ordering::Relaxed);
        head[2].store(header.quality as u64, Ordering::Relaxed);
        for (word, bytes) in data.iter().zip(frame.chunks(8)) {
            let mut value = [0; 8];
            value[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(value), Ordering::Relaxed);
        }
    }

    fn load(&self, index: u8, frame: &mut [u8]) -> FrameHeader {
        let (head, data) = self.slot(index).split_at(SLOT_HEADER_WORDS);
        for (word, bytes) in data.iter().zip(frame.chunks_mut(8)) {
            let value = word.load(Ordering::Relaxed).to_le_bytes();
            bytes.copy_from_slice(&value[..bytes.len()]);
        }
        FrameHeader {
            sequence: head[0].load(Ordering::Relaxed),
            time_ns: head[1].load(Ordering::Relaxed).cast_signed(),
            quality: Quality::from_bits(u8::try_from(head[2].load(Ordering::Relaxed)).unwrap_or(u8::MAX)),
        }
    }
}

/// The writing side of a triple buffer.
#[derive(Debug)]
pub struct Writer {
    memory: Memory,
    /// The slot that is ours, from our own memory: the shared word is only believed when it agrees.
    own: u8,
    /// The frame as it was published last.
    frame: Box<[u8]>,
}

impl Writer {
    /// Publishes a frame: `fill` gets the last one and changes what is new in it.
    ///
    /// Wait-free, without allocation or system call.
    pub fn publish(&mut self, header: FrameHeader, fill: impl FnOnce(&mut [u8])) {
        fill(&mut self.frame);
        self.memory.store(self.own, header, &self.frame);
        for _ in 0..EXCHANGE_ATTEMPTS {
            let word = self.memory.state().load(Ordering::Relaxed);
            let now = match Slots::decode(word) {
                Some(slots) if slots.writer == self.own => slots,
                // Spoilt by the other side. What it reads next is its own affair; our frames stay in bounds.
                _ => Slots {
                    writer: self.own,
                    between: (self.own + 1) % 3,
                    reader: (self.own + 2) % 3,
                    dirty: false,
                },
            };
            let next = Slots { writer: now.between, between: now.writer, reader: now.reader, dirty: true };
            let exchange = self.memory.state().compare_exchange(
                word,
                next.encode(),
                Ordering::AcqRel, // Release: the frame before the index. Acquire: the reader is done with our new slot.
                Ordering::Relaxed,
            );
            if exchange.is_ok() {
                self.own = next.writer;
                return;
            }
        }
    }

    /// The frame that is published next: the last one, until it is changed.
    pub fn frame_mut(&mut self) -> &mut [u8] {
        &mut self.frame
    }

    /// The frame as it was published last; zeros before.
    pub fn frame(&self) -> &[u8] {
        &self.frame
    }
}

/// The reading side of a triple buffer.
#[derive(Debug)]
pub struct Reader {
    memory: Memory,
    own: u8,
    header: FrameHeader,
    frame: Box<[u8]>,
}

impl Reader {
    /// The newest complete frame, and whether it is another one than at the last call.
    ///
    /// Wait-free, without allocation or system call.
    pub fn latest(&mut self) -> (FrameHeader, &[u8], bool) {
        let fresh = self.exchange();
        if fresh {
            self.header = self.memory.load(self.own, &mut self.frame);
        }
        (self.header, &self.frame, fresh)
    }

    /// The frame of the last call of [`Reader::latest`].
    pub fn held(&self) -> (FrameHeader, &[u8]) {
        (self.header, &self.frame)
    }

    fn exchange(&mut self) -> bool {
        for _ in 0..EXCHANGE_ATTEMPTS {
            let word = self.memory.state().load(Ordering::Relaxed);
            let Some(now) = Slots::decode(word) else { return false };
            if !now.dirty {
                return false;
            }
            if now.reader != self.own {
                // A writer repaired the word after somebody spoilt it; from here on both agree again.
                self.own = now.reader;
            }
            let next = Slots { reader: now.between, between: now.reader, writer: now.writer, dirty: false };
            let exchange = self.memory.state().compare_exchange(
                word,
                next.encode(),
                Ordering::AcqRel, // Acquire: the frame after the index. Release: we are done with the slot we return.
                Ordering::Relaxed,
            );
            if exchange.is_ok() {
                self.own = next.reader;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(frame_len: usize) -> (Writer, Reader, Arc<Region>) {
        let place = TripleBuffer::new(64, frame_len);
        let region = Arc::new(Region::create("test", 64 + place.size()).unwrap());
        place.initialise(&region).unwrap();
        (place.writer(&region).unwrap(), place.reader(&region).unwrap(), region)
    }

    fn header(sequence: u64) -> FrameHeader {
        FrameHeader { sequence, time_ns: -5, quality: Quality::Good }
    }

    #[test]
    fn sizes_are_fixed() {
        assert_eq!(TripleBuffer::new(0, 0).size(), 128 + 3 * 64);
        assert_eq!(TripleBuffer::new(0, 1).size(), 128 + 3 * 128);
        assert_eq!(TripleBuffer::new(0, 64).size(), 128 + 3 * 128);
        assert_eq!(TripleBuffer::new(0, 65).size(), 128 + 3 * 192);
    }

    #[test]
    fn nothing_published_is_bad_and_not_fresh() {
        let (_, mut reader, _) = pair(3);
        let (header, frame, fresh) = reader.latest();
        assert_eq!((header.sequence, header.quality, frame, fresh), (0, Quality::Bad, &[0; 3][..], false));
    }

    #[test]
    fn the_newest_frame_wins_and_is_fresh_once() {
        let (mut writer, mut reader, _) = pair(11);
        for sequence in 1..=5 {
            writer.publish(header(sequence), |frame| frame.fill(sequence as u8));
        }
        assert_eq!(reader.latest(), (header(5), &[5; 11][..], true));
        assert_eq!(reader.latest(), (header(5), &[5; 11][..], false));
        assert_eq!(writer.frame(), [5; 11]);
    }

    #[test]
    fn a_partial_change_keeps_the_rest() {
        let (mut writer, mut reader, _) = pair(4);
        writer.publish(header(1), |frame| frame.copy_from_slice(&[1, 2, 3, 4]));
        writer.publish(header(2), |frame| frame[1] = 9);
        assert_eq!(reader.latest().1, [1, 9, 3, 4]);
    }

    #[test]
    fn successors_take_over_on_both_sides() {
        let (mut writer, mut reader, region) = pair(2);
        let place = TripleBuffer::new(64, 2);
        writer.publish(header(1), |frame| frame.fill(1));
        reader.latest();
        // Dies with a half-written slot.
        writer.memory.store(writer.own, header(99), &[7, 0]);
        drop(writer);
        assert_eq!(reader.latest(), (header(1), &[1, 1][..], false));
        let mut writer = place.writer(&region).unwrap();
        drop(reader);
        let mut reader = place.reader(&region).unwrap();
        assert_eq!(reader.latest(), (header(1), &[1, 1][..], false));
        writer.publish(header(2), |frame| frame.fill(2));
        assert_eq!(reader.latest(), (header(2), &[2, 2][..], true));
    }

    #[test]
    fn a_spoilt_word_costs_frames_but_nothing_else() {
        for word in (0..=0x1ff).chain([u64::MAX, 1 << 63]) {
            let (mut writer, mut reader, _) = pair(9);
            writer.publish(header(1), |frame| frame.fill(1));
            writer.memory.state().store(word, Ordering::Relaxed);
            reader.latest();
            // Two rounds: the first may fall into the repair.
            for sequence in 2..=3 {
                writer.publish(header(sequence), |frame| frame.fill(sequence as u8));
                reader.latest();
            }
            assert_eq!(reader.held(), (header(3), &[3; 9][..]), "word {word:#x}");
        }
    }

    #[test]
    fn a_different_frame_length_is_refused() {
        let (_, _, region) = pair(128);
        assert!(matches!(TripleBuffer::new(64, 127).reader(&region), Err(ExchangeError::WrongSize { .. })));
        assert!(matches!(TripleBuffer::new(0, 8).reader(&region), Err(ExchangeError::WrongMagic { .. })));
    }

    #[test]
    fn every_assignment_of_slots_survives_its_encoding() {
        let mut valid = 0;
        for word in 0..=u64::from(u16::MAX) {
            if let Some(slots) = Slots::decode(word) {
                assert_eq!(slots.encode(), word);
                valid += 1;
            }
        }
        assert_eq!(valid, 12);
    }
}
