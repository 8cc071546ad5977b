//! A value of the state block as one writes it in a program.

use super::{Family, family, integer, raw};
use crate::stdlib::text::{self, Line};
use lineshaft_plc_compiler::ir::TextFormat;
use lineshaft_plc_compiler::layout::{Elementary, Layout, TypeDesc, TypeId};
use std::fmt::Write as _;

/// The literal of the single value at a place: `TRUE`, `-5`, `16#00FF`, `1.5`, `T#1s500ms`, `'abc'`, `Mode#Idle`.
/// `None` for arrays, structures and places outside of the block.
pub fn literal_at(layout: &Layout, state: &[u8], offset: u32, ty: TypeId) -> Option<String> {
    match layout.types.get(ty.0 as usize)? {
        TypeDesc::Elementary(e) => elementary(state, offset, *e),
        TypeDesc::Subrange { base, .. } => elementary(state, offset, *base),
        TypeDesc::Enum { name, base, values } => {
            let number = integer(state, offset, *base)?;
            let value = values.iter().find(|(_, value)| *value == number);
            let value = value.map_or_else(|| number.to_string(), |(value, _)| value.clone());
            Some(if name.is_empty() { value } else { format!("{name}#{value}") })
        }
        TypeDesc::String { .. } => {
            let units: Vec<u8> = units(state, offset, 1)?.to_vec();
            let text = match String::from_utf8(units) {
                Ok(text) => text,
                // Not UTF-8: Latin-1, as at all outside edges.
                Err(bytes) => bytes.into_bytes().into_iter().map(char::from).collect(),
            };
            Some(quoted(&text, '\''))
        }
        TypeDesc::Wstring { .. } => {
            let bytes = units(state, offset, 2)?;
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            Some(quoted(&String::from_utf16_lossy(&units), '"'))
        }
        TypeDesc::Array { .. }
        | TypeDesc::Struct { .. }
        | TypeDesc::Reference { .. }
        | TypeDesc::Interface { .. } => None,
    }
}

fn units(state: &[u8], offset: u32, width: usize) -> Option<&[u8]> {
    let start = offset as usize;
    let length = usize::from(u16::from_le_bytes(state.get(start..start + 2)?.try_into().ok()?));
    state.get(start + 2..start + 2 + length * width)
}

fn quoted(text: &str, quote: char) -> String {
    let mut literal = String::from(quote);
    for character in text.chars() {
        match character {
            '$' => literal.push_str("$$"),
            '\n' => literal.push_str("$N"),
            '\r' => literal.push_str("$R"),
            '\t' => literal.push_str("$T"),
            '\u{c}' => literal.push_str("$P"),
            c if c == quote => {
                literal.push('$');
                literal.push(c);
            }
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let digits = if quote == '"' { 4 } else { 2 };
                write!(literal, "${:0digits$X}", c as u32).expect("writing to a String cannot fail");
            }
            c => literal.push(c),
        }
    }
    literal.push(quote);
    literal
}

fn elementary(state: &[u8], offset: u32, of: Elementary) -> Option<String> {
    use Elementary as E;
    let bits = raw(state, offset, of)?;
    let format = match of {
        E::Byte | E::Word | E::Dword | E::Lword => {
            let digits = of.size() as usize * 2;
            return Some(format!("16#{bits:0digits$X}"));
        }
        E::Char | E::Wchar => {
            let character = char::from_u32(bits as u32).unwrap_or(char::REPLACEMENT_CHARACTER);
            return Some(quoted(&character.to_string(), if of == E::Char { '\'' } else { '"' }));
        }
        E::Bool => TextFormat::Bool,
        E::Real => TextFormat::Real,
        E::Lreal => TextFormat::Lreal,
        E::Time => TextFormat::Time,
        E::Ltime => TextFormat::Ltime,
        E::Date | E::Ldate => TextFormat::Date,
        E::Tod | E::Ltod => TextFormat::TimeOfDay,
        E::Dt | E::Ldt => TextFormat::DateTime,
        _ if family(of) == Family::Unsigned => TextFormat::Unsigned,
        _ => TextFormat::Signed,
    };
    let value = if format == TextFormat::Signed { integer(state, offset, of)? as u64 } else { bits };
    let mut line = Line::new();
    text::write(format, value, of == E::Real, &mut line);
    Some(line.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(ty: TypeDesc, bytes: &[u8]) -> String {
        let layout = Layout { types: vec![ty], ..Layout::default() };
        literal_at(&layout, bytes, 0, TypeId(0)).unwrap()
    }

    #[test]
    fn values_are_literals_of_their_type() {
        use TypeDesc::Elementary as Of;
        let mode = TypeDesc::Enum {
            name: "Mode".into(),
            base: Elementary::Int,
            values: vec![("Idle".into(), 0), ("Fill".into(), 7)],
        };
        for (ty, bytes, literal) in [
            (Of(Elementary::Bool), &[1][..], "TRUE"),
            (Of(Elementary::Sint), &[0xff], "-1"),
            (Of(Elementary::Usint), &[0xff], "255"),
            (Of(Elementary::Word), &[0xff, 0], "16#00FF"),
            (Of(Elementary::Real), &0.1_f32.to_le_bytes(), "0.1"),
            (Of(Elementary::Lreal), &1e300_f64.to_le_bytes(), "1.0E300"),
            (Of(Elementary::Time), &1_500_000_000_i64.to_le_bytes(), "T#1s500ms"),
            (Of(Elementary::Char), b"'", "'$''"),
            (TypeDesc::String { capacity: 4 }, b"\x03\0a$\n", "'a$$$N'"),
            (TypeDesc::String { capacity: 4 }, b"\x01\0\xe9", "'é'"),
            (TypeDesc::Wstring { capacity: 4 }, b"\x01\0\"\0", "\"$\"\""),
            (mode.clone(), &[7, 0], "Mode#Fill"),
            (mode, &[3, 0], "Mode#3"),
        ] {
            assert_eq!(shown(ty, bytes), literal);
        }
    }
}
