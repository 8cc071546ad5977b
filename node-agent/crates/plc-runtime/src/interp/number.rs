//! Arithmetic on slots: total, wrapping at the width of the operands.

use super::code::Arith;

pub(super) fn mask(bits: u8) -> u64 {
    u64::MAX >> (64 - bits)
}

pub(super) fn sign_extend(value: u64, bits: u8) -> i64 {
    let shift = 64 - bits;
    (value << shift) as i64 >> shift
}

/// `None` for a division by zero. Every case that overflows wraps.
#[inline]
pub(super) fn arith(op: Arith, bits: u8, a: u64, b: u64) -> Option<u64> {
    let value = match op {
        Arith::Add => a.wrapping_add(b),
        Arith::Sub => a.wrapping_sub(b),
        Arith::Mul => a.wrapping_mul(b),
        Arith::DivS => {
            let (a, b) = (sign_extend(a, bits), sign_extend(b, bits));
            if b == 0 {
                return None;
            }
            a.wrapping_div(b) as u64
        }
        Arith::DivU => a.checked_div(b & mask(bits))?,
        Arith::RemS => {
            let (a, b) = (sign_extend(a, bits), sign_extend(b, bits));
            if b == 0 { 0 } else { a.wrapping_rem(b) as u64 }
        }
        Arith::RemU => a.checked_rem(b & mask(bits)).unwrap_or(0),
        Arith::Shl | Arith::Shr => {
            let by = sign_extend(b, bits).max(0);
            match (by < i64::from(bits), op) {
                (false, _) => 0,
                (true, Arith::Shl) => a << by,
                (true, _) => a >> by,
            }
        }
        Arith::Rol | Arith::Ror => {
            let width = u32::from(bits);
            let by = (sign_extend(b, bits).max(0) % i64::from(bits)) as u32;
            let left = if op == Arith::Rol { by } else { width - by };
            let right = width - left;
            a.checked_shl(left).unwrap_or(0) | a.checked_shr(right).unwrap_or(0)
        }
    };
    Some(value & mask(bits))
}

pub(super) fn int_to_float(value: u64, signed: bool, from: u8, to: u8) -> u64 {
    let signed_value = sign_extend(value, from);
    match (to, signed) {
        (32, true) => u64::from((signed_value as f32).to_bits()),
        (32, false) => u64::from((value as f32).to_bits()),
        (_, true) => (signed_value as f64).to_bits(),
        (_, false) => (value as f64).to_bits(),
    }
}

pub(super) fn float_to_int(value: u64, mode: u8, from: u8, to: u8) -> u64 {
    let value = if from == 32 { f64::from(f32::from_bits(value as u32)) } else { f64::from_bits(value) };
    let value = if mode & 2 == 0 { value.round_ties_even() } else { value.trunc() };
    // `as` saturates and takes NaN to 0, which is the rule here too.
    let integer = match (to, mode & 1 == 1) {
        (8, true) => value as i8 as u64,
        (8, false) => u64::from(value as u8),
        (16, true) => value as i16 as u64,
        (16, false) => u64::from(value as u16),
        (32, true) => value as i32 as u64,
        (32, false) => u64::from(value as u32),
        (_, true) => value as i64 as u64,
        (_, false) => value as u64,
    };
    integer & mask(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn arithmetic_is_total() {
        assert_eq!(arith(Arith::DivS, 32, 0x8000_0000, 0xffff_ffff), Some(0x8000_0000), "MIN / -1 wraps");
        assert_eq!(arith(Arith::RemS, 64, 1 << 63, u64::MAX), Some(0), "MIN MOD -1 is 0");
        assert_eq!(arith(Arith::RemS, 16, 5, 0), Some(0), "MOD by 0 is 0");
        assert_eq!(arith(Arith::DivU, 8, 5, 0), None);
        assert_eq!(arith(Arith::Shl, 8, 0xff, 8), Some(0));
        assert_eq!(arith(Arith::Shr, 8, 0x80, 7), Some(1), "zero fill");
        assert_eq!(arith(Arith::Shl, 8, 1, 0xff), Some(1), "a negative count acts as 0");
        assert_eq!(arith(Arith::Rol, 8, 0x81, 9), Some(3));
        assert_eq!(arith(Arith::Ror, 16, 1, 1), Some(0x8000));
        assert_eq!(arith(Arith::Rol, 64, 1 << 63, 1), Some(1));
        assert_eq!(arith(Arith::Ror, 64, 7, 0), Some(7));
    }

    #[test]
    fn floats_become_integers_by_the_rules() {
        let dint = |v: f64, mode| float_to_int(v.to_bits(), mode, 64, 32) as i32;
        assert_eq!((dint(2.5, 1), dint(3.5, 1), dint(-2.5, 1)), (2, 4, -2), "ties to even");
        assert_eq!((dint(2.9, 3), dint(-2.9, 3)), (2, -2));
        assert_eq!((dint(1e10, 1), dint(-1e10, 1), dint(f64::NAN, 1)), (i32::MAX, i32::MIN, 0));
    }

    proptest! {
        #[test]
        fn sixteen_bits_behave_as_i16(a: i16, b: i16) {
            let (x, y) = (u64::from(a as u16), u64::from(b as u16));
            let is = |op, want: i16| arith(op, 16, x, y) == Some(u64::from(want as u16));
            prop_assert!(is(Arith::Add, a.wrapping_add(b)));
            prop_assert!(is(Arith::Sub, a.wrapping_sub(b)));
            prop_assert!(is(Arith::Mul, a.wrapping_mul(b)));
            if b != 0 {
                prop_assert!(is(Arith::DivS, a.wrapping_div(b)));
                prop_assert!(is(Arith::RemS, a.wrapping_rem(b)));
            }
        }
    }
}
