//! What only tests have: assertions, and a clock that they move.

use super::Checker;
use super::expression::condition;
use crate::ast::{self, Argument, BinaryOp as Op, ExprKind as Ast, Literal, Name};
use crate::diagnostic::Code;
use crate::hir::{Assertion, Claim, Expr, ExprKind, Mode, Place, Root, Step, StmtKind, Value};
use crate::layout::Elementary;
use crate::model::Model;
use crate::model::test::Role;
use crate::span::Span;
use crate::types::{self, Types};

const COMPARISONS: [(&str, Op); 6] = [
    ("ASSERT_EQ", Op::Equal),
    ("ASSERT_NEQ", Op::NotEqual),
    ("ASSERT_GT", Op::Greater),
    ("ASSERT_GE", Op::GreaterEqual),
    ("ASSERT_LT", Op::Less),
    ("ASSERT_LE", Op::LessEqual),
];

/// What a call statement of a test is.
pub(super) enum TestCall {
    Statement(StmtKind),
    /// Already reported.
    Refused,
    /// Nothing that only tests have.
    Other,
}

/// What a name means in a test.
#[derive(Clone, Copy)]
enum Word {
    Truth(&'static str, bool),
    Comparison(&'static str, Op),
    Near,
    AdvanceTime,
}

fn word(key: &str) -> Option<Word> {
    if let Some((name, op)) = COMPARISONS.into_iter().find(|(name, _)| *name == key) {
        return Some(Word::Comparison(name, op));
    }
    Some(match key {
        "ASSERT_TRUE" => Word::Truth("ASSERT_TRUE", true),
        "ASSERT_FALSE" => Word::Truth("ASSERT_FALSE", false),
        "ASSERT_NEAR" => Word::Near,
        "ADVANCE_TIME" => Word::AdvanceTime,
        _ => return None,
    })
}

/// Checks SETUP and TEARDOWN in the scope of a test, which has their variables.
pub(super) fn around(model: &mut Model<'_>, pou: usize) {
    let Role::Test(test) = model.pous[pou].role else { return };
    let suite = model.tests[test].suite;
    if let Some(block) = &suite.setup {
        model.tests[test].setup = Checker::new(model, Some(pou)).statements(&block.body);
    }
    if let Some(block) = &suite.teardown {
        if let Some(section) = block.sections.first() {
            model
                .sink
                .report(Code::SectionNotAllowed, section.span, "TEARDOWN has no variables of its own")
                .help("it sees those of SETUP");
        }
        model.tests[test].teardown = Checker::new(model, Some(pou)).statements(&block.body);
    }
}

impl Checker<'_, '_> {
    /// A call statement that only tests have.
    pub(super) fn test_statement(
        &mut self,
        callee: &ast::Expr,
        arguments: &[Argument],
        span: Span,
    ) -> TestCall {
        let Ast::Name(name) = &callee.kind else { return TestCall::Other };
        let Some(word) = word(&name.key) else { return TestCall::Other };
        let own = self.scope.is_some_and(|pou| self.model.pou(pou).scope.contains_key(&name.key));
        if own || self.model.find_pou(name, self.scope).is_some() {
            return TestCall::Other;
        }
        if !self.model.is_testing(self.scope) {
            let message = format!("`{}` can only stand in a TEST", name.text);
            self.report(Code::TestOnly, name.span, message).help("write ASSERT(…) in a program");
            return TestCall::Refused;
        }
        let statement = match word {
            Word::AdvanceTime => self.advance_time(name, arguments),
            _ => self.assertion(word, name, arguments, span),
        };
        statement.map_or(TestCall::Refused, TestCall::Statement)
    }

    fn advance_time(&mut self, name: &Name, arguments: &[Argument]) -> Option<StmtKind> {
        let [value] = self.values(name, arguments, 1)?[..] else { return None };
        let checked = self.expr(value, None);
        if matches!(checked.kind, ExprKind::Poison) {
            return None;
        }
        if !self.elementary(checked.ty).is_some_and(types::is_duration) {
            let message = format!("ADVANCE_TIME takes a duration, not {}", self.type_name(checked.ty));
            self.report(Code::TypeMismatch, value.span, message).help("write T#20ms");
            return None;
        }
        if matches!(checked.kind, ExprKind::Const(Value::Int(ns)) if ns < 0) {
            self.report(Code::ConstantRange, value.span, "the clock of a test never goes back");
            return None;
        }
        let lint = Types::elementary(Elementary::Lint);
        let ns = self.make(ExprKind::Convert(Box::new(checked), Mode::Same), lint, value.span);
        Some(StmtKind::AdvanceTime(ns))
    }

    fn assertion(&mut self, word: Word, name: &Name, arguments: &[Argument], span: Span) -> Option<StmtKind> {
        let (function, takes) = match word {
            Word::Truth(function, _) => (function, 1),
            Word::Comparison(function, _) => (function, 2),
            _ => ("ASSERT_NEAR", 3),
        };
        let (arguments, message) = self.split_message(arguments, takes)?;
        let values = self.values(name, arguments, takes)?;
        let claim = match word {
            Word::Truth(_, wanted) => self.truth(values[0], wanted)?,
            Word::Comparison(_, op) => self.compared(op, values[0], values[1], span)?,
            _ => self.near(values[0], values[1], values[2])?,
        };
        Some(StmtKind::Assert(Box::new(Assertion { function, claim, message, span })))
    }

    /// One argument more than the assertion takes is what it says when it fails.
    fn split_message<'x>(
        &mut self,
        arguments: &'x [Argument],
        takes: usize,
    ) -> Option<(&'x [Argument], Option<String>)> {
        if arguments.len() != takes + 1 {
            return Some((arguments, None));
        }
        let (last, rest) = arguments.split_last()?;
        match last.value.as_ref().map(|value| &value.kind) {
            Some(Ast::Literal { value: Literal::String { wide, units }, .. }) => {
                let text = if *wide {
                    String::from_utf16_lossy(units)
                } else {
                    let bytes: Vec<u8> = units.iter().map(|unit| *unit as u8).collect();
                    String::from_utf8_lossy(&bytes).into_owned()
                };
                Some((rest, Some(text)))
            }
            _ => {
                let message = "the message of an assertion is a string literal";
                self.report(Code::NotConstant, last.span, message);
                None
            }
        }
    }

    /// The values of positional arguments, exactly so many.
    fn values<'x>(
        &mut self,
        name: &Name,
        arguments: &'x [Argument],
        takes: usize,
    ) -> Option<Vec<&'x ast::Expr>> {
        if let Some(named) = arguments.iter().find_map(|argument| argument.name.as_ref()) {
            let message = format!("`{}` has no parameter `{}`", name.text, named.text);
            self.report(Code::UnknownParameter, named.span, message).help("its arguments go by position");
            return None;
        }
        let values: Vec<&ast::Expr> =
            arguments.iter().filter_map(|argument| argument.value.as_ref()).collect();
        if values.len() != takes {
            let message = format!("`{}` takes {takes} arguments, not {}", name.text, values.len());
            self.report(Code::WrongArgumentCount, name.span, message);
            return None;
        }
        Some(values)
    }

    /// A test plays the plant and the operator: it writes inputs of the image and variables inside of instances,
    /// everything but constants.
    pub(super) fn test_target(&mut self, place: Place) -> Option<Place> {
        let steps = place.steps.iter().filter_map(|step| match step {
            Step::Member(pou, var) => Some(self.model.pou(*pou).vars[*var].constant),
            _ => None,
        });
        let root = match place.root {
            Root::Local(var) => self.scope.is_some_and(|pou| self.model.pou(pou).vars[var].constant),
            Root::Global(global) => self.model.globals[global].constant,
            Root::Image { .. } | Root::This | Root::Reference(_) | Root::Value(_) => false,
        };
        if steps.chain([root]).any(|constant| constant) {
            let source = self.model.excerpt(place.span);
            let message = format!("`{source}` is a constant and cannot be written");
            self.report(Code::NotAssignable, place.span, message);
            return None;
        }
        Some(place)
    }

    /// A comparison is taken apart, so that a failure can show both of its sides.
    fn truth(&mut self, value: &ast::Expr, wanted: bool) -> Option<Claim> {
        if let Ast::Binary(op, _, left, right) = &value.kind
            && COMPARISONS.iter().any(|(_, comparison)| comparison == op)
        {
            return match self.compared(*op, left, right, value.span)? {
                Claim::Compare { cond, left, right, .. } => {
                    Some(Claim::Compare { cond, left, right, holds: wanted })
                }
                other => Some(other),
            };
        }
        let condition = self.condition(value);
        (!matches!(condition.kind, ExprKind::Poison)).then_some(Claim::Is(condition, wanted))
    }

    fn compared(&mut self, op: Op, a: &ast::Expr, b: &ast::Expr, span: Span) -> Option<Claim> {
        let left = self.expr(a, None);
        let hint = matches!(self.types().get(left.ty), types::Type::Enum(_)).then_some(left.ty);
        let right = self.expr(b, hint);
        if matches!(left.kind, ExprKind::Poison) || matches!(right.kind, ExprKind::Poison) {
            return None;
        }
        let (left, right) = self.comparable(op, span, left, right)?;
        let (left, right) = (self.settle_widest(left), self.settle_widest(right));
        Some(Claim::Compare { cond: condition(op), left, right, holds: true })
    }

    /// Untyped constants alone take the widest type, so that two of them have one type.
    fn settle_widest(&mut self, value: Expr) -> Expr {
        match value.ty {
            Types::ANY_INT => self.coerce(value, Types::elementary(Elementary::Lint)),
            Types::ANY_REAL => self.coerce(value, Types::elementary(Elementary::Lreal)),
            _ => value,
        }
    }

    fn near(&mut self, a: &ast::Expr, b: &ast::Expr, tolerance: &ast::Expr) -> Option<Claim> {
        let span = a.span;
        let (left, right, width) = (self.expr(a, None), self.expr(b, None), self.expr(tolerance, None));
        if [&left, &right, &width].iter().any(|value| matches!(value.kind, ExprKind::Poison)) {
            return None;
        }
        let (left, right, _) = self.unify(left, right)?;
        let (left, width, _) = self.unify(left, width)?;
        let (left, width) = (self.settle_widest(left), self.settle_widest(width));
        let ty = left.ty;
        let right = self.coerce(right, ty);
        let numeric = self
            .elementary(ty)
            .is_some_and(|e| types::is_integer(e) || types::is_real(e) || types::is_duration(e));
        if !numeric {
            let message = format!("ASSERT_NEAR takes numbers and durations, not {}", self.type_name(ty));
            self.report(Code::TypeMismatch, span, message);
            return None;
        }
        let poisoned = |value: &Expr| matches!(value.kind, ExprKind::Poison);
        (!poisoned(&right)).then_some(Claim::Near { left, right, tolerance: width })
    }
}
