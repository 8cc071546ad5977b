//! Tokens to syntax tree. Recursive descent for declarations and statements, Pratt for expressions.
//!
//! Never fails: what does not fit is reported once and skipped up to a `;`, an END_ keyword or the start of a
//! declaration. Every loop takes at least one token, and nesting is bounded.

mod config;
mod expression;
mod object;
mod pou;
mod statement;
mod test;
mod types;

use crate::Dialect;
use crate::ast::test::Suite;
use crate::ast::{Address, AddressAt, Area, Decl, Name};
use crate::diagnostic::{Code, Sink};
use crate::lex::{self, Keyword, Kind, Mark, Token};
use crate::span::Span;

/// Blocks, parentheses and types in one another.
const MAX_NESTING: u32 = 256;
/// Longest path through an expression tree.
const MAX_HEIGHT: u16 = 1000;

/// Operators of the dialect Codesys that look like functions.
const VENDOR_OPERATORS: [&str; 4] = ["__QUERYINTERFACE", "__ISVALIDREF", "__NEW", "__DELETE"];

/// Declarations of one source unit.
pub(crate) fn parse(text: &str, unit: u32, dialect: Dialect, sink: &mut Sink) -> Vec<Decl> {
    Parser::new(text, unit, dialect, sink).unit()
}

/// As [`parse`], for the standard library: names beginning with `__` are legal.
pub(crate) fn parse_standard(text: &str, unit: u32, sink: &mut Sink) -> Vec<Decl> {
    let mut parser = Parser::new(text, unit, Dialect::Lineshaft, sink);
    parser.standard = true;
    parser.unit()
}

/// Reads an address such as `%IX0.0`.
pub(crate) fn address(text: &str) -> Option<Address> {
    let rest = text.strip_prefix('%')?;
    let mut chars = rest.chars();
    let area = match chars.next()?.to_ascii_uppercase() {
        'I' => Area::Input,
        'Q' => Area::Output,
        'M' => Area::Memory,
        _ => return None,
    };
    let after_area = chars.as_str();
    let (bits, number) = match chars.next()?.to_ascii_uppercase() {
        'X' => (1, chars.as_str()),
        'B' => (8, chars.as_str()),
        'W' => (16, chars.as_str()),
        'D' => (32, chars.as_str()),
        'L' => (64, chars.as_str()),
        _ => (1, after_area),
    };
    if number == "*" {
        return Some(Address { area, at: None });
    }
    let at = match (bits, number.split_once('.')) {
        (1, Some((byte, bit))) => {
            let bit: u8 = bit.parse().ok()?;
            (bit < 8).then_some(AddressAt { byte: byte.parse().ok()?, bit, bits })?
        }
        (1, None) => {
            let n: u32 = number.parse().ok()?;
            AddressAt { byte: n / 8, bit: (n % 8) as u8, bits }
        }
        (_, None) => AddressAt { byte: number.parse::<u32>().ok()?.checked_mul(bits / 8)?, bit: 0, bits },
        _ => return None,
    };
    // Larger than any state block: refused here so that sums of offsets cannot overflow.
    (at.byte < 1 << 26).then_some(Address { area, at: Some(at) })
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// Attributes that nothing has taken yet.
    marks: Vec<Mark>,
    at: usize,
    nesting: u32,
    /// Loops around the current statement.
    loops: u32,
    standard: bool,
    dialect: Dialect,
    /// What the unit says about testing so far.
    suite: Suite,
    /// Token of the last syntax error.
    error_at: Option<usize>,
    sink: &'a mut Sink,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, unit: u32, dialect: Dialect, sink: &'a mut Sink) -> Self {
        let (tokens, marks) = lex::tokens(text, unit, sink);
        Self {
            text,
            tokens,
            marks,
            at: 0,
            nesting: 0,
            loops: 0,
            standard: false,
            dialect,
            suite: Suite::default(),
            error_at: None,
            sink,
        }
    }

    /// Reports a construct that Ed. 3 does not have.
    fn extension(&mut self, span: Span, what: &str) {
        if self.dialect == Dialect::Iec {
            let message = format!("{what} is an extension that the dialect Iec does not have");
            self.sink.report(Code::OutsideDialect, span, message);
        }
    }

    /// Reports a construct that only the dominant vendors' dialect has.
    fn vendor_extension(&mut self, span: Span, what: &str) {
        if self.dialect != Dialect::Codesys {
            let message = format!("{what} is an extension that only the dialect Codesys has");
            self.sink
                .report(Code::OutsideDialect, span, message)
                .help("set `spec.program.dialect: Codesys` (`--dialect codesys`)");
        }
    }

    fn unit(&mut self) -> Vec<Decl> {
        let mut decls = Vec::new();
        while self.kind() != Kind::End && !self.sink.is_full() {
            let before = self.at;
            self.declaration(&mut decls);
            if self.at == before {
                self.error_expected("a declaration (PROGRAM, FUNCTION, FUNCTION_BLOCK, TYPE, VAR_GLOBAL, …)");
                self.bump();
                self.skip_to(|kind| matches!(kind, Kind::Keyword(k) if starts_declaration(k)));
            }
        }
        let suite = std::mem::take(&mut self.suite);
        if !suite.is_empty() {
            decls.push(Decl::Tests(suite));
        }
        for mark in std::mem::take(&mut self.marks) {
            self.no_effect(mark.span);
        }
        decls
    }

    fn no_effect(&mut self, span: Span) {
        let message = format!("attribute {} has no effect here", self.slice(span));
        let help = "it stands before the VAR_GLOBAL of a list that has a name, or before an enumeration";
        self.sink.report(Code::UnknownPragma, span, message).help(help);
    }

    /// Whether `{attribute 'qualified_only'}` stands before the next token.
    fn take_mark(&mut self) -> Option<Span> {
        let found = self.marks.iter().position(|mark| mark.before == self.at)?;
        Some(self.marks.remove(found).span)
    }

    fn kind(&self) -> Kind {
        self.tokens[self.at].kind
    }

    fn peek(&self, ahead: usize) -> Kind {
        self.tokens.get(self.at + ahead).map_or(Kind::End, |t| t.kind)
    }

    fn span(&self) -> Span {
        self.tokens[self.at].span
    }

    /// Of the token before the current one.
    fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    fn slice(&self, span: Span) -> &'a str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn token_text(&self) -> &'a str {
        self.slice(self.span())
    }

    fn bump(&mut self) -> Token {
        let token = self.tokens[self.at];
        if token.kind != Kind::End {
            self.at += 1;
        }
        token
    }

    fn eat(&mut self, kind: Kind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.bump();
        }
        found
    }

    fn at_keyword(&self, keyword: Keyword) -> bool {
        self.kind() == Kind::Keyword(keyword)
    }

    fn eat_keyword(&mut self, keyword: Keyword) -> bool {
        self.eat(Kind::Keyword(keyword))
    }

    /// A word that is a keyword in this place only.
    fn at_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Ident) && self.token_text().eq_ignore_ascii_case(word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, kind: Kind, what: &str) -> bool {
        if self.eat(kind) {
            return true;
        }
        self.error_expected(what);
        false
    }

    fn expect_keyword(&mut self, keyword: Keyword) -> bool {
        self.expect(Kind::Keyword(keyword), keyword.text())
    }

    /// Whether a syntax error may be reported here: once for each token, never at what the lexer refused.
    fn first_error_here(&mut self) -> bool {
        let before = self.at.checked_sub(1).map(|at| self.tokens[at].kind);
        let near_bad = self.kind() == Kind::Bad || matches!(before, Some(Kind::Bad | Kind::BadString));
        let first = self.error_at.replace(self.at) != Some(self.at);
        first && !near_bad
    }

    fn error_expected(&mut self, what: &str) {
        if !self.first_error_here() {
            return;
        }
        let found = self.found();
        // A missing thing is best shown where it should stand: after the token before.
        let span = if self.kind() == Kind::End { self.last_span().after() } else { self.span() };
        self.sink.report(Code::Expected, span, format!("expected {what}, found {found}"));
    }

    fn found(&self) -> String {
        if self.kind() == Kind::End {
            "the end of the file".to_owned()
        } else {
            let shown: String = self.token_text().chars().take(40).collect();
            format!("`{shown}`")
        }
    }

    /// The `;` after a declaration or statement.
    fn semicolon(&mut self, after: &str) {
        if self.eat(Kind::Semicolon) {
            return;
        }
        let span = self.last_span().after();
        if self.first_error_here() {
            let found = self.found();
            self.sink.report(
                Code::MissingSemicolon,
                span,
                format!("expected `;` after {after}, found {found}"),
            );
        }
        // On the next line a new statement begins; on this one the rest belongs to the broken one.
        let between = self.text.get(span.start as usize..self.span().start as usize).unwrap_or("");
        if !between.contains('\n') {
            self.skip_to(|kind| matches!(kind, Kind::Semicolon | Kind::Keyword(_)));
            self.eat(Kind::Semicolon);
        }
    }

    fn skip_to(&mut self, stop: impl Fn(Kind) -> bool) {
        while self.kind() != Kind::End && !stop(self.kind()) {
            self.bump();
        }
    }

    /// A name that is being declared or used.
    fn name(&mut self, what: &str) -> Option<Name> {
        match self.kind() {
            Kind::Ident => {}
            Kind::Keyword(k) if k.is_contextual() => {}
            _ => {
                self.error_expected(what);
                return None;
            }
        }
        let span = self.bump().span;
        let text = self.slice(span);
        let is_operator = self.dialect == Dialect::Codesys && self.kind() == Kind::LeftParen;
        let is_operator = is_operator && VENDOR_OPERATORS.iter().any(|name| text.eq_ignore_ascii_case(name));
        if text.starts_with("__") && !self.standard && !is_operator {
            let message = format!("`{text}`: names beginning with `__` are reserved for the compiler");
            self.sink.report(Code::ReservedName, span, message);
        }
        Some(Name::new(text, span))
    }

    fn at_name(&self) -> bool {
        match self.kind() {
            Kind::Ident => true,
            Kind::Keyword(k) => k.is_contextual(),
            _ => false,
        }
    }

    /// Runs `inside` one level deeper, or reports that it is too deep and gives `None`.
    fn nested<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.nesting >= MAX_NESTING {
            let message = format!("nested more than {MAX_NESTING} levels deep");
            self.sink.report(Code::TooDeep, self.span(), message);
            self.skip_to(|kind| matches!(kind, Kind::Semicolon | Kind::Keyword(_)));
            // What the enclosing levels miss now is no further mistake.
            self.error_at = Some(self.at);
            return None;
        }
        self.nesting += 1;
        let result = inside(self);
        self.nesting -= 1;
        Some(result)
    }

    fn not_supported(&mut self, span: Span, what: &str) {
        self.sink.report(Code::NotSupportedYet, span, format!("{what} is not supported yet"));
    }
}

/// Keywords at which a new declaration of the file begins: recovery stops there.
fn starts_declaration(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::Program
            | Keyword::Function
            | Keyword::FunctionBlock
            | Keyword::Type
            | Keyword::Configuration
            | Keyword::Namespace
            | Keyword::Class
            | Keyword::Interface
            | Keyword::VarGlobal
    )
}
