//! The drivers of a runtime, each on its thread.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lineshaft_exchange::{Exchange, ExchangeError, Wakeup};
use lineshaft_fieldbus::Backoff;

use super::control::{Control, OutputMode, StopToken};
use super::status::{DriverState, DriverStatus, StatusCell};
use super::{Driver, DriverPort};
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
        let control = Arc::new(Control::new());
        let status = Arc::new(StatusCell::new(changed));
        let failed = |source| HostError::Thread { name: plan.name.clone(), source };
        let driver: Box<dyn Driver> = match &plan.driver {
            PlannedDriver::Modbus(modbus) => {
                let len = plan.outputs.len();
                Box::new(ModbusDriver::new(modbus.clone(), len).map_err(failed)?)
            }
            PlannedDriver::Simulated(script) => Box::new(SimulatedDriver::new(script.clone())),
            PlannedDriver::Loopback(links) => Box::new(LoopbackDriver::new(links.clone())),
        };
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

/// A driver's whole life.
fn work(
    mut driver: Box<dyn Driver>,
    mut port: DriverPort,
    stop: &StopToken,
    mut backoff: Backoff,
    _end: &End,
) {
    while !stop.is_stopped() {
        let Err(error) = driver.open(&mut port, stop).and_then(|()| driver.run(&mut port, stop)) else {
            break;
        };
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
    if let Err(error) = driver.safe(&mut port) {
        port.failed(&error.to_string());
    }
}
