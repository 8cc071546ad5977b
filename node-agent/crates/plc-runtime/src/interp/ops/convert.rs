//! Conversions between types: `x0` from `x1`.

use super::by_width;
use crate::interp::code::{Handler, Pc};
use crate::interp::number;
use crate::interp::vm::Vm;
use crate::interp::width::{W8, W16, W32, W64, Width};

unsafe fn extend_to<F: Width, const SIGNED: bool, T: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, from, _] = (*pc).x;
        let value = vm.get::<F>(from);
        vm.set::<T>(to, if SIGNED { F::signed(value) as u64 } else { value });
        pc.add(1)
    }
}

/// An integer of `from` bits to more.
pub(crate) fn extend(signed: bool, from: u8, to: u8) -> Handler {
    macro_rules! to {
        ($from:ident) => {
            match (to, signed) {
                (16, true) => extend_to::<$from, true, W16>,
                (32, true) => extend_to::<$from, true, W32>,
                (_, true) => extend_to::<$from, true, W64>,
                (16, false) => extend_to::<$from, false, W16>,
                (32, false) => extend_to::<$from, false, W32>,
                (_, false) => extend_to::<$from, false, W64>,
            }
        };
    }
    match from {
        8 => to!(W8),
        16 => to!(W16),
        _ => to!(W32),
    }
}

unsafe fn int_to_float_as<const SIGNED: bool, const TO: u8, W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, from, _] = (*pc).x;
        let value = number::int_to_float(vm.get::<W>(from), SIGNED, W::BITS, TO);
        if TO == 32 {
            vm.set::<W32>(to, value);
        } else {
            vm.set::<W64>(to, value);
        }
        pc.add(1)
    }
}

/// An integer of `from` bits to a float of `to`.
pub(crate) fn int_to_float(signed: bool, from: u8, to: u8) -> Handler {
    macro_rules! from {
        ($signed:literal, $to:literal) => {
            match from {
                8 => int_to_float_as::<$signed, $to, W8>,
                16 => int_to_float_as::<$signed, $to, W16>,
                32 => int_to_float_as::<$signed, $to, W32>,
                _ => int_to_float_as::<$signed, $to, W64>,
            }
        };
    }
    match (signed, to) {
        (true, 32) => from!(true, 32),
        (true, _) => from!(true, 64),
        (false, 32) => from!(false, 32),
        (false, _) => from!(false, 64),
    }
}

unsafe fn float_to_int_as<const MODE: u8, const FROM: u8, W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, from, _] = (*pc).x;
        let value = if FROM == 32 { vm.get::<W32>(from) } else { vm.get::<W64>(from) };
        vm.set::<W>(to, number::float_to_int(value, MODE, FROM, W::BITS));
        pc.add(1)
    }
}

/// A float of `from` bits to an integer of `to`. `mode` bit 0: signed, bit 1: toward zero.
pub(crate) fn float_to_int(mode: u8, from: u8, to: u8) -> Handler {
    macro_rules! to {
        ($mode:literal, $from:literal) => {
            match to {
                8 => float_to_int_as::<$mode, $from, W8>,
                16 => float_to_int_as::<$mode, $from, W16>,
                32 => float_to_int_as::<$mode, $from, W32>,
                _ => float_to_int_as::<$mode, $from, W64>,
            }
        };
    }
    match (mode & 3, from) {
        (0, 32) => to!(0, 32),
        (0, _) => to!(0, 64),
        (1, 32) => to!(1, 32),
        (1, _) => to!(1, 64),
        (2, 32) => to!(2, 32),
        (2, _) => to!(2, 64),
        (_, 32) => to!(3, 32),
        (_, _) => to!(3, 64),
    }
}

unsafe fn convert_float_to<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, from, _] = (*pc).x;
        let value = if W::BITS == 64 {
            f64::from(f32::from_bits(vm.get::<W32>(from) as u32)).to_bits()
        } else {
            u64::from((f64::from_bits(vm.get::<W64>(from)) as f32).to_bits())
        };
        vm.set::<W>(to, value);
        pc.add(1)
    }
}

/// A float of the other width to one of `to` bits.
pub(crate) fn convert_float(to: u8) -> Handler {
    by_width!(to, convert_float_to)
}
