//! Tests written in Structured Text: what [`crate::compile_tests`] gives.
//!
//! A test program is a [`Program`] without tasks. Its instances are the parts of the tests: SETUP, the test
//! itself, TEARDOWN. All tests use the same bytes for their variables, so each starts from [`Program::initial`]
//! with [`Test::initial`] written at [`TestProgram::variables`]. Any engine that runs programs runs tests.

use crate::assemble::{self, TestPlaces};
use crate::config::Plan;
use crate::diagnostic::{Code, Diagnostic, Place, place_of};
use crate::ir;
use crate::layout::{Root, TypeId};
use crate::lower::{self, Sites, all_statements};
use crate::memory::Memory;
use crate::model::Model;
use crate::model::test::Role;
use crate::program::{ImageBytes, Instance, Program};
use crate::span::Span;
use std::collections::HashMap;
use std::sync::Arc;

/// A compiled program of tests.
#[derive(Clone, Debug)]
pub struct TestProgram {
    /// Ready for an engine.
    pub program: Arc<Program>,
    /// In order of file and position.
    pub tests: Vec<Test>,
    /// By the operand of their faults.
    pub assertions: Vec<Assertion>,
    /// Statements that are counted, in order of file and position; empty without coverage.
    pub statements: Vec<Statement>,
    /// Warnings and notes.
    pub diagnostics: Vec<Diagnostic>,
    /// Offset of the clock of the running test: an `I64` of nanoseconds.
    pub clock: u32,
    /// Offset of the variables of the running test.
    pub variables: u32,
    /// Offset of the counters: an unsigned 64-bit number for each statement.
    pub counters: u32,
}

/// A TEST.
#[derive(Clone, Debug)]
pub struct Test {
    /// As written between the quotes.
    pub name: String,
    /// Of its name.
    pub at: Place,
    /// Its instances in [`Program::instances`].
    pub setup: Option<usize>,
    /// The test itself.
    pub body: usize,
    /// Runs last, also after a failure, unless SETUP failed.
    pub teardown: Option<usize>,
    /// Initial bytes of its variables.
    pub initial: Vec<u8>,
}

/// An assertion.
#[derive(Clone, Debug)]
pub struct Assertion {
    /// `ASSERT_EQ`
    pub function: &'static str,
    /// Of the call.
    pub at: Place,
    /// What must hold.
    pub claim: Claim,
    /// One or two.
    pub operands: Vec<Operand>,
    /// Source text of the tolerance of `ASSERT_NEAR`.
    pub tolerance: Option<String>,
    /// What the source wants to be said.
    pub message: Option<String>,
}

/// What an assertion claims of its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The only operand is TRUE, or FALSE.
    Is(bool),
    /// The comparison holds, or does not.
    Compare {
        /// As the source writes it.
        operator: &'static str,
        /// Whether it is to hold.
        holds: bool,
    },
    /// The operands differ by no more than the tolerance.
    Near,
}

/// A side of an assertion.
#[derive(Clone, Debug)]
pub struct Operand {
    /// Source text; empty if it is long.
    pub text: String,
    /// Whether it is constant, so that its value says no more than its text.
    pub literal: bool,
    /// Of its value.
    pub ty: TypeId,
    /// Where a failed assertion leaves its value.
    pub offset: u32,
}

/// A statement of the program under test.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Where it stands.
    pub at: Place,
    /// Name of its function, function block or program.
    pub pou: String,
}

/// Layout and code of the tests of a program without errors.
pub(crate) fn build(
    model: &Model<'_>,
    images: ImageBytes,
    coverage: bool,
    sites: &Sites<'_>,
) -> Result<TestProgram, (Code, Span, String)> {
    let memory = Memory::new(model);
    let mut assembly = assemble::assemble(&memory, &Plan::default(), images)?;
    let counted = if coverage { counted(model, sites) } else { Vec::new() };
    let places = assemble::add_tests(&memory, &mut assembly, counted.len())?;
    let TestPlaces { clock, variables, counters } = places;
    let numbers: HashMap<Span, usize> = (0..).zip(&counted).map(|(n, (span, _))| (*span, n)).collect();
    let lowered = lower::lower_tests(&memory, &mut assembly, places, numbers, sites)
        .map_err(|(span, message)| (Code::FrameTooLarge, span, message))?;
    debug_assert_eq!(ir::verify(&lowered.module), Ok(()), "lowering gives well-formed code");
    let mut instances = Vec::new();
    let mut tests = Vec::new();
    for (number, (test, entries)) in model.tests.iter().zip(lowered.entries).enumerate() {
        // The first part of the paths that faults name; no source can write it.
        let name = format!("#{number}");
        let ty = assemble::instance_type(&memory, &mut assembly, test.pou);
        assembly.layout.roots.push(Root { path: name.clone(), ty, offset: variables });
        let mut part = |entry| {
            let program = test.title.to_string();
            instances.push(Instance { name: name.clone(), program, offset: variables, entry });
            instances.len() - 1
        };
        let origins = assemble::origins(&assembly.layout.sections, &assembly.globals);
        tests.push(Test {
            name: test.title.to_string(),
            at: place_of(model.pou(test.pou).name.span, sites.units, sites.lines),
            setup: entries.setup.map(&mut part),
            body: part(entries.body),
            teardown: entries.teardown.map(&mut part),
            initial: assemble::initial_variables(&memory, test.pou, variables, &origins),
        });
    }
    Ok(TestProgram {
        program: Arc::new(Program {
            module: lowered.module,
            layout: assembly.layout,
            initial: assembly.initial,
            tasks: Vec::new(),
            instances,
            diagnostics: Vec::new(),
        }),
        diagnostics: Vec::new(),
        tests,
        assertions: lowered.assertions,
        statements: counted.into_iter().map(|(_, statement)| statement).collect(),
        clock,
        variables,
        counters,
    })
}

/// Every statement of the program itself: neither of tests nor of the standard library.
fn counted(model: &Model<'_>, sites: &Sites<'_>) -> Vec<(Span, Statement)> {
    let mut counted = Vec::new();
    for pou in model.pous.iter().filter(|pou| pou.role == Role::Plain && !pou.standard) {
        let mut found = Vec::new();
        all_statements(&pou.body, &mut found);
        counted.extend(found.into_iter().map(|statement| {
            let at = place_of(statement.span, sites.units, sites.lines);
            (statement.span, Statement { at, pou: pou.name.text.to_string() })
        }));
    }
    counted.sort_by_key(|(span, _)| *span);
    counted.dedup_by_key(|(span, _)| *span);
    counted
}
