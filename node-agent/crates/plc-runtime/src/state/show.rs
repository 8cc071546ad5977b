//! A value of the state block as JSON, members in order of declaration.

use super::{Family, family, inside, integer, raw};
use crate::Error;
use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

/// Elements of an array, and members in all, that one answer shows; more would be a message of its own kind.
const VALUES_MAX: usize = 1 << 20;

/// A value, ready to be shown. A [`Value`] would sort the members by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Shown {
    /// Neither array nor structure.
    Scalar(Value),
    /// One dimension of an array.
    List(Vec<Shown>),
    /// A structure or instance.
    Members(Members),
}

/// Names and values, serialized as an object in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(pub Vec<(String, Shown)>);

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl From<Shown> for Value {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Scalar(value) => value,
            Shown::List(list) => list.into_iter().map(Self::from).collect(),
            Shown::Members(Members(list)) => list.into_iter().collect(),
        }
    }
}

/// The value at a path; objects are sorted by name.
pub fn read_json(layout: &Layout, state: &[u8], path: &str) -> Result<Value, Error> {
    read_ordered(layout, state, path).map(Value::from)
}

/// The value at a path.
pub fn read_ordered(layout: &Layout, state: &[u8], path: &str) -> Result<Shown, Error> {
    let unknown = || Error::UnknownVariable(path.to_owned());
    let mut left = VALUES_MAX;
    // A whole instance is shown by its leaves: those of them that are located lie elsewhere.
    if let Some(object) = instance(layout, state, path, &mut left) {
        return Ok(object);
    }
    let place = layout.find(path).ok_or_else(unknown)?;
    if let Some(bit) = place.bit {
        let byte = state.get(place.offset as usize).ok_or_else(unknown)?;
        return Ok(Shown::Scalar(Value::Bool(byte >> (bit & 7) & 1 == 1)));
    }
    value(layout, state, place.offset, place.ty, &mut left).ok_or_else(unknown)
}

/// The leaves below a path as an object; `None` if there are none.
fn instance(layout: &Layout, state: &[u8], path: &str, left: &mut usize) -> Option<Shown> {
    let mut members = Members::default();
    for leaf in layout.leaves.iter().filter(|leaf| !leaf.flags.hidden) {
        let Some(rest) = inside(&leaf.path, path) else { continue };
        let shown = match leaf.bit {
            Some(bit) => Shown::Scalar(Value::Bool(state.get(leaf.offset as usize)? >> (bit & 7) & 1 == 1)),
            None => value(layout, state, leaf.offset, leaf.ty, left)?,
        };
        insert(&mut members, rest, shown);
    }
    (!members.0.is_empty()).then_some(Shown::Members(members))
}

fn insert(members: &mut Members, path: &str, value: Shown) {
    let Some((head, rest)) = path.split_once('.') else {
        members.0.push((path.to_owned(), value));
        return;
    };
    // The leaves of one instance follow each other, so the search ends at once.
    let place = members.0.iter().rposition(|(name, _)| name == head).unwrap_or_else(|| {
        members.0.push((head.to_owned(), Shown::Members(Members::default())));
        members.0.len() - 1
    });
    if let Shown::Members(inner) = &mut members.0[place].1 {
        insert(inner, rest, value);
    }
}

fn value(layout: &Layout, state: &[u8], offset: u32, ty: TypeId, left: &mut usize) -> Option<Shown> {
    *left = left.checked_sub(1)?;
    let scalar = match layout.types.get(ty.0 as usize)? {
        TypeDesc::Elementary(e) => elementary(state, offset, *e)?,
        TypeDesc::Subrange { base, .. } => elementary(state, offset, *base)?,
        TypeDesc::Enum { base, values, .. } => {
            let number = integer(state, offset, *base)?;
            let name = values.iter().find(|(_, v)| *v == number).map(|(name, _)| name.clone());
            name.map_or_else(|| Value::from(number), Value::String)
        }
        TypeDesc::String { .. } => {
            let bytes = units(state, offset, 1)?;
            Value::String(match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                // At the outside edges a STRING is UTF-8 if that is valid, else Latin-1.
                Err(_) => bytes.iter().map(|&b| char::from(b)).collect(),
            })
        }
        TypeDesc::Wstring { .. } => {
            let bytes = units(state, offset, 2)?;
            let units: Vec<u16> = bytes.chunks_exact(2).map(|u| u16::from_le_bytes([u[0], u[1]])).collect();
            Value::String(String::from_utf16_lossy(&units))
        }
        TypeDesc::Array { element, dimensions } => {
            return array(layout, state, offset, *element, dimensions, left).map(|(value, _)| value);
        }
        TypeDesc::Struct { members, .. } => {
            let shown = members.iter().map(|member| {
                let at = offset + member.offset;
                let shown = match member.bit {
                    Some(bit) => Shown::Scalar(Value::Bool(state.get(at as usize)? >> (bit & 7) & 1 == 1)),
                    None => value(layout, state, at, member.ty, left)?,
                };
                Some((member.name.clone(), shown))
            });
            return shown.collect::<Option<_>>().map(|list| Shown::Members(Members(list)));
        }
        desc @ (TypeDesc::Reference { .. } | TypeDesc::Interface { .. }) => {
            // Where a reference points is an offset that means nothing outside: its target's path does.
            let target = raw(state, offset, Elementary::Udint)? as u32;
            let want = if let TypeDesc::Reference { target } = desc { Some(*target) } else { None };
            let path = if target == 0 { None } else { layout.path_to(target, want) };
            path.map_or(Value::Null, Value::String)
        }
    };
    Some(Shown::Scalar(scalar))
}

/// One dimension, and how far the next value lies.
fn array(
    layout: &Layout,
    state: &[u8],
    offset: u32,
    element: TypeId,
    dimensions: &[(i64, i64)],
    left: &mut usize,
) -> Option<(Shown, u32)> {
    let Some(((low, high), inner)) = dimensions.split_first() else {
        return Some((value(layout, state, offset, element, left)?, layout.size_of(element)));
    };
    let mut list = Vec::new();
    let mut bytes = 0;
    for _ in *low..=*high {
        let (shown, length) = array(layout, state, offset + bytes, element, inner, left)?;
        list.push(shown);
        bytes += length;
    }
    Some((Shown::List(list), bytes))
}

fn units(state: &[u8], offset: u32, width: usize) -> Option<&[u8]> {
    let start = offset as usize;
    let length = usize::from(u16::from_le_bytes(state.get(start..start + 2)?.try_into().ok()?));
    state.get(start + 2..start + 2 + length * width)
}

fn elementary(state: &[u8], offset: u32, of: Elementary) -> Option<Value> {
    Some(match family(of) {
        Family::Bool => Value::Bool(raw(state, offset, of)? & 1 == 1),
        Family::Signed => Value::from(integer(state, offset, of)?),
        Family::Unsigned => Value::from(raw(state, offset, of)?),
        Family::Real if of == Elementary::Real => {
            let number = f32::from_bits(raw(state, offset, of)? as u32);
            // Through text, so that 0.1 stays 0.1 and does not become the LREAL nearest to the REAL.
            let widened = format!("{number:?}").parse().unwrap_or(f64::from(number));
            float(widened)
        }
        Family::Real => float(f64::from_bits(raw(state, offset, of)?)),
        Family::Char => {
            let code = raw(state, offset, of)? as u32;
            Value::String(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER).to_string())
        }
    })
}

fn float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => Value::from("NaN"),
        None if value > 0.0 => Value::from("Infinity"),
        None => Value::from("-Infinity"),
    }
}
