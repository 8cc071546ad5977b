//! The interpreter: the IR of a program, decoded once, executed on a state block.
//!
//! It is the engine where executable memory is denied, and the oracle that compiled code is compared with:
//! both execute the same IR on the same block and must leave the same state and the same faults.

mod code;
mod decode;
mod depth;
mod exec;
mod number;
mod slots;

pub(crate) use code::Routine;

use crate::engine::{Level, Raised};
use code::Code;
use exec::{Run, Stack, Trap};
use lineshaft_plc_compiler::MAX_CALL_DEPTH;
use lineshaft_plc_compiler::ir::{FuncId, Module, SiteId};
use std::sync::atomic::AtomicU32;

/// Decoded code with what it needs to run.
#[derive(Debug)]
pub(crate) struct Interpreter {
    code: Code,
    stack: Stack,
}

/// What one run works on.
pub(crate) struct Scope<'a> {
    /// State block, then frame arena.
    pub(crate) memory: &'a mut [u8],
    /// First byte of the frame arena.
    pub(crate) arena: u32,
    /// Composes strings whose sources may overlap their destination.
    pub(crate) scratch: &'a mut [u8],
    /// Ends what runs at its next back edge while it is not 0.
    pub(crate) attention: &'a AtomicU32,
    /// Back edges that the run may take.
    pub(crate) budget: Option<u64>,
    /// The task clock.
    pub(crate) now_ns: i64,
}

impl Interpreter {
    /// Decodes a module.
    pub(crate) fn new(module: &Module) -> Self {
        let code = decode::decode(module);
        let slots = depth::slots(&code);
        let callers = Vec::with_capacity(MAX_CALL_DEPTH + 1);
        Self { stack: Stack { slots: vec![0; slots], callers }, code }
    }

    /// Calls a function with one argument, the address of an instance. Allocates nothing unless it faults.
    pub(crate) fn run(&mut self, entry: FuncId, this: u32, scope: &mut Scope<'_>) -> Result<(), Raised> {
        let mut run = Run {
            code: &self.code,
            memory: scope.memory,
            arena: scope.arena,
            stack: &mut self.stack,
            scratch: scope.scratch,
            attention: scope.attention,
            budget: scope.budget.map_or(u64::MAX, |budget| budget.saturating_add(1)),
            now_ns: scope.now_ns,
            dispatches: 0,
        };
        run.call(entry.0, this).map_err(|trap| self.raised(&trap))
    }

    fn raised(&self, trap: &Trap) -> Raised {
        let level = |func: u32, at: u32, window: u32| Level {
            func,
            site: self.code.sites.get(at as usize).copied().unwrap_or(SiteId(0)).0,
            this: self.stack.slots.get(window as usize).copied().unwrap_or(0) as u32,
        };
        let callers = self.stack.callers.iter().rev().map(|c| level(c.func, c.at, c.window));
        Raised {
            code: trap.code,
            operands: trap.operands,
            count: trap.count,
            levels: std::iter::once(level(trap.func, trap.at, trap.window)).chain(callers).collect(),
        }
    }
}
