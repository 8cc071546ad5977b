//! Statements.

use super::function::Builder;
use crate::hir::{CaseArm, Expr, ExprKind, For, Stmt, StmtKind, Value as Constant};
use crate::ir::{Cond, FaultCode, IntOp, Op, Terminator, Ty, Value};
use crate::types;

impl Builder<'_, '_, '_, '_> {
    pub(super) fn statements(&mut self, list: &[Stmt]) {
        for statement in list {
            self.at(statement.span);
            self.count_statement(statement.span);
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Stmt) {
        match &statement.kind {
            StmtKind::Assign(place, value) => {
                let lowered = self.expr(value);
                let target = self.place(place);
                self.store(target, place.ty, lowered);
            }
            StmtKind::Sequence(list) => self.statements(list),
            StmtKind::Label(number) => {
                let block = self.label(*number);
                self.jump(block);
                self.switch(block);
            }
            StmtKind::Jump(number) => {
                let block = self.label(*number);
                // It may go back: an endless loop must end there.
                self.emit(Op::Poll);
                self.jump(block);
                self.unreachable();
            }
            StmtKind::Evaluate(expr) => {
                self.expr(expr);
            }
            StmtKind::If(branches, otherwise) => self.if_statement(branches, otherwise),
            StmtKind::Case(selector, arms, otherwise) => self.case(selector, arms, otherwise),
            StmtKind::For(statement) => self.for_loop(statement),
            StmtKind::While(condition, body) => {
                let (head, inside, exit) = (self.block(), self.block(), self.block());
                self.jump(head);
                self.switch(head);
                let holds = self.expr(condition);
                self.branch(holds, inside, exit);
                self.switch(inside);
                let latch = self.block();
                self.in_loop(latch, exit, body);
                self.switch(latch);
                self.at(statement.span);
                self.emit(Op::Poll);
                self.jump(head);
                self.switch(exit);
            }
            StmtKind::Repeat(body, until) => {
                let (inside, latch, exit) = (self.block(), self.block(), self.block());
                self.jump(inside);
                self.switch(inside);
                self.in_loop(latch, exit, body);
                self.switch(latch);
                self.at(statement.span);
                let done = self.expr(until);
                let again = self.block();
                self.branch(done, exit, again);
                self.switch(again);
                self.emit(Op::Poll);
                self.jump(inside);
                self.switch(exit);
            }
            StmtKind::Exit => {
                if let Some((_, exit)) = self.loops.last().copied() {
                    self.jump(exit);
                    self.unreachable();
                }
            }
            StmtKind::Continue => {
                if let Some((latch, _)) = self.loops.last().copied() {
                    self.jump(latch);
                    self.unreachable();
                }
            }
            StmtKind::Assert(assertion) => self.assertion(assertion),
            StmtKind::AdvanceTime(ns) => self.advance_time(ns),
            StmtKind::Return => {
                self.leave();
                self.unreachable();
            }
        }
    }

    fn label(&mut self, number: usize) -> crate::ir::BlockId {
        match self.labels.get(&number) {
            Some(block) => *block,
            None => {
                let block = self.block();
                self.labels.insert(number, block);
                block
            }
        }
    }

    /// What follows a jump goes into a block that nothing reaches.
    fn unreachable(&mut self) {
        let block = self.block();
        self.switch(block);
    }

    fn in_loop(&mut self, latch: crate::ir::BlockId, exit: crate::ir::BlockId, body: &[Stmt]) {
        self.loops.push((latch, exit));
        self.statements(body);
        self.loops.pop();
        self.jump(latch);
    }

    fn if_statement(&mut self, branches: &[(Expr, Vec<Stmt>)], otherwise: &[Stmt]) {
        let exit = self.block();
        for (condition, body) in branches {
            let holds = self.expr(condition);
            let (inside, next) = (self.block(), self.block());
            self.branch(holds, inside, next);
            self.switch(inside);
            self.statements(body);
            self.jump(exit);
            self.switch(next);
        }
        self.statements(otherwise);
        self.jump(exit);
        self.switch(exit);
    }

    fn case(&mut self, selector: &Expr, arms: &[CaseArm], otherwise: &[Stmt]) {
        let value = self.expr(selector);
        let storage = self.lowerer.memory.model.types.storage(selector.ty);
        let signed = storage.is_some_and(types::is_signed);
        let ty = self.ty(value);
        let exit = self.block();
        let bodies: Vec<_> = arms.iter().map(|_| self.block()).collect();
        for ((ranges, _), body) in arms.iter().zip(&bodies) {
            for (low, high) in ranges {
                let next = self.block();
                let first = self.constant(ty, *low);
                if low == high {
                    let equal = self.compare_values(Cond::Eq, value, first, signed);
                    self.branch(equal, *body, next);
                } else {
                    let above = self.block();
                    let holds = self.compare_values(Cond::Ge, value, first, signed);
                    self.branch(holds, above, next);
                    self.switch(above);
                    let last = self.constant(ty, *high);
                    let holds = self.compare_values(Cond::Le, value, last, signed);
                    self.branch(holds, *body, next);
                }
                self.switch(next);
            }
        }
        self.statements(otherwise);
        self.jump(exit);
        for ((_, statements), body) in arms.iter().zip(bodies) {
            self.switch(body);
            self.statements(statements);
            self.jump(exit);
        }
        self.switch(exit);
    }

    /// Start, end and step are evaluated once. The loop ends when the next value would pass the end or leave
    /// the type; the variable then holds that value, wrapped.
    fn for_loop(&mut self, statement: &For) {
        let ty = statement.variable.ty;
        let storage = self.lowerer.memory.model.types.storage(ty);
        let signed = storage.is_some_and(types::is_signed);
        let start = self.expr(&statement.start);
        let end = self.expr(&statement.end);
        let machine = self.ty(start);
        let step = self.expr(&statement.step);
        let fixed_step = match statement.step.kind {
            ExprKind::Const(Constant::Int(step)) => Some(step),
            _ => None,
        };
        let target = self.place(&statement.variable);
        self.store_scalar(target, start);
        let zero = self.constant(Ty::I64, 0);
        if fixed_step.is_none() {
            self.fault_unless_step(step, zero);
        }
        let wide_end = self.widen(end, signed);
        let wide_start = self.widen(start, signed);
        // Only 64-bit unsigned values compare unsigned: narrower ones are positive after widening, and a next
        // value below zero must compare as such.
        let order = signed || machine != Ty::I64;
        let (inside, latch, exit) = (self.block(), self.block(), self.block());
        let runs = self.within(wide_start, wide_end, step, fixed_step, zero, order);
        self.branch(runs, inside, exit);
        self.switch(inside);
        let site = self.site;
        if let crate::types::Type::Subrange { low, high, .. } = *self.lowerer.memory.model.types.get(ty) {
            // The value after the last pass may lie outside: only those that are used are checked.
            let target = self.place(&statement.variable);
            let current = self.load_scalar(target, ty);
            let value = self.widen(current, signed);
            self.emit(Op::CheckRange { value, low, high });
        }
        self.in_loop(latch, exit, &statement.body);
        self.switch(latch);
        self.site = site;
        let target = self.place(&statement.variable);
        let current = self.load_scalar(target, ty);
        let wide = self.widen(current, signed);
        let next = self.int(IntOp::Add, wide, step);
        let narrow = if machine == Ty::I64 { next } else { self.compute(machine, Op::Truncate(next)) };
        self.store_scalar(target, narrow);
        // Behind the step: nothing needs the old value any more, so old and new share a register.
        self.emit(Op::Poll);
        let more = self.within(next, wide_end, step, fixed_step, zero, order);
        if machine == Ty::I64 {
            // The sum wrapped if it moved against the step.
            let moved = self.within(wide, next, step, fixed_step, zero, order);
            let more = self.int(IntOp::And, more, moved);
            self.branch(more, inside, exit);
        } else {
            // 64 bits hold every next value of a narrower type: passing the type passes the end.
            let inside_type = self.inside_type(next, storage, fixed_step);
            let more = match inside_type {
                Some(inside_type) => self.int(IntOp::And, more, inside_type),
                None => more,
            };
            self.branch(more, inside, exit);
        }
        self.switch(exit);
    }

    /// Whether an unsigned variable counting down has gone below zero. Above, the end is met first.
    fn inside_type(
        &mut self,
        next: Value,
        storage: Option<crate::layout::Elementary>,
        fixed_step: Option<i128>,
    ) -> Option<Value> {
        if fixed_step.is_some_and(|step| step > 0) {
            return None;
        }
        let (low, _) = types::range(storage?);
        let low = self.constant(Ty::I64, low);
        Some(self.compare_values(Cond::Ge, next, low, true))
    }

    /// Whether `value` has not passed `end` in the direction of the step.
    fn within(
        &mut self,
        value: Value,
        end: Value,
        step: Value,
        fixed_step: Option<i128>,
        zero: Value,
        signed: bool,
    ) -> Value {
        if let Some(step) = fixed_step {
            let cond = if step > 0 { Cond::Le } else { Cond::Ge };
            self.compare_values(cond, value, end, signed)
        } else {
            let up = self.compare_values(Cond::Le, value, end, signed);
            let down = self.compare_values(Cond::Ge, value, end, signed);
            let rising = self.compare_values(Cond::Gt, step, zero, true);
            self.compute(Ty::I8, Op::Select { cond: rising, a: up, b: down })
        }
    }

    fn fault_unless_step(&mut self, step: Value, zero: Value) {
        let (fault, go) = (self.block(), self.block());
        let is_zero = self.compare_values(Cond::Eq, step, zero, true);
        self.branch(is_zero, fault, go);
        self.switch(fault);
        let site = self.site;
        self.end(Terminator::Fault { code: FaultCode::ForStepZero, operands: Vec::new(), site });
        self.switch(go);
    }
}
