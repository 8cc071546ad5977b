//! Syntax tree to typed tree: looks up names, finds types, makes conversions explicit, folds constants.

mod call;
mod callee;
mod constant;
mod convert;
mod element;
mod expression;
pub(crate) mod fold;
mod library;
mod object;
mod place;
mod reference;
mod standard;
mod statement;
mod test;
mod vendor;

pub(crate) use constant::{constant, constant_integer, initial_value};

use crate::ast::{self, Literal};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, Mode, Value};
use crate::layout::Elementary;
use crate::model::Model;
use crate::span::Span;
use crate::types::{self, Type, TypeId, Types};

/// Checks the body of a POU and keeps it in the model.
pub(crate) fn body(model: &mut Model<'_>, pou: usize) {
    let statements = &model.pous[pou].decl.body;
    let mut checker = Checker::new(model, Some(pou));
    let body = checker.statements(statements);
    model.pous[pou].body = body;
    test::around(model, pou);
}

/// Works in the scope of one POU, or of no POU at file level.
pub(crate) struct Checker<'m, 'a> {
    pub(crate) model: &'m mut Model<'a>,
    pub(crate) scope: Option<usize>,
    /// Variables of the FOR loops around the current statement.
    loop_variables: Vec<usize>,
    /// Labels that JMP can reach from the current statement, with their numbers.
    labels: Vec<(std::rc::Rc<str>, usize)>,
    label_count: usize,
    /// A call whose ENO tells errors: it is computed at run time, where they are seen.
    unfolded: Option<Span>,
}

impl<'m, 'a> Checker<'m, 'a> {
    pub(crate) fn new(model: &'m mut Model<'a>, scope: Option<usize>) -> Self {
        Self { model, scope, loop_variables: Vec::new(), labels: Vec::new(), label_count: 0, unfolded: None }
    }

    fn types(&self) -> &Types<'a> {
        &self.model.types
    }

    fn report(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
    ) -> &mut crate::diagnostic::Finding {
        self.model.sink.report(code, span, message)
    }

    /// Reports a construct that Ed. 3 does not have.
    fn extension(&mut self, span: Span, what: &str) {
        let standard = self.scope.is_some_and(|pou| self.model.pou(pou).standard);
        if self.model.options.dialect == crate::Dialect::Iec && !standard {
            let message = format!("{what} is an extension that the dialect Iec does not have");
            self.report(Code::OutsideDialect, span, message);
        }
    }

    /// Reports a construct that only the dominant vendors' dialect has.
    fn vendor_extension(&mut self, span: Span, what: &str) {
        if self.model.options.dialect != crate::Dialect::Codesys {
            let message = format!("{what} is an extension that only the dialect Codesys has");
            self.report(Code::OutsideDialect, span, message)
                .help("set `spec.program.dialect: Codesys` (`--dialect codesys`)");
        }
    }

    fn type_name(&self, ty: TypeId) -> String {
        self.types().name(ty)
    }

    fn poison(span: Span) -> Expr {
        Expr { kind: ExprKind::Poison, ty: Types::POISON, span }
    }

    /// Makes a node; folds it if all it needs is constant.
    fn make(&self, kind: ExprKind, ty: TypeId, span: Span) -> Expr {
        let expr = Expr { kind, ty, span };
        if self.unfolded == Some(span) && Self::may_fail(&expr) {
            expr
        } else {
            fold::fold(self.types(), expr)
        }
    }

    /// Whether a function of typed values may have an error to tell.
    fn may_fail(expr: &Expr) -> bool {
        let operand = match &expr.kind {
            ExprKind::Convert(operand, _) | ExprKind::Binary(_, operand, _) => Some(&**operand),
            ExprKind::Choose(_, list) | ExprKind::Intrinsic(_, list) => list.first(),
            _ => None,
        };
        operand.is_some_and(|operand| !matches!(operand.ty, Types::ANY_INT | Types::ANY_REAL))
    }

    fn integer(value: i128, ty: TypeId, span: Span) -> Expr {
        Expr { kind: ExprKind::Const(Value::Int(value)), ty, span }
    }

    fn elementary(&self, ty: TypeId) -> Option<Elementary> {
        self.types().arithmetic(ty)
    }

    /// An untyped constant alone gets the first type that holds it.
    pub(crate) fn settle(&mut self, expr: Expr) -> Expr {
        match (&expr.kind, expr.ty) {
            (ExprKind::Const(Value::Int(v)), Types::ANY_INT) => {
                let e = alone(*v);
                self.coerce(expr, Types::elementary(e))
            }
            (_, Types::ANY_REAL) => self.coerce(expr, Types::elementary(Elementary::Lreal)),
            _ => expr,
        }
    }

    /// The expression as a value of the target type, or a message that it does not fit.
    pub(crate) fn coerce(&mut self, expr: Expr, target: TypeId) -> Expr {
        if expr.ty == target || target == Types::POISON {
            return expr;
        }
        if expr.ty == Types::POISON || matches!(expr.kind, ExprKind::Poison) {
            return Self::poison(expr.span);
        }
        if self.types().is_reference(target) || self.types().is_reference(expr.ty) {
            return self.coerce_reference(expr, target);
        }
        if let Type::Subrange { base, low, high } = *self.types().get(target) {
            let inner = self.coerce(expr, Types::elementary(base));
            return self.range_checked(inner, target, low, high);
        }
        match (&expr.kind, expr.ty) {
            (ExprKind::Const(Value::Int(v)), Types::ANY_INT) => {
                let value = *v;
                let codesys = self.model.options.dialect == crate::Dialect::Codesys;
                if codesys && matches!(self.types().get(target), Type::Enum(_)) {
                    return Expr { ty: target, ..expr };
                }
                return self.coerce_integer(expr, value, target);
            }
            (&ExprKind::Const(Value::Real(double) | Value::Decimal(double, _)), Types::ANY_REAL) => {
                if let Some(e @ (Elementary::Real | Elementary::Lreal)) = self.elementary(target) {
                    let value = match (&expr.kind, e) {
                        (ExprKind::Const(Value::Decimal(_, single)), Elementary::Real) => f64::from(*single),
                        (_, Elementary::Real) => f64::from(double as f32),
                        _ => double,
                    };
                    return Expr { kind: ExprKind::Const(Value::Real(value)), ty: target, span: expr.span };
                }
                let lreal = Types::elementary(Elementary::Lreal);
                let settled = Expr { ty: lreal, ..expr };
                return self.mismatch(&settled, target);
            }
            (ExprKind::Const(Value::Text(units)), _) => {
                if let Some(Elementary::Char | Elementary::Wchar) = self.elementary(target)
                    && let Type::Text { wide, .. } = self.types().get(expr.ty)
                    && *wide == (self.elementary(target) == Some(Elementary::Wchar))
                    && let [unit] = **units
                {
                    return Self::integer(i128::from(unit), target, expr.span);
                }
            }
            _ => {}
        }
        if self.vendors_enum(&expr, target) {
            let span = expr.span;
            return self.make(ExprKind::Convert(Box::new(expr), Mode::Value), target, span);
        }
        if !self.types().implicit(expr.ty, target) {
            return self.mismatch(&expr, target);
        }
        // Strings of any length fit: the assignment cuts.
        let both_text = matches!(self.types().get(target), Type::Text { .. })
            && matches!(self.types().get(expr.ty), Type::Text { .. });
        if both_text {
            return expr;
        }
        if self.types().vendor {
            self.warn_of_loss(&expr, target);
        }
        self.widen(expr, target)
    }

    /// What the vendors' dialect converts without being asked may lose a sign or digits.
    fn warn_of_loss(&mut self, expr: &Expr, target: TypeId) {
        let (Some(from), Some(to)) = (self.elementary(expr.ty), self.elementary(target)) else { return };
        let exact_bits = if to == Elementary::Real { 2 } else { 4 };
        let digits = types::is_real(to) && (from == Elementary::Lreal || from.size() > exact_bits);
        let sign = types::is_integer(from)
            && types::is_integer(to)
            && (types::is_signed(from) && !types::is_signed(to)
                || from.size() == to.size() && types::is_signed(from) != types::is_signed(to));
        if from == to || !(digits || sign) || matches!(expr.kind, ExprKind::Const(_)) {
            return;
        }
        let what = if digits { "digits" } else { "the sign" };
        let (have, want) = (from.name(), to.name());
        let source = self.model.excerpt(expr.span);
        self.report(Code::Narrowing, expr.span, format!("{have} to {want} may lose {what}"))
            .severity(crate::Severity::Warning)
            .help(format!("write {have}_TO_{want}({source}) if that is meant"));
    }

    /// The vendors' dialect assigns integers to enumerations, and these to integers.
    fn vendors_enum(&self, expr: &Expr, target: TypeId) -> bool {
        let is_enum = |ty| matches!(self.types().get(ty), Type::Enum(_));
        let integer = |ty| self.types().storage(ty).is_some_and(types::is_integer);
        self.model.options.dialect == crate::Dialect::Codesys
            && is_enum(target) != is_enum(expr.ty)
            && integer(expr.ty)
            && integer(target)
    }

    /// An implicit conversion. Integer arithmetic is done in the wider type already, so that
    /// `dint := int1 * int2` does not wrap at 16 bits.
    fn widen(&mut self, expr: Expr, target: TypeId) -> Expr {
        let integers = |id: TypeId, types: &Types<'_>| types.arithmetic(id).is_some_and(|e| types.counts(e));
        if integers(expr.ty, self.types()) && integers(target, self.types()) && expr.ty != target {
            let span = expr.span;
            match expr.kind {
                ExprKind::Binary(op, a, b) => {
                    let (a, b) = (self.widen(*a, target), self.widen(*b, target));
                    return self.make(ExprKind::Binary(op, Box::new(a), Box::new(b)), target, span);
                }
                ExprKind::Negate(a) => {
                    let a = self.widen(*a, target);
                    return self.make(ExprKind::Negate(Box::new(a)), target, span);
                }
                _ => {}
            }
        }
        if expr.ty == target {
            return expr;
        }
        let span = expr.span;
        match self.elementary(target) {
            Some(to) if self.types().vendor => self.number(expr, to, Mode::Value, span),
            _ => self.make(ExprKind::Convert(Box::new(expr), Mode::Value), target, span),
        }
    }

    fn range_checked(&mut self, expr: Expr, target: TypeId, low: i64, high: i64) -> Expr {
        let span = expr.span;
        match expr.kind {
            ExprKind::Poison => expr,
            ExprKind::Const(Value::Int(value)) => {
                if value < i128::from(low) || value > i128::from(high) {
                    let message = format!("{value} is outside {low}..{high}");
                    self.report(Code::ConstantRange, span, message);
                    return Self::poison(span);
                }
                Self::integer(value, target, span)
            }
            _ => Expr { kind: ExprKind::RangeCheck(Box::new(expr), low, high), ty: target, span },
        }
    }

    fn coerce_integer(&mut self, expr: Expr, value: i128, target: TypeId) -> Expr {
        let Some(e) = self.elementary(target) else {
            let settled = Expr { ty: Types::elementary(alone(value)), ..expr };
            return self.mismatch(&settled, target);
        };
        if types::is_real(e) {
            let real = if e == Elementary::Real { f64::from(value as f32) } else { value as f64 };
            return Expr { kind: ExprKind::Const(Value::Real(real)), ty: target, span: expr.span };
        }
        let takes_integers = types::is_integer(e) || types::is_bits(e);
        if !takes_integers {
            let settled = Expr { ty: Types::elementary(alone(value)), ..expr };
            return self.mismatch(&settled, target);
        }
        let (low, high) = types::range(e);
        if value < low || value > high {
            let message = format!("{value} does not fit {} ({low}..{high})", e.name());
            self.report(Code::LiteralOutOfRange, expr.span, message);
            return Self::poison(expr.span);
        }
        Self::integer(value, target, expr.span)
    }

    /// Reports that a value does not fit, with the conversion that would make it fit.
    fn mismatch(&mut self, expr: &Expr, target: TypeId) -> Expr {
        let (have, want) = (self.type_name(expr.ty), self.type_name(target));
        let source = self.model.excerpt(expr.span);
        let convertible = match (self.types().storage(expr.ty), self.types().storage(target)) {
            (Some(_), Some(_)) if matches!(self.types().get(target), Type::Enum(_)) => false,
            (Some(a), Some(b)) => convert::exists(a, b),
            (Some(_), None) | (None, Some(_)) => {
                let text = |ty| matches!(self.types().get(ty), Type::Text { .. });
                text(expr.ty) || text(target)
            }
            _ => false,
        };
        let code = if self.loses(expr.ty, target) { Code::Narrowing } else { Code::TypeMismatch };
        let literal = matches!((self.types().get(expr.ty), self.types().get(target)),
            (Type::Text { wide: a, .. }, Type::Text { wide: b, .. }) if a != b);
        let plain = |name: String| name.split('[').next().unwrap_or_default().to_owned();
        let help = if literal && matches!(expr.kind, ExprKind::Const(_)) {
            Some("STRING literals stand in '…', WSTRING literals in \"…\"".to_owned())
        } else if convertible {
            let from = match self.types().storage(expr.ty) {
                Some(e) => e.name().to_owned(),
                None => plain(have.clone()),
            };
            let to = match self.types().storage(target) {
                Some(e) => e.name().to_owned(),
                None => plain(want.clone()),
            };
            Some(format!("write {from}_TO_{to}({source})"))
        } else {
            None
        };
        let finding = self.report(code, expr.span, format!("cannot assign {have} to {want}"));
        if let Some(help) = help {
            finding.help(help);
        }
        Self::poison(expr.span)
    }

    /// Whether a conversion would be legal, only not without loss.
    fn loses(&self, from: TypeId, to: TypeId) -> bool {
        let is_enum = |ty| matches!(self.types().get(ty), Type::Enum(_));
        if is_enum(from) && is_enum(to) {
            return false;
        }
        match (self.elementary(from), self.elementary(to)) {
            (Some(a), Some(b)) => {
                convert::is_number(a) && convert::is_number(b) || types::is_bits(a) && types::is_bits(b)
            }
            _ => false,
        }
    }

    /// The expression must be a BOOL.
    fn condition(&mut self, expr: &ast::Expr) -> Expr {
        let condition = self.expr(expr, Some(Types::BOOL));
        let condition = match (&condition.kind, condition.ty) {
            (ExprKind::Const(Value::Int(0 | 1)), Types::ANY_INT) => self.coerce(condition, Types::BOOL),
            _ => self.settle(condition),
        };
        if condition.ty != Types::BOOL && condition.ty != Types::POISON {
            let message = format!("a condition must be BOOL, not {}", self.type_name(condition.ty));
            let source = self.model.excerpt(expr.span);
            let numeric = self.elementary(condition.ty).is_some();
            let finding = self.report(Code::ConditionNotBool, expr.span, message);
            if numeric {
                finding.help(format!("write `{source} <> 0`"));
            }
            return Self::poison(expr.span);
        }
        condition
    }

    fn literal(&mut self, value: &Literal, span: Span) -> Expr {
        let (value, ty) = match value {
            Literal::Integer(v) => (Value::Int(*v), Types::ANY_INT),
            Literal::Real(double, single) => (Value::Decimal(*double, *single), Types::ANY_REAL),
            Literal::Bool(v) => (Value::Int(i128::from(*v)), Types::BOOL),
            Literal::Temporal(e, ns) => (Value::Int(i128::from(*ns)), Types::elementary(*e)),
            Literal::String { wide, units } => {
                let capacity = units.len().clamp(1, usize::from(types::MAX_STRING)) as u16;
                if units.len() > usize::from(types::MAX_STRING) {
                    let message = format!("a string holds at most {} characters", types::MAX_STRING);
                    self.report(Code::BadStringLength, span, message);
                    return Self::poison(span);
                }
                let ty = self.model.types.text(*wide, capacity);
                (Value::Text(units.clone()), ty)
            }
        };
        Expr { kind: ExprKind::Const(value), ty, span }
    }
}

/// The type of an integer constant that meets no other.
fn alone(value: i128) -> Elementary {
    [Elementary::Int, Elementary::Dint, Elementary::Lint]
        .into_iter()
        .find(|e| {
            let (low, high) = types::range(*e);
            (low..=high).contains(&value)
        })
        .unwrap_or(Elementary::Ulint)
}
