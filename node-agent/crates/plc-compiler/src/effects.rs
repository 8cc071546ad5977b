//! Which globals and outputs a POU writes, itself or through what it calls.

use crate::ast::{Address, AddressAt, Area};
use crate::config::Plan;
use crate::diagnostic::Code;
use crate::hir::{Call, Expr, ExprKind, Place, Receiver, Root, Step, Stmt, StmtKind};
use crate::memory::Memory;
use crate::model::{Model, VarKind};
use crate::span::Span;
use crate::types::TypeId;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// What is written.
#[derive(Clone, Debug, Default)]
struct Written {
    globals: BTreeSet<usize>,
    /// Bits of `%Q` by number: how many follow, and a place that writes them.
    outputs: BTreeMap<(u32, u32), Span>,
}

impl Written {
    fn extend(&mut self, other: &Self) {
        self.globals.extend(&other.globals);
        for (bits, span) in &other.outputs {
            self.outputs.entry(*bits).or_insert(*span);
        }
    }
}

/// Notes which outputs each task writes, and warns of variables and outputs that two tasks write: the last writer
/// wins.
pub(crate) fn note_writers(model: &mut Model<'_>, plan: &mut Plan) {
    if model.sink.has_errors() {
        return;
    }
    let own: Vec<Written> = (0..model.pous.len()).map(|pou| Writes::of(model, pou)).collect();
    let mut writer: Vec<Option<usize>> = vec![None; model.globals.len()];
    let mut bit_writer: HashMap<u32, usize> = HashMap::new();
    for task in 0..plan.tasks.len() {
        let written = written_by(model, plan, task, &own);
        plan.tasks[task].outputs = written.outputs.keys().copied().collect();
        let entry = &plan.tasks[task];
        for global in written.globals {
            match writer[global] {
                None => writer[global] = Some(task),
                Some(first) if first != task => {
                    let name = &model.globals[global].name;
                    let (first, second) = (&plan.tasks[first].name, &entry.name);
                    let message = format!("`{}` is written by the tasks `{first}` and `{second}`", name.text);
                    model
                        .sink
                        .report(Code::TwoWriters, name.span, message)
                        .help("let one task write it and the other read it");
                }
                Some(_) => {}
            }
        }
        for ((bit, length), span) in written.outputs {
            let mut bits: Range<u32> = bit..bit.saturating_add(length);
            if let Some(first) = bits.find_map(|bit| bit_writer.get(&bit).filter(|first| **first != task)) {
                let (first, second) = (&plan.tasks[*first].name, &entry.name);
                let source = model.excerpt(span);
                let message =
                    format!("the output `{source}` is written by the tasks `{first}` and `{second}`");
                model
                    .sink
                    .report(Code::TwoWriters, span, message)
                    .help("let one task write it and tell that task through a variable");
            }
            bit_writer.extend((bit..bit.saturating_add(length)).map(|bit| (bit, task)));
        }
    }
}

fn written_by(model: &Model<'_>, plan: &Plan, task: usize, own: &[Written]) -> Written {
    let mut seen = BTreeSet::new();
    let mut written = Written::default();
    for instance in &plan.tasks[task].instances {
        let instance = &plan.instances[*instance];
        reach(model, instance.pou, own, &mut seen, &mut written);
        let mut connections = Writes { model, pou: instance.pou, written: Written::default() };
        for (_, place) in &instance.outputs {
            connections.place(place);
        }
        for image in &instance.images {
            connections
                .located(connections.whole(image.address, image.ty), model.pou(instance.pou).name.span);
        }
        written.extend(&connections.written);
    }
    written
}

fn reach(model: &Model<'_>, pou: usize, own: &[Written], seen: &mut BTreeSet<usize>, written: &mut Written) {
    if !seen.insert(pou) {
        return;
    }
    written.extend(&own[pou]);
    for callee in model.callees(pou) {
        reach(model, callee, own, seen, written);
    }
}

struct Writes<'w, 'a> {
    model: &'w Model<'a>,
    pou: usize,
    written: Written,
}

impl Writes<'_, '_> {
    fn of(model: &Model<'_>, pou: usize) -> Written {
        let mut writes = Writes { model, pou, written: Written::default() };
        writes.statements(&model.pou(pou).body);
        writes.written
    }

    fn place(&mut self, place: &Place) {
        match &place.root {
            &Root::Global(global) => self.global(global, place),
            // Where a reference leads is known at run time only: who takes it counts as the writer.
            Root::This | Root::Reference(_) | Root::Value(_) => {}
            &Root::Local(var) => match self.model.pou(self.pou).vars[var].kind {
                VarKind::External(global) => self.global(global, place),
                _ => {
                    let var = &self.model.pou(self.pou).vars[var];
                    if let Some((address, _)) = var.address {
                        self.located_part(self.whole(address, var.ty), place);
                    }
                }
            },
            &Root::Image { area, byte, bit } => {
                let size = self.model.types.storage(place.ty).map_or(1, |e| e.size() * 8);
                let bits = if bit.is_some() { 1 } else { size };
                let at = AddressAt { byte, bit: bit.unwrap_or(0), bits };
                let address = Address { area, at: Some(at) };
                self.located_part(address, place);
            }
        }
    }

    fn global(&mut self, global: usize, place: &Place) {
        let var = &self.model.globals[global];
        match var.address {
            // What counts is the image: other names may lead to the same bits.
            Some((address @ Address { area: Area::Output, .. }, _)) => {
                self.located_part(self.whole(address, var.ty), place);
            }
            _ => {
                self.written.globals.insert(global);
            }
        }
    }

    /// All bits of a variable at an address; the address itself says how long one element is.
    fn whole(&self, address: Address, ty: TypeId) -> Address {
        let mut address = address;
        if let (Some(at), None) = (&mut address.at, self.model.types.storage(ty)) {
            at.bits = Memory::new(self.model).bytes(ty).saturating_mul(8);
        }
        address
    }

    /// A variable at an address, or one part of it.
    fn located_part(&mut self, address: Address, place: &Place) {
        let mut address = address;
        if let (Some(at), [Step::Part(bytes, bit)]) = (&mut address.at, place.steps.as_slice()) {
            at.byte = at.byte.saturating_add(*bytes);
            at.bit = bit.unwrap_or(0);
            at.bits = match bit {
                Some(_) => 1,
                None => self.model.types.storage(place.ty).map_or(at.bits, |e| e.size() * 8),
            };
        }
        self.located(address, place.span);
    }

    fn located(&mut self, address: Address, span: Span) {
        if let Address { area: Area::Output, at: Some(at) } = address {
            self.written
                .outputs
                .entry((at.byte.saturating_mul(8).saturating_add(u32::from(at.bit)), at.bits))
                .or_insert(span);
        }
    }

    fn call(&mut self, call: &Call) {
        for (_, place) in call.in_outs.iter().chain(&call.outputs) {
            self.place(place);
        }
        match &call.receiver {
            Receiver::Object(place) => self.place(place),
            Receiver::Interface(value) => self.expr(value),
            Receiver::None => {}
        }
        if let Some(place) = &call.enabled {
            self.place(place);
        }
        for (_, value) in &call.inputs {
            self.expr(value);
        }
    }

    fn exprs(&mut self, list: &[Expr]) {
        for expr in list {
            self.expr(expr);
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Call(call) => self.call(call),
            ExprKind::Convert(a, _)
            | ExprKind::RangeCheck(a, ..)
            | ExprKind::Negate(a)
            | ExprKind::Not(a)
            | ExprKind::Attempt(a, _) => {
                self.expr(a);
            }
            ExprKind::Binary(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::Shortcut { a, b, .. } => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Choose(a, list) => {
                self.expr(a);
                self.exprs(list);
            }
            ExprKind::Intrinsic(_, list) => self.exprs(list),
            ExprKind::Enabled { enabled, value, .. } => {
                if let Some(place) = enabled {
                    self.place(place);
                }
                self.expr(value);
            }
            ExprKind::Taken(place, value) => {
                self.place(place);
                self.expr(value);
            }
            ExprKind::Reference(place) => self.place(place),
            ExprKind::Poison | ExprKind::Const(_) | ExprKind::Load(_) | ExprKind::Bound { .. } => {}
        }
    }

    fn statements(&mut self, list: &[Stmt]) {
        for statement in list {
            match &statement.kind {
                StmtKind::Assign(place, value) => {
                    self.place(place);
                    self.expr(value);
                }
                StmtKind::Evaluate(expr) => self.expr(expr),
                StmtKind::If(branches, otherwise) => {
                    for (condition, body) in branches {
                        self.expr(condition);
                        self.statements(body);
                    }
                    self.statements(otherwise);
                }
                StmtKind::Case(selector, arms, otherwise) => {
                    self.expr(selector);
                    for (_, body) in arms {
                        self.statements(body);
                    }
                    self.statements(otherwise);
                }
                StmtKind::For(statement) => {
                    self.place(&statement.variable);
                    self.statements(&statement.body);
                }
                StmtKind::While(condition, body) | StmtKind::Repeat(body, condition) => {
                    self.expr(condition);
                    self.statements(body);
                }
                StmtKind::Sequence(list) => self.statements(list),
                // What tests do is no part of any task.
                StmtKind::Assert(_)
                | StmtKind::AdvanceTime(_)
                | StmtKind::Exit
                | StmtKind::Continue
                | StmtKind::Return
                | StmtKind::Label(_)
                | StmtKind::Jump(_) => {}
            }
        }
    }
}
