//! The drivers of the present bundle, and what they say.

use super::events::{Event, spawn};
use crate::Error;
use crate::clock::unix_ms;
use crate::protocol::{DriverState, DriverStatus, IoSpec, SafeDefault, SafeTarget};
use crate::runner::control::PortSpec;
use crate::state;
use lineshaft_exchange::{BoardRef, Exchange};
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_io::spec::{SafeEntry, SafeValue};
use lineshaft_plc_io::{DriverHost, DriverSpec, IoPlan, OutputMode, SafeFrame};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Drivers at work with their shared memory.
pub(super) struct Io {
    specs: Vec<DriverSpec>,
    plan: IoPlan,
    safe: Vec<SafeFrame>,
    exchange: Exchange,
    board: BoardRef,
    host: DriverHost,
    statuses: Vec<DriverStatus>,
    /// Tells the thread that listens to the drivers that they are gone.
    over: Arc<AtomicBool>,
}

impl Io {
    /// Starts the drivers. The first thing that every device gets is its safe values.
    pub(super) fn start(
        specs: &[DriverSpec],
        plan: IoPlan,
        safe: Vec<SafeFrame>,
        events: Sender<Event>,
    ) -> Result<Self, Error> {
        let failed = |e: lineshaft_exchange::ExchangeError| Error::Exchange(e.to_string());
        let exchange = Exchange::create("plc-exchange", &plan.port_sizes()).map_err(failed)?;
        let board = exchange.board().map_err(failed)?;
        let host = DriverHost::start(&plan, &safe, &exchange).map_err(|e| Error::InvalidIo(e.to_string()))?;
        let changed = host.changed().try_clone().map_err(failed)?;
        let over = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&over);
        spawn("drivers", move || {
            while changed.wait(None).is_ok() && !gone.load(Ordering::Acquire) {
                if events.send(Event::DriversChanged).is_err() {
                    return;
                }
            }
        })?;
        let statuses = Vec::new();
        let mut io = Self { specs: specs.to_vec(), plan, safe, exchange, board, host, statuses, over };
        io.observe();
        Ok(io)
    }

    /// Whether these are the drivers and safe values that run.
    pub(super) fn is(&self, specs: &[DriverSpec], safe: &[SafeFrame]) -> bool {
        self.specs == specs && self.safe == safe
    }

    pub(super) fn ports(&self) -> Vec<PortSpec> {
        let port = |(driver, safe): (&lineshaft_plc_io::spec::DriverPlan, &SafeFrame)| PortSpec {
            inputs: driver.inputs.clone(),
            outputs: driver.outputs.clone(),
            safe: safe.clone(),
        };
        self.plan.drivers.iter().zip(&self.safe).map(port).collect()
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.exchange.as_fd()
    }

    pub(super) fn board(&self) -> &BoardRef {
        &self.board
    }

    /// When the present scan began; 0 between scans.
    pub(super) fn scan_since_ns(&self) -> i64 {
        self.board.total.running_since_ns.load(Ordering::Acquire)
    }

    /// When the runner last showed that its scan thread lives; 0 before the first time.
    pub(super) fn heartbeat_ns(&self) -> i64 {
        self.board.heartbeat_ns.load(Ordering::Acquire)
    }

    /// A runner that is gone scans nothing, whatever it wrote last.
    pub(super) fn forget_scan(&self) {
        self.board.total.running_since_ns.store(0, Ordering::Release);
    }

    pub(super) fn set_mode(&self, mode: OutputMode) {
        self.host.set_mode(mode);
    }

    pub(super) fn is_safe_confirmed(&self) -> bool {
        self.host.is_safe_confirmed()
    }

    /// Looks at the drivers; the name of one that wants the runtime to fault.
    pub(super) fn observe(&mut self) -> Option<String> {
        use lineshaft_plc_io::DriverState as S;
        let seen = self.host.statuses();
        let wants = seen.iter().find(|s| s.fault_requested).map(|s| s.name.clone());
        let before = std::mem::take(&mut self.statuses);
        for (i, status) in seen.into_iter().enumerate() {
            let (state, error) = match status.state {
                S::Starting | S::Stopped => (DriverState::Connecting, String::new()),
                S::Operational => (DriverState::Operational, String::new()),
                S::Degraded { error } | S::Unreachable { error } => (DriverState::Failed, error),
            };
            let since = before.get(i).filter(|b| b.state == state).map(|b| b.since_unix_ms);
            let since_unix_ms = since.unwrap_or_else(unix_ms);
            self.statuses.push(DriverStatus { name: status.name, state, error, since_unix_ms });
        }
        wants
    }

    pub(super) fn statuses(&self) -> &[DriverStatus] {
        &self.statuses
    }

    /// Ends the drivers; those whose devices did not take their safe values, each with the reason.
    pub(super) fn stop(self, limit: Duration) -> Vec<(String, String)> {
        self.over.store(true, Ordering::Release);
        self.host.changed().signal();
        let outcomes = self.host.stop(limit);
        outcomes.into_iter().filter_map(|o| o.safe.err().map(|error| (o.name, error))).collect()
    }
}

/// The safe values of a spec by address. Variables are found in `layout`; without one they are left out, which
/// gives their outputs the default.
pub(super) fn safe_frames(
    spec: &IoSpec,
    plan: &IoPlan,
    layout: Option<&Layout>,
) -> Result<Vec<SafeFrame>, Error> {
    let mut entries = Vec::new();
    for entry in &spec.safe_state {
        match &entry.target {
            SafeTarget::Address(address) => entries
                .push(SafeEntry { address: address.clone(), value: SafeValue::Literal(entry.value.clone()) }),
            SafeTarget::Variable(path) => {
                let Some(layout) = layout else { continue };
                entries.push(variable(layout, path, &entry.value)?);
            }
        }
    }
    let default = match spec.safe_state_default {
        SafeDefault::Zero => lineshaft_plc_io::spec::SafeDefault::Zero,
        SafeDefault::Hold => lineshaft_plc_io::spec::SafeDefault::Hold,
    };
    lineshaft_plc_io::plan_safe(plan, &entries, default).map_err(|errors| invalid(&errors))
}

/// All findings in one sentence each.
pub(super) fn invalid(errors: &[lineshaft_plc_io::IoSpecError]) -> Error {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    Error::InvalidIo(texts.join("; "))
}

/// The address of a located variable, and its value as plain bits.
fn variable(layout: &Layout, path: &str, literal: &str) -> Result<SafeEntry, Error> {
    let place = layout.find(path).ok_or_else(|| Error::UnknownVariable(path.to_owned()))?;
    let outputs = &layout.sections.outputs;
    if !outputs.contains(&place.offset) {
        return Err(Error::InvalidIo(format!("safe value of {path:?}: it is not an output")));
    }
    let mut state = vec![0; layout.bytes as usize];
    state::write_literal(layout, &mut state, path, literal)?;
    let byte = place.offset - outputs.start;
    let at = place.offset as usize;
    let bits = |bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&state[at..at + bytes]);
        u64::from_le_bytes(word)
    };
    let (address, value) = match (place.bit, layout.size_of(place.ty)) {
        (Some(bit), _) => {
            let value = state[at] >> (bit & 7) & 1;
            (format!("%QX{byte}.{bit}"), value.to_string())
        }
        (None, size @ (1 | 2 | 4 | 8)) if byte.is_multiple_of(size) => {
            let width = ["B", "W", "D", "L"][size.ilog2() as usize];
            (format!("%Q{width}{}", byte / size), format!("16#{:X}", bits(size as usize)))
        }
        _ => return Err(Error::InvalidIo(format!("safe value of {path:?}: give it by its address"))),
    };
    Ok(SafeEntry { address, value: SafeValue::Literal(value) })
}
