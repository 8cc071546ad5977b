//! Expressions of times, dates and strings.

use crate::kinds::{Kind, SCALARS};
use crate::scope::Scope;

impl Scope<'_, '_> {
    pub(crate) fn time(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(9) {
            0 | 1 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-"]))
            }
            2 => self.standard_output("ET").filter(|_| kind == Kind::Time).unwrap_or_else(|| self.leaf(kind)),
            3 => {
                let a = self.expression(kind, depth - 1);
                let factor = self.choices.of(&[Kind::Int, Kind::Dint, Kind::Lreal, Kind::Real, Kind::Sint]);
                let b = self.expression(factor, depth - 1);
                format!("({a} * {b})")
            }
            4 => {
                let a = self.expression(kind, depth - 1);
                let divisor = self.choices.of(&[Kind::Int, Kind::Dint, Kind::Lreal, Kind::Real]);
                if divisor.is_float() || self.choices.percent(20) {
                    format!("({a} / {})", self.place(divisor, crate::place::Rights::READ))
                } else {
                    let b = self.expression(divisor, depth - 1);
                    format!("({a} / MAX({b}, {}#1))", divisor.name())
                }
            }
            5 if kind == Kind::Time => {
                let moment = self.choices.of(&[Kind::Date, Kind::Tod, Kind::Dt]);
                let (a, b) = self.pair(moment, depth);
                format!("({a} - {b})")
            }
            6 if kind == Kind::Time => "TIME()".to_owned(),
            7 if kind == Kind::Ltime => self.expression(Kind::Time, depth - 1),
            _ => {
                let from = self.choices.of(&[Kind::Dint, Kind::Real, Kind::Lint, Kind::Ulint, Kind::Lreal]);
                format!("{}_TO_{}({})", from.name(), kind.name(), self.expression(from, depth - 1))
            }
        }
    }

    pub(crate) fn date(&mut self, kind: Kind, depth: u32) -> String {
        let time = |scope: &mut Self| scope.expression(Kind::Time, depth - 1);
        let int = |scope: &mut Self| scope.expression(Kind::Int, depth - 1);
        match (kind, self.choices.below(4)) {
            (Kind::Tod | Kind::Dt, 0) => {
                let moment = self.expression(kind, depth - 1);
                format!("({moment} {} {})", self.choices.of(&["+", "-"]), time(self))
            }
            (Kind::Date, 0 | 1) => format!("CONCAT_DATE({}, {}, {})", int(self), int(self), int(self)),
            (Kind::Date, 2) => format!("DT_TO_DATE({})", self.expression(Kind::Dt, depth - 1)),
            (Kind::Tod, 1) => {
                format!("CONCAT_TOD({}, {}, {}, {})", int(self), int(self), int(self), int(self))
            }
            (Kind::Tod, 2) => format!("DT_TO_TOD({})", self.expression(Kind::Dt, depth - 1)),
            (Kind::Dt, 1) => {
                let date = self.expression(Kind::Date, depth - 1);
                format!("CONCAT_DATE_TOD({date}, {})", self.expression(Kind::Tod, depth - 1))
            }
            _ => self.leaf(kind),
        }
    }

    fn count(&mut self) -> String {
        if self.choices.percent(30) {
            self.expression(Kind::Int, 1)
        } else {
            self.choices.below(9).to_string()
        }
    }

    pub(crate) fn text(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(8) {
            0 => {
                let (a, b) = self.pair(kind, depth);
                format!("CONCAT({a}, {b})")
            }
            1 => {
                let side = self.choices.of(&["LEFT", "RIGHT"]);
                let text = self.expression(kind, depth - 1);
                format!("{side}({text}, {})", self.count())
            }
            2 => {
                let part = self.choices.of(&["MID", "DELETE"]);
                let text = self.expression(kind, depth - 1);
                format!("{part}({text}, {}, {})", self.count(), self.count())
            }
            3 => {
                let (a, b) = self.pair(kind, depth);
                format!("INSERT({a}, {b}, {})", self.count())
            }
            4 => {
                let (a, b) = self.pair(kind, depth);
                format!("REPLACE({a}, {b}, {}, {})", self.count(), self.count())
            }
            5 => match kind {
                Kind::Text => format!("WSTRING_TO_STRING({})", self.expression(Kind::Wtext, depth - 1)),
                _ => format!("STRING_TO_WSTRING({})", self.expression(Kind::Text, depth - 1)),
            },
            _ => {
                let from = self.choices.of(&SCALARS[..16]);
                format!("{}_TO_{}({})", from.name(), kind.name(), self.expression(from, depth - 1))
            }
        }
    }
}
