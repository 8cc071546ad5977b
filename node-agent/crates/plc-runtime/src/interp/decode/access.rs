//! Loads and stores.
//!
//! A load from a known place is put off until its value is used: most are then operands of other instructions.
//! Whatever might change the place first makes the load happen.

use super::{Decoder, Known};
use crate::interp::code::{Base, Cell};
use crate::interp::ops;
use lineshaft_plc_compiler::ir::{self, Block, SiteId, Terminator, Ty, Value};

/// How far a result's way to its block parameter is followed.
const INSTRUCTIONS_TO_PARAMETER: usize = 8;

impl<'a> Decoder<'a> {
    pub(super) fn load(
        &mut self,
        block: &'a Block,
        at: usize,
        ptr: Value,
        offset: u32,
        result: Value,
    ) -> usize {
        let (site, bits) = (block.insts[at].site, self.bits(result));
        let Some(from) = self.known_place(ptr, offset, bits) else {
            let from = self.address(ptr, offset, site);
            let (to, next) = self.target(block, at, result);
            self.emit(ops::load(bits), [to, from, Cell::default()], site);
            return next;
        };
        self.load_known(block, at, from, result)
    }

    /// A load from a known place.
    pub(super) fn load_known(&mut self, block: &'a Block, at: usize, from: Cell, result: Value) -> usize {
        let (site, bits) = (block.insts[at].site, self.bits(result));
        // A pointer is needed in a slot.
        if self.ty(result) != Ty::Ptr && !self.slots.is_wide(result) && self.slots.is_used(result) {
            self.pending.push((result, from));
            return at + 1;
        }
        let (to, next) = self.target(block, at, result);
        self.moved = (bits == 8).then_some(self.code.insts.len());
        self.emit(ops::move_value(bits, false), [to, from, Cell::default()], site);
        next
    }

    pub(super) fn store(&mut self, ptr: Value, offset: u32, value: Value, site: SiteId) {
        let bits = self.bits(value);
        let (from, number) = self.operand(value, site);
        if let Some(to) = self.known_place(ptr, offset, bits) {
            self.overwrite(to, bits);
            self.emit(ops::move_value(bits, number), [to, from, Cell::default()], site);
        } else {
            let to = self.address(ptr, offset, site);
            self.overwrite_any();
            self.emit(ops::store(bits, number), [to, from, Cell::default()], site);
        }
    }

    /// A known place is about to change.
    pub(super) fn overwrite(&mut self, to: Cell, bits: u8) {
        let end = to.offset + u32::from(bits / 8);
        let mut at = 0;
        while let Some(&(value, from)) = self.pending.get(at) {
            let from_end = from.offset + u32::from(self.bits(value) / 8);
            let apart = from.base == to.base && (from_end <= to.offset || end <= from.offset)
                || from.base == Base::Now as u32;
            if apart {
                at += 1;
            } else {
                self.pending.swap_remove(at);
                self.happen(value, from);
            }
        }
    }

    /// Any place may be about to change.
    pub(super) fn overwrite_any(&mut self) {
        for (value, from) in std::mem::take(&mut self.pending) {
            self.happen(value, from);
        }
    }

    /// Loads a value whose load was put off.
    fn happen(&mut self, value: Value, from: Cell) {
        let site = self.makers[value.index()].map_or(SiteId(0), |inst| inst.site);
        let to = Cell::slot(self.slots.define(value));
        self.emit(ops::move_value(self.bits(value), false), [to, from, Cell::default()], site);
    }

    /// Where the result of the instruction at `at` goes, and the number of the next instruction that is left: a
    /// store that follows and is its only use is part of it. Its operands must have been taken before.
    pub(super) fn target(&mut self, block: &'a Block, at: usize, result: Value) -> (Cell, usize) {
        if self.slots.is_used_once(result) {
            if let Some(next) = self.next(block, at)
                && let ir::Op::Store { ptr, offset, value } = &block.insts[next].op
                && self.names(*value, result)
                && let Some(to) = self.known_place(*ptr, *offset, self.bits(result))
            {
                self.overwrite(to, self.bits(result));
                return (to, next + 1);
            }
            if let Some(param) = self.parameter(block, at, result) {
                return (Cell::slot(self.slots.share(result, param)), at + 1);
            }
        }
        (Cell::slot(self.slots.define(result)), at + 1)
    }

    /// The next instruction that leaves anything behind.
    pub(super) fn next(&self, block: &'a Block, at: usize) -> Option<usize> {
        let rest = block.insts.get(at + 1..)?;
        rest.iter().position(|inst| !self.is_silent(inst)).map(|skipped| at + 1 + skipped)
    }

    /// The parameter that the value becomes at the end of the block, if nothing reads what that held before.
    fn parameter(&self, block: &'a Block, at: usize, result: Value) -> Option<Value> {
        let Terminator::Jump(jump) = &block.end else { return None };
        let position = jump.args.iter().position(|&arg| self.names(arg, result))?;
        let param = *self.function.blocks[jump.block.index()].params.get(position)?;
        let rest = block.insts.get(at + 1..)?;
        if rest.len() > INSTRUCTIONS_TO_PARAMETER || jump.block.index() == 0 {
            return None;
        }
        let mut read = false;
        let mut visit = |value| {
            read |= matches!(self.known(value), Known::Value(root, _) if root == param);
        };
        for inst in rest {
            super::operands(&inst.op, &mut visit);
        }
        jump.args.iter().for_each(|&arg| visit(arg));
        (!read).then_some(param)
    }
}
