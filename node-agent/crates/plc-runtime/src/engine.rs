//! A program with its variables, ready to run on one of two engines: compiled code, or the interpreter.
//!
//! Both execute the same IR on the same state block and must leave the same state and the same faults. The
//! interpreter takes the IR as the compiler made it; the other engine optimises it first.

mod jit;
pub(crate) mod memory;
mod record;

use crate::fault::FaultRecord;
use crate::interp::{Interpreter, Scope};
use crate::{Error, STATE_BYTES_MAX};
use jit::Jit;
use lineshaft_plc_compiler::Program;
use lineshaft_plc_compiler::ir::FaultCode;
use memory::AlignedBytes;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Bytes of the frame arena: locals, temporaries and strings of all functions that run at one time.
pub const ARENA_BYTES: usize = 1024 * 1024;
/// Longest string in bytes, twice (a concatenation before it is cut).
const SCRATCH_BYTES: usize = 4 * 65_536;

/// What executes a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EngineKind {
    /// Compiled to machine code.
    #[default]
    Jit,
    /// Interpreted.
    Interpreter,
}

impl Display for EngineKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jit => "jit",
            Self::Interpreter => "interpreter",
        })
    }
}

/// Which engine, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct EngineOptions {
    /// Compiled code is replaced by the interpreter where the system does not let it run.
    pub kind: EngineKind,
    /// Ends each run with a watchdog fault after this many back edges: for tests and simulations that must end
    /// at the same place every time.
    pub budget: Option<u64>,
}

/// One level of a call stack, as engines keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Function.
    pub(crate) func: u32,
    /// Where it was.
    pub(crate) site: u32,
    /// Its first argument: the instance, if it is a body or a method.
    pub(crate) this: u32,
}

/// A fault, as engines keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Raised {
    pub(crate) code: FaultCode,
    pub(crate) operands: [i64; 3],
    pub(crate) count: u8,
    /// Innermost first.
    pub(crate) levels: Vec<Level>,
}

/// The one that runs.
#[derive(Debug)]
enum Engine {
    Jit(Jit),
    Interpreter(Interpreter),
}

impl Engine {
    /// The one that was asked for, or the interpreter and why.
    fn new(program: &Program, options: EngineOptions) -> (Self, Option<String>) {
        let interpreter = || Self::Interpreter(Interpreter::new(&program.module));
        match options.kind {
            EngineKind::Interpreter => (interpreter(), None),
            EngineKind::Jit => match Jit::new(program, options.budget.is_some()) {
                Ok(jit) => (Self::Jit(jit), None),
                Err(refusal) => (interpreter(), Some(refusal.to_string())),
            },
        }
    }
}

/// A program with its variables, ready to run.
#[derive(Debug)]
pub struct Machine {
    program: Arc<Program>,
    engine: Engine,
    /// Why the engine is not the one that was asked for.
    refused: Option<String>,
    memory: AlignedBytes,
    /// Composes strings whose sources may overlap their destination.
    scratch: Vec<u8>,
    attention: Arc<AtomicU32>,
    budget: Option<u64>,
}

impl Machine {
    /// Makes the program ready and gives its variables their initial values. `attention` ends what runs at its
    /// next back edge while it is not 0.
    pub fn new(
        program: Arc<Program>,
        attention: Arc<AtomicU32>,
        options: EngineOptions,
    ) -> Result<Self, Error> {
        let bytes = u64::from(program.layout.bytes);
        if bytes > STATE_BYTES_MAX {
            return Err(Error::TooLarge(bytes));
        }
        let (engine, refused) = Engine::new(&program, options);
        let mut machine = Self {
            memory: AlignedBytes::new(bytes as usize + ARENA_BYTES),
            scratch: vec![0; SCRATCH_BYTES],
            program,
            engine,
            refused,
            attention,
            budget: options.budget,
        };
        machine.reset();
        Ok(machine)
    }

    /// Initial values for all variables.
    pub fn reset(&mut self) {
        let initial = Arc::clone(&self.program);
        let state = self.state_mut();
        let length = state.len().min(initial.initial.len());
        state[..length].copy_from_slice(&initial.initial[..length]);
        state[length..].fill(0);
    }

    /// See [`EngineOptions::budget`]. Compiled code counts back edges only if it was compiled to.
    pub fn set_budget(&mut self, budget: Option<u64>) {
        if self.budget.is_some() != budget.is_some() && self.engine() == EngineKind::Jit {
            let options = EngineOptions { kind: EngineKind::Jit, budget };
            (self.engine, self.refused) = Engine::new(&self.program, options);
        }
        self.budget = budget;
    }

    /// The engine that runs the program.
    pub fn engine(&self) -> EngineKind {
        match self.engine {
            Engine::Jit(_) => EngineKind::Jit,
            Engine::Interpreter(_) => EngineKind::Interpreter,
        }
    }

    /// Why that is not the engine that was asked for: `ExecMemDenied: …`.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The attention word.
    pub fn attention(&self) -> &Arc<AtomicU32> {
        &self.attention
    }

    /// The state block.
    pub fn state(&self) -> &[u8] {
        &self.memory.bytes()[..self.program.layout.bytes as usize]
    }

    /// The state block.
    pub fn state_mut(&mut self) -> &mut [u8] {
        let length = self.program.layout.bytes as usize;
        &mut self.memory.bytes_mut()[..length]
    }

    /// Runs a program instance once. Allocates nothing unless it faults. A fault leaves the variables as they
    /// were when it happened; the record's task, scan and time are the caller's to fill.
    pub fn run(&mut self, instance: usize, now_ns: i64) -> Result<(), Box<FaultRecord>> {
        let Some(what) = self.program.instances.get(instance) else { return Ok(()) };
        let mut scope = Scope {
            memory: self.memory.bytes_mut(),
            arena: self.program.layout.bytes,
            scratch: &mut self.scratch,
            attention: &self.attention,
            budget: self.budget,
            now_ns,
        };
        let result = match &mut self.engine {
            Engine::Jit(jit) => jit.run(instance, what.offset, &mut scope),
            Engine::Interpreter(interpreter) => interpreter.run(what.entry, what.offset, &mut scope),
        };
        result.map_err(|raised| Box::new(record::record(&self.program, instance, &raised, now_ns)))
    }
}

#[cfg(test)]
mod tests;
