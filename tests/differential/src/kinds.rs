//! The types that programs are made of, as far as the generator must know them.

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
    Ltime,
    Date,
    Tod,
    Dt,
    Char,
    Wchar,
    Text,
    Wtext,
    /// An enumeration.
    Mode,
    /// Named values.
    Level,
    /// An array with a name.
    Row,
    /// A structure of scalars and an array.
    Inner,
    /// A structure whose members lie on each other.
    Both,
    /// A structure of all of that.
    Outer,
}

use Kind::{
    Bool, Both, Byte, Char, Date, Dint, Dt, Dword, Inner, Int, Level, Lint, Lreal, Ltime, Lword, Mode, Outer,
    Real, Row, Sint, Text, Time, Tod, Udint, Uint, Ulint, Usint, Wchar, Word, Wtext,
};

/// As often as they are to appear.
pub(crate) const COMMON: [Kind; 46] = [
    Int, Bool, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal, Time,
    Text, Int, Dint, Bool, Lreal, Real, Int, Dint, Lint, Bool, Sint, Udint, Ltime, Date, Tod, Dt, Char,
    Wchar, Wtext, Mode, Level, Row, Inner, Both, Outer, Word, Usint, Dint, Int, Bool,
];
/// Those of them that are neither dates nor aggregates.
pub(crate) const SCALARS: [Kind; 17] = [
    Int, Bool, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal, Time, Text,
];
/// Types that arithmetic is done in.
pub(crate) const INTEGERS: [Kind; 8] = [Int, Dint, Sint, Lint, Usint, Uint, Udint, Ulint];
/// Types with an order.
pub(crate) const ORDERED: [Kind; 24] = [
    Int, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal, Time, Ltime,
    Date, Tod, Dt, Char, Wchar, Text, Wtext, Int,
];
pub(crate) const NUMBERS: [Kind; 14] =
    [Int, Dint, Sint, Lint, Usint, Uint, Udint, Ulint, Byte, Word, Dword, Lword, Real, Lreal];
/// Bit strings.
pub(crate) const BITS: [Kind; 4] = [Byte, Word, Dword, Lword];

/// Declarations of the types that have to be declared, each before those that use it, longest name last.
pub(crate) const TYPES: [(&str, &str); 6] = [
    ("Mode", "Mode : (idle, run, stop);"),
    ("Level", "Level : USINT (low := 0, mid := 10, high := 200);"),
    ("Row", "Row : ARRAY[0..3] OF INT;"),
    (
        "Both",
        "Both : STRUCT OVERLAP l : LWORD; d : ARRAY[0..1] OF DINT; b : ARRAY[0..7] OF BYTE; y : LREAL; \
         i : ARRAY[0..3] OF INT; r : REAL; END_STRUCT;",
    ),
    ("Inner", "Inner : STRUCT x : DINT; y : LREAL; b : SINT; f : ARRAY[0..2] OF BOOL; END_STRUCT;"),
    (
        "Outer",
        "Outer : STRUCT i : Inner; s : STRING[12]; m : Mode; n : ARRAY[1..3] OF Inner; u : Both; \
         w : ARRAY[0..1, 0..2] OF UINT; r : Row; END_STRUCT;",
    ),
];

/// A member of a structure or an array: what stands behind the name, the bounds of its indices, its type.
pub(crate) type Member = (&'static str, &'static [(i64, i64)], Kind);

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
            Ltime => "LTIME",
            Date => "DATE",
            Tod => "TOD",
            Dt => "DT",
            Char => "CHAR",
            Wchar => "WCHAR",
            Text => "STRING",
            Wtext => "WSTRING",
            Mode => "Mode",
            Level => "Level",
            Row => "Row",
            Inner => "Inner",
            Both => "Both",
            Outer => "Outer",
        }
    }

    /// As declared: strings have a length of their own.
    pub(crate) fn declared(self) -> &'static str {
        match self {
            Text => "STRING[12]",
            Wtext => "WSTRING[9]",
            kind => kind.name(),
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        INTEGERS.contains(&self)
    }

    pub(crate) fn is_bits(self) -> bool {
        BITS.contains(&self)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Real | Lreal)
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Int | Dint | Sint | Lint)
    }

    pub(crate) fn is_aggregate(self) -> bool {
        matches!(self, Row | Inner | Both | Outer)
    }

    /// Of integers and bit strings.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Sint | Usint | Byte => 8,
            Int | Uint | Word => 16,
            Dint | Udint | Dword => 32,
            _ => 64,
        }
    }

    /// Least and greatest value of an integer or a bit string.
    pub(crate) fn limits(self) -> (i128, i128) {
        let bits = self.bits();
        if self.is_signed() {
            (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
        } else {
            (0, (1_i128 << bits) - 1)
        }
    }

    /// Integers that convert to this one by themselves.
    pub(crate) fn narrower(self) -> &'static [Kind] {
        match self {
            Int => &[Sint, Usint],
            Dint => &[Int, Uint, Sint],
            Lint => &[Dint, Udint, Int],
            Uint => &[Usint],
            Udint => &[Uint, Usint],
            Ulint => &[Udint, Uint],
            Word => &[Byte],
            Dword => &[Word, Byte],
            Lword => &[Dword, Word],
            Lreal => &[Real, Dint, Udint, Int],
            Real => &[Int, Uint],
            Ltime => &[Time],
            _ => &[],
        }
    }

    pub(crate) fn members(self) -> &'static [Member] {
        match self {
            Row => &[("", &[(0, 3)], Int)],
            Inner => &[(".x", &[], Dint), (".y", &[], Lreal), (".b", &[], Sint), (".f", &[(0, 2)], Bool)],
            Both => &[
                (".l", &[], Lword),
                (".d", &[(0, 1)], Dint),
                (".b", &[(0, 7)], Byte),
                (".y", &[], Lreal),
                (".i", &[(0, 3)], Int),
                (".r", &[], Real),
            ],
            Outer => &[
                (".i", &[], Inner),
                (".s", &[], Text),
                (".m", &[], Mode),
                (".n", &[(1, 3)], Inner),
                (".u", &[], Both),
                (".w", &[(0, 1), (0, 2)], Uint),
                (".r", &[], Row),
            ],
            _ => &[],
        }
    }
}
