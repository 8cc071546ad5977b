//! The drivers of a runtime, each on its thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lineshaft_exchange::{Exchange, ExchangeError, Wakeup};
use lineshaft_fieldbus::Backoff;

use super::control::{Control, OutputMode, StopToken};
use super::status::{DriverState, DriverStatus, StatusCell};
use super::{Driver, DriverPort, IoError};
use crate::drivers::{LoopbackDriver, ModbusDriver, SimulatedDriver};
use crate::spec::{DriverPlan, IoPlan, PlannedDriver, SafeFrame};

/// What a host that is dropped without `stop` gives its drivers to bring their devices to safe values.
const DROP_LIMIT: Duration = Duration::from_secs(2);

/// Why drivers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The boxes do not fit the plan.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The number or length of the safe frames does not fit the plan.
    #[error("the safe values do not fit the plan of driver {0:?}")]
    SafeFrame(String),
    /// No thread.
    #[error("cannot start driver {name:?}: {source}")]
    Thread {
        /// The driver.
        name: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// How a driver ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopOutcome {
    /// Its name.
    pub name: String,
    /// The device has acknowledged its safe values; otherwise why not.
    pub safe: Result<(), String>,
}

/// The drivers of a runtime at work. It begins safe: the first thing that every device gets is its safe values.
#[derive(Debug)]
pub struct DriverHost {
    drivers: Vec<Running>,
    changed: Wakeup,
}

#[derive(Debug)]
struct Running {
    name: String,
    control: Arc<Control>,
    status: Arc<StatusCell>,
    thread: Option<JoinHandle<()>>,
}

impl DriverHost {
    /// Starts a thread for each driver. `exchange` must have been made for `plan.port_sizes()`, `safe` by
    /// [`plan_safe`](crate::plan_safe) for the same plan.
    pub fn start(plan: &IoPlan, safe: &[SafeFrame], exchange: &Exchange) -> Result<Self, HostError> {
        let mut host = Self { drivers: Vec::new(), changed: Wakeup::new()? };
        for (index, driver) in plan.drivers.iter().enumerate() {
            let frame = safe.get(index).filter(|frame| frame.values.len() == driver.outputs.len());
            let frame = frame.ok_or_else(|| HostError::SafeFrame(driver.name.clone()))?.clone();
            let side = exchange.driver_side(index)?;
            let running = Running::start(driver, frame, side, host.changed.try_clone()?)?;
            host.drivers.push(running);
        }
        Ok(host)
    }

    /// Switches the gate of every driver. Switching to `Safe` wakes them at once; a request that is under way is
    /// waited for, at most for the device's time limit.
    pub fn set_mode(&self, mode: OutputMode) {
        for driver in &self.drivers {
            driver.control.set_mode(mode);
        }
    }

    /// Whether every device has acknowledged its safe values and got nothing else since.
    pub fn is_safe_confirmed(&self) -> bool {
        self.drivers.iter().all(|driver| driver.control.is_safe_confirmed())
    }

    /// Waits for that, at most for `limit`; otherwise the names of the drivers whose devices did not.
    pub fn wait_safe_confirmed(&self, limit: Duration) -> Result<(), Vec<String>> {
        let deadline = Instant::now() + limit;
        let missing: Vec<_> = self
            .drivers
            .iter()
            .filter(|driver| !driver.control.wait_safe_confirmed(deadline))
            .map(|driver| driver.name.clone())
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(missing) }
    }

    /// How every driver is doing, in the order of the plan.
    pub fn statuses(&self) -> Vec<DriverStatus> {
        self.drivers.iter().map(Running::status).collect()
    }

    /// Signalled whenever a state, a quality or a request for a fault changes.
    pub fn changed(&self) -> &Wakeup {
        &self.changed
    }

    /// Brings every device to its safe values and ends the drivers, within `limit` and what a request under way may
    /// take.
    pub fn stop(mut self, limit: Duration) -> Vec<StopOutcome> {
        self.end(limit)
    }

    fn end(&mut self, limit: Duration) -> Vec<StopOutcome> {
        let by = Instant::now() + limit;
        // All first, so that no device waits for another.
        for driver in &self.drivers {
            driver.control.stop(by);
        }
        self.drivers.drain(..).map(Running::join).collect()
    }
}

impl Drop for DriverHost {
    fn drop(&mut self) {
        for outcome in self.end(DROP_LIMIT) {
            if let Err(error) = outcome.safe {
                tracing::error!(driver = outcome.name, "outputs may not be safe: {error}");
            }
        }
    }
}

impl Running {
    fn start(
        plan: &DriverPlan,
        safe: SafeFrame,
        side: lineshaft_exchange::DriverSide,
        changed: Wakeup,
    ) -> Result<Self, HostError> {
        let failed = |source| HostError::Thread { name: plan.name.clone(), source };
        let driver: Box<dyn Driver> = match &plan.driver {
            PlannedDriver::Modbus(modbus) => {
                let len = plan.outputs.len();
                Box::new(ModbusDriver::new(modbus.clone(), len).map_err(failed)?)
            }
            PlannedDriver::Simulated(script) => Box::new(SimulatedDriver::new(script.clone())),
            PlannedDriver::Loopback(links) => Box::new(LoopbackDriver::new(links.clone())),
        };
        Self::with(driver, plan, safe, side, changed)
    }

    fn with(
        driver: Box<dyn Driver>,
        plan: &DriverPlan,
        safe: SafeFrame,
        side: lineshaft_exchange::DriverSide,
        changed: Wakeup,
    ) -> Result<Self, HostError> {
        let control = Arc::new(Control::new());
        let status = Arc::new(StatusCell::new(changed));
        let failed = |source| HostError::Thread { name: plan.name.clone(), source };
        let port = DriverPort::new(plan, safe, side, Arc::clone(&control), Arc::clone(&status));
        let stop = StopToken::new(Arc::clone(&control));
        let end = End { control: Arc::clone(&control), status: Arc::clone(&status) };
        let seed =
            plan.name.bytes().fold(1, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let thread = std::thread::Builder::new()
            // The kernel shows 15 bytes of it.
            .name(format!("io-{}", plan.name).chars().take(15).collect())
            .spawn(move || work(driver, port, &stop, Backoff::for_devices(seed), &end))
            .map_err(failed)?;
        Ok(Self { name: plan.name.clone(), control, status, thread: Some(thread) })
    }

    fn status(&self) -> DriverStatus {
        let figures = self.status.snapshot();
        DriverStatus {
            name: self.name.clone(),
            state: figures.state,
            quality: figures.quality,
            fault_requested: figures.fault_requested,
            safe_confirmed: self.control.is_safe_confirmed(),
            errors: figures.errors,
            last_error: figures.last_error,
            connects: figures.connects,
        }
    }

    fn join(mut self) -> StopOutcome {
        let panicked = self.thread.take().is_some_and(|thread| thread.join().is_err());
        let safe = if self.control.is_safe_confirmed() {
            Ok(())
        } else if panicked {
            Err("the driver panicked".to_owned())
        } else {
            Err(self.status.snapshot().last_error.unwrap_or_else(|| "the device did not answer".to_owned()))
        };
        StopOutcome { name: self.name, safe }
    }
}

/// Says that the thread is gone, also when it panics.
struct End {
    control: Arc<Control>,
    status: Arc<StatusCell>,
}

impl Drop for End {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.status.update(|figures| {
            figures.state = if panicked {
                DriverState::Unreachable { error: "the driver panicked".to_owned() }
            } else {
                DriverState::Stopped
            };
        });
        self.control.end();
    }
}

/// Carries on after a panic: the thread of a driver must not be gone while its outputs are live and its inputs count
/// as good. What a driver does next is to open, or to write safe values, and both begin from nothing.
fn survive(act: impl FnOnce() -> Result<(), IoError>) -> Result<(), IoError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(IoError::Panicked))
}

/// A driver's whole life.
fn work(
    mut driver: Box<dyn Driver>,
    mut port: DriverPort,
    stop: &StopToken,
    mut backoff: Backoff,
    _end: &End,
) {
    while !stop.is_stopped() {
        let exchange = || driver.open(&mut port, stop).and_then(|()| driver.run(&mut port, stop));
        let Err(error) = survive(exchange) else { break };
        if port.is_operational() {
            backoff.reset();
        }
        port.lost(&error.to_string());
        let until = Instant::now() + backoff.next_delay();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || stop.is_stopped() {
                break;
            }
            port.wait(left);
        }
    }
    if let Err(error) = survive(|| driver.safe(&mut port)) {
        port.failed(&error.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{DriverConfig, DriverSpec, LoopbackLink, LoopbackSpec, OnError, SafeDefault, plan};
    use lineshaft_exchange::{FrameHeader, Quality};
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Panics once each in `run` and in `safe`.
    struct Shaky {
        opened: Arc<AtomicU32>,
        panicked: bool,
    }

    impl Driver for Shaky {
        fn open(&mut self, port: &mut DriverPort, _: &StopToken) -> Result<(), IoError> {
            if self.opened.fetch_add(1, Ordering::Relaxed) == 0 {
                port.add_group(0..1, Duration::from_millis(1));
            }
            Ok(())
        }

        fn run(&mut self, port: &mut DriverPort, stop: &StopToken) -> Result<(), IoError> {
            port.inputs_good(0, |frame| frame[0] = 1);
            port.confirm(port.order());
            assert!(std::mem::replace(&mut self.panicked, true), "a defect");
            port.set_state(DriverState::Operational);
            while !stop.is_stopped() {
                port.wait(Duration::from_millis(1));
            }
            self.panicked = false;
            Ok(())
        }

        fn safe(&mut self, port: &mut DriverPort) -> Result<(), IoError> {
            port.doubt();
            assert!(self.panicked, "another defect");
            Ok(())
        }
    }

    #[test]
    fn a_driver_that_panics_is_lost_and_opened_again_and_its_end_is_reported() {
        let link = LoopbackLink { from: "%QX0.0".into(), to: "%IX0.0".into(), count: 1 };
        let config = DriverConfig::Loopback(LoopbackSpec { links: vec![link] });
        let spec = DriverSpec { name: "shaky".into(), on_error: OnError::Hold, error_ms: 100, config };
        let plan = plan(&[spec]).unwrap();
        let safe = crate::plan_safe(&plan, &[], SafeDefault::Zero).unwrap().remove(0);
        let exchange = Exchange::create("test", &plan.port_sizes()).unwrap();
        let opened = Arc::new(AtomicU32::new(0));
        let driver = Box::new(Shaky { opened: Arc::clone(&opened), panicked: false });
        let side = exchange.driver_side(0).unwrap();
        let changed = Wakeup::new().unwrap();
        let listener = changed.try_clone().unwrap();
        let running = Running::with(driver, &plan.drivers[0], safe, side, changed).unwrap();

        let mut scan = exchange.scan_side(0).unwrap();
        scan.outputs.publish(FrameHeader { sequence: 1, time_ns: 1, quality: Quality::Good }, |_| {});
        let deadline = Instant::now() + Duration::from_secs(20);
        while running.status().state != DriverState::Operational {
            assert!(Instant::now() < deadline, "{:?}", running.status());
            listener.wait(Some(Duration::from_millis(5))).unwrap();
        }
        assert_eq!(opened.load(Ordering::Relaxed), 2);
        let status = running.status();
        assert!(status.last_error.is_some_and(|error| error.contains("defect in this driver")));
        running.control.stop(Instant::now());
        assert!(running.join().safe.unwrap_err().contains("defect in this driver"));
    }
}
