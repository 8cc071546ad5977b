//! Calls, returns and explicit faults. `x0` is the number of the call or trap.

use super::by_width;
use super::check::within_memory;
use crate::interp::code::{Argument, Call, Handler, Pc};
use crate::interp::number::sign_extend;
use crate::interp::standard::Block;
use crate::interp::vm::Vm;
use crate::interp::width::{W8, W16, W32, W64, Width};
use crate::stdlib;
use lineshaft_plc_compiler::MAX_DISPATCH_DEPTH;
use lineshaft_plc_compiler::ir::FaultCode;

/// An argument, zero-extended.
///
/// # Safety
///
/// As [`Vm::get`].
unsafe fn argument(vm: &Vm<'_>, from: Argument) -> u64 {
    // SAFETY: the same contract.
    unsafe {
        match from.bits {
            8 => vm.get::<W8>(from.cell),
            16 => vm.get::<W16>(from.cell),
            32 => vm.get::<W32>(from.cell),
            _ => vm.get::<W64>(from.cell),
        }
    }
}

/// Hands the arguments over and enters a function.
///
/// # Safety
///
/// The call must be one of the function that was entered last.
unsafe fn descend(pc: Pc, vm: &mut Vm<'_>, call: &Call, func: u32, dispatched: u32) -> Pc {
    vm.descend(pc, func, dispatched, |vm, window| {
        let mut first = 0;
        for (slot, &from) in call.args.iter().enumerate() {
            // SAFETY: the decoder made the argument for this function.
            let value = unsafe { argument(vm, from) };
            if slot == 0 {
                first = value as u32;
            }
            vm.set_argument(window, slot, value);
        }
        first
    })
}

/// Calls a function.
pub(crate) unsafe fn call(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands.
    unsafe {
        let call = &vm.code.calls[(*pc).x[0].offset as usize];
        descend(pc, vm, call, call.func, 0)
    }
}

/// Calls a function with one argument, the address `x1`; `x2` is its number.
pub(crate) unsafe fn call_this(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands.
    unsafe {
        let [_, this, func] = (*pc).x;
        let this = vm.pointer(this.offset).wrapping_add(this.base);
        vm.descend(pc, func.offset, 0, |vm, window| {
            vm.set_argument(window, 0, u64::from(this));
            this
        })
    }
}

/// Calls a standard function block whose instance is at the address `x1`; `x2` is the number of its function. That
/// is not entered, but faults as if it were.
pub(crate) unsafe fn call_standard<B: Block>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [_, this, func] = (*pc).x;
        let this = vm.pointer(this.offset).wrapping_add(this.base);
        if !vm.may_descend(func.offset) {
            return vm.stop(pc, FaultCode::StackOverflow);
        }
        let now_ns = vm.now_ns();
        let Some(instance) = vm.instance(this, B::BYTES) else {
            return vm.stop(pc, FaultCode::NullReference);
        };
        B::call(instance, now_ns);
        pc.add(1)
    }
}

/// Calls the method of an object.
pub(crate) unsafe fn call_virtual(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands.
    unsafe {
        let call = &vm.code.calls[(*pc).x[0].offset as usize];
        let method =
            call.dispatch.and_then(|(slot, class)| vm.code.method(slot, vm.get::<W32>(class) as u32));
        let Some(func) = method else { return vm.stop(pc, FaultCode::NullReference) };
        if vm.dispatches as usize >= MAX_DISPATCH_DEPTH {
            return vm.stop(pc, FaultCode::StackOverflow);
        }
        let bytes = vm.code.functions[func as usize].object_bytes;
        if bytes > 0 {
            let this = call.args.first().map_or(0, |from| argument(vm, *from) as u32);
            if !within_memory::<false>(vm, this, bytes) {
                return vm.stop(pc, FaultCode::PointerRange);
            }
        }
        descend(pc, vm, call, func, 1)
    }
}

/// Leaves a function that gives nothing.
pub(crate) unsafe fn return_none(_: Pc, vm: &mut Vm<'_>) -> Pc {
    let call = vm.leave();
    if call.is_null() {
        return call;
    }
    // SAFETY: the instruction of a call does not end its function.
    unsafe { call.add(1) }
}

unsafe fn return_wide<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with this operand; that of a call holds the number of the call.
    unsafe {
        let value = vm.get::<W>((*pc).x[0]);
        let from = vm.leave();
        if from.is_null() {
            return from;
        }
        if let Some(dst) = vm.code.calls[(*from).x[0].offset as usize].dst {
            vm.set::<W64>(dst, value);
        }
        from.add(1)
    }
}

/// Leaves a function with `x0`.
pub(crate) fn return_value(bits: u8) -> Handler {
    by_width!(bits, return_wide)
}

/// Calls a routine of the engine.
pub(crate) unsafe fn helper(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let call = &vm.code.calls[(*pc).x[0].offset as usize];
        let mut args = [0; stdlib::ARGUMENTS_MAX];
        for (to, &from) in args.iter_mut().zip(&call.args) {
            *to = argument(vm, from);
        }
        let Some(routine) = call.helper else { return vm.stop(pc, FaultCode::NullReference) };
        let (memory, scratch) = vm.parts();
        match stdlib::call(routine, args, memory, scratch) {
            Ok(value) => {
                if let Some(dst) = call.dst {
                    vm.set::<W64>(dst, value);
                }
                pc.add(1)
            }
            Err(stdlib::Failure { code, operands, count }) => vm.stop_with(pc, code, operands, count),
        }
    }
}

/// Ends the run.
pub(crate) unsafe fn fault(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with this operand; the operands of its trap are of the same function.
    unsafe {
        let trap = &vm.code.traps[(*pc).x[0].offset as usize];
        let mut operands = [0; 3];
        for (to, &from) in operands.iter_mut().zip(&trap.operands) {
            *to = sign_extend(argument(vm, from), from.bits);
        }
        vm.stop_with(pc, trap.code, operands, trap.operands.len().min(3) as u8)
    }
}
