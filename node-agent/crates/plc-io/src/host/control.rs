//! The gate between safe and live outputs, and the order to stop: what the keeper wants from a driver.
//!
//! Each switch of the gate is an order with a number of its own. A driver confirms the number of the order whose
//! values its device has acknowledged, so a confirmation that comes late, for an earlier order, counts for nothing.
//!
//! The way to live outputs always leads through safe ones: the gate opens for a device only once that device has
//! acknowledged its safe values. A program that is started anew within milliseconds cannot outrun them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// What goes to the devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputMode {
    /// The safe values.
    #[default]
    Safe,
    /// The outputs that the program committed.
    Live,
}

/// One switch of the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// What goes to the device.
    pub mode: OutputMode,
    /// Counts the switches.
    pub number: u64,
}

/// Shared by a driver's thread and its keeper.
#[derive(Debug)]
pub(crate) struct Control {
    wanted: Mutex<Wanted>,
    /// For drivers that wait without a runtime, and for whoever waits for a confirmation.
    changed: Condvar,
    /// For drivers that wait in one.
    notify: Notify,
}

#[derive(Debug)]
struct Wanted {
    order: Order,
    /// The device has acknowledged the values of `order`.
    confirmed: bool,
    /// The gate opens as soon as the safe values are confirmed.
    then_live: bool,
    /// The driver has to end; it may try to reach its device until then.
    stop_by: Option<Instant>,
    /// Counts everything that a waiting driver has to look at.
    wakes: u64,
    /// The driver's thread is gone: nothing will be confirmed any more.
    ended: bool,
}

impl Wanted {
    fn switch(&mut self, mode: OutputMode) {
        self.order = Order { mode, number: self.order.number + 1 };
        self.confirmed = false;
    }
}

impl Control {
    pub(crate) fn new() -> Self {
        let order = Order { mode: OutputMode::Safe, number: 1 };
        let wanted =
            Wanted { order, confirmed: false, then_live: false, stop_by: None, wakes: 0, ended: false };
        Self { wanted: Mutex::new(wanted), changed: Condvar::new(), notify: Notify::new() }
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        // Every change of these words is complete in itself.
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, mut wanted: MutexGuard<'_, Wanted>) {
        wanted.wakes += 1;
        drop(wanted);
        self.changed.notify_all();
        self.notify.notify_one();
    }

    /// What goes to the device now.
    pub(crate) fn order(&self) -> Order {
        self.wanted().order
    }

    /// Switches the gate, to live not before the safe values are confirmed. A stopping driver stays safe.
    pub(crate) fn set_mode(&self, mode: OutputMode) {
        let mut wanted = self.wanted();
        if wanted.stop_by.is_some() {
            return;
        }
        wanted.then_live =
            mode == OutputMode::Live && wanted.order.mode == OutputMode::Safe && !wanted.confirmed;
        if wanted.order.mode == mode || wanted.then_live {
            return;
        }
        wanted.switch(mode);
        self.wake(wanted);
    }

    /// Switches the gate to safe for good and tells the driver to end.
    pub(crate) fn stop(&self, by: Instant) {
        let mut wanted = self.wanted();
        wanted.then_live = false;
        if wanted.order.mode == OutputMode::Live {
            wanted.switch(OutputMode::Safe);
        }
        wanted.stop_by.get_or_insert(by);
        self.wake(wanted);
    }

    pub(crate) fn stop_by(&self) -> Option<Instant> {
        self.wanted().stop_by
    }

    /// The device has acknowledged the values of `order`.
    pub(crate) fn confirm(&self, order: Order) {
        let mut wanted = self.wanted();
        if wanted.order != order || wanted.confirmed {
            return;
        }
        wanted.confirmed = true;
        if std::mem::take(&mut wanted.then_live) {
            wanted.switch(OutputMode::Live);
        }
        self.wake(wanted);
    }

    /// The device may have lost its values.
    pub(crate) fn doubt(&self) {
        self.wanted().confirmed = false;
    }

    pub(crate) fn is_safe_confirmed(&self) -> bool {
        let wanted = self.wanted();
        wanted.confirmed && wanted.order.mode == OutputMode::Safe
    }

    /// The driver's thread ends.
    pub(crate) fn end(&self) {
        self.wanted().ended = true;
        self.changed.notify_all();
    }

    /// Waits until the safe values are confirmed; false when that did not happen by `deadline`, the gate was opened
    /// or the driver ended.
    pub(crate) fn wait_safe_confirmed(&self, deadline: Instant) -> bool {
        let mut wanted = self.wanted();
        loop {
            if wanted.order.mode == OutputMode::Live {
                return false;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if wanted.confirmed || wanted.ended || left.is_zero() {
                return wanted.confirmed;
            }
            wanted = self.changed.wait_timeout(wanted, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits at most for `limit` until something changes after the state numbered `seen`; the number of the new one.
    pub(crate) fn wait(&self, seen: u64, limit: Duration) -> u64 {
        let wanted = self.wanted();
        let unchanged = |wanted: &mut Wanted| wanted.wakes == seen;
        let result = self.changed.wait_timeout_while(wanted, limit, unchanged);
        result.unwrap_or_else(PoisonError::into_inner).0.wakes
    }

    /// The same in a runtime. A change before the call ends it at once.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

/// Tells a driver to end.
#[derive(Debug, Clone)]
pub struct StopToken {
    control: Arc<Control>,
}

impl StopToken {
    pub(crate) fn new(control: Arc<Control>) -> Self {
        Self { control }
    }

    /// Whether the driver has to end.
    pub fn is_stopped(&self) -> bool {
        self.control.stop_by().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_current_order_can_be_confirmed() {
        let control = Control::new();
        let first = control.order();
        assert!(!control.is_safe_confirmed());
        control.confirm(first);
        control.set_mode(OutputMode::Live);
        let live = control.order();
        control.confirm(live);
        assert!(!control.is_safe_confirmed(), "live values are not safe ones");
        control.set_mode(OutputMode::Safe);
        control.confirm(live);
        assert!(!control.is_safe_confirmed(), "a late answer to an earlier order");
        control.confirm(control.order());
        assert!(control.is_safe_confirmed());
        control.doubt();
        assert!(!control.is_safe_confirmed());
    }

    #[test]
    fn the_gate_opens_only_after_safe_values_are_confirmed() {
        let control = Control::new();
        let safe = control.order();
        control.set_mode(OutputMode::Live);
        assert_eq!(control.order(), safe, "the device has not been told the safe values yet");
        control.confirm(safe);
        assert_eq!(control.order().mode, OutputMode::Live);

        control.set_mode(OutputMode::Safe);
        control.set_mode(OutputMode::Live);
        let safe = control.order();
        assert_eq!(safe.mode, OutputMode::Safe, "a crash and a restart cannot outrun the safe values");
        control.set_mode(OutputMode::Safe);
        control.confirm(safe);
        assert_eq!(control.order(), safe, "closed again before it opened");
    }

    #[test]
    fn a_stopped_driver_never_goes_live_again() {
        let control = Control::new();
        control.set_mode(OutputMode::Live);
        control.stop(Instant::now());
        assert_eq!(control.order().mode, OutputMode::Safe);
        control.set_mode(OutputMode::Live);
        assert_eq!(control.order().mode, OutputMode::Safe);
    }

    #[test]
    fn waiting_ends_with_the_confirmation_the_end_or_the_deadline() {
        let control = Arc::new(Control::new());
        assert!(!control.wait_safe_confirmed(Instant::now()));
        let waiting = Arc::clone(&control);
        let far = Instant::now() + Duration::from_mins(1);
        let waiter = std::thread::spawn(move || waiting.wait_safe_confirmed(far));
        control.confirm(control.order());
        assert!(waiter.join().unwrap());
        control.doubt();
        control.end();
        assert!(!control.wait_safe_confirmed(far));
        control.set_mode(OutputMode::Live);
        assert!(!control.wait_safe_confirmed(far));
    }
}
