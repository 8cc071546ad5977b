//! Checks: each goes on or ends the run with a fault.

use crate::interp::code::Pc;
use crate::interp::vm::Vm;
use crate::interp::width::{W32, W64};
use lineshaft_plc_compiler::ir::FaultCode;

/// The first bytes of the state block, to which no pointer leads.
const HEADER_BYTES: u32 = 64;

#[inline]
unsafe fn within(pc: Pc, vm: &mut Vm<'_>, code: FaultCode, value: i64, low: i64, high: i64) -> Pc {
    if value < low || value > high {
        return vm.stop_with(pc, code, [value, low, high], 3);
    }
    // SAFETY: `pc` is a check, which does not end its function.
    unsafe { pc.add(1) }
}

/// `x0` between the numbers `x1` and `x2`: of a subrange, or with `INDEX` of an array.
pub(crate) unsafe fn check_range<const INDEX: bool>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    let code = if INDEX { FaultCode::IndexOutOfBounds } else { FaultCode::SubrangeViolation };
    // SAFETY: `pc` is an instruction with these operands.
    unsafe {
        let [value, low, high] = (*pc).x;
        let value = vm.get::<W64>(value) as i64;
        within(pc, vm, code, value, low.bits() as i64, high.bits() as i64)
    }
}

/// The index `x0` between `x1` and `x2`.
pub(crate) unsafe fn check_in(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands.
    unsafe {
        let [value, low, high] = (*pc).x.map(|x| vm.get::<W64>(x) as i64);
        within(pc, vm, FaultCode::IndexOutOfBounds, value, low, high)
    }
}

/// The pointer `x0` is not null.
pub(crate) unsafe fn check_null(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with this operand; it does not end its function.
    unsafe {
        if vm.get::<W32>((*pc).x[0]) == 0 {
            return vm.stop(pc, FaultCode::NullReference);
        }
        pc.add(1)
    }
}

/// Whether a pointer may lead to that many bytes.
pub(super) fn within_memory<const FRAMES: bool>(vm: &Vm<'_>, first: u32, bytes: u32) -> bool {
    let limit = if FRAMES { vm.length() as u64 } else { u64::from(vm.arena) };
    first >= HEADER_BYTES && u64::from(first) + u64::from(bytes) <= limit
}

/// As many bytes as `x1` says at the pointer `x0` lie in the state block, or with `FRAMES` in the arena.
pub(crate) unsafe fn check_pointer<const FRAMES: bool>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [pointer, bytes, _] = (*pc).x;
        if !within_memory::<FRAMES>(vm, vm.get::<W32>(pointer) as u32, bytes.offset) {
            return vm.stop(pc, FaultCode::PointerRange);
        }
        pc.add(1)
    }
}

/// Counts a back edge.
pub(crate) unsafe fn poll(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    if !vm.poll() {
        return vm.stop(pc, FaultCode::Watchdog);
    }
    // SAFETY: `pc` does not end its function.
    unsafe { pc.add(1) }
}
