//! Outputs that come back as inputs, without any device.

use std::time::Duration;

use crate::host::{Driver, DriverPort, DriverState, IoError, StopToken};
use crate::image::{BitRange, FrameMap};

/// How often outputs are carried over.
const PERIOD: Duration = Duration::from_millis(1);

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

    fn carry(&self, outputs: &[u8], inputs: &mut [u8]) {
        for &(from, to) in &self.wires {
            let on = outputs[from / 8] >> (from % 8) & 1;
            inputs[to / 8] = (inputs[to / 8] & !(1 << (to % 8))) | on << (to % 8);
        }
    }
}

/// The driver.
#[derive(Debug)]
pub(crate) struct LoopbackDriver {
    plan: LoopbackPlan,
    group: Option<usize>,
    carried: Vec<u8>,
}

impl LoopbackDriver {
    pub(crate) fn new(plan: LoopbackPlan) -> Self {
        Self { plan, group: None, carried: Vec::new() }
    }

    fn exchange(&mut self, port: &mut DriverPort) {
        let order = port.order();
        let known = vec![0xff; self.carried.len()];
        let (outputs, _) = port.target(order, &self.carried, &known);
        let plan = &self.plan;
        if let Some(group) = self.group {
            port.inputs_good(group, |inputs| plan.carry(&outputs, inputs));
        }
        self.carried = outputs;
        port.confirm(order);
    }
}

impl Driver for LoopbackDriver {
    fn open(&mut self, port: &mut DriverPort, _: &StopToken) -> Result<(), IoError> {
        if self.group.is_none() {
            let inputs = self.plan.wires.iter().map(|&(_, to)| to);
            self.group = Some(port.add_group(inputs, PERIOD));
        }
        port.set_state(DriverState::Operational);
        Ok(())
    }

    fn run(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError> {
        while !stop.is_stopped() {
            self.exchange(port);
            port.wait(PERIOD);
        }
        Ok(())
    }

    fn safe(&mut self, port: &mut DriverPort) -> Result<(), IoError> {
        self.exchange(port);
        Ok(())
    }
}
