//! The interpreter: the IR of a [`Program`], decoded once, executed on a state block.
//!
//! It is the engine where executable memory is denied, and the oracle that other engines are compared with:
//! they execute the same IR on the same block and must leave the same state and the same faults.

mod code;
mod decode;
mod depth;
mod exec;
mod memory;
mod slots;

pub(crate) use code::Routine;

use crate::fault::{CALL_STACK_MAX, CallSite, FaultRecord, place};
use crate::{Error, STATE_BYTES_MAX};
use code::Code;
use exec::{Run, Stack, Trap};
use lineshaft_plc_compiler::ir::SiteId;
use lineshaft_plc_compiler::layout::{Layout, TypeDesc, TypeId};
use lineshaft_plc_compiler::{Instance, MAX_CALL_DEPTH, Program};
use memory::AlignedBytes;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// Bytes of the frame arena: locals, temporaries and strings of all functions that run at one time.
pub const ARENA_BYTES: usize = 1024 * 1024;
/// Longest string in bytes, twice (a concatenation before it is cut).
const SCRATCH_BYTES: usize = 4 * 65_536;

/// A program with its variables, ready to run.
#[derive(Debug)]
pub struct Machine {
    program: Arc<Program>,
    code: Code,
    memory: AlignedBytes,
    stack: Stack,
    attention: Arc<AtomicU32>,
    budget: Option<u64>,
}

impl Machine {
    /// Decodes the program and gives its variables their initial values. `attention` ends what runs at its
    /// next back edge while it is not 0.
    pub fn new(program: Arc<Program>, attention: Arc<AtomicU32>) -> Result<Self, Error> {
        let bytes = u64::from(program.layout.bytes);
        if bytes > STATE_BYTES_MAX {
            return Err(Error::TooLarge(bytes));
        }
        let code = decode::decode(&program.module);
        let slots = depth::slots(&code);
        let mut machine = Self {
            memory: AlignedBytes::new(bytes as usize + ARENA_BYTES),
            stack: Stack {
                slots: vec![0; slots],
                callers: Vec::with_capacity(MAX_CALL_DEPTH + 1),
                scratch: vec![0; SCRATCH_BYTES],
            },
            program,
            code,
            attention,
            budget: None,
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

    /// Ends each run with a watchdog fault after this many back edges: for tests and simulations that must end
    /// at the same place every time.
    pub fn set_budget(&mut self, back_edges: Option<u64>) {
        self.budget = back_edges;
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
        let mut run = Run {
            code: &self.code,
            memory: self.memory.bytes_mut(),
            arena: self.program.layout.bytes,
            stack: &mut self.stack,
            attention: &self.attention,
            budget: self.budget.map_or(u64::MAX, |budget| budget.saturating_add(1)),
            now_ns,
        };
        run.call(what.entry.0, what.offset).map_err(|trap| Box::new(self.record(instance, &trap, now_ns)))
    }

    fn record(&self, instance: usize, trap: &Trap, now_ns: i64) -> FaultRecord {
        let site = |at: u32| {
            let site = self.code.sites.get(at as usize).copied().unwrap_or(SiteId(0));
            self.program.module.sites.get(site.index()).map_or_else(String::new, place)
        };
        let name = |func: u32| &self.program.module.functions[func as usize].name;
        let innermost = CallSite { function: name(trap.func).clone(), at: site(trap.at) };
        let callers = self.stack.callers.iter().rev();
        let outer = callers.map(|c| CallSite { function: name(c.func).clone(), at: site(c.at) });
        // From the program inwards: what runs, and the first argument of each call, which is the instance if
        // it is a function block's body or method.
        let levels = self.stack.callers.iter().map(|c| (c.func, c.window));
        let mut path = InstancePath::new(&self.program.layout, &self.program.instances[instance]);
        for (func, window) in levels.chain([(trap.func, trap.window)]) {
            let this = self.stack.slots.get(window as usize).copied().unwrap_or(0);
            path.descend(this as u32, name(func));
        }
        FaultRecord {
            code: trap.code,
            at: site(trap.at),
            instance: path.text,
            task: String::new(),
            operands: trap.operands[..usize::from(trap.count)].to_vec(),
            call_stack: std::iter::once(innermost).chain(outer).take(CALL_STACK_MAX).collect(),
            scan: 0,
            task_time_ns: now_ns,
            unix_ms: 0,
        }
    }
}

/// Finds the path of a function-block instance from its address, call by call.
struct InstancePath<'a> {
    layout: &'a Layout,
    text: String,
    ty: Option<TypeId>,
    offset: u32,
}

impl<'a> InstancePath<'a> {
    fn new(layout: &'a Layout, program: &Instance) -> Self {
        let ty = layout.roots.iter().find(|r| r.path.eq_ignore_ascii_case(&program.name)).map(|r| r.ty);
        Self { layout, text: program.name.clone(), ty, offset: program.offset }
    }

    /// Follows a call if what it got is an instance, inside of the present one or global, of the function
    /// block that the function's name names; methods are named `Block.method`.
    fn descend(&mut self, this: u32, function: &str) {
        let block = function.split_once('.').map_or(function, |(block, _)| block);
        let inside = self.ty.and_then(|ty| self.search(ty, self.offset, this, block, 0));
        if let Some((suffix, ty)) = inside {
            self.text.push_str(&suffix);
            (self.ty, self.offset) = (Some(ty), this);
            return;
        }
        for root in &self.layout.roots {
            if let Some((suffix, ty)) = self.search(root.ty, root.offset, this, block, 0) {
                self.text = format!("{}{suffix}", root.path);
                (self.ty, self.offset) = (Some(ty), this);
                return;
            }
        }
    }

    fn search(&self, ty: TypeId, at: u32, this: u32, block: &str, depth: u32) -> Option<(String, TypeId)> {
        let end = at.checked_add(self.layout.size_of(ty))?;
        // The nesting of types is bounded by the compiler; this bound keeps a wrong layout from looping.
        if this < at || this >= end || depth > 64 {
            return None;
        }
        match self.layout.types.get(ty.0 as usize)? {
            TypeDesc::Struct { name, .. } if this == at && name.eq_ignore_ascii_case(block) => {
                Some((String::new(), ty))
            }
            TypeDesc::Struct { members, .. } => members.iter().find_map(|member| {
                let (rest, ty) = self.search(member.ty, at + member.offset, this, block, depth + 1)?;
                Some((format!(".{}{rest}", member.name), ty))
            }),
            TypeDesc::Array { element, dimensions } => {
                let size = self.layout.size_of(*element).max(1);
                let position = (this - at) / size;
                let (rest, ty) = self.search(*element, at + position * size, this, block, depth + 1)?;
                let mut left = i64::from(position);
                let mut indices: Vec<String> = Vec::new();
                for (low, high) in dimensions.iter().rev() {
                    let length = (high - low + 1).max(1);
                    indices.push((low + left % length).to_string());
                    left /= length;
                }
                indices.reverse();
                Some((format!("[{}]{rest}", indices.join(",")), ty))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
