//! The scan: inputs latched, programs run, outputs committed, values published, on an absolute grid.
//!
//! [`Scanner::scan`] allocates nothing, takes no lock, makes no system call but reading the clock, and touches
//! no file and no device; `tests/no_allocation.rs` proves the first.

mod outputs;
mod shared;
mod thread;
mod watch;

pub(crate) use thread::{Command, Event, ScanThread, Takeover};
pub(crate) use watch::Watch;

use crate::engine::Machine;
use crate::fault::FaultRecord;
use crate::mesh::Bound;
use crate::protocol::{FaultPolicy, WatchdogSpec};
use crate::task::{self, BACKGROUND_INTERVAL_NS, Edge, Grid};
use crate::write::Patch;
use lineshaft_exchange::{
    BoardRef, FrameHeader, MAX_TASKS, Published, Quality, ScanRecord, ScanSide, ScanState, Writer,
};
use lineshaft_plc_compiler::ir::FaultCode;
use lineshaft_plc_compiler::{Program, Trigger};
use lineshaft_plc_io::{FrameMap, SafeFrame};
use outputs::Outputs;
use shared::stale_fault;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Faults in a row after which a program that should go on is halted all the same.
const FAULTS_IN_A_ROW_MAX: u32 = 10;

/// One driver, as the scan sees it.
#[derive(Debug)]
pub struct Port {
    /// Its boxes.
    pub side: ScanSide,
    /// How its input frames fit into `%I`.
    pub inputs: FrameMap,
    /// How its output frames fit into `%Q`.
    pub outputs: FrameMap,
    /// Its safe values.
    pub safe: SafeFrame,
}

/// What a scan does with faults and time.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// What follows a fault.
    pub fault: FaultPolicy,
    /// What ends a scan that takes too long.
    pub watchdog: WatchdogSpec,
}

/// A task as it runs.
#[derive(Debug)]
struct Running {
    /// In the program's list, and on the board.
    index: usize,
    name: String,
    trigger: Trigger,
    instances: Vec<usize>,
    grid: Option<Grid>,
    edge: Edge,
    /// An event task that was released.
    released: bool,
    timeout_ns: i64,
    /// Bits of `%Q` that it writes.
    outputs: Vec<u8>,
    /// Those go to the devices with their safe values, until its next good scan.
    outputs_safe: bool,
    /// It had a good scan since the program began to run.
    good: bool,
    faults_in_a_row: u32,
}

impl Running {
    fn is_event(&self) -> bool {
        matches!(self.trigger, Trigger::Event { .. })
    }
}

/// How a scan ended.
#[derive(Debug)]
pub enum Outcome {
    /// Outputs are committed.
    Good,
    /// The program faulted; the scan's outputs were dropped.
    Faulted {
        /// What happened.
        fault: Box<FaultRecord>,
        /// The next scan may run.
        goes_on: bool,
    },
}

/// What changes with the program.
#[derive(Debug)]
pub struct Occupant {
    /// The program with its values.
    pub machine: Machine,
    /// Where they are shown.
    pub snapshot: Writer,
    /// What it publishes and receives.
    pub mesh: Option<Box<Bound>>,
}

/// A program with its tasks, boxes and figures.
#[derive(Debug)]
pub struct Scanner {
    machine: Machine,
    tasks: Vec<Running>,
    /// Where event triggers are looked at if no cyclic task does it in passing.
    sampling: Option<Grid>,
    ports: Vec<Port>,
    board: BoardRef,
    snapshot: Writer,
    settings: Settings,
    watch: Arc<Watch>,
    /// Absolute time at which the task clock is 0.
    clock_base_ns: i64,
    scans: u64,
    /// Task clock of the values that readers see.
    shown_ns: i64,
    outputs: Outputs,
    /// What is published and received, if anything is.
    mesh: Option<Box<Bound>>,
    /// Begin of the last good scan, and what the program has done since: what others are told.
    shared: Published,
}

impl Scanner {
    /// Ready to run, with the task clock at 0 at `now_ns`.
    pub fn new(
        machine: Machine,
        board: BoardRef,
        snapshot: Writer,
        settings: Settings,
        watch: Arc<Watch>,
        now_ns: i64,
    ) -> Self {
        let mut scanner = Self {
            tasks: Vec::new(),
            sampling: None,
            ports: Vec::new(),
            machine,
            board,
            snapshot,
            settings,
            watch,
            clock_base_ns: now_ns,
            scans: 0,
            shown_ns: 0,
            outputs: Outputs::new(0),
            mesh: None,
            shared: Published::default(),
        };
        scanner.adopt_tasks(now_ns);
        // Readers see initial values before the first scan.
        scanner.publish(0);
        scanner
    }

    /// Values of the program that runs.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Number of the last scan.
    pub fn scans(&self) -> u64 {
        self.scans
    }

    /// Task clock of a moment.
    fn task_time_ns(&self, at_ns: i64) -> i64 {
        at_ns.saturating_sub(self.clock_base_ns)
    }

    /// Takes the tasks of the machine's program; those that existed before keep their place on the grid.
    fn adopt_tasks(&mut self, now_ns: i64) {
        let program = Arc::clone(self.machine.program());
        self.outputs = Outputs::new(program.layout.sections.outputs.len());
        self.outputs.learn_safe_values(&self.ports);
        let before = std::mem::take(&mut self.tasks);
        self.tasks = task::by_priority(&program).iter().map(|&i| running(&program, i, now_ns)).collect();
        for task in &mut self.tasks {
            let Some(old) = before.iter().find(|t| t.name.eq_ignore_ascii_case(&task.name)) else { continue };
            (task.outputs_safe, task.good) = (old.outputs_safe, old.good);
            if old.trigger == task.trigger {
                (task.grid, task.edge, task.released) = (old.grid, old.edge, old.released);
            }
        }
        let cyclic = self.tasks.iter().any(|t| t.grid.is_some() && !t.is_event());
        self.sampling = (!cyclic).then(|| Grid::starting_at(now_ns, BACKGROUND_INTERVAL_NS));
        self.apply_settings(self.settings);
        self.board.task_count.store(program.tasks.len().min(MAX_TASKS) as u32, Ordering::Release);
    }

    /// Time limits of all tasks.
    pub fn apply_settings(&mut self, settings: Settings) {
        self.settings = settings;
        let mut shortest = i64::MAX;
        for task in &mut self.tasks {
            let interval = match task.trigger {
                Trigger::Cyclic { interval_ns } | Trigger::Event { interval_ns: Some(interval_ns), .. } => {
                    interval_ns
                }
                _ => BACKGROUND_INTERVAL_NS,
            };
            task.timeout_ns = timeout_ns(&settings.watchdog, interval);
            shortest = shortest.min(task.timeout_ns);
        }
        self.watch.configure(settings.watchdog.enabled.then_some(shortest));
    }

    /// Other boxes, for other drivers.
    pub fn connect(&mut self, ports: Vec<Port>, board: BoardRef) {
        self.ports = ports;
        self.board = board;
        self.outputs.learn_safe_values(&self.ports);
        let count = self.machine.program().tasks.len().min(MAX_TASKS);
        self.board.task_count.store(count as u32, Ordering::Release);
    }

    /// Puts another program in place, with what it publishes and receives; what was there before comes back.
    pub fn replace(&mut self, next: Occupant, now_ns: i64) -> Occupant {
        let machine = std::mem::replace(&mut self.machine, next.machine);
        let snapshot = std::mem::replace(&mut self.snapshot, next.snapshot);
        self.adopt_tasks(now_ns);
        self.publish(self.task_time_ns(now_ns));
        let mesh = self.bind(next.mesh, now_ns);
        self.forget_received();
        Occupant { machine, snapshot, mesh }
    }

    /// The machine, while nothing scans.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Puts values from outside in place, between two scans. Readers see them at once.
    pub fn write(&mut self, patches: &[Patch]) {
        for patch in patches {
            patch.apply(self.machine.state_mut());
        }
        self.publish(self.shown_ns);
    }

    /// The task clock begins anew.
    pub fn restart_clock(&mut self, now_ns: i64) {
        self.clock_base_ns = now_ns;
    }

    /// Goes on after standing still from `since_ns` to `now_ns`: the task clock did not move, the grids begin
    /// anew.
    pub fn resume(&mut self, since_ns: i64, now_ns: i64) {
        self.clock_base_ns = self.clock_base_ns.saturating_add(now_ns.saturating_sub(since_ns));
        let program = Arc::clone(self.machine.program());
        for task in &mut self.tasks {
            let interval = program.tasks.get(task.index).and_then(task::interval_ns);
            task.grid = interval.map(|interval| Grid::starting_at(now_ns, interval));
            (task.edge, task.released) = (Edge::default(), false);
            (task.good, task.faults_in_a_row) = (false, 0);
        }
        self.sampling = self.sampling.map(|_| Grid::starting_at(now_ns, BACKGROUND_INTERVAL_NS));
        if let Some(mesh) = &mut self.mesh {
            mesh.runs(now_ns);
        }
    }

    /// When something is due next.
    pub fn next_wake_ns(&self) -> i64 {
        if self.tasks.iter().any(|t| t.released) {
            return i64::MIN;
        }
        let grids = self.tasks.iter().filter_map(|t| t.grid.as_ref()).chain(&self.sampling);
        grids.map(Grid::next_ns).min().unwrap_or(i64::MAX)
    }

    /// The task of highest priority that is due, by its place in the order of priority.
    pub fn due(&mut self, now_ns: i64) -> Option<usize> {
        if let Some(grid) = &mut self.sampling
            && grid.is_due(now_ns)
        {
            grid.advance(now_ns);
            self.latch();
            // If it must not be stale, the next scan says so.
            let _ = self.latch_received(now_ns);
            self.release_events();
        }
        for task in self.tasks.iter_mut().filter(|task| task.is_event() && task.edge.holds()) {
            // While its event holds, the grid passes without a scan.
            if let Some(grid) = task.grid.as_mut().filter(|grid| grid.is_due(now_ns)) {
                grid.advance(now_ns);
            }
        }
        self.tasks.iter().position(|t| t.released || t.grid.is_some_and(|grid| grid.is_due(now_ns)))
    }

    /// Shows the keeper that the scan thread lives.
    pub fn beat(&self, now_ns: i64) {
        self.board.beat(now_ns);
    }

    /// One scan of a task.
    pub fn scan(&mut self, position: usize, clock: &impl Fn() -> i64) -> Outcome {
        let start_ns = clock();
        let task = &mut self.tasks[position];
        // What an event releases runs at once and leaves the grid alone.
        let released = std::mem::take(&mut task.released);
        let grid = task.grid.filter(|_| !released);
        let slot_ns = grid.map_or(start_ns, |grid| grid.next_ns());
        let (index, timeout_ns) = (task.index, task.timeout_ns);
        let now_ns = self.task_time_ns(slot_ns);
        self.scans += 1;
        self.board.total.begin(slot_ns, start_ns);
        if let Some(board) = self.board.tasks.get(index) {
            board.figures.begin(slot_ns, start_ns);
        }
        let sensitivity = self.settings.watchdog.sensitivity;
        let armed = self.settings.watchdog.enabled.then_some((start_ns, timeout_ns, sensitivity));
        self.watch.begin(armed, self.machine.attention());

        let start_unix_ns = crate::clock::unix_ns();
        self.latch();
        let mut result =
            self.latch_received(start_ns).map_or(Ok(()), |stale| Err(Box::new(stale_fault(stale, now_ns))));
        if let Some(image) = output_image(&self.machine) {
            self.outputs.begin(image);
        }
        for i in 0..self.tasks[position].instances.len() {
            if result.is_err() {
                break;
            }
            let instance = self.tasks[position].instances[i];
            result = self.machine.run(instance, now_ns);
        }
        let end_ns = clock();
        let too_long = self.watch.end(end_ns.saturating_sub(start_ns), timeout_ns, sensitivity);
        if too_long && result.is_ok() {
            result = Err(Box::new(self.overlong(now_ns)));
        }
        let outcome = match result {
            Ok(()) => {
                let task = &mut self.tasks[position];
                (task.good, task.outputs_safe, task.faults_in_a_row) = (true, false, 0);
                self.commit(end_ns);
                self.board.outputs_live.store(1, Ordering::Release);
                self.release_events();
                self.share(start_ns, start_unix_ns);
                Outcome::Good
            }
            Err(fault) => self.faulted(position, fault, end_ns),
        };
        self.publish(now_ns);
        self.count(position, grid.is_some(), slot_ns, start_ns, clock());
        outcome
    }

    /// The newest complete frame of every driver becomes the inputs of the scan.
    fn latch(&mut self) {
        let section = self.machine.program().layout.sections.inputs.clone();
        let Some(image) = self.machine.state_mut().get_mut(section.start as usize..section.end as usize)
        else {
            return;
        };
        for port in &mut self.ports {
            let (header, frame, _) = port.side.inputs.latest();
            // Before the first frame the inputs keep their initial values.
            if header.sequence > 0 {
                port.inputs.scatter(frame, image);
            }
        }
    }

    /// The outputs go to the drivers, safe values where a task's must be safe.
    fn commit(&mut self, end_ns: i64) {
        let Some(image) = output_image(&self.machine) else { return };
        let safe = self.tasks.iter().filter(|task| task.outputs_safe).map(|task| task.outputs.as_slice());
        let image = self.outputs.going(image, safe);
        for port in &mut self.ports {
            let header = FrameHeader { sequence: self.scans, time_ns: end_ns, quality: Quality::Good };
            port.side.outputs.publish(header, |frame| port.outputs.gather(image, frame));
        }
    }

    fn publish(&mut self, now_ns: i64) {
        self.shown_ns = now_ns;
        let header = FrameHeader { sequence: self.scans, time_ns: now_ns, quality: Quality::Good };
        let state = self.machine.state();
        self.snapshot.publish(header, |frame| {
            let length = frame.len().min(state.len());
            frame[..length].copy_from_slice(&state[..length]);
        });
    }

    fn release_events(&mut self) {
        for task in &mut self.tasks {
            if task.is_event() {
                task.released |= task.edge.rises(&task.trigger, self.machine.state());
            }
        }
    }

    fn count(&mut self, position: usize, on_grid: bool, slot_ns: i64, start_ns: i64, end_ns: i64) {
        let task = &mut self.tasks[position];
        let grid = task.grid.as_mut().filter(|_| on_grid);
        let advance = grid.map(|grid| grid.advance(end_ns)).unwrap_or_default();
        let record =
            ScanRecord { slot_ns, start_ns, end_ns, overrun: advance.overrun, missed: advance.missed };
        if let Some(board) = self.board.tasks.get(task.index) {
            board.end(&record);
        }
        self.board.total.end(&record);
        self.board.beat(end_ns);
    }

    fn faulted(&mut self, position: usize, mut fault: Box<FaultRecord>, end_ns: i64) -> Outcome {
        let policy = self.settings.fault;
        let task = &mut self.tasks[position];
        fault.task.clone_from(&task.name);
        fault.scan = self.scans;
        fault.unix_ms = crate::clock::unix_ms();
        task.faults_in_a_row += 1;
        let continues = matches!(policy, FaultPolicy::ContinueSafe | FaultPolicy::ContinueHold);
        let goes_on =
            continues && fault.code != FaultCode::Watchdog && task.faults_in_a_row < FAULTS_IN_A_ROW_MAX;
        if continues {
            // Outputs that this task has not driven yet are safe, and stay so.
            task.outputs_safe |= policy == FaultPolicy::ContinueSafe || !task.good;
            let section = self.machine.program().layout.sections.outputs.clone();
            let image = self.machine.state_mut().get_mut(section.start as usize..section.end as usize);
            if let Some(image) = image {
                self.outputs.take_back(image);
            }
            self.commit(end_ns);
        }
        if !goes_on {
            self.tell_others(ScanState::Faulted);
        }
        Outcome::Faulted { fault, goes_on }
    }

    /// A scan that ended by itself, but too late once too often.
    fn overlong(&self, now_ns: i64) -> FaultRecord {
        FaultRecord {
            code: FaultCode::Watchdog,
            at: String::new(),
            instance: String::new(),
            task: String::new(),
            operands: Vec::new(),
            call_stack: Vec::new(),
            scan: self.scans,
            task_time_ns: now_ns,
            unix_ms: 0,
        }
    }
}

/// `%Q` of a program.
fn output_image(machine: &Machine) -> Option<&[u8]> {
    let section = &machine.program().layout.sections.outputs;
    machine.state().get(section.start as usize..section.end as usize)
}

fn running(program: &Program, index: usize, now_ns: i64) -> Running {
    let task = &program.tasks[index];
    Running {
        index,
        name: task.name.clone(),
        trigger: task.trigger.clone(),
        instances: task.instances.clone(),
        grid: task::interval_ns(task).map(|interval| Grid::starting_at(now_ns, interval)),
        edge: Edge::default(),
        released: false,
        timeout_ns: i64::MAX,
        outputs: outputs::bits(&task.outputs, program.layout.sections.outputs.len()),
        outputs_safe: false,
        good: false,
        faults_in_a_row: 0,
    }
}

/// The larger of three intervals and 50 ms, unless it is given.
pub(crate) fn timeout_ns(watchdog: &WatchdogSpec, interval_ns: u64) -> i64 {
    let default = interval_ns.saturating_mul(3).max(50_000_000);
    i64::try_from(watchdog.timeout_ns.unwrap_or(default)).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests;
