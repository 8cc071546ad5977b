//! Statements.

use super::Parser;
use crate::Dialect;
use crate::ast::{CaseArm, Expr, ExprKind, For, Stmt, StmtKind};
use crate::diagnostic::{Code, Severity};
use crate::lex::{Keyword, Kind};
use crate::span::Span;

/// Keywords that end a list of statements, whoever opened it.
fn ends_statements(kind: Kind) -> bool {
    match kind {
        Kind::End => true,
        Kind::Keyword(keyword) => {
            let word = keyword.text();
            word.starts_with("END_")
                || matches!(
                    keyword,
                    Keyword::Else | Keyword::Elsif | Keyword::Until | Keyword::Method | Keyword::InitialStep
                )
                || super::starts_declaration(keyword)
        }
        _ => false,
    }
}

impl Parser<'_> {
    /// Also at `ACTION name` and its kin, which are variables in any other place.
    fn at_statements_end(&self) -> bool {
        let opens_part = matches!(
            self.kind(),
            Kind::Keyword(Keyword::Action | Keyword::Property | Keyword::Step | Keyword::Transition)
        );
        let opens_test = self.at_keyword(Keyword::Test) && self.peek(1) == Kind::String;
        ends_statements(self.kind()) || opens_part && self.at_part() || opens_test || self.at_mock()
    }

    /// Statements up to a keyword that ends them.
    pub(super) fn statements(&mut self) -> Vec<Stmt> {
        self.statements_until(|_| false)
    }

    pub(super) fn statements_until(&mut self, end: impl Fn(&Self) -> bool) -> Vec<Stmt> {
        let mut list = Vec::new();
        while !self.at_statements_end() && !end(self) && !self.sink.is_full() {
            let before = self.at;
            self.opt_statement(&mut list);
            if self.at == before {
                self.error_expected("a statement");
                self.bump();
                self.recover();
            }
        }
        list
    }

    /// Skips to the next place where a statement can begin.
    fn recover(&mut self) {
        self.skip_to(|kind| matches!(kind, Kind::Semicolon | Kind::Keyword(_)));
        self.eat(Kind::Semicolon);
    }

    fn opt_statement(&mut self, list: &mut Vec<Stmt>) {
        let start = self.span();
        let kind = match self.kind() {
            Kind::Semicolon => {
                self.bump();
                return;
            }
            Kind::Keyword(keyword) if !keyword.is_contextual() => {
                match self.keyword_statement(keyword, start) {
                    Some(kind) => kind,
                    None => return,
                }
            }
            Kind::Ident if self.at_word("JMP") && self.peek(1) == Kind::Ident => {
                self.vendor_extension(start, "JMP");
                self.bump();
                let Some(label) = self.name("a label") else { return };
                self.semicolon("JMP");
                StmtKind::Jump(label)
            }
            Kind::Ident | Kind::Keyword(_) | Kind::Address => match self.assignment_or_call() {
                Some(kind) => kind,
                None => return,
            },
            _ => return,
        };
        list.push(Stmt { kind, span: start.to(self.last_span()) });
    }

    fn keyword_statement(&mut self, keyword: Keyword, start: Span) -> Option<StmtKind> {
        Some(match keyword {
            Keyword::If => self.nested(Self::if_statement)?,
            Keyword::Case => self.nested(Self::case_statement)?,
            Keyword::For => self.nested(Self::for_statement)?,
            Keyword::While => self.nested(Self::while_statement)?,
            Keyword::Repeat => self.nested(Self::repeat_statement)?,
            Keyword::Exit | Keyword::Continue => {
                self.bump();
                if self.loops == 0 {
                    self.sink.report(
                        Code::ExitOutsideLoop,
                        start,
                        format!("{} outside a loop", keyword.text()),
                    );
                }
                self.semicolon(keyword.text());
                if keyword == Keyword::Exit { StmtKind::Exit } else { StmtKind::Continue }
            }
            Keyword::Return => {
                self.bump();
                self.semicolon("RETURN");
                StmtKind::Return
            }
            Keyword::This | Keyword::Super => return self.assignment_or_call(),
            _ => return None,
        })
    }

    fn assignment_or_call(&mut self) -> Option<StmtKind> {
        let target = self.postfix();
        match self.kind() {
            Kind::Assign => {
                self.bump();
                let value = self.expression();
                if self.kind() == Kind::Assign {
                    return Some(self.chain(target, value));
                }
                self.end_of_simple(&value, "the assignment");
                Some(StmtKind::Assign { target, value })
            }
            Kind::Equal => {
                let span = self.bump().span;
                self.sink
                    .report(Code::EqualsAsAssignment, span, "`=` compares, it does not assign")
                    .help("write `:=`");
                let value = self.expression();
                self.semicolon("the assignment");
                Some(StmtKind::Assign { target, value })
            }
            Kind::TryAssign => {
                self.bump();
                let value = self.expression();
                self.end_of_simple(&value, "the assignment");
                Some(StmtKind::Attempt { target, value })
            }
            Kind::Ident if self.peek(1) == Kind::Equal => self.worded_assignment(target),
            Kind::Colon if matches!(target.kind, ExprKind::Name(_)) => {
                let ExprKind::Name(name) = target.kind else { return None };
                self.vendor_extension(name.span, "a label");
                self.bump();
                Some(StmtKind::Label(name))
            }
            _ if matches!(target.kind, ExprKind::Call(..)) => {
                self.semicolon("the call");
                Some(StmtKind::Call(target))
            }
            _ => {
                if !matches!(target.kind, ExprKind::Error) {
                    self.error_expected("`:=` or `(`");
                }
                if !ends_statements(self.kind()) {
                    self.recover();
                }
                None
            }
        }
    }

    /// `a := b := c`, from the second `:=`.
    fn chain(&mut self, first: Expr, second: Expr) -> StmtKind {
        self.vendor_extension(self.span(), "several `:=` in one statement");
        let (mut targets, mut value) = (vec![first], second);
        while self.eat(Kind::Assign) {
            let next = self.expression();
            targets.push(std::mem::replace(&mut value, next));
        }
        self.end_of_simple(&value, "the assignment");
        StmtKind::Chain { targets, value }
    }

    /// `r REF= x`, `x S= c`, `x R= c`
    fn worded_assignment(&mut self, target: Expr) -> Option<StmtKind> {
        let span = self.span().to(self.tokens[self.at + 1].span);
        let word = self.token_text().to_ascii_uppercase();
        if !matches!(word.as_str(), "REF" | "S" | "R") {
            self.error_expected("`:=` or `(`");
            self.recover();
            return None;
        }
        self.vendor_extension(span, &format!("`{word}=`"));
        self.bump();
        self.bump();
        let value = self.expression();
        self.end_of_simple(&value, "the assignment");
        Some(match word.as_str() {
            "REF" => StmtKind::Bind { target, value },
            word => StmtKind::Latch { target, set: word == "S", condition: value },
        })
    }

    fn end_of_simple(&mut self, value: &Expr, after: &str) {
        if self.at > 0 && self.tokens[self.at - 1].kind == Kind::BadString {
            // A string without end took the rest of its line, its `;` too.
            self.eat(Kind::Semicolon);
        } else if matches!(value.kind, ExprKind::Error) && self.kind() != Kind::Semicolon {
            self.recover();
        } else {
            self.semicolon(after);
        }
    }

    fn end(&mut self, keyword: Keyword, opened: Span, opener: &str) {
        if !self.eat_keyword(keyword) {
            let found = self.found();
            let span = if self.kind() == Kind::End { self.last_span() } else { self.span() };
            self.sink
                .report(Code::MissingEnd, span, format!("expected {}, found {found}", keyword.text()))
                .related(opened, format!("{opener} begins here"));
            return;
        }
        // The vendors' dialect does not ask for it.
        if !self.eat(Kind::Semicolon) && self.dialect != Dialect::Codesys {
            let span = self.last_span();
            let message = format!("missing `;` after {}", keyword.text());
            let finding = self.sink.report(Code::MissingSemicolonAfterEnd, span, message);
            if self.dialect == Dialect::Iec {
                finding.severity(Severity::Error);
            }
        }
    }

    fn if_statement(&mut self) -> StmtKind {
        let opened = self.bump().span;
        let mut branches = Vec::new();
        let condition = self.expression();
        self.then(&condition, Keyword::Then);
        branches.push((condition, self.statements()));
        while self.eat_keyword(Keyword::Elsif) {
            let condition = self.expression();
            self.then(&condition, Keyword::Then);
            branches.push((condition, self.statements()));
        }
        let otherwise = if self.eat_keyword(Keyword::Else) { self.statements() } else { Vec::new() };
        self.end(Keyword::EndIf, opened, "the IF");
        StmtKind::If { branches, otherwise }
    }

    /// THEN or DO after a condition.
    fn then(&mut self, condition: &Expr, keyword: Keyword) {
        if self.eat_keyword(keyword) {
            return;
        }
        if !matches!(condition.kind, ExprKind::Error) {
            self.error_expected(keyword.text());
        }
        self.skip_to(|kind| matches!(kind, Kind::Semicolon | Kind::Keyword(_)));
        self.eat_keyword(keyword);
    }

    fn case_statement(&mut self) -> StmtKind {
        let opened = self.bump().span;
        let selector = self.expression();
        self.then(&selector, Keyword::Of);
        let mut arms = Vec::new();
        while !ends_statements(self.kind()) {
            let before = self.at;
            let labels = self.case_labels();
            if !self.expect(Kind::Colon, "`:` after the CASE labels") {
                self.recover();
            }
            let body = self.case_body();
            arms.push(CaseArm { labels, body });
            if self.at == before {
                self.bump();
            }
        }
        let otherwise = if self.eat_keyword(Keyword::Else) {
            self.eat(Kind::Colon);
            self.statements()
        } else {
            Vec::new()
        };
        self.end(Keyword::EndCase, opened, "the CASE");
        StmtKind::Case { selector, arms, otherwise }
    }

    fn case_labels(&mut self) -> Vec<(Expr, Option<Expr>)> {
        let mut labels = Vec::new();
        loop {
            let low = self.expression();
            let high = self.eat(Kind::DotDot).then(|| self.expression());
            labels.push((low, high));
            if !self.eat(Kind::Comma) {
                return labels;
            }
        }
    }

    /// Statements up to the next label.
    fn case_body(&mut self) -> Vec<Stmt> {
        let mut list = Vec::new();
        while !self.at_statements_end() && !self.at_case_label() && !self.sink.is_full() {
            let before = self.at;
            self.opt_statement(&mut list);
            if self.at == before {
                self.error_expected("a statement");
                self.bump();
                self.recover();
            }
        }
        list
    }

    /// Whether a `:` follows before anything that a statement could contain.
    fn at_case_label(&self) -> bool {
        match self.kind() {
            Kind::Integer | Kind::Based | Kind::Minus | Kind::Plus | Kind::String | Kind::Typed(_) => true,
            Kind::Ident | Kind::Keyword(Keyword::True | Keyword::False) => {
                let mut ahead = 1;
                loop {
                    match self.peek(ahead) {
                        Kind::Colon | Kind::DotDot | Kind::Comma => return true,
                        Kind::Dot => ahead += 2,
                        _ => return false,
                    }
                }
            }
            _ => false,
        }
    }

    fn in_loop<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.loops += 1;
        let result = body(self);
        self.loops -= 1;
        result
    }

    fn for_statement(&mut self) -> StmtKind {
        let opened = self.bump().span;
        let variable = self.postfix();
        self.expect(Kind::Assign, "`:=`");
        let start = self.expression();
        self.expect_keyword(Keyword::To);
        let end = self.expression();
        let step = self.eat_keyword(Keyword::By).then(|| self.expression());
        let last = step.as_ref().unwrap_or(&end).clone();
        self.then(&last, Keyword::Do);
        let body = self.in_loop(Self::statements);
        self.end(Keyword::EndFor, opened, "the FOR");
        StmtKind::For(Box::new(For { variable, start, end, step, body }))
    }

    fn while_statement(&mut self) -> StmtKind {
        let opened = self.bump().span;
        let condition = self.expression();
        self.then(&condition, Keyword::Do);
        let body = self.in_loop(Self::statements);
        self.end(Keyword::EndWhile, opened, "the WHILE");
        StmtKind::While { condition, body }
    }

    fn repeat_statement(&mut self) -> StmtKind {
        let opened = self.bump().span;
        let body = self.in_loop(Self::statements);
        let until = if self.eat_keyword(Keyword::Until) {
            self.expression()
        } else {
            self.error_expected("UNTIL");
            Expr { kind: ExprKind::Error, span: self.span(), height: 1 }
        };
        self.eat(Kind::Semicolon);
        self.end(Keyword::EndRepeat, opened, "the REPEAT");
        StmtKind::Repeat { body, until }
    }
}
