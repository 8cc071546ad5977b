//! Functions of floats that no machine instruction computes, by address: the same ones that the interpreter
//! calls.

use lineshaft_plc_compiler::ir::MathFn;

macro_rules! unary {
    ($ty:ty: $($name:ident => $method:ident),* $(,)?) => {
        $(extern "C" fn $name(x: $ty) -> $ty {
            x.$method()
        })*
    };
}

unary!(f64: ln64 => ln, log64 => log10, exp64 => exp, sin64 => sin, cos64 => cos, tan64 => tan,
    asin64 => asin, acos64 => acos, atan64 => atan);
unary!(f32: ln32 => ln, log32 => log10, exp32 => exp, sin32 => sin, cos32 => cos, tan32 => tan,
    asin32 => asin, acos32 => acos, atan32 => atan);

extern "C" fn pow64(base: f64, exponent: f64) -> f64 {
    base.powf(exponent)
}

extern "C" fn pow32(base: f32, exponent: f32) -> f32 {
    base.powf(exponent)
}

extern "C" fn atan2_64(y: f64, x: f64) -> f64 {
    y.atan2(x)
}

extern "C" fn atan2_32(y: f32, x: f32) -> f32 {
    y.atan2(x)
}

/// A function of one argument; `None` where an instruction does it.
pub(super) fn unary(function: MathFn, single: bool) -> Option<usize> {
    let (double, float): (extern "C" fn(f64) -> f64, extern "C" fn(f32) -> f32) = match function {
        MathFn::Ln => (ln64, ln32),
        MathFn::Log10 => (log64, log32),
        MathFn::Exp => (exp64, exp32),
        MathFn::Sin => (sin64, sin32),
        MathFn::Cos => (cos64, cos32),
        MathFn::Tan => (tan64, tan32),
        MathFn::Asin => (asin64, asin32),
        MathFn::Acos => (acos64, acos32),
        MathFn::Atan => (atan64, atan32),
        MathFn::Sqrt | MathFn::Round | MathFn::Floor | MathFn::Ceil | MathFn::Trunc => return None,
    };
    Some(if single { float as *const () as usize } else { double as *const () as usize })
}

/// The power function.
pub(super) fn pow(single: bool) -> usize {
    if single { pow32 as *const () as usize } else { pow64 as *const () as usize }
}

/// The arc tangent of a quotient.
pub(super) fn atan2(single: bool) -> usize {
    if single { atan2_32 as *const () as usize } else { atan2_64 as *const () as usize }
}
