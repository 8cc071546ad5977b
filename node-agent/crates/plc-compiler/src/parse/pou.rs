//! Declarations of a file: programs, functions, function blocks, types, globals, namespaces.

use super::{Parser, address, starts_declaration};
use crate::Dialect;
use crate::ast::{
    AccessDecl, Address, AddressAt, Decl, Edge, Expr, Name, Pou, PouKind, Section, Stmt, TypeDecl, TypeRef,
    TypeRefKind, VarGroup, VarSection,
};
use crate::diagnostic::Code;
use crate::lex::{Keyword, Kind};
use crate::span::Span;

/// What stands between the head of a POU and its end.
#[derive(Default)]
struct Parts {
    sections: Vec<VarSection>,
    accesses: Vec<AccessDecl>,
    methods: Vec<Pou>,
    body: Vec<Stmt>,
}

impl Parser<'_> {
    pub(super) fn declaration(&mut self, decls: &mut Vec<Decl>) {
        let Kind::Keyword(keyword) = self.kind() else {
            self.eat(Kind::Semicolon);
            self.opt_test_word();
            return;
        };
        match keyword {
            Keyword::Program => decls.extend(self.pou(PouKind::Program, Keyword::EndProgram)),
            Keyword::Function => decls.extend(self.pou(PouKind::Function, Keyword::EndFunction)),
            Keyword::FunctionBlock => {
                decls.extend(self.pou(PouKind::FunctionBlock, Keyword::EndFunctionBlock));
            }
            Keyword::Type => self.type_block(decls),
            Keyword::VarGlobal => {
                if let Some(section) = self.opt_var_section() {
                    decls.push(Decl::Globals(section));
                }
            }
            Keyword::Configuration => decls.extend(self.configuration()),
            Keyword::Namespace => self.namespace(decls),
            Keyword::Class => decls.extend(self.pou(PouKind::Class, Keyword::EndClass)),
            Keyword::Interface => decls.extend(self.pou(PouKind::Interface, Keyword::EndInterface)),
            Keyword::Test => self.test(),
            Keyword::Using => {
                let names = self.using();
                decls.push(Decl::Using(names));
            }
            _ => {}
        }
    }

    /// Something that later versions compile: one message, and on behind its end.
    fn unsupported_block(&mut self, start: Span, what: &str, end: Keyword) {
        self.not_supported(start, what);
        self.bump();
        self.skip_to(|kind| matches!(kind, Kind::Keyword(k) if k == end));
        self.eat_keyword(end);
        self.eat(Kind::Semicolon);
    }

    fn pou(&mut self, kind: PouKind, end: Keyword) -> Option<Decl> {
        let opened = self.bump().span;
        let modifiers = self.modifiers();
        let name = self.name("a name")?;
        let (extends, implements) = self.inheritance(kind);
        let result = if self.kind() == Kind::Colon {
            let colon = self.bump().span;
            let ty = self.type_ref();
            if kind == PouKind::Function {
                Some(ty)
            } else {
                let message = format!("a {} has no result type", kind.text());
                self.sink.report(Code::SectionNotAllowed, colon.to(ty.span), message);
                None
            }
        } else {
            None
        };
        self.eat(Kind::Semicolon);
        let mut usings = Vec::new();
        while self.at_keyword(Keyword::Using) {
            usings.extend(self.using());
        }
        let mut parts = Parts::default();
        parts.sections = self.sections_and(Some(&mut parts.accesses).filter(|_| kind == PouKind::Program));
        let loops = std::mem::take(&mut self.loops);
        self.pou_parts(kind, &mut parts);
        self.loops = loops;
        if self.eat_keyword(end) {
            self.eat(Kind::Semicolon);
        } else {
            let found = self.found();
            let span = if self.kind() == Kind::End { self.last_span() } else { self.span() };
            self.sink
                .report(Code::MissingEnd, span, format!("expected {}, found {found}", end.text()))
                .related(opened, format!("the {} `{}` begins here", kind.text(), name.text));
            // A stray END_ of something else would end nothing.
            if matches!(self.kind(), Kind::Keyword(k) if !starts_declaration(k)) {
                self.bump();
                self.eat(Kind::Semicolon);
            }
        }
        let Parts { sections, accesses, methods, body } = parts;
        let accessor = None;
        Some(Decl::Pou(Pou {
            kind,
            name,
            result,
            modifiers,
            extends,
            implements,
            usings,
            methods,
            accessor,
            sections,
            accesses,
            body,
        }))
    }

    pub(super) fn sections(&mut self) -> Vec<VarSection> {
        self.sections_and(None)
    }

    /// Sections of variables, and the paths of VAR_ACCESS where they are allowed.
    fn sections_and(&mut self, mut accesses: Option<&mut Vec<AccessDecl>>) -> Vec<VarSection> {
        let mut sections = Vec::new();
        loop {
            if self.at_keyword(Keyword::VarAccess) {
                let span = self.span();
                let found = self.var_access();
                match &mut accesses {
                    Some(accesses) => accesses.extend(found),
                    None => {
                        let message = "VAR_ACCESS stands in a CONFIGURATION or a PROGRAM";
                        self.sink.report(Code::SectionNotAllowed, span, message);
                    }
                }
                continue;
            }
            match self.opt_var_section() {
                Some(section) => sections.push(section),
                None => return sections,
            }
        }
    }

    /// Methods, properties and actions before and after the statements; more sections in a class.
    fn pou_parts(&mut self, kind: PouKind, parts: &mut Parts) {
        loop {
            let before = self.at;
            parts.body.extend(self.statements());
            self.opt_method(kind, &mut parts.methods);
            if kind == PouKind::Class {
                parts.sections.extend(self.sections());
            }
            let start = self.span();
            let chart = match self.kind() {
                Kind::Keyword(Keyword::InitialStep) => ("INITIAL_STEP", Keyword::EndStep),
                Kind::Keyword(Keyword::Step) if self.peek(1) == Kind::Ident => ("STEP", Keyword::EndStep),
                Kind::Keyword(Keyword::Transition) => ("TRANSITION", Keyword::EndTransition),
                _ => {
                    if self.at == before {
                        return;
                    }
                    continue;
                }
            };
            self.unsupported_block(start, &format!("sequential function chart ({})", chart.0), chart.1);
        }
    }

    pub(super) fn opt_var_section(&mut self) -> Option<VarSection> {
        let section = match self.kind() {
            Kind::Keyword(Keyword::Var) => Section::Local,
            Kind::Keyword(Keyword::VarInput) => Section::Input,
            Kind::Keyword(Keyword::VarOutput) => Section::Output,
            Kind::Keyword(Keyword::VarInOut) => Section::InOut,
            Kind::Keyword(Keyword::VarTemp) => Section::Temp,
            Kind::Keyword(Keyword::VarExternal) => Section::External,
            Kind::Keyword(Keyword::VarGlobal) => Section::Global,
            // Its variables are known all the same, so that it is one message.
            _ if self.at_word("VAR_STAT") => {
                self.not_supported(self.span(), "VAR_STAT, variables that all instances share,");
                Section::Local
            }
            _ if self.at_word("VAR_INST") => {
                self.vendor_extension(self.span(), "VAR_INST");
                Section::Instance
            }
            _ => return None,
        };
        let qualified = if section == Section::Global { self.take_mark() } else { None };
        let span = self.bump().span;
        let (mut constant, mut retain, mut persistent) = (false, false, false);
        let mut access = None;
        loop {
            if self.eat_keyword(Keyword::Constant) {
                constant = true;
            } else if self.eat_keyword(Keyword::Retain) {
                retain = true;
            } else if self.at_word("PERSISTENT") && self.peek(1) != Kind::Colon {
                self.extension(self.span(), "PERSISTENT");
                self.bump();
                persistent = true;
            } else if let Some(word) = self.opt_access_word() {
                access = Some(word);
            } else if !self.eat_keyword(Keyword::NonRetain) {
                break;
            }
        }
        // The vendors' constant inputs come from the caller all the same.
        constant &= self.dialect != Dialect::Codesys || section != Section::Input;
        let groups = self.variable_groups(Keyword::EndVar);
        self.end_var(span);
        Some(VarSection { section, constant, retain, persistent, access, groups, span, qualified })
    }

    pub(super) fn end_var(&mut self, opened: Span) {
        if self.eat_keyword(Keyword::EndVar) {
            self.eat(Kind::Semicolon);
            return;
        }
        let found = self.found();
        self.sink
            .report(Code::MissingEnd, self.span(), format!("expected END_VAR, found {found}"))
            .related(opened, "the variable section begins here");
    }

    /// `a, b AT %IX0.0 : BOOL := TRUE;`
    pub(super) fn opt_variable_group(&mut self) -> Option<VarGroup> {
        let (mut names, mut places) = (Vec::new(), Vec::new());
        loop {
            let name = self.name("a variable name")?;
            // DT, TOD and their kin are common names of variables.
            let short = matches!(name.key.as_ref(), "DT" | "TOD" | "LDT" | "LTOD");
            if crate::model::elementary_name(&name.key).is_some() && !short {
                let message = format!("`{}` is the name of a type", name.text);
                self.sink.report(Code::DuplicateName, name.span, message);
            }
            let at_span = self.span();
            let at = if !self.eat_keyword(Keyword::At) {
                None
            } else if self.kind() == Kind::Part {
                places
                    .extend(self.relative_place().map(|at| (names.len(), at, at_span.to(self.last_span()))));
                None
            } else {
                self.at_address()
            };
            names.push((name, at));
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        if !self.expect(Kind::Colon, "`:` and a type") {
            self.skip_to(|k| matches!(k, Kind::Semicolon | Kind::Keyword(_)));
            self.eat(Kind::Semicolon);
            return None;
        }
        let ty = self.type_ref();
        let edge = if self.eat_word("R_EDGE") {
            Some(Edge::Rising)
        } else if self.eat_word("F_EDGE") {
            Some(Edge::Falling)
        } else {
            None
        };
        let init = match self.kind() {
            Kind::Assign => {
                self.bump();
                let list = matches!(ty.kind, TypeRefKind::Array { .. }) && self.at_bare_list();
                Some(if list { self.bare_list() } else { self.initial_value() })
            }
            Kind::LeftParen | Kind::LeftBracket
                if matches!(ty.kind, TypeRefKind::Named(_) | TypeRefKind::Array { .. }) =>
            {
                self.constructor_values()
            }
            _ => None,
        };
        self.semicolon("the declaration");
        Some(VarGroup { names, places, ty, init, edge })
    }

    /// `fb : TON(PT := T#1s);`: the vendors' form of an initial value, or of the parameters of `FB_init`.
    fn constructor_values(&mut self) -> Option<Expr> {
        let start = self.span();
        let named = self.kind() == Kind::LeftParen && self.peek(2) == Kind::Assign;
        if named || self.kind() == Kind::LeftParen && self.peek(1) == Kind::RightParen {
            self.vendor_extension(start, "an initial value without `:=`");
        }
        if named {
            let values = self.initial_value();
            // Then the first were parameters.
            if self.kind() != Kind::Assign {
                return Some(values);
            }
            self.not_supported(values.span, "the call of FB_init with parameters");
            self.bump();
            return Some(self.initial_value());
        }
        let before = self.at;
        let mut depth = 0usize;
        loop {
            match self.kind() {
                Kind::LeftParen | Kind::LeftBracket => depth += 1,
                Kind::RightParen | Kind::RightBracket => depth = depth.saturating_sub(1),
                Kind::End | Kind::Semicolon => break,
                _ => {}
            }
            self.bump();
            if depth == 0 {
                break;
            }
        }
        if self.at > before + 2 {
            self.not_supported(start.to(self.last_span()), "the call of FB_init with parameters");
        }
        self.eat(Kind::Assign).then(|| self.initial_value())
    }

    /// Whether the elements of an array stand without brackets, as the vendors once had it.
    fn at_bare_list(&self) -> bool {
        let value = !matches!(self.kind(), Kind::LeftBracket | Kind::LeftParen | Kind::Ident);
        self.dialect == Dialect::Codesys
            && (value || self.kind() == Kind::LeftParen && self.peek(2) == Kind::Assign)
    }

    /// `%B4`, counted from the start of the structure.
    fn relative_place(&mut self) -> Option<AddressAt> {
        let span = self.bump().span;
        // As a place in an area, whichever: the number means the same.
        let found = address(&format!("%M{}", &self.slice(span)[1..])).and_then(|address| address.at);
        match found {
            Some(at) => Some(at),
            None => {
                let text = self.slice(span);
                self.sink.report(Code::BadAddress, span, format!("`{text}` is not an address"));
                None
            }
        }
    }

    pub(super) fn at_address(&mut self) -> Option<(Address, Span)> {
        let span = self.span();
        if !self.expect(Kind::Address, "an address such as `%IX0.0`") {
            return None;
        }
        let text = self.slice(span);
        if let Some(address) = address(text) {
            Some((address, span))
        } else {
            self.sink.report(Code::BadAddress, span, format!("`{text}` is not an address"));
            None
        }
    }

    /// `EXTENDS Base` of a structure.
    fn opt_base(&mut self) -> Option<Name> {
        let start = self.span();
        if !self.eat_word("EXTENDS") {
            return None;
        }
        self.vendor_extension(start, "EXTENDS of a structure");
        self.dotted_name("a structure")
    }

    fn extend(&mut self, ty: &mut TypeRef, extended: Option<Name>) {
        let Some(extended) = extended else { return };
        match &mut ty.kind {
            TypeRefKind::Struct { base, overlap: false, .. } => *base = Some(extended),
            TypeRefKind::Error => {}
            _ => {
                let message = "only a STRUCT extends another";
                self.sink.report(Code::BadInheritance, extended.span, message);
            }
        }
    }

    fn type_block(&mut self, decls: &mut Vec<Decl>) {
        let whole = self.take_mark();
        let opened = self.bump().span;
        while self.at_name() && !self.sink.is_full() {
            let mark = self.take_mark().or(whole);
            let Some(name) = self.name("a type name") else { break };
            let base = self.opt_base();
            if !self.expect(Kind::Colon, "`:`") {
                self.skip_to(|k| matches!(k, Kind::Semicolon | Kind::Keyword(_)));
                self.eat(Kind::Semicolon);
                continue;
            }
            let mut ty = self.type_ref();
            self.extend(&mut ty, base);
            let init = if self.eat(Kind::Assign) { Some(self.initial_value()) } else { None };
            // The standard asks for a `;` after END_STRUCT; many sources leave it out.
            let ends_itself = matches!(ty.kind, TypeRefKind::Struct { .. }) && init.is_none();
            if !self.eat(Kind::Semicolon) && !ends_itself {
                self.semicolon("the type");
            }
            let is_enum = matches!(ty.kind, crate::ast::TypeRefKind::Enum { .. });
            if let (Some(mark), false) = (mark, is_enum) {
                self.no_effect(mark);
            }
            decls.push(Decl::Type(TypeDecl { name, ty, init, qualified: is_enum && mark.is_some() }));
        }
        if !self.eat_keyword(Keyword::EndType) {
            let found = self.found();
            self.sink
                .report(Code::MissingEnd, self.span(), format!("expected END_TYPE, found {found}"))
                .related(opened, "the TYPE begins here");
            self.skip_to(|k| matches!(k, Kind::Keyword(k) if starts_declaration(k) || k == Keyword::EndType));
            self.eat_keyword(Keyword::EndType);
        }
        self.eat(Kind::Semicolon);
    }
}
