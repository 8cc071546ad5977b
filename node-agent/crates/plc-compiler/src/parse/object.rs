//! Object orientation and namespaces: heads of classes, methods, properties, actions, USING.

use super::Parser;
use crate::Dialect;
use crate::ast::{
    Access, Accessor, Decl, Modifiers, Name, Namespace, Pou, PouKind, Section, TypeRef, VarGroup, VarSection,
};
use crate::diagnostic::Code;
use crate::lex::{Keyword, Kind};
use crate::span::Span;

impl Parser<'_> {
    /// PUBLIC and its kin, unless a variable has that name.
    pub(super) fn opt_access_word(&mut self) -> Option<Access> {
        let all = [Access::Public, Access::Protected, Access::Private, Access::Internal];
        let access = all.into_iter().find(|access| self.at_word(access.text()))?;
        if matches!(self.peek(1), Kind::Colon | Kind::Comma | Kind::Keyword(Keyword::At)) {
            return None;
        }
        self.bump();
        Some(access)
    }

    /// `PUBLIC FINAL OVERRIDE` in any order before a name.
    pub(super) fn modifiers(&mut self) -> Modifiers {
        let mut modifiers = Modifiers::default();
        while matches!(self.peek(1), Kind::Ident | Kind::Keyword(_)) && self.kind() == Kind::Ident {
            if let Some(access) = self.opt_access_word() {
                modifiers.access = Some(access);
            } else if self.eat_word("ABSTRACT") {
                modifiers.is_abstract = true;
            } else if self.eat_word("FINAL") {
                modifiers.is_final = true;
            } else if self.eat_word("OVERRIDE") {
                modifiers.is_override = true;
            } else {
                break;
            }
        }
        modifiers
    }

    /// EXTENDS and IMPLEMENTS with their names.
    pub(super) fn inheritance(&mut self, kind: PouKind) -> (Vec<Name>, Vec<Name>) {
        let (mut extends, mut implements) = (Vec::new(), Vec::new());
        loop {
            let span = self.span();
            let list = if self.at_word("EXTENDS") {
                &mut extends
            } else if self.at_word("IMPLEMENTS") {
                &mut implements
            } else {
                break;
            };
            self.bump();
            loop {
                list.extend(self.dotted_name("a name"));
                if !self.eat(Kind::Comma) {
                    break;
                }
            }
            if matches!(kind, PouKind::Program | PouKind::Function) {
                let message = format!("a {} does not inherit", kind.text());
                self.sink.report(Code::BadInheritance, span, message);
            }
        }
        (extends, implements)
    }

    /// `A.B.C` as one name.
    pub(super) fn dotted_name(&mut self, what: &str) -> Option<Name> {
        let first = self.name(what)?;
        if self.kind() != Kind::Dot {
            return Some(first);
        }
        let (mut text, mut span) = (first.text.to_string(), first.span);
        while self.eat(Kind::Dot) {
            let next = self.name("a name")?;
            text.push('.');
            text.push_str(&next.text);
            span = span.to(next.span);
        }
        Some(Name::new(&text, span))
    }

    /// `USING A.B, C;`
    pub(super) fn using(&mut self) -> Vec<Name> {
        self.bump();
        let mut names = Vec::new();
        loop {
            names.extend(self.dotted_name("a namespace"));
            if !self.eat(Kind::Comma) {
                break;
            }
        }
        self.semicolon("USING");
        names
    }

    pub(super) fn namespace(&mut self, decls: &mut Vec<Decl>) {
        let opened = self.bump().span;
        self.opt_access_word();
        let Some(name) = self.dotted_name("a name") else { return };
        let inner = self.nested(|p| {
            let mut inner = Vec::new();
            while !p.at_keyword(Keyword::EndNamespace) && p.kind() != Kind::End && !p.sink.is_full() {
                let before = p.at;
                if p.at_keyword(Keyword::VarGlobal) {
                    p.extension(p.span(), "VAR_GLOBAL in a NAMESPACE");
                }
                p.declaration(&mut inner);
                if p.at == before {
                    p.error_expected("a declaration or END_NAMESPACE");
                    p.bump();
                    p.skip_to(|kind| {
                        matches!(kind, Kind::Keyword(k)
                            if super::starts_declaration(k) || k == Keyword::EndNamespace)
                    });
                }
            }
            inner
        });
        decls.push(Decl::Namespace(Namespace { name, decls: inner.unwrap_or_default() }));
        if !self.eat_keyword(Keyword::EndNamespace) {
            let found = self.found();
            let span = if self.kind() == Kind::End { self.last_span() } else { self.span() };
            self.sink
                .report(Code::MissingEnd, span, format!("expected END_NAMESPACE, found {found}"))
                .related(opened, "the NAMESPACE begins here");
        }
        self.eat(Kind::Semicolon);
    }

    /// A method, property or action, if one begins here.
    pub(super) fn opt_method(&mut self, owner: PouKind, methods: &mut Vec<Pou>) {
        let start = self.span();
        match self.kind() {
            Kind::Keyword(Keyword::Method) => methods.extend(self.method(owner)),
            Kind::Keyword(Keyword::Property) if self.at_part() => self.property(methods),
            Kind::Keyword(Keyword::Action) if self.at_part() => methods.extend(self.action()),
            _ => return,
        }
        if owner == PouKind::Function {
            self.sink.report(Code::BadInheritance, start, "a function has no methods");
        } else if owner == PouKind::Program {
            self.extension(start, "a method of a program");
        }
    }

    /// Whether PROPERTY, ACTION and their kin open a part here, rather than being the name of a variable.
    pub(super) fn at_part(&self) -> bool {
        match self.peek(1) {
            Kind::Ident => true,
            Kind::Keyword(keyword) => keyword.is_contextual(),
            _ => false,
        }
    }

    fn method(&mut self, owner: PouKind) -> Option<Pou> {
        let opened = self.bump().span;
        let mut modifiers = self.modifiers();
        modifiers.is_abstract |= owner == PouKind::Interface;
        let name = self.name("the method's name")?;
        if self.dialect == Dialect::Codesys && name.key.as_ref() == "FB_INIT" {
            self.not_supported(name.span, "FB_init, which would run before the first scan,");
        }
        let result = self.eat(Kind::Colon).then(|| self.type_ref());
        self.eat(Kind::Semicolon);
        let sections = self.sections();
        let body = self.inner_body();
        self.part_end(Keyword::EndMethod, opened, "the METHOD");
        Some(Pou { modifiers, sections, body, ..method(name, result, None) })
    }

    /// Statements of a method: loops outside of it do not count.
    fn inner_body(&mut self) -> Vec<crate::ast::Stmt> {
        let loops = std::mem::take(&mut self.loops);
        let body = self.statements();
        self.loops = loops;
        body
    }

    fn part_end(&mut self, end: Keyword, opened: Span, what: &str) {
        if !self.eat_keyword(end) {
            let found = self.found();
            let span = if self.kind() == Kind::End { self.last_span() } else { self.span() };
            self.sink
                .report(Code::MissingEnd, span, format!("expected {}, found {found}", end.text()))
                .related(opened, format!("{what} begins here"));
        }
        self.eat(Kind::Semicolon);
    }

    fn action(&mut self) -> Option<Pou> {
        let opened = self.bump().span;
        self.extension(opened, "an ACTION outside of a chart");
        let name = self.name("the action's name")?;
        self.eat(Kind::Colon);
        let body = self.inner_body();
        self.part_end(Keyword::EndAction, opened, "the ACTION");
        let modifiers = Modifiers { access: Some(Access::Public), ..Modifiers::default() };
        Some(Pou { modifiers, body, ..method(name, None, None) })
    }

    /// `PROPERTY name : T GET … END_GET SET … END_SET END_PROPERTY`
    fn property(&mut self, methods: &mut Vec<Pou>) {
        let opened = self.bump().span;
        self.extension(opened, "PROPERTY");
        let modifiers = self.modifiers();
        let Some(name) = self.name("the property's name") else { return };
        self.expect(Kind::Colon, "`:` and the property's type");
        let ty = self.type_ref();
        self.eat(Kind::Semicolon);
        let mut any = false;
        loop {
            let span = self.span();
            let accessor = if self.eat_word("GET") {
                Accessor::Get
            } else if self.eat_word("SET") {
                Accessor::Set
            } else {
                break;
            };
            any = true;
            let own = self.modifiers_before_body();
            self.eat(Kind::Semicolon);
            let mut sections = self.sections();
            if accessor == Accessor::Set {
                sections.insert(0, value_section(&name, &ty));
            }
            let end = if accessor == Accessor::Get { "END_GET" } else { "END_SET" };
            let body = self.accessor_body(end);
            if !self.eat_word(end) {
                let found = self.found();
                self.sink
                    .report(Code::MissingEnd, self.span(), format!("expected {end}, found {found}"))
                    .related(span, "begins here");
            }
            self.eat(Kind::Semicolon);
            let key = accessor.key(&name.key);
            let part = Name { key, text: std::rc::Rc::clone(&name.text), span: name.span };
            let result = (accessor == Accessor::Get).then(|| ty.clone());
            let modifiers = Modifiers { access: own.or(modifiers.access), ..modifiers };
            methods.push(Pou { modifiers, sections, body, ..method(part, result, Some(accessor)) });
        }
        if !any {
            let message = format!("the property `{}` has neither GET nor SET", name.text);
            self.sink.report(Code::BadProperty, name.span, message);
        }
        self.part_end(Keyword::EndProperty, opened, "the PROPERTY");
    }

    /// Access of one accessor: `GET PRIVATE`.
    fn modifiers_before_body(&mut self) -> Option<Access> {
        self.opt_access_word()
    }

    /// Statements up to END_GET or END_SET, which are names elsewhere.
    fn accessor_body(&mut self, end: &str) -> Vec<crate::ast::Stmt> {
        let loops = std::mem::take(&mut self.loops);
        let body = self.statements_until(|p| p.at_word(end));
        self.loops = loops;
        body
    }
}

/// The input through which SET gets its value.
fn value_section(name: &Name, ty: &TypeRef) -> VarSection {
    let group = VarGroup {
        names: vec![(name.clone(), None)],
        places: Vec::new(),
        ty: ty.clone(),
        init: None,
        edge: None,
    };
    VarSection {
        qualified: None,
        section: Section::Input,
        constant: false,
        retain: false,
        persistent: false,
        access: None,
        groups: vec![group],
        span: name.span,
    }
}

fn method(name: Name, result: Option<TypeRef>, accessor: Option<Accessor>) -> Pou {
    Pou { result, accessor, ..Pou::plain(PouKind::Method, name, Vec::new(), Vec::new()) }
}
