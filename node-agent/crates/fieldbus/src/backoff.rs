//! When to try a lost device again.

use std::time::Duration;

/// Growing delays with some randomness, so that many masters do not meet a returning device at once.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    next: Duration,
    /// State of the random numbers; the same seed gives the same delays.
    random: u64,
}

impl Backoff {
    /// Delays that begin at `first` and double up to `most`; each is shortened by up to a quarter at random.
    pub fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self { first, most, next: first, random: seed | 1 }
    }

    /// For field devices: 50 ms to 2 s.
    pub fn for_devices(seed: u64) -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(2), seed)
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.next.min(self.most);
        self.next = full.saturating_mul(2).min(self.most);
        // xorshift64: a few bits that differ between drivers are all that is needed.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        full.mul_f64(1.0 - (self.random >> 40) as f64 / f64::from(1 << 24) / 4.0)
    }

    /// The device is back: the next loss begins at the first delay.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn delays_double_up_to_the_limit(seed: u64) {
            let mut backoff = Backoff::for_devices(seed);
            for _ in 0..2 {
                for full in [50, 100, 200, 400, 800, 1600, 2000, 2000, 2000] {
                    let full = Duration::from_millis(full);
                    let delay = backoff.next_delay();
                    prop_assert!(delay <= full && delay >= full * 3 / 4, "{delay:?} for {full:?}");
                }
                backoff.reset();
            }
        }
    }

    #[test]
    fn two_masters_do_not_keep_step() {
        let delays = |seed| {
            let mut backoff = Backoff::for_devices(seed);
            (0..8).map(|_| backoff.next_delay()).collect::<Vec<_>>()
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8_000_000));
    }
}
