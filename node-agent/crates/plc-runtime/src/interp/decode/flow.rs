//! How control moves from block to block.

use super::{Decoder, Target};
use crate::interp::code::{Argument, Cell, Trap};
use crate::interp::ops::{self, Compared};
use lineshaft_plc_compiler::ir::{
    Block, BlockId, Cond, Inst, IntOp, Jump, Op, SiteId, Terminator, Ty, Value,
};

/// Instructions of the head of a loop that its back edge repeats, at most.
const INSTRUCTIONS_OF_HEAD: usize = 6;

impl<'a> Decoder<'a> {
    /// The number of the first instruction of a block that is part of its end.
    pub(super) fn end_begins(&self, block: &'a Block) -> usize {
        let nothing = block.insts.len();
        let Some(last) = block.insts.iter().rposition(|inst| !self.is_silent(inst)) else { return nothing };
        let inst = &block.insts[last];
        let part = match &block.end {
            Terminator::Jump(_) => matches!(inst.op, Op::Poll),
            Terminator::Branch { cond, .. } => {
                let alone = inst.result == Some(*cond) && self.slots.is_used_once(*cond);
                alone && (is_comparison(&inst.op) || self.inverted(inst).is_some())
            }
            Terminator::Return(_) | Terminator::Fault { .. } => false,
        };
        if part { last } else { nothing }
    }

    /// The BOOL that an instruction negates.
    fn inverted(&self, inst: &Inst) -> Option<Value> {
        match inst.op {
            Op::Int { op: IntOp::Xor, a, b } if self.number(b) == Some(1) && self.ty(a) == Ty::I8 => Some(a),
            _ => None,
        }
    }

    pub(super) fn end(&mut self, block: &'a Block, begins: usize) {
        let last = block.insts.get(begins);
        let site = last.or(block.insts.last()).map_or(SiteId(0), |inst| inst.site);
        match &block.end {
            Terminator::Jump(jump) if last.is_some() && self.poll_and_test(jump, site) => {}
            Terminator::Jump(jump) => self.go(jump, last.is_some(), site),
            Terminator::Branch { cond, then, otherwise } => {
                let at = match self.branch.take() {
                    Some(at) => at,
                    None => self.test(*cond, last, false, site),
                };
                let then = self.edge(then, site);
                let otherwise = self.edge(otherwise, site);
                let inverted = last.is_some_and(|inst| !is_comparison(&inst.op));
                let (then, otherwise) = if inverted { (otherwise, then) } else { (then, otherwise) };
                self.fixups.push((at, then, otherwise));
            }
            Terminator::Return(None) => self.emit(ops::return_none, [Cell::default(); 3], site),
            Terminator::Return(Some(value)) => {
                let bits = self.bits(*value);
                let from = self.place(*value, site);
                self.emit(ops::return_value(bits), [from, Cell::default(), Cell::default()], site);
            }
            Terminator::Fault { code, operands, site } => {
                let operands: Box<[Argument]> = operands.iter().map(|&v| self.argument(v, *site)).collect();
                let number = self.code.traps.len() as u64;
                self.code.traps.push(Trap { code: *code, operands });
                self.emit(ops::fault, [Cell::number(number), Cell::default(), Cell::default()], *site);
            }
        }
    }

    /// Emits the branch of a block; its targets are not known yet.
    fn test(&mut self, cond: Value, last: Option<&Inst>, polled: bool, site: SiteId) -> usize {
        let (run, a, b) = match last.map(|inst| &inst.op) {
            Some(op) if let Some((kind, cond, a, b)) = comparison(op) => {
                let bits = self.bits(a);
                let a = self.place(a, site);
                let (b, number) = self.operand(b, site);
                let run = if polled { ops::poll_branch } else { ops::branch };
                (run(kind, cond, bits, number), a, b)
            }
            _ => {
                let cond = last.and_then(|inst| self.inverted(inst)).unwrap_or(cond);
                let cond = self.place(cond, site);
                if let Some(from) = self.just_moved(cond) {
                    return self.branch_on_move(cond, from, site);
                }
                (ops::branch_if(), cond, Cell::default())
            }
        };
        self.emit(run, [a, b, Cell::default()], site);
        self.code.insts.len() - 1
    }

    /// Where the byte in a slot comes from, if the last instruction of this block moved it there.
    fn just_moved(&self, to: Cell) -> Option<Cell> {
        let at = self.moved?;
        let here = self.starts.last().is_some_and(|&start| start as usize <= at);
        let inst = self.code.insts.get(at).filter(|_| here && at + 1 == self.code.insts.len())?;
        (inst.x[0] == to).then_some(inst.x[1])
    }

    /// Makes the last instruction, a move, a branch on what it moves.
    fn branch_on_move(&mut self, to: Cell, from: Cell, site: SiteId) -> usize {
        self.code.insts.pop();
        self.code.sites.pop();
        self.emit(ops::branch_moved, [to, from, Cell::default()], site);
        self.code.insts.len() - 1
    }

    /// Emits a back edge together with the comparison that begins the loop anew, if that is all its head does.
    fn poll_and_test(&mut self, jump: &Jump, site: SiteId) -> bool {
        let function = self.function;
        let head = &function.blocks[self.threaded(jump.block).index()];
        let Terminator::Branch { cond, then, otherwise } = &head.end else { return false };
        if head.insts.len() > INSTRUCTIONS_OF_HEAD || !then.args.is_empty() || !otherwise.args.is_empty() {
            return false;
        }
        let begins = self.end_begins(head);
        let Some(last) = head.insts.get(begins).filter(|inst| is_comparison(&inst.op)) else { return false };
        let loads = head.insts[..begins].iter().filter(|inst| !self.is_silent(inst));
        let mut loaded = Vec::new();
        for inst in loads {
            let (Op::Load { ptr, offset }, Some(result)) = (&inst.op, inst.result) else { return false };
            loaded.push((*ptr, *offset, result));
        }
        if !loaded.iter().all(|&(.., result)| self.ty(result) != Ty::Ptr && self.slots.is_used_once(result)) {
            return false;
        }
        self.pending.clear();
        for (ptr, offset, result) in loaded {
            let Some(from) = self.known_place(ptr, offset, self.bits(result)) else { return false };
            self.pending.push((result, from));
        }
        let at = self.test(*cond, Some(last), true, site);
        self.fixups.push((at, Target::Block(then.block), Target::Block(otherwise.block)));
        true
    }

    /// One way of a branch: the block itself, or moves of its parameters that then jump there.
    fn edge(&mut self, jump: &Jump, site: SiteId) -> Target {
        if jump.args.is_empty() {
            return Target::Block(jump.block);
        }
        let here = self.code.insts.len() as u32;
        self.moves(jump, site);
        let to = Target::Block(jump.block);
        self.emit_jump(ops::jump(), Cell::default(), Cell::default(), (to, to), site);
        Target::Inst(here)
    }

    fn go(&mut self, jump: &Jump, polled: bool, site: SiteId) {
        self.moves(jump, site);
        let to = Target::Block(jump.block);
        if polled {
            self.emit_jump(ops::poll_jump(), Cell::default(), Cell::default(), (to, to), site);
        } else if jump.args.is_empty() && self.only_returns(jump.block) {
            self.emit(ops::return_none, [Cell::default(); 3], site);
        } else if self.threaded(jump.block) != BlockId(self.starts.len() as u32) {
            self.emit_jump(ops::jump(), Cell::default(), Cell::default(), (to, to), site);
        }
    }

    /// Whether a block does nothing but leave its function.
    fn only_returns(&self, block: BlockId) -> bool {
        let block = &self.function.blocks[self.threaded(block).index()];
        matches!(block.end, Terminator::Return(None)) && block.insts.iter().all(|inst| self.is_silent(inst))
    }

    /// Gives a block its parameters, all at once: a source that another move overwrites is moved first, and a
    /// ring is broken by a slot of its own.
    fn moves(&mut self, jump: &Jump, site: SiteId) {
        let params = &self.function.blocks[jump.block.index()].params;
        let mut open: Vec<(Cell, Cell, bool, u8)> = Vec::with_capacity(params.len());
        for (&param, &arg) in params.iter().zip(&jump.args) {
            let bits = self.bits(param);
            let (from, number) = self.operand(arg, site);
            let to = Cell::slot(self.slots.define(param));
            if number || from != to {
                open.push((to, from, number, bits));
            }
        }
        while !open.is_empty() {
            let is_read = |to: Cell| open.iter().any(|&(_, from, number, _)| !number && from == to);
            let free = open.iter().position(|&(to, ..)| !is_read(to));
            let (to, from, number, bits) = match free {
                Some(i) => open.swap_remove(i),
                None => {
                    let (to, ..) = open[0];
                    let spare = Cell::slot(self.slots.temporary());
                    self.emit(ops::move_value(64, false), [spare, to, Cell::default()], site);
                    open.iter_mut()
                        .filter(|(_, from, ..)| *from == to)
                        .for_each(|(_, from, ..)| *from = spare);
                    continue;
                }
            };
            self.emit(ops::move_value(bits, number), [to, from, Cell::default()], site);
        }
    }
}

fn is_comparison(op: &Op) -> bool {
    matches!(op, Op::IntCmp { .. } | Op::FloatCmp { .. })
}

/// What a comparison compares, and how.
pub(super) fn comparison(op: &Op) -> Option<(Compared, Cond, Value, Value)> {
    match *op {
        Op::IntCmp { cond, signed: true, a, b } => Some((Compared::Signed, cond, a, b)),
        Op::IntCmp { cond, signed: false, a, b } => Some((Compared::Unsigned, cond, a, b)),
        Op::FloatCmp { cond, a, b } => Some((Compared::Float, cond, a, b)),
        _ => None,
    }
}
