//! Floating-point arithmetic: `x0 = x1 op x2`.

use super::by_width;
use crate::interp::code::{Handler, Pc};
use crate::interp::vm::Vm;
use crate::interp::width::{Number, Place, Source, W32, W64, Width};
use lineshaft_plc_compiler::ir::FloatOp;

/// The operation as a type, on the bits of its operands.
trait Operation {
    fn single(a: f32, b: f32) -> f32;
    fn double(a: f64, b: f64) -> f64;
}

macro_rules! operations {
    ($($name:ident: |$a:ident, $b:ident| $value:expr;)*) => {$(
        struct $name;

        impl Operation for $name {
            #[inline]
            fn single($a: f32, $b: f32) -> f32 {
                $value
            }

            #[inline]
            fn double($a: f64, $b: f64) -> f64 {
                $value
            }
        }
    )*};
}

operations! {
    Add: |a, b| a + b;
    Sub: |a, b| a - b;
    Mul: |a, b| a * b;
    Div: |a, b| a / b;
    Min: |a, b| if a <= b || b.is_nan() { a } else { b };
    Max: |a, b| if a >= b || b.is_nan() { a } else { b };
}

unsafe fn single<O: Operation, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, b] = (*pc).x;
        let (a, b) = (vm.get::<W32>(a) as u32, B::get::<W32>(vm, b) as u32);
        let value = O::single(f32::from_bits(a), f32::from_bits(b));
        vm.set::<W32>(to, u64::from(value.to_bits()));
        pc.add(1)
    }
}

unsafe fn double<O: Operation, B: Source>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, b] = (*pc).x;
        let (a, b) = (vm.get::<W64>(a), B::get::<W64>(vm, b));
        let value = O::double(f64::from_bits(a), f64::from_bits(b));
        vm.set::<W64>(to, value.to_bits());
        pc.add(1)
    }
}

/// `x0 = x1 op x2`; `number`: the instruction holds `x2`.
pub(crate) fn float(op: FloatOp, bits: u8, number: bool) -> Handler {
    macro_rules! choose {
        ($($name:ident)*) => {
            match op {
                $(FloatOp::$name => match (bits, number) {
                    (32, false) => single::<$name, Place>,
                    (32, true) => single::<$name, Number>,
                    (_, false) => double::<$name, Place>,
                    (_, true) => double::<$name, Number>,
                },)*
            }
        };
    }
    choose!(Add Sub Mul Div Min Max)
}

unsafe fn negate<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, _] = (*pc).x;
        vm.set::<W>(to, vm.get::<W>(a) ^ 1 << (W::BITS - 1));
        pc.add(1)
    }
}

unsafe fn absolute<W: Width>(pc: Pc, vm: &mut Vm<'_>) -> Pc {
    // SAFETY: `pc` is an instruction with these operands; it does not end its function.
    unsafe {
        let [to, a, _] = (*pc).x;
        vm.set::<W>(to, vm.get::<W>(a) & !(1 << (W::BITS - 1)));
        pc.add(1)
    }
}

/// `x0 = -x1`, or without `negative` the absolute value.
pub(crate) fn float_sign(negative: bool, bits: u8) -> Handler {
    if negative { by_width!(bits, negate) } else { by_width!(bits, absolute) }
}
