//! From a path that a user writes (`Main.tank[3].level`, `word.5`, `%IX0.0`) to its place in the state block.

use super::{Alias, Elementary, Layout, TypeDesc, TypeId};
use serde::{Deserialize, Serialize};

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// In the state block.
    pub offset: u32,
    /// One bit of that byte; the type is BOOL then.
    pub bit: Option<u8>,
    /// Its type.
    pub ty: TypeId,
}

/// A step from a variable into it.
enum Step<'a> {
    /// `.name`
    Member(&'a str),
    /// `[1, 2]`
    Index(Vec<i64>),
    /// `.%X3`, `.3`: width in bits and number.
    Part(u32, u32),
}

impl Layout {
    /// The place of a full user path, without regard to case. `None` if there is nothing of that name.
    pub fn find(&self, path: &str) -> Option<Place> {
        if let Some(address) = path.strip_prefix('%') {
            return self.find_address(address);
        }
        let plain = path.find('[').unwrap_or(path.len());
        let mut head = plain;
        loop {
            let name = &path[..head];
            let leaf = self.leaves.iter().find(|leaf| leaf.path.eq_ignore_ascii_case(name));
            let base = match leaf {
                Some(leaf) => Some(Place { offset: leaf.offset, bit: leaf.bit, ty: leaf.ty }),
                None => self
                    .roots
                    .iter()
                    .find(|root| root.path.eq_ignore_ascii_case(name))
                    .map(|root| Place { offset: root.offset, bit: None, ty: root.ty })
                    .or_else(|| self.alias(name).map(|alias| alias.place)),
            };
            if let Some(base) = base {
                return self.walk(base, &path[head..]);
            }
            head = path[..head].rfind('.')?;
        }
    }

    /// The VAR_ACCESS by which a path leads to a variable; `None` if it names the variable itself.
    pub fn alias_in(&self, path: &str) -> Option<&Alias> {
        let ends = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| self.alias(&path[..end])).next_back()
    }

    fn alias(&self, name: &str) -> Option<&Alias> {
        self.aliases.iter().find(|alias| alias.path.eq_ignore_ascii_case(name))
    }

    fn walk(&self, mut place: Place, rest: &str) -> Option<Place> {
        for step in steps(rest)? {
            if place.bit.is_some() {
                return None;
            }
            match (step, &self.types[place.ty.0 as usize]) {
                (Step::Member(name), TypeDesc::Struct { members, .. }) => {
                    let member = members.iter().find(|m| m.name.eq_ignore_ascii_case(name))?;
                    place = Place { offset: place.offset + member.offset, bit: member.bit, ty: member.ty };
                }
                (Step::Index(indices), TypeDesc::Array { element, dimensions }) => {
                    if indices.len() != dimensions.len() {
                        return None;
                    }
                    let mut position = 0i64;
                    for (index, (low, high)) in indices.iter().zip(dimensions) {
                        if index < low || index > high {
                            return None;
                        }
                        position = position * (high - low + 1) + (index - low);
                    }
                    let offset = place.offset + position as u32 * self.size_of(*element);
                    place = Place { offset, bit: None, ty: *element };
                }
                (Step::Part(width, number), TypeDesc::Elementary(e)) => {
                    place = part(place.offset, *e, width, number)?;
                }
                _ => return None,
            }
        }
        Some(place)
    }

    /// `IX0.0`, `QW3`, `MD1` (without the percent sign).
    fn find_address(&self, address: &str) -> Option<Place> {
        let mut chars = address.chars();
        let area = match chars.next()?.to_ascii_uppercase() {
            'I' => &self.sections.inputs,
            'Q' => &self.sections.outputs,
            'M' => &self.sections.memory,
            _ => return None,
        };
        let unsized_digits = chars.as_str();
        let width = chars.next()?.to_ascii_uppercase();
        let digits = if width.is_ascii_digit() { unsized_digits } else { chars.as_str() };
        let (first, second) = match digits.split_once('.') {
            Some((first, second)) => (first.parse::<u32>().ok()?, Some(second.parse::<u32>().ok()?)),
            None => (digits.parse::<u32>().ok()?, None),
        };
        let (byte, bit, e) = match (width, second) {
            ('B', None) => (first, None, Elementary::Byte),
            ('W', None) => (first.checked_mul(2)?, None, Elementary::Word),
            ('D', None) => (first.checked_mul(4)?, None, Elementary::Dword),
            ('L', None) => (first.checked_mul(8)?, None, Elementary::Lword),
            ('X' | '0'..='9', None) => (first / 8, Some((first % 8) as u8), Elementary::Bool),
            ('X' | '0'..='9', Some(bit)) if bit < 8 => (first, Some(bit as u8), Elementary::Bool),
            _ => return None,
        };
        let end = area.start.checked_add(byte)?.checked_add(e.size())?;
        (end <= area.end).then(|| Place { offset: area.start + byte, bit, ty: Self::elementary(e) })
    }
}

/// The part of a bit string or integer, least significant first (little-endian in memory).
fn part(offset: u32, of: Elementary, width: u32, number: u32) -> Option<Place> {
    let bits = match of {
        Elementary::Bool | Elementary::Real | Elementary::Lreal | Elementary::Char | Elementary::Wchar => {
            return None;
        }
        _ if crate::types::is_temporal(of) => return None,
        _ => of.size() * 8,
    };
    let start = number.checked_mul(width)?;
    if width > bits || start >= bits {
        return None;
    }
    let ty = match width {
        1 => Elementary::Bool,
        8 => Elementary::Byte,
        16 => Elementary::Word,
        _ => Elementary::Dword,
    };
    let bit = (width == 1).then_some((start % 8) as u8);
    Some(Place { offset: offset + start / 8, bit, ty: Layout::elementary(ty) })
}

fn steps(mut rest: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inside, after) = after.split_once(']')?;
            let indices = inside.split(',').map(|i| i.trim().parse().ok()).collect::<Option<Vec<i64>>>()?;
            steps.push(Step::Index(indices));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let name = &after[..end];
            steps.push(if let Ok(bit) = name.parse() {
                Step::Part(1, bit)
            } else if let Some(part) = name.strip_prefix('%') {
                let width = match part.chars().next()?.to_ascii_uppercase() {
                    'X' => 1,
                    'B' => 8,
                    'W' => 16,
                    'D' => 32,
                    _ => return None,
                };
                Step::Part(width, part[1..].parse().ok()?)
            } else {
                Step::Member(name)
            });
            rest = &after[end..];
        }
    }
    Some(steps)
}
