//! The compiler to machine code: one module of IR to one piece of executable memory, by Cranelift.
//!
//! A compiled function gets the state block, the [`Context`] and its frame, then the IR's parameters, and gives
//! a status (0, or 1 for a fault that the context records) and the IR's result. Functions are compiled each on
//! its own, on several threads where that pays, and linked by relative calls.

#![allow(unsafe_code, reason = "machine code is called through a pointer")]

mod align;
mod context;
mod dispatch;
mod link;
mod math;
mod memory;
mod ops;
mod plan;
mod product;
mod translate;

use super::Raised;
use crate::interp::{Routine, Scope};
use context::{Context, LEVELS_MAX};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use lineshaft_plc_compiler::Program;
use lineshaft_plc_compiler::passes::Prepared;
use memory::Executable;
use plan::Plan;
use std::fmt::{self, Display, Formatter};

/// Native stack that the deepest path of compiled calls may take: what a thread surely has, less what the
/// engine and the routines need themselves.
const STACK_BYTES_MAX: usize = 1024 * 1024;

/// Why there is no compiled code.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The system gives this process no executable memory.
    ExecMemDenied(std::io::Error),
    /// The processor or the program is not one that the code generator can serve.
    Unsupported(String),
}

impl Display for Refusal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExecMemDenied(error) => write!(f, "ExecMemDenied: {error}"),
            Self::Unsupported(why) => write!(f, "Unsupported: {why}"),
        }
    }
}

/// What a program instance's entry looks like: state block, context, frame, instance; 0 or a fault.
type EntryFn = unsafe extern "C" fn(*mut u8, *mut Context, *mut u8, *mut u8) -> u32;

/// A compiled program.
#[derive(Debug)]
pub(super) struct Jit {
    code: Executable,
    /// Where each program instance begins.
    entries: Vec<usize>,
    routines: Box<[Routine]>,
    context: Box<Context>,
}

// SAFETY: the addresses in the context mean something only during `run`, which sets them anew and takes the
// compiled program exclusively.
unsafe impl Send for Jit {}

impl Jit {
    /// Compiles everything.
    pub(super) fn new(program: &Program, budgeted: bool) -> Result<Self, Refusal> {
        let isa = machine()?;
        let prepared = Prepared::new(program, budgeted);
        let plan = Plan::new(&prepared, program.layout.bytes, isa.default_call_conv(), budgeted);
        let bodies = link::compile(&plan, &*isa)?;
        let stack = link::stack_bytes(&plan, &bodies);
        if stack > STACK_BYTES_MAX {
            return Err(Refusal::Unsupported(format!("calls take {stack} bytes of stack")));
        }
        let (code, starts) = link::link(&bodies)?;
        let code = Executable::new(&code).map_err(Refusal::ExecMemDenied)?;
        Ok(Self {
            code,
            entries: program.instances.iter().map(|instance| starts[instance.entry.index()]).collect(),
            routines: plan.routine_table(),
            context: Box::new(Context::new(Vec::with_capacity(LEVELS_MAX))),
        })
    }

    /// Runs a program instance at `this`.
    pub(super) fn run(&mut self, instance: usize, this: u32, scope: &mut Scope<'_>) -> Result<(), Raised> {
        let entry = self.code.address(self.entries[instance]);
        // SAFETY: the address is that of an entry in sealed code, compiled with this signature.
        let entry = unsafe { std::mem::transmute::<std::ptr::NonNull<u8>, EntryFn>(entry) };
        let base = self.context.prepare(scope.memory, scope.scratch, &self.routines);
        self.context.attention = scope.attention;
        self.context.now_ns = scope.now_ns;
        self.context.budget = scope.budget.map_or(u64::MAX, |budget| budget.saturating_add(1));
        let context: *mut Context = &raw mut *self.context;
        // SAFETY: both lie inside of the memory, whose first part is the state block with the instance in it.
        let (frame, this) = unsafe { (base.add(scope.arena as usize), base.add(this as usize)) };
        // SAFETY: code, memory, scratch, routines and attention word live until it returns; it touches memory
        // and context alone, and no reference to either is used meanwhile. It does not unwind.
        let status = unsafe { entry(base, context, frame, this) };
        if status == 0 { Ok(()) } else { Err(self.context.raised().clone()) }
    }
}

/// The machine that this process runs on.
fn machine() -> Result<OwnedTargetIsa, Refusal> {
    let unsupported = |why: &dyn Display| Refusal::Unsupported(why.to_string());
    let mut flags = settings::builder();
    let set = [
        ("opt_level", "speed"),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("unwind_info", "false"),
        ("enable_probestack", "false"),
        // Tells where loops are.
        ("machine_code_cfg_info", "true"),
    ];
    for (name, value) in set {
        flags.set(name, value).map_err(|error| unsupported(&error))?;
    }
    let builder = cranelift_native::builder().map_err(|error| unsupported(&error))?;
    builder.finish(settings::Flags::new(flags)).map_err(|error| unsupported(&error))
}
