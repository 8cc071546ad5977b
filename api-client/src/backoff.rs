//! How long to wait before the next attempt, for each object by itself.
//!
//! kube's own `error_policy` is never told of a success, so the attempts are counted here.

use std::time::Duration;

/// First delay.
const BASE: Duration = Duration::from_secs(1);
/// No delay is longer, jitter aside.
const CAP: Duration = Duration::from_mins(5);
/// Doublings after which [`CAP`] is reached; stops the shift from overflowing.
const DOUBLINGS_MAX: u32 = 9;

/// Attempts that failed in a row, and the delay that follows from them.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    seed: u64,
}

impl Backoff {
    /// The seed spreads objects that fail together; the uid of the object does.
    pub fn new(seed: &str) -> Self {
        Self { failures: 0, seed: u64::from(crc32c::crc32c(seed.as_bytes())) }
    }

    /// Counts a failure and says how long to wait: 1 s, doubled up to 5 min, ±10 %.
    pub fn fail(&mut self) -> Duration {
        let exact = BASE.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(CAP);
        self.failures = self.failures.saturating_add(1);
        exact.mul_f64(0.9 + 0.2 * self.fraction())
    }

    /// The next failure starts from the beginning.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Whether nothing failed since the last success.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Between 0 and 1, different for each seed and attempt, the same in each run.
    fn fraction(&self) -> f64 {
        let mixed = (self.seed ^ (u64::from(self.failures) << 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_the_cap_within_ten_percent() {
        let mut backoff = Backoff::new("6a1f");
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0, 300.0] {
            let delay = backoff.fail().as_secs_f64();
            assert!((delay / expected - 1.0).abs() <= 0.1, "{delay} instead of {expected}");
        }
    }

    #[test]
    fn success_starts_anew() {
        let mut backoff = Backoff::new("6a1f");
        backoff.fail();
        backoff.fail();
        backoff.succeed();
        assert!(backoff.fail() < Duration::from_millis(1101));
    }

    #[test]
    fn objects_are_spread() {
        assert_ne!(Backoff::new("a").fail(), Backoff::new("b").fail());
    }
}
