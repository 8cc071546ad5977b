//! The subscribing end of a flow: the newest values, what is missing, and when to ask for it.

use std::ops::Range;

use super::BULK_ABOVE;
use super::gaps::{Arrival, Gaps};
use crate::schema::Codec;
use crate::wire::{Bulk, Header, Kind, Quality, RunReader, SnapshotHeader, WireError};

const NS_PER_MS: u64 = 1_000_000;
/// A gap younger than this is reordering, not loss.
const MIN_GAP_NS: u64 = 5 * NS_PER_MS;
const MIN_REPEAT_NS: u64 = 50 * NS_PER_MS;
const MAX_SET_NS: u64 = 2 * NS_PER_MS;
/// Unanswered requests before the connection is given up; each waits twice as long as the one before. QUIC delivers
/// requests and answers in the end, but under heavy loss it takes its time.
const ATTEMPTS: u32 = 5;

/// What was agreed on for a flow.
#[derive(Debug, Clone, Copy)]
pub struct SubscriptionConfig {
    /// Chosen by the publisher.
    pub flow: u16,
    /// New at each negotiation; what comes of another is dropped.
    pub epoch: u32,
    /// Between two sets of values, ns.
    pub interval_ns: u64,
}

/// What has arrived of a flow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Datagrams, snapshots and long values.
    pub messages: u64,
    /// Datagrams that never came; a snapshot stood in for them.
    pub lost: u64,
}

/// A variable of a flow, at the subscriber.
#[derive(Debug, Clone)]
pub struct ReceivedSlot {
    /// Where its memory lies in the subscription's image.
    pub image: Range<usize>,
    /// Of its type.
    pub codec: Codec,
}

/// What a message did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Received {
    /// Of another negotiation, or known already.
    Nothing,
    /// The publisher lives; no value came of it yet.
    Alive,
    /// The image has new values of one scan, all of them.
    Commit,
}

/// What the values of a flow are worth besides what each of them says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Worth {
    /// The newest DATA that is missing; 0 if none is.
    missing: u64,
    running: bool,
}

/// What time demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Parts of a set did not come: the others are in the image now.
    Commit,
    /// Ask the publisher for everything after this DATA.
    Resync {
        /// Highest without a gap.
        have: u64,
    },
    /// Requests stay unanswered: connect anew.
    Reconnect,
}

/// The subscribing end of one flow.
#[derive(Debug)]
pub struct Subscription {
    config: SubscriptionConfig,
    codecs: Vec<Codec>,
    slots: Vec<Slot>,
    image: Vec<u8>,
    gaps: Gaps,
    /// Newest DATA of which a part has come.
    newest: u64,
    set: Option<Set>,
    gap_since_ns: Option<u64>,
    /// Requests under way and when the last one left.
    asked: Option<(u32, u64)>,
    last_alive_ns: Option<u64>,
    last_scan_no: Option<u32>,
    scan_time_ns: i64,
    running: bool,
    messages: u64,
}

#[derive(Debug)]
struct Slot {
    image: Range<usize>,
    /// Comes on streams of its own.
    bulk: bool,
    /// DATA or snapshot that it has its value from.
    seq: Option<u64>,
    /// Of a long value: counts of its own.
    count: u64,
    quality: Quality,
}

/// A DATA of several parts that is not whole yet: kept back, so that the values of a scan show together.
#[derive(Debug)]
struct Set {
    seq: u64,
    since_ns: u64,
    parts: Vec<Vec<u8>>,
}

impl Subscription {
    /// A flow that has received nothing.
    pub fn new(config: SubscriptionConfig, slots: Vec<ReceivedSlot>) -> Self {
        let len = slots.iter().map(|slot| slot.image.end).max().unwrap_or(0);
        let (codecs, slots) = slots
            .into_iter()
            .map(|ReceivedSlot { image, codec }| {
                let bulk = codec.wire_len().longest() > BULK_ABOVE;
                (codec, Slot { image, bulk, seq: None, count: 0, quality: Quality::NotConnected })
            })
            .unzip();
        Self {
            config,
            codecs,
            slots,
            image: vec![0; len],
            gaps: Gaps::default(),
            newest: 0,
            set: None,
            gap_since_ns: None,
            asked: None,
            last_alive_ns: None,
            last_scan_no: None,
            scan_time_ns: 0,
            running: false,
            messages: 0,
        }
    }

    /// What was agreed on.
    pub fn config(&self) -> SubscriptionConfig {
        self.config
    }

    /// The newest values, in memory form.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// What has arrived of it, and what has not.
    pub fn tally(&self) -> Tally {
        Tally { messages: self.messages, lost: self.gaps.lost() }
    }

    /// What the value of a slot is worth, silence of the publisher aside.
    pub fn quality(&self, slot: usize) -> Quality {
        self.qualities().nth(slot).unwrap_or(Quality::NotConnected)
    }

    /// Of all slots. A slot with a value from before a missing DATA may be in that DATA: not good.
    pub fn qualities(&self) -> impl Iterator<Item = Quality> {
        let missing = self.gaps.newest_missing();
        let running = self.running;
        self.slots.iter().map(move |slot| {
            let base = match slot.seq {
                _ if slot.count > 0 => slot.quality,
                None => return Quality::NotConnected,
                Some(seq) if seq < missing => slot.quality.max(Quality::GapOpen),
                Some(_) => slot.quality,
            };
            if running { base } else { base.max(Quality::PublisherStopped) }
        })
    }

    /// Another one means other qualities, though no value may have come.
    pub fn worth(&self) -> Worth {
        Worth { missing: self.gaps.newest_missing(), running: self.running }
    }

    /// When the publisher's program was last known to scan in RUN.
    pub fn last_alive_ns(&self) -> Option<u64> {
        self.last_alive_ns
    }

    /// Start of the publisher's scan that the newest values are of, ns since 1970-01-01.
    pub fn scan_time_ns(&self) -> i64 {
        self.scan_time_ns
    }

    /// The publisher said that its program does not run, or runs again.
    pub fn publisher_runs(&mut self, running: bool) {
        self.running = running;
    }

    /// Takes a datagram. After an error the connection is closed; the image holds nothing of the message.
    pub fn datagram(&mut self, datagram: &[u8], now_ns: u64) -> Result<Received, WireError> {
        let (header, runs) = Header::decode(datagram)?;
        if (header.flow, header.epoch) != (self.config.flow, self.config.epoch) {
            return Ok(Received::Nothing);
        }
        if header.kind == Kind::Data {
            self.check(runs, u32::from(header.runs))?;
        }
        self.messages += 1;
        self.alive(&header, now_ns);
        let received = match header.kind {
            Kind::Beat => {
                self.gaps.exists(header.seq);
                Received::Alive
            }
            Kind::Data => self.data(&header, runs, now_ns)?,
        };
        self.watch_gap(now_ns);
        Ok(received)
    }

    /// Takes a whole snapshot.
    pub fn snapshot(&mut self, stream: &[u8], now_ns: u64) -> Result<Received, WireError> {
        let (header, runs) = SnapshotHeader::decode(stream)?;
        if (header.flow, header.epoch) != (self.config.flow, self.config.epoch) {
            return Ok(Received::Nothing);
        }
        self.check(runs, header.runs)?;
        self.messages += 1;
        self.flush();
        self.apply(runs, header.runs, header.up_to)?;
        self.gaps.covered(header.up_to);
        self.asked = None;
        self.gap_since_ns = None;
        self.watch_gap(now_ns);
        Ok(Received::Commit)
    }

    /// Takes a long value.
    pub fn bulk(&mut self, stream: &[u8]) -> Result<Received, WireError> {
        let bulk = Bulk::decode(stream)?;
        if (bulk.flow, bulk.epoch) != (self.config.flow, self.config.epoch) {
            return Ok(Received::Nothing);
        }
        let (index, slots) = (u32::from(bulk.slot), self.slots.len());
        let slot = self
            .slots
            .get_mut(usize::from(bulk.slot))
            .filter(|slot| slot.bulk)
            .ok_or(WireError::Slot { slot: index, slots })?;
        let codec = &self.codecs[usize::from(bulk.slot)];
        let mut rest = bulk.bytes;
        let value = codec.take(&mut rest).ok_or(WireError::Value { slot: index })?;
        if !rest.is_empty() {
            return Err(WireError::Trailing { what: "a long value", count: rest.len() });
        }
        self.messages += 1;
        if bulk.count <= slot.count {
            return Ok(Received::Nothing);
        }
        codec.decode(value, &mut self.image[slot.image.clone()]);
        slot.count = bulk.count;
        slot.quality = bulk.quality;
        Ok(Received::Commit)
    }

    /// What is to be done at this time; call again until it is `None`.
    pub fn due(&mut self, now_ns: u64, rtt_ns: u64) -> Option<Due> {
        if self.next_set_end().is_some_and(|end| now_ns >= end) {
            self.flush();
            return Some(Due::Commit);
        }
        if now_ns < self.next_request(rtt_ns)? {
            return None;
        }
        let attempts = self.asked.map_or(0, |(attempts, _)| attempts);
        if attempts == ATTEMPTS {
            return Some(Due::Reconnect);
        }
        self.asked = Some((attempts + 1, now_ns));
        Some(Due::Resync { have: self.gaps.have() })
    }

    /// When [`Self::due`] has something to say, unless a message comes before.
    pub fn next_due(&self, rtt_ns: u64) -> Option<u64> {
        [self.next_set_end(), self.next_request(rtt_ns)].into_iter().flatten().min()
    }

    fn next_set_end(&self) -> Option<u64> {
        self.set.as_ref().map(|set| set.since_ns + self.config.interval_ns.min(MAX_SET_NS))
    }

    fn next_request(&self, rtt_ns: u64) -> Option<u64> {
        let since = self.gap_since_ns?;
        Some(match self.asked {
            Some((attempts, at)) => at + ((4 * rtt_ns).max(MIN_REPEAT_NS) << (attempts - 1)),
            None => since + (2 * rtt_ns).max(MIN_GAP_NS),
        })
    }

    fn data(&mut self, header: &Header, runs: &[u8], now_ns: u64) -> Result<Received, WireError> {
        match self.gaps.arrived(header.seq, header.part, header.parts) {
            Arrival::Known => return Ok(Received::Nothing),
            Arrival::Contradiction => {
                return Err(WireError::Field { field: "parts", value: u64::from(header.parts) });
            }
            Arrival::Part | Arrival::Whole => {}
        }
        self.scan_time_ns = self.scan_time_ns.max(header.scan_time_ns);
        let newer = header.seq > self.newest;
        let flushed = newer && self.flush();
        self.newest = self.newest.max(header.seq);
        let belongs = self.set.as_ref().is_some_and(|set| set.seq == header.seq);
        if header.parts == 1 || !(newer || belongs) {
            // Complete, or a straggler of a set whose other values show already.
            self.apply(runs, u32::from(header.runs), header.seq)?;
            return Ok(Received::Commit);
        }
        let set =
            self.set.get_or_insert_with(|| Set { seq: header.seq, since_ns: now_ns, parts: Vec::new() });
        let mut part = header.runs.to_le_bytes().to_vec();
        part.extend_from_slice(runs);
        set.parts.push(part);
        let whole = set.parts.len() == usize::from(header.parts);
        if whole {
            self.flush();
        }
        Ok(if whole || flushed { Received::Commit } else { Received::Alive })
    }

    /// Puts the parts of an unfinished set into the image.
    fn flush(&mut self) -> bool {
        let Some(set) = self.set.take() else { return false };
        for part in &set.parts {
            let (count, runs) = part.split_at(2);
            let count = u32::from(u16::from_le_bytes([count[0], count[1]]));
            // Checked when it arrived.
            let applied = self.apply(runs, count, set.seq);
            debug_assert!(applied.is_ok(), "a part was checked before it was kept");
        }
        true
    }

    /// Whether a message is well-formed, before any of it has an effect.
    fn check(&self, runs: &[u8], count: u32) -> Result<(), WireError> {
        let mut reader = RunReader::new(runs, count, &self.codecs);
        while let Some(run) = reader.read()? {
            if self.slots[usize::from(run.slot)].bulk {
                return Err(WireError::Value { slot: u32::from(run.slot) });
            }
        }
        Ok(())
    }

    /// Puts values of DATA `seq`, which [`Self::check`] has seen, where there are none as new.
    fn apply(&mut self, runs: &[u8], count: u32, seq: u64) -> Result<(), WireError> {
        let mut reader = RunReader::new(runs, count, &self.codecs);
        while let Some(run) = reader.read()? {
            let index = usize::from(run.slot);
            let slot = &mut self.slots[index];
            if slot.seq.is_none_or(|held| seq > held) {
                self.codecs[index].decode(run.value, &mut self.image[slot.image.clone()]);
                slot.seq = Some(seq);
                slot.quality = run.quality;
            }
        }
        Ok(())
    }

    fn alive(&mut self, header: &Header, now_ns: u64) {
        self.running = header.running;
        // A late datagram is no sign that the program still scans.
        let newer = self.last_scan_no.is_none_or(|last| (header.scan_no.wrapping_sub(last) as i32) > 0);
        if newer {
            self.last_scan_no = Some(header.scan_no);
            if header.running {
                self.last_alive_ns = Some(now_ns);
            }
        }
    }

    fn watch_gap(&mut self, now_ns: u64) {
        if self.gaps.is_open() {
            self.gap_since_ns.get_or_insert(now_ns);
        } else {
            self.gap_since_ns = None;
            self.asked = None;
        }
    }
}
