//! Chance that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// A small generator: all that is wanted is that a failed run can be repeated from its seed.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// From `LINESHAFT_TEST_SEED`, or the clock; printed.
    pub fn from_environment() -> Self {
        let seed = std::env::var("LINESHAFT_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(clock_seconds);
        println!("LINESHAFT_TEST_SEED={seed} repeats this run");
        Self(seed | 1)
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn clock_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs())
}
