//! The runner process: compiler, scan thread, nothing else. It owns no device and no file; its keeper's socket
//! is its life.

pub(crate) mod control;
mod prepare;

use crate::Error;
use crate::change::{Keep, Plan};
use crate::clock::monotonic_ns;
use crate::mesh::Bound;
use crate::protocol::RealtimeMode;
use crate::rt;
use crate::scan::{Command, Event, Occupant, Port, ScanThread, Scanner, Settings, Takeover, Watch};
use crate::wire;
use control::{How, MeshOrder, Order, PortSpec, Report};
use lineshaft_exchange::{BoardRef, Exchange, Mailbox, PortSize, Wakeup};
use lineshaft_plc_compiler::Program;
use prepare::Prepared;
pub(crate) use prepare::snapshot_place;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Events and commands on their way; both are rare.
const QUEUE: usize = 64;
/// How long a scan may go on after an order to stand still, before it is ended.
const PARK_PATIENCE: Duration = Duration::from_millis(500);

/// What the threads of a runner share.
#[derive(Clone)]
struct Shared {
    control: Arc<Mutex<UnixStream>>,
    attention: Arc<AtomicU32>,
    /// Compiled and waiting for its order; a newer one replaces it.
    prepared: Arc<Mutex<Option<Prepared>>>,
}

/// Ties this process to its keeper: it is killed when the keeper dies, and so is every thread that panics, since
/// half a runner must not go on.
pub fn die_with(keeper: &str) -> Result<(), Error> {
    let signal = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(signal).map_err(Error::io("follow the keeper"))?;
    // It may have died before the line above.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().to_string());
    if parent.as_deref() != Some(keeper) {
        return Err(Error::Closed);
    }
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
    Ok(())
}

/// Runs until the keeper hangs up. The socket is the process's standard input.
pub fn run(control: &UnixStream) -> Result<(), Error> {
    let shared = Shared {
        control: Arc::new(Mutex::new(
            control.try_clone().map_err(Error::io("duplicate the control socket"))?,
        )),
        attention: Arc::new(AtomicU32::new(0)),
        prepared: Arc::new(Mutex::new(None)),
    };
    shared.report(&Report::Started { pid: std::process::id() }, None)?;
    let mut runner =
        Runner { shared, watch: Arc::default(), scan: None, program: None, settings: None, io: None };
    loop {
        match wire::receive_with::<Order>(control) {
            Ok((order, fds)) => runner.obey(order, fds)?,
            // The keeper is gone; nobody takes outputs any more.
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Shared {
    fn report(&self, report: &Report, fd: Option<&OwnedFd>) -> Result<(), Error> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let fds: Vec<_> = fd.iter().map(|fd| fd.as_fd()).collect();
        wire::send_with(&control, report, &fds)
    }
}

struct Runner {
    shared: Shared,
    watch: Arc<Watch>,
    scan: Option<SyncSender<Command>>,
    /// The program that the scan thread runs.
    program: Option<Arc<Program>>,
    settings: Option<(Settings, RealtimeMode)>,
    io: Option<(Exchange, Vec<PortSpec>)>,
}

impl Runner {
    fn obey(&mut self, order: Order, fds: Vec<OwnedFd>) -> Result<(), Error> {
        match order {
            Order::Settings { fault, watchdog, realtime } => {
                let settings = Settings { fault, watchdog };
                self.settings = Some((settings, realtime));
                self.command(Command::Settings(settings));
            }
            Order::Connect { ports } => {
                let fd = fds.into_iter().next().ok_or_else(|| Error::Malformed("no shared memory".into()))?;
                let sizes: Vec<PortSize> = ports
                    .iter()
                    .map(|p| PortSize { inputs: p.inputs.len(), outputs: p.outputs.len() })
                    .collect();
                let exchange = Exchange::attach(fd, &sizes).map_err(|e| Error::Exchange(e.to_string()))?;
                self.io = Some((exchange, ports));
                let (ports, board) = self.ports()?;
                self.command(Command::Connect(ports, board));
            }
            Order::Prepare { id, program, renames } => {
                let (shared, present) = (self.shared.clone(), self.program.clone());
                let started = std::thread::Builder::new()
                    .name("compile".into())
                    .stack_size(prepare::STACK_BYTES)
                    .spawn(move || prepare::prepare(&shared, id, &program, &renames, present.as_deref()));
                if let Err(source) = started {
                    // The program that runs must not suffer from memory that is missing for another one.
                    let error = Error::Io { what: "start the compiler".into(), source };
                    let result = Err(vec![prepare::finding(&error)]);
                    self.shared.report(&Report::Prepared { id, result }, None)?;
                }
            }
            Order::Install { id, how, mesh } => {
                let mesh = mesh.map(|order| bound(*order, fds)).transpose()?;
                self.install(id, how, mesh)?;
            }
            Order::Mesh(order) => {
                let mesh = order.map(|order| bound(*order, fds)).transpose()?;
                self.command(Command::Mesh(mesh));
            }
            Order::Write { id, patches } => self.command(Command::Write { id, patches }),
            Order::Reset => {
                if let Some(program) = &self.program {
                    let plan = Plan::new(&program.layout, &program.layout, &[], Keep::Retained);
                    self.command(Command::Reset(plan));
                }
            }
            Order::Run => self.command(Command::Run),
            Order::Park if self.scan.is_none() => self.shared.report(&Report::Parked, None)?,
            Order::Park => self.park(),
            Order::Quit if self.scan.is_none() => std::process::exit(0),
            Order::Quit => {
                self.park();
                self.command(Command::Quit);
            }
        }
        Ok(())
    }

    fn command(&self, command: Command) {
        if let Some(scan) = &self.scan {
            // A scan thread that is gone took the process with it.
            let _ = scan.send(command);
        }
    }

    /// Asks for the end of the present scan, and makes sure of it after a while.
    fn park(&self) {
        self.command(Command::Park);
        let attention = Arc::clone(&self.shared.attention);
        let watch = Arc::clone(&self.watch);
        std::thread::spawn(move || {
            let begun = watch.begun();
            std::thread::sleep(PARK_PATIENCE);
            if watch.is_busy() && watch.begun() == begun {
                attention.store(1, Ordering::Relaxed);
            }
        });
    }

    fn ports(&self) -> Result<(Vec<Port>, BoardRef), Error> {
        let failed = |e: lineshaft_exchange::ExchangeError| Error::Exchange(e.to_string());
        let (exchange, specs) = self.io.as_ref().ok_or_else(|| Error::Malformed("not connected".into()))?;
        let mut ports = Vec::with_capacity(specs.len());
        for (i, spec) in specs.iter().cloned().enumerate() {
            let side = exchange.scan_side(i).map_err(failed)?;
            let PortSpec { inputs, outputs, safe } = spec;
            ports.push(Port { side, inputs, outputs, safe });
        }
        Ok((ports, exchange.board().map_err(failed)?))
    }

    fn install(&mut self, id: u64, how: How, mesh: Option<Box<Bound>>) -> Result<(), Error> {
        let prepared = self.shared.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(prepared) = prepared.filter(|p| p.id == id) else {
            return Err(Error::Malformed(format!("program {id} is not prepared")));
        };
        let Prepared { program, machine, snapshot, online, retained, .. } = prepared;
        let Some((settings, realtime)) = self.settings else {
            return Err(Error::Malformed("no settings".into()));
        };
        self.program = Some(program);
        if self.scan.is_some() {
            let (plan, afresh) = match how {
                How::Online => (online, false),
                How::Afresh => (retained, true),
            };
            let next = Occupant { machine, snapshot, mesh };
            self.command(Command::Takeover(Box::new(Takeover { next, plan, afresh })));
            return Ok(());
        }
        let (ports, board) = self.ports()?;
        let now = monotonic_ns();
        let watch = Arc::clone(&self.watch);
        let mut scanner = Scanner::new(machine, board.clone(), snapshot, settings, watch, now);
        scanner.connect(ports, board);
        scanner.bind(mesh, now);
        let (commands, inbox) = sync_channel(QUEUE);
        let (events, outbox) = sync_channel(QUEUE);
        let prepare = move || rt::prepare_watchdog(realtime);
        self.watch
            .start(Arc::clone(&self.shared.attention), prepare)
            .map_err(Error::io("start the watchdog"))?;
        let shared = self.shared.clone();
        std::thread::Builder::new()
            .name("events".into())
            .spawn(move || forward(&shared, &outbox))
            .map_err(Error::io("start a thread"))?;
        let shared = self.shared.clone();
        std::thread::Builder::new()
            .name("scan".into())
            .spawn(move || {
                let granted = rt::prepare(realtime);
                if shared.report(&Report::Realtime(granted), None).is_ok() {
                    ScanThread::new(scanner, inbox, events).work();
                }
                // Whatever ended it: without a scan thread this process has no purpose.
                std::process::exit(0);
            })
            .map_err(Error::io("start the scan thread"))?;
        self.scan = Some(commands);
        self.shared.report(&Report::TookOver { took_ns: 0 }, None)
    }
}

/// A binding with its boxes, made where time does not matter.
fn bound(order: MeshOrder, fds: Vec<OwnedFd>) -> Result<Box<Bound>, Error> {
    let MeshOrder { binding, mailbox } = order;
    let Some(shape) = mailbox else { return Bound::new(binding, None).map(Box::new) };
    let mut fds = fds.into_iter();
    let (Some(memory), Some(wakeup)) = (fds.next(), fds.next()) else {
        return Err(Error::Malformed("no mailbox".into()));
    };
    let mailbox = Mailbox::attach(memory, shape.into()).map_err(|e| Error::Exchange(e.to_string()))?;
    Bound::new(binding, Some((&mailbox, Wakeup::from_fd(wakeup)))).map(Box::new)
}

/// Tells the keeper what the scan thread has to say.
fn forward(shared: &Shared, events: &Receiver<Event>) {
    for event in events {
        let report = match event {
            Event::Good => Report::Good,
            Event::Parked => Report::Parked,
            Event::Written { id, scan, patches } => {
                drop(patches);
                Report::Written { id, scan }
            }
            Event::Unbound(old) => {
                drop(old);
                continue;
            }
            Event::Fault { fault, goes_on } => Report::Fault { fault, goes_on },
            Event::TookOver { old, took_ns } => {
                drop(old);
                Report::TookOver { took_ns }
            }
        };
        if shared.report(&report, None).is_err() {
            return;
        }
    }
}
