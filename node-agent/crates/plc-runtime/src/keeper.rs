//! The keeper process: drivers, safe outputs, supervision of the runner, the socket that an agent talks to.
//!
//! One thread decides everything, in the order in which events arrive; the others only wait for something and
//! tell it. `docs/design/keeper-runner.md` is the contract in words.

mod apply;
mod events;
mod io;
mod latch;
mod mesh;
mod report;
mod restarts;
mod runner;
mod serve;
mod supervise;
mod write;

use crate::fault::FaultRecord;
use crate::launch::{self, Bootstrap, Lifeline, Ready};
use crate::protocol::{
    Bundle, ChangeStatus, Counters, PROTOCOL_VERSION, RealtimeStatus, Refusal, Request, Response, RunMode,
    State, Status, Stopped,
};
use crate::runner::control::{Order, Report};
use crate::{Error, wire};
use events::{Event, Reply};
use io::Io;
use latch::Latch;
use mesh::MeshSide;
use restarts::Restarts;
use runner::{Loaded, RunnerLink};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use supervise::Objection;

/// How long devices get for their safe values when nobody said otherwise.
const END_DEADLINE: Duration = Duration::from_secs(2);
/// How long a runner gets to stand still: its own patience with a scan, and time to say so.
const PARK_DEADLINE: Duration = Duration::from_secs(2);
/// Runner processes that may end by themselves in a minute, and program faults with policy `Restart`.
const CRASHES_MAX: usize = 5;
const FAULTS_MAX: usize = 3;

/// Why an order to the runner was not answered.
#[derive(Debug, PartialEq, Eq)]
enum Silence {
    RunnerGone,
    TimedOut,
    Ending,
}

/// Runs the keeper of a state directory until it is told to end, or its lifeline is cut.
pub fn run(state_dir: &Path) -> Result<(), Error> {
    // A session of its own: keys pressed at the starter's terminal are not for this process.
    let _ = rustix::process::setsid();
    let bootstrap: Bootstrap = wire::receive(&mut std::io::stdin().lock())?;
    let started = start(state_dir, bootstrap);
    let result = started.as_ref().map(|_| std::process::id()).map_err(ToString::to_string);
    wire::send(&mut std::io::stdout().lock(), &Ready { result })?;
    std::io::Write::flush(&mut std::io::stdout()).map_err(Error::io("answer the starter"))?;
    let (mut keeper, _lock) = started?;
    tracing::info!(pid = std::process::id(), "keeper ready");
    keeper.work();
    let _ = std::fs::remove_file(state_dir.join(crate::protocol::SOCKET_NAME));
    Ok(())
}

fn start(state_dir: &Path, bootstrap: Bootstrap) -> Result<(Keeper, OwnedFd), Error> {
    if bootstrap.version != PROTOCOL_VERSION {
        return Err(Error::Version { ours: PROTOCOL_VERSION, theirs: bootstrap.version });
    }
    let lock = launch::own(state_dir)?;
    let (events, inbox) = channel();
    events::watch_signals(events.clone())?;
    if bootstrap.lifeline == Lifeline::WithParent {
        events::watch_lifeline(events.clone())?;
    }
    serve::listen(state_dir, events.clone())?;
    Ok((Keeper::new(events, inbox, Latch::new(state_dir)), lock))
}

#[expect(clippy::struct_excessive_bools, reason = "each says one thing about one moment")]
struct Keeper {
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// Requests that arrived while another one was carried out.
    deferred: VecDeque<(Request, Reply)>,
    watchers: Vec<(u64, Reply)>,
    /// What was accepted last.
    bundle: Option<Bundle>,
    runner: Option<RunnerLink>,
    /// Runners started; tells a message of the present one from one of its predecessor.
    runners: u64,
    io: Option<Io>,
    loaded: Option<Loaded>,
    state: State,
    reason: String,
    /// Keeps a `SafeHalted` over the end of this process.
    latch: Latch,
    /// Outputs go live with the next first good scan.
    expect_good: bool,
    live: bool,
    restart_at: Option<Instant>,
    crashes: Restarts,
    faults: Restarts,
    /// The runner was killed because it hung.
    hung: bool,
    /// Since when it seems to hang.
    suspected: Option<Instant>,
    /// What ended live outputs while something else was carried out.
    objection: Option<Objection>,
    realtime: RealtimeStatus,
    refused: Option<Refusal>,
    last_fault: Option<FaultRecord>,
    change: Option<ChangeStatus>,
    counters: Counters,
    prepared: u64,
    /// Writes that were ordered; tells the answer of one from that of another.
    written: u64,
    revision: u64,
    /// The status as it was when the revision last moved, without figures.
    told: Option<Status>,
    mesh: MeshSide,
    /// A scan is being ended on purpose: its watchdog fault means nothing.
    parking: bool,
    /// What is applied is the present bundle, again.
    restarting: bool,
    ending: bool,
}

impl Keeper {
    fn new(events: Sender<Event>, inbox: Receiver<Event>, latch: Latch) -> Self {
        let mut keeper = Self {
            events,
            inbox,
            deferred: VecDeque::new(),
            watchers: Vec::new(),
            bundle: None,
            runner: None,
            runners: 0,
            io: None,
            loaded: None,
            state: State::Starting,
            reason: "nothing was applied yet".to_owned(),
            latch,
            expect_good: false,
            live: false,
            restart_at: None,
            crashes: Restarts::new(CRASHES_MAX),
            faults: Restarts::new(FAULTS_MAX),
            hung: false,
            suspected: None,
            objection: None,
            realtime: RealtimeStatus::default(),
            refused: None,
            last_fault: None,
            change: None,
            counters: Counters::default(),
            prepared: 0,
            written: 0,
            revision: 0,
            told: None,
            mesh: MeshSide::default(),
            parking: false,
            restarting: false,
            ending: false,
        };
        keeper.remember_halt();
        keeper
    }

    fn work(&mut self) {
        self.refresh();
        while !self.ending {
            if let Some((request, reply)) = self.deferred.pop_front() {
                self.serve(request, reply);
            } else {
                let limit = self.next_look().saturating_duration_since(Instant::now());
                match self.inbox.recv_timeout(limit) {
                    Ok(event) => self.handle(event),
                    Err(RecvTimeoutError::Timeout) => {}
                    // The keeper holds a sender itself.
                    Err(RecvTimeoutError::Disconnected) => self.ending = true,
                }
            }
            self.look();
            self.refresh();
        }
        if self.runner.is_some() || self.io.is_some() {
            self.end(END_DEADLINE);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Request { request, reply } => self.serve(request, reply),
            Event::Report { runner, report, fd } => {
                if self.is_present(runner) {
                    self.on_report(*report, fd);
                }
            }
            Event::RunnerEnded { runner, how } => {
                if self.is_present(runner) {
                    self.on_runner_ended(&how);
                }
            }
            Event::DriversChanged => self.on_drivers_changed(),
            Event::End { why } => self.on_end(why),
        }
    }

    fn on_end(&mut self, why: &'static str) {
        tracing::info!(why, "ending");
        self.ending = true;
        self.make_safe();
    }

    fn serve(&mut self, request: Request, reply: Reply) {
        match request {
            Request::Status => reply.send(Response::Status(Box::new(self.status()))),
            Request::Watch { since_revision } if since_revision < self.revision => {
                reply.send(Response::Status(Box::new(self.status())));
            }
            Request::Watch { since_revision } => {
                self.watchers.retain(|(_, reply)| reply.is_wanted());
                self.watchers.push((since_revision, reply));
            }
            Request::Read { paths } => {
                let response = self.read(paths);
                reply.send(response);
            }
            Request::Apply(bundle) => {
                let response = self.apply(*bundle);
                self.refresh();
                let response = match response {
                    Response::Applied(applied) => {
                        Response::Applied(crate::protocol::Applied { revision: self.revision, ..applied })
                    }
                    other => other,
                };
                reply.send(response);
            }
            Request::Describe { paths } => {
                let response = self.describe(&paths);
                reply.send(response);
            }
            Request::Subscribe { wanted } => {
                let response = self.subscribe(wanted);
                self.refresh();
                reply.send(response);
            }
            Request::Mailbox => {
                let (response, fds) = self.mailbox();
                reply.send_with(response, fds);
            }
            Request::Variables => {
                let response = self.variables();
                reply.send(response);
            }
            Request::Write { writes, only_check } => {
                let response = self.write(&writes, only_check);
                reply.send(response);
            }
            Request::Acknowledge => {
                let response = match self.acknowledge() {
                    Ok(()) => Response::Acknowledged,
                    Err(error) => Response::Failed { message: format!("not acknowledged: {error}") },
                };
                reply.send(response);
            }
            Request::Shutdown { deadline_ms } => {
                let stopped = self.end(Duration::from_millis(deadline_ms));
                reply.send_and_wait(Response::Stopped(stopped));
                self.ending = true;
            }
        }
    }

    fn is_present(&self, runner: u64) -> bool {
        self.runner.as_ref().is_some_and(|link| link.number == runner)
    }

    // What the runner says.

    fn on_report(&mut self, report: Report, _fd: Option<OwnedFd>) {
        match report {
            Report::Good => self.go_live(),
            Report::Fault { fault, goes_on } => self.on_fault(*fault, goes_on),
            Report::Realtime(status) => self.realtime = status,
            Report::Started { pid } => tracing::info!(pid, "runner ready"),
            // Answers that nobody waits for any more.
            Report::Prepared { .. } | Report::TookOver { .. } | Report::Parked | Report::Written { .. } => {}
        }
    }

    // Orders.

    fn order(&self, order: Order) {
        if let Some(runner) = &self.runner {
            runner.send(order, Vec::new());
        }
    }

    /// Scans, or stands still, as it is wanted. The outputs follow.
    fn set_run_mode(&mut self, run: RunMode) {
        match run {
            RunMode::Running => {
                self.expect_good = true;
                self.order(Order::Run);
                if self.state != State::Running {
                    self.state = State::Starting;
                    "waiting for the first good scan".clone_into(&mut self.reason);
                }
            }
            RunMode::Stopped => {
                self.stand_still();
                self.restart_at = None;
                self.order(Order::Reset);
                self.state = State::Stopped;
                self.reason.clear();
            }
            RunMode::Paused => {
                self.stand_still();
                self.restart_at = None;
                self.state = State::Paused;
                self.reason.clear();
            }
        }
    }

    /// Outputs safe, program at a scan boundary.
    fn stand_still(&mut self) {
        self.make_safe();
        if self.runner.is_none() {
            return;
        }
        self.order(Order::Park);
        self.parking = true;
        let parked = self.wait_for(PARK_DEADLINE, |report| matches!(report, Report::Parked));
        self.parking = false;
        if parked.err() == Some(Silence::TimedOut) {
            self.give_up_runner("it did not stand still and was killed");
        }
        self.make_safe();
    }

    /// Carries on with events until the runner reports what is waited for.
    fn wait_for(
        &mut self,
        limit: Duration,
        wanted: impl Fn(&Report) -> bool,
    ) -> Result<(Report, Option<OwnedFd>), Silence> {
        let deadline = Instant::now() + limit;
        loop {
            // Whatever is waited for, a program whose outputs are live is watched meanwhile.
            self.look_for_hang();
            if self.runner.is_none() {
                return Err(Silence::RunnerGone);
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(Silence::TimedOut);
            }
            let until = self.next_hang_look().map_or(deadline, |look| look.min(deadline));
            let Ok(event) = self.inbox.recv_timeout(until.saturating_duration_since(now)) else { continue };
            match event {
                Event::Report { runner, report, fd } if self.is_present(runner) && wanted(&report) => {
                    return Ok((*report, fd));
                }
                Event::RunnerEnded { runner, how } if self.is_present(runner) => {
                    self.on_runner_ended(&how);
                    return Err(Silence::RunnerGone);
                }
                Event::Request { request: request @ (Request::Status | Request::Watch { .. }), reply } => {
                    self.serve(request, reply);
                }
                Event::Request { request, reply } => self.deferred.push_back((request, reply)),
                Event::End { why } => {
                    self.on_end(why);
                    return Err(Silence::Ending);
                }
                other => self.handle(other),
            }
        }
    }

    /// Ordered end: outputs safe, runner at a scan boundary and gone, devices confirmed.
    fn end(&mut self, limit: Duration) -> Stopped {
        self.ending = true;
        self.restart_at = None;
        self.make_safe();
        self.order(Order::Quit);
        if let Some(link) = &self.runner {
            let number = link.number;
            let deadline = Instant::now() + PARK_DEADLINE;
            while self.is_present(number) {
                let left = deadline.saturating_duration_since(Instant::now());
                match self.inbox.recv_timeout(left) {
                    Ok(Event::RunnerEnded { runner, .. }) if runner == number => self.runner = None,
                    Ok(_) => {}
                    Err(_) => {
                        if let Some(link) = self.runner.take() {
                            link.kill();
                        }
                    }
                }
            }
        }
        let silent = self.io.take().map_or_else(Vec::new, |io| io.stop(limit));
        self.state = State::Stopped;
        if silent.is_empty() {
            tracing::info!("outputs safe, confirmed");
            Stopped::Confirmed
        } else {
            tracing::warn!(?silent, "outputs safe, not confirmed by every device");
            Stopped::Unconfirmed { drivers: silent }
        }
    }
}
