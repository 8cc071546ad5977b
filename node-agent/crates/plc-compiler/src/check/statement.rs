//! Statements.

use super::Checker;
use super::test::TestCall;
use crate::ast::{self, CaseArm, ExprKind as Ast};
use crate::diagnostic::Code;
use crate::hir::{Expr, ExprKind, For, Mode, Receiver, Root, Stmt, StmtKind, Value};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, Type, Types};

/// Whether an expression calls something that may change state.
pub(super) fn has_side_effects(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call(call) => !call.outputs.is_empty() || !call.in_outs.is_empty(),
        ExprKind::Convert(a, _) | ExprKind::RangeCheck(a, ..) | ExprKind::Negate(a) | ExprKind::Not(a) => {
            has_side_effects(a)
        }
        ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::Shortcut { a, b, .. } => {
            has_side_effects(a) || has_side_effects(b)
        }
        _ => false,
    }
}

impl Checker<'_, '_> {
    pub(super) fn statements(&mut self, list: &[ast::Stmt]) -> Vec<Stmt> {
        let visible = self.labels.len();
        self.declare_labels(list);
        let mut checked = Vec::with_capacity(list.len());
        for statement in list {
            if self.model.sink.is_full() {
                break;
            }
            if let Some(kind) = self.statement(statement) {
                checked.push(Stmt { kind, span: statement.span });
            }
        }
        self.labels.truncate(visible);
        checked
    }

    fn statement(&mut self, statement: &ast::Stmt) -> Option<StmtKind> {
        Some(match &statement.kind {
            ast::StmtKind::Assign { target, value } => self.assignment(target, value)?,
            ast::StmtKind::Chain { targets, value } => self.chained(targets, value)?,
            ast::StmtKind::Attempt { target, value } => self.attempt(target, value, statement.span)?,
            ast::StmtKind::Bind { target, value } => self.bind(target, value)?,
            ast::StmtKind::Latch { target, set, condition } => self.latch(target, *set, condition)?,
            ast::StmtKind::Label(name) => StmtKind::Label(self.label_number(name)),
            ast::StmtKind::Jump(name) => StmtKind::Jump(self.jump(name)?),
            ast::StmtKind::Call(call) => self.call_statement(call)?,
            ast::StmtKind::If { branches, otherwise } => {
                let branches = branches
                    .iter()
                    .map(|(condition, body)| (self.condition(condition), self.statements(body)))
                    .collect();
                StmtKind::If(branches, self.statements(otherwise))
            }
            ast::StmtKind::Case { selector, arms, otherwise } => self.case(selector, arms, otherwise),
            ast::StmtKind::For(statement) => self.for_loop(statement)?,
            ast::StmtKind::While { condition, body } => {
                StmtKind::While(self.condition(condition), self.statements(body))
            }
            ast::StmtKind::Repeat { body, until } => {
                let body = self.statements(body);
                StmtKind::Repeat(body, self.condition(until))
            }
            ast::StmtKind::Exit => StmtKind::Exit,
            ast::StmtKind::Continue => StmtKind::Continue,
            ast::StmtKind::Return => StmtKind::Return,
        })
    }

    fn assignment(&mut self, target: &ast::Expr, value: &ast::Expr) -> Option<StmtKind> {
        let place = match self.target_or_property(target) {
            Ok(place) => place,
            Err(property) => return self.set_property(*property, value),
        };
        let want = place.as_ref().map(|place| place.ty);
        if let Some(place) = &place
            && let Type::Instance(pou) = *self.types().get(place.ty)
        {
            let name = self.model.pou(pou).name.text.clone();
            self.report(
                Code::NotAssignable,
                target.span,
                format!("an instance of `{name}` cannot be assigned"),
            );
            return None;
        }
        let value = self.expr(value, want);
        let place = place?;
        if let Root::Local(var) = place.root
            && place.steps.is_empty()
            && self.loop_variables.contains(&var)
        {
            let source = self.model.excerpt(target.span);
            self.report(
                Code::LoopVariableAssigned,
                target.span,
                format!("`{source}` is the loop's variable"),
            );
        }
        if value.ty == Types::VOID {
            self.report(Code::NoResult, value.span, "the function gives no result");
            return None;
        }
        let value = self.coerce(value, place.ty);
        (!matches!(value.kind, ExprKind::Poison)).then_some(StmtKind::Assign(place, value))
    }

    /// The last target takes the value, each other one that of the target after it.
    fn chained(&mut self, targets: &[ast::Expr], value: &ast::Expr) -> Option<StmtKind> {
        let mut list = Vec::new();
        let mut source = value;
        for target in targets.iter().rev() {
            let kind = self.assignment(target, source)?;
            list.push(Stmt { kind, span: target.span });
            source = target;
        }
        Some(StmtKind::Sequence(list))
    }

    /// `x S= c` is `IF c THEN x := TRUE; END_IF`.
    fn latch(&mut self, target: &ast::Expr, set: bool, condition: &ast::Expr) -> Option<StmtKind> {
        let place = self.target(target);
        let condition = self.condition(condition);
        let place = place?;
        if place.ty != Types::BOOL {
            let have = self.type_name(place.ty);
            self.report(Code::TypeMismatch, target.span, format!("only a BOOL is set or reset, not {have}"));
            return None;
        }
        if matches!(condition.kind, ExprKind::Poison) {
            return None;
        }
        let value = Self::integer(i128::from(set), Types::BOOL, target.span);
        let assign = Stmt { kind: StmtKind::Assign(place, value), span: target.span };
        Some(StmtKind::If(vec![(condition, vec![assign])], Vec::new()))
    }

    /// The number of a label that is visible here.
    fn label_number(&self, name: &ast::Name) -> usize {
        let found = self.labels.iter().rev().find(|(key, _)| *key == name.key);
        found.map_or(0, |(_, number)| *number)
    }

    fn jump(&mut self, name: &ast::Name) -> Option<usize> {
        if self.labels.iter().any(|(key, _)| *key == name.key) {
            return Some(self.label_number(name));
        }
        let message = format!("no label `{}` stands in these statements or around them", name.text);
        self.report(Code::UnknownLabel, name.span, message);
        None
    }

    /// Labels of a list are known in all of it and in the lists inside.
    fn declare_labels(&mut self, list: &[ast::Stmt]) {
        for statement in list {
            let ast::StmtKind::Label(name) = &statement.kind else { continue };
            if self.labels.iter().any(|(key, _)| *key == name.key) {
                let message = format!("label `{}` stands twice", name.text);
                self.report(Code::DuplicateName, name.span, message);
            }
            self.labels.push((name.key.clone(), self.label_count));
            self.label_count += 1;
        }
    }

    fn case(&mut self, selector: &ast::Expr, arms: &[CaseArm], otherwise: &[ast::Stmt]) -> StmtKind {
        let checked = self.expr(selector, None);
        let mut checked = self.settle(checked);
        let storage = self.types().storage(checked.ty);
        let countable = storage.is_some_and(|e| {
            types::is_integer(e) || types::is_bits(e) || matches!(e, Elementary::Char | Elementary::Wchar)
        });
        if !countable && checked.ty != Types::POISON {
            let message = format!("CASE does not take {}", self.type_name(checked.ty));
            self.report(Code::BadOperand, selector.span, message);
            checked = Self::poison(selector.span);
        }
        let mut seen: Vec<(i128, i128, Span)> = Vec::new();
        let mut result = Vec::new();
        for arm in arms {
            let mut ranges = Vec::new();
            for (low, high) in &arm.labels {
                let ty = (checked.ty != Types::POISON).then_some(checked.ty);
                let first = self.label(low, ty);
                let last = high.as_ref().map_or(first, |high| self.label(high, ty));
                let (Some(first), Some(last)) = (first, last) else { continue };
                let span = high.as_ref().map_or(low.span, |high| low.span.to(high.span));
                if first > last {
                    let message = format!("the range {first}..{last} is empty");
                    self.report(Code::BadSubrange, span, message);
                    continue;
                }
                seen.push((first, last, span));
                ranges.push((first, last));
            }
            result.push((ranges, self.statements(&arm.body)));
        }
        self.overlaps(seen);
        StmtKind::Case(checked, result, self.statements(otherwise))
    }

    fn label(&mut self, label: &ast::Expr, ty: Option<crate::types::TypeId>) -> Option<i128> {
        match super::constant(self.model, self.scope, label, ty)? {
            (Value::Int(value), _) => Some(value),
            _ => None,
        }
    }

    fn overlaps(&mut self, mut seen: Vec<(i128, i128, Span)>) {
        seen.sort_unstable();
        let mut highest: Option<(i128, Span)> = None;
        for (first, last, span) in seen {
            if let Some((high, other)) = highest
                && first <= high
            {
                let (later, earlier) = if span > other { (span, other) } else { (other, span) };
                self.report(Code::CaseOverlap, later, format!("{first} is in another branch already"))
                    .related(earlier, "first here");
            }
            if highest.is_none_or(|(high, _)| last > high) {
                highest = Some((last, span));
            }
        }
    }

    fn for_loop(&mut self, statement: &ast::For) -> Option<StmtKind> {
        let ast::For { variable, start, end, step, body } = statement;
        let place = self.target(variable);
        let e = place.as_ref().and_then(|place| self.elementary(place.ty));
        let is_integer = e.is_some_and(|e| self.types().counts(e));
        if let (Some(place), false) = (&place, is_integer)
            && place.ty != Types::POISON
        {
            let message =
                format!("the variable of a FOR must be an integer, not {}", self.type_name(place.ty));
            self.report(Code::TypeMismatch, variable.span, message);
        }
        let storage = e.filter(|_| is_integer).map_or(Types::POISON, Types::elementary);
        let start = self.expr(start, None);
        let start = self.coerce(start, storage);
        let end = self.expr(end, None);
        let end = self.coerce(end, storage);
        let lint = Types::elementary(Elementary::Lint);
        let step = match step.as_ref() {
            None => Self::integer(1, lint, variable.span),
            Some(step) => {
                let span = step.span;
                let step = self.expr(step, None);
                let step = self.settle(step);
                let e = self.elementary(step.ty);
                if matches!(step.kind, ExprKind::Const(Value::Int(0))) {
                    self.report(Code::ForStepZero, span, "BY 0 would never end");
                    return None;
                }
                if !e.is_some_and(|e| self.types().counts(e)) && step.ty != Types::POISON {
                    let message =
                        format!("the step of a FOR must be an integer, not {}", self.type_name(step.ty));
                    self.report(Code::TypeMismatch, span, message);
                    return None;
                }
                if step.ty == Types::POISON {
                    step
                } else {
                    self.make(ExprKind::Convert(Box::new(step), Mode::Value), lint, span)
                }
            }
        };
        let local = match &place {
            Some(place) if place.steps.is_empty() => match place.root {
                Root::Local(var) => Some(var),
                _ => None,
            },
            _ => None,
        };
        self.loop_variables.extend(local);
        let body = self.statements(body);
        if local.is_some() {
            self.loop_variables.pop();
        }
        let poisoned = [&start, &end, &step].iter().any(|x| matches!(x.kind, ExprKind::Poison));
        if poisoned || !is_integer {
            return None;
        }
        Some(StmtKind::For(Box::new(For { variable: place?, start, end, step, body })))
    }

    fn call_statement(&mut self, call: &ast::Expr) -> Option<StmtKind> {
        let Ast::Call(callee, arguments) = &call.kind else { return None };
        match self.test_statement(callee, arguments, call.span) {
            TestCall::Statement(statement) => return Some(statement),
            TestCall::Refused => return None,
            TestCall::Other => {}
        }
        let checked = self.statement_call(callee, arguments, call.span)?;
        if matches!(checked.kind, ExprKind::Poison) {
            return None;
        }
        // A method may have changed its object.
        let on_object =
            matches!(&checked.kind, ExprKind::Call(call) if !matches!(call.receiver, Receiver::None));
        let dropped = checked.ty != Types::VOID && !on_object && !has_side_effects(&checked);
        if dropped {
            let source = self.model.excerpt(callee.span);
            self.report(Code::ResultUnused, call.span, format!("the result of `{source}` is not used"));
        }
        Some(StmtKind::Evaluate(checked))
    }
}
