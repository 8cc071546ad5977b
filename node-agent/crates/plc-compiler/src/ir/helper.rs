//! What the IR asks of the engine's run-time library.

/// Routines of the engine. `ptr,cap` is a string variable: its address and capacity (an `I64`) in code units.
/// Strings in memory are a `u16` length followed by the units (`wide`: two bytes a unit).
/// A position or length argument is an `I64`. Results are cut at the destination's capacity; a destination
/// may overlap a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Helper {
    /// `(f) -> f`, same float type.
    Math(MathFn),
    /// `(base, exponent) -> f`, same float type.
    Pow,
    /// `(y, x) -> f`, same float type.
    Atan2,
    /// `(base I64, exponent I64) -> I64`, wrapping; a negative exponent gives 0 unless base is 1 or -1.
    IntPow,
    /// `(to, to_cap, from)`: assign, cut at the capacity.
    StrAssign {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, a, b)`
    StrConcat {
        /// WSTRING.
        wide: bool,
    },
    /// `(s) -> I64`
    StrLen {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, count)`
    StrLeft {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, count)`
    StrRight {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, count, position)`
    StrMid {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, inserted, position)`
    StrInsert {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, count, position)`
    StrDelete {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, s, replacement, count, position)`
    StrReplace {
        /// WSTRING.
        wide: bool,
    },
    /// `(s, pattern) -> I64`, 1-based, 0 = absent or empty pattern.
    StrFind {
        /// WSTRING.
        wide: bool,
    },
    /// `(a, b) -> I64`: negative, 0, positive; by code unit, a prefix is less.
    StrCompare {
        /// WSTRING.
        wide: bool,
    },
    /// `(s, position I64) -> I8 or I16`: 1-based; beyond LEN faults `IndexOutOfBounds`.
    StrGet {
        /// WSTRING.
        wide: bool,
    },
    /// `(s, position I64, unit)`: as [`Helper::StrGet`].
    StrSet {
        /// WSTRING.
        wide: bool,
    },
    /// `(to, to_cap, value)`: a value as its plain literal (plc-engine §2.5). The value is an `I64`
    /// (BOOL, integers zero- or sign-extended, times in ns) or a float of its own type.
    ToString {
        /// How to write it.
        format: TextFormat,
        /// WSTRING destination.
        wide: bool,
    },
    /// `(s) -> I64 or F32 or F64`: skip blanks, longest valid literal, else 0.
    FromString {
        /// What to read.
        format: TextFormat,
        /// WSTRING source.
        wide: bool,
    },
    /// `(s) -> I64`: 1 if all of it is one literal that [`Helper::FromString`] reads, else 0.
    TextIsLiteral {
        /// What it should be.
        format: TextFormat,
        /// WSTRING source.
        wide: bool,
    },
    /// `(to, to_cap, from)`: STRING to WSTRING or back (`to_wide`), units that do not fit become `?`.
    StrConvert {
        /// Destination is WSTRING.
        to_wide: bool,
    },
    /// `(condition I8)`: fault `AssertionFailed` when 0.
    Assert,
}

/// Mathematical functions of one argument; the system's libm in every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the functions")]
pub enum MathFn {
    Sqrt,
    Ln,
    Log10,
    Exp,
    Sin,
    Cos,
    Tan,
    Asin,
    Acos,
    Atan,
    Round,
    Floor,
    Ceil,
    Trunc,
}

/// How a value is written as text, or read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextFormat {
    /// `TRUE`, `FALSE`.
    Bool,
    /// Decimal, signed.
    Signed,
    /// Decimal, unsigned.
    Unsigned,
    /// REAL, shortest digits that read back.
    Real,
    /// LREAL, shortest digits that read back.
    Lreal,
    /// `T#1s500ms`.
    Time,
    /// `LTIME#1s500ms`.
    Ltime,
    /// `D#2026-11-21`.
    Date,
    /// `TOD#12:30:00`.
    TimeOfDay,
    /// `DT#2026-11-21-12:30:00`.
    DateTime,
    /// One character.
    Char,
}
