//! TEST, SETUP, TEARDOWN and MOCK: what one source unit says about testing.

use super::{Pou, Stmt, VarSection};
use crate::span::Span;
use std::rc::Rc;

/// The tests of a source unit and what stands around each of them.
#[derive(Debug, Default)]
pub(crate) struct Suite {
    pub(crate) setup: Option<Block>,
    pub(crate) teardown: Option<Block>,
    /// For every test of the unit.
    pub(crate) mocks: Vec<Pou>,
    pub(crate) tests: Vec<TestDecl>,
    /// Tokens of SETUP, TEARDOWN and the mocks: each test gets a copy of them.
    pub(crate) shared_tokens: usize,
}

/// SETUP or TEARDOWN.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) sections: Vec<VarSection>,
    pub(crate) body: Vec<Stmt>,
    pub(crate) span: Span,
}

#[derive(Debug)]
pub(crate) struct TestDecl {
    /// As written between the quotes.
    pub(crate) title: Rc<str>,
    /// Of this test alone.
    pub(crate) mocks: Vec<Pou>,
    /// Its variables and statements.
    pub(crate) pou: Pou,
}

impl Suite {
    /// Whether the unit says anything about testing.
    pub(crate) fn is_empty(&self) -> bool {
        self.tests.is_empty() && self.mocks.is_empty() && self.setup.is_none() && self.teardown.is_none()
    }
}
