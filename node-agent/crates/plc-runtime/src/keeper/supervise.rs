//! What ends live outputs: faults of the program, a runner that hangs or ends, a driver that asks for it. And what
//! follows.

use super::latch::Halt;
use super::{CRASHES_MAX, Keeper};
use crate::Error;
use crate::clock::monotonic_ns;
use crate::fault::FaultRecord;
use crate::protocol::{FaultPolicy, RealtimeMode, State, WatchdogAction};
use crate::runner::control::Order;
use crate::scan;
use lineshaft_plc_compiler::ir::FaultCode;
use lineshaft_plc_io::OutputMode;
use std::time::{Duration, Instant};

/// How often an unconfirmed safe state is looked at.
const CONFIRM_LOOK: Duration = Duration::from_millis(50);
/// Shortest time without a heartbeat that counts as a hang.
const HANG_MIN_NS: i64 = 100_000_000;
/// A runner that seems to hang gets this much longer: the keeper itself may have slept until now.
const HANG_CONFIRM: Duration = Duration::from_millis(20);

/// Why the outputs may not be live although the program scans well.
#[derive(Debug)]
pub(super) enum Objection {
    /// This driver's inputs are missing for too long, and its declaration asks for a fault then.
    Driver(String),
    /// Real time is required and was refused.
    Realtime,
}

impl Keeper {
    pub(super) fn on_fault(&mut self, fault: FaultRecord, goes_on: bool) {
        let Some(bundle) = &self.bundle else { return };
        let (policy, action) = (bundle.fault, bundle.watchdog.action);
        self.counters.faults += 1;
        self.counters.watchdog += u64::from(fault.code == FaultCode::Watchdog);
        let summary = fault.summary();
        let is_watchdog = fault.code == FaultCode::Watchdog;
        tracing::warn!(fault = summary, goes_on, "the program faulted");
        self.last_fault = Some(fault);
        let scanning = !goes_on && !self.parking;
        if !scanning || !matches!(self.state, State::Running | State::Starting | State::Restarting) {
            return;
        }
        self.make_safe();
        if is_watchdog {
            self.follow(action, summary);
        } else {
            self.follow_policy(policy, summary);
        }
    }

    fn follow_policy(&mut self, policy: FaultPolicy, why: String) {
        match policy {
            FaultPolicy::Halt | FaultPolicy::ContinueSafe | FaultPolicy::ContinueHold => {
                self.follow(WatchdogAction::Halt, why);
            }
            FaultPolicy::SafeHalt => self.follow(WatchdogAction::SafeHalt, why),
            FaultPolicy::Restart => self.follow(WatchdogAction::Restart, why),
        }
    }

    fn follow(&mut self, action: WatchdogAction, why: String) {
        // A restart that was under way for another reason does not outlive a halt.
        self.restart_at = None;
        self.state = match action {
            WatchdogAction::Halt => State::Halted,
            WatchdogAction::SafeHalt => State::SafeHalted,
            WatchdogAction::Restart => {
                let now = Instant::now();
                match self.faults.next(now) {
                    Some(pause) => {
                        self.restart_at = Some(now + pause);
                        State::Restarting
                    }
                    None => State::SafeHalted,
                }
            }
        };
        self.reason = why;
        if self.state == State::SafeHalted {
            self.latch_halt();
        }
    }

    /// The outputs are safe already; the disk may take its time.
    fn latch_halt(&mut self) {
        let halt = Halt { reason: self.reason.clone(), fault: self.last_fault.clone() };
        if let Err(error) = self.latch.set(&halt) {
            tracing::error!(%error, "the halt will be forgotten with this process");
            self.reason = format!("{} (it will be forgotten when the keeper ends: {error})", self.reason);
        }
    }

    /// Takes up the halt that an earlier keeper of this directory left.
    pub(super) fn remember_halt(&mut self) {
        if let Some(Halt { reason, fault }) = self.latch.read() {
            tracing::warn!(reason, "an earlier halt was not acknowledged");
            self.state = State::SafeHalted;
            (self.reason, self.last_fault) = (reason, fault);
        }
    }

    /// The outputs of every device go to their safe values, whatever the program does.
    pub(super) fn make_safe(&mut self) {
        self.expect_good = false;
        self.live = false;
        if let Some(io) = &self.io {
            io.set_mode(OutputMode::Safe);
        }
    }

    /// The first good scan: the outputs follow the program, unless something speaks against it.
    pub(super) fn go_live(&mut self) {
        if !self.expect_good {
            return;
        }
        // What was said while nothing was live is not said again.
        self.on_drivers_changed();
        if self.is_realtime_missing() {
            self.object(Objection::Realtime);
        }
        if !self.expect_good {
            return;
        }
        self.expect_good = false;
        self.state = State::Running;
        self.reason.clear();
        self.live = true;
        if let Some(io) = &self.io {
            io.set_mode(OutputMode::Live);
        }
        tracing::info!("first good scan, outputs live");
    }

    /// Outputs safe at once; the rest follows when nothing else is being carried out.
    fn object(&mut self, objection: Objection) {
        self.make_safe();
        self.objection = Some(objection);
    }

    fn follow_objection(&mut self, objection: Objection) {
        if !matches!(self.state, State::Running | State::Starting) {
            return;
        }
        self.stand_still();
        match objection {
            Objection::Driver(name) => {
                let policy = self.bundle.as_ref().map_or(FaultPolicy::Halt, |bundle| bundle.fault);
                self.follow_policy(policy, format!("driver {name}: inputs are missing for too long"));
            }
            Objection::Realtime => self.halt_without_realtime(),
        }
    }

    /// Whether real time is required and was refused.
    pub(super) fn is_realtime_missing(&self) -> bool {
        let required = self.bundle.as_ref().is_some_and(|b| b.realtime == RealtimeMode::Required);
        required && !self.realtime.refused.is_empty()
    }

    /// The program stands still already.
    pub(super) fn halt_without_realtime(&mut self) {
        let why = format!("real time is required and was refused: {}", self.realtime.refused);
        self.follow(WatchdogAction::Halt, why);
    }

    pub(super) fn on_runner_ended(&mut self, how: &str) {
        self.make_safe();
        self.runner = None;
        if self.ending {
            return;
        }
        tracing::error!(how, "the runner ended");
        if std::mem::take(&mut self.hung) {
            let action = self.bundle.as_ref().map_or(WatchdogAction::Halt, |b| b.watchdog.action);
            self.follow(action, "the runner hung and was killed".to_owned());
            return;
        }
        self.counters.crashes += 1;
        let wanted = self.bundle.as_ref().map(|b| b.run);
        if wanted.is_none() || matches!(self.state, State::Halted | State::SafeHalted) {
            return;
        }
        let now = Instant::now();
        self.reason = format!("the runner ended: {how}");
        match self.crashes.next(now) {
            Some(pause) => {
                self.restart_at = Some(now + pause);
                self.state = State::Restarting;
            }
            None => {
                self.reason = format!("the runner ended {CRASHES_MAX} times in a minute, last: {how}");
                self.state = State::Halted;
            }
        }
    }

    /// A runner of which nobody knows what it does: it is killed, and what follows is what follows a crash.
    pub(super) fn give_up_runner(&mut self, why: &str) {
        let Some(runner) = &self.runner else { return };
        tracing::error!(why, "killing the runner");
        runner.kill();
        // Its end, which comes as an event, is that of a runner that is not the present one any more.
        self.on_runner_ended(why);
    }

    pub(super) fn on_drivers_changed(&mut self) {
        let wants = self.io.as_mut().and_then(super::io::Io::observe);
        if let Some(driver) = wants
            && (self.live || self.expect_good)
        {
            self.object(Objection::Driver(driver));
        }
    }

    // Time.

    pub(super) fn next_look(&self) -> Instant {
        let now = Instant::now();
        let mut next = now + Duration::from_hours(1);
        if let Some(at) = self.restart_at {
            next = next.min(at);
        }
        if let Some(at) = self.next_hang_look() {
            next = next.min(at);
        }
        if !self.live && self.io.as_ref().is_some_and(|io| !io.is_safe_confirmed()) {
            next = next.min(now + CONFIRM_LOOK);
        }
        next
    }

    pub(super) fn look(&mut self) {
        if let Some(objection) = self.objection.take() {
            self.follow_objection(objection);
        }
        if self.restart_at.is_some_and(|at| at <= Instant::now()) {
            self.restart_at = None;
            self.restart();
        }
        self.look_for_hang();
    }

    pub(super) fn next_hang_look(&self) -> Option<Instant> {
        let limit = self.hang_limit_ns()?;
        let pause = match self.suspected {
            Some(_) => HANG_CONFIRM,
            None => Duration::from_nanos(limit as u64 / 2),
        };
        Some(Instant::now() + pause)
    }

    /// A runner without heartbeat while its outputs are live is killed, and so is one whose scan does not end.
    pub(super) fn look_for_hang(&mut self) {
        let (Some(limit), Some(io)) = (self.hang_limit_ns(), &self.io) else {
            self.suspected = None;
            return;
        };
        // Before the first good scan nothing is live, and a runner may need its time to get going.
        let since = if self.live { io.heartbeat_ns() } else { io.scan_since_ns() };
        if since == 0 || monotonic_ns().saturating_sub(since) <= limit {
            self.suspected = None;
            return;
        }
        let first = *self.suspected.get_or_insert_with(Instant::now);
        if first.elapsed() < HANG_CONFIRM {
            return;
        }
        tracing::error!("the runner hangs, killing it");
        self.suspected = None;
        self.counters.watchdog += 1;
        self.hung = true;
        self.make_safe();
        if let Some(runner) = &self.runner {
            runner.kill();
        }
    }

    /// How long a scan may take before its process is killed; `None` while nothing scans.
    fn hang_limit_ns(&self) -> Option<i64> {
        let (bundle, loaded) = (self.bundle.as_ref()?, self.loaded.as_ref()?);
        let scanning = self.runner.is_some() && !self.hung && (self.live || self.expect_good);
        if !scanning || !bundle.watchdog.enabled {
            return None;
        }
        let interval = loaded.tasks.iter().map(|t| t.interval_ns).max().unwrap_or(0);
        let timeout = scan::timeout_ns(&bundle.watchdog, interval);
        // A tolerated scan may take ten timeouts before the runner ends it itself.
        let tolerated = if bundle.watchdog.sensitivity > 1 { 10 } else { 1 };
        Some(timeout.saturating_mul(2 * tolerated).max(HANG_MIN_NS))
    }

    /// Begins anew, as the bundle that was accepted last wants it.
    fn restart(&mut self) {
        let Some(bundle) = self.bundle.clone() else { return };
        if self.is_installed() {
            self.order(Order::Reset);
            self.set_run_mode(bundle.run);
        } else if let Err(refusal) = self.bring_up(bundle) {
            tracing::error!(refusal.message, "cannot start the program again");
            if self.restart_at.is_none() {
                self.state = State::Halted;
                self.reason = refusal.message;
            }
        }
    }

    /// Ends a halt, unless the disk would bring it back.
    pub(super) fn acknowledge(&mut self) -> Result<(), Error> {
        if !matches!(self.state, State::Halted | State::SafeHalted) {
            return Ok(());
        }
        self.latch.clear()?;
        self.faults.clear();
        self.crashes.clear();
        self.state = State::Starting;
        "acknowledged".clone_into(&mut self.reason);
        self.restart();
        Ok(())
    }
}
