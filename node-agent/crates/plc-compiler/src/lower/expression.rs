//! Expressions to values: scalars, and addresses of everything else.

use super::function::Builder;
use crate::hir::{BinaryOp, Expr, ExprKind, Intrinsic, Mode, Value as Constant};
use crate::ir::{Cond, Const, FloatOp, Helper, IntOp, MathFn, Op, Ty, Value};
use crate::layout::Elementary;
use crate::memory::write_text;
use crate::span::Span;
use crate::types::{self, Type, TypeId, Types};

impl Builder<'_, '_, '_, '_> {
    pub(super) fn types(&self) -> &Types<'_> {
        &self.lowerer.memory.model.types
    }

    pub(super) fn scalar(&self, ty: TypeId) -> Option<Ty> {
        self.types().scalar(ty)
    }

    pub(super) fn signed(&self, ty: TypeId) -> bool {
        self.types().storage(ty).is_some_and(types::is_signed)
    }

    pub(super) fn expr(&mut self, expr: &Expr) -> Value {
        let before = self.site;
        self.at(expr.span);
        let value = self.value_of(expr);
        self.site = before;
        value
    }

    fn value_of(&mut self, expr: &Expr) -> Value {
        let ty = self.scalar(expr.ty).unwrap_or(Ty::Ptr);
        match &expr.kind {
            ExprKind::Poison => self.constant(ty, 0),
            ExprKind::Const(value) => self.literal(value, expr.ty, ty),
            ExprKind::Load(place) => self.load(place),
            ExprKind::Convert(inner, mode) => {
                if self.lowerer.memory.is_text(expr.ty) || self.lowerer.memory.is_text(inner.ty) {
                    return self.text_conversion(inner, expr.ty, expr.span);
                }
                let value = self.expr(inner);
                let result = self.convert(value, inner.ty, expr.ty, *mode);
                if self.is_watched(expr.span) && *mode != Mode::Same {
                    self.need_fit(value, inner.ty, result, expr.ty);
                }
                result
            }
            ExprKind::RangeCheck(inner, low, high) => {
                let value = self.expr(inner);
                let wide = self.widen(value, self.signed(inner.ty));
                self.emit(Op::CheckRange { value: wide, low: *low, high: *high });
                value
            }
            ExprKind::Negate(inner) => {
                let value = self.expr(inner);
                let op = if matches!(ty, Ty::F32 | Ty::F64) { Op::FloatNeg(value) } else { Op::Neg(value) };
                self.compute(ty, op)
            }
            ExprKind::Not(inner) => {
                let value = self.expr(inner);
                if expr.ty == Types::BOOL {
                    let one = self.constant(Ty::I8, 1);
                    return self.int(IntOp::Xor, value, one);
                }
                self.compute(ty, Op::Not(value))
            }
            ExprKind::Binary(op, a, b) => {
                let (a, b) = (self.expr(a), self.expr(b));
                let watched = self.is_watched(expr.span);
                if watched && *op == BinaryOp::Divide {
                    let (b, fits) = self.safe_divisor(b);
                    let quotient = self.binary(*op, a, b, ty, self.signed(expr.ty));
                    return self.value_or_zero(fits, quotient);
                }
                let result = self.binary(*op, a, b, ty, self.signed(expr.ty));
                if watched {
                    self.need_finite(result);
                }
                result
            }
            ExprKind::Compare(cond, a, b) => self.compare(*cond, a, b),
            ExprKind::Shortcut { or, a, b } => self.shortcut(*or, a, b),
            ExprKind::Choose(selector, list) => self.choose(selector, list, ty, expr.span),
            ExprKind::Intrinsic(Intrinsic::NearestQuotient, args) if self.is_watched(expr.span) => {
                let (a, b) = (self.expr(&args[0]), self.expr(&args[1]));
                let (b, fits) = self.safe_divisor(b);
                let quotient = self.nearest_quotient(a, b);
                self.value_or_zero(fits, quotient)
            }
            ExprKind::Intrinsic(intrinsic, args) => {
                let result = self.intrinsic(*intrinsic, args, expr.ty, ty, expr.span);
                if self.is_watched(expr.span) {
                    self.need_finite(result);
                }
                result
            }
            ExprKind::Call(call) => {
                let watched = self.is_watched(expr.span);
                self.call(call, expr.ty, watched)
            }
            ExprKind::Reference(place) => self.reference(place),
            ExprKind::Bound { of, dimension, upper } => self.bound(of, *dimension, *upper),
            ExprKind::Attempt(inner, classes) => self.attempt(inner, classes),
            ExprKind::Taken(place, value) => self.taken(place, value),
            ExprKind::Enabled { enable, enabled, value } => self.enabled(enable, enabled.as_deref(), value),
        }
    }

    fn literal(&mut self, value: &Constant, id: TypeId, ty: Ty) -> Value {
        match (value, ty) {
            (Constant::Real(v), Ty::F32) => self.compute(ty, Op::Const(Const::F32(*v as f32))),
            (Constant::Decimal(_, v), Ty::F32) => self.compute(ty, Op::Const(Const::F32(*v))),
            (Constant::Real(v) | Constant::Decimal(v, _), _) => {
                self.compute(Ty::F64, Op::Const(Const::F64(*v)))
            }
            (Constant::Int(v), _) => self.constant(ty, *v),
            (Constant::Text(units), _) => {
                let wide = matches!(self.types().get(id), Type::Text { wide: true, .. });
                let unit = if wide { 2 } else { 1 };
                let mut bytes = vec![0; 2 + units.len() * unit];
                write_text(units, wide, units.len() as u16, &mut bytes);
                let offset = self.lowerer.constant(&bytes);
                self.compute(Ty::Ptr, Op::StateAddr(offset))
            }
        }
    }

    /// Any integer as an `I64`.
    pub(super) fn widen(&mut self, value: Value, signed: bool) -> Value {
        if self.ty(value) == Ty::I64 {
            return value;
        }
        let op = if signed { Op::SignExtend(value) } else { Op::ZeroExtend(value) };
        self.compute(Ty::I64, op)
    }

    fn binary(&mut self, op: BinaryOp, a: Value, b: Value, ty: Ty, signed: bool) -> Value {
        match op {
            BinaryOp::Int(op) => self.int(op, a, b),
            BinaryOp::Divide => self.compute(ty, Op::Div { signed, a, b }),
            BinaryOp::Modulo => self.compute(ty, Op::Rem { signed, a, b }),
            BinaryOp::Float(op) => self.compute(ty, Op::Float { op, a, b }),
            BinaryOp::Power => {
                let helper = if matches!(ty, Ty::F32 | Ty::F64) { Helper::Pow } else { Helper::IntPow };
                self.compute(ty, Op::Helper { helper, args: vec![a, b] })
            }
        }
    }

    fn compare(&mut self, cond: Cond, a: &Expr, b: &Expr) -> Value {
        let ty = a.ty;
        let (a, b) = (self.expr(a), self.expr(b));
        self.compare_of(cond, ty, a, b)
    }

    /// Compares two values of one type, strings by their addresses.
    pub(super) fn compare_of(&mut self, cond: Cond, ty: TypeId, a: Value, b: Value) -> Value {
        if self.lowerer.memory.is_text(ty) {
            let wide = matches!(self.types().get(ty), Type::Text { wide: true, .. });
            let helper = Helper::StrCompare { wide };
            let order = self.compute(Ty::I64, Op::Helper { helper, args: vec![a, b] });
            let zero = self.constant(Ty::I64, 0);
            return self.compute(Ty::I8, Op::IntCmp { cond, signed: true, a: order, b: zero });
        }
        let signed = self.signed(ty);
        self.compare_values(cond, a, b, signed)
    }

    fn chain(&mut self, cond: Cond, args: &[Expr]) -> Value {
        let values: Vec<Value> = args.iter().map(|arg| self.expr(arg)).collect();
        let mut all = self.compare_of(cond, args[0].ty, values[0], values[1]);
        for (arg, pair) in args[1..].iter().zip(values[1..].windows(2)) {
            let holds = self.compare_of(cond, arg.ty, pair[0], pair[1]);
            all = self.int(IntOp::And, all, holds);
        }
        all
    }

    /// `a / b` of LINTs to the nearest, ties to even.
    fn nearest_quotient(&mut self, a: Value, b: Value) -> Value {
        let quotient = self.compute(Ty::I64, Op::Div { signed: true, a, b });
        let back = self.int(IntOp::Mul, quotient, b);
        let rest = self.int(IntOp::Sub, a, back);
        let (zero, one) = (self.constant(Ty::I64, 0), self.constant(Ty::I64, 1));
        let magnitude = |builder: &mut Self, value: Value| {
            let negated = builder.compute(Ty::I64, Op::Neg(value));
            let negative = builder.compare_values(Cond::Lt, value, zero, true);
            builder.compute(Ty::I64, Op::Select { cond: negative, a: negated, b: value })
        };
        // Unsigned from here on: the magnitude of the smallest LINT does not fit a LINT, twice the rest
        // might not either. So the rest is compared with what it lacks.
        let (rest, divisor) = (magnitude(self, rest), magnitude(self, b));
        let lack = self.int(IntOp::Sub, divisor, rest);
        let above = self.compare_values(Cond::Gt, rest, lack, false);
        let tie = self.compare_values(Cond::Eq, rest, lack, false);
        let odd = self.int(IntOp::And, quotient, one);
        let odd = self.compute(Ty::I8, Op::Truncate(odd));
        let up = self.int(IntOp::And, tie, odd);
        let away = self.int(IntOp::Or, above, up);
        let signs = self.int(IntOp::Xor, a, b);
        let negative = self.compare_values(Cond::Lt, signs, zero, true);
        let minus = self.constant(Ty::I64, -1);
        let step = self.compute(Ty::I64, Op::Select { cond: negative, a: minus, b: one });
        let step = self.compute(Ty::I64, Op::Select { cond: away, a: step, b: zero });
        self.int(IntOp::Add, quotient, step)
    }

    pub(super) fn compare_values(&mut self, cond: Cond, a: Value, b: Value, signed: bool) -> Value {
        let op = if matches!(self.ty(a), Ty::F32 | Ty::F64) {
            Op::FloatCmp { cond, a, b }
        } else {
            Op::IntCmp { cond, signed, a, b }
        };
        self.compute(Ty::I8, op)
    }

    fn shortcut(&mut self, or: bool, a: &Expr, b: &Expr) -> Value {
        let left = self.expr(a);
        let (more, decided, join) = (self.block(), self.block(), self.block());
        let result = self.block_param(join, Ty::I8);
        if or {
            self.branch(left, decided, more);
        } else {
            self.branch(left, more, decided);
        }
        self.switch(decided);
        self.jump_with(join, left);
        self.switch(more);
        let right = self.expr(b);
        self.jump_with(join, right);
        self.switch(join);
        result
    }

    fn choose(&mut self, selector: &Expr, list: &[Expr], ty: Ty, span: Span) -> Value {
        let selector = self.expr(selector);
        if self.is_watched(span) {
            self.need_selector(selector, list.len());
        }
        let join = self.block();
        let result = self.block_param(join, ty);
        for (position, choice) in list.iter().enumerate() {
            if position + 1 < list.len() {
                let (this, next) = (self.block(), self.block());
                let bound = self.constant(Ty::I64, position as i128);
                let chosen = self.compare_values(Cond::Le, selector, bound, true);
                self.branch(chosen, this, next);
                self.switch(this);
                let value = self.expr(choice);
                self.jump_with(join, value);
                self.switch(next);
            } else {
                let value = self.expr(choice);
                self.jump_with(join, value);
            }
        }
        self.switch(join);
        result
    }

    /// Between scalars of any type.
    pub(super) fn convert(&mut self, value: Value, from: TypeId, to: TypeId, mode: Mode) -> Value {
        let (Some(a), Some(b)) = (self.types().storage(from), self.types().storage(to)) else { return value };
        let (source, target) = (types::machine(a), types::machine(b));
        let is_float = |ty| matches!(ty, Ty::F32 | Ty::F64);
        let op = match (is_float(source), is_float(target)) {
            _ if a == b || mode == Mode::Same => return value,
            (false, _) if b == Elementary::Bool => {
                if a == Elementary::Bool {
                    return value;
                }
                let zero = self.constant(source, 0);
                return self.compare_values(Cond::Ne, value, zero, false);
            }
            (true, _) if b == Elementary::Bool => {
                let zero = self.constant(source, 0);
                return self.compare_values(Cond::Ne, value, zero, false);
            }
            _ if source == target => return value,
            (false, false) if target.size() < source.size() => Op::Truncate(value),
            (false, false) if types::is_signed(a) => Op::SignExtend(value),
            (false, false) => Op::ZeroExtend(value),
            (false, true) if types::is_bits(a) && source.size() == target.size() => Op::Bitcast(value),
            (true, false) if types::is_bits(b) && source.size() == target.size() => Op::Bitcast(value),
            (false, true) => Op::IntToFloat { signed: types::is_signed(a), value },
            (true, false) => {
                Op::FloatToInt { signed: types::is_signed(b), truncate: mode == Mode::Truncate, value }
            }
            (true, true) => Op::FloatConvert(value),
        };
        self.compute(target, op)
    }

    fn intrinsic(&mut self, intrinsic: Intrinsic, args: &[Expr], id: TypeId, ty: Ty, span: Span) -> Value {
        match intrinsic {
            Intrinsic::Math(f) => {
                let value = self.expr(&args[0]);
                self.math(f, value, ty)
            }
            Intrinsic::Atan2 => {
                let args = vec![self.expr(&args[0]), self.expr(&args[1])];
                self.compute(ty, Op::Helper { helper: Helper::Atan2, args })
            }
            Intrinsic::Abs => {
                let value = self.expr(&args[0]);
                if matches!(ty, Ty::F32 | Ty::F64) {
                    return self.compute(ty, Op::FloatAbs(value));
                }
                let zero = self.constant(ty, 0);
                let negative = self.compare_values(Cond::Lt, value, zero, true);
                let negated = self.compute(ty, Op::Neg(value));
                self.compute(ty, Op::Select { cond: negative, a: negated, b: value })
            }
            Intrinsic::Min | Intrinsic::Max => {
                let (a, b) = (self.expr(&args[0]), self.expr(&args[1]));
                self.extreme(intrinsic == Intrinsic::Min, args[0].ty, a, b)
            }
            Intrinsic::Limit => {
                let (low, value, high) = (self.expr(&args[0]), self.expr(&args[1]), self.expr(&args[2]));
                let capped = self.extreme(true, id, value, high);
                self.extreme(false, id, capped, low)
            }
            Intrinsic::Chain(cond) => self.chain(cond, args),
            Intrinsic::NearestQuotient => {
                let (a, b) = (self.expr(&args[0]), self.expr(&args[1]));
                self.nearest_quotient(a, b)
            }
            Intrinsic::Shift(op) => self.shift(op, &args[0], &args[1], id, ty),
            Intrinsic::MovePointer => {
                let (pointer, by) = (self.expr(&args[0]), self.expr(&args[1]));
                self.moved_pointer(pointer, by)
            }
            Intrinsic::PointerDistance => {
                let (a, b) = (self.expr(&args[0]), self.expr(&args[1]));
                let (a, b) = (self.state_offset(a), self.state_offset(b));
                self.int(IntOp::Sub, a, b)
            }
            Intrinsic::Now => self.now(),
            Intrinsic::Assert => {
                let args = vec![self.expr(&args[0])];
                self.emit(Op::Helper { helper: Helper::Assert, args });
                self.constant(Ty::I8, 0)
            }
            _ => self.text_function(intrinsic, args, id, ty, span),
        }
    }

    fn math(&mut self, f: MathFn, value: Value, ty: Ty) -> Value {
        self.compute(ty, Op::Helper { helper: Helper::Math(f), args: vec![value] })
    }

    fn extreme(&mut self, min: bool, id: TypeId, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        if matches!(ty, Ty::F32 | Ty::F64) {
            let op = if min { FloatOp::Min } else { FloatOp::Max };
            return self.compute(ty, Op::Float { op, a, b });
        }
        let cond = if min { Cond::Le } else { Cond::Ge };
        let first = self.compare_of(cond, id, a, b);
        self.compute(ty, Op::Select { cond: first, a, b })
    }

    fn shift(&mut self, op: IntOp, value: &Expr, count: &Expr, id: TypeId, ty: Ty) -> Value {
        let is_bool = id == Types::BOOL;
        let bits = i128::from(if is_bool { 1 } else { ty.size() * 8 });
        let value = self.expr(value);
        let amount = if let ExprKind::Const(Constant::Int(n)) = count.kind {
            let n = match op {
                IntOp::Rol | IntOp::Ror => n.max(0) % bits,
                _ => n.clamp(0, bits),
            };
            self.constant(ty, n)
        } else {
            // The count is an I64: brought into the range that the value's own type can hold.
            let count = self.expr(count);
            let zero = self.constant(Ty::I64, 0);
            let negative = self.compare_values(Cond::Lt, count, zero, true);
            let count = self.compute(Ty::I64, Op::Select { cond: negative, a: zero, b: count });
            let width = self.constant(Ty::I64, bits);
            let count = if matches!(op, IntOp::Rol | IntOp::Ror) {
                self.compute(Ty::I64, Op::Rem { signed: true, a: count, b: width })
            } else {
                let large = self.compare_values(Cond::Gt, count, width, true);
                self.compute(Ty::I64, Op::Select { cond: large, a: width, b: count })
            };
            if ty == Ty::I64 { count } else { self.compute(ty, Op::Truncate(count)) }
        };
        let result = self.int(op, value, amount);
        if is_bool {
            let one = self.constant(Ty::I8, 1);
            return self.int(IntOp::And, result, one);
        }
        result
    }
}
