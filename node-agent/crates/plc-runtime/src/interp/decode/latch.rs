//! The end of a FOR loop.

use super::{Decoder, Target};
use crate::interp::code::Cell;
use crate::interp::ops;
use lineshaft_plc_compiler::ir::{Block, Cond, Inst, IntOp, Op, SiteId, Terminator, Value};

/// What the block of a latch does.
struct Latch {
    ptr: Value,
    offset: u32,
    bits: u8,
    signed: bool,
    step: i64,
    down: bool,
    end: Value,
    /// Of the back edge.
    site: SiteId,
}

impl<'a> Decoder<'a> {
    /// Decodes a block that is the end of a FOR loop; whether it was one.
    pub(super) fn latch(&mut self, block: &'a Block) -> bool {
        let Some(latch) = self.recognise_latch(block) else { return false };
        let Terminator::Branch { then, otherwise, .. } = &block.end else { return false };
        let number = self.number(latch.end).is_some();
        let Some(run) = ops::latch(latch.down, latch.signed, latch.bits, number) else { return false };
        let Some(variable) = self.known_place(latch.ptr, latch.offset, latch.bits) else { return false };
        let site = latch.site;
        let (end, _) = self.operand(latch.end, site);
        let to = (Target::Block(then.block), Target::Block(otherwise.block));
        self.emit_jump(run, variable, end, to, site);
        self.emit(ops::poll, [Cell::number(latch.step as u64), Cell::default(), Cell::default()], site);
        true
    }

    fn recognise_latch(&self, block: &'a Block) -> Option<Latch> {
        if block.insts.len() > 12 || !block.params.is_empty() {
            return None;
        }
        let insts: Vec<&Inst> = block.insts.iter().filter(|inst| !self.is_silent(inst)).collect();
        let [load, wide, add, narrow, store, poll, test] = insts.as_slice() else { return None };
        let Op::Load { ptr, offset } = load.op else { return None };
        let (signed, extended) = match wide.op {
            Op::SignExtend(value) => (true, value),
            Op::ZeroExtend(value) => (false, value),
            _ => return None,
        };
        let Op::Int { op: IntOp::Add, a, b } = add.op else { return None };
        let Op::Truncate(truncated) = narrow.op else { return None };
        let Op::Store { ptr: to, offset: to_offset, value: stored } = store.op else { return None };
        let Op::IntCmp { cond, signed: true, a: next, b: end } = test.op else { return None };
        let Terminator::Branch { cond: tested, then, otherwise } = &block.end else { return None };
        let variable = load.result?;
        let sum = add.result?;
        let chained = matches!(poll.op, Op::Poll)
            && self.names(extended, variable)
            && self.names(a, wide.result?)
            && self.names(truncated, sum)
            && self.names(stored, narrow.result?)
            && self.bits(narrow.result?) == self.bits(variable)
            && (self.known(to), to_offset) == (self.known(ptr), offset)
            && self.names(next, sum)
            && self.names(*tested, test.result?)
            && then.args.is_empty()
            && otherwise.args.is_empty();
        let alone = [variable, wide.result?, narrow.result?, test.result?];
        let alone = alone.iter().all(|&value| self.slots.is_used_once(value));
        let down = match cond {
            Cond::Le => false,
            Cond::Ge => true,
            _ => return None,
        };
        (chained && alone && self.slots.is_used_times(sum, 2)).then_some(Latch {
            ptr,
            offset,
            bits: self.bits(variable),
            signed,
            step: self.signed_number(b)?,
            down,
            end,
            site: poll.site,
        })
    }
}
