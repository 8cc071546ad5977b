//! Loads, stores and the addresses they use.

use super::{Base, Decoder};
use crate::interp::code::{Arith, Op, Slot};
use lineshaft_plc_compiler::ir::{SiteId, Value};

impl Decoder<'_> {
    pub(super) fn load(&mut self, ptr: Value, offset: u32, result: Value) -> Op {
        let bits = self.bits(result);
        match self.base(ptr, offset) {
            Base::State(address) => {
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::LoadState8 { dst, address },
                    16 => Op::LoadState16 { dst, address },
                    32 => Op::LoadState32 { dst, address },
                    _ => Op::LoadState64 { dst, address },
                }
            }
            Base::Frame(offset) => {
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::LoadFrame8 { dst, offset },
                    16 => Op::LoadFrame16 { dst, offset },
                    32 => Op::LoadFrame32 { dst, offset },
                    _ => Op::LoadFrame64 { dst, offset },
                }
            }
            Base::Value(value, offset) => {
                let ptr = self.slots.take(value);
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::Load8 { dst, ptr, offset },
                    16 => Op::Load16 { dst, ptr, offset },
                    32 => Op::Load32 { dst, ptr, offset },
                    _ => Op::Load64 { dst, ptr, offset },
                }
            }
        }
    }

    pub(super) fn store(&mut self, ptr: Value, offset: u32, value: Value) -> Op {
        let bits = self.bits(value);
        let base = self.base(ptr, offset);
        let src = self.slots.take(value);
        match base {
            Base::State(address) => match bits {
                8 => Op::StoreState8 { address, src },
                16 => Op::StoreState16 { address, src },
                32 => Op::StoreState32 { address, src },
                _ => Op::StoreState64 { address, src },
            },
            Base::Frame(offset) => match bits {
                8 => Op::StoreFrame8 { offset, src },
                16 => Op::StoreFrame16 { offset, src },
                32 => Op::StoreFrame32 { offset, src },
                _ => Op::StoreFrame64 { offset, src },
            },
            Base::Value(value, offset) => {
                let ptr = self.slots.take(value);
                match bits {
                    8 => Op::Store8 { ptr, offset, src },
                    16 => Op::Store16 { ptr, offset, src },
                    32 => Op::Store32 { ptr, offset, src },
                    _ => Op::Store64 { ptr, offset, src },
                }
            }
        }
    }

    /// An address for operations that have no form for known ones: in a slot, made here if need be.
    pub(super) fn address(&mut self, ptr: Value, offset: u32, site: SiteId) -> (Slot, u32) {
        match self.base(ptr, offset) {
            Base::Value(value, offset) => (self.slots.take(value), offset),
            Base::State(address) => {
                let dst = self.scratch();
                self.emit(Op::Const { dst, value: u64::from(address) }, site);
                (dst, 0)
            }
            Base::Frame(bytes) => {
                let dst = self.scratch();
                self.emit(Op::Frame { dst, bytes }, site);
                (dst, 0)
            }
        }
    }

    /// A slot for one operation.
    pub(super) fn scratch(&mut self) -> Slot {
        match self.scratch {
            Some(slot) => slot,
            None => *self.scratch.insert(self.slots.fresh()),
        }
    }

    pub(super) fn index(&mut self, ptr: Value, index: Value, stride: u32, result: Value, site: SiteId) -> Op {
        let ptr = self.slots.take(ptr);
        let index = self.slots.take(index);
        if let Ok(stride) = u16::try_from(stride) {
            return Op::Index { stride, ptr, index, dst: self.slots.define(result) };
        }
        let scaled = self.scratch();
        let imm = stride as i32;
        self.emit(Op::ArithImm { op: Arith::Mul, bits: 64, dst: scaled, a: index, imm }, site);
        Op::Index { stride: 1, ptr, index: scaled, dst: self.slots.define(result) }
    }
}
