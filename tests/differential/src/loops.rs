//! Loops.

use crate::kinds::Kind;
use crate::place::Rights;
use crate::scope::{DEPTH, Scope};
use std::fmt::Write as _;

impl Scope<'_, '_> {
    pub(crate) fn for_loop(&mut self, level: u32) -> String {
        let kind = self.integer_kind();
        let name = kind.name();
        // Now and then a member, an element, or what a reference leads to.
        let simple = !self.choices.percent(15);
        let variable = if simple { self.plain(kind, Rights::PASS) } else { self.place(kind, Rights::WRITE) };
        let (low, high) = kind.limits();
        let small = self.choices.below(9) as i128;
        let (start, end, step) = match self.choices.below(16) {
            0..5 => (small.to_string(), (small + self.choices.below(10) as i128).to_string(), None),
            // Longer than a stretch between two polls.
            5 => (
                small.to_string(),
                self.choices.below(if kind.bits() > 8 { 700 } else { 120 }).to_string(),
                None,
            ),
            // To the limit of the type, where the next value would leave it.
            6 => ((high - small).to_string(), high.to_string(), self.step(kind, false)),
            7 => ((low + small).to_string(), low.to_string(), self.step(kind, true)),
            8 => (low.to_string(), (low + small).to_string(), self.step(kind, false)),
            9 | 10 => {
                let count = self.choices.below(12) as i128;
                (small.to_string(), (small + count * 3).min(high).to_string(), self.step(kind, false))
            }
            11 if kind.is_signed() => ((small + 5).to_string(), "-4".to_owned(), self.step(kind, true)),
            12 => (self.leaf(kind), small.to_string(), None),
            13 => (small.to_string(), self.leaf(kind), self.step(kind, false)),
            14 => (self.expression(kind, 1), self.expression(kind, 1), Some(self.place(kind, Rights::READ))),
            _ => (kind.literal(&mut self.choices), kind.literal(&mut self.choices), self.step(kind, false)),
        };
        let step = step.map_or_else(String::new, |step| format!(" BY {step}"));
        let typed = |value: &str| {
            if value.parse::<i128>().is_ok() { format!("{name}#{value}") } else { value.to_owned() }
        };
        let known = self.loops.len();
        if let (true, Ok(first @ -1_000..=1_000)) = (simple, start.parse::<i64>()) {
            self.loops.push((variable.clone(), first, kind));
        }
        self.loops_open += 1;
        let mut inside = self.statements(level + 1);
        if self.choices.percent(7) {
            // Back to where it began: an endless loop, now and then.
            let value = if self.choices.percent(50) { typed(&start) } else { self.expression(kind, 2) };
            let _ =
                writeln!(inside, "IF {} THEN {variable} := {value}; END_IF;", self.expression(Kind::Bool, 2));
        }
        self.loops_open -= 1;
        self.loops.truncate(known);
        format!("FOR {variable} := {} TO {}{step} DO\n{inside}END_FOR;\n", typed(&start), typed(&end))
    }

    /// A step up or down; downwards an unsigned loop wraps instead.
    fn step(&mut self, kind: Kind, down: bool) -> Option<String> {
        let size = [1, 2, 3, 7, 100][self.choices.below(5)];
        match (down, kind.is_signed()) {
            (true, true) => Some(format!("{}#-{size}", kind.name())),
            (true, false) => None,
            (false, _) if self.choices.percent(20) => Some(self.plain(kind, Rights::READ)),
            (false, _) => Some(format!("{}#{size}", kind.name())),
        }
    }

    /// Mostly one that ends.
    pub(crate) fn while_loop(&mut self, level: u32) -> String {
        let kind = self.choices.of(&[Kind::Dint, Kind::Int, Kind::Sint, Kind::Ulint, Kind::Lint]);
        let variable = self.plain(kind, Rights::PASS);
        let end = self.choices.below(12);
        let condition = self.expression(Kind::Bool, 2);
        self.loops.push((variable.clone(), 0, kind));
        self.loops_open += 1;
        let inside = self.statements(level + 1);
        self.loops_open -= 1;
        self.loops.pop();
        let step =
            if self.choices.percent(90) { format!("{variable} := {variable} + 1;\n") } else { String::new() };
        match self.choices.below(3) {
            0 => format!(
                "{variable} := 0;\nWHILE {variable} < {end} AND {condition} DO\n{step}{inside}END_WHILE;\n"
            ),
            1 => format!("{variable} := 0;\nWHILE {variable} < {end} DO\n{inside}{step}END_WHILE;\n"),
            _ => format!(
                "{variable} := 0;\nREPEAT\n{step}{inside}UNTIL {variable} > {end} OR {condition} END_REPEAT;\n"
            ),
        }
    }

    /// Variables of one type, read and written in turn: parameters and globals that may be the same.
    pub(crate) fn tangle(&mut self) -> String {
        let kind = self.unit.scalar(&mut self.choices);
        let mut names: Vec<String> = Vec::new();
        for _ in 0..3 {
            names.push(self.plain(kind, Rights::PASS));
        }
        let mut text = String::new();
        for _ in 0..3 + self.choices.below(4) {
            let (to, a, b) = (self.choices.below(3), self.choices.below(3), self.choices.below(3));
            let (to, a, b) = (&names[to], &names[a], &names[b]);
            _ = match kind {
                kind if kind.is_integer() => writeln!(text, "{to} := {a} * {}#3 + {b};", kind.name()),
                Kind::Bool | Kind::Byte | Kind::Word | Kind::Dword | Kind::Lword => {
                    writeln!(text, "{to} := {a} XOR NOT {b};")
                }
                _ => writeln!(text, "{to} := {a}; {a} := {b};"),
            };
        }
        let counter = self.integer_kind();
        let counter = self.plain(counter, Rights::PASS);
        format!("FOR {counter} := 0 TO {} DO\n{text}END_FOR;\n", self.choices.below(9))
    }

    /// Over an array, element by element: what the passes are there for.
    pub(crate) fn sweep(&mut self) -> String {
        let kind = self.unit.scalar(&mut self.choices);
        let counter =
            self.choices.of(&[Kind::Int, Kind::Dint, Kind::Sint, Kind::Lint, Kind::Usint, Kind::Udint]);
        let (name, index) = (self.array(kind), self.plain(counter, Rights::PASS));
        let total = self.plain(kind, Rights::PASS);
        let (first, last) = if self.choices.percent(60) {
            (format!("LOWER_BOUND({name}, 1)"), format!("UPPER_BOUND({name}, 1)"))
        } else {
            ("0".to_owned(), self.choices.of(&["3", "6", "9", "2"]).to_owned())
        };
        let (first, last) = match counter {
            Kind::Dint | Kind::Lint => (first, last),
            _ => ("0".to_owned(), self.choices.of(&["3", "2", "9"]).to_owned()),
        };
        let mut text = format!("FOR {index} := {first} TO {last} DO\n");
        let element = format!("{name}[{index}]");
        for _ in 0..=self.choices.below(3) {
            let value = self.expression(kind, 2);
            match self.choices.below(5) {
                0 => _ = writeln!(text, "{element} := {value};"),
                1 => _ = writeln!(text, "{total} := {element};"),
                2 if kind.is_integer() || kind.is_float() => {
                    let sum = self.float_value(kind, format!("({total} + {element})"));
                    _ = writeln!(text, "{total} := {sum};");
                }
                2 if kind.is_bits() || kind == Kind::Bool => {
                    _ = writeln!(text, "{total} := {total} XOR {element};");
                }
                3 => {
                    let condition = self.expression(Kind::Bool, 2);
                    _ = writeln!(text, "IF {condition} THEN {element} := {total}; END_IF;");
                }
                _ => text.push_str(&self.assignment_of(kind)),
            }
        }
        if self.choices.percent(15) {
            let _ = writeln!(text, "IF {} THEN EXIT; END_IF;", self.expression(Kind::Bool, DEPTH));
        }
        text + "END_FOR;\n"
    }
}
