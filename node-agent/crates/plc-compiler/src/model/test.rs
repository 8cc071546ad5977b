//! Tests as POUs: each TEST is one, and each mock is one for each test that it serves.
//!
//! A test holds the variables of its file's SETUP and its own. A mock has the variables of what it replaces, in
//! their order, so that both fit one instance; it also sees the variables of its test.

use super::{Model, VarKind};
use crate::ast::test::{Suite, TestDecl};
use crate::ast::{self, PouKind, Section};
use crate::diagnostic::Code;
use crate::hir;
use crate::span::Span;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// Tests of one program.
const MAX_TESTS: usize = 10_000;
/// Tokens of SETUP, TEARDOWN and mocks, times the tests that get a copy: bounds time and memory.
const MAX_COPIED_TOKENS: usize = 4 << 20;

/// What a POU is to the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Nothing: it is the program.
    Plain,
    /// Index into [`Model::tests`].
    Test(usize),
    /// A mock in that test.
    Mock(usize),
}

/// One TEST.
#[derive(Debug)]
pub(crate) struct TestCase<'a> {
    pub(crate) title: Rc<str>,
    pub(crate) decl: &'a TestDecl,
    pub(crate) suite: &'a Suite,
    /// Holds its variables; its body is that of the TEST.
    pub(crate) pou: usize,
    /// What is replaced, and by which POU.
    pub(crate) mocks: HashMap<usize, usize>,
    pub(crate) setup: Vec<hir::Stmt>,
    pub(crate) teardown: Vec<hir::Stmt>,
}

impl<'a> Model<'a> {
    pub(super) fn collect_suite(&mut self, suite: &'a Suite, space: usize) {
        let shared = suite.setup.iter().chain(&suite.teardown).map(|block| block.span);
        let shared: Vec<Span> = shared.chain(suite.mocks.iter().map(|mock| mock.name.span)).collect();
        if suite.tests.is_empty() {
            for span in shared {
                self.sink.report(Code::NoTest, span, "this file has no TEST that it could serve");
            }
            return;
        }
        let copied = suite.tests.len().saturating_mul(suite.shared_tokens);
        if copied > MAX_COPIED_TOKENS || self.tests.len() + suite.tests.len() > MAX_TESTS {
            let message = format!("more than {MAX_TESTS} tests, or too large a SETUP for so many");
            self.sink.report(Code::TooManyTests, suite.tests[0].pou.name.span, message);
            return;
        }
        let mut titles: HashMap<&str, Span> = HashMap::new();
        for decl in &suite.tests {
            let name = &decl.pou.name;
            if let Some(first) = titles.insert(&decl.title, name.span) {
                let message = format!("this file has a TEST '{}' already", decl.title);
                self.sink.report(Code::DuplicateName, name.span, message).related(first, "first here");
            }
            let pou = self.add_pou(&decl.pou, name.clone(), space, None, false);
            self.pous[pou].role = Role::Test(self.tests.len());
            self.tests.push(TestCase {
                title: Rc::clone(&decl.title),
                decl,
                suite,
                pou,
                mocks: HashMap::new(),
                setup: Vec::new(),
                teardown: Vec::new(),
            });
        }
    }

    /// The variables of SETUP come before those of the test.
    pub(super) fn setup_sections(&self, pou: usize) -> &'a [ast::VarSection] {
        match self.pous[pou].role {
            Role::Test(test) => self.tests[test].suite.setup.as_ref().map_or(&[], |block| &block.sections),
            _ => &[],
        }
    }

    /// What a variable section of a test or mock is. `None`: nothing to do with tests.
    pub(super) fn test_section(&mut self, pou: usize, section: &ast::VarSection) -> Option<VarKind> {
        let (kind, allowed) = match (self.pous[pou].role, section.section) {
            (Role::Plain, _) => return None,
            (Role::Test(_), Section::Local) => (VarKind::Local, true),
            (Role::Mock(_), Section::Temp) => (VarKind::Temp, true),
            (_, Section::External) => (VarKind::External(usize::MAX), true),
            (Role::Test(_), _) => (VarKind::Local, false),
            (Role::Mock(_), _) => (VarKind::Temp, false),
        };
        if !allowed {
            let (what, has) = match self.pous[pou].role {
                Role::Test(_) => ("a test has VAR and VAR_EXTERNAL", "declare it in VAR"),
                _ => (
                    "a mock has the parameters of what it replaces, and VAR_TEMP",
                    "what must outlast a call is declared in the VAR of the TEST, which the mock can use",
                ),
            };
            self.sink.report(Code::SectionNotAllowed, section.span, what).help(has);
        }
        Some(kind)
    }

    /// Makes the POUs of all mocks, once all interfaces are known.
    pub(super) fn add_mocks(&mut self) {
        for test in 0..self.tests.len() {
            let (suite, decl) = (self.tests[test].suite, self.tests[test].decl);
            for mocks in [&suite.mocks, &decl.mocks] {
                let mut seen = HashSet::new();
                for mock in mocks {
                    if !seen.insert(&mock.name.key) {
                        let message = format!("`{}` is mocked twice", mock.name.text);
                        self.sink.report(Code::DuplicateName, mock.name.span, message);
                        continue;
                    }
                    if let Some(original) = self.mock_target(mock) {
                        let pou = self.add_mock(test, original, mock);
                        self.tests[test].mocks.insert(original, pou);
                    }
                }
            }
        }
        self.resolve_interfaces();
    }

    fn mock_target(&mut self, mock: &'a ast::Pou) -> Option<usize> {
        let name = &mock.name;
        let found = self.find_pou(name, None);
        self.resolve_interfaces();
        let message = match found.map(|pou| (pou, self.pous[pou].kind)) {
            Some((pou, kind)) if kind == mock.kind => return Some(pou),
            Some((_, kind)) => format!("`{}` is a {}, not a {}", name.text, kind.text(), mock.kind.text()),
            None if mock.kind == PouKind::Function => {
                format!("no function `{}` is declared; those of the standard cannot be mocked", name.text)
            }
            None => format!("no function block `{}` is declared", name.text),
        };
        self.sink.report(Code::MockTarget, name.span, message);
        None
    }

    fn add_mock(&mut self, test: usize, original: usize, decl: &'a ast::Pou) -> usize {
        let name = self.pous[original].name.clone();
        let named = ast::Name { span: decl.name.span, ..name };
        let pou = self.add_pou(decl, named, self.pous[original].space, self.pous[original].substitute, false);
        // Its interface is that of the original.
        self.open_interfaces.retain(|open| *open != pou);
        let original = &self.pous[original];
        let (vars, scope, edges) = (original.vars.clone(), original.scope.clone(), original.edges.clone());
        let (result, result_var) = (original.result, original.result_var);
        let mock = &mut self.pous[pou];
        mock.role = Role::Mock(test);
        (mock.vars, mock.scope, mock.edges) = (vars, scope, edges);
        (mock.result, mock.result_var) = (result, result_var);
        for section in &decl.sections {
            self.section(pou, section);
        }
        let holder = self.tests[test].pou;
        for index in 0..self.pous[holder].vars.len() {
            let mut var = self.pous[holder].vars[index].clone();
            if self.pous[pou].scope.contains_key(&var.name.key) {
                continue;
            }
            if !matches!(var.kind, VarKind::External(_)) {
                var.kind = VarKind::Enclosing(holder, index);
            }
            self.add_var(pou, var);
        }
        pou
    }

    /// Whether assertions and the freedoms of tests are for this POU.
    pub(crate) fn is_testing(&self, pou: Option<usize>) -> bool {
        pou.is_some_and(|pou| self.pous[pou].role != Role::Plain)
    }

    /// Reports mocks that call, through others, what they replace.
    pub(crate) fn check_mock_recursion(&mut self) {
        for test in 0..self.tests.len() {
            if self.tests[test].mocks.is_empty() {
                continue;
            }
            let mut state = vec![0u8; self.pous.len()];
            let mocks: Vec<usize> = self.tests[test].mocks.values().copied().collect();
            for mock in mocks {
                if self.reaches_itself(test, mock, &mut state, 0) {
                    let name = self.pous[mock].name.clone();
                    let message = format!("the mock of `{0}` calls `{0}`, which is itself here", name.text);
                    self.sink.report(Code::RecursiveCall, name.span, message);
                    return;
                }
            }
        }
    }

    /// Depth-first over the calls as they are in that test: 0 = new, 1 = on the path, 2 = done.
    fn reaches_itself(&self, test: usize, pou: usize, state: &mut [u8], depth: usize) -> bool {
        if state[pou] == 2 {
            return false;
        }
        if state[pou] == 1 || depth > crate::lower::MAX_CALL_DEPTH {
            return true;
        }
        state[pou] = 1;
        let mocks = &self.tests[test].mocks;
        let found = self.fixed_callees(pou).iter().any(|(callee, _)| {
            let callee = mocks.get(callee).copied().unwrap_or(*callee);
            self.reaches_itself(test, callee, state, depth + 1)
        });
        state[pou] = 2;
        found
    }
}
