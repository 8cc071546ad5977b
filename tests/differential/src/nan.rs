//! How strictly NaN is compared with NaN.
//!
//! IEC 60559 leaves open which of two NaN operands an operation gives, and the sign of NaN. Code generators use
//! that: the one behind the machine code swaps the operands of an addition where one of them lies in memory, the
//! one that compiled the interpreter may do the same, and `addss` gives its first operand. So sign and payload of
//! a REAL or LREAL may differ where both engines have NaN, and nowhere else: everything else is compared bit for
//! bit, -0.0 is not 0.0, and NaN is not a number.
//!
//! A program can see sign and payload, by a bit copy (`REAL_TO_DWORD`) or through an overlapping variable. A
//! difference that comes from there is told apart by running the same program with one NaN for all, see
//! [`crate::unit::text`].

use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};

/// Places and sizes of all floats of a state block.
#[derive(Debug)]
pub(crate) struct Floats(Vec<(u32, u32)>);

impl Floats {
    pub(crate) fn of(layout: &Layout) -> Self {
        let mut found = Vec::new();
        for leaf in &layout.leaves {
            collect(layout, leaf.ty, leaf.offset, &mut found);
        }
        Self(found)
    }

    /// The first byte that differs, NaN aside.
    pub(crate) fn first_difference(&self, a: &[u8], b: &[u8]) -> Option<usize> {
        let (mut a, mut b) = (a.to_vec(), b.to_vec());
        for &(at, size) in &self.0 {
            let range = at as usize..(at + size) as usize;
            if is_nan(&a[range.clone()]) && is_nan(&b[range.clone()]) {
                a[range.clone()].fill(0xff);
                b[range].fill(0xff);
            }
        }
        a.iter().zip(&b).position(|(a, b)| a != b)
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

fn collect(layout: &Layout, ty: TypeId, at: u32, found: &mut Vec<(u32, u32)>) {
    match &layout.types[ty.0 as usize] {
        TypeDesc::Elementary(Elementary::Real) => found.push((at, 4)),
        TypeDesc::Elementary(Elementary::Lreal) => found.push((at, 8)),
        TypeDesc::Array { element, dimensions } => {
            let size = layout.size_of(*element);
            let count: i64 = dimensions.iter().map(|(low, high)| high - low + 1).product();
            for position in 0..count as u32 {
                collect(layout, *element, at + position * size, found);
            }
        }
        TypeDesc::Struct { members, .. } => {
            for member in members {
                collect(layout, member.ty, at + member.offset, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nan_may_differ() {
        let floats = Floats(vec![(4, 4)]);
        let state = |float: u32| [[7; 4], float.to_le_bytes()].concat();
        let differs = |a, b| floats.first_difference(&state(a), &state(b));
        assert_eq!(differs(0x7fc0_0000, 0xffc0_0001), None);
        assert_eq!(differs(0x7fc0_0000, 0x7f80_0000), Some(4 + 2));
        assert_eq!(differs(0x0000_0000, 0x8000_0000), Some(4 + 3));
        assert_eq!(
            Floats(Vec::new()).first_difference(&state(0x7fc0_0000), &state(0xffc0_0000)),
            Some(4 + 3)
        );
    }
}
