//! A program in virtual time: `lineshaft plc run`, tests, simulations. No processes, no devices, no real clock.
//!
//! Each step advances the clock by exactly one interval and then runs every task that is due: without a
//! CONFIGURATION every program once, in order; with one, each task on its own interval.

use crate::Error;
use crate::engine::{EngineKind, EngineOptions, Machine};
use crate::fault::FaultRecord;
use crate::state::{Members, Shown, read_json, read_ordered, write_literal};
use crate::task::{self, Edge, Grid};
use lineshaft_plc_compiler::{Options, Program, Trigger};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Compiler options for a run with this interval: a source without CONFIGURATION gets one task that is due at
/// every step.
pub fn options(interval_ns: u64) -> Options {
    Options { default_interval_ns: interval_ns, ..Options::default() }
}

/// What to run.
#[derive(Clone, Debug)]
pub struct VirtualRun {
    /// The program, compiled with [`options`].
    pub program: Arc<Program>,
    /// Virtual time between two steps.
    pub interval_ns: u64,
    /// Steps.
    pub scans: u64,
    /// Values before the first scan: path and IEC literal.
    pub sets: Vec<(String, String)>,
    /// Paths to show after each scan; empty shows every program instance once, after the last scan.
    pub traces: Vec<String>,
    /// Back edges that one program may take in one scan before it faults with `Watchdog`; `None` is no limit.
    pub budget: Option<u64>,
    /// What executes it.
    pub engine: EngineKind,
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// `{"scan":1,"time_us":10000,"values":{"Main.n":1}}`
    Scan {
        /// From 1.
        scan: u64,
        /// Virtual time of this scan.
        time_us: u64,
        /// By path, in the order in which they were asked for or declared.
        values: Members,
    },
    /// `{"fault":{"code":"IndexOutOfBounds","at":"main.st:4:9",…}}`: the last record of a run.
    Fault {
        /// What happened.
        fault: FaultRecord,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All scans were done.
    Completed,
    /// The program faulted; the command line exits with 3.
    Faulted,
}

impl VirtualRun {
    /// Runs, giving each record to `emit` as it is made.
    pub fn run(&self, mut emit: impl FnMut(Record)) -> Result<Ended, Error> {
        let options = EngineOptions { kind: self.engine, budget: self.budget };
        let mut simulation = Simulation::with(Arc::clone(&self.program), self.interval_ns, options)?;
        for (path, literal) in &self.sets {
            simulation.set(path, literal)?;
        }
        let mut traces: Vec<&str> = Vec::new();
        for path in &self.traces {
            // An object has each key once.
            if !traces.contains(&path.as_str()) {
                traces.push(path);
            }
        }
        traced(&traces, &simulation)?;
        for scan in 1..=self.scans {
            if let Err(fault) = simulation.step() {
                emit(Record::Fault { fault: *fault });
                return Ok(Ended::Faulted);
            }
            let values = match (self.traces.is_empty(), scan == self.scans) {
                (false, _) => traced(&traces, &simulation)?,
                (true, true) => simulation.values(),
                (true, false) => continue,
            };
            emit(Record::Scan { scan, time_us: simulation.time_ns() as u64 / 1000, values });
        }
        Ok(Ended::Completed)
    }
}

fn traced(paths: &[&str], simulation: &Simulation) -> Result<Members, Error> {
    let values = paths.iter().map(|path| Ok(((*path).to_owned(), simulation.get_ordered(path)?)));
    values.collect::<Result<_, Error>>().map(Members)
}

/// A program that is stepped by hand.
#[derive(Debug)]
pub struct Simulation {
    machine: Machine,
    interval_ns: u64,
    time_ns: i64,
    scan: u64,
    /// One for each task; `None` for one that runs at every step or by an event.
    grids: Vec<Option<Grid>>,
    edges: Vec<Edge>,
    order: Vec<usize>,
}

impl Simulation {
    /// At time 0, with initial values, on the default engine.
    pub fn new(program: Arc<Program>, interval_ns: u64) -> Result<Self, Error> {
        Self::with(program, interval_ns, EngineOptions::default())
    }

    /// At time 0, with initial values.
    pub fn with(program: Arc<Program>, interval_ns: u64, options: EngineOptions) -> Result<Self, Error> {
        let order = task::by_priority(&program);
        let grid = |t: &lineshaft_plc_compiler::Task| {
            let interval = task::interval_ns(t)?;
            Some(Grid::starting_at(interval_ns as i64, interval))
        };
        Ok(Self {
            grids: program.tasks.iter().map(grid).collect(),
            edges: vec![Edge::default(); program.tasks.len()],
            order,
            machine: Machine::new(program, Arc::new(AtomicU32::new(0)), options)?,
            interval_ns,
            time_ns: 0,
            scan: 0,
        })
    }

    /// See [`VirtualRun::budget`].
    pub fn set_budget(&mut self, back_edges: Option<u64>) {
        self.machine.set_budget(back_edges);
    }

    /// The engine that runs the program, and why if it is not the one that was asked for.
    pub fn engine(&self) -> (EngineKind, Option<&str>) {
        (self.machine.engine(), self.machine.refused())
    }

    /// Virtual time.
    pub fn time_ns(&self) -> i64 {
        self.time_ns
    }

    /// The state block.
    pub fn state(&self) -> &[u8] {
        self.machine.state()
    }

    /// The state block, for what carries values over.
    #[cfg(test)]
    pub(crate) fn state_mut(&mut self) -> &mut [u8] {
        self.machine.state_mut()
    }

    /// The value at a path.
    pub fn get(&self, path: &str) -> Result<Value, Error> {
        read_json(&self.machine.program().layout, self.machine.state(), path)
    }

    /// The value at a path, members in order of declaration.
    pub fn get_ordered(&self, path: &str) -> Result<Shown, Error> {
        read_ordered(&self.machine.program().layout, self.machine.state(), path)
    }

    /// Each variable of each program instance, by its path, in order of declaration.
    pub fn values(&self) -> Members {
        let mut values = Vec::new();
        for instance in &self.machine.program().instances {
            // An instance without variables has no path of its own.
            let Ok(Shown::Members(members)) = self.get_ordered(&instance.name) else { continue };
            let named =
                members.0.into_iter().map(|(name, value)| (format!("{}.{name}", instance.name), value));
            values.extend(named);
        }
        Members(values)
    }

    /// Writes an IEC literal.
    pub fn set(&mut self, path: &str, literal: &str) -> Result<(), Error> {
        let program = Arc::clone(self.machine.program());
        write_literal(&program.layout, self.machine.state_mut(), path, literal)
    }

    /// Whether a task runs in this step; its grid and its event take note.
    fn is_due(&mut self, task: usize, trigger: &Trigger) -> bool {
        let on_grid = self.grids[task].as_mut().map(|grid| {
            let due = grid.is_due(self.time_ns);
            if due {
                grid.advance(self.time_ns);
            }
            due
        });
        match trigger {
            Trigger::Event { .. } => {
                let rises = self.edges[task].rises(trigger, self.machine.state());
                rises || (on_grid == Some(true) && !self.edges[task].holds())
            }
            _ => on_grid.unwrap_or(true),
        }
    }

    /// One interval further: every task that is due runs, in order of priority.
    pub fn step(&mut self) -> Result<(), Box<FaultRecord>> {
        self.time_ns = self.time_ns.saturating_add(i64::try_from(self.interval_ns).unwrap_or(i64::MAX));
        self.scan += 1;
        for position in 0..self.order.len() {
            let task = self.order[position];
            let program = Arc::clone(self.machine.program());
            if !self.is_due(task, &program.tasks[task].trigger) {
                continue;
            }
            for &instance in &program.tasks[task].instances {
                self.machine.run(instance, self.time_ns).map_err(|mut fault| {
                    fault.task.clone_from(&program.tasks[task].name);
                    fault.scan = self.scan;
                    fault
                })?;
            }
        }
        Ok(())
    }
}
