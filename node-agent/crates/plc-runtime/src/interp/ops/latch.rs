//! The end of a FOR loop in one instruction: its step, its back edge, and the question whether it goes on.

use super::compare::{GeS, LeS, Test, follow};
use crate::interp::code::{Handler, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W8, W16, W32, W64, Width};
use lineshaft_plc_compiler::ir::FaultCode;

unsafe fn latch_as<T: Test, W: Width, const SIGNED: bool, E: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands, two targets, and the step in the instruction behind it.
    unsafe {
        let [variable, end, _] = (*pc).x;
        let step = (*pc.add(1)).x[0].bits();
        let value = vm.get::<W>(variable);
        let value = if SIGNED { W::signed(value) as u64 } else { value };
        let next = value.wrapping_add(step);
        let on = T::holds::<W64>(next, E::get::<W64>(vm, end));
        vm.set::<W>(variable, next);
        if !vm.poll() {
            return vm.stop(pc, FaultCode::Watchdog);
        }
        follow(pc, on)
    }
}

/// Adds the first operand of the following instruction to the variable `x0`, counts a back edge, and goes to one of
/// the targets in `x2`: is it at most, or with `down` at least, the end `x1`? That is compared in 64 bits.
pub(crate) fn latch(down: bool, signed: bool, bits: u8, number: bool) -> Option<Handler> {
    macro_rules! choose {
        ($($down:literal $test:ident $signed:literal $bits:literal $width:ident;)*) => {
            match (down, signed, bits, number) {
                $(
                    ($down, $signed, $bits, false) => Some(latch_as::<$test, $width, $signed, Place>),
                    ($down, $signed, $bits, true) => Some(latch_as::<$test, $width, $signed, Number>),
                )*
                _ => None,
            }
        };
    }
    choose! {
        false LeS true 8 W8;
        false LeS true 16 W16;
        false LeS true 32 W32;
        false LeS false 8 W8;
        false LeS false 16 W16;
        false LeS false 32 W32;
        true GeS true 8 W8;
        true GeS true 16 W16;
        true GeS true 32 W32;
    }
}
