//! Operators and operands.

use super::{Checker, alone};
use crate::ast::{self, BinaryOp as Op, ExprKind as Ast, Literal, Name, RefKind, UnaryOp};
use crate::diagnostic::Code;
use crate::hir::{BinaryOp, Expr, ExprKind, Intrinsic, Mode, Value};
use crate::ir::{Cond, FloatOp, IntOp};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, Type, TypeId, Types};

/// What a comparison operator asks.
pub(super) fn condition(op: Op) -> Cond {
    match op {
        Op::Equal => Cond::Eq,
        Op::NotEqual => Cond::Ne,
        Op::Less => Cond::Lt,
        Op::LessEqual => Cond::Le,
        Op::Greater => Cond::Gt,
        _ => Cond::Ge,
    }
}

impl Checker<'_, '_> {
    /// Checks an expression. `want` is what the context would like: it decides between enumeration values of
    /// one name and is no promise.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, want: Option<TypeId>) -> Expr {
        let span = expr.span;
        match &expr.kind {
            Ast::Error => Self::poison(span),
            Ast::Literal { value, ty: None } => self.literal(value, span),
            Ast::Literal { value, ty: Some(ty) } => self.typed_literal(value, ty, span),
            Ast::Qualified { ty, value } => self.qualified(ty, value, span),
            Ast::Name(_)
            | Ast::Member(..)
            | Ast::Index(..)
            | Ast::Part(..)
            | Ast::Address(_)
            | Ast::Deref(_)
            | Ast::This
            | Ast::Super => self.value_of_place(expr, want),
            Ast::Null => Self::integer(0, Types::NULL, span),
            Ast::Unary(op, operand) => self.unary(*op, operand, span),
            Ast::Binary(op, op_span, a, b) => self.binary(*op, *op_span, a, b, want, span),
            Ast::Call(callee, arguments) => self.call_expression(callee, arguments, want, span),
            Ast::Elements(_) | Ast::Members(_) => {
                let message = "an aggregate can only be an initial value";
                self.report(Code::InitialiserShape, span, message);
                Self::poison(span)
            }
        }
    }

    fn typed_literal(&mut self, value: &Literal, ty: &Name, span: Span) -> Expr {
        let Some(resolved) = self.model.find_type(ty, self.scope) else {
            self.report(Code::UnknownType, ty.span, format!("type `{}` is not declared", ty.text));
            return Self::poison(span);
        };
        let literal = self.literal(value, span);
        match (value, self.types().get(resolved.ty)) {
            (Literal::Bool(_), Type::Elementary(Elementary::Bool)) => literal,
            (Literal::String { wide, .. }, Type::Text { wide: target, .. }) => {
                if wide == target || literal.ty == Types::POISON {
                    literal
                } else {
                    self.coerce(literal, resolved.ty)
                }
            }
            (Literal::Integer(v), Type::Enum(_)) => Self::integer(*v, resolved.ty, span),
            // `CHAR#'A'` too.
            _ => self.coerce(literal, resolved.ty),
        }
    }

    /// `Color#Red`
    pub(super) fn qualified(&mut self, ty: &Name, value: &Name, span: Span) -> Expr {
        let Some(resolved) = self.model.find_type(ty, self.scope) else {
            self.report(Code::UnknownType, ty.span, format!("type `{}` is not declared", ty.text));
            return Self::poison(span);
        };
        self.enum_value(resolved.ty, value, span)
    }

    pub(super) fn enum_value(&mut self, ty: TypeId, value: &Name, span: Span) -> Expr {
        let Type::Enum(index) = *self.types().get(ty) else {
            if ty != Types::POISON {
                let message = format!("`{}` is no enumeration", self.type_name(ty));
                self.report(Code::NotAValue, span, message);
            }
            return Self::poison(span);
        };
        let values = &self.types().enums[index].values;
        if let Some((_, v)) = values.iter().find(|(name, _)| name.key == value.key) {
            return Self::integer(*v, ty, span);
        }
        let names: Vec<String> = values.iter().map(|(name, _)| name.text.to_string()).collect();
        self.unknown_member(value, ty, &names);
        Self::poison(span)
    }

    fn unary(&mut self, op: UnaryOp, operand: &ast::Expr, span: Span) -> Expr {
        let inner = self.expr(operand, None);
        if matches!(inner.kind, ExprKind::Poison) {
            return Self::poison(span);
        }
        let e = self.elementary(inner.ty);
        match op {
            UnaryOp::Plus | UnaryOp::Negate => {
                let numeric = matches!(inner.ty, Types::ANY_INT | Types::ANY_REAL)
                    || e.is_some_and(|e| {
                        self.types().counts(e) || types::is_real(e) || types::is_duration(e)
                    });
                if !numeric {
                    return self.bad_operand(if op == UnaryOp::Plus { "+" } else { "-" }, &inner, span);
                }
                if op == UnaryOp::Plus {
                    return Expr { span, ..inner };
                }
                let ty = e.map_or(inner.ty, Types::elementary);
                self.make(ExprKind::Negate(Box::new(inner)), ty, span)
            }
            UnaryOp::Not => {
                let inner = if inner.ty == Types::ANY_INT { self.settle(inner) } else { inner };
                match self.elementary(inner.ty) {
                    Some(e) if self.types().has_bits(e) => {
                        self.make(ExprKind::Not(Box::new(inner)), Types::elementary(e), span)
                    }
                    _ => self.bad_operand("NOT", &inner, span),
                }
            }
        }
    }

    fn bad_operand(&mut self, op: &str, operand: &Expr, span: Span) -> Expr {
        let have = self.type_name(operand.ty);
        let source = self.model.excerpt(operand.span);
        let storage = self.types().storage(operand.ty);
        let logical = matches!(op, "AND" | "OR" | "XOR" | "NOT");
        let finding = self.report(Code::BadOperand, span, format!("{op} does not take {have}"));
        if let Some(e) = storage {
            if logical && types::is_integer(e) {
                let bits = ["BYTE", "WORD", "DWORD", "LWORD"][e.size().trailing_zeros() as usize];
                finding.help(format!("write {}_TO_{bits}({source})", e.name()));
            } else if !logical && types::is_bits(e) && e != Elementary::Bool {
                let unsigned = ["USINT", "UINT", "UDINT", "ULINT"][e.size().trailing_zeros() as usize];
                finding.help(format!("write {}_TO_{unsigned}({source})", e.name()));
            }
        }
        Self::poison(span)
    }

    fn binary(
        &mut self,
        op: Op,
        op_span: Span,
        a: &ast::Expr,
        b: &ast::Expr,
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        // What is wanted of a comparison says nothing about its operands.
        let arithmetic = matches!(op, Op::Add | Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo);
        let want = want.filter(|_| arithmetic);
        let left = self.expr(a, want);
        let enum_hint =
            matches!(self.types().get(left.ty), Type::Enum(_) | Type::Interface(_)).then_some(left.ty);
        let right = self.expr(b, enum_hint.or(want));
        let (left, right) = self.settle_wide(left, right, want);
        self.operate(op, op_span, left, right, span)
    }

    /// Applies an operator to checked operands: also the function forms `ADD(a, b)`.
    pub(super) fn operate(&mut self, op: Op, op_span: Span, left: Expr, right: Expr, span: Span) -> Expr {
        if matches!(left.kind, ExprKind::Poison) || matches!(right.kind, ExprKind::Poison) {
            return Self::poison(span);
        }
        match op {
            Op::And | Op::Or | Op::Xor => self.logic(op, true, left, right, span),
            Op::Equal | Op::NotEqual | Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => {
                self.comparison(op, op_span, left, right, span)
            }
            _ => self.arithmetic(op, op_span, left, right, span),
        }
    }

    /// `shortcut`: BOOL operands evaluate the right side only if the left does not decide.
    pub(super) fn logic(&mut self, op: Op, shortcut: bool, left: Expr, right: Expr, span: Span) -> Expr {
        let Some((left, right, e)) = self.unify(left, right) else { return Self::poison(span) };
        let Some(e) = e.filter(|e| self.types().has_bits(*e)) else {
            let is_bits = |c: &Self, x: &Expr| c.elementary(x.ty).is_some_and(types::is_bits);
            let culprit = if is_bits(self, &left) { right } else { left };
            return self.bad_operand(op.text(), &culprit, span);
        };
        let ty = Types::elementary(e);
        if shortcut && e == Elementary::Bool && op != Op::Xor {
            if super::statement::has_side_effects(&right) {
                let message = format!("the call on the right of {} may be skipped", op.text());
                self.report(Code::SideEffectSkipped, right.span, message)
                    .help("call it before and keep its result in a variable");
            }
            let (a, b) = (Box::new(left), Box::new(right));
            return self.make(ExprKind::Shortcut { or: op == Op::Or, a, b }, ty, span);
        }
        let op = match op {
            Op::And => IntOp::And,
            Op::Or => IntOp::Or,
            _ => IntOp::Xor,
        };
        self.make(ExprKind::Binary(BinaryOp::Int(op), Box::new(left), Box::new(right)), ty, span)
    }

    fn comparison(&mut self, op: Op, op_span: Span, left: Expr, right: Expr, span: Span) -> Expr {
        let Some((left, right)) = self.comparable(op, op_span, left, right) else {
            return Self::poison(span);
        };
        let kind = ExprKind::Compare(condition(op), Box::new(left), Box::new(right));
        self.make(kind, Types::BOOL, span)
    }

    /// Brings two operands to a type in which they can be compared. `None`: already reported.
    pub(super) fn comparable(
        &mut self,
        op: Op,
        op_span: Span,
        left: Expr,
        right: Expr,
    ) -> Option<(Expr, Expr)> {
        if self.types().is_reference(left.ty) || self.types().is_reference(right.ty) {
            return self.comparable_as_references(op, op_span, left, right);
        }
        let text = |c: &Self, x: &Expr| matches!(c.types().get(x.ty), Type::Text { .. });
        if left.ty == right.ty && matches!(self.types().get(left.ty), Type::Enum(_)) {
            return Some((left, right));
        }
        if text(self, &left) || text(self, &right) {
            let (left, right) = if text(self, &left) && !self.types().implicit(left.ty, right.ty) {
                let ty = left.ty;
                (left, self.coerce(right, ty))
            } else if text(self, &left) && text(self, &right) {
                (left, right)
            } else {
                let ty = right.ty;
                // `c = 'A'` compares characters when the other side is one.
                if self.elementary(left.ty).is_some() && matches!(right.kind, ExprKind::Const(_)) {
                    let ty = left.ty;
                    (left, self.coerce(right, ty))
                } else {
                    (self.coerce(left, ty), right)
                }
            };
            let poisoned = |x: &Expr| matches!(x.kind, ExprKind::Poison);
            return (!poisoned(&left) && !poisoned(&right)).then_some((left, right));
        }
        let (left_ty, right_ty) = (left.ty, right.ty);
        let (left, right, e) = self.unify(left, right)?;
        if e.is_none() && left.ty != Types::ANY_INT && left.ty != Types::ANY_REAL {
            let (a, b) = (self.type_name(left_ty), self.type_name(right_ty));
            self.report(Code::BadOperand, op_span, format!("{} does not compare {a} and {b}", op.text()));
            return None;
        }
        Some((left, right))
    }

    fn comparable_as_references(
        &mut self,
        op: Op,
        op_span: Span,
        left: Expr,
        right: Expr,
    ) -> Option<(Expr, Expr)> {
        let codesys = self.model.options.dialect == crate::Dialect::Codesys;
        let zero = |x: &Expr| codesys && matches!(x.kind, ExprKind::Const(Value::Int(0)));
        let pointer = |c: &Self, x: &Expr| {
            matches!(c.types().get(x.ty), Type::Reference { kind: RefKind::Pointer, .. })
        };
        let pointers = pointer(self, &left) && pointer(self, &right);
        let ordered = !matches!(op, Op::Equal | Op::NotEqual);
        let fits = zero(&left) || zero(&right) || self.comparable_references(left.ty, right.ty);
        if !fits || ordered && !pointers {
            let (a, b) = (self.type_name(left.ty), self.type_name(right.ty));
            self.report(Code::BadOperand, op_span, format!("{} does not compare {a} and {b}", op.text()));
            return None;
        }
        let null = |x: Expr| if zero(&x) { Expr { ty: Types::NULL, ..x } } else { x };
        Some((null(left), null(right)))
    }

    /// Brings two operands to one type. The elementary type is absent for untyped constants and for what has
    /// none. `None`: already reported.
    pub(super) fn unify(&mut self, left: Expr, right: Expr) -> Option<(Expr, Expr, Option<Elementary>)> {
        let untyped = |x: &Expr| matches!(x.ty, Types::ANY_INT | Types::ANY_REAL);
        let (left, right) = match (untyped(&left), untyped(&right)) {
            (true, true) => {
                if left.ty == right.ty {
                    return Some((left, right, None));
                }
                // An integer and a real constant: both real.
                let real = |c: &mut Self, x: Expr| {
                    if x.ty == Types::ANY_REAL {
                        return x;
                    }
                    let span = x.span;
                    let lreal = c.coerce(x, Types::elementary(Elementary::Lreal));
                    Expr { ty: Types::ANY_REAL, span, ..lreal }
                };
                return Some((real(self, left), real(self, right), None));
            }
            (true, false) => {
                let left = self.settle_beside(left, right.ty);
                (left, right)
            }
            (false, true) => {
                let right = self.settle_beside(right, left.ty);
                (left, right)
            }
            (false, false) => (left, right),
        };
        let poisoned = |x: &Expr| matches!(x.kind, ExprKind::Poison);
        if poisoned(&left) || poisoned(&right) {
            return None;
        }
        match (self.elementary(left.ty), self.elementary(right.ty)) {
            (Some(a), Some(b)) => {
                let Some(e) = self.types().common(a, b) else {
                    let span = left.span.to(right.span);
                    let message = format!("{} and {} have no common type", a.name(), b.name());
                    let (target, other, culprit) =
                        if a.size() >= b.size() { (a, b, &right) } else { (b, a, &left) };
                    let source = self.model.excerpt(culprit.span);
                    let help = format!("write {}_TO_{}({source})", other.name(), target.name());
                    self.report(Code::NoCommonType, span, message).help(help);
                    return None;
                };
                let ty = Types::elementary(e);
                let (left, right) = (self.as_common(left, ty), self.as_common(right, ty));
                Some((left, right, Some(e)))
            }
            _ if left.ty == right.ty => Some((left, right, None)),
            _ => {
                let (a, b) = (self.type_name(left.ty), self.type_name(right.ty));
                let span = left.span.to(right.span);
                self.report(Code::NoCommonType, span, format!("{a} and {b} have no common type"));
                None
            }
        }
    }

    fn as_common(&mut self, expr: Expr, ty: TypeId) -> Expr {
        // Subranges and open enumerations compute in their storage.
        if expr.ty != ty && self.elementary(expr.ty).map(Types::elementary) == Some(ty) {
            let span = expr.span;
            return self.make(ExprKind::Convert(Box::new(expr), Mode::Same), ty, span);
        }
        if self.types().vendor && self.elementary(expr.ty).is_some() && expr.ty != ty {
            return self.widen(expr, ty);
        }
        self.coerce(expr, ty)
    }

    /// A constant too large for the operand beside it may have the wider integer type that the context asks
    /// for: the arithmetic is done in that type anyway.
    pub(super) fn settle_wide(&mut self, left: Expr, right: Expr, want: Option<TypeId>) -> (Expr, Expr) {
        let Some(e) = want.and_then(|want| self.elementary(want)).filter(|e| types::is_integer(*e)) else {
            return (left, right);
        };
        let wanted = Types::elementary(e);
        let too_large = |c: &Self, constant: &Expr, other: &Expr| match (&constant.kind, constant.ty) {
            (ExprKind::Const(Value::Int(v)), Types::ANY_INT) => {
                let (low, high) = types::range(e);
                c.types().implicit(other.ty, wanted)
                    && (low..=high).contains(v)
                    && c.elementary(other.ty).is_some_and(|o| {
                        let (low, high) = types::range(o);
                        types::is_integer(o) && !(low..=high).contains(v)
                    })
            }
            _ => false,
        };
        if too_large(self, &left, &right) {
            return (self.coerce(left, wanted), right);
        }
        if too_large(self, &right, &left) {
            return (left, self.coerce(right, wanted));
        }
        (left, right)
    }

    /// Types an untyped constant by the operand beside it.
    fn settle_beside(&mut self, expr: Expr, other: TypeId) -> Expr {
        let Some(e) = self.elementary(other) else { return self.settle(expr) };
        match (&expr.kind, expr.ty) {
            (ExprKind::Const(Value::Int(v)), Types::ANY_INT) => {
                let (low, high) = types::range(e);
                let fits = (low..=high).contains(v);
                if types::is_real(e) || (fits && (types::is_integer(e) || types::is_bits(e))) {
                    return self.coerce(expr, Types::elementary(e));
                }
                if types::is_bits(e) || types::is_integer(e) {
                    let value = *v;
                    return self.coerce_integer(expr, value, Types::elementary(e));
                }
                let ty = Types::elementary(alone(*v));
                self.coerce(expr, ty)
            }
            (_, Types::ANY_REAL) => {
                let small = matches!(e, Elementary::Real) || types::is_integer(e) && e.size() <= 2;
                let real = if small { Elementary::Real } else { Elementary::Lreal };
                self.coerce(expr, Types::elementary(real))
            }
            _ => expr,
        }
    }

    fn arithmetic(&mut self, op: Op, op_span: Span, left: Expr, right: Expr, span: Span) -> Expr {
        if self.types().is_reference(left.ty) || self.types().is_reference(right.ty) {
            return self.pointer_arithmetic(op, left, right, span);
        }
        let temporal = |c: &Self, x: &Expr| c.elementary(x.ty).is_some_and(types::is_temporal);
        if temporal(self, &left) || temporal(self, &right) {
            return self.time_arithmetic(op, left, right, span);
        }
        for operand in [&left, &right] {
            if matches!(self.types().get(operand.ty), Type::Text { .. }) {
                let operand = operand.clone();
                return self.bad_operand(op.text(), &operand, span);
            }
        }
        if op == Op::Power {
            return self.power(left, right, span);
        }
        let Some((left, right, e)) = self.unify(left, right) else { return Self::poison(span) };
        let ty = left.ty;
        let real = ty == Types::ANY_REAL || e.is_some_and(types::is_real);
        let integer = ty == Types::ANY_INT || e.is_some_and(|e| self.types().counts(e));
        if !(real && op != Op::Modulo || integer) {
            let numeric = |c: &Self, x: &Expr| c.elementary(x.ty).is_some_and(types::is_integer);
            let culprit = if numeric(self, &left) { right } else { left };
            return self.bad_operand(op.text(), &culprit, span);
        }
        let kind = match op {
            Op::Add if real => BinaryOp::Float(FloatOp::Add),
            Op::Subtract if real => BinaryOp::Float(FloatOp::Sub),
            Op::Multiply if real => BinaryOp::Float(FloatOp::Mul),
            Op::Divide if real => BinaryOp::Float(FloatOp::Div),
            Op::Add => BinaryOp::Int(IntOp::Add),
            Op::Subtract => BinaryOp::Int(IntOp::Sub),
            Op::Multiply => BinaryOp::Int(IntOp::Mul),
            Op::Modulo => BinaryOp::Modulo,
            _ => BinaryOp::Divide,
        };
        if kind == BinaryOp::Divide && matches!(right.kind, ExprKind::Const(Value::Int(0))) {
            self.report(Code::ConstantDivision, op_span, "division by the constant 0");
            return Self::poison(span);
        }
        let ty = e.map_or(ty, Types::elementary);
        let untyped_int = ty == Types::ANY_INT;
        let result = self.make(ExprKind::Binary(kind, Box::new(left), Box::new(right)), ty, span);
        self.exact(result, untyped_int)
    }

    /// Untyped constants must fold: if they do not, they are too large.
    fn exact(&mut self, expr: Expr, untyped: bool) -> Expr {
        if untyped && !matches!(expr.kind, ExprKind::Const(_)) {
            self.report(Code::ConstantOverflow, expr.span, "the constant does not fit 64 bits");
            return Self::poison(expr.span);
        }
        expr
    }

    fn power(&mut self, left: Expr, right: Expr, span: Span) -> Expr {
        let integer = |c: &Self, x: &Expr| {
            x.ty == Types::ANY_INT || c.elementary(x.ty).is_some_and(|e| c.types().counts(e))
        };
        if integer(self, &left) && integer(self, &right) {
            let ty = left.ty;
            if ty == Types::ANY_INT && right.ty == Types::ANY_INT {
                let kind = ExprKind::Binary(BinaryOp::Power, Box::new(left), Box::new(right));
                let result = self.make(kind, ty, span);
                return self.exact(result, true);
            }
            // The exponent has its own type; the base decides the type of the result.
            let left = self.settle(left);
            let result = self.elementary(left.ty).map_or(left.ty, Types::elementary);
            let lint = |c: &mut Self, x: Expr| {
                let x = c.settle(x);
                let inner = x.span;
                c.make(
                    ExprKind::Convert(Box::new(x), Mode::Value),
                    Types::elementary(Elementary::Lint),
                    inner,
                )
            };
            let (a, b) = (lint(self, left), lint(self, right));
            let wide = self.lint(BinaryOp::Power, a, b, span);
            return self.make(ExprKind::Convert(Box::new(wide), Mode::Value), result, span);
        }
        let Some((left, right, e)) = self.unify(left, right) else { return Self::poison(span) };
        let untyped = left.ty == Types::ANY_REAL;
        if !untyped && !e.is_some_and(types::is_real) {
            return self.bad_operand("**", &left, span);
        }
        let ty = e.map_or(left.ty, Types::elementary);
        self.make(ExprKind::Binary(BinaryOp::Power, Box::new(left), Box::new(right)), ty, span)
    }

    /// Sums of times and dates, products and quotients with numbers.
    fn time_arithmetic(&mut self, op: Op, left: Expr, right: Expr, span: Span) -> Expr {
        use Elementary as E;
        let (a, b) = (self.elementary(left.ty), self.elementary(right.ty));
        let duration = |e: Option<E>| e.is_some_and(types::is_duration);
        let number = |c: &Self, x: &Expr| {
            matches!(x.ty, Types::ANY_INT | Types::ANY_REAL)
                || c.elementary(x.ty).is_some_and(|e| c.types().counts(e) || types::is_real(e))
        };
        let long = |e: E| matches!(e, E::Ltime | E::Ldate | E::Ltod | E::Ldt);
        let int_op = if op == Op::Add { BinaryOp::Int(IntOp::Add) } else { BinaryOp::Int(IntOp::Sub) };
        match (op, a, b) {
            (Op::Add | Op::Subtract, Some(x), Some(y)) if duration(a) && duration(b) => {
                let ty = if x == E::Ltime || y == E::Ltime { E::Ltime } else { E::Time };
                self.nanoseconds(int_op, left, right, ty, span)
            }
            (Op::Add, Some(x), Some(_)) if duration(a) && !duration(b) => {
                let _ = x;
                let ty = b.unwrap_or(E::Dt);
                if matches!(ty, E::Date | E::Ldate) || !types::is_temporal(ty) {
                    return self.bad_operand("+", &left, span);
                }
                self.nanoseconds(int_op, left, right, ty, span)
            }
            (Op::Add | Op::Subtract, Some(x), Some(_))
                if duration(b) && matches!(x, E::Tod | E::Ltod | E::Dt | E::Ldt) =>
            {
                self.nanoseconds(int_op, left, right, x, span)
            }
            (Op::Subtract, Some(x), Some(y))
                if types::is_temporal(x) && self.types().common(x, y).is_some() =>
            {
                let ty = if long(x) || long(y) { E::Ltime } else { E::Time };
                self.nanoseconds(int_op, left, right, ty, span)
            }
            (Op::Multiply, Some(x), _) if duration(a) && number(self, &right) => {
                self.scale(op, left, right, x, span)
            }
            (Op::Multiply, _, Some(y)) if duration(b) && number(self, &left) => {
                self.scale(op, right, left, y, span)
            }
            (Op::Divide, Some(x), _) if duration(a) && number(self, &right) => {
                self.scale(op, left, right, x, span)
            }
            _ => {
                let (a, b) = (self.type_name(left.ty), self.type_name(right.ty));
                self.report(Code::BadOperand, span, format!("{} does not take {a} and {b}", op.text()));
                Self::poison(span)
            }
        }
    }

    fn nanoseconds(&mut self, op: BinaryOp, a: Expr, b: Expr, ty: Elementary, span: Span) -> Expr {
        let lint = Types::elementary(Elementary::Lint);
        let same = |c: &Self, e: Expr, ty| c.make(ExprKind::Convert(Box::new(e), Mode::Same), ty, span);
        let (a, b) = (same(self, a, lint), same(self, b, lint));
        let result = self.lint(op, a, b, span);
        same(self, result, Types::elementary(ty))
    }

    /// A duration times or divided by a number, rounded to nanoseconds.
    fn scale(&mut self, op: Op, time: Expr, factor: Expr, ty: Elementary, span: Span) -> Expr {
        let lint = Types::elementary(Elementary::Lint);
        let target = Types::elementary(ty);
        let ns = self.make(ExprKind::Convert(Box::new(time), Mode::Same), lint, span);
        let factor = self.settle(factor);
        let to = |c: &Self, e: Expr, ty| c.make(ExprKind::Convert(Box::new(e), Mode::Value), ty, span);
        let result = if self.elementary(factor.ty).is_some_and(types::is_real) {
            let lreal = Types::elementary(Elementary::Lreal);
            let (ns, factor) = (to(self, ns, lreal), to(self, factor, lreal));
            let op = if op == Op::Multiply { FloatOp::Mul } else { FloatOp::Div };
            let kind = ExprKind::Binary(BinaryOp::Float(op), Box::new(ns), Box::new(factor));
            let value = self.make(kind, lreal, span);
            to(self, value, lint)
        } else {
            let factor = to(self, factor, lint);
            if op == Op::Divide && matches!(factor.kind, ExprKind::Const(Value::Int(0))) {
                self.report(Code::ConstantDivision, span, "division by the constant 0");
                return Self::poison(span);
            }
            if op == Op::Multiply {
                self.lint(BinaryOp::Int(IntOp::Mul), ns, factor, span)
            } else {
                self.make(ExprKind::Intrinsic(Intrinsic::NearestQuotient, vec![ns, factor]), lint, span)
            }
        };
        self.make(ExprKind::Convert(Box::new(result), Mode::Same), target, span)
    }
}
