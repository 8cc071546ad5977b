//! Integer arithmetic and logic: `x0 = x1 op x2`.

use super::{by_width, by_width_and_source};
use crate::interp::code::{Handler, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W8, W16, W32, W64, Width};
use lineshaft_plc_compiler::ir::FaultCode;

/// An operation of two integers of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arith {
    Add,
    Sub,
    Mul,
    And,
    Or,
    Xor,
    Shl,
    Shr,
    Rol,
    Ror,
    DivS,
    DivU,
    RemS,
    RemU,
}

/// The operation as a type. Operands are zero-extended; of the result the low bits count.
trait Binary {
    /// `None` for a division by zero. Every case that overflows wraps.
    fn apply<W: Width>(a: u64, b: u64) -> Option<u64>;
}

macro_rules! operations {
    ($($name:ident, $width:ident: |$a:ident, $b:ident| $value:expr;)*) => {$(
        struct $name;

        impl Binary for $name {
            #[inline]
            fn apply<$width: Width>($a: u64, $b: u64) -> Option<u64> {
                $value
            }
        }
    )*};
}

operations! {
    Add, W: |a, b| Some(a.wrapping_add(b));
    Sub, W: |a, b| Some(a.wrapping_sub(b));
    Mul, W: |a, b| Some(a.wrapping_mul(b));
    And, W: |a, b| Some(a & b);
    Or, W: |a, b| Some(a | b);
    Xor, W: |a, b| Some(a ^ b);
    Shl, W: |a, b| Some(if count::<W>(b) < u64::from(W::BITS) { a << count::<W>(b) } else { 0 });
    Shr, W: |a, b| Some(if count::<W>(b) < u64::from(W::BITS) { a >> count::<W>(b) } else { 0 });
    Rol, W: |a, b| Some(rotate_left::<W>(a, count::<W>(b) % u64::from(W::BITS)));
    Ror, W: |a, b| Some(rotate_left::<W>(a, u64::from(W::BITS) - count::<W>(b) % u64::from(W::BITS)));
    DivS, W: |a, b| {
        let (a, b) = (W::signed(a), W::signed(b));
        match b {
            0 => None,
            // A division of 32 bits is faster, and MIN / -1 wraps in 64 as well.
            _ if W::BITS < 32 => Some(i64::from((a as i32).wrapping_div(b as i32)) as u64),
            _ => Some(a.wrapping_div(b) as u64),
        }
    };
    DivU, W: |a, b| a.checked_div(b);
    RemS, W: |a, b| {
        let (a, b) = (W::signed(a), W::signed(b));
        Some(match b {
            0 => 0,
            _ if W::BITS <= 32 => (a as i32).wrapping_rem(b as i32) as u64,
            _ => a.wrapping_rem(b) as u64,
        })
    };
    RemU, W: |a, b| Some(a.checked_rem(b).unwrap_or(0));
}

/// How far to shift; a negative count acts as 0.
#[inline]
fn count<W: Width>(by: u64) -> u64 {
    W::signed(by).max(0) as u64
}

/// `left` is at most the width.
#[inline]
fn rotate_left<W: Width>(value: u64, left: u64) -> u64 {
    let right = u64::from(W::BITS) - left;
    value.checked_shl(left as u32).unwrap_or(0) | value.checked_shr(right as u32).unwrap_or(0)
}

unsafe fn binary<O: Binary, W: Width, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, b] = (*pc).x;
        match O::apply::<W>(vm.get::<W>(a), B::get::<W>(vm, b)) {
            Some(value) => {
                vm.set::<W>(to, value);
                pc.add(1)
            }
            None => vm.stop(pc, FaultCode::DivideByZero),
        }
    }
}

/// `x0 = x1 op x2`; `number`: the instruction holds `x2`.
pub(crate) fn arith(op: Arith, bits: u8, number: bool) -> Handler {
    macro_rules! choose {
        ($($name:ident)*) => {
            match op {
                $(Arith::$name => by_width_and_source!(bits, number, binary, $name),)*
            }
        };
    }
    choose!(Add Sub Mul And Or Xor Shl Shr Rol Ror DivS DivU RemS RemU)
}

unsafe fn negate_wide<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, _] = (*pc).x;
        vm.set::<W>(to, vm.get::<W>(a).wrapping_neg());
        pc.add(1)
    }
}

unsafe fn not_wide<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, _] = (*pc).x;
        vm.set::<W>(to, !vm.get::<W>(a));
        pc.add(1)
    }
}

/// `x0 = -x1`
pub(crate) fn negate(bits: u8) -> Handler {
    by_width!(bits, negate_wide)
}

/// `x0 = NOT x1`
pub(crate) fn not(bits: u8) -> Handler {
    by_width!(bits, not_wide)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply<O: Binary, W: Width>(a: u64, b: u64) -> Option<u64> {
        O::apply::<W>(a, b).map(|value| value & u64::MAX >> (64 - W::BITS))
    }

    #[test]
    fn arithmetic_is_total() {
        assert_eq!(apply::<DivS, W32>(0x8000_0000, 0xffff_ffff), Some(0x8000_0000), "MIN / -1 wraps");
        assert_eq!(apply::<DivS, W16>(0x8000, 0xffff), Some(0x8000));
        assert_eq!(apply::<RemS, W64>(1 << 63, u64::MAX), Some(0), "MIN MOD -1 is 0");
        assert_eq!(apply::<RemS, W32>(1 << 31, 0xffff_ffff), Some(0));
        assert_eq!(apply::<RemS, W16>(5, 0), Some(0), "MOD by 0 is 0");
        assert_eq!(apply::<DivU, W8>(5, 0), None);
        assert_eq!(apply::<Shl, W8>(0xff, 8), Some(0));
        assert_eq!(apply::<Shr, W8>(0x80, 7), Some(1), "zero fill");
        assert_eq!(apply::<Shl, W8>(1, 0xff), Some(1), "a negative count acts as 0");
        assert_eq!(apply::<Rol, W8>(0x81, 9), Some(3));
        assert_eq!(apply::<Ror, W16>(1, 1), Some(0x8000));
        assert_eq!(apply::<Rol, W64>(1 << 63, 1), Some(1));
        assert_eq!(apply::<Ror, W64>(7, 0), Some(7));
    }

    proptest! {
        #[test]
        fn sixteen_bits_behave_as_i16(a: i16, b: i16) {
            let (x, y) = (u64::from(a as u16), u64::from(b as u16));
            let is = |got: Option<u64>, want: i16| got == Some(u64::from(want as u16));
            prop_assert!(is(apply::<Add, W16>(x, y), a.wrapping_add(b)));
            prop_assert!(is(apply::<Sub, W16>(x, y), a.wrapping_sub(b)));
            prop_assert!(is(apply::<Mul, W16>(x, y), a.wrapping_mul(b)));
            if b != 0 {
                prop_assert!(is(apply::<DivS, W16>(x, y), a.wrapping_div(b)));
                prop_assert!(is(apply::<RemS, W16>(x, y), a.wrapping_rem(b)));
            }
        }
    }
}
