//! Operations on known integers, and those that change nothing.

use crate::ir::{Cond, Const, IntOp, Op, Ty, Value};

/// What an operation comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Folded {
    /// This number.
    Number(i64),
    /// What that value is.
    Same(Value),
}

/// What an operation with a result of type `ty` comes to, if that is known. `known` gives the numbers of values,
/// signed in their width, `ty_of` their types.
pub(super) fn fold(
    op: &Op,
    ty: Ty,
    known: impl Fn(Value) -> Option<i64>,
    ty_of: impl Fn(Value) -> Ty,
) -> Option<Folded> {
    match op {
        Op::Int { op, a, b } => match (known(*a), known(*b)) {
            (Some(x), Some(y)) => Some(Folded::Number(truncated(ty, arithmetic(*op, x, y)?))),
            (None, Some(y)) => neutral(*op, *a, y),
            (Some(x), None) if !matches!(op, IntOp::Sub) => neutral(*op, *b, x),
            _ => None,
        },
        Op::IntCmp { cond, signed, a, b } if ty_of(*a) != Ty::Ptr => {
            let (x, y) = (known(*a)?, known(*b)?);
            let ty = ty_of(*a);
            let order = if *signed { x.cmp(&y) } else { unsigned(ty, x).cmp(&unsigned(ty, y)) };
            let holds = match cond {
                Cond::Eq => order.is_eq(),
                Cond::Ne => order.is_ne(),
                Cond::Lt => order.is_lt(),
                Cond::Le => order.is_le(),
                Cond::Gt => order.is_gt(),
                Cond::Ge => order.is_ge(),
            };
            Some(Folded::Number(i64::from(holds)))
        }
        Op::Select { a, b, .. } if a == b => Some(Folded::Same(*a)),
        Op::Select { cond, a, b } => Some(Folded::Same(if known(*cond)? != 0 { *a } else { *b })),
        Op::SignExtend(a) => Some(Folded::Number(known(*a)?)),
        Op::ZeroExtend(a) => Some(Folded::Number(unsigned(ty_of(*a), known(*a)?) as i64)),
        Op::Truncate(a) => Some(Folded::Number(truncated(ty, known(*a)?))),
        _ => None,
    }
}

/// The constant of an integer type.
pub(super) fn constant(ty: Ty, value: i64) -> Const {
    match ty {
        Ty::I8 => Const::I8(value as i8),
        Ty::I16 => Const::I16(value as i16),
        Ty::I32 => Const::I32(value as i32),
        _ => Const::I64(value),
    }
}

/// The integer that a constant is.
pub(super) fn integer(constant: Const) -> Option<i64> {
    match constant {
        Const::I8(v) => Some(i64::from(v)),
        Const::I16(v) => Some(i64::from(v)),
        Const::I32(v) => Some(i64::from(v)),
        Const::I64(v) => Some(v),
        Const::F32(_) | Const::F64(_) | Const::Null => None,
    }
}

fn arithmetic(op: IntOp, a: i64, b: i64) -> Option<i64> {
    Some(match op {
        IntOp::Add => a.wrapping_add(b),
        IntOp::Sub => a.wrapping_sub(b),
        IntOp::Mul => a.wrapping_mul(b),
        IntOp::And => a & b,
        IntOp::Or => a | b,
        IntOp::Xor => a ^ b,
        IntOp::Shl | IntOp::Shr | IntOp::Rol | IntOp::Ror => return None,
    })
}

/// An operation with one known operand that gives the other, or always the same.
fn neutral(op: IntOp, a: Value, b: i64) -> Option<Folded> {
    match (op, b) {
        (IntOp::Add | IntOp::Sub | IntOp::Or | IntOp::Xor, 0) | (IntOp::Mul, 1) | (IntOp::And, -1) => {
            Some(Folded::Same(a))
        }
        (IntOp::And | IntOp::Mul, 0) => Some(Folded::Number(0)),
        _ => None,
    }
}

fn truncated(ty: Ty, value: i64) -> i64 {
    integer(constant(ty, value)).unwrap_or(value)
}

fn unsigned(ty: Ty, value: i64) -> u64 {
    match ty {
        Ty::I8 => u64::from(value as u8),
        Ty::I16 => u64::from(value as u16),
        Ty::I32 => u64::from(value as u32),
        _ => value as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values are their own numbers, from 100 on unknown; all are I8.
    fn folded(op: &Op, ty: Ty) -> Option<Folded> {
        let known = |value: Value| (value.0 < 100).then_some(i64::from(value.0 as i8));
        fold(op, ty, known, |_| Ty::I8)
    }

    #[test]
    fn numbers_wrap_at_their_width() {
        let op = |op, a, b| Op::Int { op, a: Value(a), b: Value(b) };
        assert_eq!(folded(&op(IntOp::Add, 99, 99), Ty::I8), Some(Folded::Number(-58)));
        assert_eq!(folded(&op(IntOp::Mul, 16, 16), Ty::I8), Some(Folded::Number(0)));
        assert_eq!(folded(&op(IntOp::Sub, 0, 1), Ty::I8), Some(Folded::Number(-1)));
        assert_eq!(folded(&op(IntOp::Add, 100, 0), Ty::I8), Some(Folded::Same(Value(100))));
        assert_eq!(folded(&op(IntOp::Sub, 0, 100), Ty::I8), None);
        assert_eq!(folded(&op(IntOp::And, 0, 100), Ty::I8), Some(Folded::Number(0)));
        assert_eq!(folded(&op(IntOp::Shl, 1, 9), Ty::I8), None);
    }

    #[test]
    fn comparisons_know_their_sign() {
        let known = |value: Value| Some(i64::from(value.0 as i32));
        let minus = Value(u32::MAX);
        let cmp = |signed| Op::IntCmp { cond: Cond::Lt, signed, a: minus, b: Value(1) };
        assert_eq!(fold(&cmp(true), Ty::I8, known, |_| Ty::I16), Some(Folded::Number(1)));
        assert_eq!(fold(&cmp(false), Ty::I8, known, |_| Ty::I16), Some(Folded::Number(0)));
        assert_eq!(fold(&Op::ZeroExtend(minus), Ty::I32, known, |_| Ty::I16), Some(Folded::Number(65_535)));
        assert_eq!(fold(&Op::SignExtend(minus), Ty::I32, known, |_| Ty::I16), Some(Folded::Number(-1)));
    }

    #[test]
    fn a_choice_that_is_none() {
        let select = |cond, a, b| Op::Select { cond: Value(cond), a: Value(a), b: Value(b) };
        assert_eq!(folded(&select(1, 100, 101), Ty::I8), Some(Folded::Same(Value(100))));
        assert_eq!(folded(&select(0, 100, 101), Ty::I8), Some(Folded::Same(Value(101))));
        assert_eq!(folded(&select(105, 100, 100), Ty::I8), Some(Folded::Same(Value(100))));
        assert_eq!(folded(&select(105, 100, 101), Ty::I8), None);
    }
}
