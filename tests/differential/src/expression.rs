//! Expressions of a given type.

use crate::kinds::{BITS, INTEGERS, Kind, NUMBERS, ORDERED, SCALARS};
use crate::place::Rights;
use crate::scope::Scope;

impl Scope<'_, '_> {
    pub(crate) fn expression(&mut self, kind: Kind, depth: u32) -> String {
        if depth == 0 || self.choices.spent() || self.choices.below(4) == 0 {
            return self.leaf(kind);
        }
        if self.choices.percent(14)
            && let Some(call) = self.call_of(kind, depth)
        {
            return call;
        }
        if self.choices.percent(9) {
            return self.selected(kind, depth);
        }
        match kind {
            Kind::Bool => self.condition(depth),
            Kind::Text | Kind::Wtext => self.text(kind, depth),
            Kind::Time | Kind::Ltime => self.time(kind, depth),
            Kind::Date | Kind::Tod | Kind::Dt => self.date(kind, depth),
            Kind::Real | Kind::Lreal => self.float(kind, depth),
            Kind::Byte | Kind::Word | Kind::Dword | Kind::Lword => self.bits(kind, depth),
            kind if kind.is_integer() => self.integer(kind, depth),
            kind => self.leaf(kind),
        }
    }

    pub(crate) fn leaf(&mut self, kind: Kind) -> String {
        if kind.is_integer()
            && self.choices.percent(30)
            && let Some((name, _, other)) = self.loops.last().cloned()
        {
            return if other == kind { name } else { format!("{}_TO_{}({name})", other.name(), kind.name()) };
        }
        if kind.is_aggregate() || self.choices.percent(78) {
            self.place(kind, Rights::READ)
        } else {
            kind.literal(&mut self.choices)
        }
    }

    pub(crate) fn pair(&mut self, kind: Kind, depth: u32) -> (String, String) {
        (self.expression(kind, depth - 1), self.expression(kind, depth - 1))
    }

    /// One of several values.
    fn selected(&mut self, kind: Kind, depth: u32) -> String {
        let (low, high) = self.pair(kind, depth);
        if kind.is_aggregate() {
            return low;
        }
        match self.choices.below(4) {
            1 => {
                let which = self.expression(Kind::Int, depth - 1);
                let third = self.leaf(kind);
                format!("MUX({which}, {low}, {high}, {third})")
            }
            2 if ORDERED.contains(&kind) && !kind.is_bits() => {
                let value = self.expression(kind, depth - 1);
                format!("LIMIT({low}, {value}, {high})")
            }
            3 if ORDERED.contains(&kind) => {
                let which = self.choices.of(&["MIN", "MAX"]);
                format!("{which}({low}, {high})")
            }
            _ => {
                let which = self.expression(Kind::Bool, depth - 1);
                format!("SEL({which}, {low}, {high})")
            }
        }
    }

    pub(crate) fn condition(&mut self, depth: u32) -> String {
        match self.choices.below(12) {
            0..4 => {
                let kind = self.choices.of(&ORDERED);
                let compare = self.choices.of(&["=", "<>", "<", "<=", ">", ">="]);
                let (a, b) = self.pair(kind, depth);
                format!("({a} {compare} {b})")
            }
            4 => format!("(NOT {})", self.expression(Kind::Bool, depth - 1)),
            5 => {
                let kind = self.choices.of(&[Kind::Mode, Kind::Bool, Kind::Mode]);
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["=", "<>"]))
            }
            6 => self.standard_output("Q").unwrap_or_else(|| self.leaf(Kind::Bool)),
            7 => {
                let kind = self.choices.of(&ORDERED[..14]);
                let (a, b) = self.pair(kind, depth);
                let third = self.leaf(kind);
                format!("{}({a}, {b}, {third})", self.choices.of(&["GT", "LE", "EQ"]))
            }
            8 => {
                let kind = self.choices.of(&[Kind::Real, Kind::Lreal]);
                let value = self.expression(kind, depth - 1);
                if self.choices.percent(50) {
                    format!("IS_VALID({value})")
                } else {
                    format!("({value} = {value})")
                }
            }
            _ => {
                let (a, b) = self.pair(Kind::Bool, depth);
                let word = self.choices.of(&["AND", "OR", "XOR", "AND_THEN", "OR_ELSE", "AND", "OR"]);
                format!("({a} {word} {b})")
            }
        }
    }

    fn integer(&mut self, kind: Kind, depth: u32) -> String {
        let name = kind.name();
        match self.choices.below(16) {
            0..5 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-", "*"]))
            }
            5 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} MOD {b})")
            }
            6 => {
                // Mostly by something that is not 0.
                let (a, b) = self.pair(kind, depth);
                match self.choices.below(6) {
                    5 => format!("({a} / {})", self.place(kind, Rights::READ)),
                    4 => match kind.number(&mut self.choices) {
                        0 => format!("({a} / {name}#3)"),
                        divisor => format!("({a} / {name}#{divisor})"),
                    },
                    3 if kind.is_signed() => format!("({a} / {name}#-1)"),
                    _ => format!("({a} / MAX({b}, {name}#1))"),
                }
            }
            7 if kind.is_signed() => format!("(-{})", self.leaf(kind)),
            8 => {
                let (a, b) = self.pair(kind, depth);
                format!("{}({a}, {b})", self.choices.of(&["MIN", "MAX"]))
            }
            9 if kind == Kind::Int => {
                let text = self.choices.of(&[Kind::Text, Kind::Wtext]);
                let (a, b) = self.pair(text, depth);
                if self.choices.percent(50) { format!("LEN({a})") } else { format!("FIND({a}, {b})") }
            }
            10 if kind == Kind::Dint => {
                let rounded = self.choices.of(&["FLOOR", "CEIL", "ROUND", "TRUNC"]);
                format!("{rounded}({})", self.expression(Kind::Real, depth - 1))
            }
            10 if kind.is_signed() => format!("ABS({})", self.expression(kind, depth - 1)),
            11 => {
                let small = self.choices.below(5);
                format!("({} ** {small})", self.expression(kind, depth - 1))
            }
            12 if !kind.narrower().is_empty() => {
                let narrow = self.choices.of(kind.narrower());
                let (a, b) = self.pair(narrow, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "*", "-"]))
            }
            13 => {
                let shift = self.choices.of(&["SHL", "SHR", "ROL", "ROR"]);
                let value = self.expression(kind, depth - 1);
                format!("{shift}({value}, {})", self.choices.below(70))
            }
            _ => {
                let from = self.choices.of(&SCALARS);
                self.converted(from, kind, depth)
            }
        }
    }

    pub(crate) fn converted(&mut self, from: Kind, to: Kind, depth: u32) -> String {
        let same_width_bits = to.is_float() && from.is_bits() || from.is_float() && to.is_bits();
        if from == to || same_width_bits || (from == Kind::Time) != (to == Kind::Time) && !to.is_integer() {
            return self.expression(to, depth - 1);
        }
        if from == Kind::Real && to.is_integer() && self.choices.percent(30) {
            return format!("REAL_TRUNC_{}({})", to.name(), self.expression(from, depth - 1));
        }
        let inner = self.expression(from, depth - 1);
        format!("{}_TO_{}({inner})", from.name(), to.name())
    }

    fn bits(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(9) {
            0..3 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["AND", "OR", "XOR"]))
            }
            3 => format!("(NOT {})", self.expression(kind, depth - 1)),
            4 | 5 => {
                let shift = self.choices.of(&["SHL", "SHR", "ROL", "ROR"]);
                let value = self.expression(kind, depth - 1);
                let count = if self.choices.percent(50) {
                    self.choices.below(70).to_string()
                } else {
                    self.expression(Kind::Int, depth - 1)
                };
                format!("{shift}({value}, {count})")
            }
            6 => {
                let value = self.expression(kind, depth - 1);
                match kind {
                    Kind::Dword if self.choices.percent(50) => {
                        format!("REAL_TO_DWORD({})", self.expression(Kind::Real, depth - 1))
                    }
                    Kind::Lword if self.choices.percent(50) => {
                        format!("LREAL_TO_LWORD({})", self.expression(Kind::Lreal, depth - 1))
                    }
                    _ => format!("TO_BIG_ENDIAN({value})"),
                }
            }
            7 => {
                let wider = self.choices.of(&BITS);
                self.converted(wider, kind, depth)
            }
            _ => {
                let from = self.choices.of(&INTEGERS);
                self.converted(from, kind, depth)
            }
        }
    }

    fn float(&mut self, kind: Kind, depth: u32) -> String {
        let value = self.float_operation(kind, depth);
        self.float_value(kind, value)
    }

    fn float_operation(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(11) {
            0..5 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-", "*", "/"]))
            }
            5 => {
                let f = self.choices.of(&[
                    "SQRT", "ABS", "SIN", "COS", "EXP", "LN", "ATAN", "LOG", "TAN", "ASIN", "ACOS", "SQRT",
                ]);
                format!("{f}({})", self.expression(kind, depth - 1))
            }
            6 => {
                let (a, b) = self.pair(kind, depth);
                format!("{}({a}, {b})", self.choices.of(&["MIN", "MAX", "ATAN2", "EXPT"]))
            }
            7 => format!("(-{})", self.leaf(kind)),
            8 => match kind {
                Kind::Real => format!("DWORD_TO_REAL({})", self.expression(Kind::Dword, depth - 1)),
                _ => format!("LWORD_TO_LREAL({})", self.expression(Kind::Lword, depth - 1)),
            },
            _ => {
                let from = self.choices.of(&NUMBERS);
                self.converted(from, kind, depth)
            }
        }
    }
}
