//! Accesses to elements of arrays: widened index, check, address and access become one instruction.

use super::Decoder;
use crate::interp::code::Cell;
use crate::interp::ops;
use lineshaft_plc_compiler::ir::{Block, IntOp, Op, Terminator, Value};

/// An index that was checked, and the address it gives.
struct Element {
    /// Before it is widened.
    index: Value,
    bits: u8,
    signed: bool,
    low: i64,
    high: i64,
    /// Zero of the address arithmetic.
    ptr: Value,
    bytes: u32,
    stride: u32,
    address: Value,
    /// The instructions that check and that make the address.
    check: usize,
    last: usize,
}

impl<'a> Decoder<'a> {
    /// Decodes the access that begins at an instruction; the number of the next that is left, or nothing if none
    /// begins there.
    pub(super) fn element(&mut self, block: &'a Block, at: usize) -> Option<usize> {
        let element = self.recognise(block, at)?;
        let site = block.insts[element.check].site;
        let bounds = [
            Cell::number(element.low as u64),
            Cell::number(element.high as u64),
            Cell { offset: element.stride, base: 0 },
        ];
        if element.check == at {
            // It was named by the check and by the address.
            self.place(element.index, site);
        }
        let index = self.place(element.index, site);
        let mut base = self.address(element.ptr, element.bytes, site);
        let (bits, signed) = (element.bits, element.signed);
        let once = self.slots.is_used_once(element.address);
        let follower = self.next(block, element.last).filter(|_| once);
        let (run, what, next) = match follower.map(|next| (next, &block.insts[next])) {
            Some((next, inst))
                if let (Op::Load { ptr, offset }, Some(result)) = (&inst.op, inst.result)
                    && self.names(*ptr, element.address) =>
            {
                base.base = base.base.wrapping_add(*offset);
                if self.decides(block, next, result) {
                    self.branch = Some(self.code.insts.len());
                    (ops::branch_element(bits, signed), Cell::default(), next + 1)
                } else {
                    let (to, after) = self.target(block, next, result);
                    (ops::load_element(bits, signed, self.bits(result)), to, after)
                }
            }
            Some((next, inst))
                if let Op::Store { ptr, offset, value } = &inst.op
                    && self.names(*ptr, element.address) =>
            {
                base.base = base.base.wrapping_add(*offset);
                let width = self.bits(*value);
                let (value, number) = self.operand(*value, site);
                self.overwrite_any();
                (ops::store_element(bits, signed, width, number), value, next + 1)
            }
            _ => {
                let to = Cell::slot(self.slots.define(element.address));
                (ops::element(bits, signed), to, element.last + 1)
            }
        };
        self.emit(run, [index, base, what], site);
        self.emit(ops::poll, bounds, site);
        Some(next)
    }

    /// Whether a block ends with the question that a loaded value answers, which nothing else uses.
    fn decides(&self, block: &'a Block, load: usize, result: Value) -> bool {
        matches!(&block.end, Terminator::Branch { cond, .. } if self.names(*cond, result))
            && self.slots.is_used_once(result)
            && self.next(block, load).is_none()
    }

    fn recognise(&self, block: &'a Block, at: usize) -> Option<Element> {
        let first = &block.insts[at];
        let (index, wide, signed, check) = match &first.op {
            Op::SignExtend(index) => (*index, first.result?, true, self.next(block, at)?),
            Op::ZeroExtend(index) => (*index, first.result?, false, self.next(block, at)?),
            Op::CheckIndex { index, .. } => (*index, *index, true, at),
            _ => return None,
        };
        let Op::CheckIndex { index: checked, low, high } = block.insts[check].op else { return None };
        let narrow = check != at;
        if !self.names(checked, wide) || narrow && !self.slots.is_used_times(wide, 2) {
            return None;
        }
        let mut last = self.next(block, check)?;
        let mut moved = wide;
        let mut bias = 0;
        if let Op::Int { op: IntOp::Add, a, b } = block.insts[last].op
            && self.names(a, wide)
        {
            bias = self.signed_number(b)?;
            moved = block.insts[last].result?;
            last = self.next(block, last)?;
            if !self.slots.is_used_once(moved) {
                return None;
            }
        }
        let Op::Index { ptr, index: by, stride } = block.insts[last].op else { return None };
        // The pointer must be of before: its slot is read together with the index.
        self.names(by, moved).then_some(Element {
            index,
            bits: self.bits(index),
            signed,
            low,
            high,
            ptr,
            bytes: (bias as u32).wrapping_mul(stride),
            stride,
            address: block.insts[last].result?,
            check,
            last,
        })
    }
}
