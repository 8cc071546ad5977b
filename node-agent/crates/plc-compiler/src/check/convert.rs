//! The conversion functions `A_TO_B`, `TO_B`, `TRUNC`, `A_TRUNC_B`.

use super::Checker;
use crate::diagnostic::Code;
use crate::hir::{BinaryOp, Expr, ExprKind, Intrinsic, Mode, Value};
use crate::ir::IntOp;
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, Type, TypeId, Types};

const DAY_NS: i128 = 86_400_000_000_000;

/// Length of the text of a number or time.
const TEXT_LENGTH: u16 = 80;

pub(super) fn is_number(e: Elementary) -> bool {
    types::is_integer(e) || types::is_real(e)
}

/// Nanoseconds that one unit of a number stands for.
fn unit_ns(e: Elementary) -> i128 {
    match e {
        Elementary::Time | Elementary::Tod => 1_000_000,
        Elementary::Date | Elementary::Dt => 1_000_000_000,
        _ => 1,
    }
}

/// Whether `A_TO_B` exists.
pub(super) fn exists(from: Elementary, to: Elementary) -> bool {
    if types::is_temporal(from) && types::is_temporal(to) {
        return temporal(from, to).is_some();
    }
    true
}

#[derive(Clone, Copy)]
enum Temporal {
    Same,
    DateOf,
    TimeOf,
}

/// How one time or date becomes another.
fn temporal(from: Elementary, to: Elementary) -> Option<Temporal> {
    let family = |e| match e {
        Elementary::Time | Elementary::Ltime => 0,
        Elementary::Date | Elementary::Ldate => 1,
        Elementary::Tod | Elementary::Ltod => 2,
        _ => 3,
    };
    match (family(from), family(to)) {
        (a, b) if a == b => Some(Temporal::Same),
        (1, 3) => Some(Temporal::Same),
        (3, 1) => Some(Temporal::DateOf),
        (3, 2) => Some(Temporal::TimeOf),
        _ => None,
    }
}

/// What a conversion's name asks for.
pub(super) struct Conversion {
    /// `None`: any type.
    from: Option<Side>,
    to: Side,
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Elementary(Elementary),
    Text(bool),
    /// `TRUNC` alone: the type that the argument suggests.
    Integer,
}

fn side(name: &str) -> Option<Side> {
    match name {
        "STRING" => Some(Side::Text(false)),
        "WSTRING" => Some(Side::Text(true)),
        _ => crate::model::elementary_name(name).map(Side::Elementary),
    }
}

/// Reads the name of a conversion function.
pub(super) fn parse(key: &str) -> Option<Conversion> {
    if key == "TRUNC" {
        return Some(Conversion { from: None, to: Side::Integer, mode: Mode::Truncate });
    }
    if let Some(to) = key.strip_prefix("TO_").and_then(side) {
        return Some(Conversion { from: None, to, mode: Mode::Value });
    }
    if let Some(to) = key.strip_prefix("TRUNC_").and_then(side) {
        return Some(Conversion { from: None, to, mode: Mode::Truncate });
    }
    for (infix, mode) in [("_TO_", Mode::Value), ("_TRUNC_", Mode::Truncate)] {
        // TIME_OF_DAY and its kin contain no `_TO_`, so the split is unique.
        if let Some((from, to)) = key.split_once(infix) {
            return Some(Conversion { from: Some(side(from)?), to: side(to)?, mode });
        }
    }
    None
}

impl Checker<'_, '_> {
    pub(super) fn conversion(
        &mut self,
        name: &str,
        conversion: &Conversion,
        arg: Expr,
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let arg = match conversion.from {
            Some(Side::Elementary(e)) => {
                let closed_enum = matches!(self.types().get(arg.ty), Type::Enum(_));
                if closed_enum && self.types().storage(arg.ty) == Some(e) {
                    arg
                } else {
                    self.coerce(arg, Types::elementary(e))
                }
            }
            Some(Side::Text(wide)) => {
                let capacity = types::MAX_STRING;
                let ty = self.model.types.text(wide, capacity);
                self.coerce(arg, ty)
            }
            _ => self.settle(arg),
        };
        if matches!(arg.kind, ExprKind::Poison) {
            return Self::poison(span);
        }
        let storage = self.types().storage(arg.ty);
        match conversion.to {
            Side::Text(wide) => self.text_of(arg, wide, span),
            Side::Integer => match storage {
                Some(e) if is_number(e) => {
                    let to = self.whole_type(e, want);
                    self.number(arg, to, Mode::Truncate, span)
                }
                _ => self.no_conversion(name, &arg, span),
            },
            Side::Elementary(to) => match storage {
                Some(from) if types::is_temporal(from) || types::is_temporal(to) => {
                    self.time_conversion(name, arg, from, to, span)
                }
                Some(from) => {
                    let equal_width = matches!(
                        (from, to),
                        (Elementary::Dword, Elementary::Real)
                            | (Elementary::Real, Elementary::Dword)
                            | (Elementary::Lword, Elementary::Lreal)
                            | (Elementary::Lreal, Elementary::Lword)
                    );
                    if equal_width && !self.types().vendor {
                        let message = format!("{name} copies the bits, it does not convert the number");
                        self.report(Code::BitCopyConversion, span, message);
                    }
                    self.number(arg, to, conversion.mode, span)
                }
                None if matches!(self.types().get(arg.ty), Type::Text { .. }) => Expr {
                    kind: ExprKind::Convert(Box::new(arg), conversion.mode),
                    ty: Types::elementary(to),
                    span,
                },
                None => self.no_conversion(name, &arg, span),
            },
        }
    }

    fn no_conversion(&mut self, name: &str, arg: &Expr, span: Span) -> Expr {
        let message = format!("{name} does not take {}", self.type_name(arg.ty));
        self.report(Code::TypeMismatch, span, message);
        Self::poison(span)
    }

    pub(super) fn number(&mut self, arg: Expr, to: Elementary, mode: Mode, span: Span) -> Expr {
        let ty = Types::elementary(to);
        if arg.ty == ty {
            return Expr { span, ..arg };
        }
        // With the vendors a bit string is a number, between it and a real type too.
        let from = self.types().storage(arg.ty).filter(|_| self.types().vendor);
        if let Some(from) = from.filter(|from| types::is_real(*from) != types::is_real(to)) {
            let bits = if types::is_real(to) { from } else { to };
            if types::is_bits(bits) && bits != Elementary::Bool {
                let unsigned = Types::elementary(types::unsigned(bits));
                let whole = if types::is_real(to) {
                    self.make(ExprKind::Convert(Box::new(arg), Mode::Same), unsigned, span)
                } else {
                    self.make(ExprKind::Convert(Box::new(arg), mode), unsigned, span)
                };
                let last = if types::is_real(to) { mode } else { Mode::Same };
                return self.make(ExprKind::Convert(Box::new(whole), last), ty, span);
            }
        }
        self.make(ExprKind::Convert(Box::new(arg), mode), ty, span)
    }

    fn text_of(&mut self, arg: Expr, wide: bool, span: Span) -> Expr {
        let capacity = match self.types().get(arg.ty) {
            Type::Text { wide: same, .. } if *same == wide => return arg,
            Type::Text { capacity, .. } => *capacity,
            _ if self.types().storage(arg.ty).is_some() => TEXT_LENGTH,
            _ => return self.no_conversion(if wide { "TO_WSTRING" } else { "TO_STRING" }, &arg, span),
        };
        let ty = self.model.types.text(wide, capacity);
        Expr { kind: ExprKind::Convert(Box::new(arg), Mode::Value), ty, span }
    }

    /// Between times and numbers by their unit, between times and dates by meaning.
    fn time_conversion(
        &mut self,
        name: &str,
        arg: Expr,
        from: Elementary,
        to: Elementary,
        span: Span,
    ) -> Expr {
        let lint = Types::elementary(Elementary::Lint);
        let target = Types::elementary(to);
        let same =
            |c: &Self, e: Expr, ty: TypeId| c.make(ExprKind::Convert(Box::new(e), Mode::Same), ty, span);
        if types::is_temporal(from) && types::is_temporal(to) {
            let Some(how) = temporal(from, to) else { return self.no_conversion(name, &arg, span) };
            let ns = same(self, arg, lint);
            let result = match how {
                Temporal::Same => ns,
                Temporal::TimeOf => self.time_of_day(ns, span),
                Temporal::DateOf => self.midnight(ns, span),
            };
            return same(self, result, target);
        }
        if types::is_temporal(from) {
            let unit = unit_ns(from);
            let ns = same(self, arg, lint);
            if types::is_real(to) {
                let lreal = Types::elementary(Elementary::Lreal);
                let value = self.make(ExprKind::Convert(Box::new(ns), Mode::Value), lreal, span);
                let scale = Expr { kind: ExprKind::Const(Value::Real(unit as f64)), ty: lreal, span };
                let divide = BinaryOp::Float(crate::ir::FloatOp::Div);
                let scaled =
                    self.make(ExprKind::Binary(divide, Box::new(value), Box::new(scale)), lreal, span);
                return self.number(scaled, to, Mode::Value, span);
            }
            let scale = Self::integer(unit, lint, span);
            let scaled = if unit == 1 { ns } else { self.lint(BinaryOp::Divide, ns, scale, span) };
            return self.number(scaled, to, Mode::Value, span);
        }
        let unit = unit_ns(to);
        if types::is_real(from) {
            let lreal = Types::elementary(Elementary::Lreal);
            let value = self.number(arg, Elementary::Lreal, Mode::Value, span);
            let scale = Expr { kind: ExprKind::Const(Value::Real(unit as f64)), ty: lreal, span };
            let multiply = BinaryOp::Float(crate::ir::FloatOp::Mul);
            let scaled = self.make(ExprKind::Binary(multiply, Box::new(value), Box::new(scale)), lreal, span);
            let ns = self.number(scaled, Elementary::Lint, Mode::Value, span);
            return same(self, ns, target);
        }
        let value = self.number(arg, Elementary::Lint, Mode::Value, span);
        let scale = Self::integer(unit, lint, span);
        let ns = if unit == 1 { value } else { self.lint(BinaryOp::Int(IntOp::Mul), value, scale, span) };
        same(self, ns, target)
    }

    /// Nanoseconds since midnight, also before 1970.
    fn time_of_day(&mut self, ns: Expr, span: Span) -> Expr {
        let day = |ty| Self::integer(DAY_NS, ty, span);
        let lint = ns.ty;
        let rest = self.lint(BinaryOp::Modulo, ns, day(lint), span);
        let shifted = self.lint(BinaryOp::Int(IntOp::Add), rest, day(lint), span);
        self.lint(BinaryOp::Modulo, shifted, day(lint), span)
    }

    /// The start of the day, also before 1970.
    fn midnight(&mut self, ns: Expr, span: Span) -> Expr {
        // Counted from the first midnight that fits, and without sign, the quotient rounds down. The argument
        // stands here once: it may be a call.
        let first = i128::from(i64::MIN) / DAY_NS * DAY_NS;
        let (lint, ulint) = (ns.ty, Types::elementary(Elementary::Ulint));
        let unsigned = |c: &mut Self, op, a: Expr, by: i128| {
            let by = Self::integer(by, ulint, span);
            c.make(ExprKind::Binary(op, Box::new(a), Box::new(by)), ulint, span)
        };
        let ns = self.make(ExprKind::Convert(Box::new(ns), Mode::Value), ulint, span);
        let ns = unsigned(self, BinaryOp::Int(IntOp::Add), ns, -first);
        let days = unsigned(self, BinaryOp::Divide, ns, DAY_NS);
        let midnight = unsigned(self, BinaryOp::Int(IntOp::Mul), days, DAY_NS);
        let midnight = unsigned(self, BinaryOp::Int(IntOp::Sub), midnight, -first);
        self.make(ExprKind::Convert(Box::new(midnight), Mode::Value), lint, span)
    }

    pub(super) fn lint(&mut self, op: BinaryOp, a: Expr, b: Expr, span: Span) -> Expr {
        let ty = Types::elementary(Elementary::Lint);
        self.make(ExprKind::Binary(op, Box::new(a), Box::new(b)), ty, span)
    }

    /// ROUND, CEIL, FLOOR: the nearest integer, in the type that the context wants.
    pub(super) fn rounded(
        &mut self,
        f: crate::ir::MathFn,
        arg: Expr,
        want: Option<TypeId>,
        span: Span,
    ) -> Expr {
        let ty = arg.ty;
        let e = self.elementary(ty).unwrap_or(Elementary::Lreal);
        let whole = self.make(ExprKind::Intrinsic(Intrinsic::Math(f), vec![arg]), ty, span);
        if want.and_then(|want| self.elementary(want)).is_some_and(types::is_real) {
            return whole;
        }
        let to = self.whole_type(e, want);
        self.number(whole, to, Mode::Value, span)
    }

    /// The integer type that the context wants, else the one as wide as the real type.
    fn whole_type(&self, from: Elementary, want: Option<TypeId>) -> Elementary {
        match want.and_then(|want| self.elementary(want)) {
            Some(e) if types::is_integer(e) => e,
            _ if from == Elementary::Lreal => Elementary::Lint,
            _ => Elementary::Dint,
        }
    }
}
