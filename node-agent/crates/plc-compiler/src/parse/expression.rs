//! Expressions by precedence climbing, literals, call arguments and initial values.

use super::{MAX_HEIGHT, Parser, address};
use crate::ast::{Argument, BinaryOp, Expr, ExprKind, Literal, Name, Part, UnaryOp};
use crate::diagnostic::Code;
use crate::layout::Elementary;
use crate::lex::{Keyword, Kind, TypedTail, literal};
use crate::span::Span;

/// Binding strength of the prefix operators: above every binary one (`-2 ** 2` is 4).
const UNARY: u8 = 9;

fn binary(kind: Kind) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        Kind::Keyword(Keyword::Or | Keyword::OrElse) => (BinaryOp::Or, 1),
        Kind::Keyword(Keyword::Xor) => (BinaryOp::Xor, 2),
        Kind::Keyword(Keyword::And | Keyword::AndThen) | Kind::Ampersand => (BinaryOp::And, 3),
        Kind::Equal => (BinaryOp::Equal, 4),
        Kind::NotEqual => (BinaryOp::NotEqual, 4),
        Kind::Less => (BinaryOp::Less, 5),
        Kind::Greater => (BinaryOp::Greater, 5),
        Kind::LessEqual => (BinaryOp::LessEqual, 5),
        Kind::GreaterEqual => (BinaryOp::GreaterEqual, 5),
        Kind::Plus => (BinaryOp::Add, 6),
        Kind::Minus => (BinaryOp::Subtract, 6),
        Kind::Star => (BinaryOp::Multiply, 7),
        Kind::Slash => (BinaryOp::Divide, 7),
        Kind::Keyword(Keyword::Mod) => (BinaryOp::Modulo, 7),
        Kind::Power => (BinaryOp::Power, 8),
        _ => return None,
    })
}

fn leaf(kind: ExprKind, span: Span) -> Expr {
    Expr { kind, span, height: 1 }
}

impl<'a> Parser<'a> {
    pub(super) fn expression(&mut self) -> Expr {
        self.operators(0)
    }

    fn error_expr(&self) -> Expr {
        leaf(ExprKind::Error, self.span())
    }

    /// Checks the height of a new node and gives an error node instead of one that is too high.
    fn node(&mut self, kind: ExprKind, span: Span, below: u16) -> Expr {
        if below >= MAX_HEIGHT {
            let message = format!("expression with more than {MAX_HEIGHT} operators in a chain");
            self.sink
                .report(Code::ExpressionTooLong, span, message)
                .help("split it into several assignments");
            return leaf(ExprKind::Error, span);
        }
        Expr { kind, span, height: below + 1 }
    }

    fn operators(&mut self, least: u8) -> Expr {
        let mut left = self.prefix();
        loop {
            if self.kind() == Kind::Assign && least == 0 && self.nesting_is_condition() {
                let span = self.bump().span;
                self.sink
                    .report(
                        Code::AssignmentInExpression,
                        span,
                        "`:=` assigns; an expression can only compare",
                    )
                    .help("write `=`");
                let right = self.operators(5);
                let span = left.span.to(right.span);
                left = leaf(ExprKind::Error, span);
                continue;
            }
            let Some((op, strength)) = binary(self.kind()) else { return left };
            if strength <= least {
                return left;
            }
            if let Kind::Keyword(keyword @ (Keyword::AndThen | Keyword::OrElse)) = self.kind() {
                self.extension(self.span(), keyword.text());
            }
            let op_span = self.bump().span;
            let right = self.operators(strength);
            let span = left.span.to(right.span);
            let below = left.height.max(right.height);
            left = self.node(ExprKind::Binary(op, op_span, Box::new(left), Box::new(right)), span, below);
        }
    }

    /// In a condition (IF, WHILE, …) a `:=` can only be a mistake for `=`.
    fn nesting_is_condition(&self) -> bool {
        let line_rest = self.tokens[self.at..].iter().take(64);
        for token in line_rest {
            match token.kind {
                Kind::Keyword(Keyword::Then | Keyword::Do) => return true,
                Kind::Semicolon | Kind::End | Kind::RightParen | Kind::Comma => return false,
                _ => {}
            }
        }
        false
    }

    fn prefix(&mut self) -> Expr {
        let op = match self.kind() {
            Kind::Minus => UnaryOp::Negate,
            Kind::Plus => UnaryOp::Plus,
            Kind::Keyword(Keyword::Not) => UnaryOp::Not,
            _ => return self.postfix(),
        };
        let start = self.bump().span;
        let Some(operand) = self.nested(|p| p.operators(UNARY)) else { return self.error_expr() };
        let span = start.to(operand.span);
        let below = operand.height;
        self.node(ExprKind::Unary(op, Box::new(operand)), span, below)
    }

    /// A variable, literal or call, without operators around it.
    pub(super) fn postfix(&mut self) -> Expr {
        let mut expr = self.primary();
        loop {
            match self.kind() {
                Kind::Dot => {
                    self.bump();
                    expr = self.member(expr);
                }
                Kind::LeftBracket => {
                    self.bump();
                    let indices = self.nested(|p| p.expression_list(Kind::RightBracket)).unwrap_or_default();
                    self.expect(Kind::RightBracket, "`]`");
                    let span = expr.span.to(self.last_span());
                    let below = indices.iter().map(|i| i.height).max().unwrap_or(0).max(expr.height);
                    expr = self.node(ExprKind::Index(Box::new(expr), indices), span, below);
                }
                Kind::LeftParen => {
                    let arguments = self.arguments();
                    let span = expr.span.to(self.last_span());
                    let below = arguments.iter().filter_map(|a| a.value.as_ref()).map(|v| v.height).max();
                    let below = below.unwrap_or(0).max(expr.height);
                    expr = self.node(ExprKind::Call(Box::new(expr), arguments), span, below);
                }
                Kind::Caret => {
                    let span = expr.span.to(self.bump().span);
                    let below = expr.height;
                    expr = self.node(ExprKind::Deref(Box::new(expr)), span, below);
                }
                _ => return expr,
            }
        }
    }

    fn member(&mut self, base: Expr) -> Expr {
        let part = match self.kind() {
            Kind::Part => {
                let text = self.token_text();
                let bits = match text.as_bytes()[1].to_ascii_uppercase() {
                    b'X' => 1,
                    b'B' => 8,
                    b'W' => 16,
                    b'D' => 32,
                    _ => 64,
                };
                Some((bits, text[2..].parse().ok()))
            }
            Kind::Integer => {
                self.extension(self.span(), "`.n` without `%X`");
                Some((1, self.token_text().parse().ok()))
            }
            _ => None,
        };
        if let Some((bits, number)) = part {
            let end = self.bump().span;
            let span = base.span.to(end);
            let number = number.unwrap_or(u32::MAX);
            let below = base.height;
            return self.node(ExprKind::Part(Box::new(base), Part { bits, number }), span, below);
        }
        let Some(name) = self.name("a member name") else { return leaf(ExprKind::Error, base.span) };
        let span = base.span.to(name.span);
        let below = base.height;
        self.node(ExprKind::Member(Box::new(base), name), span, below)
    }

    fn expression_list(&mut self, close: Kind) -> Vec<Expr> {
        let mut list = Vec::new();
        while self.kind() != close && self.kind() != Kind::End {
            let before = self.at;
            list.push(self.expression());
            if !self.eat(Kind::Comma) || self.at == before {
                break;
            }
        }
        list
    }

    fn primary(&mut self) -> Expr {
        let span = self.span();
        match self.kind() {
            Kind::Ident => {
                let name = self.name("a name");
                name.map_or_else(|| self.error_expr(), |name| leaf(ExprKind::Name(name), span))
            }
            Kind::Keyword(keyword) => self.keyword_expression(keyword),
            Kind::Integer | Kind::Based => {
                let text = self.take_text();
                match literal::integer(text) {
                    Some(value) => leaf(ExprKind::Literal { value: Literal::Integer(value), ty: None }, span),
                    None => self.bad(Code::BadNumber, span, &format!("`{text}` is not a number of 64 bits")),
                }
            }
            Kind::Real => {
                let text = self.take_text();
                match literal::real(text) {
                    Some((double, single)) => {
                        leaf(ExprKind::Literal { value: Literal::Real(double, single), ty: None }, span)
                    }
                    None => self.bad(Code::BadNumber, span, &format!("`{text}` is too large for LREAL")),
                }
            }
            Kind::String => self.string(None),
            Kind::BadString => {
                self.bump();
                leaf(ExprKind::Error, span)
            }
            Kind::Typed(TypedTail::Closed) => self.typed_literal(),
            Kind::Typed(TypedTail::Open) => self.qualified(),
            Kind::Address => {
                let text = self.take_text();
                match address(text) {
                    Some(address) => leaf(ExprKind::Address(address), span),
                    None => self.bad(Code::BadAddress, span, &format!("`{text}` is not an address")),
                }
            }
            Kind::LeftParen => {
                self.bump();
                let inner = self.nested(Self::expression);
                self.expect(Kind::RightParen, "`)`");
                inner.unwrap_or_else(|| self.error_expr())
            }
            _ => {
                self.error_expected("an expression");
                self.error_expr()
            }
        }
    }

    fn keyword_expression(&mut self, keyword: Keyword) -> Expr {
        let span = self.span();
        match keyword {
            Keyword::True | Keyword::False => {
                self.bump();
                leaf(ExprKind::Literal { value: Literal::Bool(keyword == Keyword::True), ty: None }, span)
            }
            // The function forms `AND(a, b)`.
            Keyword::And | Keyword::Or | Keyword::Xor | Keyword::Mod if self.peek(1) == Kind::LeftParen => {
                self.bump();
                leaf(ExprKind::Name(Name::new(keyword.text(), span)), span)
            }
            Keyword::Null | Keyword::This | Keyword::Super => {
                self.bump();
                let kind = match keyword {
                    Keyword::Null => ExprKind::Null,
                    Keyword::This => ExprKind::This,
                    _ => ExprKind::Super,
                };
                leaf(kind, span)
            }
            keyword if keyword.is_contextual() => {
                let name = self.name("a name");
                name.map_or_else(|| self.error_expr(), |name| leaf(ExprKind::Name(name), span))
            }
            _ => {
                self.error_expected("an expression");
                self.error_expr()
            }
        }
    }

    /// Takes the token and gives its text.
    fn take_text(&mut self) -> &'a str {
        let span = self.bump().span;
        self.slice(span)
    }

    fn bad(&mut self, code: Code, span: Span, message: &str) -> Expr {
        self.sink.report(code, span, message);
        leaf(ExprKind::Error, span)
    }

    fn string(&mut self, ty: Option<Name>) -> Expr {
        let token = self.bump();
        let text = self.slice(token.span);
        let start = ty.as_ref().map_or(token.span, |ty| ty.span);
        let span = start.to(token.span);
        let wide = text.starts_with('"');
        match literal::string(&text[1..text.len() - 1], wide) {
            Ok(units) => {
                leaf(ExprKind::Literal { value: Literal::String { wide, units: units.into() }, ty }, span)
            }
            Err(at) => {
                let begin = token.span.start + 1 + at as u32;
                let escape = Span { start: begin, end: begin + 1, ..token.span };
                self.sink
                    .report(Code::BadString, escape, "bad escape after `$`")
                    .help("write `$$` for a dollar sign");
                leaf(ExprKind::Error, span)
            }
        }
    }

    /// `INT#-5`, `T#1s`, `D#2026-11-21`: one token.
    fn typed_literal(&mut self) -> Expr {
        let span = self.bump().span;
        let text = self.slice(span);
        let (prefix, body) = text.split_once('#').unwrap_or((text, ""));
        let prefix_span = Span { end: span.start + prefix.len() as u32, ..span };
        let value = match literal::temporal(prefix) {
            Some(e @ (Elementary::Time | Elementary::Ltime)) => match literal::duration(body) {
                Some(ns) => Literal::Temporal(e, ns),
                None => {
                    return self.bad(
                        Code::BadTime,
                        span,
                        &format!("`{text}` is not a duration such as `T#1m30s`"),
                    );
                }
            },
            Some(e) => match literal::date(e, body) {
                Some(ns) => Literal::Temporal(e, ns),
                None => {
                    return self.bad(
                        Code::BadDate,
                        span,
                        &format!("`{text}` is not a date or time that exists"),
                    );
                }
            },
            None => {
                let number = if body.contains('#') || !body.contains(['.', 'e', 'E']) {
                    literal::integer(body).map(Literal::Integer)
                } else {
                    literal::real(body).map(|(double, single)| Literal::Real(double, single))
                };
                match number {
                    Some(value) => {
                        let ty = Some(Name::new(prefix, prefix_span));
                        return leaf(ExprKind::Literal { value, ty }, span);
                    }
                    None => {
                        return self.bad(
                            Code::BadNumber,
                            span,
                            &format!("`{body}` is not a number of 64 bits"),
                        );
                    }
                }
            }
        };
        leaf(ExprKind::Literal { value, ty: None }, span)
    }

    /// `Color#Red`, `BOOL#TRUE`, `STRING#'a'`.
    fn qualified(&mut self) -> Expr {
        let span = self.bump().span;
        let prefix = self.slice(span);
        let prefix = &prefix[..prefix.len() - 1];
        let ty = Name::new(prefix, Span { end: span.end - 1, ..span });
        match self.kind() {
            Kind::String => self.string(Some(ty)),
            Kind::Keyword(keyword @ (Keyword::True | Keyword::False)) => {
                let end = self.bump().span;
                let value = Literal::Bool(keyword == Keyword::True);
                leaf(ExprKind::Literal { value, ty: Some(ty) }, span.to(end))
            }
            _ => match self.name("a value after `#`") {
                Some(value) => {
                    let span = span.to(value.span);
                    leaf(ExprKind::Qualified { ty, value }, span)
                }
                None => leaf(ExprKind::Error, span),
            },
        }
    }

    /// `(a, b)`, `(x := 1, q => y)`, from the opening parenthesis.
    pub(super) fn arguments(&mut self) -> Vec<Argument> {
        self.bump();
        let arguments = self.nested(|p| {
            let mut arguments = Vec::new();
            while !matches!(p.kind(), Kind::RightParen | Kind::End | Kind::Semicolon) {
                let before = p.at;
                arguments.push(p.argument());
                if !p.eat(Kind::Comma) || p.at == before {
                    break;
                }
            }
            arguments
        });
        if !self.expect(Kind::RightParen, "`,` or `)`") {
            self.skip_to(|k| matches!(k, Kind::RightParen | Kind::Semicolon | Kind::Keyword(_)));
            self.eat(Kind::RightParen);
        }
        arguments.unwrap_or_default()
    }

    fn argument(&mut self) -> Argument {
        let start = self.span();
        let named = self.at_name() && matches!(self.peek(1), Kind::Assign | Kind::Arrow);
        if !named {
            let value = self.expression();
            return Argument { name: None, output: false, span: value.span, value: Some(value) };
        }
        let name = self.name("a parameter name");
        let output = self.bump().kind == Kind::Arrow;
        // Given, and yet left out: the output goes nowhere, the input keeps its value.
        let empty = matches!(self.kind(), Kind::Comma | Kind::RightParen);
        if empty && !output {
            self.vendor_extension(start, "an argument without value");
        }
        let value = (!empty).then(|| self.expression());
        Argument { name, output, value, span: start.to(self.last_span()) }
    }

    /// An initial value: an expression, `[…]` or `(member := …)`.
    pub(super) fn initial_value(&mut self) -> Expr {
        let start = self.span();
        if self.kind() == Kind::LeftBracket {
            self.bump();
            let elements = self.nested(Self::initial_elements).unwrap_or_default();
            self.expect(Kind::RightBracket, "`,` or `]`");
            let below = elements.iter().flat_map(|(_, values)| values).map(|v| v.height).max().unwrap_or(0);
            let span = start.to(self.last_span());
            return self.node(ExprKind::Elements(elements), span, below);
        }
        let is_members = self.kind() == Kind::LeftParen && self.peek(2) == Kind::Assign;
        if !is_members {
            return self.expression();
        }
        self.bump();
        let members = self.nested(|p| {
            let mut members = Vec::new();
            while p.at_name() {
                let Some(name) = p.name("a member name") else { break };
                p.expect(Kind::Assign, "`:=`");
                members.push((name, p.initial_value()));
                if !p.eat(Kind::Comma) {
                    break;
                }
            }
            members
        });
        self.expect(Kind::RightParen, "`,` or `)`");
        let members = members.unwrap_or_default();
        let below = members.iter().map(|(_, v)| v.height).max().unwrap_or(0);
        let span = start.to(self.last_span());
        self.node(ExprKind::Members(members), span, below)
    }

    /// The elements of an array up to the end of its declaration.
    pub(super) fn bare_list(&mut self) -> Expr {
        let start = self.span();
        let elements = self.nested(Self::initial_elements).unwrap_or_default();
        let below = elements.iter().flat_map(|(_, values)| values).map(|v| v.height).max().unwrap_or(0);
        self.node(ExprKind::Elements(elements), start.to(self.last_span()), below)
    }

    /// `1, 3(9), 2(4, 5)`
    fn initial_elements(&mut self) -> Vec<(Option<Expr>, Vec<Expr>)> {
        let mut elements = Vec::new();
        while !matches!(self.kind(), Kind::RightBracket | Kind::End | Kind::Semicolon) {
            let before = self.at;
            let repeats = matches!(self.kind(), Kind::Integer | Kind::Based | Kind::Ident)
                && self.peek(1) == Kind::LeftParen;
            if repeats && self.kind() != Kind::Ident {
                let count = self.primary();
                elements.push((Some(count), self.repeated_values()));
            } else {
                let value = self.initial_value();
                // `N(0)` with a constant N looks like a call: the resolver tells them apart.
                elements.push((None, vec![value]));
            }
            if !self.eat(Kind::Comma) || self.at == before {
                break;
            }
        }
        elements
    }

    fn repeated_values(&mut self) -> Vec<Expr> {
        // `50(PT := T#1s)` repeats a structure without a second pair of parentheses.
        if self.peek(2) == Kind::Assign {
            return vec![self.initial_value()];
        }
        self.bump();
        let values = self.nested(|p| {
            let mut values = Vec::new();
            while !matches!(p.kind(), Kind::RightParen | Kind::End | Kind::Semicolon) {
                let before = p.at;
                values.push(p.initial_value());
                if !p.eat(Kind::Comma) || p.at == before {
                    break;
                }
            }
            values
        });
        self.expect(Kind::RightParen, "`,` or `)`");
        values.unwrap_or_default()
    }
}
