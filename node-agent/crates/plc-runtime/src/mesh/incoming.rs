//! Received values, at the begin of a scan: the newest image goes into the program, silence is noticed.
//!
//! Whether a value is stale is decided here and nowhere else: it needs nobody who still lives on the other side.

use super::{Action, EntrySpec, Stale, parts};
use lineshaft_exchange::{Image, InboxReader};

/// Quality of a value of which nothing was heard for its timeout.
const STALE: u8 = 0x80;
/// Of one that was never connected.
const NOT_CONNECTED: u8 = 0x81;
/// Of bytes that are no value of their type.
const SOURCE_BAD: u8 = 0x85;

/// All entries, and where their values come from.
#[derive(Debug)]
pub(super) struct Incoming {
    entries: Vec<Entry>,
    /// Entries with an age variable, and those whose silence is a fault.
    aged: Vec<usize>,
    faulting: Vec<usize>,
    /// `None` until it is taken over from the binding before.
    inbox: Option<InboxReader>,
    signs: Vec<Sign>,
    /// Who made the last image.
    writer: u64,
    /// When the next entry becomes stale, unless there is a sign of life.
    next_ns: i64,
    any_stale: bool,
    /// Something has to be looked at that neither an image nor time tells.
    look: bool,
    /// The inbox is that of the binding before.
    same_box: bool,
}

/// A source's last sign of life.
#[derive(Clone, Copy, Debug, Default)]
struct Sign {
    /// As its bringer wrote it.
    word: i64,
    /// The same, but never later than when it was seen: nobody lives in the future.
    alive_ns: i64,
}

#[derive(Debug)]
struct Entry {
    spec: EntrySpec,
    /// Stamp of the value that the program has.
    taken: Option<u32>,
    /// The program has the substitute.
    substituted: bool,
    /// What the bringer said last.
    told: u8,
    /// Whose signs of life count.
    source: Option<u16>,
    /// The last value was none of its type.
    bad: bool,
    /// What the program was told.
    shown: Option<u8>,
    /// 0: never.
    alive_ns: i64,
    stale: bool,
    /// Begin of the grace period.
    since_ns: i64,
}

impl Incoming {
    pub(super) fn new(entries: Vec<EntrySpec>, inbox: Option<(InboxReader, u16)>) -> Self {
        let with = |wanted: fn(&EntrySpec) -> bool| {
            entries.iter().enumerate().filter(|(_, spec)| wanted(spec)).map(|(index, _)| index).collect()
        };
        let (aged, faulting) =
            (with(|spec| spec.age.is_some()), with(|spec| matches!(spec.action, Action::Fault)));
        let (inbox, sources) = inbox.map_or((None, 0), |(inbox, sources)| (Some(inbox), sources));
        Self {
            entries: entries.into_iter().map(Entry::new).collect(),
            aged,
            faulting,
            inbox,
            signs: vec![Sign::default(); usize::from(sources)],
            writer: 0,
            next_ns: i64::MAX,
            any_stale: true,
            look: true,
            same_box: false,
        }
    }

    pub(super) fn take_box(&mut self, before: &mut Self) {
        self.inbox = before.inbox.take();
        std::mem::swap(&mut self.signs, &mut before.signs);
        self.writer = before.writer;
        self.same_box = true;
    }

    /// What the program has of a variable it still has, as long as the variable stays.
    pub(super) fn follow(&mut self, before: &Self, now_ns: i64) {
        for entry in &mut self.entries {
            let index = entry.spec.before.map(|index| index as usize);
            match index.and_then(|index| before.entries.get(index)) {
                Some(old) => entry.follow(old, self.same_box),
                None => entry.since_ns = now_ns,
            }
        }
        self.look = true;
    }

    pub(super) fn runs(&mut self, now_ns: i64) {
        for entry in &mut self.entries {
            entry.since_ns = now_ns;
        }
    }

    pub(super) fn forget(&mut self) {
        for entry in &mut self.entries {
            (entry.taken, entry.shown, entry.substituted) = (None, None, false);
        }
        self.look = true;
    }

    pub(super) fn latch(&mut self, state: &mut [u8], now_ns: i64) -> Option<Stale<'_>> {
        let inbox = self.inbox.as_mut()?;
        let (_, fresh) = inbox.latest();
        let mut revived = false;
        for (source, sign) in self.signs.iter_mut().enumerate() {
            let word = inbox.alive(source as u16);
            if word != sign.word {
                *sign = Sign { word, alive_ns: word.min(now_ns) };
                revived = true;
            }
        }
        if fresh || self.look || now_ns >= self.next_ns || (revived && self.any_stale) {
            self.judge(state, now_ns);
        }
        for &index in &self.aged {
            self.entries[index].show_age(&self.signs, state, now_ns);
        }
        let due =
            |entry: &&Entry| entry.stale && now_ns.saturating_sub(entry.since_ns) >= entry.spec.grace_ns;
        let entry = self.faulting.iter().map(|&index| &self.entries[index]).find(due)?;
        Some(Stale { to: &entry.spec.to, from: &entry.spec.from })
    }

    #[cfg(test)]
    pub(super) fn has_image(&self) -> bool {
        self.inbox.as_ref().is_some_and(|inbox| inbox.image().is_some())
    }

    /// Looks at every entry.
    fn judge(&mut self, state: &mut [u8], now_ns: i64) {
        let image = self.inbox.as_ref().and_then(InboxReader::image);
        let writer = image.as_ref().map_or(self.writer, Image::writer);
        let other = std::mem::replace(&mut self.writer, writer) != writer;
        (self.next_ns, self.any_stale, self.look) = (i64::MAX, false, false);
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if other {
                // Its stamps say nothing about those of its predecessor.
                entry.taken = None;
            }
            if let Some(image) = &image {
                let head = image.head(index);
                (entry.told, entry.source) = (head.quality, Some(head.source));
            }
            entry.alive_ns = entry.alive(&self.signs);
            let ends = entry.alive_ns.saturating_add(entry.spec.timeout_ns);
            entry.stale = entry.alive_ns <= 0 || now_ns >= ends;
            if entry.stale {
                self.any_stale = true;
                entry.substitute(state);
            } else {
                self.next_ns = self.next_ns.min(ends);
                if let Some(image) = &image {
                    entry.take(image, index, state);
                }
            }
            entry.show_quality(state);
        }
    }
}

impl Entry {
    fn new(spec: EntrySpec) -> Self {
        Self {
            spec,
            taken: None,
            substituted: false,
            told: NOT_CONNECTED,
            source: None,
            bad: false,
            shown: None,
            alive_ns: 0,
            stale: true,
            since_ns: 0,
        }
    }

    fn follow(&mut self, old: &Self, same_box: bool) {
        (self.told, self.bad, self.shown) = (old.told, old.bad, old.shown);
        (self.alive_ns, self.stale, self.since_ns) = (old.alive_ns, old.stale, old.since_ns);
        // Another substitute is written anew.
        self.substituted = old.substituted && self.spec.action == old.spec.action;
        if same_box {
            (self.taken, self.source) = (old.taken, old.source);
            if old.substituted && !self.substituted {
                self.taken = None;
            }
        }
        if self.spec.quality != old.spec.quality {
            self.shown = None;
        }
    }

    /// The last sign of life that counts for it.
    fn alive(&self, signs: &[Sign]) -> i64 {
        let sign = self.source.and_then(|source| signs.get(usize::from(source)));
        sign.map_or(self.alive_ns, |sign| sign.alive_ns.max(self.alive_ns))
    }

    fn substitute(&mut self, state: &mut [u8]) {
        if self.substituted {
            return;
        }
        if let Action::Substitute(value) = &self.spec.action {
            write(&self.spec, value, state);
            self.substituted = true;
        }
    }

    /// Takes the value of an image, if the program does not have it.
    fn take(&mut self, image: &Image<'_>, index: usize, state: &mut [u8]) {
        let stamp = image.head(index).stamp;
        if stamp == 0 || (self.taken == Some(stamp) && !self.substituted) {
            return;
        }
        self.bad = !write(&self.spec, image.value(index), state);
        (self.taken, self.substituted) = (Some(stamp), false);
    }

    fn show_quality(&mut self, state: &mut [u8]) {
        let silence = if self.stale { STALE } else { 0 };
        let source = if self.bad { SOURCE_BAD } else { 0 };
        let quality = self.told.max(silence).max(source);
        if self.shown == Some(quality) {
            return;
        }
        self.shown = Some(quality);
        if let Some(byte) = self.spec.quality.and_then(|at| state.get_mut(at as usize)) {
            *byte = quality;
        }
    }

    fn show_age(&self, signs: &[Sign], state: &mut [u8], now_ns: i64) {
        let alive = self.alive(signs);
        let age = if alive > 0 { now_ns.saturating_sub(alive) } else { i64::MAX };
        if let Some(at) = self.spec.age.map(|at| at as usize)
            && let Some(bytes) = state.get_mut(at..at + 8)
        {
            bytes.copy_from_slice(&age.to_le_bytes());
        }
    }
}

/// Puts a value in its place. `false`: it is none of its type.
fn write(spec: &EntrySpec, value: &[u8], state: &mut [u8]) -> bool {
    let memory = spec.memory.start as usize..spec.memory.end as usize;
    let Some(target) = state.get_mut(memory) else { return false };
    match spec.bit {
        None => parts::copy(&spec.parts, value, target),
        Some(bit) => match (value, target) {
            ([value @ 0..=1], [byte]) => {
                *byte = *byte & !(1 << (bit & 7)) | value << (bit & 7);
                true
            }
            _ => false,
        },
    }
}
