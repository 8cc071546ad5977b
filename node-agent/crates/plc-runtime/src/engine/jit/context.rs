//! What compiled code shares with the engine while it runs, and the routines that it calls.
//!
//! Compiled code reaches everything through three addresses: the state block, the [`Context`] and the frame.
//! Its routines are `extern "C"` functions that get the context; none of them allocates or unwinds.

#![allow(unsafe_code, reason = "compiled code hands raw addresses to the routines")]

use crate::engine::{Level, Raised};
use crate::interp::Routine;
use crate::stdlib::{self, ARGUMENTS_MAX};
use lineshaft_plc_compiler::MAX_CALL_DEPTH;
use lineshaft_plc_compiler::ir::FaultCode;
use std::sync::atomic::AtomicU32;

/// Levels of a fault: each call, and the function that runs.
pub(super) const LEVELS_MAX: usize = MAX_CALL_DEPTH + 1;

/// Passed to every compiled function. Compiled code reads and writes the fields above `memory` by their
/// offsets.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Context {
    /// Not 0: what runs ends at its next back edge.
    pub(super) attention: *const AtomicU32,
    /// The task clock.
    pub(super) now_ns: i64,
    /// Back edges that are left, plus 1; only code that was compiled with a budget counts.
    pub(super) budget: u64,
    /// Result of a routine that gives one.
    pub(super) result: u64,
    /// Calls that are open; only code that may recurse counts.
    pub(super) depth: u64,
    /// Calls by dispatch that are open.
    pub(super) dispatches: u64,
    /// End of the frame arena; only code that may recurse looks.
    pub(super) arena_end: *mut u8,
    /// State block and frame arena.
    memory: *mut u8,
    memory_bytes: usize,
    scratch: *mut u8,
    scratch_bytes: usize,
    routines: *const Routine,
    routine_count: usize,
    raised: Raised,
}

impl Context {
    /// For one run over `memory`.
    pub(super) fn new(levels: Vec<Level>) -> Self {
        let null = std::ptr::null_mut;
        Self {
            attention: std::ptr::null(),
            now_ns: 0,
            budget: 0,
            result: 0,
            depth: 0,
            dispatches: 0,
            arena_end: null(),
            memory: null(),
            memory_bytes: 0,
            scratch: null(),
            scratch_bytes: 0,
            routines: std::ptr::null(),
            routine_count: 0,
            raised: Raised { code: FaultCode::Watchdog, operands: [0; 3], count: 0, levels },
        }
    }

    /// Sets what one run needs. All of it must outlive the run.
    pub(super) fn prepare(&mut self, memory: &mut [u8], scratch: &mut [u8], routines: &[Routine]) -> *mut u8 {
        let range = memory.as_mut_ptr_range();
        (self.memory, self.memory_bytes) = (range.start, memory.len());
        (self.scratch, self.scratch_bytes) = (scratch.as_mut_ptr(), scratch.len());
        (self.routines, self.routine_count) = (routines.as_ptr(), routines.len());
        self.arena_end = range.end;
        self.depth = 0;
        self.dispatches = 0;
        self.raised.levels.clear();
        range.start
    }

    /// What the run that just failed has recorded.
    pub(super) fn raised(&self) -> &Raised {
        &self.raised
    }

    fn level(&mut self, function_site: u64, this: u64) {
        let levels = &mut self.raised.levels;
        // Never more than fit: a call deeper than that is a fault itself.
        if levels.len() < levels.capacity() {
            levels.push(Level {
                func: (function_site >> 32) as u32,
                site: function_site as u32,
                this: this as u32,
            });
        }
    }
}

/// Names of routines that translated code calls with values in registers.
#[derive(Clone, Copy, Debug)]
#[repr(usize)]
pub(super) enum Entry {
    /// [`raise`]
    Raise,
    /// [`unwind`]
    Unwind,
    /// [`routine`]
    Routine,
    /// [`copy`]
    Copy,
    /// [`zero`]
    Zero,
}

impl Entry {
    pub(super) fn address(self) -> usize {
        match self {
            Self::Raise => raise as *const () as usize,
            Self::Unwind => unwind as *const () as usize,
            Self::Routine => routine as *const () as usize,
            Self::Copy => copy as *const () as usize,
            Self::Zero => zero as *const () as usize,
        }
    }
}

/// Fault codes by number.
pub(super) const CODES: [FaultCode; 12] = [
    FaultCode::DivideByZero,
    FaultCode::IndexOutOfBounds,
    FaultCode::NullReference,
    FaultCode::SubrangeViolation,
    FaultCode::ForStepZero,
    FaultCode::StackOverflow,
    FaultCode::AssertionFailed,
    FaultCode::Watchdog,
    FaultCode::IntegerOverflow,
    FaultCode::RealDivideByZero,
    FaultCode::ConversionRange,
    FaultCode::PointerRange,
];

/// `code` (an index into [`CODES`]) with the number of its operands above bit 8.
pub(super) fn pack_code(code: FaultCode, operands: usize) -> u64 {
    let index = CODES.iter().position(|c| *c == code).unwrap_or(0);
    index as u64 | (operands as u64) << 8
}

/// A fault begins: its code, operands and innermost level. A routine that failed has set code and operands.
///
/// # Safety
/// `context` is the one that the running code was given, and nothing else refers to it now.
unsafe extern "C" fn raise(context: *mut Context, code: u64, level: u64, this: u64, a: i64, b: i64, c: i64) {
    // SAFETY: the caller's promise; compiled code holds addresses, no references.
    let context = unsafe { &mut *context };
    if code != FAILED_ROUTINE {
        let index = (code & 0xff) as usize;
        context.raised.code = CODES.get(index).copied().unwrap_or(FaultCode::Watchdog);
        context.raised.operands = [a, b, c];
        context.raised.count = (code >> 8).min(3) as u8;
    }
    context.level(level, this);
}

/// For [`raise`]: code and operands are what the failed routine left.
pub(super) const FAILED_ROUTINE: u64 = u64::MAX;

/// A fault passes through a caller.
///
/// # Safety
/// As [`raise`].
unsafe extern "C" fn unwind(context: *mut Context, level: u64, this: u64) {
    // SAFETY: the caller's promise.
    unsafe { &mut *context }.level(level, this);
}

/// Calls a routine of the standard library. Gives 0, or 1 when it failed; the result is in the context.
///
/// # Safety
/// As [`raise`]; `args` holds [`ARGUMENTS_MAX`] words, pointers as offsets into the memory.
unsafe extern "C" fn routine(context: *mut Context, index: u64, args: *const u64) -> u32 {
    // SAFETY: the caller's promise.
    let context = unsafe { &mut *context };
    // SAFETY: `prepare` took all three from slices that live as long as the run. Compiled code is suspended in
    // this call, so nobody else reads or writes the memory.
    let (memory, scratch, routines) = unsafe {
        (
            std::slice::from_raw_parts_mut(context.memory, context.memory_bytes),
            std::slice::from_raw_parts_mut(context.scratch, context.scratch_bytes),
            std::slice::from_raw_parts(context.routines, context.routine_count),
        )
    };
    // SAFETY: the caller's promise.
    let args = unsafe { *args.cast::<[u64; ARGUMENTS_MAX]>() };
    let Some(routine) = routines.get(index as usize) else { return 1 };
    match stdlib::call(*routine, args, memory, scratch) {
        Ok(value) => {
            context.result = value;
            0
        }
        Err(failure) => {
            context.raised.code = failure.code;
            context.raised.operands = failure.operands;
            context.raised.count = failure.count;
            1
        }
    }
}

/// Moves bytes; the ranges may overlap.
///
/// # Safety
/// Both ranges lie inside of the memory.
unsafe extern "C" fn copy(to: *mut u8, from: *const u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::copy(from, to, bytes) };
}

/// Fills bytes with 0.
///
/// # Safety
/// The range lies inside of the memory.
unsafe extern "C" fn zero(to: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { std::ptr::write_bytes(to, 0, bytes) };
}
