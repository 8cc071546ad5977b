//! Expressions of a given type.

use crate::choices::Choices;
use crate::kinds::{ALL, INTEGERS, Kind, NUMBERS};

/// What code can name.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// A scalar or a string.
    Plain { path: String, kind: Kind, writable: bool },
    /// An array: its bounds in each dimension.
    Array { path: String, kind: Kind, bounds: Vec<(i64, i64)> },
}

/// A function that code may call: inputs in order, and whether it has one VAR_IN_OUT and one VAR_OUTPUT of DINT.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) name: String,
    pub(crate) inputs: Vec<Kind>,
    pub(crate) result: Kind,
    pub(crate) changes: bool,
}

/// Where code stands.
pub(crate) struct Scope<'s, 'c> {
    pub(crate) choices: &'s mut Choices<'c>,
    pub(crate) places: Vec<Place>,
    pub(crate) functions: Vec<Callee>,
    /// Instances of timers, counters and edges: name and type.
    pub(crate) instances: Vec<(String, String)>,
}

impl Scope<'_, '_> {
    pub(crate) fn expression(&mut self, kind: Kind, depth: u32) -> String {
        if depth == 0 || self.choices.spent() || self.choices.below(4) == 0 {
            return self.leaf(kind);
        }
        if self.choices.percent(10) {
            let (low, high) = (self.expression(kind, depth - 1), self.expression(kind, depth - 1));
            let which = self.expression(Kind::Bool, depth - 1);
            return format!("SEL({which}, {low}, {high})");
        }
        let calls = self.functions.iter().filter(|f| f.result == kind && !f.changes).count();
        if calls > 0 && self.choices.percent(25) {
            let chosen = self.choices.below(calls);
            let callee = self.functions.iter().filter(|f| f.result == kind && !f.changes).nth(chosen);
            if let Some(callee) = callee.cloned() {
                let args: Vec<String> =
                    callee.inputs.iter().map(|k| self.expression(*k, depth - 1)).collect();
                return format!("{}({})", callee.name, args.join(", "));
            }
        }
        match kind {
            Kind::Bool => self.condition(depth),
            Kind::Text => self.text(depth),
            Kind::Time => self.time(depth),
            kind if kind.is_float() => self.float(kind, depth),
            kind if kind.is_bits() => self.bits(kind, depth),
            kind => self.integer(kind, depth),
        }
    }

    fn leaf(&mut self, kind: Kind) -> String {
        match self.place(kind, false) {
            Some(path) if self.choices.percent(70) => path,
            _ => kind.literal(self.choices),
        }
    }

    /// A variable of the type, or an element of an array.
    pub(crate) fn place(&mut self, kind: Kind, write: bool) -> Option<String> {
        let fits = |place: &&Place| match place {
            Place::Plain { kind: k, writable, .. } => *k == kind && (*writable || !write),
            Place::Array { kind: k, .. } => *k == kind,
        };
        let count = self.places.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        match self.places.iter().filter(fits).nth(chosen)?.clone() {
            Place::Plain { path, .. } => Some(path),
            Place::Array { path, bounds, .. } => {
                let indices: Vec<String> = bounds.iter().map(|(low, high)| self.index(*low, *high)).collect();
                Some(format!("{path}[{}]", indices.join(", ")))
            }
        }
    }

    /// Mostly inside of the bounds.
    fn index(&mut self, low: i64, high: i64) -> String {
        let variable = self.plain(Kind::Int).or_else(|| self.plain(Kind::Dint));
        match (self.choices.below(12), variable) {
            (0..4, _) | (_, None) => (low + self.choices.below((high - low + 1) as usize) as i64).to_string(),
            (11, Some(path)) => path,
            (_, Some(path)) => format!("ABS({path} MOD {}) + {low}", high - low + 1),
        }
    }

    /// A variable that is no element: its path holds no further expression.
    pub(crate) fn plain(&mut self, kind: Kind) -> Option<String> {
        let fits = |place: &&Place| matches!(place, Place::Plain { kind: k, .. } if *k == kind);
        let count = self.places.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        match self.places.iter().filter(fits).nth(chosen)? {
            Place::Plain { path, .. } | Place::Array { path, .. } => Some(path.clone()),
        }
    }

    fn pair(&mut self, kind: Kind, depth: u32) -> (String, String) {
        (self.expression(kind, depth - 1), self.expression(kind, depth - 1))
    }

    fn condition(&mut self, depth: u32) -> String {
        match self.choices.below(7) {
            0 | 1 => {
                let kind = self.choices.of(&ALL[..16]);
                let compare = self.choices.of(&["=", "<>", "<", "<=", ">", ">="]);
                let (a, b) = self.pair(kind, depth);
                format!("({a} {compare} {b})")
            }
            2 => format!("(NOT {})", self.expression(Kind::Bool, depth - 1)),
            3 => {
                let (a, b) = self.pair(Kind::Text, depth);
                format!("({a} {} {b})", self.choices.of(&["=", "<", ">="]))
            }
            4 => match self.output("Q", &["TON", "TOF", "TP", "CTU", "R_TRIG", "F_TRIG"]) {
                Some(path) => path,
                None => self.leaf(Kind::Bool),
            },
            _ => {
                let (a, b) = self.pair(Kind::Bool, depth);
                format!("({a} {} {b})", self.choices.of(&["AND", "OR", "XOR"]))
            }
        }
    }

    /// A member of an instance of one of these types.
    fn output(&mut self, member: &str, types: &[&str]) -> Option<String> {
        let fits = |instance: &&(String, String)| types.contains(&instance.1.as_str());
        let count = self.instances.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        let (name, _) = self.instances.iter().filter(fits).nth(chosen)?;
        Some(format!("{name}.{member}"))
    }

    fn integer(&mut self, kind: Kind, depth: u32) -> String {
        let name = kind.name();
        match self.choices.below(11) {
            0..4 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-", "*"]))
            }
            4 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} MOD {b})")
            }
            5 => {
                // Mostly by something that is not 0.
                let (a, b) = self.pair(kind, depth);
                if self.choices.percent(15) {
                    format!("({a} / {b})")
                } else {
                    format!("({a} / MAX({b}, {name}#1))")
                }
            }
            6 if kind.is_signed() => format!("(-{})", self.leaf(kind)),
            7 => {
                let (a, b) = self.pair(kind, depth);
                format!("{}({a}, {b})", self.choices.of(&["MIN", "MAX"]))
            }
            8 if kind == Kind::Int => {
                let (a, b) = self.pair(Kind::Text, depth);
                if self.choices.percent(50) { format!("LEN({a})") } else { format!("FIND({a}, {b})") }
            }
            9 => format!("ABS({})", self.expression(kind, depth - 1)),
            _ => {
                let from = self.choices.of(&ALL);
                self.converted(from, kind, depth)
            }
        }
    }

    fn converted(&mut self, from: Kind, to: Kind, depth: u32) -> String {
        let inner = self.expression(from, depth - 1);
        let same_width_bits = to.is_float() && from.is_bits() || from.is_float() && to.is_bits();
        if from == to || same_width_bits || (from == Kind::Time) != (to == Kind::Time) && !to.is_integer() {
            return self.expression(to, depth - 1);
        }
        format!("{}_TO_{}({inner})", from.name(), to.name())
    }

    fn bits(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(6) {
            0..3 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["AND", "OR", "XOR"]))
            }
            3 => format!("(NOT {})", self.expression(kind, depth - 1)),
            4 => {
                let shift = self.choices.of(&["SHL", "SHR", "ROL", "ROR"]);
                let value = self.expression(kind, depth - 1);
                let count = if self.choices.percent(50) {
                    self.choices.below(70).to_string()
                } else {
                    self.expression(Kind::Int, depth - 1)
                };
                format!("{shift}({value}, {count})")
            }
            _ => {
                let from = self.choices.of(&INTEGERS);
                self.converted(from, kind, depth)
            }
        }
    }

    fn float(&mut self, kind: Kind, depth: u32) -> String {
        match self.choices.below(8) {
            0..4 => {
                let (a, b) = self.pair(kind, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-", "*", "/"]))
            }
            4 => {
                let f = self.choices.of(&["SQRT", "ABS", "SIN", "COS", "EXP", "LN", "ATAN", "FLOOR", "CEIL"]);
                format!("{f}({})", self.expression(kind, depth - 1))
            }
            5 => {
                let (a, b) = self.pair(kind, depth);
                format!("{}({a}, {b})", self.choices.of(&["MIN", "MAX"]))
            }
            6 => format!("(-{})", self.leaf(kind)),
            _ => {
                let from = self.choices.of(&NUMBERS);
                self.converted(from, kind, depth)
            }
        }
    }

    fn time(&mut self, depth: u32) -> String {
        match self.choices.below(4) {
            0 | 1 => {
                let (a, b) = self.pair(Kind::Time, depth);
                format!("({a} {} {b})", self.choices.of(&["+", "-"]))
            }
            2 => match self.output("ET", &["TON", "TOF", "TP"]) {
                Some(path) => path,
                None => self.leaf(Kind::Time),
            },
            _ => format!("DINT_TO_TIME({})", self.expression(Kind::Dint, depth - 1)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        let count = |scope: &mut Self| scope.choices.below(9);
        match self.choices.below(7) {
            0 => {
                let (a, b) = self.pair(Kind::Text, depth);
                format!("CONCAT({a}, {b})")
            }
            1 => {
                let side = self.choices.of(&["LEFT", "RIGHT"]);
                let text = self.expression(Kind::Text, depth - 1);
                format!("{side}({text}, {})", count(self))
            }
            2 => {
                let part = self.choices.of(&["MID", "DELETE"]);
                let text = self.expression(Kind::Text, depth - 1);
                format!("{part}({text}, {}, {})", count(self), count(self))
            }
            3 => {
                let (a, b) = self.pair(Kind::Text, depth);
                format!("INSERT({a}, {b}, {})", count(self))
            }
            4 => {
                let (a, b) = self.pair(Kind::Text, depth);
                format!("REPLACE({a}, {b}, {}, {})", count(self), count(self))
            }
            _ => {
                let from = self.choices.of(&ALL[..13]);
                format!("{}_TO_STRING({})", from.name(), self.expression(from, depth - 1))
            }
        }
    }
}
