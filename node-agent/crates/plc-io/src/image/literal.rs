//! Values that a user writes for an address: IEC literals, as the bits that go into the image.

use super::Width;

/// Why a text is no value for an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LiteralError {
    /// Not a literal that has bits.
    #[error(
        "{0:?} is not a value: write TRUE, FALSE, a number such as -12, 16#FF or 1.5, or a typed one such as INT#0"
    )]
    Malformed(String),
    /// A type that values at addresses cannot have.
    #[error("{text:?}: values at addresses cannot have the type {type_name}")]
    UnknownType {
        /// The literal as it was written.
        text: String,
        /// The type in it.
        type_name: String,
    },
    /// The type and the address are of different width.
    #[error("{text:?} has {found} bits, the address has {expected}")]
    WrongWidth {
        /// The literal as it was written.
        text: String,
        /// Bits of the address.
        expected: u32,
        /// Bits of the literal's type.
        found: u32,
    },
    /// Too large or too small.
    #[error("{text:?} does not fit into {bits} bits")]
    OutOfRange {
        /// The literal as it was written.
        text: String,
        /// Bits there are.
        bits: u32,
    },
}

enum Kind {
    Bits,
    Signed,
    Unsigned,
    Float,
}

/// Bits and kind of the elementary types that can stand at an address.
fn elementary(name: &str) -> Option<(u32, Kind)> {
    Some(match name {
        "BOOL" => (1, Kind::Bits),
        "BYTE" => (8, Kind::Bits),
        "WORD" => (16, Kind::Bits),
        "DWORD" => (32, Kind::Bits),
        "LWORD" => (64, Kind::Bits),
        "SINT" => (8, Kind::Signed),
        "INT" => (16, Kind::Signed),
        "DINT" => (32, Kind::Signed),
        "LINT" => (64, Kind::Signed),
        "USINT" => (8, Kind::Unsigned),
        "UINT" => (16, Kind::Unsigned),
        "UDINT" => (32, Kind::Unsigned),
        "ULINT" => (64, Kind::Unsigned),
        "REAL" => (32, Kind::Float),
        "LREAL" => (64, Kind::Float),
        _ => return None,
    })
}

/// The bits of a literal for an address of `width`, in the low bits of the result.
///
/// A number without a type may be anything of that width: signed, unsigned, and with a point or an exponent REAL for
/// `D` and LREAL for `L`.
pub fn parse_literal(text: &str, width: Width) -> Result<u64, LiteralError> {
    let bits = width.bits();
    let malformed = || LiteralError::Malformed(text.to_owned());
    let upper = text.trim().to_ascii_uppercase();
    let (type_name, value) = match upper.split_once('#') {
        Some((prefix, value)) if prefix.starts_with(|letter: char| letter.is_ascii_alphabetic()) => {
            (Some(prefix), value)
        }
        _ => (None, upper.as_str()),
    };
    let kind = match type_name {
        Some(type_name) => {
            let unknown =
                || LiteralError::UnknownType { text: text.to_owned(), type_name: type_name.to_owned() };
            let (found, kind) = elementary(type_name).ok_or_else(unknown)?;
            if found != bits {
                return Err(LiteralError::WrongWidth { text: text.to_owned(), expected: bits, found });
            }
            Some(kind)
        }
        None => None,
    };
    let boolean = match value {
        "TRUE" => Some(1),
        "FALSE" => Some(0),
        _ => None,
    };
    if let Some(value) = boolean {
        return match bits {
            1 => Ok(value),
            _ => Err(LiteralError::WrongWidth { text: text.to_owned(), expected: bits, found: 1 }),
        };
    }
    let is_float = !value.contains('#') && value.contains(['.', 'E']);
    if is_float || matches!(kind, Some(Kind::Float)) {
        let number: f64 =
            digits_only(value, "+-.E").and_then(|value| value.parse().ok()).ok_or_else(malformed)?;
        return match (bits, &kind) {
            (32, None | Some(Kind::Float)) if (number as f32).is_finite() => {
                Ok(u64::from((number as f32).to_bits()))
            }
            (64, None | Some(Kind::Float)) if number.is_finite() => Ok(number.to_bits()),
            (32 | 64, None | Some(Kind::Float)) => {
                Err(LiteralError::OutOfRange { text: text.to_owned(), bits })
            }
            _ => Err(malformed()),
        };
    }
    let number = integer(value).ok_or_else(malformed)?;
    let (lowest, highest) = match kind {
        Some(Kind::Signed) => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
        Some(_) => (0, (1_i128 << bits) - 1),
        None if bits == 1 => (0, 1),
        None => (-(1_i128 << (bits - 1)), (1_i128 << bits) - 1),
    };
    if !(lowest..=highest).contains(&number) {
        return Err(LiteralError::OutOfRange { text: text.to_owned(), bits });
    }
    Ok(number as u64 & (u64::MAX >> (64 - bits)))
}

/// An integer with sign, base and underscores between digits.
fn integer(text: &str) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, digits) = match text.split_once('#') {
        Some((base, digits)) => (base.parse().ok().filter(|base| [2, 8, 16].contains(base))?, digits),
        None => (10, text),
    };
    let digits = digits_only(digits, "ABCDEF")?;
    let value = i128::from(u64::from_str_radix(&digits, base).ok()?);
    Some(if negative { -value } else { value })
}

/// Text without its underscores, if those stand between digits and everything else is a digit or `also`.
fn digits_only(text: &str, also: &str) -> Option<String> {
    let bad_underscore = text.starts_with('_') || text.ends_with('_') || text.contains("__");
    let known = text.chars().all(|letter| letter.is_ascii_digit() || letter == '_' || also.contains(letter));
    (known && !bad_underscore && text.contains(|letter: char| letter.is_ascii_hexdigit()))
        .then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_each_width() {
        for (text, width, expected) in [
            ("TRUE", Width::Bit, 1),
            ("false", Width::Bit, 0),
            ("BOOL#1", Width::Bit, 1),
            ("1", Width::Bit, 1),
            ("-1", Width::Byte, 0xff),
            ("255", Width::Byte, 0xff),
            ("INT#-12", Width::Word, 0xfff4),
            ("16#FFFF", Width::Word, 0xffff),
            ("UINT#16#FF", Width::Word, 0xff),
            ("2#1010_1010", Width::Byte, 0xaa),
            ("1.5", Width::DWord, u64::from(1.5_f32.to_bits())),
            ("REAL#2", Width::DWord, u64::from(2.0_f32.to_bits())),
            ("LREAL#-1.0E3", Width::LWord, (-1000.0_f64).to_bits()),
            ("18446744073709551615", Width::LWord, u64::MAX),
            ("-9223372036854775808", Width::LWord, 1 << 63),
        ] {
            assert_eq!(parse_literal(text, width), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        for (text, width) in [
            ("2", Width::Bit),
            ("-1", Width::Bit),
            ("256", Width::Byte),
            ("-129", Width::Byte),
            ("INT#40000", Width::Word),
            ("UINT#-1", Width::Word),
            ("1E39", Width::DWord),
        ] {
            assert!(matches!(parse_literal(text, width), Err(LiteralError::OutOfRange { .. })), "{text}");
        }
        for (text, width) in [("TRUE", Width::Word), ("INT#0", Width::Bit), ("DINT#0", Width::Word)] {
            assert!(matches!(parse_literal(text, width), Err(LiteralError::WrongWidth { .. })), "{text}");
        }
        for text in [
            "", "#", "INT#", "x", "1.5.5", "16#G", "7#1", "--1", "_1", "1__0", "- 1", "INF", "16#",
            "WORD#1.5",
        ] {
            assert!(matches!(parse_literal(text, Width::Word), Err(LiteralError::Malformed(_))), "{text}");
        }
        assert!(matches!(parse_literal("TIME#1s", Width::LWord), Err(LiteralError::UnknownType { .. })));
    }
}
