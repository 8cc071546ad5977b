//! What the scan gets to see of a device: fresh values, held ones, substitutes. Pure: the caller brings the time.

use std::time::Duration;

use lineshaft_exchange::Quality;

use crate::spec::OnError;

/// A group is stale when this many of its polls have passed without an answer.
const STALE_POLLS: u32 = 3;
/// Polls may be very quick; nothing is stale before this.
const STALE_MIN: Duration = Duration::from_millis(100);

/// A frame of inputs, made of groups that are read together.
#[derive(Debug)]
pub(crate) struct Inputs {
    frame: Vec<u8>,
    groups: Vec<Group>,
    on_error: OnError,
    error_after: Duration,
    /// Something that a reader should see has changed.
    changed: bool,
}

#[derive(Debug)]
struct Group {
    /// Its bits in the frame.
    mask: Vec<u8>,
    stale_after: Duration,
    /// When its values were taken; before the first, when the driver started.
    good_ns: i64,
    condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// Nothing came yet.
    Waiting,
    Good,
    Stale,
    /// Silent for so long that `on_error` applies.
    Lost,
}

impl Inputs {
    pub(crate) fn new(len: usize, on_error: OnError, error_after: Duration) -> Self {
        Self { frame: vec![0; len], groups: Vec::new(), on_error, error_after, changed: true }
    }

    /// Adds a group and gives its number.
    pub(crate) fn add_group(
        &mut self,
        bits: impl Iterator<Item = usize>,
        poll: Duration,
        now_ns: i64,
    ) -> usize {
        let mut mask = vec![0; self.frame.len()];
        for bit in bits {
            mask[bit / 8] |= 1 << (bit % 8);
        }
        let stale_after = (poll * STALE_POLLS).max(STALE_MIN);
        self.groups.push(Group { mask, stale_after, good_ns: now_ns, condition: Condition::Waiting });
        self.groups.len() - 1
    }

    /// New values: `fill` puts them into the frame.
    pub(crate) fn handle_good(&mut self, group: usize, now_ns: i64, fill: impl FnOnce(&mut [u8])) {
        fill(&mut self.frame);
        if let Some(group) = self.groups.get_mut(group) {
            group.good_ns = now_ns;
            group.condition = Condition::Good;
        }
        self.changed = true;
    }

    /// The device did not give values.
    pub(crate) fn handle_failed(&mut self, group: usize) {
        if let Some(group) = self.groups.get_mut(group)
            && group.condition == Condition::Good
        {
            group.condition = Condition::Stale;
            self.changed = true;
        }
    }

    /// The device gave no values at all.
    pub(crate) fn handle_lost_device(&mut self) {
        for group in 0..self.groups.len() {
            self.handle_failed(group);
        }
    }

    /// Lets time pass.
    pub(crate) fn handle_time(&mut self, now_ns: i64) {
        for group in &mut self.groups {
            let silent = Duration::from_nanos(u64::try_from(now_ns - group.good_ns).unwrap_or(0));
            let condition = match group.condition {
                Condition::Lost => Condition::Lost,
                Condition::Good if silent < group.stale_after => Condition::Good,
                // Values that are only rarely polled do not get lost between two polls.
                _ if silent >= self.error_after.max(group.stale_after) => Condition::Lost,
                Condition::Good | Condition::Stale => Condition::Stale,
                Condition::Waiting => Condition::Waiting,
            };
            if condition == group.condition {
                continue;
            }
            group.condition = condition;
            self.changed = true;
            if condition == Condition::Lost && self.on_error == OnError::Zero {
                for (byte, mask) in self.frame.iter_mut().zip(&group.mask) {
                    *byte &= !mask;
                }
            }
        }
    }

    /// How long until `handle_time` could change something.
    pub(crate) fn poll_deadline(&self, now_ns: i64) -> Option<Duration> {
        let left = |group: &Group| {
            let after = match group.condition {
                Condition::Good => group.stale_after,
                Condition::Waiting | Condition::Stale => self.error_after.max(group.stale_after),
                Condition::Lost => return None,
            };
            let silent = Duration::from_nanos(u64::try_from(now_ns - group.good_ns).unwrap_or(0));
            Some(after.saturating_sub(silent))
        };
        self.groups.iter().filter_map(left).min()
    }

    /// Whether the frame should be published, which this counts as done.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn frame(&self) -> &[u8] {
        &self.frame
    }

    /// The worst of all groups. Without any there is nothing that could be bad.
    pub(crate) fn quality(&self) -> Quality {
        let quality = |group: &Group| match group.condition {
            Condition::Good => Quality::Good,
            Condition::Stale => Quality::Stale,
            Condition::Waiting | Condition::Lost => Quality::Bad,
        };
        self.groups.iter().map(quality).max_by_key(|quality| *quality as u8).unwrap_or(Quality::Good)
    }

    /// When the oldest values were taken.
    pub(crate) fn time_ns(&self) -> Option<i64> {
        self.groups.iter().map(|group| group.good_ns).min()
    }

    /// Values are missing for so long that the runtime should fault, where the declaration says so.
    pub(crate) fn wants_fault(&self) -> bool {
        self.on_error == OnError::Fault && self.groups.iter().any(|group| group.condition == Condition::Lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000_000;

    fn inputs(on_error: OnError) -> Inputs {
        let mut inputs = Inputs::new(2, on_error, Duration::from_millis(500));
        assert_eq!(inputs.add_group(0..8, Duration::from_millis(20), 0), 0);
        assert_eq!(inputs.add_group(8..12, Duration::from_millis(20), 0), 1);
        inputs
    }

    fn fresh(inputs: &mut Inputs, now_ns: i64) {
        inputs.handle_good(0, now_ns, |frame| frame[0] = 0xaa);
        inputs.handle_good(1, now_ns, |frame| frame[1] = 0xff);
    }

    #[test]
    fn good_then_stale_then_what_on_error_says() {
        for (on_error, lost, fault) in [
            (OnError::Hold, [0xaa, 0xff], false),
            (OnError::Zero, [0, 0xf0], false),
            (OnError::Fault, [0xaa, 0xff], true),
        ] {
            let mut inputs = inputs(on_error);
            assert_eq!(inputs.quality(), Quality::Bad, "nothing came yet");
            fresh(&mut inputs, 10 * MS);
            for (at, quality, frame) in [
                (10, Quality::Good, [0xaa, 0xff]),
                (109, Quality::Good, [0xaa, 0xff]),
                (110, Quality::Stale, [0xaa, 0xff]),
                (509, Quality::Stale, [0xaa, 0xff]),
                (510, Quality::Bad, lost),
            ] {
                inputs.handle_time(at * MS);
                assert_eq!(
                    (inputs.quality(), inputs.frame()),
                    (quality, &frame[..]),
                    "{on_error:?} at {at} ms"
                );
            }
            assert_eq!(inputs.wants_fault(), fault);
            fresh(&mut inputs, 600 * MS);
            assert_eq!((inputs.quality(), inputs.frame()), (Quality::Good, &[0xaa, 0xff][..]));
            assert!(!inputs.wants_fault());
        }
    }

    #[test]
    fn a_failure_is_stale_at_once_and_one_bad_group_makes_the_frame_bad() {
        let mut inputs = inputs(OnError::Zero);
        fresh(&mut inputs, 0);
        inputs.handle_failed(1);
        assert_eq!(inputs.quality(), Quality::Stale);
        inputs.handle_good(0, 499 * MS, |frame| frame[0] = 1);
        inputs.handle_time(500 * MS);
        assert_eq!((inputs.quality(), inputs.frame()), (Quality::Bad, &[1, 0xf0][..]));
        assert_eq!(inputs.time_ns(), Some(0));
    }

    #[test]
    fn a_device_that_was_never_there_asks_for_the_fault_too() {
        let mut inputs = inputs(OnError::Fault);
        inputs.handle_time(499 * MS);
        assert!(!inputs.wants_fault());
        inputs.handle_time(500 * MS);
        assert!(inputs.wants_fault());
    }

    #[test]
    fn changes_are_reported_once_and_deadlines_are_those_of_changes() {
        let mut inputs = inputs(OnError::Hold);
        assert!(inputs.take_changed() && !inputs.take_changed());
        assert_eq!(inputs.poll_deadline(0), Some(Duration::from_millis(500)));
        fresh(&mut inputs, 10 * MS);
        assert!(inputs.take_changed());
        assert_eq!(inputs.poll_deadline(20 * MS), Some(Duration::from_millis(90)));
        inputs.handle_time(50 * MS);
        assert!(!inputs.take_changed());
        inputs.handle_time(600 * MS);
        assert!(inputs.take_changed());
        assert_eq!(inputs.poll_deadline(600 * MS), None);
    }

    #[test]
    fn a_slow_poll_is_not_lost_between_two_polls() {
        let mut inputs = Inputs::new(1, OnError::Zero, Duration::from_millis(100));
        inputs.add_group(0..8, Duration::from_secs(1), 0);
        inputs.handle_good(0, 0, |frame| frame[0] = 7);
        inputs.handle_time(2900 * MS);
        assert_eq!((inputs.quality(), inputs.frame()), (Quality::Good, &[7][..]));
        inputs.handle_time(3000 * MS);
        assert_eq!((inputs.quality(), inputs.frame()), (Quality::Bad, &[0][..]));
    }
}
