//! Operations that were done before on the same values.

use super::cfg::Shape;
use crate::ir::{Const, Op, Ty, Value};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// An operation that gives the same for the same operands, or a check of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    kind: u32,
    a: u32,
    b: u32,
    c: u64,
    d: u64,
}

impl Key {
    /// `ty`: of the result.
    pub(super) fn of(op: &Op, ty: Option<Ty>) -> Option<Self> {
        let ty = ty.map_or(0, |ty| ty as u32 + 1);
        let key = |kind: u32, a: u32, b: u32, c: u64| Some(Self { kind: kind << 8 | ty, a, b, c, d: 0 });
        match op {
            Op::Const(Const::I8(value)) => key(1, 0, 0, i64::from(*value) as u64),
            Op::Const(Const::I16(value)) => key(1, 0, 0, i64::from(*value) as u64),
            Op::Const(Const::I32(value)) => key(1, 0, 0, i64::from(*value) as u64),
            Op::Const(Const::I64(value)) => key(1, 0, 0, *value as u64),
            Op::StateAddr(offset) => key(2, 0, 0, u64::from(*offset)),
            Op::FrameAddr(offset) => key(3, 0, 0, u64::from(*offset)),
            Op::Offset { ptr, bytes } => key(4, ptr.0, 0, u64::from(*bytes)),
            Op::Index { ptr, index, stride } => key(5, ptr.0, index.0, u64::from(*stride)),
            Op::Int { op, a, b } => key(6, a.0, b.0, *op as u64),
            Op::IntCmp { cond, signed, a, b } => key(7, a.0, b.0, (*cond as u64) << 1 | u64::from(*signed)),
            Op::Select { cond, a, b } => key(8, a.0, b.0, u64::from(cond.0)),
            Op::SignExtend(a) => key(9, a.0, 0, 0),
            Op::ZeroExtend(a) => key(10, a.0, 0, 0),
            Op::Truncate(a) => key(11, a.0, 0, 0),
            Op::Neg(a) => key(12, a.0, 0, 0),
            Op::Not(a) => key(13, a.0, 0, 0),
            Op::Rem { signed, a, b } => key(14, a.0, b.0, u64::from(*signed)),
            Op::CheckIndex { index, low, high } => {
                Some(Self { kind: 15 << 8, a: index.0, b: 0, c: *low as u64, d: *high as u64 })
            }
            Op::CheckRange { value, low, high } => {
                Some(Self { kind: 16 << 8, a: value.0, b: 0, c: *low as u64, d: *high as u64 })
            }
            Op::CheckNull(pointer) => key(17, pointer.0, 0, 0),
            _ => None,
        }
    }
}

/// Results by operation, with the block where each was computed last.
#[derive(Default)]
pub(super) struct Seen(HashMap<Key, (usize, Value), BuildHasherDefault<Mixer>>);

impl Seen {
    /// The result, if it is known wherever `block` is reached.
    pub(super) fn find(&self, key: Key, block: usize, shape: &Shape) -> Option<Value> {
        let (at, value) = *self.0.get(&key)?;
        shape.dominates(at, block).then_some(value)
    }

    pub(super) fn add(&mut self, key: Key, block: usize, value: Value) {
        self.0.insert(key, (block, value));
    }
}

/// Hashes keys that nobody chooses to collide: a function is compiled once, on its author's machine.
#[derive(Default)]
pub(super) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ mixed >> 32;
    }
}
