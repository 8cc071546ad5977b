//! A driver's view of everything but its device: where inputs go, which outputs to send, what the keeper wants.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lineshaft_exchange::{DriverSide, FrameHeader, monotonic_ns};
use lineshaft_fieldbus::modbus::ModbusError;

use super::control::{Control, Order, OutputMode};
use super::driver::IoError;
use super::inputs::Inputs;
use super::status::{DriverState, StatusCell};
use crate::spec::{DriverPlan, SafeFrame};

/// How long a request that is under way may hold up an order to go safe. After that its connection is given up.
const SAFE_PATIENCE: Duration = Duration::from_millis(500);

/// The port of one driver.
#[derive(Debug)]
pub struct DriverPort {
    side: DriverSide,
    inputs: Inputs,
    sequence: u64,
    safe: SafeFrame,
    control: Arc<Control>,
    status: Arc<StatusCell>,
    /// The last wake that `wait` has reported.
    seen: u64,
}

impl DriverPort {
    pub(crate) fn new(
        plan: &DriverPlan,
        safe: SafeFrame,
        side: DriverSide,
        control: Arc<Control>,
        status: Arc<StatusCell>,
    ) -> Self {
        let inputs = Inputs::new(plan.inputs.len(), plan.on_error, plan.error_after);
        Self { side, inputs, sequence: 0, safe, control, status, seen: 0 }
    }

    /// Declares bits of the input frame that are read together every `poll`; the group's number.
    pub fn add_group(&mut self, bits: impl Iterator<Item = usize>, poll: Duration) -> usize {
        self.inputs.add_group(bits, poll, monotonic_ns())
    }

    /// New values of a group: `fill` puts them into the input frame. Published at once.
    pub fn inputs_good(&mut self, group: usize, fill: impl FnOnce(&mut [u8])) {
        self.inputs.handle_good(group, monotonic_ns(), fill);
        self.tick();
    }

    /// The device did not give the values of a group.
    pub fn inputs_failed(&mut self, group: usize) {
        self.inputs.handle_failed(group);
        self.tick();
    }

    /// Publishes what time has changed: held values get stale, then substituted.
    pub fn tick(&mut self) {
        let now_ns = monotonic_ns();
        self.inputs.handle_time(now_ns);
        if !self.inputs.take_changed() {
            return;
        }
        self.sequence += 1;
        let quality = self.inputs.quality();
        let time_ns = self.inputs.time_ns().unwrap_or(now_ns);
        let header = FrameHeader { sequence: self.sequence, time_ns, quality };
        let frame = self.inputs.frame();
        self.side.inputs.publish(header, |published| published.copy_from_slice(frame));
        let fault_requested = self.inputs.wants_fault();
        self.status.update(|figures| {
            figures.quality = quality;
            figures.fault_requested = fault_requested;
        });
    }

    /// What the keeper wants sent at present.
    pub fn order(&self) -> Order {
        self.control.order()
    }

    /// The values to send under `order` and the bits of them that count. `written` are the last values that the
    /// device has acknowledged, `known` the bits of those that count: outputs may have to be held at them.
    pub fn target(&mut self, order: Order, written: &[u8], known: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let (header, frame, _) = self.side.outputs.latest();
        match order.mode {
            // Sequence 0: the program has not committed anything yet, and zeros are not its outputs.
            OutputMode::Live if header.sequence > 0 => (frame.to_vec(), vec![0xff; frame.len()]),
            OutputMode::Live | OutputMode::Safe => self.safe.over(written, known),
        }
    }

    /// The device has acknowledged all values of `order`.
    pub fn confirm(&self, order: Order) {
        self.control.confirm(order);
    }

    /// The device may have lost its values.
    pub fn doubt(&self) {
        self.control.doubt();
    }

    /// Until when a stopping driver may try to reach its device.
    pub fn stop_by(&self) -> Option<Instant> {
        self.control.stop_by()
    }

    /// Reports a new state.
    pub fn set_state(&self, state: DriverState) {
        self.status.update(|figures| figures.state = state);
    }

    /// Whether everything was exchanged when last reported.
    pub fn is_operational(&self) -> bool {
        matches!(self.status.snapshot().state, DriverState::Operational | DriverState::Degraded { .. })
    }

    /// Counts a connection that was made.
    pub fn connected(&self) {
        self.status.update(|figures| figures.connects += 1);
    }

    /// Counts a request that failed.
    pub fn failed(&self, error: &str) {
        self.status.failed(error);
    }

    /// The device is lost: its inputs age from here on, its outputs are unknown.
    pub fn lost(&mut self, error: &str) {
        self.control.doubt();
        self.status.failed(error);
        self.set_state(DriverState::Unreachable { error: error.to_owned() });
        self.inputs.handle_lost_device();
        self.tick();
    }

    /// Waits at most for `limit`, or until the keeper wants something. Inputs age meanwhile.
    pub fn wait(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            self.tick();
            let left = end.saturating_duration_since(Instant::now());
            let until_tick =
                self.inputs.poll_deadline(monotonic_ns()).unwrap_or(left).max(Duration::from_millis(1));
            let seen = self.control.wait(self.seen, left.min(until_tick));
            if std::mem::replace(&mut self.seen, seen) != seen || left <= until_tick {
                self.tick();
                return;
            }
        }
    }

    /// The same in a runtime.
    pub(crate) async fn wait_async(&mut self, limit: Duration) {
        let control = Arc::clone(&self.control);
        let woken = async {
            tokio::select! {
                () = control.woken() => {}
                () = tokio::time::sleep(limit) => {}
            }
        };
        self.patiently(woken).await;
    }

    /// Waits for the answer to a request while inputs age; gives up when a stopping driver has no time left, or when
    /// safe values have to be sent and the answer keeps them waiting.
    pub(crate) async fn request<T>(
        &mut self,
        work: impl Future<Output = Result<T, ModbusError>>,
    ) -> Result<T, IoError> {
        let control = Arc::clone(&self.control);
        let begun = control.order();
        let out_of_time = async {
            loop {
                let order = control.order();
                if order != begun && order.mode == OutputMode::Safe {
                    tokio::time::sleep(SAFE_PATIENCE).await;
                    return IoError::HeldUp;
                }
                if let Some(by) = control.stop_by() {
                    tokio::time::sleep_until(by.into()).await;
                    return IoError::GivenUp;
                }
                // Every order is looked at again after the request, so none is lost by this.
                control.woken().await;
            }
        };
        let bounded = async {
            tokio::select! {
                biased;
                result = work => Ok(result?),
                error = out_of_time => Err(error),
            }
        };
        self.patiently(bounded).await
    }

    /// Waits for something while inputs age.
    async fn patiently<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            self.tick();
            let Some(until_tick) = self.inputs.poll_deadline(monotonic_ns()) else { return work.await };
            tokio::select! {
                result = &mut work => return result,
                () = tokio::time::sleep(until_tick.max(Duration::from_millis(1))) => {}
            }
        }
    }
}
