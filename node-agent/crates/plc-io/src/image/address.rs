//! Direct addresses (IEC 61131-3, table 16) and the bits that they cover.

use std::fmt;
use std::str::FromStr;

/// Most bytes that one area of an image can have.
pub const MAX_IMAGE_BYTES: u32 = 65_536;

/// An area of the process image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// `%I`: filled by drivers, read by programs.
    Input,
    /// `%Q`: written by programs, sent by drivers.
    Output,
    /// `%M`: belongs to programs alone.
    Memory,
}

impl Area {
    const fn letter(self) -> char {
        match self {
            Self::Input => 'I',
            Self::Output => 'Q',
            Self::Memory => 'M',
        }
    }
}

/// How much of an image one address covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// `X`: one bit.
    Bit,
    /// `B`: 8 bits.
    Byte,
    /// `W`: 16 bits.
    Word,
    /// `D`: 32 bits.
    DWord,
    /// `L`: 64 bits.
    LWord,
}

impl Width {
    /// Number of bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Bit => 1,
            Self::Byte => 8,
            Self::Word => 16,
            Self::DWord => 32,
            Self::LWord => 64,
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Bit => 'X',
            Self::Byte => 'B',
            Self::Word => 'W',
            Self::DWord => 'D',
            Self::LWord => 'L',
        }
    }
}

/// A complete direct address. Images are little-endian byte arrays: `%IW3` is bytes 6 and 7 of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    area: Area,
    width: Width,
    /// First byte.
    byte: u32,
    /// Bit in that byte; 0 for everything wider than a bit.
    bit: u8,
}

/// Why a text is not a usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not have the form of an address.
    #[error(
        "{0:?} is not an address: write %, an area (I, Q, M), a width (X, B, W, D, L) and a number, such as %IX5.2 or %QW3"
    )]
    Malformed(String),
    /// `%I*` and the like.
    #[error("{0:?} leaves the place open, here it has to be complete, such as %IX5.2")]
    Incomplete(String),
    /// The bit is not one of a byte.
    #[error("{text:?} asks for bit {bit}: a byte has bits 0 to 7")]
    NoSuchBit {
        /// The address as it was written.
        text: String,
        /// The bit it asked for.
        bit: u32,
    },
    /// A bit number behind something wider than a bit.
    #[error("{0:?} has a bit number, which only addresses of width X have")]
    BitOfWider(String),
    /// Too far up.
    #[error("{text:?} lies behind the end of the image, which has {MAX_IMAGE_BYTES} bytes")]
    OutOfImage {
        /// The address as it was written.
        text: String,
    },
}

impl Address {
    /// The area it lies in.
    pub const fn area(self) -> Area {
        self.area
    }

    /// How much it covers.
    pub const fn width(self) -> Width {
        self.width
    }

    /// Its first byte in the area.
    pub const fn byte(self) -> u32 {
        self.byte
    }

    /// Its bit in that byte; 0 for everything wider than a bit.
    pub const fn bit(self) -> u8 {
        self.bit
    }

    /// The bits it covers.
    pub const fn bits(self) -> BitRange {
        self.elements(1)
    }

    /// The bits that `count` neighbours of its width cover, beginning with itself.
    pub const fn elements(self, count: u32) -> BitRange {
        let start = self.byte as u64 * 8 + self.bit as u64;
        BitRange { area: self.area, start, len: self.width.bits() as u64 * count as u64 }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let malformed = || AddressError::Malformed(text.to_owned());
        let mut rest = text.strip_prefix('%').ok_or_else(malformed)?.chars();
        let area = match rest.next().map(|letter| letter.to_ascii_uppercase()) {
            Some('I') => Area::Input,
            Some('Q') => Area::Output,
            Some('M') => Area::Memory,
            _ => return Err(malformed()),
        };
        let numbers = rest.as_str();
        let width = rest.next().map(|letter| letter.to_ascii_uppercase());
        let (width, numbers) = match width {
            Some('X') => (Width::Bit, rest.as_str()),
            Some('B') => (Width::Byte, rest.as_str()),
            Some('W') => (Width::Word, rest.as_str()),
            Some('D') => (Width::DWord, rest.as_str()),
            Some('L') => (Width::LWord, rest.as_str()),
            _ => (Width::Bit, numbers),
        };
        if numbers == "*" {
            return Err(AddressError::Incomplete(text.to_owned()));
        }
        let (index, bit) = match numbers.split_once('.') {
            Some((index, bit)) => (index, Some(bit)),
            None => (numbers, None),
        };
        let number = |digits: &str| -> Result<u32, AddressError> {
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(malformed());
            }
            digits.parse().map_err(|_| AddressError::OutOfImage { text: text.to_owned() })
        };
        let index = number(index)?;
        let bit = bit.map(number).transpose()?;
        let (byte, bit) = match (width, bit) {
            (Width::Bit, Some(bit)) if bit > 7 => {
                return Err(AddressError::NoSuchBit { text: text.to_owned(), bit });
            }
            (Width::Bit, Some(bit)) => (u64::from(index), bit as u8),
            // A number alone counts bits.
            (Width::Bit, None) => (u64::from(index / 8), (index % 8) as u8),
            (_, Some(_)) => return Err(AddressError::BitOfWider(text.to_owned())),
            (_, None) => (u64::from(index) * u64::from(width.bits() / 8), 0),
        };
        let last = byte + u64::from(width.bits().div_ceil(8));
        if last > u64::from(MAX_IMAGE_BYTES) {
            return Err(AddressError::OutOfImage { text: text.to_owned() });
        }
        Ok(Self { area, width, byte: byte as u32, bit })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (area, width) = (self.area.letter(), self.width.letter());
        match self.width {
            Width::Bit => write!(f, "%{area}{width}{}.{}", self.byte, self.bit),
            _ => write!(f, "%{area}{width}{}", self.byte / (self.width.bits() / 8)),
        }
    }
}

/// Neighbouring bits of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BitRange {
    /// The area they lie in.
    pub area: Area,
    /// The first bit, counted from the begin of the area.
    pub start: u64,
    /// How many.
    pub len: u64,
}

impl BitRange {
    /// The bit behind the last one.
    pub const fn end(self) -> u64 {
        self.start + self.len
    }

    /// Whether it lies within the largest image.
    pub const fn fits(self) -> bool {
        self.end() <= MAX_IMAGE_BYTES as u64 * 8
    }

    /// The bits that both cover.
    pub fn overlap(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.end().min(other.end());
        (self.area == other.area && start < end).then(|| Self { area: self.area, start, len: end - start })
    }
}

impl fmt::Display for BitRange {
    /// As addresses: whole bytes as such, everything else bit by bit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let area = self.area.letter();
        let last = self.end().saturating_sub(1);
        let whole = self.start.is_multiple_of(8) && self.len.is_multiple_of(8);
        match (whole, self.len) {
            (true, 8) => write!(f, "%{area}B{}", self.start / 8),
            (true, _) => write!(f, "%{area}B{} to %{area}B{}", self.start / 8, last / 8),
            (false, 1) => write!(f, "%{area}X{}.{}", self.start / 8, self.start % 8),
            (false, _) => {
                let (first, last) = ((self.start / 8, self.start % 8), (last / 8, last % 8));
                write!(f, "%{area}X{}.{} to %{area}X{}.{}", first.0, first.1, last.0, last.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_of_table_16() {
        for (text, byte, bit, bits, canonical) in [
            ("%IX5.2", 5, 2, 1, "%IX5.2"),
            ("%ix5.2", 5, 2, 1, "%IX5.2"),
            ("%I5.2", 5, 2, 1, "%IX5.2"),
            ("%IX5", 0, 5, 1, "%IX0.5"),
            ("%QX13", 1, 5, 1, "%QX1.5"),
            ("%QB7", 7, 0, 8, "%QB7"),
            ("%IW3", 6, 0, 16, "%IW3"),
            ("%MD1", 4, 0, 32, "%MD1"),
            ("%ML2", 16, 0, 64, "%ML2"),
            ("%IW32767", 65_534, 0, 16, "%IW32767"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.byte(), address.bit(), address.width().bits()), (byte, bit, bits), "{text}");
            assert_eq!(address.to_string(), canonical);
        }
    }

    #[test]
    fn what_is_no_address_is_said_to_be_none() {
        for text in [
            "", "%", "IX0.0", "%Z1", "%IXW1", "%IX", "%IX0.", "%IX.1", "%IX-1", "%IX 1", "%IX+1", "%I١",
            "%IX0.0.0",
        ] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::Malformed(_))), "{text}");
        }
        assert!(matches!("%IX0.8".parse::<Address>(), Err(AddressError::NoSuchBit { bit: 8, .. })));
        assert!(matches!("%QW1.0".parse::<Address>(), Err(AddressError::BitOfWider(_))));
        assert!(matches!("%Q*".parse::<Address>(), Err(AddressError::Incomplete(_))));
        assert!(matches!("%QW*".parse::<Address>(), Err(AddressError::Incomplete(_))));
        for text in ["%IB65536", "%IW32768", "%IX99999999999999", "%IL4294967295"] {
            assert!(matches!(text.parse::<Address>(), Err(AddressError::OutOfImage { .. })), "{text}");
        }
    }

    #[test]
    fn overlaps_are_found_and_named() {
        let range = |text: &str, count| text.parse::<Address>().unwrap().elements(count);
        assert_eq!(range("%IW3", 1).overlap(range("%IX6.7", 1)).unwrap().to_string(), "%IX6.7");
        assert_eq!(range("%IW3", 2).overlap(range("%ID2", 1)).unwrap().to_string(), "%IB8 to %IB9");
        assert_eq!(range("%IX0.6", 4).to_string(), "%IX0.6 to %IX1.1");
        assert_eq!(range("%IW3", 1).overlap(range("%QW3", 1)), None);
        assert_eq!(range("%IW3", 1).overlap(range("%IW4", 1)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in "%?[IQMx]?[XBWDL]?[0-9.*]{0,12}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert!(address.bits().fits());
                prop_assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            }
        }
    }
}
