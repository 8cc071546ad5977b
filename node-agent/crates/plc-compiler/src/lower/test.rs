//! Tests: one function each for SETUP, the test and TEARDOWN, in a state block of their own kind.
//!
//! Nothing here needs more of an engine than a program does. The clock of a test is a variable of the state
//! block; a failed assertion stores what it compared there and ends with the fault `AssertionFailed`, whose
//! operand says which assertion it was; coverage is counters in the state block.

use super::function::Builder;
use super::{Lowerer, Part, Sites, Version};
use crate::assemble::{Assembly, TestPlaces};
use crate::diagnostic::{Place, place_of};
use crate::hir::{Assertion, Claim, Expr, ExprKind, Stmt, StmtKind};
use crate::ir::{Cond, FaultCode, FloatOp, FuncId, IntOp, Module, Op, Terminator, Ty, Value};
use crate::layout::{self, Layout, TypeDesc};
use crate::memory::Memory;
use crate::model::test::{Role, TestCase};
use crate::span::Span;
use crate::testing;
use crate::types::{Type, TypeId};
use std::collections::HashMap;

/// Longest text of an operand that a report shows.
const OPERAND_MAX: usize = 80;

/// What lowering knows of the tests.
pub(super) struct Testing {
    places: TestPlaces,
    /// The test whose mocks count now.
    current: Option<usize>,
    /// Number of each counted statement; empty without coverage.
    counters: HashMap<Span, usize>,
    assertions: Vec<testing::Assertion>,
    /// Room for the two sides of an assertion, by size.
    rooms: HashMap<u32, [u32; 2]>,
    /// Types of values that are shown and not elementary.
    shown: HashMap<TypeId, layout::TypeId>,
    /// Whether a version of a POU calls, through others, what a test replaces.
    reaches: HashMap<(usize, usize), bool>,
}

/// The functions of a test.
pub(crate) struct Entries {
    pub(crate) setup: Option<FuncId>,
    pub(crate) body: FuncId,
    pub(crate) teardown: Option<FuncId>,
}

/// What lowering gives.
pub(crate) struct Tests {
    pub(crate) module: Module,
    pub(crate) entries: Vec<Entries>,
    pub(crate) assertions: Vec<testing::Assertion>,
}

/// Lowers all tests. `counted`: the statements that count how often they run, by their number.
pub(crate) fn lower_tests(
    memory: &Memory<'_, '_>,
    assembly: &mut Assembly,
    places: TestPlaces,
    counted: HashMap<Span, usize>,
    sites: &Sites<'_>,
) -> Result<Tests, (Span, String)> {
    let testing = Testing {
        places,
        current: None,
        counters: counted,
        assertions: Vec::new(),
        rooms: HashMap::new(),
        shown: HashMap::new(),
        reaches: HashMap::new(),
    };
    let mut lowerer = Lowerer::new(memory, assembly, sites, Some(testing));
    let mut entries = Vec::new();
    let mut runs = Vec::new();
    for (index, test) in memory.model.tests.iter().enumerate() {
        lowerer.check_frame(test.pou)?;
        lowerer.enter_test(Some(index));
        let entry = lowerer.entries(test);
        runs.extend(
            [entry.setup, Some(entry.body), entry.teardown].into_iter().flatten().map(|e| (test.pou, e)),
        );
        entries.push(entry);
    }
    lowerer.bodies()?;
    lowerer.check_paths(runs.into_iter())?;
    super::polls::add(&mut lowerer.module);
    let Lowerer { module, testing, .. } = lowerer.close();
    let assertions = testing.map(|testing| testing.assertions).unwrap_or_default();
    Ok(Tests { module, entries, assertions })
}

impl Lowerer<'_, '_, '_> {
    fn entries(&mut self, test: &TestCase<'_>) -> Entries {
        let model = self.memory.model;
        let mut part = |list: &[Stmt], name: &str| {
            let id = self.reserve(name);
            let function = self.body_of(test.pou, list, Part::Whole);
            self.module.functions[id.index()] = function;
            id
        };
        Entries {
            setup: (!test.setup.is_empty()).then(|| part(&test.setup, "SETUP")),
            body: part(&model.pou(test.pou).body, "TEST"),
            teardown: (!test.teardown.is_empty()).then(|| part(&test.teardown, "TEARDOWN")),
        }
    }

    /// What is lowered from here on is for this test.
    pub(super) fn enter_test(&mut self, test: Option<usize>) {
        if let Some(testing) = &mut self.testing {
            testing.current = test;
        }
    }

    pub(super) fn current_test(&self) -> Option<usize> {
        self.testing.as_ref().and_then(|testing| testing.current)
    }

    /// What a call of a POU calls now: its mock, or the version of it that calls mocks.
    pub(super) fn version(&mut self, pou: usize) -> Version {
        let Some(test) = self.current_test().filter(|test| !self.memory.model.tests[*test].mocks.is_empty())
        else {
            return (pou, None);
        };
        let target = self.memory.model.tests[test].mocks.get(&pou).copied().unwrap_or(pou);
        let versioned = self.memory.model.pou(target).role != Role::Plain || self.reaches_mock(test, target);
        (target, versioned.then_some(test))
    }

    fn reaches_mock(&mut self, test: usize, pou: usize) -> bool {
        let Some(testing) = &mut self.testing else { return false };
        if let Some(known) = testing.reaches.get(&(test, pou)) {
            return *known;
        }
        // Recursion was refused before; this ends it all the same.
        testing.reaches.insert((test, pou), false);
        let model = self.memory.model;
        let found = model
            .callees(pou)
            .into_iter()
            .any(|callee| model.tests[test].mocks.contains_key(&callee) || self.reaches_mock(test, callee));
        if let Some(testing) = &mut self.testing {
            testing.reaches.insert((test, pou), found);
        }
        found
    }

    /// Bytes at the end of the block that assertions use.
    fn room_in_state(&mut self, bytes: u32) -> u32 {
        let layout = &mut self.assembly.layout;
        let offset = layout.bytes.next_multiple_of(8);
        layout.bytes = offset + bytes;
        layout.sections.constants.end = layout.bytes;
        self.assembly.initial.resize(layout.bytes as usize, 0);
        offset
    }

    /// The type of a value as a report shows it.
    fn shown_type(&mut self, ty: TypeId) -> layout::TypeId {
        let types = &self.memory.model.types;
        let desc = match types.get(ty) {
            Type::Text { wide: false, capacity } => TypeDesc::String { capacity: *capacity },
            Type::Text { wide: true, capacity } => TypeDesc::Wstring { capacity: *capacity },
            Type::Enum(index) => {
                let def = &types.enums[*index];
                let values = def.values.iter().map(|(name, v)| (name.text.to_string(), *v as i64)).collect();
                TypeDesc::Enum { name: def.name.to_string(), base: def.base, values }
            }
            _ => return Layout::elementary(types.storage(ty).unwrap_or(layout::Elementary::Bool)),
        };
        if let Some(known) = self.testing.as_ref().and_then(|testing| testing.shown.get(&ty)) {
            return *known;
        }
        let list = &mut self.assembly.layout.types;
        list.push(desc);
        let id = layout::TypeId(list.len() as u32 - 1);
        if let Some(testing) = &mut self.testing {
            testing.shown.insert(ty, id);
        }
        id
    }

    fn place_in_text(&self, span: Span) -> Place {
        place_of(span, self.sites.units, self.sites.lines)
    }
}

impl Builder<'_, '_, '_, '_> {
    /// The task clock; in a test, its own.
    pub(super) fn now(&mut self) -> Value {
        match self.lowerer.testing.as_ref().map(|testing| testing.places.clock) {
            Some(clock) => {
                let ptr = self.compute(Ty::Ptr, Op::StateAddr(clock));
                self.compute(Ty::I64, Op::Load { ptr, offset: 0 })
            }
            None => self.compute(Ty::I64, Op::Now),
        }
    }

    /// A mock's view of a variable of its test.
    pub(super) fn variable_of_test(&mut self, pou: usize, var: usize) -> super::place::Target {
        let start = self.lowerer.testing.as_ref().map_or(0, |testing| testing.places.variables);
        let offset = self.lowerer.memory.pou(pou).offsets[var].unwrap_or(0);
        self.state(start + offset)
    }

    /// Calls count against the steps of a test as loops do: without it, calls of calls could take ages.
    pub(super) fn count_entry(&mut self) {
        if self.lowerer.testing.is_some() {
            self.emit(Op::Poll);
        }
    }

    /// Coverage.
    pub(super) fn count_statement(&mut self, span: Span) {
        let Some(testing) = &self.lowerer.testing else { return };
        let Some(number) = testing.counters.get(&span) else { return };
        let ptr = Op::StateAddr(testing.places.counters + 8 * *number as u32);
        let ptr = self.compute(Ty::Ptr, ptr);
        let count = self.compute(Ty::I64, Op::Load { ptr, offset: 0 });
        let one = self.constant(Ty::I64, 1);
        let value = self.int(IntOp::Add, count, one);
        self.emit(Op::Store { ptr, offset: 0, value });
    }

    pub(super) fn advance_time(&mut self, ns: &Expr) {
        let by = self.expr(ns);
        self.emit(Op::CheckRange { value: by, low: 0, high: i64::MAX });
        let now = self.now();
        let sum = self.int(IntOp::Add, now, by);
        let passed = self.compare_values(Cond::Lt, sum, now, true);
        let last = self.constant(Ty::I64, i128::from(i64::MAX));
        let value = self.compute(Ty::I64, Op::Select { cond: passed, a: last, b: sum });
        let clock = self.lowerer.testing.as_ref().map_or(0, |testing| testing.places.clock);
        let ptr = self.compute(Ty::Ptr, Op::StateAddr(clock));
        self.emit(Op::Store { ptr, offset: 0, value });
    }

    pub(super) fn assertion(&mut self, assertion: &Assertion) {
        let (holds, sides): (Value, Vec<(&Expr, Value)>) = match &assertion.claim {
            Claim::Is(condition, wanted) => {
                let value = self.expr(condition);
                (self.is(value, *wanted), vec![(condition, value)])
            }
            Claim::Compare { cond, left, right, holds } => {
                let (a, b) = (self.expr(left), self.expr(right));
                let found = self.compare_of(*cond, left.ty, a, b);
                (self.is(found, *holds), vec![(left, a), (right, b)])
            }
            Claim::Near { left, right, tolerance } => {
                let (a, b, width) = (self.expr(left), self.expr(right), self.expr(tolerance));
                (self.near(left.ty, a, b, width), vec![(left, a), (right, b)])
            }
        };
        let (failed, go) = (self.block(), self.block());
        self.branch(holds, go, failed);
        self.switch(failed);
        let operands = self.keep(&sides);
        let at = self.lowerer.place_in_text(assertion.span);
        let mut number = 0;
        if let Some(testing) = &mut self.lowerer.testing {
            number = testing.assertions.len();
            testing.assertions.push(testing::Assertion {
                function: assertion.function,
                at,
                claim: claim(assertion),
                operands,
                tolerance: tolerance(self.lowerer.memory.model, assertion),
                message: assertion.message.clone(),
            });
        }
        let number = self.constant(Ty::I64, number as i128);
        let site = self.site;
        self.end(Terminator::Fault { code: FaultCode::AssertionFailed, operands: vec![number], site });
        self.switch(go);
    }

    fn is(&mut self, value: Value, wanted: bool) -> Value {
        if wanted {
            return value;
        }
        let one = self.constant(Ty::I8, 1);
        self.int(IntOp::Xor, value, one)
    }

    /// Whether two values differ by no more than the tolerance; NaN is near nothing.
    fn near(&mut self, ty: TypeId, a: Value, b: Value, width: Value) -> Value {
        let machine = self.ty(a);
        if matches!(machine, Ty::F32 | Ty::F64) {
            let difference = self.compute(machine, Op::Float { op: FloatOp::Sub, a, b });
            let difference = self.compute(machine, Op::FloatAbs(difference));
            return self.compare_values(Cond::Le, difference, width, true);
        }
        let signed = self.signed(ty);
        let (a, b, width) = (self.widen(a, signed), self.widen(b, signed), self.widen(width, signed));
        let less = self.compare_values(Cond::Lt, a, b, signed);
        let low = self.compute(Ty::I64, Op::Select { cond: less, a, b });
        let high = self.compute(Ty::I64, Op::Select { cond: less, a: b, b: a });
        // The distance of any two 64-bit integers fits 64 bits without a sign.
        let distance = self.int(IntOp::Sub, high, low);
        let inside = self.compare_values(Cond::Le, distance, width, false);
        if !signed {
            return inside;
        }
        let zero = self.constant(Ty::I64, 0);
        let sensible = self.compare_values(Cond::Ge, width, zero, true);
        self.int(IntOp::And, inside, sensible)
    }

    /// Stores the sides of a failed assertion where the report finds them.
    fn keep(&mut self, sides: &[(&Expr, Value)]) -> Vec<testing::Operand> {
        let mut operands = Vec::new();
        for (side, (expr, value)) in sides.iter().enumerate() {
            let bytes = self.lowerer.memory.bytes(expr.ty).max(8);
            let offset = self.side_room(bytes, side);
            let ptr = self.compute(Ty::Ptr, Op::StateAddr(offset));
            if self.scalar(expr.ty).is_some() {
                self.emit(Op::Store { ptr, offset: 0, value: *value });
            } else {
                self.copy_value(expr.ty, ptr, *value);
            }
            let ty = self.lowerer.shown_type(expr.ty);
            let text = operand_text(self.lowerer.memory.model, expr.span);
            let literal = matches!(expr.kind, ExprKind::Const(_));
            operands.push(testing::Operand { text, literal, ty, offset });
        }
        operands
    }

    fn side_room(&mut self, bytes: u32, side: usize) -> u32 {
        let known = self.lowerer.testing.as_ref().and_then(|testing| testing.rooms.get(&bytes).copied());
        let rooms =
            known.unwrap_or_else(|| [self.lowerer.room_in_state(bytes), self.lowerer.room_in_state(bytes)]);
        if let Some(testing) = &mut self.lowerer.testing {
            testing.rooms.insert(bytes, rooms);
        }
        rooms[side.min(1)]
    }
}

fn claim(assertion: &Assertion) -> testing::Claim {
    match &assertion.claim {
        Claim::Is(_, wanted) => testing::Claim::Is(*wanted),
        Claim::Compare { cond, holds, .. } => {
            let operator = match cond {
                Cond::Eq => "=",
                Cond::Ne => "<>",
                Cond::Lt => "<",
                Cond::Le => "<=",
                Cond::Gt => ">",
                Cond::Ge => ">=",
            };
            testing::Claim::Compare { operator, holds: *holds }
        }
        Claim::Near { .. } => testing::Claim::Near,
    }
}

fn tolerance(model: &crate::model::Model<'_>, assertion: &Assertion) -> Option<String> {
    match &assertion.claim {
        Claim::Near { tolerance, .. } => Some(operand_text(model, tolerance.span)),
        _ => None,
    }
}

/// The source text of an operand on one line; empty where it is too long to be read.
fn operand_text(model: &crate::model::Model<'_>, span: Span) -> String {
    let text = model.texts.get(span.unit as usize);
    let text = text.and_then(|text| text.get(span.start as usize..span.end as usize)).unwrap_or_default();
    let line: Vec<&str> = text.split_whitespace().collect();
    let line = line.join(" ");
    if line.chars().count() > OPERAND_MAX { String::new() } else { line }
}

/// The statements of a list and of what stands inside of them.
pub(crate) fn all_statements<'s>(list: &'s [Stmt], found: &mut Vec<&'s Stmt>) {
    for statement in list {
        found.push(statement);
        match &statement.kind {
            StmtKind::If(branches, otherwise) => {
                for (_, body) in branches {
                    all_statements(body, found);
                }
                all_statements(otherwise, found);
            }
            StmtKind::Case(_, arms, otherwise) => {
                for (_, body) in arms {
                    all_statements(body, found);
                }
                all_statements(otherwise, found);
            }
            StmtKind::For(statement) => all_statements(&statement.body, found),
            StmtKind::While(_, body) | StmtKind::Repeat(body, _) => all_statements(body, found),
            _ => {}
        }
    }
}
