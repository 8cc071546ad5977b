//! When to dial again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// Doubling pauses with full jitter, so that peers which lost each other together do not meet together for ever.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after a connection that lasted `lasted` (zero: it never came up). `random` is any number.
    pub(super) fn pause(&mut self, lasted: Duration, random: u32) -> Duration {
        if lasted >= GOOD {
            self.failures = 0;
        }
        let longest = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures += 1;
        longest.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_five_seconds_and_forgets_after_a_good_connection() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.pause(Duration::ZERO, u32::MAX).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        assert_eq!(backoff.pause(Duration::from_secs(29), u32::MAX), LONGEST);
        assert_eq!(backoff.pause(Duration::from_secs(30), u32::MAX), FIRST);
        assert_eq!(backoff.pause(Duration::ZERO, 0), Duration::ZERO);
    }
}
