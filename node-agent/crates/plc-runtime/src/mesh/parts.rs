//! What a value consists of, and what may be written into a program from outside: whatever stands in the shared
//! memory, a BOOL stays 0 or 1, a text within its variable, an integer within its subrange.

use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};
use serde::{Deserialize, Serialize};

/// A stretch of a value, from its begin. Padding and hidden members belong to none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// Every pattern of bits is a value.
    Any { at: u32, bytes: u32 },
    /// Each byte is 0 or 1.
    Bools { at: u32, bytes: u32 },
    /// One integer.
    Subrange { at: u32, base: Elementary, low: i64, high: i64 },
    /// Length and characters.
    Text { at: u32, unit: u32, capacity: u32 },
}

/// The parts of a type, or why its values mean nothing elsewhere.
pub(super) fn parts(layout: &Layout, ty: TypeId) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    collect(layout, ty, 0, &mut parts)?;
    Ok(parts)
}

/// Copies a value, unless it is none of its type.
pub(super) fn copy(parts: &[Part], from: &[u8], to: &mut [u8]) -> bool {
    let fits = parts.iter().all(|part| {
        let range = part.range();
        range.end <= to.len() && from.get(range).is_some_and(|bytes| part.allows(bytes))
    });
    if fits {
        for part in parts {
            to[part.range()].copy_from_slice(&from[part.range()]);
        }
    }
    fits
}

impl Part {
    pub(super) fn range(&self) -> std::ops::Range<usize> {
        let (at, bytes) = match *self {
            Self::Any { at, bytes } | Self::Bools { at, bytes } => (at, bytes),
            Self::Subrange { at, base, .. } => (at, base.size()),
            Self::Text { at, unit, capacity } => (at, 2 + unit * capacity),
        };
        at as usize..(at + bytes) as usize
    }

    fn allows(&self, bytes: &[u8]) -> bool {
        match *self {
            Self::Any { .. } => true,
            Self::Bools { .. } => bytes.iter().all(|&byte| byte < 2),
            Self::Subrange { base, low, high, .. } => (low..=high).contains(&integer(base, bytes)),
            Self::Text { capacity, .. } => u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) <= capacity,
        }
    }

    /// Goes on where `self` ends, with the same rule.
    fn absorbs(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Any { at, bytes }, Self::Any { at: start, bytes: more })
            | (Self::Bools { at, bytes }, Self::Bools { at: start, bytes: more })
                if *at + *bytes == *start =>
            {
                *bytes += more;
                true
            }
            _ => false,
        }
    }
}

fn collect(layout: &Layout, ty: TypeId, at: u32, parts: &mut Vec<Part>) -> Result<(), String> {
    let part = match &layout.types[ty.0 as usize] {
        TypeDesc::Elementary(Elementary::Bool) => Part::Bools { at, bytes: 1 },
        TypeDesc::Elementary(e) => Part::Any { at, bytes: e.size() },
        TypeDesc::Enum { base, .. } => Part::Any { at, bytes: base.size() },
        TypeDesc::Subrange { base, low, high } => Part::Subrange { at, base: *base, low: *low, high: *high },
        TypeDesc::String { capacity } => Part::Text { at, unit: 1, capacity: u32::from(*capacity) },
        TypeDesc::Wstring { capacity } => Part::Text { at, unit: 2, capacity: u32::from(*capacity) },
        TypeDesc::Array { element, .. } => {
            let stride = layout.size_of(*element);
            for index in 0..layout.size_of(ty).checked_div(stride).unwrap_or(0) {
                collect(layout, *element, at + index * stride, parts)?;
            }
            return Ok(());
        }
        TypeDesc::Struct { members, .. } => {
            for member in members {
                if member.bit.is_some() {
                    return Err(format!("its member {} is a bit of the process image", member.name));
                }
                collect(layout, member.ty, at + member.offset, parts)?;
            }
            return Ok(());
        }
        TypeDesc::Reference { .. } | TypeDesc::Interface { .. } => {
            let name = layout.type_name(ty);
            return Err(format!("{name} refers to something in its own program"));
        }
    };
    if !parts.last_mut().is_some_and(|last| last.absorbs(&part)) {
        parts.push(part);
    }
    Ok(())
}

fn integer(base: Elementary, bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = u64::from_le_bytes(wide);
    let unused = 64 - 8 * bytes.len() as u32;
    match base {
        Elementary::Sint | Elementary::Int | Elementary::Dint | Elementary::Lint => {
            (value << unused) as i64 >> unused
        }
        _ => i64::try_from(value).unwrap_or(i64::MAX),
    }
}
