//! A value of the state block from an IEC literal.

use super::{Family, family};
use crate::Error;
use crate::stdlib::text::{self, Number};
use lineshaft_plc_compiler::ir::TextFormat;
use lineshaft_plc_compiler::layout::{Elementary, Layout, Place, TypeDesc};

/// Writes a literal (`INT#5`, `TRUE`, `T#1s`, `'abc'`, `16#FF`, the name of an enumeration's value) to the
/// variable at a path. A literal of another type, or out of the variable's range, is refused.
pub fn write_literal(layout: &Layout, state: &mut [u8], path: &str, literal: &str) -> Result<(), Error> {
    let place = layout.find(path).ok_or_else(|| Error::UnknownVariable(path.to_owned()))?;
    let constant = |leaf: &&lineshaft_plc_compiler::layout::Leaf| {
        let range = leaf.offset..leaf.offset.saturating_add(leaf.bytes.max(1));
        leaf.flags.constant && range.contains(&place.offset)
    };
    if layout.leaves.iter().any(|leaf| constant(&leaf)) {
        return Err(Error::Constant(path.to_owned()));
    }
    if layout.alias_in(path).is_some_and(|alias| !alias.writable) {
        return Err(Error::ReadOnly(path.to_owned()));
    }
    write_at(layout, state, place, literal)
}

/// Writes a literal to a place, whoever else may write there.
pub(crate) fn write_at(layout: &Layout, state: &mut [u8], place: Place, literal: &str) -> Result<(), Error> {
    let bad = |detail: &str| Error::BadLiteral {
        text: literal.to_owned(),
        wanted: layout.type_name(place.ty),
        detail: detail.to_owned(),
    };
    let literal = literal.trim();
    let at = place.offset as usize;
    if let Some(bit) = place.bit {
        let value = number(literal, Elementary::Bool).map_err(bad)?;
        let byte = state.get_mut(at).ok_or_else(|| bad(""))?;
        *byte = *byte & !(1 << (bit & 7)) | (value as u8 & 1) << (bit & 7);
        return Ok(());
    }
    let (value, size) = match &layout.types[place.ty.0 as usize] {
        TypeDesc::Elementary(e) => (number(literal, *e).map_err(bad)?, e.size()),
        TypeDesc::Subrange { base, low, high } => {
            let value = number(literal, *base).map_err(bad)?;
            if (value as i64) < *low || (value as i64) > *high {
                return Err(bad(&format!(": it lies outside of {low}..{high}")));
            }
            (value, base.size())
        }
        TypeDesc::Enum { base, values, .. } => {
            let name = literal.rsplit(['#', '.']).next().unwrap_or(literal);
            let value = match values.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)) {
                Some((_, value)) => *value as u64,
                None => number(literal, *base).map_err(bad)?,
            };
            (value, base.size())
        }
        TypeDesc::String { capacity } => {
            let bytes = quoted(literal, '\'').ok_or_else(|| bad(": write it in single quotes"))?;
            return put(state, at, &bytes, 1, *capacity).ok_or_else(|| bad(": it is too long"));
        }
        TypeDesc::Wstring { capacity } => {
            let text = quoted(literal, '"').ok_or_else(|| bad(": write it in double quotes"))?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            return put(state, at, &units, 2, *capacity).ok_or_else(|| bad(": it is too long"));
        }
        TypeDesc::Array { .. }
        | TypeDesc::Struct { .. }
        | TypeDesc::Reference { .. }
        | TypeDesc::Interface { .. } => {
            return Err(bad(": only single values can be written"));
        }
    };
    let target = state.get_mut(at..at + size as usize).ok_or_else(|| bad(""))?;
    target.copy_from_slice(&value.to_le_bytes()[..size as usize]);
    Ok(())
}

fn put(state: &mut [u8], at: usize, units: &[u8], width: usize, capacity: u16) -> Option<()> {
    let length = u16::try_from(units.len() / width).ok().filter(|&length| length <= capacity)?;
    let target = state.get_mut(at..at + 2 + units.len())?;
    target[..2].copy_from_slice(&length.to_le_bytes());
    target[2..].copy_from_slice(units);
    Some(())
}

/// The bits of an elementary value.
fn number(literal: &str, of: Elementary) -> Result<u64, &'static str> {
    use Elementary as E;
    if let Some((prefix, rest)) = literal.split_once('#')
        && prefix.starts_with(|c: char| c.is_ascii_alphabetic())
        && !names(of).iter().any(|name| name.eq_ignore_ascii_case(prefix.trim()))
    {
        // `UINT#16#FF` for a WORD is refused as it is in a program.
        let _ = rest;
        return Err(": it is a literal of another type");
    }
    if family(of) == Family::Char {
        let text = literal.split_once('#').map_or(literal, |(_, text)| text);
        let unit = quoted(text, '\'').or_else(|| quoted(text, '"'));
        return match unit.as_deref() {
            Some(&[byte]) => Ok(u64::from(byte)),
            _ => Err(": write one character in quotes"),
        };
    }
    let format = match of {
        E::Bool => TextFormat::Bool,
        E::Real => TextFormat::Real,
        E::Lreal => TextFormat::Lreal,
        E::Time | E::Ltime => TextFormat::Time,
        E::Date | E::Ldate => TextFormat::Date,
        E::Tod | E::Ltod => TextFormat::TimeOfDay,
        E::Dt | E::Ldt => TextFormat::DateTime,
        _ => TextFormat::Signed,
    };
    let plain = |format| text::read(format, literal.as_bytes()).filter(|(_, used)| *used == literal.len());
    // A plain number of nanoseconds is how times are shown, so it is understood as well.
    let times =
        !matches!(format, TextFormat::Bool | TextFormat::Real | TextFormat::Lreal | TextFormat::Signed);
    let read = plain(format).or_else(|| if times { plain(TextFormat::Signed) } else { None });
    let value = match read.ok_or("")?.0 {
        Number::Int(value) => value,
        Number::Float(_, single) if of == E::Real => return Ok(u64::from(single.to_bits())),
        Number::Float(double, _) => return Ok(double.to_bits()),
    };
    let bits = of.size() * 8;
    let fits = match family(of) {
        Family::Bool | Family::Real | Family::Char => true,
        Family::Unsigned if bits == 64 => !literal.contains('-'),
        Family::Unsigned => value >= 0 && value < 1 << bits,
        Family::Signed => value << (64 - bits) >> (64 - bits) == value,
    };
    if fits { Ok(value as u64) } else { Err(": it is out of range") }
}

/// Prefixes that a literal of the type may have.
fn names(of: Elementary) -> &'static [&'static str] {
    use Elementary as E;
    match of {
        E::Time => &["T", "TIME", "LT", "LTIME"],
        E::Ltime => &["LT", "LTIME", "T", "TIME"],
        E::Date => &["D", "DATE"],
        E::Ldate => &["LD", "LDATE", "D", "DATE"],
        E::Tod => &["TOD", "TIME_OF_DAY"],
        E::Ltod => &["LTOD", "LTIME_OF_DAY", "TOD", "TIME_OF_DAY"],
        E::Dt => &["DT", "DATE_AND_TIME"],
        E::Ldt => &["LDT", "LDATE_AND_TIME", "DT", "DATE_AND_TIME"],
        E::Bool => &["BOOL"],
        E::Sint => &["SINT"],
        E::Int => &["INT"],
        E::Dint => &["DINT"],
        E::Lint => &["LINT"],
        E::Usint => &["USINT"],
        E::Uint => &["UINT"],
        E::Udint => &["UDINT"],
        E::Ulint => &["ULINT"],
        E::Byte => &["BYTE"],
        E::Word => &["WORD"],
        E::Dword => &["DWORD"],
        E::Lword => &["LWORD"],
        E::Real => &["REAL"],
        E::Lreal => &["LREAL"],
        E::Char => &["CHAR"],
        E::Wchar => &["WCHAR"],
    }
}

/// The bytes between quotes, with the standard's `$` escapes resolved.
fn quoted(literal: &str, quote: char) -> Option<Vec<u8>> {
    let literal = literal.strip_prefix("STRING#").or(literal.strip_prefix("WSTRING#")).unwrap_or(literal);
    let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte == quote as u8 {
            return None;
        }
        if byte != b'$' {
            bytes.push(byte);
            continue;
        }
        match rest.next()? {
            c @ (b'$' | b'\'' | b'"') => bytes.push(c),
            b'L' | b'l' | b'N' | b'n' => bytes.push(b'\n'),
            b'P' | b'p' => bytes.push(0x0c),
            b'R' | b'r' => bytes.push(b'\r'),
            b'T' | b't' => bytes.push(b'\t'),
            high => {
                let digit = |b: u8| char::from(b).to_digit(16);
                bytes.push((digit(high)? * 16 + digit(rest.next()?)?) as u8);
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::read_json;
    use lineshaft_plc_compiler::layout::{Leaf, LeafFlags, Root, TypeId};
    use proptest::prelude::*;
    use serde_json::json;

    fn layout() -> Layout {
        let mut types: Vec<TypeDesc> = Elementary::ALL.iter().map(|&e| TypeDesc::Elementary(e)).collect();
        let id = |e: Elementary| Layout::elementary(e);
        let own = |i: u32| TypeId(Elementary::ALL.len() as u32 + i);
        types.push(TypeDesc::String { capacity: 4 });
        types.push(TypeDesc::Enum {
            name: "Mode".into(),
            base: Elementary::Int,
            values: vec![("Idle".into(), 0), ("Fill".into(), 7)],
        });
        types.push(TypeDesc::Subrange { base: Elementary::Sint, low: -3, high: 3 });
        types.push(TypeDesc::Array { element: id(Elementary::Int), dimensions: vec![(1, 2), (0, 1)] });
        types.push(TypeDesc::Wstring { capacity: 4 });
        let mut leaves = Vec::new();
        let mut offset = 64;
        let mut add = |path: &str, ty: TypeId, bytes: u32, bit: Option<u8>, constant: bool| {
            let flags = LeafFlags { constant, ..LeafFlags::default() };
            leaves.push(Leaf { path: path.into(), ty, offset, bit, bytes, flags });
            offset += bytes.next_multiple_of(8);
        };
        add("M.flag", id(Elementary::Bool), 1, None, false);
        add("M.small", id(Elementary::Sint), 1, None, false);
        add("M.count", id(Elementary::Dint), 4, None, false);
        add("M.big", id(Elementary::Ulint), 8, None, false);
        add("M.r", id(Elementary::Real), 4, None, false);
        add("M.x", id(Elementary::Lreal), 8, None, false);
        add("M.t", id(Elementary::Time), 8, None, false);
        add("M.s", own(0), 6, None, false);
        add("M.mode", own(1), 2, None, false);
        add("M.sub", own(2), 1, None, false);
        add("M.a", own(3), 8, None, false);
        add("M.bit", id(Elementary::Bool), 1, Some(3), false);
        add("M.fix", id(Elementary::Int), 2, None, true);
        add("M.w", own(4), 10, None, false);
        add("M.tank.level", id(Elementary::Int), 2, None, false);
        let roots = vec![Root { path: "M".into(), ty: id(Elementary::Bool), offset: 64 }];
        Layout { bytes: 512, leaves, types, roots, ..Layout::default() }
    }

    #[test]
    fn literals_go_in_and_json_comes_out() {
        let layout = layout();
        let mut state = vec![0; 512];
        for (path, literal, shown) in [
            ("M.FLAG", "TRUE", json!(true)),
            ("m.small", "SINT#-5", json!(-5)),
            ("M.count", "16#7fff_ffff", json!(2_147_483_647)),
            ("M.big", "18446744073709551615", json!(u64::MAX)),
            ("M.r", "0.1", json!(0.1)),
            ("M.x", "1e-3", json!(0.001)),
            ("M.x", "NaN", json!("NaN")),
            ("M.t", "T#1s500ms", json!(1_500_000_000)),
            ("M.t", "42", json!(42)),
            ("M.s", "'a$'b'", json!("a'b")),
            ("M.w", "\"äb\"", json!("äb")),
            ("M.mode", "fill", json!("Fill")),
            ("M.mode", "Mode#Idle", json!("Idle")),
            ("M.mode", "3", json!(3)),
            ("M.sub", "-3", json!(-3)),
            ("M.a[2,1]", "9", json!(9)),
            ("M.bit", "1", json!(true)),
            ("M.count.%X0", "FALSE", json!(false)),
        ] {
            write_literal(&layout, &mut state, path, literal).unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(read_json(&layout, &state, path).unwrap(), shown, "{path} := {literal}");
        }
        assert_eq!(read_json(&layout, &state, "M.a").unwrap(), json!([[0, 0], [0, 9]]));
        let whole = read_json(&layout, &state, "m").unwrap();
        assert_eq!(read_json(&layout, &state, "").unwrap()["M"], whole, "everything");
        assert_eq!(whole["tank"], json!({"level": 0}));
        assert_eq!(whole["count"], json!(2_147_483_646));
        assert_eq!(read_json(&layout, &state, "M.tank").unwrap(), json!({"level": 0}));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let layout = layout();
        let mut state = vec![0; 512];
        let before = state.clone();
        for (path, literal) in [
            ("M.small", "128"),
            ("M.small", "INT#1"),
            ("M.small", "1.5"),
            ("M.small", ""),
            ("M.count", "1 2"),
            ("M.big", "-1"),
            ("M.s", "'12345'"),
            ("M.s", "abc"),
            ("M.mode", "Drain"),
            ("M.sub", "4"),
            ("M.a", "1"),
            ("M.a[0,0]", "1"),
            ("M.fix", "1"),
            ("M.none", "1"),
            ("M.flag", "yes"),
        ] {
            assert!(write_literal(&layout, &mut state, path, literal).is_err(), "{path} := {literal}");
        }
        assert_eq!(state, before);
    }

    proptest! {
        #[test]
        fn fuzz_literal(
            text in prop_oneof![
                ".{0,20}",
                "(T|LT|D|TOD|DT|INT|ULINT|REAL|STRING|Mode)?#?-?[0-9_a-fA-F#.:smhd'$\"+-]{0,24}",
                "['\"](\\$?[^a]){0,8}['\"]",
            ],
            which in 0..15_usize,
        ) {
            let layout = layout();
            let leaf = &layout.leaves[which];
            let mut state = vec![0; 512];
            let result = write_literal(&layout, &mut state, &leaf.path, &text);
            let (start, end) = (leaf.offset as usize, (leaf.offset + leaf.bytes) as usize);
            prop_assert!(state[..start].iter().chain(&state[end..]).all(|&byte| byte == 0), "it wrote elsewhere");
            prop_assert!(result.is_ok() || state[start..end].iter().all(|&byte| byte == 0), "refused, and written");
            prop_assert!(read_json(&layout, &state, &leaf.path).is_ok());
        }

        #[test]
        fn fuzz_literal_round_trip(value: i64, real: f64) {
            let layout = layout();
            let mut state = vec![0; 512];
            for (path, low, high) in [
                ("M.small", i64::from(i8::MIN), i64::from(i8::MAX)),
                ("M.count", i64::from(i32::MIN), i64::from(i32::MAX)),
                ("M.t", i64::MIN, i64::MAX),
                ("M.sub", -3, 3),
            ] {
                let value = if value % 2 == 0 { value % 200 } else { value };
                let fits = (low..=high).contains(&value);
                prop_assert_eq!(write_literal(&layout, &mut state, path, &value.to_string()).is_ok(), fits);
                if fits {
                    prop_assert_eq!(read_json(&layout, &state, path).unwrap(), json!(value));
                }
            }
            write_literal(&layout, &mut state, "M.x", &format!("{real:?}")).unwrap();
            prop_assert_eq!(read_json(&layout, &state, "M.x").unwrap(), json!(real));
        }
    }
}
