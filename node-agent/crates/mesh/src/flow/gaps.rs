//! Which DATA have arrived, whole or in parts.

use std::collections::BTreeMap;

/// Sets that are remembered above the first gap. Those that are forgotten count as missing: a snapshot covers them.
const REMEMBERED: usize = 1_024;

/// Which DATA have arrived.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    /// Everything up to here has arrived, or a snapshot stood in for it.
    have: u64,
    /// The newest that is known to exist.
    known: u64,
    /// Datagrams that a snapshot stood in for.
    lost: u64,
    above: BTreeMap<u64, Parts>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    expected: u8,
    arrived: u8,
    seen: [u64; 4],
}

impl Parts {
    fn whole(&self) -> bool {
        self.expected > 0 && self.arrived == self.expected
    }
}

/// What a part was to its DATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Has been here already, or is covered by a snapshot.
    Known,
    /// New, and more are missing.
    Part,
    /// New, and the last one missing.
    Whole,
    /// Says another number of parts than its siblings.
    Contradiction,
}

impl Gaps {
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// Datagrams that never came, as far as it is known; of a set that never came any part, one.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    pub(super) fn is_open(&self) -> bool {
        self.known > self.have
    }

    /// The newest DATA that is missing, or misses parts; 0 if none is.
    pub(super) fn newest_missing(&self) -> u64 {
        let mut candidate = self.known;
        for (&seq, parts) in self.above.iter().rev() {
            if seq > candidate {
                continue;
            }
            if seq < candidate || !parts.whole() {
                return candidate;
            }
            candidate -= 1;
        }
        if candidate > self.have { candidate } else { 0 }
    }

    /// A BEAT said that this one exists.
    pub(super) fn exists(&mut self, seq: u64) {
        self.known = self.known.max(seq);
    }

    pub(super) fn arrived(&mut self, seq: u64, part: u8, parts: u8) -> Arrival {
        self.exists(seq);
        if seq <= self.have {
            return Arrival::Known;
        }
        let entry = self.above.entry(seq).or_insert(Parts { expected: parts, ..Parts::default() });
        if entry.expected != parts {
            return Arrival::Contradiction;
        }
        let (word, bit) = (usize::from(part / 64), 1u64 << (part % 64));
        if entry.seen[word] & bit != 0 {
            return Arrival::Known;
        }
        entry.seen[word] |= bit;
        entry.arrived += 1;
        let whole = entry.whole();
        self.advance();
        while self.above.len() > REMEMBERED {
            self.above.pop_first();
        }
        if whole { Arrival::Whole } else { Arrival::Part }
    }

    /// A snapshot stands for everything up to `seq`.
    pub(super) fn covered(&mut self, seq: u64) {
        self.exists(seq);
        let arrived = self.above.range(..=seq);
        let parts = arrived.clone().map(|(_, parts)| u64::from(parts.expected - parts.arrived)).sum::<u64>();
        self.lost += seq.saturating_sub(self.have).saturating_sub(arrived.count() as u64) + parts;
        self.have = self.have.max(seq);
        self.above = self.above.split_off(&(self.have + 1));
        self.advance();
    }

    fn advance(&mut self) {
        while let Some(first) = self.above.first_entry()
            && *first.key() == self.have + 1
            && first.get().whole()
        {
            first.remove();
            self.have += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_matter() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.arrived(2, 0, 1), Arrival::Whole);
        assert!(gaps.is_open());
        assert_eq!(gaps.newest_missing(), 1);
        assert_eq!(gaps.arrived(1, 1, 2), Arrival::Part);
        assert_eq!(gaps.newest_missing(), 1);
        assert_eq!(gaps.arrived(1, 1, 2), Arrival::Known);
        assert_eq!(gaps.arrived(1, 0, 3), Arrival::Contradiction);
        assert_eq!(gaps.arrived(1, 0, 2), Arrival::Whole);
        assert_eq!((gaps.have(), gaps.is_open(), gaps.newest_missing()), (2, false, 0));
        assert_eq!(gaps.arrived(2, 0, 1), Arrival::Known);
    }

    #[test]
    fn beats_and_snapshots() {
        let mut gaps = Gaps::default();
        gaps.exists(4);
        assert_eq!((gaps.have(), gaps.newest_missing()), (0, 4));
        gaps.arrived(6, 0, 1);
        assert_eq!(gaps.newest_missing(), 5);
        gaps.covered(5);
        assert_eq!((gaps.have(), gaps.is_open()), (6, false));
        gaps.covered(3);
        assert_eq!((gaps.have(), gaps.lost()), (6, 5));
    }

    #[test]
    fn what_never_came_is_counted_once() {
        let mut gaps = Gaps::default();
        gaps.covered(0);
        gaps.arrived(1, 0, 1);
        assert_eq!(gaps.lost(), 0);
        // 2 is missing, of 3 one part of three, of 4 nothing.
        gaps.arrived(3, 1, 3);
        gaps.exists(4);
        gaps.covered(4);
        assert_eq!((gaps.lost(), gaps.is_open()), (4, false));
        gaps.arrived(2, 0, 1);
        gaps.covered(4);
        assert_eq!(gaps.lost(), 4);
    }

    #[test]
    fn memory_is_bounded() {
        let mut gaps = Gaps::default();
        for seq in 2..5_000 {
            gaps.arrived(seq, 0, 1);
        }
        assert_eq!(gaps.above.len(), REMEMBERED);
        assert_eq!(gaps.have(), 0);
        assert!(gaps.newest_missing() > 0);
        gaps.covered(4_999);
        assert_eq!((gaps.have(), gaps.is_open()), (4_999, false));
    }

    #[test]
    fn all_255_parts() {
        let mut gaps = Gaps::default();
        for part in 0..254 {
            assert_eq!(gaps.arrived(1, part, 255), Arrival::Part);
        }
        assert_eq!(gaps.arrived(1, 254, 255), Arrival::Whole);
        assert_eq!(gaps.have(), 1);
    }
}
