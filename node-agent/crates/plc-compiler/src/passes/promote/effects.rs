//! What instructions do to memory, and to which candidates.

use super::super::pointer::Root;
use super::super::region::{Overlap, Region, overlap};
use super::super::set::Set;
use super::{Access, Promotion};
use crate::ir::{Block, Helper, Inst, Op, Ty, Value};

/// What an operation does to memory, besides loads and stores of candidates.
#[derive(Default)]
pub(super) struct Effect {
    pub(super) reads: Vec<Region>,
    pub(super) writes: Vec<Region>,
}

impl Promotion<'_> {
    /// Memory that an operation touches, loads and stores left out.
    pub(super) fn effect(&self, op: &Op) -> Effect {
        let mut effect = Effect::default();
        match op {
            Op::LoadBit { ptr, offset, .. } => effect.reads.push(self.region(*ptr, *offset, 1)),
            Op::StoreBit { ptr, offset, .. } => effect.writes.push(self.region(*ptr, *offset, 1)),
            Op::Copy { to, from, bytes } => {
                effect.reads.push(self.region(*from, 0, *bytes));
                effect.writes.push(self.region(*to, 0, *bytes));
            }
            Op::Zero { to, bytes } => effect.writes.push(self.region(*to, 0, *bytes)),
            Op::Call { .. } | Op::CallVirtual { .. } => {
                effect.reads.push(Region::Anywhere);
                effect.writes.push(Region::Anywhere);
            }
            Op::Helper { helper, args } => self.helper_effect(*helper, args, &mut effect),
            _ => {}
        }
        effect
    }

    /// Strings may share their place with scalars (OVERLAP): a routine reads what its pointers lead to, and writes
    /// what it is told to write. Frames of which an address is given away are left out elsewhere.
    fn helper_effect(&self, helper: Helper, args: &[Value], effect: &mut Effect) {
        for (position, arg) in args.iter().enumerate() {
            let is_pointer = self.function.value_types[arg.index()] == Ty::Ptr;
            let region = self.region(*arg, 0, 1);
            if !is_pointer || matches!(region, Region::Bytes(Root::Frame, ..)) {
                continue;
            }
            effect.reads.push(Region::Anywhere);
            if position > 0 || !(writes_text(helper) || matches!(helper, Helper::StrSet { .. })) {
                continue;
            }
            let capacity = args.get(1).and_then(|capacity| self.constants.get(capacity));
            effect.writes.push(match (region, capacity) {
                (Region::Bytes(root, low, high), Some(capacity)) if writes_text(helper) => {
                    Region::Bytes(root, low, high.saturating_add(2 + 2 * capacity))
                }
                _ => Region::Anywhere,
            });
        }
    }

    /// Candidates that share bytes with one of these.
    fn touched(&self, regions: &[Region]) -> Set {
        let mut touched = Set::default();
        if regions.is_empty() {
            return touched;
        }
        let hulls = self.pointers.hulls;
        for (index, candidate) in self.candidates.iter().enumerate() {
            let region = candidate.region();
            if regions.iter().any(|r| overlap(*r, region, hulls) != Overlap::Never) {
                touched.insert(index);
            }
        }
        touched
    }

    pub(super) fn accesses_in(&self, block: &Block) -> Vec<(usize, Access)> {
        let accesses = block.insts.iter().enumerate();
        accesses.filter_map(|(position, inst)| Some((position, self.access(inst)?))).collect()
    }

    fn access(&self, inst: &Inst) -> Option<Access> {
        let mut effect = self.effect(&inst.op);
        match (&inst.op, inst.result) {
            (Op::Load { ptr, offset }, Some(result)) => {
                if let Some(candidate) = self.candidate(*ptr, *offset) {
                    return Some(Access::Load(candidate));
                }
                let bytes = self.function.value_types[result.index()].size();
                effect.reads.push(self.region(*ptr, *offset, bytes));
            }
            (Op::Store { ptr, offset, value }, _) => {
                if let Some(candidate) = self.candidate(*ptr, *offset) {
                    return Some(Access::Store(candidate));
                }
                let bytes = self.function.value_types[value.index()].size();
                effect.writes.push(self.region(*ptr, *offset, bytes));
            }
            _ => {}
        }
        let (read, written) = (self.touched(&effect.reads), self.touched(&effect.writes));
        (read.join(written) != Set::default()).then_some(Access::Other { read, written })
    }
}

/// Whether the first argument is a string that the routine stores.
fn writes_text(helper: Helper) -> bool {
    matches!(
        helper,
        Helper::StrAssign { .. }
            | Helper::StrConcat { .. }
            | Helper::StrLeft { .. }
            | Helper::StrRight { .. }
            | Helper::StrMid { .. }
            | Helper::StrInsert { .. }
            | Helper::StrDelete { .. }
            | Helper::StrReplace { .. }
            | Helper::ToString { .. }
            | Helper::StrConvert { .. }
    )
}
