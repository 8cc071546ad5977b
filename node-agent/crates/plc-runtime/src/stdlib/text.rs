//! Values as plain literals, both ways, without allocation.

use lineshaft_plc_compiler::ir::TextFormat;
use std::fmt::Write as _;

const SECOND: u64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND as i64;
/// Longest number that is read; the rest of a longer one is not part of it.
const NUMBER_MAX: usize = 96;

/// A line of text of bounded length.
#[derive(Debug)]
pub(crate) struct Line {
    bytes: [u8; 64],
    length: usize,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { bytes: [0; 64], length: 0 }
    }

    pub(crate) fn as_str(&self) -> &str {
        // Only whole pieces of text are ever added.
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

impl std::fmt::Write for Line {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        let target = self.bytes.get_mut(self.length..self.length + s.len()).ok_or(std::fmt::Error)?;
        target.copy_from_slice(s.as_bytes());
        self.length += s.len();
        Ok(())
    }
}

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// Any integer, BOOL, time or date.
    Int(i64),
    /// With the nearest REAL, which is not always the REAL nearest to the nearest LREAL.
    Float(f64, f32),
}

impl Number {
    /// As it lies in a slot of the interpreter.
    pub(crate) fn to_slot(self, single: bool) -> u64 {
        match self {
            Self::Int(value) => value as u64,
            Self::Float(_, value) if single => u64::from(value.to_bits()),
            Self::Float(value, _) => value.to_bits(),
        }
    }
}

/// Writes a value. No literal is longer than a [`Line`].
pub(crate) fn write(format: TextFormat, value: u64, single: bool, out: &mut Line) {
    let signed = value as i64;
    let written = match format {
        TextFormat::Bool => out.write_str(if value == 0 { "FALSE" } else { "TRUE" }),
        TextFormat::Signed => write!(out, "{signed}"),
        TextFormat::Unsigned => write!(out, "{value}"),
        TextFormat::Real | TextFormat::Lreal => {
            let mut digits = Line::new();
            let shown = if single {
                write!(digits, "{:?}", f32::from_bits(value as u32))
            } else {
                write!(digits, "{:?}", f64::from_bits(value))
            };
            shown.and_then(|()| write_float(digits.as_str(), out))
        }
        TextFormat::Time => out.write_str("T#").and_then(|()| write_time(signed, out)),
        TextFormat::Ltime => out.write_str("LTIME#").and_then(|()| write_time(signed, out)),
        TextFormat::Date => out.write_str("D#").and_then(|()| write_date(signed, out)),
        TextFormat::TimeOfDay => out.write_str("TOD#").and_then(|()| write_clock(signed, out)),
        TextFormat::DateTime => out
            .write_str("DT#")
            .and_then(|()| write_date(signed, out))
            .and_then(|()| out.write_str("-"))
            .and_then(|()| write_clock(signed, out)),
        TextFormat::Char => out.write_char(char::from(value as u8 & 0x7f)),
    };
    debug_assert!(written.is_ok(), "a literal longer than a line");
}

/// Rust's shortest digits in the form of an IEC literal: `1e300` becomes `1.0E300`.
fn write_float(digits: &str, out: &mut Line) -> std::fmt::Result {
    match digits {
        "NaN" => out.write_str("NaN"),
        "inf" => out.write_str("Infinity"),
        "-inf" => out.write_str("-Infinity"),
        _ => match digits.split_once('e') {
            None => out.write_str(digits),
            Some((mantissa, exponent)) => {
                let point = if mantissa.contains('.') { "" } else { ".0" };
                write!(out, "{mantissa}{point}E{exponent}")
            }
        },
    }
}

fn write_time(ns: i64, out: &mut Line) -> std::fmt::Result {
    if ns < 0 {
        out.write_str("-")?;
    }
    let mut left = ns.unsigned_abs();
    if left == 0 {
        return out.write_str("0s");
    }
    for (unit, size) in UNITS {
        if left >= size {
            write!(out, "{}{unit}", left / size)?;
            left %= size;
        }
    }
    Ok(())
}

/// Units of a duration in nanoseconds, longest first; `ms` stands before `m` where they are read.
const UNITS: [(&str, u64); 7] = [
    ("d", 86_400 * SECOND),
    ("h", 3_600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

fn write_date(ns: i64, out: &mut Line) -> std::fmt::Result {
    let (year, month, day) = civil(ns.div_euclid(DAY));
    write!(out, "{year:04}-{month:02}-{day:02}")
}

fn write_clock(ns: i64, out: &mut Line) -> std::fmt::Result {
    let of_day = ns.rem_euclid(DAY) as u64;
    let (seconds, fraction) = (of_day / SECOND, of_day % SECOND);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
    if fraction == 0 {
        return Ok(());
    }
    let (mut fraction, mut digits) = (fraction, 9);
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    write!(out, ".{fraction:0digits$}")
}

/// Year, month and day of a number of days since 1970-01-01 (proleptic Gregorian calendar).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// The inverse of [`civil`]; `None` for a date that does not exist.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(0..=9999).contains(&year) {
        return None;
    }
    let y = year - i64::from(month <= 2);
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// Reads the longest valid literal behind blanks: its value and how many bytes it took, blanks included. A
/// type's prefix (`INT#`, `T#`) may stand before it.
pub(crate) fn read(format: TextFormat, text: &[u8]) -> Option<(Number, usize)> {
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let rest = &text[blanks..];
    let prefix = prefix(rest);
    let body = &rest[prefix..];
    let (number, used) = match format {
        TextFormat::Bool => read_bool(body)?,
        TextFormat::Signed | TextFormat::Unsigned => read_integer(body)?,
        TextFormat::Real | TextFormat::Lreal => read_float(body)?,
        TextFormat::Time | TextFormat::Ltime => read_time(body)?,
        TextFormat::Date => {
            let (days, used) = read_date(body)?;
            (Number::Int(days.checked_mul(DAY)?), used)
        }
        TextFormat::TimeOfDay => {
            let (ns, used) = read_clock(body)?;
            (Number::Int(ns), used)
        }
        TextFormat::DateTime => {
            let (days, used) = read_date(body)?;
            let clock = body[used..].strip_prefix(b"-")?;
            let (ns, more) = read_clock(clock)?;
            (Number::Int(days.checked_mul(DAY)?.checked_add(ns)?), used + 1 + more)
        }
        TextFormat::Char => (Number::Int(i64::from(*body.first()?)), 1),
    };
    Some((number, blanks + prefix + used))
}

/// Length of a type's name with its `#`; a base (`16#`) is none.
fn prefix(text: &[u8]) -> usize {
    let name = text.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let is_type = text.first().is_some_and(u8::is_ascii_alphabetic);
    if is_type && text.get(name) == Some(&b'#') { name + 1 } else { 0 }
}

fn read_bool(text: &[u8]) -> Option<(Number, usize)> {
    let is = |word: &[u8]| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word);
    match text {
        _ if is(b"TRUE") => Some((Number::Int(1), 4)),
        _ if is(b"FALSE") => Some((Number::Int(0), 5)),
        _ => {
            let (number, used) = read_integer(text)?;
            Some((Number::Int(i64::from(number != Number::Int(0))), used))
        }
    }
}

/// `-12`, `1_000`, `16#FF`, `2#1010`. Wraps at 64 bits.
fn read_integer(text: &[u8]) -> Option<(Number, usize)> {
    let (negative, sign) = read_sign(text);
    let body = &text[sign..];
    let (mut value, mut used) = read_digits(body, 10)?;
    if body.get(used) == Some(&b'#')
        && let base @ (2 | 8 | 16) = value
        && let Some((in_base, digits)) = read_digits(&body[used + 1..], base)
    {
        value = in_base;
        used += 1 + digits;
    }
    let value = value as i64;
    Some((Number::Int(if negative { value.wrapping_neg() } else { value }), sign + used))
}

fn read_sign(text: &[u8]) -> (bool, usize) {
    match text.first() {
        Some(b'-') => (true, 1),
        Some(b'+') => (false, 1),
        _ => (false, 0),
    }
}

/// Digits with single underscores between them.
fn read_digits(text: &[u8], base: u64) -> Option<(u64, usize)> {
    let digit = |b: u8| char::from(b).to_digit(base as u32);
    let mut value = u64::from(digit(*text.first()?)?);
    let mut used = 1;
    while let Some(&byte) = text.get(used) {
        let (next, step) = match (byte, text.get(used + 1)) {
            (b'_', Some(&after)) => (digit(after), 2),
            _ => (digit(byte), 1),
        };
        let Some(next) = next else { break };
        value = value.wrapping_mul(base).wrapping_add(u64::from(next));
        used += step;
    }
    Some((value, used))
}

fn read_float(text: &[u8]) -> Option<(Number, usize)> {
    for (word, value) in [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)] {
        if text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes())) {
            return Some((Number::Float(value, value as f32), word.len()));
        }
    }
    let mut digits = [0; NUMBER_MAX];
    let mut length = 0;
    let mut take = |from: &[u8]| {
        for &byte in from.iter().filter(|&&b| b != b'_') {
            if let Some(to) = digits.get_mut(length) {
                *to = byte;
                length += 1;
            }
        }
    };
    let (_, mut used) = read_sign(text);
    used += read_digits(&text[used..], 10)?.1;
    if text.get(used) == Some(&b'.')
        && let Some((_, fraction)) = read_digits(&text[used + 1..], 10)
    {
        used += 1 + fraction;
    }
    if matches!(text.get(used), Some(b'e' | b'E')) {
        let (_, sign) = read_sign(&text[used + 1..]);
        if let Some((_, exponent)) = read_digits(&text[used + 1 + sign..], 10) {
            used += 1 + sign + exponent;
        }
    }
    take(&text[..used]);
    let number = std::str::from_utf8(&digits[..length]).ok()?;
    Some((Number::Float(number.parse().ok()?, number.parse().ok()?), used))
}

/// `1s500ms`, `-1.5h`, `1d_2h`: units from long to short, a fraction in the last one only.
fn read_time(text: &[u8]) -> Option<(Number, usize)> {
    let (negative, mut used) = read_sign(text);
    let mut total: i128 = 0;
    let mut above = u64::MAX;
    let mut any = false;
    loop {
        let from = if any && text.get(used) == Some(&b'_') { used + 1 } else { used };
        let Some((whole, digits)) = text.get(from..).and_then(|t| read_digits(t, 10)) else { break };
        let mut at = from + digits;
        let mut fraction = (0_u64, 0_u32);
        if text.get(at) == Some(&b'.') {
            let Some((value, digits)) = read_digits(&text[at + 1..], 10) else { break };
            let places = text[at + 1..at + 1 + digits].iter().filter(|&&b| b != b'_').count();
            if places > 18 {
                break;
            }
            fraction = (value, places as u32);
            at += 1 + digits;
        }
        let rest = &text[at..];
        let unit = UNITS.iter().filter(|(name, size)| {
            *size < above && rest.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name.as_bytes()))
        });
        let Some(&(name, size)) = unit.max_by_key(|(name, _)| name.len()) else { break };
        total += i128::from(whole) * i128::from(size);
        total += i128::from(fraction.0) * i128::from(size) / 10_i128.pow(fraction.1);
        above = size;
        used = at + name.len();
        any = true;
        if fraction.1 > 0 {
            break;
        }
    }
    let total = i64::try_from(if negative { -total } else { total }).ok()?;
    any.then_some((Number::Int(total), used))
}

fn read_date(text: &[u8]) -> Option<(i64, usize)> {
    let (year, a) = read_digits(text, 10)?;
    let (month, b) = read_digits(text[a..].strip_prefix(b"-")?, 10)?;
    let (day, c) = read_digits(text[a + 1 + b..].strip_prefix(b"-")?, 10)?;
    let small = |v: u64| i64::try_from(v).ok();
    Some((days(small(year)?, small(month)?, small(day)?)?, a + 1 + b + 1 + c))
}

fn read_clock(text: &[u8]) -> Option<(i64, usize)> {
    let (hour, a) = read_digits(text, 10)?;
    let (minute, b) = read_digits(text[a..].strip_prefix(b":")?, 10)?;
    if hour > 23 || minute > 59 {
        return None;
    }
    let mut ns = (hour * 3600 + minute * 60) * SECOND;
    let mut used = a + 1 + b;
    if text.get(used) == Some(&b':')
        && let Some((second, digits)) = read_digits(&text[used + 1..], 10)
        && second < 60
    {
        ns += second * SECOND;
        used += 1 + digits;
        if text.get(used) == Some(&b'.')
            && let Some((fraction, digits)) = read_digits(&text[used + 1..], 10)
            && digits <= 9
        {
            ns += fraction * 10_u64.pow(9 - digits as u32);
            used += 1 + digits;
        }
    }
    Some((i64::try_from(ns).ok()?, used))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(format: TextFormat, value: u64) -> String {
        let mut line = Line::new();
        write(format, value, false, &mut line);
        line.as_str().to_owned()
    }

    fn int(format: TextFormat, text: &str) -> Option<(i64, usize)> {
        match read(format, text.as_bytes())? {
            (Number::Int(value), used) => Some((value, used)),
            (Number::Float(..), _) => None,
        }
    }

    #[test]
    fn values_are_written_as_plain_literals() {
        assert_eq!(shown(TextFormat::Bool, 1), "TRUE");
        assert_eq!(shown(TextFormat::Signed, -12_i64 as u64), "-12");
        assert_eq!(shown(TextFormat::Lreal, 1.5_f64.to_bits()), "1.5");
        assert_eq!(shown(TextFormat::Lreal, 1e300_f64.to_bits()), "1.0E300");
        assert_eq!(shown(TextFormat::Lreal, f64::MIN_POSITIVE.to_bits()), "2.2250738585072014E-308");
        assert_eq!(shown(TextFormat::Time, 1_500_000_000), "T#1s500ms");
        assert_eq!(shown(TextFormat::Time, i64::MIN as u64), "T#-106751d23h47m16s854ms775us808ns");
        assert_eq!(shown(TextFormat::Time, 0), "T#0s");
        assert_eq!(shown(TextFormat::Date, (20_778 * DAY) as u64), "D#2026-11-21");
        assert_eq!(shown(TextFormat::TimeOfDay, 45_000 * SECOND + 120_000_000), "TOD#12:30:00.12");
        assert_eq!(shown(TextFormat::DateTime, -1_i64 as u64), "DT#1969-12-31-23:59:59.999999999");
    }

    #[test]
    fn the_longest_literal_is_read() {
        assert_eq!(int(TextFormat::Signed, "  -1_000x"), Some((-1000, 8)));
        assert_eq!(int(TextFormat::Signed, "16#fF"), Some((255, 5)));
        assert_eq!(int(TextFormat::Signed, "INT#5"), Some((5, 5)));
        assert_eq!(int(TextFormat::Signed, "16#"), Some((16, 2)));
        assert_eq!(int(TextFormat::Signed, "x"), None);
        assert_eq!(int(TextFormat::Bool, "true"), Some((1, 4)));
        assert_eq!(int(TextFormat::Time, "T#1h_30m"), Some((5_400_000_000_000, 8)));
        assert_eq!(int(TextFormat::Time, "t#-1.5ms"), Some((-1_500_000, 8)));
        assert_eq!(int(TextFormat::Time, "T#1s2s"), Some((1_000_000_000, 4)));
        assert_eq!(int(TextFormat::Date, "D#2026-02-29"), None);
        assert_eq!(int(TextFormat::DateTime, "DT#1970-01-02-00:00:01"), Some((DAY + 1_000_000_000, 22)));
        let float = |text: &str| read(TextFormat::Lreal, text.as_bytes());
        assert_eq!(float("1_0.5E-1 "), Some((Number::Float(1.05, 1.05), 8)));
        assert_eq!(float("3"), Some((Number::Float(3.0, 3.0), 1)));
        assert_eq!(float("3.E"), Some((Number::Float(3.0, 3.0), 1)));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value: i64, x: f64, y: f32) {
            for format in [TextFormat::Signed, TextFormat::Time, TextFormat::Ltime] {
                let text = shown(format, value as u64);
                prop_assert_eq!(int(format, &text), Some((value, text.len())), "{}", text);
            }
            let date = value.clamp(-50_000_000_000_000_000, i64::MAX);
            let text = shown(TextFormat::DateTime, date as u64);
            prop_assert_eq!(int(TextFormat::DateTime, &text), Some((date, text.len())), "{}", text);
            let text = shown(TextFormat::Lreal, x.to_bits());
            let (number, used) = read(TextFormat::Lreal, text.as_bytes()).expect("a literal");
            prop_assert_eq!(used, text.len());
            prop_assert!(x.is_nan() || number.to_slot(false) == x.to_bits(), "{}", text);
            let mut line = Line::new();
            write(TextFormat::Real, u64::from(y.to_bits()), true, &mut line);
            let (number, _) = read(TextFormat::Real, line.as_str().as_bytes()).expect("a literal");
            prop_assert!(y.is_nan() || number.to_slot(true) == u64::from(y.to_bits()));
        }

        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            use TextFormat as F;
            for format in [F::Bool, F::Signed, F::Unsigned, F::Real, F::Time, F::Date, F::TimeOfDay, F::DateTime] {
                if let Some((_, used)) = read(format, &text) {
                    prop_assert!(used <= text.len());
                }
            }
        }
    }
}
