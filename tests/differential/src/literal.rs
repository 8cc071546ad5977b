//! Literals, most of them at an edge.

use crate::choices::Choices;
use crate::kinds::Kind;

const FLOATS: [&str; 16] = [
    "0.0",
    "1.0",
    "-1.0",
    "-0.0",
    "1.5",
    "0.1",
    "-2.5",
    "2147483648.0",
    "-9.2233720368547758E18",
    "1.0E-30",
    "1.0E30",
    "16777217.0",
    "3.4028235E38",
    "1.0E-45",
    "255.5",
    "-32768.5",
];
const LONG_FLOATS: [&str; 5] =
    ["1.7976931348623157E308", "-5.0E-324", "1.8446744073709552E19", "0.3", "9007199254740993.0"];
const TEXTS: [&str; 8] = ["''", "'a'", "'abc'", "'12.5'", "'-7'", "'abcdefghijklmnop'", "'ca'", "'  16#FFx'"];
const WIDE_TEXTS: [&str; 6] = ["\"\"", "\"a\"", "\"abc\"", "\"$20AC7\"", "\"-12\"", "\"abcdefghijkl\""];

impl Kind {
    /// A literal of this type.
    pub(crate) fn literal(self, choices: &mut Choices<'_>) -> String {
        let name = self.name();
        match self {
            Self::Bool => choices.of(&["FALSE", "TRUE"]).to_owned(),
            Self::Lreal if choices.percent(25) => format!("LREAL#{}", choices.of(&LONG_FLOATS)),
            Self::Real | Self::Lreal => format!("{name}#{}", choices.of(&FLOATS)),
            Self::Time | Self::Ltime => {
                let value = choices.of(&[
                    "0s", "10ms", "25ms", "-5ms", "1h", "7ns", "106751d", "-106751d", "-1ns", "1s500ms",
                    "30ms",
                ]);
                format!("{name}#{value}")
            }
            Self::Date => choices
                .of(&["D#1970-01-01", "D#2024-02-29", "D#1969-12-31", "D#2261-12-31", "D#2000-03-01"])
                .to_owned(),
            Self::Tod => {
                choices.of(&["TOD#00:00:00", "TOD#23:59:59.999999999", "TOD#12:30:05.25"]).to_owned()
            }
            Self::Dt => choices
                .of(&["DT#1970-01-01-00:00:00", "DT#2026-11-21-08:00:00.5", "DT#1969-12-31-23:59:59"])
                .to_owned(),
            Self::Char => format!("CHAR#{}", choices.of(&["'a'", "'b'", "'7'", "'$00'", "'$FF'"])),
            Self::Wchar => format!("WCHAR#{}", choices.of(&["\"a\"", "\"7\"", "\"$20AC\""])),
            Self::Text => choices.of(&TEXTS).to_owned(),
            Self::Wtext => choices.of(&WIDE_TEXTS).to_owned(),
            Self::Mode => format!("Mode#{}", choices.of(&["idle", "run", "stop"])),
            Self::Level => format!("Level#{}", choices.of(&["low", "mid", "high"])),
            _ => format!("{name}#{}", self.number(choices)),
        }
    }

    /// A value of an integer or a bit string.
    pub(crate) fn number(self, choices: &mut Choices<'_>) -> i128 {
        let (low, high) = self.limits();
        let value = match choices.below(12) {
            0 => 0,
            1 => 1,
            2 | 3 => 2 + choices.below(12) as i128,
            4 => -1,
            5 => high,
            6 => low,
            7 => 1 << choices.below(self.bits() as usize),
            8 => (1 << choices.below(self.bits() as usize)) - 1,
            9 => -(1 << choices.below(self.bits() as usize)),
            10 => high - choices.below(4) as i128,
            _ => choices.below(65_536) as i128 * 7_919,
        };
        value.clamp(low, high)
    }
}
