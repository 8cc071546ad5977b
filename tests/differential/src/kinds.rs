//! The elementary types, as far as the generator must know them.

use crate::choices::Choices;

/// A type of a variable or an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Bool,
    Dint,
    Sint,
    Lint,
    Usint,
    Uint,
    Udint,
    Ulint,
    Byte,
    Word,
    Dword,
    Lword,
    Real,
    Lreal,
    Time,
    Text,
}

use Kind::{
    Bool, Byte, Dint, Dword, Int, Lint, Lreal, Lword, Real, Sint, Text, Time, Udint, Uint, Ulint, Usint, Word,
};

pub(crate) const ALL: [Kind; 17] = [
    Int, Bool, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal, Time, Text,
];
/// Types that arithmetic is done in.
pub(crate) const INTEGERS: [Kind; 8] = [Int, Dint, Sint, Lint, Usint, Uint, Udint, Ulint];
pub(crate) const NUMBERS: [Kind; 14] =
    [Int, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Int => "INT",
            Bool => "BOOL",
            Dint => "DINT",
            Sint => "SINT",
            Lint => "LINT",
            Usint => "USINT",
            Uint => "UINT",
            Udint => "UDINT",
            Ulint => "ULINT",
            Byte => "BYTE",
            Word => "WORD",
            Dword => "DWORD",
            Lword => "LWORD",
            Real => "REAL",
            Lreal => "LREAL",
            Time => "TIME",
            Text => "STRING",
        }
    }

    /// As declared: strings have a length of their own.
    pub(crate) fn declared(self) -> &'static str {
        if self == Text { "STRING[12]" } else { self.name() }
    }

    pub(crate) fn is_integer(self) -> bool {
        INTEGERS.contains(&self)
    }

    /// More than 8 bits.
    pub(crate) fn is_wide(self) -> bool {
        self.bits() > 8
    }

    pub(crate) fn is_bits(self) -> bool {
        matches!(self, Byte | Word | Dword | Lword)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Real | Lreal)
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Int | Dint | Sint | Lint)
    }

    fn bits(self) -> u32 {
        match self {
            Sint | Usint | Byte => 8,
            Int | Uint | Word => 16,
            Dint | Udint | Dword => 32,
            _ => 64,
        }
    }

    /// A literal, often one at an edge.
    pub(crate) fn literal(self, choices: &mut Choices<'_>) -> String {
        let name = self.name();
        match self {
            Bool => choices.of(&["FALSE", "TRUE"]).to_owned(),
            Real | Lreal => {
                let value =
                    choices.of(&["0.0", "1.0", "-1.0", "1.5", "0.1", "-2.5", "3.0E9", "1.0E-30", "1.0E30"]);
                format!("{name}#{value}")
            }
            Time => choices.of(&["T#0s", "T#10ms", "T#25ms", "T#-5ms", "T#1h", "T#7ns"]).to_owned(),
            Text => {
                choices.of(&["''", "'a'", "'abc'", "'12.5'", "'-7'", "'abcdefghijklmnop'", "'ca'"]).to_owned()
            }
            _ => {
                let bits = self.bits();
                let (low, high) = if self.is_signed() {
                    (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
                } else {
                    (0, (1_i128 << bits) - 1)
                };
                let value = match choices.below(8) {
                    0 => 0,
                    1 => 1,
                    2 => 2 + choices.below(12) as i128,
                    3 if low < 0 => -1,
                    4 => high,
                    5 => low,
                    _ => (choices.below(65_536) as i128 * 7_919).clamp(low, high),
                };
                format!("{name}#{value}")
            }
        }
    }
}
