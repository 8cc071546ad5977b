//! What the interpreter executes: instructions of one size, each with the function that carries it out.
//!
//! An operand is a [`Cell`]: a place behind one of few base addresses, or a number. Registers of a function are
//! its *slots*, 8 bytes each; a value is written and read at its own width, so what lies above it is undefined.

use super::vm::Vm;
use lineshaft_plc_compiler::ir::{FaultCode, Helper, SiteId, Ty, Value};

/// A register of the running function.
pub(crate) type Slot = u32;

/// Where execution is.
pub(crate) type Pc = *const Inst;

/// Carries an instruction out and gives the next one, or null to stop.
///
/// # Safety
///
/// The instruction must have been made for this handler by the decoder, as part of the code that the machine
/// executes, and belong to the function that was entered last.
pub(crate) type Handler = unsafe fn(Pc, &mut Vm<'_>) -> Pc;

/// What the offset of a [`Cell`] counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Base {
    /// The slots of the running function.
    Slots,
    /// What its first parameter points to.
    This,
    /// Its frame.
    Frame,
    /// The state block.
    State,
    /// The task clock, which nothing writes.
    Now,
}

/// Number of bases.
pub(crate) const BASES: usize = 5;

/// A place, or the halves of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct Cell {
    pub(crate) offset: u32,
    pub(crate) base: u32,
}

impl Cell {
    pub(crate) fn slot(slot: Slot) -> Self {
        Self { offset: slot * 8, base: Base::Slots as u32 }
    }

    pub(crate) fn number(number: u64) -> Self {
        Self { offset: number as u32, base: (number >> 32) as u32 }
    }

    #[inline]
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.base) << 32 | u64::from(self.offset)
    }
}

/// One instruction. Some take a second one as a place for more operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inst {
    pub(crate) run: Handler,
    pub(crate) x: [Cell; 3],
}

/// Bytes of an instruction: jumps count in bytes.
pub(crate) const INST_BYTES: i64 = size_of::<Inst>() as i64;

/// An operand of a call: where, and how many bits of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    pub(crate) cell: Cell,
    pub(crate) bits: u8,
}

/// A call of a function or of a routine.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Function called; unused for routines.
    pub(crate) func: u32,
    /// Slot of the result.
    pub(crate) dst: Option<Cell>,
    /// Arguments.
    pub(crate) args: Box<[Argument]>,
    /// Row of the dispatch table and where the class is, for calls by dispatch.
    pub(crate) dispatch: Option<(u32, Cell)>,
    /// Routine, if it is one.
    pub(crate) helper: Option<Routine>,
}

/// A routine of the engine with what its arguments alone do not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Routine {
    pub(crate) helper: Helper,
    /// Float arguments and results are F32.
    pub(crate) single: bool,
}

impl Routine {
    /// Of an operation with these arguments.
    pub(crate) fn new(helper: Helper, args: &[Value], result: Option<Value>, types: &[Ty]) -> Self {
        let single = args.iter().chain(&result).any(|v| types[v.index()] == Ty::F32);
        Self { helper, single }
    }
}

/// An explicit fault.
#[derive(Clone, Debug)]
pub(crate) struct Trap {
    pub(crate) code: FaultCode,
    pub(crate) operands: Box<[Argument]>,
}

/// One function, with how far the operands of its instructions reach behind each base.
#[derive(Clone, Debug, Default)]
pub(crate) struct Function {
    /// Index of its first instruction.
    pub(crate) entry: u32,
    /// Slots that it needs.
    pub(crate) slots: u32,
    /// Bytes of frame, a multiple of 8.
    pub(crate) frame_bytes: u32,
    /// Bytes behind its first parameter.
    pub(crate) this_bytes: u32,
    /// Bytes behind `this` that a call by dispatch checks; 0: none.
    pub(crate) object_bytes: u32,
    /// Its calls of functions, a range of [`Code::calls`].
    pub(crate) calls: std::ops::Range<u32>,
}

/// A decoded module.
#[derive(Debug, Default)]
pub(crate) struct Code {
    pub(crate) insts: Vec<Inst>,
    /// Source place of each instruction.
    pub(crate) sites: Vec<SiteId>,
    pub(crate) functions: Vec<Function>,
    pub(crate) calls: Vec<Call>,
    pub(crate) traps: Vec<Trap>,
    /// Functions by slot and class.
    pub(crate) dispatch: Vec<Vec<Option<u32>>>,
    /// Bytes of the state block that instructions name by their offset.
    pub(crate) state_bytes: u64,
}

impl Code {
    pub(crate) fn method(&self, slot: u32, class: u32) -> Option<u32> {
        *self.dispatch.get(slot as usize)?.get(class as usize)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_takes_half_a_cache_line() {
        assert_eq!(size_of::<Inst>(), 32);
    }

    #[test]
    fn a_cell_holds_a_number() {
        for number in [0, 7, u64::MAX, i64::MIN as u64, 1 << 32] {
            assert_eq!(Cell::number(number).bits(), number);
        }
    }
}
