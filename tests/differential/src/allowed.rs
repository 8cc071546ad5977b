//! What may differ between the engines, and why nothing else may.
//!
//! **NaN.** IEC 60559 leaves open which of two NaN operands an operation gives, and the sign of NaN. Code generators
//! use that: the one behind the machine code swaps the operands of an addition where one of them lies in memory, the
//! one that compiled the interpreter may do the same, and `addss` gives its first operand. So sign and payload of
//! a REAL or LREAL may differ where both engines have NaN, and nowhere else: everything else is compared bit for
//! bit, -0.0 is not 0.0, and NaN is not a number. A program can see sign and payload, by a bit copy
//! (`REAL_TO_DWORD`) or through an overlapping variable. A difference that comes from there is told apart by running
//! the same program with one NaN for all, see [`crate::unit::text`].
//!
//! **Addresses of locals.** An instance keeps the address of each VAR_IN_OUT of its block, also after the call. If a
//! local was passed, that is a place on a frame, and where frames begin depends on what was inlined. No program can
//! read it: it has no name, and each call sets it anew. So a word that no variable covers may differ where both
//! engines have an address beyond the state block in it.

use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};
use lineshaft_plc_runtime::engine::ARENA_BYTES;
use std::ops::Range;

/// Where what may differ lies in a state block.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    /// Places and sizes of all floats.
    floats: Vec<(u32, u32)>,
    /// Bytes of instances that no variable covers.
    hidden: Vec<bool>,
    /// Addresses of frames.
    frames: Range<u32>,
}

/// How two states compare.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// The first byte that differs and may not.
    pub(crate) forbidden: Option<usize>,
    /// NaN has another sign or payload.
    pub(crate) other_nan: bool,
}

impl Allowed {
    pub(crate) fn of(layout: &Layout) -> Self {
        let frames = layout.bytes..layout.bytes + ARENA_BYTES as u32;
        let mut found = Self { hidden: vec![false; layout.bytes as usize], frames, ..Self::default() };
        for section in [&layout.sections.globals, &layout.sections.programs] {
            found.hidden[section.start as usize..section.end as usize].fill(true);
        }
        for leaf in &layout.leaves {
            found.collect(layout, leaf.ty, leaf.offset);
        }
        found
    }

    fn collect(&mut self, layout: &Layout, ty: TypeId, at: u32) {
        match &layout.types[ty.0 as usize] {
            TypeDesc::Array { element, dimensions } => {
                let size = layout.size_of(*element);
                let count: i64 = dimensions.iter().map(|(low, high)| high - low + 1).product();
                for position in 0..count as u32 {
                    self.collect(layout, *element, at + position * size);
                }
            }
            TypeDesc::Struct { members, .. } => {
                for member in members {
                    self.collect(layout, member.ty, at + member.offset);
                }
            }
            TypeDesc::Elementary(Elementary::Real) => self.floats.push((at, 4)),
            TypeDesc::Elementary(Elementary::Lreal) => self.floats.push((at, 8)),
            _ => {}
        }
        if !matches!(layout.types[ty.0 as usize], TypeDesc::Array { .. } | TypeDesc::Struct { .. }) {
            self.hidden[at as usize..(at + layout.size_of(ty)) as usize].fill(false);
        }
    }

    pub(crate) fn judge(&self, a: &[u8], b: &[u8]) -> Judgement {
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        let mut other_nan = false;
        for &(at, size) in &self.floats {
            let range = at as usize..(at + size) as usize;
            if a[range.clone()] != b[range.clone()] && is_nan(&a[range.clone()]) && is_nan(&b[range.clone()])
            {
                other_nan = true;
                a[range.clone()].fill(0xff);
                b[range].fill(0xff);
            }
        }
        let mut differing = a.iter().zip(&b).enumerate().filter(|(_, (a, b))| a != b).map(|(at, _)| at);
        let forbidden =
            differing.find(|at| !self.is_frame_address(&a, *at) || !self.is_frame_address(&b, *at));
        Judgement { forbidden, other_nan }
    }

    fn is_frame_address(&self, state: &[u8], at: usize) -> bool {
        let word = at & !3..(at & !3) + 4;
        let Some(Ok(bytes)) = state.get(word.clone()).map(<[u8; 4]>::try_from) else { return false };
        self.hidden[word].iter().all(|hidden| *hidden) && self.frames.contains(&u32::from_le_bytes(bytes))
    }
}

fn is_nan(bytes: &[u8]) -> bool {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    match bytes.len() {
        4 => f32::from_bits(u64::from_le_bytes(word) as u32).is_nan(),
        _ => f64::from_le_bytes(word).is_nan(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(word: u32) -> Vec<u8> {
        [[7; 4], word.to_le_bytes()].concat()
    }

    #[test]
    fn only_nan_may_differ_in_a_float() {
        let allowed = Allowed { floats: vec![(4, 4)], hidden: vec![false; 8], frames: 8..64 };
        let judge = |a, b| allowed.judge(&state(a), &state(b));
        assert_eq!(judge(0x7fc0_0000, 0xffc0_0001), Judgement { forbidden: None, other_nan: true });
        assert_eq!(judge(0x7fc0_0000, 0x7f80_0000), Judgement { forbidden: Some(4 + 2), other_nan: false });
        assert_eq!(judge(0x0000_0000, 0x8000_0000), Judgement { forbidden: Some(4 + 3), other_nan: false });
    }

    #[test]
    fn only_frames_may_lie_elsewhere() {
        let hidden = vec![false, false, false, false, true, true, true, true];
        let allowed = Allowed { floats: Vec::new(), hidden, frames: 8..64 };
        let forbidden = |a, b| allowed.judge(&state(a), &state(b)).forbidden;
        assert_eq!(forbidden(8, 16), None);
        assert_eq!(forbidden(8, 64), Some(4));
        assert_eq!(forbidden(4, 8), Some(4));
        let seen = Allowed { hidden: vec![false; 8], ..allowed };
        assert_eq!(seen.judge(&state(8), &state(16)).forbidden, Some(4));
    }
}
