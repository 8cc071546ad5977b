//! The standard functions (plc-engine §2.5).

use super::Checker;
use crate::ast::{Argument, BinaryOp as Op, Name};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, Intrinsic};
use crate::ir::{IntOp, MathFn};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, MAX_STRING, Type, TypeId, Types};

/// For did-you-mean.
pub(super) const NAMES: &[&str] = &[
    "ABS", "SQRT", "LN", "LOG", "EXP", "SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "ATAN2", "ADD", "SUB",
    "MUL", "DIV", "MOD", "EXPT", "MOVE", "SHL", "SHR", "ROL", "ROR", "AND", "OR", "XOR", "NOT", "SEL", "MAX",
    "MIN", "LIMIT", "MUX", "GT", "GE", "EQ", "LE", "LT", "NE", "LEN", "LEFT", "RIGHT", "MID", "CONCAT",
    "INSERT", "DELETE", "REPLACE", "FIND", "ROUND", "CEIL", "FLOOR", "TRUNC", "TIME", "LTIME", "ASSERT",
];

/// Those that Ed. 3 does not have.
const EXTENSIONS: [&str; 6] = ["TIME", "LTIME", "ASSERT", "ROUND", "CEIL", "FLOOR"];

/// `ADD_INT`: the overloaded name and the type that the arguments must have.
fn typed_form(key: &str) -> Option<(&str, Elementary)> {
    let (name, ty) = key.rsplit_once('_')?;
    let e = crate::model::elementary_name(ty)?;
    NAMES.contains(&name).then_some((name, e))
}

fn comparison(name: &str) -> Option<Op> {
    Some(match name {
        "GT" => Op::Greater,
        "GE" => Op::GreaterEqual,
        "EQ" => Op::Equal,
        "LE" => Op::LessEqual,
        "LT" => Op::Less,
        "NE" => Op::NotEqual,
        _ => return None,
    })
}

fn operator(name: &str) -> Option<Op> {
    Some(match name {
        "ADD" => Op::Add,
        "SUB" => Op::Subtract,
        "MUL" => Op::Multiply,
        "DIV" => Op::Divide,
        "MOD" => Op::Modulo,
        "EXPT" => Op::Power,
        "AND" => Op::And,
        "OR" => Op::Or,
        "XOR" => Op::Xor,
        _ => return None,
    })
}

fn math(name: &str) -> Option<MathFn> {
    Some(match name {
        "SQRT" => MathFn::Sqrt,
        "LN" => MathFn::Ln,
        "LOG" => MathFn::Log10,
        "EXP" => MathFn::Exp,
        "SIN" => MathFn::Sin,
        "COS" => MathFn::Cos,
        "TAN" => MathFn::Tan,
        "ASIN" => MathFn::Asin,
        "ACOS" => MathFn::Acos,
        "ATAN" => MathFn::Atan,
        _ => return None,
    })
}

impl Checker<'_, '_> {
    /// `None`: no standard function has this name.
    pub(super) fn standard_call(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        want: Option<TypeId>,
        span: Span,
    ) -> Option<Expr> {
        let (key, typed) = match typed_form(&name.key) {
            Some((key, e)) => (key, Some(Types::elementary(e))),
            None => (name.key.as_ref(), None),
        };
        if !NAMES.contains(&key) {
            return None;
        }
        if EXTENSIONS.contains(&key) {
            self.extension(name.span, &format!("the function `{}`", name.text));
        }
        Some(
            self.standard(key, name, arguments, typed.or(want), typed, span)
                .unwrap_or_else(|| Self::poison(span)),
        )
    }

    fn standard(
        &mut self,
        key: &str,
        name: &Name,
        arguments: &[Argument],
        want: Option<TypeId>,
        typed: Option<TypeId>,
        span: Span,
    ) -> Option<Expr> {
        const PAIR: &[&str] = &["IN1", "IN2"];
        if let Some(op) = operator(key) {
            let least = 2;
            let mut args = self.positional(name, arguments, PAIR, least)?;
            if matches!(op, Op::Subtract | Op::Divide | Op::Modulo | Op::Power) && args.len() > 2 {
                return self.too_many(name, 2, args.len());
            }
            let is_time = typed.and_then(|ty| self.elementary(ty)).is_some_and(types::is_temporal);
            if is_time && matches!(op, Op::Multiply | Op::Divide) {
                // `MUL_TIME(t, 2)`: the factor is a number.
                let rest = args.split_off(1);
                args = self.typed_args(args, typed)?;
                args.extend(rest);
            } else {
                args = self.typed_args(args, typed)?;
            }
            let mut list = args.into_iter();
            let first = list.next()?;
            if matches!(op, Op::And | Op::Or | Op::Xor) {
                return Some(list.fold(first, |left, right| self.logic(op, false, left, right, span)));
            }
            return Some(list.fold(first, |left, right| self.operate(op, span, left, right, span)));
        }
        if let Some(op) = comparison(key) {
            let args = self.positional(name, arguments, PAIR, 2)?;
            if op == Op::NotEqual && args.len() > 2 {
                return self.too_many(name, 2, args.len());
            }
            let mut args = self.typed_args(args, typed)?;
            if args.len() > 2 {
                return self.chain(op, name, args, span);
            }
            let (right, left) = (args.pop()?, args.pop()?);
            return Some(self.operate(op, span, left, right, span));
        }
        if let Some(f) = math(key) {
            let arg = self.real_argument(name, arguments, want, typed)?;
            let ty = arg.ty;
            return Some(self.make(ExprKind::Intrinsic(Intrinsic::Math(f), vec![arg]), ty, span));
        }
        match key {
            "ATAN2" => {
                let mut args = self.positional(name, arguments, &["Y", "X"], 2)?;
                let (x, y) = (args.pop()?, args.pop()?);
                let (y, x, _) = self.unify(y, x)?;
                let (y, x) = (self.settle_real(y), self.settle_real(x));
                let ty = y.ty;
                if !self.elementary(ty).is_some_and(types::is_real) {
                    return self.refuse(name, &y);
                }
                Some(self.make(ExprKind::Intrinsic(Intrinsic::Atan2, vec![y, x]), ty, span))
            }
            "ROUND" | "CEIL" | "FLOOR" => {
                let f = match key {
                    "ROUND" => MathFn::Round,
                    "CEIL" => MathFn::Ceil,
                    _ => MathFn::Floor,
                };
                let arg = self.real_argument(name, arguments, want, typed)?;
                Some(self.rounded(f, arg, want, span))
            }
            "ABS" => {
                let args = self.exact_count(name, arguments, &["IN"])?;
                let arg = self.typed_args(args, typed)?.pop()?;
                if matches!(arg.ty, Types::ANY_INT | Types::ANY_REAL) {
                    let ty = arg.ty;
                    return Some(self.make(ExprKind::Intrinsic(Intrinsic::Abs, vec![arg]), ty, span));
                }
                match self.elementary(arg.ty) {
                    Some(e) if super::convert::is_number(e) || self.types().counts(e) => {
                        let ty = Types::elementary(e);
                        if self.types().counts(e) && !types::is_signed(e) {
                            return Some(arg);
                        }
                        Some(self.make(ExprKind::Intrinsic(Intrinsic::Abs, vec![arg]), ty, span))
                    }
                    _ => self.refuse(name, &arg),
                }
            }
            "NOT" => {
                let args = self.exact_count(name, arguments, &["IN"])?;
                let arg = self.typed_args(args, typed)?.pop()?;
                let arg = self.settle(arg);
                match self.elementary(arg.ty) {
                    Some(e) if self.types().has_bits(e) => {
                        Some(self.make(ExprKind::Not(Box::new(arg)), Types::elementary(e), span))
                    }
                    _ => self.refuse(name, &arg),
                }
            }
            "MOVE" => {
                let arg = self.exact_count(name, arguments, &["IN"])?.pop()?;
                Some(arg)
            }
            "SHL" | "SHR" | "ROL" | "ROR" => self.shift(key, name, arguments, want, span),
            "MIN" | "MAX" => {
                let args = self.positional(name, arguments, PAIR, 2)?;
                let args = self.typed_args(args, typed)?;
                let which = if key == "MIN" { Intrinsic::Min } else { Intrinsic::Max };
                let args = self.unify_all(args, want)?;
                let ty = args.first()?.ty;
                self.ordered(name, args.first()?)?;
                let mut list = args.into_iter();
                let first = list.next()?;
                Some(list.fold(first, |a, b| self.make(ExprKind::Intrinsic(which, vec![a, b]), ty, span)))
            }
            "LIMIT" => {
                let args = self.exact_count(name, arguments, &["MN", "IN", "MX"])?;
                let args = self.typed_args(args, typed)?;
                let args = self.unify_all(args, want)?;
                self.ordered(name, args.first()?)?;
                let ty = args.get(1)?.ty;
                Some(self.make(ExprKind::Intrinsic(Intrinsic::Limit, args), ty, span))
            }
            "SEL" => {
                let mut args = self.exact_count(name, arguments, &["G", "IN0", "IN1"])?;
                let rest = args.split_off(1);
                let selector = args.pop()?;
                let selector = self.coerce(selector, Types::BOOL);
                if matches!(selector.kind, ExprKind::Poison) {
                    return None;
                }
                let rest = self.unify_all(rest, want)?;
                let lint = Types::elementary(Elementary::Lint);
                let selector =
                    self.make(ExprKind::Convert(Box::new(selector), crate::hir::Mode::Value), lint, span);
                Some(self.choose(selector, rest, span))
            }
            "MUX" => {
                let mut args = self.positional(name, arguments, &["K", "IN0"], 2)?;
                let rest = args.split_off(1);
                let selector = args.pop()?;
                let selector = self.settle(selector);
                if !self.elementary(selector.ty).is_some_and(|e| self.types().counts(e)) {
                    return self.refuse(name, &selector);
                }
                let rest = self.unify_all(rest, want)?;
                let selector = self.as_index(selector);
                Some(self.choose(selector, rest, span))
            }
            "TIME" | "LTIME" => {
                if !arguments.is_empty() {
                    return self.too_many(name, 0, arguments.len());
                }
                let e = if key == "TIME" { Elementary::Time } else { Elementary::Ltime };
                let kind = ExprKind::Intrinsic(Intrinsic::Now, Vec::new());
                Some(Expr { kind, ty: Types::elementary(e), span })
            }
            "ASSERT" => {
                let arg = self.exact_count(name, arguments, &["IN"])?.pop()?;
                let arg = self.coerce(arg, Types::BOOL);
                let kind = ExprKind::Intrinsic(Intrinsic::Assert, vec![arg]);
                Some(Expr { kind, ty: Types::VOID, span })
            }
            _ => self.text_function(key, name, arguments, span),
        }
    }

    fn too_many(&mut self, name: &Name, takes: usize, found: usize) -> Option<Expr> {
        let message = format!("`{}` takes {takes} arguments, not {found}", name.text);
        self.report(Code::WrongArgumentCount, name.span, message);
        None
    }

    pub(super) fn refuse(&mut self, name: &Name, arg: &Expr) -> Option<Expr> {
        if !matches!(arg.kind, ExprKind::Poison) {
            let message = format!("`{}` does not take {}", name.text, self.type_name(arg.ty));
            self.report(Code::TypeMismatch, arg.span, message);
        }
        None
    }

    pub(super) fn exact_count(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        names: &[&str],
    ) -> Option<Vec<Expr>> {
        let args = self.positional(name, arguments, names, names.len())?;
        if args.len() > names.len() {
            self.too_many(name, names.len(), args.len());
            return None;
        }
        Some(args)
    }

    /// Converts the arguments of a typed form such as `ADD_INT`.
    fn typed_args(&mut self, args: Vec<Expr>, typed: Option<TypeId>) -> Option<Vec<Expr>> {
        let Some(ty) = typed else { return Some(args) };
        let args: Vec<Expr> = args.into_iter().map(|arg| self.coerce(arg, ty)).collect();
        args.iter().all(|arg| !matches!(arg.kind, ExprKind::Poison)).then_some(args)
    }

    fn settle_real(&mut self, arg: Expr) -> Expr {
        let lreal = Types::elementary(Elementary::Lreal);
        if matches!(arg.ty, Types::ANY_INT | Types::ANY_REAL) { self.coerce(arg, lreal) } else { arg }
    }

    /// The argument of a function of reals. An integer variable converts only where nothing is lost.
    fn real_argument(
        &mut self,
        name: &Name,
        arguments: &[Argument],
        want: Option<TypeId>,
        typed: Option<TypeId>,
    ) -> Option<Expr> {
        let args = self.exact_count(name, arguments, &["IN"])?;
        let arg = self.typed_args(args, typed)?.pop()?;
        let untyped = matches!(arg.ty, Types::ANY_INT | Types::ANY_REAL);
        let wants_real = want.and_then(|want| self.elementary(want)) == Some(Elementary::Real);
        let arg = if untyped && wants_real {
            self.coerce(arg, Types::elementary(Elementary::Real))
        } else {
            self.settle_real(arg)
        };
        match self.elementary(arg.ty) {
            Some(e) if types::is_real(e) => Some(arg),
            Some(e) if self.types().counts(e) && self.types().vendor => {
                let real = if e.size() <= 2 { Elementary::Real } else { Elementary::Lreal };
                Some(self.coerce(arg, Types::elementary(real)))
            }
            Some(e) if types::is_integer(e) => {
                let source = self.model.excerpt(arg.span);
                let real = if e.size() <= 2 { "REAL" } else { "LREAL" };
                let message = format!("`{}` takes REAL or LREAL, not {}", name.text, e.name());
                self.report(Code::TypeMismatch, arg.span, message)
                    .help(format!("write {}_TO_{real}({source})", e.name()));
                None
            }
            _ => self.refuse(name, &arg),
        }
    }

    /// Brings all arguments to one type.
    fn unify_all(&mut self, args: Vec<Expr>, want: Option<TypeId>) -> Option<Vec<Expr>> {
        let mut list = args.into_iter();
        let mut done = vec![list.next()?];
        for arg in list {
            let last = done.pop()?;
            let text = |c: &Self, x: &Expr| matches!(c.types().get(x.ty), Type::Text { .. });
            if text(self, &last) && text(self, &arg) && self.types().implicit(last.ty, arg.ty) {
                done.push(last);
                done.push(arg);
                continue;
            }
            let (last, arg) = self.settle_wide(last, arg, want);
            let (a, b, _) = self.unify(last, arg)?;
            done.push(a);
            done.push(b);
        }
        let wide = done.iter().map(|arg| arg.ty).collect::<Vec<_>>();
        let text = matches!(self.types().get(wide[0]), Type::Text { .. });
        if text {
            return Some(done);
        }
        // Untyped constants alone take the type that the context wants.
        let untyped = done.iter().all(|arg| matches!(arg.ty, Types::ANY_INT | Types::ANY_REAL));
        let target = if untyped {
            let settled = self.settle(done.last()?.clone());
            match want {
                Some(want) if self.elementary(want).is_some_and(super::convert::is_number) => want,
                _ => settled.ty,
            }
        } else {
            done.last()?.ty
        };
        let done: Vec<Expr> = done.into_iter().map(|arg| self.coerce(arg, target)).collect();
        done.iter().all(|arg| !matches!(arg.kind, ExprKind::Poison)).then_some(done)
    }

    fn ordered(&mut self, name: &Name, arg: &Expr) -> Option<()> {
        let ordered =
            self.elementary(arg.ty).is_some() || matches!(self.types().get(arg.ty), Type::Text { .. });
        if !ordered {
            self.refuse(name, arg);
        }
        ordered.then_some(())
    }

    /// `GT(a, b, c)`: every argument is evaluated, once.
    fn chain(&mut self, op: Op, name: &Name, args: Vec<Expr>, span: Span) -> Option<Expr> {
        let is_text = |c: &Self, x: &Expr| matches!(c.types().get(x.ty), Type::Text { .. });
        let args = if args.iter().any(|arg| is_text(self, arg)) {
            args.into_iter().map(|arg| self.as_text(name, arg)).collect::<Option<Vec<_>>>()?
        } else {
            args
        };
        let args = self.unify_all(args, None)?;
        let first = args.first()?;
        if !matches!(self.types().get(first.ty), Type::Enum(_)) {
            self.ordered(name, first)?;
        }
        let kind = ExprKind::Intrinsic(Intrinsic::Chain(super::expression::condition(op)), args);
        Some(self.make(kind, Types::BOOL, span))
    }

    fn choose(&mut self, selector: Expr, list: Vec<Expr>, span: Span) -> Expr {
        let mut ty = list.first().map_or(Types::POISON, |arg| arg.ty);
        for arg in &list {
            // The longest string decides the room for the result.
            if let (Type::Text { capacity: a, .. }, Type::Text { capacity: b, .. }) =
                (self.types().get(arg.ty), self.types().get(ty))
                && a > b
            {
                ty = arg.ty;
            }
        }
        self.make(ExprKind::Choose(Box::new(selector), list), ty, span)
    }

    fn shift(
        &mut self,
        key: &str,
        name: &Name,
        arguments: &[Argument],
        want: Option<TypeId>,
        span: Span,
    ) -> Option<Expr> {
        let op = match key {
            "SHL" => IntOp::Shl,
            "SHR" => IntOp::Shr,
            "ROL" => IntOp::Rol,
            _ => IntOp::Ror,
        };
        let mut args = self.exact_count(name, arguments, &["IN", "N"])?;
        let (count, value) = (args.pop()?, args.pop()?);
        let count = self.settle(count);
        if !self.elementary(count.ty).is_some_and(|e| self.types().counts(e)) {
            return self.refuse(name, &count);
        }
        let value = match want {
            // `SHL(1, 4)` shifts in the type of its destination.
            Some(want) if value.ty == Types::ANY_INT && self.elementary(want).is_some() => {
                self.coerce(value, want)
            }
            _ => self.settle(value),
        };
        let shiftable = |e| types::is_bits(e) || types::is_integer(e);
        let Some(e) = self.elementary(value.ty).filter(|e| shiftable(*e)) else {
            return self.refuse(name, &value);
        };
        let count = self.as_index(count);
        let ty = Types::elementary(e);
        Some(self.make(ExprKind::Intrinsic(Intrinsic::Shift(op), vec![value, count]), ty, span))
    }

    fn text_function(&mut self, key: &str, name: &Name, arguments: &[Argument], span: Span) -> Option<Expr> {
        let int = Types::elementary(Elementary::Int);
        let (intrinsic, names): (Intrinsic, &[&str]) = match key {
            "LEN" => (Intrinsic::Length, &["IN"]),
            "LEFT" => (Intrinsic::Left, &["IN", "L"]),
            "RIGHT" => (Intrinsic::Right, &["IN", "L"]),
            "MID" => (Intrinsic::Mid, &["IN", "L", "P"]),
            "CONCAT" => (Intrinsic::Concat, &["IN1", "IN2"]),
            "INSERT" => (Intrinsic::Insert, &["IN1", "IN2", "P"]),
            "DELETE" => (Intrinsic::Delete, &["IN", "L", "P"]),
            "REPLACE" => (Intrinsic::Replace, &["IN1", "IN2", "L", "P"]),
            _ => (Intrinsic::Find, &["IN1", "IN2"]),
        };
        let args = if intrinsic == Intrinsic::Concat {
            self.positional(name, arguments, names, 2)?
        } else {
            self.exact_count(name, arguments, names)?
        };
        let mut checked = Vec::new();
        let mut wide_first = None;
        for (position, arg) in args.into_iter().enumerate() {
            let is_text = names.get(position).is_none_or(|n| n.starts_with("IN"));
            if is_text {
                let arg = self.as_text(name, arg)?;
                let Type::Text { wide, capacity } = *self.types().get(arg.ty) else { return None };
                if *wide_first.get_or_insert(wide) != wide {
                    return self.refuse(name, &arg);
                }
                checked.push((arg, capacity));
            } else {
                let arg = self.settle(arg);
                if !self.elementary(arg.ty).is_some_and(|e| self.types().counts(e)) {
                    return self.refuse(name, &arg);
                }
                checked.push((self.as_index(arg), 0));
            }
        }
        let wide = wide_first.unwrap_or(false);
        // Room for the longest result; the destination cuts it.
        let total: u32 = checked.iter().map(|(_, capacity)| u32::from(*capacity)).sum();
        let capacity = total.clamp(1, u32::from(MAX_STRING)) as u16;
        let args: Vec<Expr> = checked.into_iter().map(|(arg, _)| arg).collect();
        if intrinsic == Intrinsic::Concat && args.len() > 2 {
            let mut list = args.into_iter();
            let first = list.next()?;
            return Some(list.fold(first, |a, b| {
                let ty = self.model.types.text(wide, capacity);
                Expr { kind: ExprKind::Intrinsic(Intrinsic::Concat, vec![a, b]), ty, span }
            }));
        }
        let ty = match intrinsic {
            Intrinsic::Length | Intrinsic::Find => int,
            _ => self.model.types.text(wide, capacity),
        };
        Some(self.make(ExprKind::Intrinsic(intrinsic, args), ty, span))
    }

    /// A character stands for a string of length 1.
    fn as_text(&mut self, name: &Name, arg: Expr) -> Option<Expr> {
        match self.types().get(arg.ty) {
            Type::Text { .. } => Some(arg),
            Type::Elementary(Elementary::Char) => {
                let ty = self.model.types.text(false, 1);
                Some(self.coerce(arg, ty))
            }
            Type::Elementary(Elementary::Wchar) => {
                let ty = self.model.types.text(true, 1);
                Some(self.coerce(arg, ty))
            }
            _ => {
                self.refuse(name, &arg);
                None
            }
        }
    }
}
