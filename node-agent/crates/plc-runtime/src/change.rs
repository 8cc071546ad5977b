//! Online change: what happens to each variable when another program takes over. A pure plan by path and type,
//! made beside the scan; applying it between two scans only copies.

mod types;

use crate::protocol::Rename;
use lineshaft_plc_compiler::layout::{Layout, Leaf};
use std::collections::HashMap;
use types::Carrier;

/// Which variables keep their value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All: the new program goes on where the old one is.
    All,
    /// RETAIN and PERSISTENT: the new program starts anew. What does not fit begins with its initial value.
    Retained,
}

/// What to do with the old values.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    steps: Vec<Step>,
    /// Variables whose bytes are copied.
    pub copied: u32,
    /// Variables that are widened.
    pub converted: u32,
    /// Variables of the new program that begin with their initial value.
    pub initialised: u32,
    /// Variables of the old program that are gone.
    pub dropped: u32,
    /// Variables that cannot be carried over, each with its reason.
    pub refused: Vec<(String, String)>,
}

/// One movement of bytes from the old block to the new one.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Copy {
        from: u32,
        to: u32,
        bytes: u32,
    },
    /// `bit` of an image byte, or a whole BOOL.
    Bool {
        from: u32,
        from_bit: Option<u8>,
        to: u32,
        to_bit: Option<u8>,
    },
    /// Integer to a wider one.
    Widen {
        from: u32,
        size: u8,
        signed: bool,
        to: u32,
        to_size: u8,
    },
    /// Integer to a float that holds it exactly.
    Float {
        from: u32,
        size: u8,
        signed: bool,
        to: u32,
        double: bool,
    },
    /// REAL to LREAL.
    Double {
        from: u32,
        to: u32,
    },
    /// The number that a class has in the new program.
    Class {
        to: u32,
        number: u32,
    },
    /// A string to a longer one: bytes of one unit.
    Text {
        from: u32,
        to: u32,
        unit: u8,
        capacity: u16,
    },
    /// An enumeration whose values have other numbers now.
    Named {
        from: u32,
        size: u8,
        to: u32,
        to_size: u8,
        numbers: Vec<(i64, i64)>,
    },
}

impl Plan {
    /// Plans the way from `old` to `new`.
    pub fn new(old: &Layout, new: &Layout, renames: &[Rename], keep: Keep) -> Self {
        let mut plan = Self::default();
        plan.image(old, new);
        let by_path: HashMap<String, &Leaf> =
            old.leaves.iter().map(|leaf| (leaf.path.to_ascii_uppercase(), leaf)).collect();
        let mut taken = 0;
        let visible = |leaf: &Leaf| !leaf.flags.hidden && !leaf.flags.constant;
        let own = |leaf: &&Leaf| !leaf.flags.constant && !Layout::is_class_number(leaf);
        for leaf in new.leaves.iter().filter(own) {
            let retained = leaf.flags.retain || leaf.flags.persistent;
            let wanted = keep == Keep::All || retained;
            let source = by_path.get(&old_path(&leaf.path, renames)).filter(|l| wanted && !l.flags.constant);
            let count = u32::from(visible(leaf));
            let Some(source) = source else {
                plan.initialised += count;
                continue;
            };
            taken += u32::from(visible(source));
            let mut carrier = Carrier::new(old, new);
            match carrier.leaf(source, leaf) {
                Ok(exact) => {
                    plan.steps.append(&mut carrier.steps);
                    *(if exact { &mut plan.copied } else { &mut plan.converted }) += count;
                }
                Err(reason) if keep == Keep::All => plan.refused.push((leaf.path.clone(), reason)),
                Err(_) => plan.initialised += count,
            }
        }
        plan.dropped = (old.leaves.iter().filter(|leaf| visible(leaf)).count() as u32).saturating_sub(taken);
        plan.coalesce();
        plan
    }

    /// The process image stays as it is: outputs must not move because a program changes.
    fn image(&mut self, old: &Layout, new: &Layout) {
        let (from, to) = (&old.sections, &new.sections);
        for (from, to) in
            [(&from.inputs, &to.inputs), (&from.outputs, &to.outputs), (&from.memory, &to.memory)]
        {
            let bytes = from.len().min(to.len()) as u32;
            if bytes > 0 {
                self.steps.push(Step::Copy { from: from.start, to: to.start, bytes });
            }
        }
    }

    /// Neighbouring copies become one.
    fn coalesce(&mut self) {
        let (mut copies, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.steps).into_iter().partition(|s| matches!(s, Step::Copy { .. }));
        copies.sort_by_key(|step| if let Step::Copy { to, .. } = step { *to } else { 0 });
        for step in copies {
            if let (Some(Step::Copy { from: f, to: t, bytes: b }), Step::Copy { from, to, bytes }) =
                (self.steps.last_mut(), &step)
                && *f + *b == *from
                && *t + *b == *to
            {
                *b += *bytes;
                continue;
            }
            self.steps.push(step);
        }
        self.steps.extend(others);
    }

    /// Carries the values over. Copies only: no allocation, no search.
    pub fn apply(&self, old: &[u8], new: &mut [u8]) {
        for step in &self.steps {
            // A place outside of a block cannot come from the layouts that the plan was made of.
            let _ = step.apply(old, new);
        }
    }
}

/// The path that a variable of the new program had in the old one, in upper case.
fn old_path(path: &str, renames: &[Rename]) -> String {
    let moved = renames.iter().find_map(|rename| {
        let head = path.get(..rename.to.len())?;
        let rest = &path[rename.to.len()..];
        let whole = rest.is_empty() || rest.starts_with(['.', '[']);
        (head.eq_ignore_ascii_case(&rename.to) && whole).then(|| format!("{}{rest}", rename.from))
    });
    moved.as_deref().unwrap_or(path).to_ascii_uppercase()
}

impl Step {
    fn apply(&self, old: &[u8], new: &mut [u8]) -> Option<()> {
        match *self {
            Self::Copy { from, to, bytes } => {
                let (from, to, bytes) = (from as usize, to as usize, bytes as usize);
                new.get_mut(to..to + bytes)?.copy_from_slice(old.get(from..from + bytes)?);
            }
            Self::Bool { from, from_bit, to, to_bit } => {
                let byte = *old.get(from as usize)?;
                let value = from_bit.map_or(byte & 1, |bit| byte >> (bit & 7) & 1);
                let target = new.get_mut(to as usize)?;
                *target = match to_bit {
                    Some(bit) => *target & !(1 << (bit & 7)) | value << (bit & 7),
                    None => value,
                };
            }
            Self::Widen { from, size, signed, to, to_size } => {
                put(new, to, to_size, get(old, from, size, signed)?)?;
            }
            Self::Float { from, size, signed, to, double } => {
                let value = get(old, from, size, signed)?;
                let bits =
                    if double { (value as f64).to_bits() } else { u64::from((value as f32).to_bits()) };
                put(new, to, if double { 8 } else { 4 }, bits as i64)?;
            }
            Self::Class { to, number } => put(new, to, 4, i64::from(number))?,
            Self::Double { from, to } => {
                let value = f32::from_bits(get(old, from, 4, false)? as u32);
                put(new, to, 8, f64::from(value).to_bits() as i64)?;
            }
            Self::Text { from, to, unit, capacity } => {
                let length = (get(old, from, 2, false)? as usize).min(usize::from(capacity));
                let bytes = 2 + length * usize::from(unit);
                let (from, to) = (from as usize, to as usize);
                new.get_mut(to..to + bytes)?.copy_from_slice(old.get(from..from + bytes)?);
            }
            Self::Named { from, size, to, to_size, ref numbers } => {
                let value = get(old, from, size, true)?;
                // A number without a name, which arithmetic on named values may give, stays what it is.
                let new_value = numbers.iter().find(|(old, _)| *old == value).map_or(value, |(_, new)| *new);
                put(new, to, to_size, new_value)?;
            }
        }
        Some(())
    }
}

fn get(state: &[u8], at: u32, size: u8, signed: bool) -> Option<i64> {
    let (at, size) = (at as usize, usize::from(size.clamp(1, 8)));
    let mut word = [0; 8];
    word[..size].copy_from_slice(state.get(at..at + size)?);
    let value = u64::from_le_bytes(word);
    let shift = 64 - size * 8;
    Some(if signed { (value << shift) as i64 >> shift } else { value as i64 })
}

fn put(state: &mut [u8], at: u32, size: u8, value: i64) -> Option<()> {
    let (at, size) = (at as usize, usize::from(size.clamp(1, 8)));
    state.get_mut(at..at + size)?.copy_from_slice(&value.to_le_bytes()[..size]);
    Some(())
}

#[cfg(test)]
mod tests;
