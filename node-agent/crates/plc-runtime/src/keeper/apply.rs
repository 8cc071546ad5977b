//! Carrying out a bundle: what is prepared first, what changes while the program scans, and what needs the
//! outputs to be safe.

use super::io::{Io, invalid, safe_frames};
use super::runner::{Loaded, RunnerLink};
use super::{Keeper, Silence};
use crate::Error;
use crate::mesh::Resolved;
use crate::protocol::{
    Applied, Bundle, ChangeState, ChangeStatus, IoSpec, OnRefused, Refusal, RefusalReason, Response, RunMode,
    SafeDefault, SafeTarget, State, UpdateMode,
};
use crate::runner::control::{How, Order, Ready, Report};
use lineshaft_exchange::Region;
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_io::{IoPlan, SafeFrame};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

/// How long the compiler may take.
const PREPARE_LIMIT: Duration = Duration::from_secs(30);
/// How long a program may take to be put in place: the longest wait of a scan thread is far below.
const INSTALL_LIMIT: Duration = Duration::from_secs(10);
/// How long drivers that are replaced may take to bring their devices to safe values.
const REPLACE_LIMIT: Duration = Duration::from_secs(2);

/// A program that the runner has ready.
struct Candidate {
    id: u64,
    ready: Box<Ready>,
    snapshot: OwnedFd,
}

impl Keeper {
    pub(super) fn apply(&mut self, bundle: Bundle) -> Response {
        let was_halted = self.state == State::Halted;
        match self.try_apply(bundle) {
            Ok(applied) => {
                self.refused = None;
                if was_halted && self.state != State::Halted {
                    self.crashes.clear();
                    self.faults.clear();
                }
                Response::Applied(applied)
            }
            Err(refusal) => {
                tracing::warn!(reason = ?refusal.reason, refusal.message, "refused");
                self.tell_standstill(&refusal.message);
                self.refused = Some((*refusal).clone());
                Response::Refused(*refusal)
            }
        }
    }

    /// After a refusal that came when the program stood still already.
    fn tell_standstill(&mut self, why: &str) {
        if self.state == State::Running && !self.live && self.objection.is_none() {
            self.state = State::Halted;
            why.clone_into(&mut self.reason);
        }
    }

    /// Starts the runner and everything in it for a bundle that was accepted before.
    pub(super) fn bring_up(&mut self, bundle: Bundle) -> Result<(), Box<Refusal>> {
        self.restarting = true;
        let result = self.try_apply(bundle).map(drop);
        self.restarting = false;
        result
    }

    fn try_apply(&mut self, mut bundle: Bundle) -> Result<Applied, Box<Refusal>> {
        let semantics = bundle.program.semantics;
        if semantics != crate::protocol::Semantics::default() {
            let message =
                "faults on overflow, REAL division by zero and conversion range are not built in yet";
            return Err(refusal(&bundle, RefusalReason::Unsupported, message));
        }
        let plan = lineshaft_plc_io::plan(&bundle.io.drivers)
            .map_err(|errors| io_refusal(&bundle, &invalid(&errors)))?;
        // Addresses at least are checked before anything starts.
        let by_address = safe_frames(&bundle.io, &plan, None).map_err(|e| io_refusal(&bundle, &e))?;
        let image = &mut bundle.program.options.image_bytes;
        image.inputs = image.inputs.max(plan.input_len() as u32);
        image.outputs = image.outputs.max(plan.output_len() as u32);

        let settled = self.is_installed() || self.state != State::Starting;
        if settled && self.bundle.as_ref().is_some_and(|before| is_same(before, &bundle)) && !self.restarting
        {
            // An agent that comes back says again what it said before; a halt is not ended by that.
            self.bundle = Some(bundle);
            return Ok(Applied::default());
        }
        let first = !self.is_installed();
        // Nothing has touched the devices yet: whatever they do now, it is not what was asked for. They do not wait
        // for the compiler either.
        let untouched = self.io.is_none();
        if untouched {
            let known = known_already(&bundle.io, &plan, &by_address).map_err(|e| io_refusal(&bundle, &e))?;
            self.keep_safe(&bundle, plan.clone(), known);
        }
        let candidate = match self.prepare(&bundle) {
            Ok(candidate) => candidate,
            Err(refusal) => {
                // No program will say where the variables are: their outputs get the default.
                if untouched && !self.io.as_ref().is_some_and(|io| io.is(&bundle.io.drivers, &by_address)) {
                    self.io = None;
                    self.keep_safe(&bundle, plan, by_address);
                }
                return Err(refusal);
            }
        };
        let how = match &candidate {
            Some(candidate) => Self::takeover(&bundle, &candidate.ready)?,
            None => How::Online,
        };
        let layout = candidate.as_ref().map(|c| &c.ready.layout).or(self.loaded.as_ref().map(|l| &l.layout));
        let safe = safe_frames(&bundle.io, &plan, layout).map_err(|e| io_refusal(&bundle, &e))?;
        let published = self.published(&bundle, layout)?;
        let io_changed = !self.io.as_ref().is_some_and(|io| io.is(&bundle.io.drivers, &safe));
        if io_changed || (candidate.is_some() && how == How::Afresh) {
            self.stand_still();
            if self.runner.is_none() {
                let message = "the runner did not stand still and was killed; another one is started";
                return Err(refusal(&bundle, RefusalReason::RunnerFailed, message));
            }
        }
        if io_changed {
            self.replace_io(&bundle, plan, safe)?;
        }
        let order =
            Order::Settings { fault: bundle.fault, watchdog: bundle.watchdog, realtime: bundle.realtime };
        self.order(order);
        if io_changed || first {
            self.connect();
        }
        let replaced = candidate.is_some();
        let change = match candidate {
            Some(candidate) => Some(self.install(&bundle, candidate, how, first, published)?),
            None => None,
        };
        let run = bundle.run;
        let rebind = !replaced && self.bundle.as_ref().is_some_and(|before| before.publish != bundle.publish);
        let mode_changed = self.bundle.as_ref().is_none_or(|before| before.run != run);
        self.bundle = Some(bundle);
        if rebind && let Err(error) = self.rebind() {
            tracing::error!(%error, "other variables than wanted are published");
        }
        self.run_as_wanted(run, replaced, io_changed || mode_changed || first || how == How::Afresh);
        Ok(Applied { change, io_reconfigured: io_changed && !first, revision: 0 })
    }

    /// Whatever a new bundle means for a program that stands still or runs.
    fn run_as_wanted(&mut self, run: RunMode, replaced: bool, anew: bool) {
        let halted = matches!(self.state, State::Halted | State::Restarting);
        if self.state == State::SafeHalted || (halted && !replaced && run == RunMode::Running) {
            return;
        }
        self.restart_at = None;
        if run == RunMode::Running && self.is_realtime_missing() {
            self.stand_still();
            self.halt_without_realtime();
            return;
        }
        if anew || halted {
            self.set_run_mode(run);
        }
    }

    /// Compiles the program in the runner, unless it is the one that runs.
    fn prepare(&mut self, bundle: &Bundle) -> Result<Option<Candidate>, Box<Refusal>> {
        let same = |loaded: &Loaded| {
            let before = self.bundle.as_ref().map(|b| (&b.program.hash, &b.program.options));
            loaded.hash == bundle.program.hash
                && before == Some((&bundle.program.hash, &bundle.program.options))
        };
        if self.is_installed() && self.loaded.as_ref().is_some_and(same) {
            return Ok(None);
        }
        let failed = |message: &str| refusal(bundle, RefusalReason::RunnerFailed, message);
        if self.runner.is_none() {
            self.start_runner().map_err(|e| failed(&e.to_string()))?;
        }
        self.prepared += 1;
        let id = self.prepared;
        let (program, renames) = (bundle.program.clone(), bundle.update.renames.clone());
        self.order(Order::Prepare { id, program, renames });
        let is_it = |report: &Report| matches!(report, Report::Prepared { id: of, .. } if *of == id);
        match self.wait_for(PREPARE_LIMIT, is_it) {
            Ok((Report::Prepared { result: Ok(ready), .. }, Some(snapshot))) => {
                Ok(Some(Candidate { id, ready, snapshot }))
            }
            Ok((Report::Prepared { result: Err(diagnostics), .. }, _)) => {
                let message =
                    diagnostics.first().map_or("it does not compile".to_owned(), ToString::to_string);
                let refused = refusal(bundle, RefusalReason::CompileError, &message);
                Err(Box::new(Refusal { diagnostics, ..*refused }))
            }
            Ok(_) => Err(failed("the runner answered something else")),
            Err(Silence::TimedOut) => Err(failed("the compiler did not come to an end")),
            Err(Silence::RunnerGone) => Err(failed("the runner died of this program")),
            Err(Silence::Ending) => Err(failed("the keeper ends")),
        }
    }

    /// Whether the program that was loaded last is in the present runner.
    pub(super) fn is_installed(&self) -> bool {
        let present = self.runner.as_ref().map(|runner| runner.number);
        present.is_some() && self.loaded.as_ref().map(|loaded| loaded.runner) == present
    }

    pub(super) fn start_runner(&mut self) -> Result<(), Error> {
        self.runners += 1;
        self.counters.starts += 1;
        if let Some(io) = &self.io {
            io.forget_scan();
        }
        self.hung = false;
        self.runner = Some(RunnerLink::start(self.runners, &self.events)?);
        Ok(())
    }

    /// Whether values are carried over, or the refusal.
    fn takeover(bundle: &Bundle, ready: &Ready) -> Result<How, Box<Refusal>> {
        let Some(change) = &ready.change else { return Ok(How::Afresh) };
        if bundle.update.mode == UpdateMode::Restart {
            return Ok(How::Afresh);
        }
        match (change.refused.is_empty(), bundle.update.on_refused) {
            (true, _) => Ok(How::Online),
            (false, OnRefused::Restart) => Ok(How::Afresh),
            (false, OnRefused::Keep) => {
                let (path, reason) = &change.refused[0];
                let message = format!("{path}: {reason}");
                let refused = refusal(bundle, RefusalReason::Migration, &message);
                Err(Box::new(Refusal { variables: change.refused.clone(), ..*refused }))
            }
        }
    }

    /// What a program publishes and receives; a variable of the bundle that it cannot publish is the refusal.
    fn published(&self, bundle: &Bundle, layout: Option<&Layout>) -> Result<Resolved, Box<Refusal>> {
        let resolved = layout.map_or_else(Resolved::default, |l| self.mesh.resolve(l, &bundle.publish));
        let Some(first) = resolved.unpublished.first() else { return Ok(resolved) };
        let message = format!("published variable: {}", first.message);
        let refused = refusal(bundle, RefusalReason::InvalidMesh, &message);
        let variables = resolved.unpublished.into_iter().map(|p| (p.variable, p.message)).collect();
        Err(Box::new(Refusal { variables, ..*refused }))
    }

    fn replace_io(
        &mut self,
        bundle: &Bundle,
        plan: IoPlan,
        safe: Vec<SafeFrame>,
    ) -> Result<(), Box<Refusal>> {
        if let Some(io) = self.io.take() {
            for (driver, error) in io.stop(REPLACE_LIMIT) {
                tracing::warn!(driver, error, "a device that is given up did not confirm its safe values");
            }
        }
        let io = Io::start(&bundle.io.drivers, plan, safe, self.events.clone());
        self.io = Some(io.map_err(|e| io_refusal(bundle, &e))?);
        Ok(())
    }

    fn keep_safe(&mut self, bundle: &Bundle, plan: IoPlan, safe: Vec<SafeFrame>) {
        match Io::start(&bundle.io.drivers, plan, safe, self.events.clone()) {
            Ok(io) => self.io = Some(io),
            Err(error) => tracing::error!(%error, "cannot bring the outputs to their safe values"),
        }
    }

    fn connect(&mut self) {
        let (Some(io), Some(runner)) = (&self.io, &self.runner) else { return };
        match io.as_fd().try_clone_to_owned() {
            Ok(fd) => runner.send(Order::Connect { ports: io.ports() }, vec![fd]),
            // Its outputs arrive nowhere: the devices stay safe.
            Err(error) => tracing::error!(%error, "cannot hand the runner the shared memory of the drivers"),
        }
    }

    fn install(
        &mut self,
        bundle: &Bundle,
        candidate: Candidate,
        how: How,
        first: bool,
        published: Resolved,
    ) -> Result<ChangeStatus, Box<Refusal>> {
        let failed = |message: String| refusal(bundle, RefusalReason::RunnerFailed, &message);
        let Candidate { id, ready, snapshot } = candidate;
        let mesh = self.mesh.prepare(published, &ready.tasks, self.runners, how);
        let mesh = mesh.map_err(|e| failed(e.to_string()))?;
        let (order, fds) = mesh.order().map_err(|e| failed(e.to_string()))?;
        if let Some(runner) = &self.runner {
            runner.send(Order::Install { id, how, mesh: order }, fds);
        }
        let took = self.wait_for(INSTALL_LIMIT, |report| matches!(report, Report::TookOver { .. }));
        let Ok((Report::TookOver { took_ns }, _)) = took else {
            // Which of the two programs it has, nobody knows.
            self.give_up_runner("it did not take the program and was killed");
            return Err(failed("the runner did not take the program".to_owned()));
        };
        let place = crate::runner::snapshot_place(ready.layout.bytes);
        let region = Region::from_fd(snapshot).map_err(|e| failed(e.to_string()))?;
        let snapshot = place.reader(&Arc::new(region)).map_err(|e| failed(e.to_string()))?;
        let counted = ready.change.clone().unwrap_or_default();
        let variables = ready.layout.leaves.iter().filter(|l| !l.flags.hidden && !l.flags.constant).count();
        let change = match (first, how) {
            (true, _) => ChangeStatus { initialised: variables as u32, ..ChangeStatus::default() },
            (false, How::Online) => ChangeStatus {
                state: ChangeState::Applied,
                copied: counted.copied,
                converted: counted.converted,
                initialised: counted.initialised,
                dropped: counted.dropped,
                swap_ns: took_ns,
            },
            (false, How::Afresh) => ChangeStatus {
                state: ChangeState::Restarted,
                initialised: variables as u32,
                dropped: counted.dropped,
                swap_ns: took_ns,
                ..ChangeStatus::default()
            },
        };
        self.counters.online_changes += u64::from(change.state == ChangeState::Applied);
        tracing::info!(hash = bundle.program.hash, ?change, "program in place");
        self.loaded = Some(Loaded {
            runner: self.runners,
            hash: bundle.program.hash.clone(),
            generation: bundle.generation,
            engine: ready.engine,
            engine_refused: ready.engine_refused,
            layout: ready.layout,
            tasks: ready.tasks,
            diagnostics: ready.diagnostics,
            snapshot,
        });
        self.mesh.settle(mesh);
        self.change = Some(change.clone());
        Ok(change)
    }
}

/// The safe values that are known before the program is: outputs whose variables only the compiler can find are
/// left as they are until then.
fn known_already(spec: &IoSpec, plan: &IoPlan, by_address: &[SafeFrame]) -> Result<Vec<SafeFrame>, Error> {
    if spec.safe_state.iter().all(|entry| matches!(entry.target, SafeTarget::Address(_))) {
        return Ok(by_address.to_vec());
    }
    let held = IoSpec { safe_state_default: SafeDefault::Hold, ..spec.clone() };
    safe_frames(&held, plan, None)
}

/// Whether two bundles ask for the same, whoever asks and however often.
fn is_same(before: &Bundle, now: &Bundle) -> bool {
    let bare = |bundle: &Bundle| Bundle {
        generation: 0,
        identity: crate::protocol::Identity::default(),
        ..bundle.clone()
    };
    bare(before) == bare(now)
}

#[expect(clippy::unnecessary_box_returns, reason = "it travels as the error of results")]
fn refusal(bundle: &Bundle, reason: RefusalReason, message: &str) -> Box<Refusal> {
    Box::new(Refusal {
        generation: bundle.generation,
        hash: bundle.program.hash.clone(),
        reason,
        message: message.to_owned(),
        diagnostics: Vec::new(),
        variables: Vec::new(),
    })
}

#[expect(clippy::unnecessary_box_returns, reason = "it travels as the error of results")]
fn io_refusal(bundle: &Bundle, error: &Error) -> Box<Refusal> {
    refusal(bundle, RefusalReason::InvalidIo, &error.to_string())
}
