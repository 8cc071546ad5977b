//! Where pointers point to: which region, and between which offsets.

use crate::ir::{Const, Function, IntOp, Op, Ty, Value};
use std::collections::HashMap;

/// What the offsets of a pointer count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Root {
    /// The state block.
    State,
    /// The frame of the function.
    Frame,
    /// The address that a parameter holds.
    Param(u32),
}

/// Offsets that a pointer may have, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) root: Root,
    pub(super) low: i64,
    pub(super) high: i64,
}

/// Where a parameter of a function may point to, over all of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hull {
    /// It is never called.
    Nothing,
    /// These offsets of the state block.
    State(i64, i64),
    /// Frames of callers.
    Outside,
    /// Anything.
    Unknown,
}

impl Hull {
    pub(super) fn join(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, hull) | (hull, Self::Nothing) => hull,
            (Self::State(a, b), Self::State(c, d)) => Self::State(a.min(c), b.max(d)),
            (Self::Outside, Self::Outside) => Self::Outside,
            _ => Self::Unknown,
        }
    }
}

/// The pointers of a function.
pub(super) struct Pointers<'h> {
    pub(super) hulls: &'h [Hull],
    known: Vec<Option<Pointer>>,
}

impl<'h> Pointers<'h> {
    /// `hulls`: one for each parameter.
    pub(super) fn new(function: &Function, order: &[usize], hulls: &'h [Hull]) -> Self {
        let mut pointers = Self { hulls, known: vec![None; function.value_types.len()] };
        for (position, param) in function.blocks[0].params.iter().enumerate() {
            if function.value_types[param.index()] != Ty::Ptr {
                continue;
            }
            let root = Pointer { root: Root::Param(position as u32), low: 0, high: 0 };
            pointers.known[param.index()] = Some(match hulls[position] {
                // It is always the same address.
                Hull::State(low, high) if low == high => Pointer { root: Root::State, low, high },
                _ => root,
            });
        }
        let ranges = indices(function, order);
        for inst in order.iter().flat_map(|block| &function.blocks[*block].insts) {
            let Some(result) = inst.result else { continue };
            pointers.known[result.index()] = match &inst.op {
                Op::StateAddr(offset) => Some(exact(Root::State, *offset)),
                Op::FrameAddr(offset) => Some(exact(Root::Frame, *offset)),
                Op::Const(Const::Null) => Some(exact(Root::State, 0)),
                Op::Offset { ptr, bytes } => {
                    pointers.of(*ptr).map(|p| p.moved(i64::from(*bytes), i64::from(*bytes)))
                }
                Op::Index { ptr, index, stride } => pointers.of(*ptr).map(|p| {
                    let stride = i64::from(*stride);
                    match ranges[index.index()] {
                        Some((low, high)) => p.moved(low.saturating_mul(stride), high.saturating_mul(stride)),
                        None => p.moved(i64::MIN, i64::MAX),
                    }
                }),
                _ => None,
            };
        }
        pointers
    }

    /// `None`: anywhere.
    pub(super) fn of(&self, value: Value) -> Option<Pointer> {
        self.known.get(value.index()).copied().flatten()
    }

    /// Where a pointer may point to, as seen from a function that gets it.
    pub(super) fn hull(&self, value: Value) -> Hull {
        let Some(pointer) = self.of(value) else { return Hull::Unknown };
        match pointer.root {
            Root::State => Hull::State(pointer.low, pointer.high),
            Root::Frame => Hull::Outside,
            Root::Param(param) => match self.hulls[param as usize] {
                Hull::State(low, high) => {
                    Hull::State(low.saturating_add(pointer.low), high.saturating_add(pointer.high))
                }
                hull => hull,
            },
        }
    }
}

fn exact(root: Root, offset: u32) -> Pointer {
    Pointer { root, low: i64::from(offset), high: i64::from(offset) }
}

impl Pointer {
    pub(super) fn moved(self, low: i64, high: i64) -> Self {
        Self { low: self.low.saturating_add(low), high: self.high.saturating_add(high), ..self }
    }
}

/// Ranges of positions in arrays. A value counts as being inside of the bounds that any check gives it: what
/// uses it otherwise does so behind the check.
fn indices(function: &Function, order: &[usize]) -> Vec<Option<(i64, i64)>> {
    let mut checked: HashMap<Value, (i64, i64)> = HashMap::new();
    for inst in order.iter().flat_map(|block| &function.blocks[*block].insts) {
        if let Op::CheckIndex { index, low, high } = inst.op {
            let range = checked.entry(index).or_insert((low, high));
            *range = (range.0.max(low), range.1.min(high));
        }
    }
    let mut ranges: Vec<Option<(i64, i64)>> = vec![None; function.value_types.len()];
    for inst in order.iter().flat_map(|block| &function.blocks[*block].insts) {
        let Some(result) = inst.result else { continue };
        let range = match &inst.op {
            Op::Const(Const::I64(value)) => Some((*value, *value)),
            Op::Int { op: op @ (IntOp::Add | IntOp::Mul), a, b } => {
                let combine = |a: (i64, i64), b: (i64, i64)| match op {
                    IntOp::Add => Some((a.0.checked_add(b.0)?, a.1.checked_add(b.1)?)),
                    _ if a.0 >= 0 && b.0 >= 0 => Some((a.0.checked_mul(b.0)?, a.1.checked_mul(b.1)?)),
                    _ if b.0 == b.1 && b.0 >= 0 => Some((a.0.checked_mul(b.0)?, a.1.checked_mul(b.0)?)),
                    _ => None,
                };
                ranges[a.index()].zip(ranges[b.index()]).and_then(|(a, b)| combine(a, b))
            }
            _ => None,
        };
        ranges[result.index()] = checked.get(&result).copied().or(range);
    }
    ranges
}
