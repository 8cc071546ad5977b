//! Inputs from a script, without any device.

use std::time::{Duration, Instant};

use crate::host::{Driver, DriverPort, DriverState, IoError, StopToken};
use crate::image::{Address, FrameMap};

/// Values are given again after this, so that they stay good.
const REFRESH: Duration = Duration::from_millis(500);

/// A script over the bits of an input frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPlan {
    steps: Vec<Step>,
    repeat: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    at: Duration,
    /// First bit in the frame.
    bit: usize,
    len: usize,
    value: u64,
}

impl SimulatedPlan {
    pub(crate) fn new(steps: &[(u32, Address, u64)], repeat_ms: Option<u32>, inputs: &FrameMap) -> Self {
        let steps = steps
            .iter()
            .filter_map(|&(at_ms, address, value)| {
                let bits = address.bits();
                let (bit, len) = (inputs.frame_bit(bits.start)?, bits.len as usize);
                Some(Step { at: Duration::from_millis(at_ms.into()), bit, len, value })
            })
            .collect();
        Self { steps, repeat: repeat_ms.map(|repeat_ms| Duration::from_millis(repeat_ms.into())) }
    }

    /// Sets the inputs to what they are `elapsed` after the start; how long until the next change, if there is one.
    fn play(&self, elapsed: Duration, inputs: &mut [u8]) -> Option<Duration> {
        let in_round = match self.repeat {
            Some(repeat) => Duration::from_nanos((elapsed.as_nanos() % repeat.as_nanos()) as u64),
            None => elapsed,
        };
        for step in self.steps.iter().filter(|step| step.at <= in_round) {
            for offset in 0..step.len {
                let bit = step.bit + offset;
                let on = (step.value >> offset & 1) as u8;
                inputs[bit / 8] = (inputs[bit / 8] & !(1 << (bit % 8))) | on << (bit % 8);
            }
        }
        let next = self.steps.iter().map(|step| step.at).find(|&at| at > in_round);
        Some(next.or(self.repeat)?.saturating_sub(in_round))
    }
}

/// The driver. It has no outputs, so it is always safe.
#[derive(Debug)]
pub(crate) struct SimulatedDriver {
    plan: SimulatedPlan,
}

impl SimulatedDriver {
    pub(crate) fn new(plan: SimulatedPlan) -> Self {
        Self { plan }
    }
}

impl Driver for SimulatedDriver {
    fn open(&mut self, port: &mut DriverPort, _: &StopToken) -> Result<(), IoError> {
        port.set_state(DriverState::Operational);
        Ok(())
    }

    fn run(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError> {
        let bits: Vec<_> = self.plan.steps.iter().flat_map(|step| step.bit..step.bit + step.len).collect();
        let group = port.add_group(bits.into_iter(), REFRESH);
        let begin = Instant::now();
        while !stop.is_stopped() {
            let mut next = None;
            port.inputs_good(group, |inputs| next = self.plan.play(begin.elapsed(), inputs));
            port.confirm(port.order());
            port.wait(next.unwrap_or(REFRESH).min(REFRESH));
        }
        Ok(())
    }

    fn safe(&mut self, port: &mut DriverPort) -> Result<(), IoError> {
        port.confirm(port.order());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(repeat_ms: Option<u32>) -> (SimulatedPlan, FrameMap) {
        let (bit, word): (Address, Address) = ("%IX0.1".parse().unwrap(), "%IW1".parse().unwrap());
        let map = FrameMap::new(&[bit.bits(), word.bits()]);
        let steps = [(0, bit, 1), (10, word, 0x1234), (20, bit, 0)];
        (SimulatedPlan::new(&steps, repeat_ms, &map), map)
    }

    #[test]
    fn steps_are_played_at_their_times() {
        let (plan, map) = script(None);
        let mut inputs = vec![0; map.len()];
        for (at, expected, next) in [
            (0, [2, 0, 0], Some(10)),
            (9, [2, 0, 0], Some(1)),
            (10, [2, 0x34, 0x12], Some(10)),
            (25, [0, 0x34, 0x12], None),
        ] {
            let left = plan.play(Duration::from_millis(at), &mut inputs);
            assert_eq!((&inputs[..], left), (&expected[..], next.map(Duration::from_millis)), "{at} ms");
        }
    }

    #[test]
    fn a_script_starts_again() {
        let (plan, map) = script(Some(30));
        let mut inputs = vec![0; map.len()];
        assert_eq!(plan.play(Duration::from_millis(25), &mut inputs), Some(Duration::from_millis(5)));
        assert_eq!(inputs[0], 0);
        assert_eq!(plan.play(Duration::from_millis(31), &mut inputs), Some(Duration::from_millis(9)));
        assert_eq!(inputs[0], 2);
    }
}
