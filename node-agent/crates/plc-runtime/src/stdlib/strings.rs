//! String routines: a `u16` length, then units of one or two bytes (`wide`).

use super::{ARGUMENTS_MAX, Failure, OUTSIDE, text};
use lineshaft_plc_compiler::ir::{FaultCode, Helper};
use std::ops::Range;

/// Longest text of a converted number; a wide source is cut to this many units.
const TEXT_MAX: usize = 128;

pub(crate) fn call(
    helper: Helper,
    args: [u64; ARGUMENTS_MAX],
    single: bool,
    memory: &mut [u8],
    scratch: &mut [u8],
) -> Result<u64, Failure> {
    let [a0, a1, a2, a3, a4, a5] = args;
    let signed = |v: u64| v as i64;
    match helper {
        Helper::StrAssign { wide } => {
            let from = content(memory, a2, wide)?;
            compose(memory, scratch, a0, a1, wide, &[from])
        }
        Helper::StrConcat { wide } => {
            let parts = [content(memory, a2, wide)?, content(memory, a3, wide)?];
            compose(memory, scratch, a0, a1, wide, &parts)
        }
        Helper::StrLen { wide } => Ok(units(&content(memory, a0, wide)?, wide) as u64),
        Helper::StrLeft { wide } => {
            let s = content(memory, a2, wide)?;
            let end = clamp(signed(a3), units(&s, wide));
            compose(memory, scratch, a0, a1, wide, &[part(&s, wide, 0, end)])
        }
        Helper::StrRight { wide } => {
            let s = content(memory, a2, wide)?;
            let length = units(&s, wide);
            let start = length - clamp(signed(a3), length);
            compose(memory, scratch, a0, a1, wide, &[part(&s, wide, start, length)])
        }
        Helper::StrMid { wide } => {
            let s = content(memory, a2, wide)?;
            let (start, end) = span(&s, wide, a3, a4);
            compose(memory, scratch, a0, a1, wide, &[part(&s, wide, start, end)])
        }
        Helper::StrInsert { wide } => {
            let (s, inserted) = (content(memory, a2, wide)?, content(memory, a3, wide)?);
            let length = units(&s, wide);
            let at = clamp(signed(a4), length);
            let parts = [part(&s, wide, 0, at), inserted, part(&s, wide, at, length)];
            compose(memory, scratch, a0, a1, wide, &parts)
        }
        Helper::StrDelete { wide } => {
            let s = content(memory, a2, wide)?;
            let (start, end) = span(&s, wide, a3, a4);
            let parts = [part(&s, wide, 0, start), part(&s, wide, end, units(&s, wide))];
            compose(memory, scratch, a0, a1, wide, &parts)
        }
        Helper::StrReplace { wide } => {
            let (s, replacement) = (content(memory, a2, wide)?, content(memory, a3, wide)?);
            let (start, end) = span(&s, wide, a4, a5);
            let parts = [part(&s, wide, 0, start), replacement, part(&s, wide, end, units(&s, wide))];
            compose(memory, scratch, a0, a1, wide, &parts)
        }
        Helper::StrFind { wide } => {
            let (s, pattern) = (content(memory, a0, wide)?, content(memory, a1, wide)?);
            Ok(find(&memory[s], &memory[pattern], wide))
        }
        Helper::StrCompare { wide } => {
            let (a, b) = (content(memory, a0, wide)?, content(memory, a1, wide)?);
            let order = if wide {
                wide_units(&memory[a]).cmp(wide_units(&memory[b]))
            } else {
                memory[a].cmp(&memory[b])
            };
            Ok(order as i64 as u64)
        }
        Helper::StrGet { wide } => {
            let unit = unit(memory, a0, a1, wide)?;
            let bytes = &memory[unit];
            Ok(if wide { u64::from(u16::from_le_bytes([bytes[0], bytes[1]])) } else { u64::from(bytes[0]) })
        }
        Helper::StrSet { wide } => {
            let unit = unit(memory, a0, a1, wide)?;
            let length = unit.len();
            memory[unit].copy_from_slice(&a2.to_le_bytes()[..length]);
            Ok(0)
        }
        Helper::ToString { format, wide } => {
            let mut line = text::Line::new();
            text::write(format, a2, single, &mut line);
            put_text(memory, a0, a1, wide, line.as_str().as_bytes())
        }
        Helper::FromString { format, wide } => {
            let s = content(memory, a0, wide)?;
            let mut narrow = [0; TEXT_MAX];
            let text = if wide { narrowed(&memory[s], &mut narrow) } else { &memory[s] };
            Ok(text::read(format, text).map_or(0, |(value, _)| value.to_slot(single)))
        }
        Helper::TextIsLiteral { format, wide } => {
            let s = content(memory, a0, wide)?;
            let mut narrow = [0; TEXT_MAX];
            let units = s.len() / width(wide);
            let text = if wide { narrowed(&memory[s], &mut narrow) } else { &memory[s] };
            Ok(u64::from(text::read(format, text).is_some_and(|(_, used)| used == units)))
        }
        Helper::StrConvert { to_wide } => convert(memory, scratch, a0, a1, a2, to_wide),
        // Taken by the caller.
        Helper::Math(_) | Helper::Pow | Helper::Atan2 | Helper::IntPow | Helper::Assert => Ok(0),
    }
}

fn width(wide: bool) -> usize {
    if wide { 2 } else { 1 }
}

/// The bytes of a string's units.
fn content(memory: &[u8], at: u64, wide: bool) -> Result<Range<usize>, Failure> {
    let at = at as u32 as usize;
    let length = memory.get(at..at + 2).ok_or(OUTSIDE)?;
    let bytes = usize::from(u16::from_le_bytes([length[0], length[1]])) * width(wide);
    let range = at + 2..at + 2 + bytes;
    if range.end > memory.len() { Err(OUTSIDE) } else { Ok(range) }
}

fn units(range: &Range<usize>, wide: bool) -> usize {
    range.len() / width(wide)
}

fn part(of: &Range<usize>, wide: bool, start: usize, end: usize) -> Range<usize> {
    of.start + start * width(wide)..of.start + end * width(wide)
}

fn clamp(value: i64, limit: usize) -> usize {
    value.clamp(0, limit as i64) as usize
}

/// Units from `position` (1-based) on, `count` of them, as far as the string goes.
fn span(of: &Range<usize>, wide: bool, count: u64, position: u64) -> (usize, usize) {
    let length = units(of, wide);
    let start = clamp((position as i64).saturating_sub(1), length);
    (start, start + clamp(count as i64, length - start))
}

/// Stores the parts, one behind the other, cut at the capacity.
fn compose(
    memory: &mut [u8],
    scratch: &mut [u8],
    to: u64,
    capacity: u64,
    wide: bool,
    parts: &[Range<usize>],
) -> Result<u64, Failure> {
    let to = to as u32 as usize;
    let capacity = clamp(capacity as i64, usize::from(u16::MAX)) * width(wide);
    let room = capacity.min(scratch.len());
    let mut length = 0;
    for part in parts {
        let bytes = part.len().min(room - length);
        scratch[length..length + bytes].copy_from_slice(&memory[part.start..part.start + bytes]);
        length += bytes;
    }
    let target = memory.get_mut(to..to + 2 + length).ok_or(OUTSIDE)?;
    target[..2].copy_from_slice(&((length / width(wide)) as u16).to_le_bytes());
    target[2..].copy_from_slice(&scratch[..length]);
    Ok(0)
}

/// Stores an ASCII text, cut at the capacity.
fn put_text(memory: &mut [u8], to: u64, capacity: u64, wide: bool, text: &[u8]) -> Result<u64, Failure> {
    let to = to as u32 as usize;
    let length = clamp(capacity as i64, text.len());
    let target = memory.get_mut(to..to + 2 + length * width(wide)).ok_or(OUTSIDE)?;
    target[..2].copy_from_slice(&(length as u16).to_le_bytes());
    for (unit, &byte) in target[2..].chunks_exact_mut(width(wide)).zip(text) {
        unit.fill(0);
        unit[0] = byte;
    }
    Ok(0)
}

fn unit(memory: &[u8], s: u64, position: u64, wide: bool) -> Result<Range<usize>, Failure> {
    let content = content(memory, s, wide)?;
    let (position, length) = (position as i64, units(&content, wide));
    if position < 1 || position > length as i64 {
        let operands = [position, 1, length as i64];
        return Err(Failure { code: FaultCode::IndexOutOfBounds, operands, count: 3 });
    }
    let at = position as usize - 1;
    Ok(part(&content, wide, at, at + 1))
}

fn find(s: &[u8], pattern: &[u8], wide: bool) -> u64 {
    let width = width(wide);
    if pattern.is_empty() || pattern.len() > s.len() {
        return 0;
    }
    let last = (s.len() - pattern.len()) / width;
    let found = (0..=last).find(|i| s[i * width..].starts_with(pattern));
    found.map_or(0, |i| i as u64 + 1)
}

fn wide_units(bytes: &[u8]) -> impl Iterator<Item = u16> {
    bytes.chunks_exact(2).map(|u| u16::from_le_bytes([u[0], u[1]]))
}

/// The ASCII beginning of a wide string.
fn narrowed<'a>(wide: &[u8], into: &'a mut [u8; TEXT_MAX]) -> &'a [u8] {
    let mut length = 0;
    for (to, unit) in into.iter_mut().zip(wide_units(wide).take_while(|&u| u < 0x80)) {
        *to = unit as u8;
        length += 1;
    }
    &into[..length]
}

fn convert(
    memory: &mut [u8],
    scratch: &mut [u8],
    to: u64,
    capacity: u64,
    from: u64,
    to_wide: bool,
) -> Result<u64, Failure> {
    let from = content(memory, from, !to_wide)?;
    let length = clamp(capacity as i64, units(&from, !to_wide));
    let bytes = length * width(to_wide);
    let Some(room) = scratch.get_mut(..bytes) else { return Err(OUTSIDE) };
    if to_wide {
        for (unit, &byte) in room.chunks_exact_mut(2).zip(&memory[from]) {
            unit.copy_from_slice(&[byte, 0]);
        }
    } else {
        for (byte, unit) in room.iter_mut().zip(wide_units(&memory[from])) {
            *byte = u8::try_from(unit).unwrap_or(b'?');
        }
    }
    let to = to as u32 as usize;
    let target = memory.get_mut(to..to + 2 + bytes).ok_or(OUTSIDE)?;
    target[..2].copy_from_slice(&(length as u16).to_le_bytes());
    target[2..].copy_from_slice(&scratch[..bytes]);
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two strings at 8 and 64, the result at 128.
    fn result(helper: Helper, a: &str, b: &str, capacity: u64, tail: [u64; 2]) -> String {
        let mut memory = vec![0; 256];
        for (at, text) in [(8, a), (64, b)] {
            memory[at..at + 2].copy_from_slice(&(text.len() as u16).to_le_bytes());
            memory[at + 2..at + 2 + text.len()].copy_from_slice(text.as_bytes());
        }
        let two_sources =
            matches!(helper, Helper::StrConcat { .. } | Helper::StrInsert { .. } | Helper::StrReplace { .. });
        let args = if two_sources {
            [128, capacity, 8, 64, tail[0], tail[1]]
        } else {
            [128, capacity, 8, tail[0], tail[1], 0]
        };
        call(helper, args, false, &mut memory, &mut [0; 256]).unwrap();
        let range = content(&memory, 128, false).unwrap();
        String::from_utf8(memory[range].to_vec()).unwrap()
    }

    #[test]
    fn parts_of_strings() {
        let wide = false;
        let minus = -1_i64 as u64;
        assert_eq!(result(Helper::StrLeft { wide }, "abcdef", "", 80, [2, 0]), "ab");
        assert_eq!(result(Helper::StrLeft { wide }, "abc", "", 80, [minus, 0]), "");
        assert_eq!(result(Helper::StrRight { wide }, "abcdef", "", 80, [2, 0]), "ef");
        assert_eq!(result(Helper::StrMid { wide }, "abcdef", "", 80, [3, 2]), "bcd");
        assert_eq!(result(Helper::StrMid { wide }, "abc", "", 80, [9, 9]), "");
        assert_eq!(result(Helper::StrConcat { wide }, "abc", "def", 4, [0, 0]), "abcd");
        assert_eq!(result(Helper::StrInsert { wide }, "abcd", "XY", 80, [2, 0]), "abXYcd");
        assert_eq!(result(Helper::StrInsert { wide }, "abcd", "XY", 80, [99, 0]), "abcdXY");
        assert_eq!(result(Helper::StrDelete { wide }, "abcdef", "", 80, [2, 3]), "abef");
        assert_eq!(result(Helper::StrReplace { wide }, "abcdef", "X", 80, [2, 3]), "abXef");
    }

    #[test]
    fn finding_and_indexing() {
        assert_eq!(find(b"abcabc", b"ca", false), 3);
        assert_eq!((find(b"abc", b"", false), find(b"abc", b"x", false)), (0, 0));
        assert_eq!(find(&[0, 1, 1, 0], &[1, 0], true), 2, "only whole units");
        let mut memory = vec![0, 0, 2, 0, b'a', b'b'];
        let get = |memory: &mut Vec<u8>, i: i64| {
            call(Helper::StrGet { wide: false }, [2, i as u64, 0, 0, 0, 0], false, memory, &mut [])
        };
        assert_eq!(get(&mut memory, 2), Ok(u64::from(b'b')));
        assert_eq!(get(&mut memory, 3).unwrap_err().operands, [3, 1, 2]);
        assert!(get(&mut memory, 0).is_err());
    }

    proptest! {
        /// Whatever the memory holds and whatever the arguments are: an answer, and nothing outside of it.
        #[test]
        fn no_arguments_make_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            args in proptest::array::uniform6(prop_oneof![0..220_u64, any::<u64>()]),
            which in 0..14_usize,
            wide: bool,
        ) {
            let mut memory = bytes;
            let helper = [
                Helper::StrAssign { wide }, Helper::StrConcat { wide }, Helper::StrLen { wide },
                Helper::StrLeft { wide }, Helper::StrRight { wide }, Helper::StrMid { wide },
                Helper::StrInsert { wide }, Helper::StrDelete { wide }, Helper::StrReplace { wide },
                Helper::StrFind { wide }, Helper::StrCompare { wide }, Helper::StrGet { wide },
                Helper::StrSet { wide }, Helper::StrConvert { to_wide: wide },
            ][which];
            let _ = call(helper, args, false, &mut memory, &mut [0; 4096]);
        }
    }
}
