//! How much a peer may send: so much a second, and so much at once.

use super::LinkError;

const SECOND_NS: u64 = 1_000_000_000;

/// Lets through what was agreed on. Time is an argument.
#[derive(Debug)]
pub(super) struct Meter {
    /// Time that one unit takes.
    unit_ns: u64,
    /// Units that may be owed.
    at_once: u64,
    /// When everything that was let through is paid for.
    paid_ns: u64,
}

impl Meter {
    /// So many units a second, after so many at once.
    pub(super) fn new(a_second: u64, at_once: u64) -> Self {
        let unit_ns = (SECOND_NS / a_second.max(1)).max(1);
        Self { unit_ns, at_once, paid_ns: 0 }
    }

    /// Takes units; an error if that is more than was agreed on.
    pub(super) fn take(&mut self, units: u64, now_ns: u64) -> Result<(), LinkError> {
        let paid_ns = self.paid_ns.max(now_ns).saturating_add(self.unit_ns.saturating_mul(units));
        if paid_ns - now_ns > self.unit_ns.saturating_mul(self.at_once) {
            return Err(LinkError::Overload("the peer sends more than was agreed on"));
        }
        self.paid_ns = paid_ns;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_a_burst_through_and_then_the_rate() {
        let mut meter = Meter::new(100, 300);
        let begin = 5 * SECOND_NS;
        assert!(meter.take(300, begin).is_ok());
        assert!(meter.take(1, begin).is_err());
        let mut meter = Meter::new(100, 300);
        meter.take(300, begin).unwrap();
        for tick in 1..1_000 {
            meter.take(1, begin + tick * SECOND_NS / 100).unwrap();
        }
        assert!(meter.take(2, begin + 10 * SECOND_NS).is_err(), "no pause, no room");
        let mut idle = Meter::new(100, 300);
        idle.take(300, begin).unwrap();
        assert!(idle.take(300, begin + 3 * SECOND_NS).is_ok(), "three seconds later all of it again");
    }
}
