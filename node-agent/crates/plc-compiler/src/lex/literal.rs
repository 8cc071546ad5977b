//! The values of literals (feature tables 5 to 9).

use crate::layout::Elementary;

/// What kind of text follows `NAME#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Time,
    Date,
    Number,
}

/// The type that a literal prefix names, long and short names.
pub(crate) fn temporal(prefix: &str) -> Option<Elementary> {
    Some(match prefix.to_ascii_uppercase().as_str() {
        "T" | "TIME" => Elementary::Time,
        "LT" | "LTIME" => Elementary::Ltime,
        "D" | "DATE" => Elementary::Date,
        "LD" | "LDATE" => Elementary::Ldate,
        "TOD" | "TIME_OF_DAY" => Elementary::Tod,
        "LTOD" | "LTIME_OF_DAY" => Elementary::Ltod,
        "DT" | "DATE_AND_TIME" => Elementary::Dt,
        "LDT" | "LDATE_AND_TIME" => Elementary::Ldt,
        _ => return None,
    })
}

/// How to read what follows the prefix.
pub(crate) fn family(prefix: &str) -> Family {
    match temporal(prefix) {
        Some(Elementary::Time | Elementary::Ltime) => Family::Time,
        Some(_) => Family::Date,
        None => Family::Number,
    }
}

/// An integer, decimal or `base#digits`, with optional sign. `None`: bad digits or more than 64 bits.
pub(crate) fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match digits.split_once('#') {
        Some((base, digits)) => (base.parse::<u32>().ok()?, digits),
        None => (10, digits),
    };
    if !matches!(base, 2 | 8 | 10 | 16) || digits.is_empty() || digits.starts_with('_') {
        return None;
    }
    let mut value: i128 = 0;
    for c in digits.chars().filter(|c| *c != '_') {
        value = value * i128::from(base) + i128::from(c.to_digit(base)?);
        if value > i128::from(u64::MAX) {
            return None;
        }
    }
    Some(if negative { -value } else { value })
}

/// A real number, with underscores, as LREAL and as REAL: rounding the LREAL again could miss the nearest REAL.
pub(crate) fn real(text: &str) -> Option<(f64, f32)> {
    let digits = text.replace('_', "");
    let (double, single): (f64, f32) = (digits.parse().ok()?, digits.parse().ok()?);
    double.is_finite().then_some((double, single))
}

/// Nanoseconds of a duration (`1d2h30.5s`).
pub(crate) fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i128); 7] = [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = body.to_ascii_lowercase();
    let mut rest = lower.as_str();
    let mut total: i128 = 0;
    let mut next_unit = 0;
    let mut fraction_seen = false;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let position = UNITS.iter().position(|(name, _)| *name == unit)?;
        if position < next_unit || fraction_seen {
            return None;
        }
        next_unit = position + 1;
        let scale = UNITS[position].1;
        let number = number.replace('_', "");
        let (whole, fraction) = number.split_once('.').map_or((number.as_str(), None), |(w, f)| (w, Some(f)));
        total = total.checked_add(whole.parse::<i128>().ok()?.checked_mul(scale)?)?;
        if let Some(fraction) = fraction {
            fraction_seen = true;
            total += scaled_fraction(fraction, scale)?;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// `0.fraction * scale`, rounded to the nearest.
fn scaled_fraction(fraction: &str, scale: i128) -> Option<i128> {
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = &fraction[..fraction.len().min(18)];
    let denominator = 10i128.pow(digits.len() as u32);
    Some((digits.parse::<i128>().ok()? * scale * 2 + denominator) / (denominator * 2))
}

/// Nanoseconds since midnight (`12:30:05.25`).
fn time_of_day(text: &str) -> Option<i64> {
    let text = text.replace('_', "");
    let parts: Vec<&str> = text.split(':').collect();
    if parts.len() != 3 && parts.len() != 2 {
        return None;
    }
    let hours: i64 = parts[0].parse().ok()?;
    let minutes: i64 = parts[1].parse().ok()?;
    let (seconds, fraction) = match parts.get(2).and_then(|s| s.split_once('.')) {
        Some((seconds, fraction)) => (seconds, fraction),
        None => (parts.get(2).copied().unwrap_or("0"), "0"),
    };
    let seconds: i64 = seconds.parse().ok()?;
    if !(0..24).contains(&hours) || !(0..60).contains(&minutes) || !(0..60).contains(&seconds) {
        return None;
    }
    let fraction = scaled_fraction(fraction, 1_000_000_000)? as i64;
    Some(((hours * 60 + minutes) * 60 + seconds) * 1_000_000_000 + fraction)
}

/// Days since 1970-01-01 of a date that exists.
fn days(text: &str) -> Option<i64> {
    let text = text.replace('_', "");
    let mut parts = text.split('-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next()?.parse().ok()?;
    let day: i64 = parts.next()?.parse().ok()?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=longest).contains(&day) || !(1678..=2261).contains(&year) {
        return None;
    }
    // Days from civil: years begin in March so that the leap day is the last one.
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// Nanoseconds of a date, time of day or both.
pub(crate) fn date(of: Elementary, text: &str) -> Option<i64> {
    const DAY_NS: i64 = 86_400_000_000_000;
    match of {
        Elementary::Date | Elementary::Ldate => Some(days(text)? * DAY_NS),
        Elementary::Tod | Elementary::Ltod => time_of_day(text),
        _ => {
            let split = text.match_indices('-').nth(2)?.0;
            days(&text[..split])?.checked_mul(DAY_NS)?.checked_add(time_of_day(&text[split + 1..])?)
        }
    }
}

/// The code units of a string literal's inside. `Err`: byte offset of the bad escape or character.
pub(crate) fn string(inside: &str, wide: bool) -> Result<Vec<u16>, usize> {
    let mut units = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(c) = rest.chars().next() {
        let at = inside.len() - rest.len();
        if c != '$' {
            if wide {
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
            } else {
                // A STRING is UTF-8 at its outside edges, so its bytes are kept as they are.
                units.extend(c.encode_utf8(&mut [0; 4]).bytes().map(u16::from));
            }
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let escape = rest[1..].chars().next().ok_or(at)?;
        let single = match escape.to_ascii_uppercase() {
            '$' | '\'' | '"' => Some(escape as u16),
            'L' | 'N' => Some(10),
            'P' => Some(12),
            'R' => Some(13),
            'T' => Some(9),
            _ => None,
        };
        let length = if let Some(unit) = single {
            units.push(unit);
            2
        } else {
            let digits = if wide { 4 } else { 2 };
            let text = rest.get(1..=digits).ok_or(at)?;
            if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(at);
            }
            units.push(u16::from_str_radix(text, 16).map_err(|_| at)?);
            1 + digits
        };
        rest = &rest[length..];
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("1d2h"), Some(93_600_000_000_000));
        assert_eq!(duration("-5ms"), Some(-5_000_000));
        assert_eq!(duration("2.5s"), Some(2_500_000_000));
        assert_eq!(duration("90m"), Some(5_400_000_000_000));
        assert_eq!(duration("1_000us500ns"), Some(1_000_500));
        for bad in ["", "5", "5x", "1s1h", "1.5h3m", "1s1s", "999999999999d"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date(Elementary::Date, "1970-01-02"), Some(86_400_000_000_000));
        assert_eq!(date(Elementary::Date, "2000-02-29"), Some(951_782_400_000_000_000));
        assert_eq!(date(Elementary::Date, "1900-02-29"), None);
        assert_eq!(date(Elementary::Tod, "12:30:00.5"), Some(45_000_500_000_000));
        assert_eq!(date(Elementary::Dt, "1970-01-01-00:00:01"), Some(1_000_000_000));
        assert_eq!(date(Elementary::Dt, "1970-01-01"), None);
    }

    #[test]
    fn numbers_and_strings() {
        assert_eq!(integer("16#FF_FF"), Some(0xFFFF));
        assert_eq!(integer("2#102"), None);
        assert_eq!(integer("99999999999999999999"), None);
        assert_eq!(string("a$N$41$$", false), Ok(vec![97, 10, 0x41, 36]));
        assert_eq!(string("$0041", true), Ok(vec![0x41]));
        assert_eq!(string("ab$Q", false), Err(2));
        assert_eq!(string("$4é", false), Err(0));
    }
}
