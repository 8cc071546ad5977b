//! Exact arithmetic on constants: a node whose operands are constant becomes a constant.
//!
//! Gives what the engines would give at run time; what would fault stays as it is.

use crate::hir::{BinaryOp, Expr, ExprKind, Intrinsic, Mode, Value};
use crate::ir::{Cond, FloatOp, IntOp, MathFn};
use crate::layout::Elementary;
use crate::types::{self, Type, Types};
use std::cmp::Ordering;

/// Replaces the node by its value if all it needs is constant.
pub(crate) fn fold(types: &Types<'_>, mut expr: Expr) -> Expr {
    match &mut expr.kind {
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) => {
            compute_in_double(a);
            compute_in_double(b);
        }
        ExprKind::Intrinsic(_, list) | ExprKind::Choose(_, list) => {
            list.iter_mut().for_each(compute_in_double);
        }
        _ => {}
    }
    match value(types, &expr) {
        Some(value) => Expr { kind: ExprKind::Const(value), ..expr },
        None => expr,
    }
}

/// Literals that meet each other and no type compute as LREAL.
fn compute_in_double(expr: &mut Expr) {
    if let ExprKind::Const(Value::Decimal(double, _)) = expr.kind {
        expr.kind = ExprKind::Const(Value::Real(double));
    }
}

fn constant(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Const(value) => Some(value),
        _ => None,
    }
}

fn int(expr: &Expr) -> Option<i128> {
    match constant(expr)? {
        Value::Int(v) => Some(*v),
        _ => None,
    }
}

fn value(types: &Types<'_>, expr: &Expr) -> Option<Value> {
    let e = types.storage(expr.ty);
    match &expr.kind {
        ExprKind::Convert(inner, mode) => {
            convert(constant(inner)?, types.storage(inner.ty)?, types.storage(expr.ty)?, *mode)
        }
        ExprKind::Negate(inner) => Some(match constant(inner)? {
            Value::Int(v) => Value::Int(wrap(-v, e)),
            Value::Real(v) => Value::Real(-v),
            Value::Decimal(double, single) => Value::Decimal(-double, -single),
            Value::Text(_) => return None,
        }),
        ExprKind::Not(inner) => {
            let v = int(inner)?;
            Some(Value::Int(if expr.ty == Types::BOOL { v ^ 1 } else { wrap(!v, e) }))
        }
        ExprKind::Binary(op, a, b) => binary(*op, constant(a)?, constant(b)?, e),
        ExprKind::Compare(cond, a, b) => {
            Some(Value::Int(i128::from(compare(*cond, constant(a)?, constant(b)?)?)))
        }
        ExprKind::Shortcut { or, a, b } => {
            let a = int(a)? != 0;
            if a == *or {
                return Some(Value::Int(i128::from(a)));
            }
            Some(Value::Int(int(b)?))
        }
        ExprKind::Choose(selector, list) => {
            let last = list.len() as i128 - 1;
            constant(&list[int(selector)?.clamp(0, last) as usize]).cloned()
        }
        ExprKind::Intrinsic(intrinsic, args) => call(*intrinsic, args, e, types),
        _ => None,
    }
}

/// Keeps the low bits that the type has; untyped integers stay exact.
pub(crate) fn wrap(value: i128, e: Option<Elementary>) -> i128 {
    let Some(e) = e else { return value };
    if e == Elementary::Bool {
        return value & 1;
    }
    let bits = e.size() * 8;
    let low = value & ((1i128 << bits) - 1);
    if types::is_signed(e) && low >> (bits - 1) != 0 { low - (1i128 << bits) } else { low }
}

/// Rounds to what the type can hold.
fn round_real(value: f64, e: Option<Elementary>) -> Value {
    Value::Real(if e == Some(Elementary::Real) { f64::from(value as f32) } else { value })
}

fn compare(cond: Cond, a: &Value, b: &Value) -> Option<bool> {
    Some(match (a, b) {
        (Value::Int(a), Value::Int(b)) => holds(cond, Some(a.cmp(b))),
        (Value::Real(a), Value::Real(b)) => holds(cond, a.partial_cmp(b)),
        (Value::Text(a), Value::Text(b)) => holds(cond, Some(a.cmp(b))),
        _ => return None,
    })
}

fn holds(cond: Cond, ordering: Option<Ordering>) -> bool {
    match (cond, ordering) {
        (Cond::Ne, ordering) => ordering != Some(Ordering::Equal),
        (_, None) => false,
        (Cond::Eq, Some(o)) => o == Ordering::Equal,
        (Cond::Lt, Some(o)) => o == Ordering::Less,
        (Cond::Le, Some(o)) => o != Ordering::Greater,
        (Cond::Gt, Some(o)) => o == Ordering::Greater,
        (Cond::Ge, Some(o)) => o != Ordering::Less,
    }
}

fn binary(op: BinaryOp, a: &Value, b: &Value, e: Option<Elementary>) -> Option<Value> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => {
            let (a, b) = (*a, *b);
            let result = match op {
                BinaryOp::Int(IntOp::Add) => a + b,
                BinaryOp::Int(IntOp::Sub) => a - b,
                BinaryOp::Int(IntOp::Mul) => a.checked_mul(b)?,
                BinaryOp::Int(IntOp::And) => a & b,
                BinaryOp::Int(IntOp::Or) => a | b,
                BinaryOp::Int(IntOp::Xor) => a ^ b,
                BinaryOp::Divide if b != 0 => a / b,
                BinaryOp::Modulo => a.checked_rem(b).unwrap_or(0),
                BinaryOp::Power => power(a, b, e)?,
                _ => return None,
            };
            // Untyped integers are exact up to what any type can hold.
            let result = wrap(result, e);
            (result.unsigned_abs() <= u128::from(u64::MAX)).then_some(Value::Int(result))
        }
        (Value::Real(a), Value::Real(b)) => {
            let (a, b) = (*a, *b);
            let single = e == Some(Elementary::Real);
            let result = match op {
                BinaryOp::Float(FloatOp::Add) => a + b,
                BinaryOp::Float(FloatOp::Sub) => a - b,
                BinaryOp::Float(FloatOp::Mul) => a * b,
                BinaryOp::Float(FloatOp::Div) => a / b,
                BinaryOp::Power if single => f64::from((a as f32).powf(b as f32)),
                BinaryOp::Power => a.powf(b),
                _ => return None,
            };
            Some(round_real(result, e))
        }
        _ => None,
    }
}

/// The smaller or the larger.
fn extreme<'v>(min: bool, a: &'v Value, b: &'v Value) -> Option<&'v Value> {
    let smaller = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a <= b,
        (Value::Real(a), Value::Real(b)) if !a.is_nan() && !b.is_nan() => a <= b,
        _ => return None,
    };
    Some(if smaller == min { a } else { b })
}

/// `a / b` to the nearest integer, ties to even.
fn nearest_quotient(a: i128, b: i128) -> Option<i128> {
    let (quotient, rest) = (a.checked_div(b)?, a % b);
    let away = match (rest.abs() * 2).cmp(&b.abs()) {
        Ordering::Less => false,
        Ordering::Equal => quotient % 2 != 0,
        Ordering::Greater => true,
    };
    let sign = if (a < 0) == (b < 0) { 1 } else { -1 };
    Some(if away { quotient + sign } else { quotient })
}

/// `base ** exponent` of integers, wrapping at 64 bits as the engines do.
fn power(base: i128, exponent: i128, e: Option<Elementary>) -> Option<i128> {
    if exponent < 0 {
        return Some(match base {
            1 => 1,
            -1 => 1 - 2 * (exponent & 1),
            _ => 0,
        });
    }
    let exponent = u32::try_from(exponent.min(i128::from(u32::MAX))).ok()?;
    if e.is_none() {
        return base.checked_pow(exponent);
    }
    Some(i128::from((base as i64).wrapping_pow(exponent)))
}

pub(crate) fn convert(value: &Value, from: Elementary, to: Elementary, mode: Mode) -> Option<Value> {
    Some(match value {
        Value::Int(v) if mode == Mode::Same => Value::Int(*v),
        Value::Int(v) => match to {
            Elementary::Bool => Value::Int(i128::from(*v != 0)),
            Elementary::Real if from == Elementary::Dword => {
                Value::Real(f64::from(f32::from_bits(*v as u32)))
            }
            Elementary::Lreal if from == Elementary::Lword => Value::Real(f64::from_bits(*v as u64)),
            Elementary::Real => Value::Real(f64::from(*v as f32)),
            Elementary::Lreal => Value::Real(*v as f64),
            _ => Value::Int(wrap(*v, Some(to))),
        },
        Value::Real(v) => match to {
            Elementary::Real | Elementary::Lreal => round_real(*v, Some(to)),
            Elementary::Bool => Value::Int(i128::from(*v != 0.0)),
            Elementary::Dword if from == Elementary::Real => Value::Int(i128::from((*v as f32).to_bits())),
            Elementary::Lword if from == Elementary::Lreal => Value::Int(i128::from(v.to_bits())),
            _ => {
                let whole = if mode == Mode::Truncate { v.trunc() } else { v.round_ties_even() };
                let (low, high) = types::range(to);
                Value::Int(if whole.is_nan() { 0 } else { (whole as i128).clamp(low, high) })
            }
        },
        Value::Decimal(..) | Value::Text(_) => return None,
    })
}

fn call(intrinsic: Intrinsic, args: &[Expr], e: Option<Elementary>, types: &Types<'_>) -> Option<Value> {
    match intrinsic {
        Intrinsic::Math(f) => match constant(&args[0])? {
            Value::Real(v) => Some(math(f, *v, e)),
            _ => None,
        },
        Intrinsic::Atan2 => match (constant(&args[0])?, constant(&args[1])?) {
            (Value::Real(y), Value::Real(x)) => Some(round_real(y.atan2(*x), e)),
            _ => None,
        },
        Intrinsic::Abs => Some(match constant(&args[0])? {
            Value::Int(v) => Value::Int(wrap(v.abs(), e)),
            Value::Real(v) => Value::Real(v.abs()),
            Value::Decimal(..) | Value::Text(_) => return None,
        }),
        Intrinsic::Min | Intrinsic::Max => {
            extreme(intrinsic == Intrinsic::Min, constant(&args[0])?, constant(&args[1])?).cloned()
        }
        Intrinsic::Limit => {
            let capped = extreme(true, constant(&args[1])?, constant(&args[2])?)?;
            extreme(false, capped, constant(&args[0])?).cloned()
        }
        Intrinsic::Chain(cond) => {
            let values = args.iter().map(constant).collect::<Option<Vec<_>>>()?;
            let pairs = values.windows(2).map(|pair| compare(cond, pair[0], pair[1]));
            let all = pairs.collect::<Option<Vec<_>>>()?.into_iter().all(|holds| holds);
            Some(Value::Int(i128::from(all)))
        }
        Intrinsic::NearestQuotient => {
            nearest_quotient(int(&args[0])?, int(&args[1])?).map(|v| Value::Int(wrap(v, e)))
        }
        Intrinsic::Shift(op) => {
            let e = e?;
            let bits = i128::from(if e == Elementary::Bool { 1 } else { e.size() * 8 });
            let mask = (1i128 << bits) - 1;
            let (value, count) = (int(&args[0])? & mask, int(&args[1])?.max(0));
            let rotated = |n: i128| if n == 0 { value } else { (value << n) | (value >> (bits - n)) };
            let result = match op {
                IntOp::Shl if count < bits => value << count,
                IntOp::Shr if count < bits => value >> count,
                IntOp::Rol => rotated(count % bits),
                IntOp::Ror => rotated((bits - count % bits) % bits),
                _ => 0,
            };
            Some(Value::Int(wrap(result & mask, Some(e))))
        }
        Intrinsic::Length => match (constant(&args[0])?, types.get(args[0].ty)) {
            (Value::Text(units), Type::Text { .. }) => Some(Value::Int(units.len() as i128)),
            _ => None,
        },
        _ => None,
    }
}

fn math(f: MathFn, v: f64, e: Option<Elementary>) -> Value {
    // REAL functions compute in single precision, as the engines do.
    macro_rules! both {
        ($method:ident) => {
            if e == Some(Elementary::Real) { f64::from((v as f32).$method()) } else { v.$method() }
        };
    }
    Value::Real(match f {
        MathFn::Sqrt => both!(sqrt),
        MathFn::Ln => both!(ln),
        MathFn::Log10 => both!(log10),
        MathFn::Exp => both!(exp),
        MathFn::Sin => both!(sin),
        MathFn::Cos => both!(cos),
        MathFn::Tan => both!(tan),
        MathFn::Asin => both!(asin),
        MathFn::Acos => both!(acos),
        MathFn::Atan => both!(atan),
        MathFn::Round => v.round_ties_even(),
        MathFn::Floor => v.floor(),
        MathFn::Ceil => v.ceil(),
        MathFn::Trunc => v.trunc(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_as_the_machine_does() {
        assert_eq!(wrap(32768, Some(Elementary::Int)), -32768);
        assert_eq!(wrap(-1, Some(Elementary::Byte)), 255);
        assert_eq!(wrap(256, Some(Elementary::Usint)), 0);
        assert_eq!(wrap(1 << 70, None), 1 << 70);
    }

    #[test]
    fn powers() {
        assert_eq!(power(-1, -3, None), Some(-1));
        assert_eq!(power(2, -1, None), Some(0));
        assert_eq!(power(2, 10, None), Some(1024));
        assert_eq!(power(2, 1000, None), None);
    }

    #[test]
    fn reals_round_to_even_and_saturate() {
        let to = |v, e| convert(&Value::Real(v), Elementary::Lreal, e, Mode::Value);
        assert_eq!(to(2.5, Elementary::Int), Some(Value::Int(2)));
        assert_eq!(to(1e10, Elementary::Int), Some(Value::Int(32767)));
        assert_eq!(to(f64::NAN, Elementary::Int), Some(Value::Int(0)));
    }
}
