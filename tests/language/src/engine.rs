//! What a case needs from an engine.

use lineshaft_plc_compiler::Program;
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions};
use lineshaft_plc_runtime::fault::FaultRecord;
use lineshaft_plc_runtime::virt::Simulation;
use serde_json::Value;
use std::sync::Arc;

/// Back edges in one scan after which a case is taken to be endless.
const BACK_EDGES_MAX: u64 = 500_000;

/// Runs programs in virtual time.
pub trait Engine {
    /// For reports.
    fn name(&self) -> &'static str;
    /// The program at time 0, with initial values.
    fn start(&self, program: Arc<Program>, interval_ns: u64) -> Result<Box<dyn Running>, String>;
}

/// A program that is stepped.
pub trait Running {
    /// Writes an IEC literal.
    fn set(&mut self, path: &str, literal: &str) -> Result<(), String>;
    /// The value at a path, as the command line prints it.
    fn get(&self, path: &str) -> Result<Value, String>;
    /// One interval further.
    fn step(&mut self) -> Result<(), Box<FaultRecord>>;
}

impl Engine for EngineKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Jit => "jit",
            Self::Interpreter => "interpreter",
        }
    }

    fn start(&self, program: Arc<Program>, interval_ns: u64) -> Result<Box<dyn Running>, String> {
        let options = EngineOptions { kind: *self, budget: Some(BACK_EDGES_MAX) };
        let simulation =
            Simulation::with(program, interval_ns, options).map_err(|error| error.to_string())?;
        match simulation.engine() {
            (kind, _) if kind == *self => Ok(Box::new(simulation)),
            (_, refused) => Err(refused.unwrap_or("another engine").to_owned()),
        }
    }
}

impl Running for Simulation {
    fn set(&mut self, path: &str, literal: &str) -> Result<(), String> {
        Simulation::set(self, path, literal).map_err(|error| error.to_string())
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        Simulation::get(self, path).map_err(|error| error.to_string())
    }

    fn step(&mut self) -> Result<(), Box<FaultRecord>> {
        Simulation::step(self)
    }
}
