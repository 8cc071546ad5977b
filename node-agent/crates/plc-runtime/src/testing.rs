//! Runs tests that are written in Structured Text, in virtual time.
//!
//! Each test starts from the initial values of everything, at time 0, and ends with its first failure; its
//! TEARDOWN runs all the same. The same program gives the same report, unless the time that all tests together
//! may take runs out.

mod explain;

use crate::Error;
use crate::engine::{EngineKind, EngineOptions, Machine};
use crate::fault::{FaultRecord, STANDARD_FILE, parse_place};
use crate::state::literal_at;
use lineshaft_plc_compiler::TestProgram;
use lineshaft_plc_compiler::diagnostic::Place;
use lineshaft_plc_compiler::ir::FaultCode;
use lineshaft_plc_compiler::testing::{Assertion, Test};
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// How much tests may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Loop passes and calls in each of SETUP, TEST and TEARDOWN.
    pub steps: u64,
    /// All tests together; `None` is no limit.
    pub duration: Option<Duration>,
}

/// What became of the tests.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each test that was chosen, in order.
    pub results: Vec<TestResult>,
    /// How often each of [`TestProgram::statements`] ran.
    pub hits: Vec<u64>,
}

impl Report {
    /// The tests that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&TestResult, &Failure)> {
        self.results.iter().filter_map(|result| Some((result, result.failure.as_deref()?)))
    }
}

/// What became of a test.
#[derive(Clone, Debug)]
pub struct TestResult {
    /// Index into [`TestProgram::tests`].
    pub test: usize,
    /// Virtual time at its end, nanoseconds.
    pub time_ns: i64,
    /// Why it failed.
    pub failure: Option<Box<Failure>>,
}

/// Why a test failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// `ASSERT_EQ`, or the name of a run-time fault.
    pub kind: String,
    /// Whether an assertion failed; otherwise it is a run-time fault.
    pub assertion: bool,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// What, with all values: it may be all that is shown.
    pub message: String,
    /// The sides of an assertion.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operands: Vec<ShownOperand>,
    /// The record of a run-time fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Box<FaultRecord>>,
}

/// A side of an assertion with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownOperand {
    /// Source text; empty if it is long.
    pub text: String,
    /// `INT`
    #[serde(rename = "type")]
    pub type_name: String,
    /// As an IEC literal.
    pub value: String,
}

/// Runs the tests that `chosen` chooses.
pub fn run(
    tests: &TestProgram,
    engine: EngineKind,
    limits: Limits,
    mut chosen: impl FnMut(&Test) -> bool,
) -> Result<Report, Error> {
    let attention = Arc::new(AtomicU32::new(0));
    // Ends the watch when this function ends.
    let _watch = limits.duration.map(|duration| watch(duration, Arc::clone(&attention)));
    let options = EngineOptions { kind: engine, budget: Some(limits.steps) };
    let machine = Machine::new(Arc::clone(&tests.program), attention, options)?;
    let mut run = Run { tests, machine, limits };
    let mut report = Report { results: Vec::new(), hits: vec![0; tests.statements.len()] };
    for (index, test) in tests.tests.iter().enumerate().filter(|(_, test)| chosen(test)) {
        let failure = run.test(test);
        report.results.push(TestResult {
            test: index,
            time_ns: run.time_ns(),
            failure: failure.map(Box::new),
        });
        run.count(&mut report.hits);
    }
    Ok(report)
}

/// Sets the attention word when the time is up. It ends when what it returns is dropped.
fn watch(duration: Duration, attention: Arc<AtomicU32>) -> mpsc::Sender<()> {
    let (alive, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(duration) == Err(mpsc::RecvTimeoutError::Timeout) {
            attention.store(1, Ordering::Relaxed);
        }
    });
    alive
}

/// The tests while they run.
struct Run<'a> {
    tests: &'a TestProgram,
    machine: Machine,
    limits: Limits,
}

impl Run<'_> {
    fn test(&mut self, test: &Test) -> Option<Failure> {
        self.machine.reset();
        let start = self.tests.variables as usize;
        self.machine.state_mut()[start..start + test.initial.len()].copy_from_slice(&test.initial);
        if let Some(failure) = test.setup.and_then(|part| self.part(part)) {
            return Some(failure);
        }
        let failure = self.part(test.body);
        let last = test.teardown.and_then(|part| self.part(part));
        failure.or(last)
    }

    fn part(&mut self, instance: usize) -> Option<Failure> {
        let fault = self.machine.run(instance, self.time_ns()).err()?;
        Some(self.failure(*fault))
    }

    fn failure(&self, fault: FaultRecord) -> Failure {
        let number = fault.operands.first().filter(|_| fault.code == FaultCode::AssertionFailed);
        let assertion = number.and_then(|number| self.tests.assertions.get(usize::try_from(*number).ok()?));
        match assertion {
            Some(assertion) => self.broken(assertion),
            None => self.faulted(fault),
        }
    }

    fn broken(&self, assertion: &Assertion) -> Failure {
        let layout = &self.machine.program().layout;
        let operands: Vec<ShownOperand> = assertion
            .operands
            .iter()
            .map(|operand| ShownOperand {
                text: operand.text.clone(),
                type_name: layout.type_name(operand.ty),
                value: literal_at(layout, self.machine.state(), operand.offset, operand.ty)
                    .unwrap_or_default(),
            })
            .collect();
        Failure {
            kind: assertion.function.to_owned(),
            assertion: true,
            place: assertion.at.clone(),
            message: explain::assertion(assertion, &operands),
            operands,
            fault: None,
        }
    }

    fn faulted(&self, mut fault: FaultRecord) -> Failure {
        // The first part is the number of the test.
        let path = fault.instance.split_once('.').map_or("", |(_, path)| path).to_owned();
        fault.instance.clone_from(&path);
        fault.task_time_ns = self.time_ns();
        let out_of_time = self.machine.attention().load(Ordering::Relaxed) != 0;
        let message = explain::fault(&fault, self.limits, out_of_time);
        // What the standard library was called for says more than where it stands in there.
        let places = std::iter::once(&fault.at).chain(fault.call_stack.iter().map(|call| &call.at));
        let place = places.filter_map(|at| parse_place(at)).find(|place| place.file != STANDARD_FILE);
        let nowhere = Place { file: String::new(), line: 1, column: 1, end_line: 1, end_column: 1 };
        Failure {
            kind: fault.code.name().to_owned(),
            assertion: false,
            place: place.unwrap_or(nowhere),
            message,
            operands: Vec::new(),
            fault: Some(Box::new(fault)),
        }
    }

    /// The clock of the test.
    fn time_ns(&self) -> i64 {
        self.word(self.tests.clock) as i64
    }

    fn count(&self, hits: &mut [u64]) {
        for (hits, number) in hits.iter_mut().zip(0..) {
            *hits = hits.saturating_add(self.word(self.tests.counters + 8 * number));
        }
    }

    fn word(&self, offset: u32) -> u64 {
        let start = offset as usize;
        let mut word = [0; 8];
        if let Some(bytes) = self.machine.state().get(start..start + 8) {
            word.copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    }
}
