//! Small log-linear histograms of times, written by one thread and read by anybody.
//!
//! Four buckets for each doubling: a figure read from one is at most 25 % too low, which is enough to tell a good
//! scan from a bad one, and 140 counters reach from a nanosecond to a minute.

use std::sync::atomic::{AtomicU32, Ordering};

/// Number of buckets of a histogram.
pub const BUCKETS: usize = 140;
/// Binary digits kept behind the leading one.
const SUB_BITS: u32 = 2;

/// Counters in shared memory.
#[derive(Debug)]
#[repr(C)]
pub struct Histogram {
    counts: [AtomicU32; BUCKETS],
}

impl Histogram {
    /// Number of the bucket that counts `value_ns`. The last one takes everything above it too.
    pub fn bucket_of(value_ns: u64) -> usize {
        if value_ns < 1 << SUB_BITS {
            return value_ns as usize;
        }
        let exponent = value_ns.ilog2();
        let sub = (value_ns >> (exponent - SUB_BITS)) & ((1 << SUB_BITS) - 1);
        let index = ((exponent - SUB_BITS + 1) << SUB_BITS) as usize + sub as usize;
        index.min(BUCKETS - 1)
    }

    /// The smallest value that bucket `index` counts.
    pub fn lower_bound_ns(index: usize) -> u64 {
        let index = index.min(BUCKETS - 1) as u64;
        if index < 1 << SUB_BITS {
            return index;
        }
        let shift = (index >> SUB_BITS) - 1;
        ((1 << SUB_BITS) | (index & ((1 << SUB_BITS) - 1))) << shift
    }

    /// Counts one value. Only one thread may count; the counter stops at its end instead of starting again at 0.
    pub fn record(&self, value_ns: u64) {
        let count = &self.counts[Self::bucket_of(value_ns)];
        count.store(count.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    /// Sets all counters to 0.
    pub fn reset(&self) {
        for count in &self.counts {
            count.store(0, Ordering::Relaxed);
        }
    }

    /// A copy to calculate with.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot { counts: std::array::from_fn(|index| self.counts[index].load(Ordering::Relaxed)) }
    }
}

/// A histogram as it was at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    counts: [u32; BUCKETS],
}

impl HistogramSnapshot {
    /// How many values were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// The counters.
    pub fn counts(&self) -> &[u32; BUCKETS] {
        &self.counts
    }

    /// How many values lie in buckets that end at or below `limit_ns`.
    pub fn at_or_below(&self, limit_ns: u64) -> u64 {
        let ends_below =
            |index: usize| index + 1 < BUCKETS && Histogram::lower_bound_ns(index + 1) - 1 <= limit_ns;
        (0..BUCKETS).filter(|&index| ends_below(index)).map(|index| u64::from(self.counts[index])).sum()
    }

    /// The lower bound of the bucket that holds the value at `per_mille` thousandths; `None` when empty.
    pub fn quantile_ns(&self, per_mille: u32) -> Option<u64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let rank = (total * u64::from(per_mille.min(1000))).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= rank {
                return Some(Histogram::lower_bound_ns(index));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_buckets_agree() {
        for index in 0..BUCKETS {
            let lower = Histogram::lower_bound_ns(index);
            assert_eq!(Histogram::bucket_of(lower), index, "{lower}");
            if index > 0 {
                assert_eq!(Histogram::bucket_of(lower - 1), index - 1, "{lower}");
            }
        }
        assert_eq!(Histogram::bucket_of(u64::MAX), BUCKETS - 1);
        assert!(Histogram::lower_bound_ns(BUCKETS - 1) > 30_000_000_000);
    }

    #[test]
    fn quantiles_and_cumulative_counts() {
        let histogram = Histogram { counts: std::array::from_fn(|_| AtomicU32::new(0)) };
        assert_eq!(histogram.snapshot().quantile_ns(500), None);
        for value in 1..=1000 {
            histogram.record(value * 1000);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.total(), 1000);
        let median = snapshot.quantile_ns(500).unwrap();
        assert!((375_000..=500_000).contains(&median), "{median}");
        let half = snapshot.at_or_below(500_000);
        assert!((375..=500).contains(&half), "{half}");
        assert_eq!(snapshot.at_or_below(u64::MAX), 1000);
        histogram.reset();
        assert_eq!(histogram.snapshot().total(), 0);
    }

    #[test]
    fn a_full_counter_stays_full() {
        let histogram = Histogram { counts: std::array::from_fn(|_| AtomicU32::new(u32::MAX)) };
        histogram.record(1);
        assert_eq!(histogram.snapshot().counts()[1], u32::MAX);
    }
}
