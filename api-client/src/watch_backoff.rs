//! How long a watch that broke off waits before it asks again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

const FIRST: Duration = Duration::from_millis(200);
/// An API server that is back is found within this time: the library's own backoff grows to a minute, and is not
/// forgotten for two minutes after a success.
const LONGEST: Duration = Duration::from_millis(1600);

/// 0.2 s, doubled up to 1.6 s, less up to a quarter, so that many hosts do not ask at once; from the start again
/// after an answer.
#[derive(Clone, Debug)]
pub struct WatchBackoff {
    next: Duration,
    seed: u32,
}

impl WatchBackoff {
    /// The seed spreads those who lost the same server: the name of a host does.
    pub fn new(seed: &str) -> Self {
        Self { next: FIRST, seed: crc32c::crc32c(seed.as_bytes()) }
    }
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let delay = self.next;
        self.next = (delay * 2).min(LONGEST);
        self.seed = crc32c::crc32c(&self.seed.to_le_bytes());
        Some(delay * (1000 - self.seed % 250) / 1000)
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_waits_long_and_starts_anew_after_an_answer() {
        let mut backoff = WatchBackoff::new("edge");
        let mut waited = Duration::ZERO;
        for _ in 0..100 {
            let delay = backoff.next().unwrap();
            assert!(delay > Duration::from_millis(100) && delay <= LONGEST, "{delay:?}");
            waited = waited.max(delay);
        }
        assert!(waited > Duration::from_secs(1), "{waited:?}");
        backoff.reset();
        assert!(backoff.next().unwrap() <= FIRST);
    }
}
