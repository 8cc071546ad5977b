//! Types in declarations.

use super::Parser;
use crate::ast::{Expr, RefKind, TypeRef, TypeRefKind, VarGroup};
use crate::lex::{Keyword, Kind};

impl Parser<'_> {
    pub(super) fn type_ref(&mut self) -> TypeRef {
        let start = self.span();
        let kind = self.nested(Self::type_kind).unwrap_or(TypeRefKind::Error);
        TypeRef { kind, span: start.to(self.last_span()) }
    }

    fn type_kind(&mut self) -> TypeRefKind {
        let start = self.span();
        match self.kind() {
            Kind::Keyword(Keyword::Array) => self.array(),
            Kind::Keyword(Keyword::Struct) => self.structure(Keyword::EndStruct),
            _ if self.at_word("UNION") && self.peek(1) == Kind::Ident => {
                self.vendor_extension(start, "UNION");
                self.structure(Keyword::EndUnion)
            }
            Kind::Keyword(Keyword::RefTo) => {
                self.bump();
                TypeRefKind::Reference { kind: RefKind::To, target: Box::new(self.type_ref()) }
            }
            Kind::LeftParen => {
                let values = self.enum_values();
                // The vendors write the storage type behind the values.
                let storage = self.at_name()
                    && crate::model::elementary_name(&self.token_text().to_ascii_uppercase()).is_some();
                let base = if storage { self.name("a type") } else { None };
                if let Some(base) = &base {
                    self.vendor_extension(base.span, "a storage type behind the values");
                }
                TypeRefKind::Enum { base, values }
            }
            _ if self.at_word("STRING") || self.at_word("WSTRING") => {
                let wide = self.token_text().len() == 7;
                self.bump();
                let length = match self.kind() {
                    Kind::LeftBracket => Some(Box::new(self.bracketed(Kind::RightBracket, "`]`"))),
                    Kind::LeftParen => {
                        self.extension(self.span(), "a length in parentheses");
                        Some(Box::new(self.bracketed(Kind::RightParen, "`)`")))
                    }
                    _ => None,
                };
                TypeRefKind::String { wide, length }
            }
            _ if (self.at_word("POINTER") || self.at_word("REFERENCE"))
                && self.peek(1) == Kind::Keyword(Keyword::To) =>
            {
                let pointer = self.at_word("POINTER");
                self.bump();
                self.expect_keyword(Keyword::To);
                self.vendor_extension(start, if pointer { "POINTER TO" } else { "REFERENCE TO" });
                let kind = if pointer { RefKind::Pointer } else { RefKind::Alias };
                TypeRefKind::Reference { kind, target: Box::new(self.type_ref()) }
            }
            _ => self.named_type(),
        }
    }

    fn bracketed(&mut self, close: Kind, what: &str) -> Expr {
        self.bump();
        let length = self.expression();
        self.expect(close, what);
        length
    }

    fn named_type(&mut self) -> TypeRefKind {
        let Some(name) = self.dotted_name("a type") else { return TypeRefKind::Error };
        // Behind another name than that of a number stand the initial values of an instance.
        if self.kind() != Kind::LeftParen || crate::model::elementary_name(&name.key).is_none() {
            return TypeRefKind::Named(name);
        }
        // `INT (0..100)` is a subrange, `INT (Low := 0, High := 100)` an enumeration with storage type.
        if self.peek(1) == Kind::Ident
            && matches!(self.peek(2), Kind::Assign | Kind::Comma | Kind::RightParen)
        {
            return TypeRefKind::Enum { base: Some(name), values: self.enum_values() };
        }
        self.bump();
        let low = Box::new(self.expression());
        self.expect(Kind::DotDot, "`..`");
        let high = Box::new(self.expression());
        self.expect(Kind::RightParen, "`)`");
        TypeRefKind::Subrange { base: name, low, high }
    }

    fn enum_values(&mut self) -> Vec<(crate::ast::Name, Option<Expr>)> {
        self.bump();
        let mut values = Vec::new();
        while self.at_name() {
            let Some(name) = self.name("a value") else { break };
            let value = self.eat(Kind::Assign).then(|| self.expression());
            values.push((name, value));
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        if values.is_empty() {
            self.error_expected("the name of an enumeration value");
        }
        if !self.expect(Kind::RightParen, "`,` or `)`") {
            self.skip_to(|k| matches!(k, Kind::RightParen | Kind::Semicolon | Kind::Keyword(_)));
            self.eat(Kind::RightParen);
        }
        values
    }

    fn array(&mut self) -> TypeRefKind {
        self.bump();
        self.expect(Kind::LeftBracket, "`[`");
        let mut dimensions = Vec::new();
        let mut open = 0;
        if self.kind() == Kind::Star {
            while self.eat(Kind::Star) {
                open += 1;
                if !self.eat(Kind::Comma) {
                    break;
                }
            }
        } else {
            loop {
                let low = self.expression();
                self.expect(Kind::DotDot, "`..` between the bounds");
                let high = self.expression();
                dimensions.push((low, high));
                if !self.eat(Kind::Comma) {
                    break;
                }
            }
        }
        self.expect(Kind::RightBracket, "`,` or `]`");
        self.expect_keyword(Keyword::Of);
        let element = Box::new(self.type_ref());
        if open > 0 {
            return TypeRefKind::OpenArray { dimensions: open, element };
        }
        if dimensions.is_empty() { TypeRefKind::Error } else { TypeRefKind::Array { dimensions, element } }
    }

    /// A structure, or a union, whose members all begin at the same place.
    fn structure(&mut self, end: Keyword) -> TypeRefKind {
        let opened = self.bump().span;
        let overlap = end == Keyword::EndUnion || self.eat_word("OVERLAP");
        let groups = self.variable_groups(end);
        if !self.eat_keyword(end) {
            let found = self.found();
            self.sink
                .report(
                    crate::diagnostic::Code::MissingEnd,
                    self.span(),
                    format!("expected {}, found {found}", end.text()),
                )
                .related(opened, "the STRUCT begins here");
        }
        TypeRefKind::Struct { groups, overlap, base: None }
    }

    /// Declarations up to `end`, which is left for the caller.
    pub(super) fn variable_groups(&mut self, end: Keyword) -> Vec<VarGroup> {
        let mut groups = Vec::new();
        while self.at_name() && !self.sink.is_full() {
            groups.extend(self.opt_variable_group());
        }
        while !self.at_keyword(end) {
            // Something that is no declaration: skip it and look for more.
            let stop = |k: Kind| match k {
                Kind::Semicolon | Kind::End => true,
                Kind::Keyword(k) => k.text().starts_with("END_") || super::starts_declaration(k),
                _ => false,
            };
            if self.kind() == Kind::Semicolon {
                self.bump();
            } else {
                if stop(self.kind()) {
                    break;
                }
                self.error_expected("a variable declaration");
                self.bump();
                self.skip_to(stop);
            }
            while self.at_name() && !self.sink.is_full() {
                groups.extend(self.opt_variable_group());
            }
        }
        groups
    }
}
