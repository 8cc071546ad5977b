//! Values that are written from outside: from paths and literals to bytes in the state block, and into it between two
//! scans.
//!
//! What may be written follows the rule of the mesh: a variable has one writer. Everything is looked at before anything
//! is written, so the scan thread only copies.

use crate::mesh::{Claims, Places};
use crate::protocol::{Problem, ProblemReason, ValueChange, Variable, Write};
use crate::state;
use lineshaft_plc_compiler::layout::{Elementary, Layout, Place, TypeDesc};
use serde::{Deserialize, Serialize};

/// Values of one request.
const WRITES_MAX: usize = 256;
/// Names of an enumeration that its type shows.
const NAMES_MAX: usize = 12;

/// A value for a place of the state block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    at: u32,
    /// Only this bit of the byte.
    bit: Option<u8>,
    bytes: Vec<u8>,
}

impl Patch {
    /// The memory of a value of the place's type.
    pub fn new(place: Place, bytes: Vec<u8>) -> Self {
        Self { at: place.offset, bit: place.bit, bytes }
    }

    /// Copies the value. A place outside of the block takes nothing.
    pub(crate) fn apply(&self, state: &mut [u8]) {
        let start = self.at as usize;
        let Some(target) = state.get_mut(start..start + self.bytes.len()) else { return };
        match (self.bit, &self.bytes[..], target) {
            (Some(bit), [value], [byte]) => *byte = *byte & !(1 << (bit & 7)) | (value & 1) << (bit & 7),
            (_, bytes, target) => target.copy_from_slice(bytes),
        }
    }
}

/// What is to be copied, and what changes by it. The first value that cannot be written refuses all of them.
pub(crate) fn plan(
    layout: &Layout,
    claims: &Claims<'_>,
    state: &[u8],
    writes: &[Write],
) -> Result<(Vec<Patch>, Vec<ValueChange>), Problem> {
    if writes.len() > WRITES_MAX {
        let message = format!("{} values are more than {WRITES_MAX}", writes.len());
        return Err(problem("", ProblemReason::LimitExceeded, message));
    }
    let places = Places::new(layout);
    let patches: Vec<Patch> =
        writes.iter().map(|write| patch(&places, claims, write)).collect::<Result<_, _>>()?;
    let mut after = state.to_vec();
    for patch in &patches {
        patch.apply(&mut after);
    }
    let show = |state: &[u8], path: &str| {
        state::read_json(layout, state, path)
            .map_err(|error| problem(path, ProblemReason::NotFound, error.to_string()))
    };
    let changes = writes.iter().map(|Write { path, .. }| {
        let ty = places.find(path).map(|place| type_text(layout, place)).unwrap_or_default();
        Ok(ValueChange { path: path.clone(), ty, before: show(state, path)?, after: show(&after, path)? })
    });
    let changes = changes.collect::<Result<_, Problem>>()?;
    Ok((patches, changes))
}

/// All variables that users see, with their types.
pub(crate) fn variables(layout: &Layout, claims: &Claims<'_>) -> Vec<Variable> {
    let places = Places::new(layout);
    let leaves = layout.leaves.iter().filter(|leaf| !leaf.flags.hidden);
    let shown = leaves.map(|leaf| {
        let place = Place { offset: leaf.offset, bit: leaf.bit, ty: leaf.ty };
        Variable {
            path: leaf.path.clone(),
            ty: type_text(layout, place),
            obstacle: obstacle(&places, claims, &leaf.path, place).or_else(|| reference(layout, place)),
        }
    });
    shown.collect()
}

fn patch(places: &Places<'_>, claims: &Claims<'_>, write: &Write) -> Result<Patch, Problem> {
    let path = &write.path;
    let place = places.find(path).ok_or_else(|| {
        problem(path, ProblemReason::NotFound, format!("the program has no variable {path:?}"))
    })?;
    if let Some(why) = obstacle(places, claims, path, place) {
        return Err(problem(path, ProblemReason::Conflict, format!("{path:?} {why}")));
    }
    let bytes = value(places.layout, place, &write.literal)
        .map_err(|why| problem(path, ProblemReason::InvalidValue, format!("{path:?}: {why}")))?;
    Ok(Patch::new(place, bytes))
}

/// What else writes a variable, or forbids that anything does.
fn obstacle(places: &Places<'_>, claims: &Claims<'_>, path: &str, place: Place) -> Option<String> {
    places.obstacle(path, place).map(str::to_owned).or_else(|| {
        let to = claims.of(places.layout, place)?;
        Some(format!("is written by the mesh subscription of {to:?}"))
    })
}

fn reference(layout: &Layout, place: Place) -> Option<String> {
    let is_reference =
        matches!(layout.types[place.ty.0 as usize], TypeDesc::Reference { .. } | TypeDesc::Interface { .. });
    is_reference.then(|| "refers to something in its own program".to_owned())
}

/// The memory of a literal.
fn value(layout: &Layout, place: Place, literal: &str) -> Result<Vec<u8>, String> {
    let desc = &layout.types[place.ty.0 as usize];
    match desc {
        TypeDesc::Array { .. } | TypeDesc::Struct { .. } => {
            let name = layout.type_name(place.ty);
            return Err(format!("it is {name}; only single values can be written, such as one element"));
        }
        TypeDesc::Reference { .. } | TypeDesc::Interface { .. } => {
            return Err("it refers to something in its own program".to_owned());
        }
        _ => {}
    }
    let mut bytes = vec![0; layout.size_of(place.ty) as usize];
    let alone = Place { offset: 0, bit: None, ty: place.ty };
    state::write_at(layout, &mut bytes, alone, literal).map_err(|error| error.to_string())?;
    match desc {
        TypeDesc::Enum { name, base, values } => {
            let number = state::integer(&bytes, 0, *base);
            if !values.iter().any(|(_, value)| Some(*value) == number) {
                return Err(format!("{literal:?} is no value of {name}"));
            }
        }
        // What converts any number, would take a mistyped one for TRUE.
        TypeDesc::Elementary(Elementary::Bool) if !is_bool(literal) => {
            return Err(format!("{literal:?} is no BOOL: TRUE or FALSE"));
        }
        // A number too large for its type reads as infinite.
        TypeDesc::Elementary(Elementary::Real | Elementary::Lreal)
            if literal.contains(|c: char| c.is_ascii_digit()) && is_infinite(&bytes) =>
        {
            return Err(format!("{literal:?} is out of range for {}", layout.type_name(place.ty)));
        }
        _ => {}
    }
    Ok(bytes)
}

fn is_bool(literal: &str) -> bool {
    let literal = literal.trim();
    let value = literal.split_once('#').map_or(literal, |(_, value)| value).trim();
    ["TRUE", "FALSE", "1", "0"].iter().any(|known| known.eq_ignore_ascii_case(value))
}

fn is_infinite(bytes: &[u8]) -> bool {
    let single = bytes.try_into().map(f32::from_le_bytes).is_ok_and(f32::is_infinite);
    single || bytes.try_into().map(f64::from_le_bytes).is_ok_and(f64::is_infinite)
}

/// The name of a type, with the values of an enumeration.
fn type_text(layout: &Layout, place: Place) -> String {
    let name = layout.type_name(place.ty);
    let TypeDesc::Enum { values, .. } = &layout.types[place.ty.0 as usize] else { return name };
    let names: Vec<&str> = values.iter().take(NAMES_MAX).map(|(name, _)| name.as_str()).collect();
    let more = if values.len() > NAMES_MAX { ", …" } else { "" };
    format!("{name} ({}{more})", names.join(", "))
}

fn problem(path: &str, reason: ProblemReason, message: String) -> Problem {
    Problem { variable: path.to_owned(), reason, message }
}

#[cfg(test)]
mod tests;
