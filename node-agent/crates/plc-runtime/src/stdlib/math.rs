//! Mathematical functions. Domain errors give NaN or infinity, never a fault.

use lineshaft_plc_compiler::ir::MathFn;

/// A function of one argument, on the bits of an F32 (`single`) or F64.
pub(crate) fn apply(function: MathFn, x: u64, single: bool) -> u64 {
    macro_rules! apply {
        ($x:expr) => {
            match function {
                MathFn::Sqrt => $x.sqrt(),
                MathFn::Ln => $x.ln(),
                MathFn::Log10 => $x.log10(),
                MathFn::Exp => $x.exp(),
                MathFn::Sin => $x.sin(),
                MathFn::Cos => $x.cos(),
                MathFn::Tan => $x.tan(),
                MathFn::Asin => $x.asin(),
                MathFn::Acos => $x.acos(),
                MathFn::Atan => $x.atan(),
                MathFn::Round => $x.round_ties_even(),
                MathFn::Floor => $x.floor(),
                MathFn::Ceil => $x.ceil(),
                MathFn::Trunc => $x.trunc(),
            }
            .to_bits()
        };
    }
    if single { u64::from(apply!(f32::from_bits(x as u32))) } else { apply!(f64::from_bits(x)) }
}

pub(crate) fn pow(base: u64, exponent: u64, single: bool) -> u64 {
    if single {
        u64::from(f32::from_bits(base as u32).powf(f32::from_bits(exponent as u32)).to_bits())
    } else {
        f64::from_bits(base).powf(f64::from_bits(exponent)).to_bits()
    }
}

pub(crate) fn atan2(y: u64, x: u64, single: bool) -> u64 {
    if single {
        u64::from(f32::from_bits(y as u32).atan2(f32::from_bits(x as u32)).to_bits())
    } else {
        f64::from_bits(y).atan2(f64::from_bits(x)).to_bits()
    }
}

/// Wraps; a negative exponent gives 0 unless the base is 1 or -1.
pub(crate) fn int_pow(base: i64, exponent: i64) -> i64 {
    if exponent < 0 {
        return match base {
            1 => 1,
            -1 if exponent % 2 == 0 => 1,
            -1 => -1,
            _ => 0,
        };
    }
    let (mut result, mut factor, mut left) = (1_i64, base, exponent);
    while left > 0 {
        if left & 1 == 1 {
            result = result.wrapping_mul(factor);
        }
        factor = factor.wrapping_mul(factor);
        left >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integer_powers() {
        assert_eq!(int_pow(2, 10), 1024);
        assert_eq!(int_pow(-2, 3), -8);
        assert_eq!(int_pow(7, 0), 1);
        assert_eq!((int_pow(-1, -3), int_pow(1, i64::MIN), int_pow(5, -1)), (-1, 1, 0));
        assert_eq!(
            int_pow(3, i64::MAX),
            3_i64.wrapping_pow(u32::MAX).wrapping_mul(int_pow(3, i64::MAX - i64::from(u32::MAX)))
        );
    }
}
