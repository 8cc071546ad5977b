//! The interpreter: the IR of a program, decoded once, executed on a state block.
//!
//! It is the engine where executable memory is denied, and the oracle that compiled code is compared with:
//! both execute the same IR on the same block and must leave the same state and the same faults.

mod code;
mod decode;
mod depth;
mod number;
mod ops;
mod slots;
mod standard;
mod vm;
mod width;

pub(crate) use code::Routine;

use crate::engine::{Level, Raised};
use code::Code;
use lineshaft_plc_compiler::MAX_CALL_DEPTH;
use lineshaft_plc_compiler::ir::{FuncId, Module, SiteId};
use std::sync::atomic::AtomicU32;
use vm::{Caller, Stack, Stop, Vm};

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
        let callers = Box::new([Caller::default(); MAX_CALL_DEPTH]);
        Self { stack: Stack { slots: vec![0; slots], callers }, code }
    }

    /// Calls a function with one argument, the address of an instance. Allocates nothing unless it faults.
    pub(crate) fn run(&mut self, entry: FuncId, this: u32, scope: &mut Scope<'_>) -> Result<(), Raised> {
        let stopped = Vm::new(&self.code, &mut self.stack, scope).call(entry.0, this);
        stopped.map_err(|stop| self.raised(&stop))
    }

    fn raised(&self, stop: &Stop) -> Raised {
        let level = |func: u32, at: u32, window: u32| Level {
            func,
            site: self.code.sites.get(at as usize).copied().unwrap_or(SiteId(0)).0,
            this: self.stack.slots.get(window as usize).copied().unwrap_or(0) as u32,
        };
        let callers = self.stack.callers[..stop.depth].iter().rev().map(|c| level(c.func, c.at, c.window()));
        Raised {
            code: stop.code,
            operands: stop.operands,
            count: stop.count,
            levels: std::iter::once(level(stop.func, stop.at, stop.window)).chain(callers).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
