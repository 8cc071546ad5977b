//! Comparisons, as values and as branches.

use super::by_width_and_source;
use crate::interp::code::{Cell, Handler, INST_BYTES, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W8, W16, W32, W64, Width};
use lineshaft_plc_compiler::ir::{Cond, FaultCode};

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    Signed,
    Unsigned,
    Float,
}

/// A comparison as a type.
pub(super) trait Test {
    fn holds<W: Width>(a: u64, b: u64) -> bool;
}

macro_rules! tests {
    ($($signed:ident $unsigned:ident $float:ident $operator:tt;)*) => {$(
        pub(super) struct $signed;
        struct $unsigned;
        struct $float;

        impl Test for $signed {
            #[inline]
            fn holds<W: Width>(a: u64, b: u64) -> bool {
                W::signed(a) $operator W::signed(b)
            }
        }

        impl Test for $unsigned {
            #[inline]
            fn holds<W: Width>(a: u64, b: u64) -> bool {
                a $operator b
            }
        }

        impl Test for $float {
            #[inline]
            fn holds<W: Width>(a: u64, b: u64) -> bool {
                if W::BITS == 32 {
                    f32::from_bits(a as u32) $operator f32::from_bits(b as u32)
                } else {
                    f64::from_bits(a) $operator f64::from_bits(b)
                }
            }
        }
    )*};
}

tests! {
    EqS EqU EqF ==;
    NeS NeU NeF !=;
    LtS LtU LtF <;
    LeS LeU LeF <=;
    GtS GtU GtF >;
    GeS GeU GeF >=;
}

unsafe fn compare_as<T: Test, W: Width, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, b] = (*pc).x;
        let holds = T::holds::<W>(vm.get::<W>(a), B::get::<W>(vm, b));
        vm.set::<W8>(to, u64::from(holds));
        pc.add(1)
    }
}

unsafe fn branch_as<T: Test, W: Width, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands and two targets in the third.
    unsafe {
        let [a, b, _] = (*pc).x;
        let holds = T::holds::<W>(vm.get::<W>(a), B::get::<W>(vm, b));
        follow(pc, holds)
    }
}

unsafe fn poll_and_branch_as<T: Test, W: Width, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    if !vm.poll() {
        return vm.stop(pc, FaultCode::Watchdog);
    }
    // SAFETY: `pc` is an instruction with these operands and two targets in the third.
    unsafe {
        let [a, b, _] = (*pc).x;
        let holds = T::holds::<W>(vm.get::<W>(a), B::get::<W>(vm, b));
        follow(pc, holds)
    }
}

unsafe fn branch_if_set(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands and two targets in the third.
    unsafe {
        let set = vm.get::<W8>((*pc).x[0]) != 0;
        follow(pc, set)
    }
}

/// To one of the targets in `x2`: is the byte `x1` not 0? It goes into the slot `x0` as well.
pub(crate) unsafe fn branch_moved(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands and two targets in the third.
    unsafe {
        let [to, from, _] = (*pc).x;
        let value = vm.get::<W8>(from);
        vm.set::<W8>(to, value);
        follow(pc, value != 0)
    }
}

/// Goes to one of the two targets of an instruction.
///
/// # Safety
///
/// The third operand must be the distances to two instructions of the function.
#[inline]
pub(super) unsafe fn follow(pc: Pc, holds: bool) -> Pc {
    // SAFETY: the caller grants the targets. Neither way is a rare one: the hint keeps this a branch, which the
    // processor predicts, where a selected address would make it wait for the condition.
    unsafe {
        let targets = (*pc).x[2];
        let distance = if holds {
            targets.offset
        } else {
            std::hint::cold_path();
            targets.base
        };
        pc.byte_offset(distance as i32 as isize)
    }
}

unsafe fn jump_to(pc: Pc, _: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with two equal targets.
    unsafe { pc.byte_offset((*pc).x[2].offset as i32 as isize) }
}

unsafe fn poll_and_jump(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    if !vm.poll() {
        return vm.stop(pc, FaultCode::Watchdog);
    }
    // SAFETY: `pc` is an instruction with two equal targets.
    unsafe { pc.byte_offset((*pc).x[2].offset as i32 as isize) }
}

/// The third operand of a branch, from the numbers of instructions.
pub(crate) fn targets(at: usize, then: u32, otherwise: u32) -> Cell {
    let distance = |to: u32| ((i64::from(to) - at as i64) * INST_BYTES) as i32 as u32;
    Cell { offset: distance(then), base: distance(otherwise) }
}

macro_rules! choose {
    ($kind:expr, $cond:expr, $bits:expr, $number:expr, $handler:ident:
     $($name:ident $signed:ident $unsigned:ident $float:ident;)*) => {
        match ($cond, $kind) {$(
            (Cond::$name, Compared::Signed) => by_width_and_source!($bits, $number, $handler, $signed),
            (Cond::$name, Compared::Unsigned) => by_width_and_source!($bits, $number, $handler, $unsigned),
            (Cond::$name, Compared::Float) => match ($bits, $number) {
                (32, false) => $handler::<$float, W32, Place>,
                (32, true) => $handler::<$float, W32, Number>,
                (_, false) => $handler::<$float, W64, Place>,
                (_, true) => $handler::<$float, W64, Number>,
            },
        )*}
    };
}

/// `x0 = x1 cond x2`; `number`: the instruction holds `x2`.
pub(crate) fn compare(kind: Compared, cond: Cond, bits: u8, number: bool) -> Handler {
    choose!(kind, cond, bits, number, compare_as:
        Eq EqS EqU EqF; Ne NeS NeU NeF; Lt LtS LtU LtF; Le LeS LeU LeF; Gt GtS GtU GtF; Ge GeS GeU GeF;)
}

/// To one of the targets in `x2` by `x0 cond x1`; `number`: the instruction holds `x1`.
pub(crate) fn branch(kind: Compared, cond: Cond, bits: u8, number: bool) -> Handler {
    choose!(kind, cond, bits, number, branch_as:
        Eq EqS EqU EqF; Ne NeS NeU NeF; Lt LtS LtU LtF; Le LeS LeU LeF; Gt GtS GtU GtF; Ge GeS GeU GeF;)
}

/// As [`branch`], along a back edge.
pub(crate) fn poll_branch(kind: Compared, cond: Cond, bits: u8, number: bool) -> Handler {
    choose!(kind, cond, bits, number, poll_and_branch_as:
        Eq EqS EqU EqF; Ne NeS NeU NeF; Lt LtS LtU LtF; Le LeS LeU LeF; Gt GtS GtU GtF; Ge GeS GeU GeF;)
}

/// To one of the targets in `x2`: is the byte `x0` not 0?
pub(crate) fn branch_if() -> Handler {
    branch_if_set
}

/// To the first target in `x2`.
pub(crate) fn jump() -> Handler {
    jump_to
}

/// As [`jump`], along a back edge.
pub(crate) fn poll_jump() -> Handler {
    poll_and_jump
}
