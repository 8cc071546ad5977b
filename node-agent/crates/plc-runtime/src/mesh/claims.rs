//! Which places of the state block the mesh writes.

use super::Binding;
use lineshaft_plc_compiler::layout::{Elementary, Layout, Place};
use std::ops::Range;

/// In bits, in order; none lies in another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Claims<'a>(Vec<(Range<u64>, &'a str)>);

impl<'a> Claims<'a> {
    /// Received values, and what tells their quality and age.
    pub(crate) fn of_binding(binding: &'a Binding) -> Self {
        let mut claims = Vec::new();
        for entry in &binding.entries {
            let memory = bits(entry.memory.start, entry.memory.len() as u32, entry.bit);
            let quality = entry.quality.map(|at| bits(at, Elementary::Byte.size(), None));
            let age = entry.age.map(|at| bits(at, Elementary::Time.size(), None));
            let all = [Some(memory), quality, age].into_iter().flatten();
            claims.extend(all.map(|place| (place, entry.to.as_str())));
        }
        claims.sort_by_key(|(place, _)| place.start);
        Self(claims)
    }

    /// The variable whose subscription writes at least a bit of a place.
    pub(crate) fn of(&self, layout: &Layout, place: Place) -> Option<&'a str> {
        let wanted = bits(place.offset, layout.size_of(place.ty).max(1), place.bit);
        let after = self.0.partition_point(|(claimed, _)| claimed.start < wanted.end);
        let (claimed, to) = self.0[..after].last()?;
        (claimed.end > wanted.start).then_some(*to)
    }
}

/// The bits of a state block that a place covers: of `bytes` at an offset, or one bit of the byte there.
pub fn bits(offset: u32, bytes: u32, bit: Option<u8>) -> Range<u64> {
    let start = u64::from(offset) * 8;
    match bit {
        Some(bit) => start + u64::from(bit)..start + u64::from(bit) + 1,
        None => start..start + u64::from(bytes) * 8,
    }
}
