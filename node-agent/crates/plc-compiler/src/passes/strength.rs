//! Multiplications by constants as shifts and sums.

use crate::ir::{Const, IntOp, Op, Ty, Value};

/// `a - b * by` in 32 bits, wrapping; what is given is the last operation. A factor next to a power of two takes a
/// shift: a processor has one multiplier and several units that add. The sum with `a` does not wait for the shift.
pub(super) fn less_times(emit: &mut impl FnMut(Ty, Op) -> Value, a: Value, b: Value, by: u32) -> Op {
    let near = [by.checked_add(1).map(|power| (power, IntOp::Add)), Some((by.wrapping_sub(1), IntOp::Sub))];
    let Some((power, op)) = near.into_iter().flatten().find(|(power, _)| power.is_power_of_two()) else {
        let by = emit(Ty::I32, Op::Const(Const::I32(by as i32)));
        let b = emit(Ty::I32, Op::Int { op: IntOp::Mul, a: b, b: by });
        return Op::Int { op: IntOp::Sub, a, b };
    };
    let a = emit(Ty::I32, Op::Int { op, a, b });
    let bits = emit(Ty::I32, Op::Const(Const::I32(power.trailing_zeros() as i32)));
    let b = emit(Ty::I32, Op::Int { op: IntOp::Shl, a: b, b: bits });
    Op::Int { op: IntOp::Sub, a, b }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the operations compute, and how many of them multiply.
    fn computed(a: i32, b: i32, by: u32) -> (i32, usize) {
        let mut values = vec![a, b];
        let mut multiplications = 0;
        let mut compute = |values: &[i32], op: &Op| {
            let of = |value: &Value| values[value.index()];
            match op {
                Op::Const(Const::I32(value)) => *value,
                Op::Int { op: IntOp::Shl, a, b } => of(a).wrapping_shl(of(b) as u32),
                Op::Int { op: IntOp::Sub, a, b } => of(a).wrapping_sub(of(b)),
                Op::Int { op: IntOp::Add, a, b } => of(a).wrapping_add(of(b)),
                Op::Int { op: IntOp::Mul, a, b } => {
                    multiplications += 1;
                    of(a).wrapping_mul(of(b))
                }
                other => panic!("{other:?}"),
            }
        };
        let mut emit = |_: Ty, op: Op| {
            values.push(compute(&values, &op));
            Value(values.len() as u32 - 1)
        };
        let last = less_times(&mut emit, Value(0), Value(1), by);
        (compute(&values, &last), multiplications)
    }

    #[test]
    fn results_are_those_of_multiplication() {
        for by in (2..40).chain([0x3fff_ffff, 0x7fff_ffff]) {
            for (a, b) in [(0, 0), (1, 7), (-3, 1000), (i32::MAX, i32::MIN), (5, i32::MAX)] {
                let expected = a.wrapping_sub(b.wrapping_mul(by as i32));
                assert_eq!(computed(a, b, by).0, expected, "{a} - {b} * {by}");
            }
        }
    }

    #[test]
    fn only_far_factors_multiply() {
        assert_eq!([7, 9, 3, 31].map(|by| computed(5, 6, by).1), [0; 4]);
        assert_eq!([10, 11, 100].map(|by| computed(5, 6, by).1), [1; 3]);
    }
}
