//! Elements of arrays in one instruction: the index is widened and checked, and the element read or written.
//!
//! `x0` is the index; `x1` holds the offset of the slot with the base address, and what is added to that; `x2` is
//! what becomes of the element. The instruction behind holds the lowest and highest index, and the stride.

use super::by_width;
use super::compare::follow;
use crate::interp::code::{Handler, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W8, W16, W32, W64, Width};
use lineshaft_plc_compiler::ir::FaultCode;

/// How an index is widened.
trait Index {
    /// # Safety
    ///
    /// The cell must be a place of this width.
    unsafe fn get(vm: &Vm<'_>, x: crate::interp::code::Cell) -> i64;
}

macro_rules! index {
    ($($name:ident, $width:ident, $value:ident => $wide:expr;)*) => {$(
        struct $name;

        impl Index for $name {
            #[inline]
            unsafe fn get(vm: &Vm<'_>, x: crate::interp::code::Cell) -> i64 {
                // SAFETY: the caller grants the place.
                let $value = unsafe { vm.get::<$width>(x) };
                $wide
            }
        }
    )*};
}

index! {
    Signed8, W8, value => W8::signed(value);
    Signed16, W16, value => W16::signed(value);
    Signed32, W32, value => W32::signed(value);
    Unsigned8, W8, value => value as i64;
    Unsigned16, W16, value => value as i64;
    Unsigned32, W32, value => value as i64;
    Wide, W64, value => value as i64;
}

/// The address of an element, or the fault.
///
/// # Safety
///
/// As [`Handler`], for an instruction of this module.
#[inline]
unsafe fn address<I: Index>(pc: Pc, vm: &mut Vm<'_>) -> Result<u32, Pc> {
    // SAFETY: `pc` is an instruction with these operands, and one with the bounds follows it.
    unsafe {
        let [index, base, _] = (*pc).x;
        let [low, high, stride] = (*pc.add(1)).x;
        let (low, high) = (low.bits() as i64, high.bits() as i64);
        let index = I::get(vm, index);
        if index < low || index > high {
            return Err(vm.stop_with(pc, FaultCode::IndexOutOfBounds, [index, low, high], 3));
        }
        let moved = (index as u32).wrapping_mul(stride.offset).wrapping_add(base.base);
        Ok(vm.pointer(base.offset).wrapping_add(moved))
    }
}

unsafe fn address_to<I: Index>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: the contract of `address`; the third operand is a slot.
    unsafe {
        match address::<I>(pc, vm) {
            Ok(address) => {
                vm.set::<W64>((*pc).x[2], u64::from(address));
                pc.add(2)
            }
            Err(stopped) => stopped,
        }
    }
}

unsafe fn load_to<I: Index, W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: the contract of `address`; the third operand is a place of this width.
    unsafe {
        let address = match address::<I>(pc, vm) {
            Ok(address) => address,
            Err(stopped) => return stopped,
        };
        match vm.load::<W>(u64::from(address)) {
            Some(value) => {
                vm.set::<W>((*pc).x[2], value);
                pc.add(2)
            }
            None => vm.stop(pc, FaultCode::NullReference),
        }
    }
}

unsafe fn store_from<I: Index, S: Source, W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: the contract of `address`; the third operand is what is written.
    unsafe {
        let address = match address::<I>(pc, vm) {
            Ok(address) => address,
            Err(stopped) => return stopped,
        };
        let value = S::get::<W>(vm, (*pc).x[2]);
        match vm.store::<W>(u64::from(address), value) {
            Some(()) => pc.add(2),
            None => vm.stop(pc, FaultCode::NullReference),
        }
    }
}

unsafe fn branch_if<I: Index>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: the contract of `address`; the third operand are two targets.
    unsafe {
        let address = match address::<I>(pc, vm) {
            Ok(address) => address,
            Err(stopped) => return stopped,
        };
        match vm.load::<W8>(u64::from(address)) {
            Some(value) => follow(pc, value != 0),
            None => vm.stop(pc, FaultCode::NullReference),
        }
    }
}

macro_rules! by_index {
    ($bits:expr, $signed:expr, $index:ident => $handler:expr) => {
        match ($bits, $signed) {
            (8, true) => {
                type $index = Signed8;
                $handler
            }
            (16, true) => {
                type $index = Signed16;
                $handler
            }
            (32, true) => {
                type $index = Signed32;
                $handler
            }
            (8, false) => {
                type $index = Unsigned8;
                $handler
            }
            (16, false) => {
                type $index = Unsigned16;
                $handler
            }
            (32, false) => {
                type $index = Unsigned32;
                $handler
            }
            _ => {
                type $index = Wide;
                $handler
            }
        }
    };
}

/// The address of an element into the slot `x2`. The index has `bits` and may be signed.
pub(crate) fn element(bits: u8, signed: bool) -> Handler {
    by_index!(bits, signed, I => address_to::<I>)
}

/// An element of `width` bits into the place `x2`.
pub(crate) fn load_element(bits: u8, signed: bool, width: u8) -> Handler {
    by_index!(bits, signed, I => by_width!(width, load_to, I))
}

/// `x2` into an element of `width` bits; `number`: the instruction holds it.
pub(crate) fn store_element(bits: u8, signed: bool, width: u8, number: bool) -> Handler {
    by_index!(bits, signed, I => if number {
        by_width!(width, store_from, I, Number)
    } else {
        by_width!(width, store_from, I, Place)
    })
}

/// To one of the targets in `x2`: is the element, a byte, not 0?
pub(crate) fn branch_element(bits: u8, signed: bool) -> Handler {
    by_index!(bits, signed, I => branch_if::<I>)
}
