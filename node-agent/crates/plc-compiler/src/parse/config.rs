//! CONFIGURATION, RESOURCE, TASK, program instances, VAR_CONFIG.

use super::Parser;
use crate::ast::{AccessDecl, ConfigBinding, Configuration, Decl, ProgramDecl, Resource, TaskDecl};
use crate::diagnostic::Code;
use crate::lex::{Keyword, Kind};
use crate::span::Span;

impl Parser<'_> {
    pub(super) fn configuration(&mut self) -> Option<Decl> {
        let opened = self.bump().span;
        self.name("a name")?;
        let mut configuration = Configuration::default();
        let mut bare = Resource::empty();
        while !self.at_keyword(Keyword::EndConfiguration) && self.kind() != Kind::End {
            let before = self.at;
            match self.kind() {
                Kind::Keyword(Keyword::VarGlobal) => configuration.globals.extend(self.opt_var_section()),
                Kind::Keyword(Keyword::VarConfig) => self.var_config(&mut configuration.bindings),
                Kind::Keyword(Keyword::VarAccess) => configuration.accesses.extend(self.var_access()),
                Kind::Keyword(Keyword::Resource) => configuration.resources.extend(self.resource()),
                Kind::Keyword(Keyword::Task | Keyword::Program) => self.resource_member(&mut bare),
                _ => {}
            }
            if self.at == before {
                self.error_expected("VAR_GLOBAL, RESOURCE, TASK, PROGRAM or END_CONFIGURATION");
                break;
            }
        }
        if !bare.tasks.is_empty() || !bare.programs.is_empty() {
            configuration.resources.push(bare);
        }
        self.config_end(Keyword::EndConfiguration, opened);
        Some(Decl::Configuration(configuration))
    }

    fn config_end(&mut self, end: Keyword, opened: Span) {
        if !self.eat_keyword(end) {
            let found = self.found();
            self.sink
                .report(Code::MissingEnd, self.span(), format!("expected {}, found {found}", end.text()))
                .related(opened, "the block begins here");
            self.skip_to(|k| k == Kind::Keyword(end));
            self.eat_keyword(end);
        }
        self.eat(Kind::Semicolon);
    }

    fn resource(&mut self) -> Option<Resource> {
        let opened = self.bump().span;
        let mut resource = Resource { name: Some(self.name("a name")?), ..Resource::empty() };
        if self.eat_word("ON") {
            self.name("a processor type");
        }
        while !self.at_keyword(Keyword::EndResource) && self.kind() != Kind::End {
            let before = self.at;
            match self.kind() {
                Kind::Keyword(Keyword::VarGlobal) => resource.globals.extend(self.opt_var_section()),
                _ => self.resource_member(&mut resource),
            }
            if self.at == before {
                self.error_expected("VAR_GLOBAL, TASK, PROGRAM or END_RESOURCE");
                break;
            }
        }
        self.config_end(Keyword::EndResource, opened);
        Some(resource)
    }

    fn resource_member(&mut self, resource: &mut Resource) {
        match self.kind() {
            Kind::Keyword(Keyword::Task) => {
                self.bump();
                resource.tasks.extend(self.task());
            }
            Kind::Keyword(Keyword::Program) => {
                self.bump();
                resource.programs.extend(self.program_instance());
            }
            _ => {}
        }
    }

    fn task(&mut self) -> Option<TaskDecl> {
        let name = self.name("a task name")?;
        let mut task = TaskDecl { name, interval: None, single: None, priority: None };
        if self.kind() == Kind::LeftParen {
            for argument in self.arguments() {
                let key = argument.name.as_ref().map(|n| n.key.to_string()).unwrap_or_default();
                match key.as_str() {
                    "INTERVAL" => task.interval = argument.value,
                    "SINGLE" => task.single = argument.value,
                    "PRIORITY" => task.priority = argument.value,
                    _ => {
                        let message = "a task has INTERVAL, SINGLE and PRIORITY";
                        self.sink.report(Code::UnknownParameter, argument.span, message);
                    }
                }
            }
        }
        self.semicolon("the task");
        Some(task)
    }

    fn program_instance(&mut self) -> Option<ProgramDecl> {
        while self.eat_keyword(Keyword::Retain) || self.eat_keyword(Keyword::NonRetain) {}
        let name = self.name("an instance name")?;
        let task = if self.eat_word("WITH") { self.name("a task name") } else { None };
        self.expect(Kind::Colon, "`:` and the program's name");
        let program = self.name("the program's name")?;
        let connections = if self.kind() == Kind::LeftParen { self.arguments() } else { Vec::new() };
        self.semicolon("the program instance");
        Some(ProgramDecl { name, task, program, connections })
    }

    /// `Main.Start AT %IX0.0 : BOOL;`
    fn var_config(&mut self, bindings: &mut Vec<ConfigBinding>) {
        let opened = self.bump().span;
        while self.at_name() {
            let start = self.span();
            self.skip_to(|k| {
                !matches!(k, Kind::Ident | Kind::Dot | Kind::LeftBracket | Kind::RightBracket | Kind::Integer)
            });
            let span = start.to(self.last_span());
            let path = self.slice(span).to_owned();
            let address = if self.eat_keyword(Keyword::At) { self.at_address() } else { None };
            self.expect(Kind::Colon, "`:` and a type");
            self.type_ref();
            let init = self.eat(Kind::Assign).then(|| self.initial_value());
            self.semicolon("the declaration");
            bindings.push(ConfigBinding { path, address, init, span });
        }
        self.end_var(opened);
    }

    /// `VAR_ACCESS Level : Res.Main.level : INT READ_WRITE; END_VAR`
    pub(super) fn var_access(&mut self) -> Vec<AccessDecl> {
        let opened = self.bump().span;
        let mut accesses = Vec::new();
        while self.at_name() && !self.sink.is_full() {
            let Some(name) = self.name("a name") else { break };
            self.expect(Kind::Colon, "`:` and the path of a variable");
            let start = self.span();
            self.skip_to(|k| match k {
                Kind::Keyword(word) => !word.is_contextual(),
                k => matches!(k, Kind::Colon | Kind::Semicolon),
            });
            let span = start.to(self.last_span());
            let path: String = self.slice(span).split_whitespace().collect();
            self.expect(Kind::Colon, "`:` and a type");
            let ty = self.type_ref();
            let writable = self.eat_word("READ_WRITE");
            if !writable {
                self.eat_word("READ_ONLY");
            }
            self.semicolon("the access path");
            accesses.push(AccessDecl { name, path, span, ty, writable });
        }
        self.end_var(opened);
        accesses
    }
}

impl Resource {
    fn empty() -> Self {
        Self { name: None, globals: Vec::new(), tasks: Vec::new(), programs: Vec::new() }
    }
}
