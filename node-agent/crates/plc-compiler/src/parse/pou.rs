//! Declarations of a file: programs, functions, function blocks, types, globals, namespaces.

use super::{Parser, address, starts_declaration};
use crate::ast::{Address, Decl, Edge, Name, Pou, PouKind, Section, TypeDecl, VarGroup, VarSection};
use crate::diagnostic::Code;
use crate::lex::{Keyword, Kind};
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn declaration(&mut self, decls: &mut Vec<Decl>) {
        let start = self.span();
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
                    decls.push(Decl::Globals { list: None, section });
                }
            }
            Keyword::Configuration => decls.extend(self.configuration()),
            Keyword::Namespace => self.namespace(decls),
            Keyword::Class => self.unsupported_block(start, "CLASS", Keyword::EndClass),
            Keyword::Interface => self.unsupported_block(start, "INTERFACE", Keyword::EndInterface),
            Keyword::Test => self.test(),
            Keyword::Method => self.unsupported_block(start, "METHOD", Keyword::EndMethod),
            Keyword::Property => self.unsupported_block(start, "PROPERTY", Keyword::EndProperty),
            Keyword::Action => self.unsupported_block(start, "ACTION", Keyword::EndAction),
            Keyword::Using => {
                self.not_supported(start, "USING");
                self.skip_to(|k| k == Kind::Semicolon);
                self.eat(Kind::Semicolon);
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
        for word in ["ABSTRACT", "FINAL", "INTERNAL", "PUBLIC"] {
            if self.at_word(word) && self.peek(1) == Kind::Ident {
                self.not_supported(self.span(), word);
                self.bump();
            }
        }
        let name = self.name("a name")?;
        for word in ["EXTENDS", "IMPLEMENTS"] {
            if self.at_word(word) {
                self.not_supported(self.span(), word);
                self.skip_to(|k| matches!(k, Kind::Keyword(_) | Kind::Semicolon));
            }
        }
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
        let sections = self.sections();
        let loops = std::mem::take(&mut self.loops);
        let body = self.pou_body();
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
        Some(Decl::Pou(Pou { kind, name, result, sections, body }))
    }

    pub(super) fn sections(&mut self) -> Vec<VarSection> {
        let mut sections = Vec::new();
        loop {
            if self.at_keyword(Keyword::VarAccess) {
                self.unsupported_block(self.span(), "VAR_ACCESS", Keyword::EndVar);
                continue;
            }
            match self.opt_var_section() {
                Some(section) => sections.push(section),
                None => return sections,
            }
        }
    }

    /// Statements, with methods and steps told apart from errors.
    fn pou_body(&mut self) -> Vec<crate::ast::Stmt> {
        let mut body = self.statements();
        loop {
            let start = self.span();
            let unsupported = match self.kind() {
                Kind::Keyword(Keyword::Method) => ("METHOD", Keyword::EndMethod),
                Kind::Keyword(Keyword::Property) if self.peek(1) == Kind::Ident => {
                    ("PROPERTY", Keyword::EndProperty)
                }
                Kind::Keyword(Keyword::Action) if self.peek(1) == Kind::Ident => {
                    ("ACTION", Keyword::EndAction)
                }
                Kind::Keyword(Keyword::InitialStep) => {
                    ("sequential function chart (INITIAL_STEP)", Keyword::EndStep)
                }
                Kind::Keyword(Keyword::Step) if self.peek(1) == Kind::Ident => {
                    ("sequential function chart (STEP)", Keyword::EndStep)
                }
                Kind::Keyword(Keyword::Transition) => {
                    ("sequential function chart (TRANSITION)", Keyword::EndTransition)
                }
                _ => return body,
            };
            self.unsupported_block(start, unsupported.0, unsupported.1);
            body.extend(self.statements());
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
            _ => return None,
        };
        let span = self.bump().span;
        let (mut constant, mut retain, mut persistent) = (false, false, false);
        loop {
            if self.eat_keyword(Keyword::Constant) {
                constant = true;
            } else if self.eat_keyword(Keyword::Retain) {
                retain = true;
            } else if self.at_word("PERSISTENT") && self.peek(1) != Kind::Colon {
                self.extension(self.span(), "PERSISTENT");
                self.bump();
                persistent = true;
            } else if !self.eat_keyword(Keyword::NonRetain) && !self.eat_access_word() {
                break;
            }
        }
        let groups = self.variable_groups(Keyword::EndVar);
        self.end_var(span);
        Some(VarSection { section, constant, retain, persistent, groups, span })
    }

    /// PUBLIC and its kin after VAR have a meaning for classes only.
    fn eat_access_word(&mut self) -> bool {
        let is_word = ["PUBLIC", "PRIVATE", "PROTECTED", "INTERNAL"].iter().any(|word| self.at_word(word));
        let is_access =
            is_word && !matches!(self.peek(1), Kind::Colon | Kind::Comma | Kind::Keyword(Keyword::At));
        if is_access {
            self.bump();
        }
        is_access
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
        let mut names = Vec::new();
        loop {
            let name = self.name("a variable name")?;
            // DT, TOD and their kin are common names of variables.
            let short = matches!(name.key.as_ref(), "DT" | "TOD" | "LDT" | "LTOD");
            if crate::model::elementary_name(&name.key).is_some() && !short {
                let message = format!("`{}` is the name of a type", name.text);
                self.sink.report(Code::DuplicateName, name.span, message);
            }
            let at = self.eat_keyword(Keyword::At).then(|| self.at_address()).flatten();
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
        // `fb : TON(PT := T#1s);` is the vendors' form of an initial value.
        let init = if self.eat(Kind::Assign) { Some(self.initial_value()) } else { None };
        self.semicolon("the declaration");
        Some(VarGroup { names, ty, init, edge })
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

    fn type_block(&mut self, decls: &mut Vec<Decl>) {
        let opened = self.bump().span;
        while self.at_name() && !self.sink.is_full() {
            let Some(name) = self.name("a type name") else { break };
            if !self.expect(Kind::Colon, "`:`") {
                self.skip_to(|k| matches!(k, Kind::Semicolon | Kind::Keyword(_)));
                self.eat(Kind::Semicolon);
                continue;
            }
            let ty = self.type_ref();
            let init = if self.eat(Kind::Assign) { Some(self.initial_value()) } else { None };
            // The standard asks for a `;` after END_STRUCT; many sources leave it out.
            let ends_itself = matches!(ty.kind, crate::ast::TypeRefKind::Struct(_)) && init.is_none();
            if !self.eat(Kind::Semicolon) && !ends_itself {
                self.semicolon("the type");
            }
            decls.push(Decl::Type(TypeDecl { name, ty, init }));
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

    /// A namespace of global lists. Anything else in it is not supported yet.
    fn namespace(&mut self, decls: &mut Vec<Decl>) {
        let opened = self.bump().span;
        self.extension(opened, "VAR_GLOBAL in a NAMESPACE");
        let Some(name) = self.name("a name") else { return };
        if self.kind() == Kind::Dot {
            self.unsupported_block(opened, "a nested namespace", Keyword::EndNamespace);
            return;
        }
        while !self.at_keyword(Keyword::EndNamespace) && self.kind() != Kind::End && !self.sink.is_full() {
            let before = self.at;
            self.namespace_member(&name, decls);
            if self.at == before {
                break;
            }
        }
        if !self.eat_keyword(Keyword::EndNamespace) {
            let found = self.found();
            self.sink
                .report(Code::MissingEnd, self.span(), format!("expected END_NAMESPACE, found {found}"))
                .related(opened, "the NAMESPACE begins here");
        }
        self.eat(Kind::Semicolon);
    }

    fn namespace_member(&mut self, name: &Name, decls: &mut Vec<Decl>) {
        if self.at_keyword(Keyword::VarGlobal) {
            if let Some(section) = self.opt_var_section() {
                decls.push(Decl::Globals { list: Some(name.clone()), section });
            }
            return;
        }
        let start = self.span();
        let mut inner = Vec::new();
        self.declaration(&mut inner);
        if !inner.is_empty() {
            self.not_supported(start, "a namespace with anything but VAR_GLOBAL");
        }
    }
}
