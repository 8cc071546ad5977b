//! Inputs from a script, without any device.

use std::time::Duration;

use crate::image::{Address, FrameMap};

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
    pub(crate) fn play(&self, elapsed: Duration, inputs: &mut [u8]) -> Option<Duration> {
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
