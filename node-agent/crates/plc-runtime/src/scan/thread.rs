//! The scan thread: waits for the grid, scans, and takes commands only between two scans.

use super::{Occupant, Outcome, Port, Scanner, Settings};
use crate::change::Plan;
use crate::clock::{monotonic_ns, sleep_until};
use crate::fault::FaultRecord;
use crate::mesh::Bound;
use crate::write::Patch;
use lineshaft_exchange::BoardRef;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::time::Duration;

/// A wait longer than this first listens for commands; the rest is an exact sleep.
const EXACT_NS: i64 = 20_000_000;
/// Longest silence of a thread that has nothing to do: the keeper tells it from one that hangs by its heartbeat.
const BEAT_NS: i64 = 25_000_000;

/// What a takeover does with the values of the old program.
#[derive(Debug)]
pub(crate) struct Takeover {
    pub(crate) next: Occupant,
    /// From the old program's block, if there is one.
    pub(crate) plan: Option<Plan>,
    /// The task clock begins anew, too.
    pub(crate) afresh: bool,
}

/// What the runner tells the scan thread.
#[derive(Debug)]
pub(crate) enum Command {
    /// Another program, at once.
    Takeover(Box<Takeover>),
    /// Other drivers.
    Connect(Vec<Port>, BoardRef),
    Settings(Settings),
    /// Other variables that are published and received.
    Mesh(Option<Box<Bound>>),
    /// Values from outside.
    Write {
        id: u64,
        patches: Vec<Patch>,
    },
    /// Initial values, except for what the plan carries over.
    Reset(Plan),
    Run,
    Park,
    Quit,
}

/// What it tells the runner.
#[derive(Debug)]
pub(crate) enum Event {
    /// The first good scan after [`Command::Run`].
    Good,
    /// Standing still; follows each [`Command::Park`].
    Parked,
    /// A fault. Unless it goes on, the thread stands still.
    Fault { fault: Box<FaultRecord>, goes_on: bool },
    /// The new program is in place. The old machine is given back because freeing memory is no work for a scan.
    TookOver { old: Box<Occupant>, took_ns: u64 },
    /// The values are in place, given back for that reason too.
    Written { id: u64, scan: u64, patches: Vec<Patch> },
    /// What was published and received before, given back for the same reason.
    Unbound(Option<Box<Bound>>),
}

/// Owns the scanner.
pub(crate) struct ScanThread {
    scanner: Scanner,
    commands: Receiver<Command>,
    events: SyncSender<Event>,
    running: bool,
    /// No good scan since it began to run.
    fresh: bool,
    parked_since_ns: i64,
}

impl ScanThread {
    pub(crate) fn new(scanner: Scanner, commands: Receiver<Command>, events: SyncSender<Event>) -> Self {
        Self { scanner, commands, events, running: false, fresh: true, parked_since_ns: monotonic_ns() }
    }

    /// Works until it is told to quit or nobody commands any more.
    pub(crate) fn work(mut self) {
        loop {
            let command =
                if self.running { self.poll() } else { self.commands.recv().map(Some).map_err(|_| ()) };
            match command {
                Ok(None) => {}
                Ok(Some(Command::Quit)) | Err(()) => return,
                Ok(Some(command)) => self.obey(command),
            }
        }
    }

    /// Scans what is due, or waits for it; a command comes first.
    fn poll(&mut self) -> Result<Option<Command>, ()> {
        match self.commands.try_recv() {
            Ok(command) => return Ok(Some(command)),
            Err(TryRecvError::Disconnected) => return Err(()),
            Err(TryRecvError::Empty) => {}
        }
        let now = monotonic_ns();
        self.scanner.beat(now);
        if let Some(position) = self.scanner.due(now) {
            let outcome = self.scanner.scan(position, &monotonic_ns);
            self.report(outcome);
            return Ok(None);
        }
        let wake = self.scanner.next_wake_ns();
        let left = wake.saturating_sub(now);
        if left > EXACT_NS {
            let limit = Duration::from_nanos((left - EXACT_NS / 2).min(BEAT_NS) as u64);
            return match self.commands.recv_timeout(limit) {
                Ok(command) => Ok(Some(command)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(()),
            };
        }
        sleep_until(wake);
        Ok(None)
    }

    fn report(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Good if self.fresh => {
                self.fresh = false;
                self.tell(Event::Good);
            }
            Outcome::Good => {}
            Outcome::Faulted { fault, goes_on } => {
                if !goes_on {
                    self.park();
                }
                self.tell(Event::Fault { fault, goes_on });
            }
        }
    }

    /// The channel is larger than what can be on its way; if the listener is gone, so is the process soon.
    fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }

    fn park(&mut self) {
        if self.running {
            self.running = false;
            self.parked_since_ns = monotonic_ns();
            self.scanner.stands_still();
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Takeover(takeover) => self.take_over(*takeover),
            Command::Connect(ports, board) => self.scanner.connect(ports, board),
            Command::Settings(settings) => self.scanner.apply_settings(settings),
            Command::Reset(plan) => {
                let old = self.scanner.machine().state().to_vec();
                let machine = self.scanner.machine_mut();
                machine.reset();
                plan.apply(&old, machine.state_mut());
                self.scanner.forget_received();
            }
            Command::Mesh(mesh) => {
                let old = self.scanner.bind(mesh, monotonic_ns());
                self.tell(Event::Unbound(old));
            }
            Command::Write { id, patches } => {
                self.scanner.write(&patches);
                self.tell(Event::Written { id, scan: self.scanner.scans(), patches });
            }
            Command::Run => {
                if !self.running {
                    self.scanner.resume(self.parked_since_ns, monotonic_ns());
                    self.running = true;
                    self.fresh = true;
                }
            }
            Command::Park => {
                self.park();
                self.tell(Event::Parked);
            }
            // Taken by the caller.
            Command::Quit => {}
        }
    }

    fn take_over(&mut self, takeover: Takeover) {
        let Takeover { mut next, plan, afresh } = takeover;
        let start = monotonic_ns();
        if let Some(plan) = plan {
            plan.apply(self.scanner.machine().state(), next.machine.state_mut());
        }
        let old = self.scanner.replace(next, start);
        if afresh {
            self.scanner.restart_clock(start);
            self.parked_since_ns = start;
        }
        self.tell(Event::TookOver {
            old: Box::new(old),
            took_ns: monotonic_ns().saturating_sub(start) as u64,
        });
    }
}
