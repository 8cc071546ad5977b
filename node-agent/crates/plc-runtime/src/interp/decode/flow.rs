//! How control moves from block to block.

use super::{Decoder, order};
use crate::interp::code::{Op, Slot, Trap};
use lineshaft_plc_compiler::ir::{self, Block, BlockId, Cond, Inst, Jump, SiteId, Terminator, Value};

impl<'a> Decoder<'a> {
    pub(super) fn end(&mut self, block: &'a Block, fused: Option<&'a Inst>, polled: bool) {
        let site = block.insts.last().map_or(SiteId(0), |inst| inst.site);
        let next = BlockId(self.starts.len() as u32);
        match &block.end {
            Terminator::Jump(jump) => {
                self.moves(jump, site);
                if polled {
                    self.jump_to(Op::PollJump { target: 0 }, jump.block, site);
                } else if jump.block != next {
                    self.jump_to(Op::Jump { target: 0 }, jump.block, site);
                }
            }
            Terminator::Branch { cond, then, otherwise } => {
                let test = self.test(*cond, fused);
                if then.args.is_empty() {
                    self.jump_to(test, then.block, site);
                    self.go(otherwise, Some(next), site);
                } else if otherwise.args.is_empty() {
                    self.jump_to(inverse(test), otherwise.block, site);
                    self.go(then, Some(next), site);
                } else {
                    let at = self.code.ops.len();
                    self.emit(test, site);
                    self.go(otherwise, None, site);
                    let here = self.code.ops.len() as u32;
                    if let Op::BranchIf { target, .. }
                    | Op::Branch { target, .. }
                    | Op::BranchImm { target, .. } = &mut self.code.ops[at]
                    {
                        *target = here;
                    }
                    self.go(then, Some(next), site);
                }
            }
            Terminator::Return(None) => self.emit(Op::Return, site),
            Terminator::Return(Some(value)) => {
                let src = self.slots.take(*value);
                self.emit(Op::ReturnValue { src }, site);
            }
            Terminator::Fault { code, operands, site } => {
                let operands = operands.iter().map(|&v| (self.slots.take(v), self.bits(v))).collect();
                let fault = self.code.traps.len() as u32;
                self.code.traps.push(Trap { code: *code, operands });
                self.emit(Op::Fault { fault }, *site);
            }
        }
    }

    pub(super) fn test(&mut self, cond: Value, fused: Option<&'a Inst>) -> Op {
        let target = 0;
        if let Some(Inst { op: ir::Op::IntCmp { cond, signed, a, b }, .. }) = fused {
            let order = order(self.bits(*a), *signed);
            let imm = self.compared(*b, *signed);
            let a = self.slots.take(*a);
            return match imm {
                Some(imm) => Op::BranchImm { cond: *cond, order, a, imm, target },
                None => Op::Branch { cond: *cond, order, a, b: self.slots.take(*b), target },
            };
        }
        Op::BranchIf { cond: self.slots.take(cond), target }
    }

    pub(super) fn go(&mut self, jump: &Jump, next: Option<BlockId>, site: SiteId) {
        self.moves(jump, site);
        if Some(jump.block) != next {
            self.jump_to(Op::Jump { target: 0 }, jump.block, site);
        }
    }

    /// Gives a block its parameters, all at once: a source that another move overwrites is moved first, and a
    /// ring is broken by a slot of its own.
    pub(super) fn moves(&mut self, jump: &Jump, site: SiteId) {
        let params = &self.function.blocks[jump.block.index()].params;
        let mut open: Vec<(Slot, Slot)> = Vec::with_capacity(params.len());
        for (&param, &arg) in params.iter().zip(&jump.args) {
            let src = self.slots.take(arg);
            let dst = self.slots.define(param);
            if src != dst {
                open.push((dst, src));
            }
        }
        while !open.is_empty() {
            let free = open.iter().position(|&(dst, _)| open.iter().all(|&(_, src)| src != dst));
            let (dst, src) = match free {
                Some(i) => open.swap_remove(i),
                None => {
                    let (dst, _) = open[0];
                    let spare = self.scratch();
                    self.emit(Op::Move { dst: spare, src: dst }, site);
                    open.iter_mut().filter(|(_, src)| *src == dst).for_each(|(_, src)| *src = spare);
                    continue;
                }
            };
            self.emit(Op::Move { dst, src }, site);
        }
    }
}

fn inverse(test: Op) -> Op {
    match test {
        Op::BranchIf { cond, target } => Op::BranchIfNot { cond, target },
        Op::Branch { cond, order, a, b, target } => Op::Branch { cond: opposite(cond), order, a, b, target },
        Op::BranchImm { cond, order, a, imm, target } => {
            Op::BranchImm { cond: opposite(cond), order, a, imm, target }
        }
        other => other,
    }
}

fn opposite(cond: Cond) -> Cond {
    match cond {
        Cond::Eq => Cond::Ne,
        Cond::Ne => Cond::Eq,
        Cond::Lt => Cond::Ge,
        Cond::Le => Cond::Gt,
        Cond::Gt => Cond::Le,
        Cond::Ge => Cond::Lt,
    }
}

pub(super) fn ends_with_poll_jump(block: &Block) -> bool {
    matches!(block.end, Terminator::Jump(_))
        && block.insts.last().is_some_and(|i| matches!(i.op, ir::Op::Poll))
}
