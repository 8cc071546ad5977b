//! What has arrived of one publisher, over all its flows and their negotiations.

use std::collections::HashMap;

use lineshaft_mesh::flow::Tally;

/// Time over which a rate is taken.
const RATE_NS: u64 = 2_000_000_000;

/// Counts that never fall.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Of the present negotiation of each flow.
    flows: HashMap<u16, (u32, Tally)>,
    /// Of negotiations that are over.
    before: Tally,
    rate: Option<Rate>,
}

#[derive(Debug)]
struct Rate {
    since_ns: u64,
    messages: u64,
    per_second: Option<u32>,
}

impl Counts {
    /// What a flow of this number and negotiation has received so far.
    pub(crate) fn count(&mut self, (flow, epoch): (u16, u32), tally: Tally) {
        let known = self.flows.insert(flow, (epoch, tally));
        if let Some((_, over)) = known.filter(|(old, _)| *old != epoch) {
            self.before.messages += over.messages;
            self.before.lost += over.lost;
        }
    }

    /// Since the subscription is served.
    pub(crate) fn total(&self) -> Tally {
        self.flows.values().fold(self.before, |sum, (_, tally)| Tally {
            messages: sum.messages + tally.messages,
            lost: sum.lost + tally.lost,
        })
    }

    /// Messages a second, of late; `None` until enough time has passed since the first one.
    pub(crate) fn per_second(&mut self, now_ns: u64) -> Option<u32> {
        let messages = self.total().messages;
        let rate = match &mut self.rate {
            Some(rate) => rate,
            None if messages == 0 => return None,
            none => none.insert(Rate { since_ns: now_ns, messages, per_second: None }),
        };
        let passed_ns = now_ns.saturating_sub(rate.since_ns);
        if passed_ns >= RATE_NS {
            let (more, half) = (u128::from(messages - rate.messages), u128::from(passed_ns / 2));
            let per_second = (more * 1_000_000_000 + half) / u128::from(passed_ns);
            let per_second = u32::try_from(per_second).unwrap_or(u32::MAX);
            *rate = Rate { since_ns: now_ns, messages, per_second: Some(per_second) };
        }
        rate.per_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn tally(messages: u64, lost: u64) -> Tally {
        Tally { messages, lost }
    }

    #[test]
    fn a_new_negotiation_takes_nothing_away() {
        let mut counts = Counts::default();
        counts.count((1, 7), tally(10, 1));
        counts.count((2, 7), tally(5, 0));
        counts.count((1, 7), tally(12, 1));
        assert_eq!(counts.total(), tally(17, 1));
        counts.count((1, 8), tally(1, 0));
        assert_eq!(counts.total(), tally(18, 1));
        counts.count((1, 8), tally(3, 2));
        assert_eq!(counts.total(), tally(20, 3));
    }

    #[test]
    fn a_rate_is_that_of_the_last_while_however_often_it_is_asked_for() {
        let mut counts = Counts::default();
        assert_eq!(counts.per_second(0), None);
        counts.count((1, 1), tally(1, 0));
        assert_eq!(counts.per_second(SECOND), None, "of one message nothing can be said");
        counts.count((1, 1), tally(21, 0));
        assert_eq!(counts.per_second(2 * SECOND), None);
        assert_eq!(counts.per_second(3 * SECOND), Some(10));
        counts.count((1, 1), tally(1_000, 0));
        assert_eq!(counts.per_second(4 * SECOND), Some(10), "the present while is not over");
        counts.count((1, 1), tally(1_021, 0));
        assert_eq!(counts.per_second(5 * SECOND), Some(500));
        assert_eq!(counts.per_second(7 * SECOND), Some(0), "and then nothing came");
    }
}
