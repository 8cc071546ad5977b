//! Which globals a POU writes, itself or through what it calls.

use crate::config::Plan;
use crate::diagnostic::Code;
use crate::hir::{Call, Expr, ExprKind, Place, Root, Stmt, StmtKind};
use crate::model::{Model, VarKind};
use std::collections::BTreeSet;

/// Warns of variables that two tasks write: the last writer wins.
pub(crate) fn report_two_writers(model: &mut Model<'_>, plan: &Plan) {
    if plan.tasks.len() < 2 || model.sink.has_errors() {
        return;
    }
    let own: Vec<BTreeSet<usize>> = (0..model.pous.len()).map(|pou| Writes::of(model, pou)).collect();
    let mut writer: Vec<Option<usize>> = vec![None; model.globals.len()];
    for (task, entry) in plan.tasks.iter().enumerate() {
        let mut written = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for instance in &entry.instances {
            let instance = &plan.instances[*instance];
            reach(model, instance.pou, &own, &mut seen, &mut written);
            written.extend(instance.outputs.iter().filter_map(|(_, place)| match place.root {
                Root::Global(global) => Some(global),
                _ => None,
            }));
        }
        for global in written {
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
    }
}

fn reach(
    model: &Model<'_>,
    pou: usize,
    own: &[BTreeSet<usize>],
    seen: &mut BTreeSet<usize>,
    written: &mut BTreeSet<usize>,
) {
    if !seen.insert(pou) {
        return;
    }
    written.extend(&own[pou]);
    for (callee, _) in &model.pou(pou).uses {
        reach(model, *callee, own, seen, written);
    }
}

struct Writes<'w, 'a> {
    model: &'w Model<'a>,
    pou: usize,
    globals: BTreeSet<usize>,
}

impl Writes<'_, '_> {
    fn of(model: &Model<'_>, pou: usize) -> BTreeSet<usize> {
        let mut writes = Writes { model, pou, globals: BTreeSet::new() };
        writes.statements(&model.pou(pou).body);
        writes.globals
    }

    fn place(&mut self, place: &Place) {
        match place.root {
            Root::Global(global) => {
                self.globals.insert(global);
            }
            Root::Local(var) => {
                if let VarKind::External(global) = self.model.pou(self.pou).vars[var].kind {
                    self.globals.insert(global);
                }
            }
            Root::Image { .. } => {}
        }
    }

    fn call(&mut self, call: &Call) {
        for (_, place) in call.in_outs.iter().chain(&call.outputs) {
            self.place(place);
        }
        for place in call.instance.iter().chain(&call.enabled) {
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
            | ExprKind::Not(a) => {
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
            ExprKind::Poison | ExprKind::Const(_) | ExprKind::Load(_) => {}
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
                StmtKind::Exit | StmtKind::Continue | StmtKind::Return => {}
            }
        }
    }
}
