//! Outputs that come back as inputs, without any device.

use crate::image::{BitRange, FrameMap};

/// Which bit of the output frame goes to which bit of the input frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopbackPlan {
    /// Output bit, input bit.
    wires: Vec<(usize, usize)>,
}

impl LoopbackPlan {
    pub(crate) fn new(links: &[(BitRange, BitRange)], inputs: &FrameMap, outputs: &FrameMap) -> Self {
        let wires = links
            .iter()
            .flat_map(|(from, to)| (from.start..from.end()).zip(to.start..to.end()))
            .filter_map(|(from, to)| Some((outputs.frame_bit(from)?, inputs.frame_bit(to)?)))
            .collect();
        Self { wires }
    }

    /// Carries the outputs over.
    pub(crate) fn carry(&self, outputs: &[u8], inputs: &mut [u8]) {
        for &(from, to) in &self.wires {
            let on = outputs[from / 8] >> (from % 8) & 1;
            inputs[to / 8] = (inputs[to / 8] & !(1 << (to % 8))) | on << (to % 8);
        }
    }
}
