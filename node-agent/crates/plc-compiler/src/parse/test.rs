//! TEST, SETUP, TEARDOWN, MOCK. The last three are words of their places and stay free as names.

use super::Parser;
use crate::ast::test::{Block, TestDecl};
use crate::ast::{Name, Pou, PouKind};
use crate::diagnostic::Code;
use crate::lex::{Keyword, Kind, literal};
use crate::span::Span;

impl Parser<'_> {
    /// SETUP, TEARDOWN or MOCK at file level; TEST is a keyword and comes by [`Parser::test`].
    pub(super) fn opt_test_word(&mut self) {
        let start = self.at;
        let found = self.at_word("SETUP") || self.at_word("TEARDOWN") || self.at_mock();
        if !found {
            return;
        }
        self.extension(self.span(), "a test");
        if self.at_mock() {
            let mock = self.mock();
            self.suite.mocks.extend(mock);
        } else if self.eat_word("SETUP") {
            let block = self.block(Keyword::EndSetup);
            self.keep_block(block, "SETUP");
        } else {
            self.bump();
            let block = self.block(Keyword::EndTeardown);
            self.keep_block(block, "TEARDOWN");
        }
        self.suite.shared_tokens += self.at - start;
    }

    fn keep_block(&mut self, block: Block, what: &str) {
        let slot = if what == "SETUP" { &mut self.suite.setup } else { &mut self.suite.teardown };
        if let Some(first) = slot {
            self.sink
                .report(Code::DuplicateName, block.span, format!("this file has a {what} already"))
                .related(first.span, "first here");
            return;
        }
        *slot = Some(block);
    }

    /// Sections, statements and the END_ keyword, after the word that opens them.
    fn block(&mut self, end: Keyword) -> Block {
        let span = self.last_span();
        let sections = self.sections();
        let loops = std::mem::take(&mut self.loops);
        let body = self.statements();
        self.loops = loops;
        self.end_of_test_block(end, span);
        Block { sections, body, span }
    }

    fn end_of_test_block(&mut self, end: Keyword, opened: Span) {
        if self.eat_keyword(end) {
            self.eat(Kind::Semicolon);
            return;
        }
        let found = self.found();
        let span = if self.kind() == Kind::End { self.last_span() } else { self.span() };
        self.sink
            .report(Code::MissingEnd, span, format!("expected {}, found {found}", end.text()))
            .related(opened, "the block begins here");
        // A stray END_ of something else would end nothing.
        if matches!(self.kind(), Kind::Keyword(k) if !super::starts_declaration(k) && k != Keyword::Test) {
            self.bump();
            self.eat(Kind::Semicolon);
        }
    }

    /// Whether a MOCK begins here: no variable of that name is followed by FUNCTION.
    pub(super) fn at_mock(&self) -> bool {
        self.at_word("MOCK")
            && matches!(self.peek(1), Kind::Keyword(Keyword::Function | Keyword::FunctionBlock))
    }

    fn mock(&mut self) -> Option<Pou> {
        self.bump();
        let kind =
            if self.at_keyword(Keyword::Function) { PouKind::Function } else { PouKind::FunctionBlock };
        self.bump();
        let name = self.name("the name of a function or function block")?;
        let Block { sections, body, .. } = self.block(Keyword::EndMock);
        Some(Pou::plain(kind, name, sections, body))
    }

    /// `TEST 'title' … END_TEST`
    pub(super) fn test(&mut self) {
        let opened = self.bump().span;
        self.extension(opened, "TEST");
        let name = self.title(opened);
        let mut mocks = Vec::new();
        let mut sections = Vec::new();
        let mut body = Vec::new();
        let loops = std::mem::take(&mut self.loops);
        loop {
            let before = self.at;
            if self.at_mock() {
                mocks.extend(self.mock());
                continue;
            }
            if body.is_empty() {
                sections.extend(self.sections());
            }
            body.extend(self.statements());
            if self.at == before {
                break;
            }
        }
        self.loops = loops;
        self.end_of_test_block(Keyword::EndTest, opened);
        let title = name.text.clone();
        let pou = Pou::plain(PouKind::Test, name, sections, body);
        self.suite.tests.push(TestDecl { title, mocks, pou });
    }

    /// The string after TEST, as a name that nothing can refer to.
    fn title(&mut self, opened: Span) -> Name {
        if self.kind() != Kind::String {
            self.error_expected("the name of the test in quotes");
            if self.kind() == Kind::Ident {
                self.bump();
            }
            return Name::new("", opened);
        }
        let span = self.bump().span;
        let text = self.slice(span);
        let inside = text.get(1..text.len() - 1).unwrap_or_default();
        match literal::string(inside, true) {
            Ok(units) => Name::new(&String::from_utf16_lossy(&units), span),
            Err(_) => Name::new(inside, span),
        }
    }
}
