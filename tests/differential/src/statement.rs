//! Statements without loops.

use crate::kinds::Kind;
use crate::place::Rights;
use crate::scope::{DEPTH, Scope};
use std::fmt::Write as _;

impl Scope<'_, '_> {
    /// Some statements, `level` blocks deep.
    pub(crate) fn statements(&mut self, level: u32) -> String {
        let mut text = String::new();
        let count = 1 + self.choices.below(if level == 0 { 30 } else { 4 });
        for _ in 0..count {
            if self.choices.spent() {
                break;
            }
            text.push_str(&self.statement(level));
        }
        if text.is_empty() { ";\n".to_owned() } else { text }
    }

    fn statement(&mut self, level: u32) -> String {
        let deep = level > 2;
        match self.choices.below(24) {
            8 | 9 if !deep => self.if_statement(level),
            10 if !deep => self.case(level),
            11..14 if !deep => self.for_loop(level),
            14 if !deep => self.while_loop(level),
            15 => self.sweep(),
            16..18 => self.call(),
            18 => self.alias(),
            7 => self.tangle(),
            19 => self.choose(),
            20 => self.reference(),
            21 => self.leave(),
            22 if self.choices.percent(20) => format!("ASSERT({});\n", self.expression(Kind::Bool, DEPTH)),
            _ => self.assignment(),
        }
    }

    pub(crate) fn assignment(&mut self) -> String {
        let kind = self.unit.kind(&mut self.choices);
        self.assignment_of(kind)
    }

    pub(crate) fn assignment_of(&mut self, kind: Kind) -> String {
        let value = self.expression(kind, DEPTH);
        let (place, range) = self.target(kind);
        match range {
            // Mostly a value that it takes.
            Some((low, high)) if !self.choices.percent(12) => {
                let name = kind.name();
                format!("{place} := LIMIT({name}#{low}, {value}, {name}#{high});\n")
            }
            _ => format!("{place} := {value};\n"),
        }
    }

    fn if_statement(&mut self, level: u32) -> String {
        let mut text = format!("IF {} THEN\n", self.expression(Kind::Bool, DEPTH));
        text.push_str(&self.statements(level + 1));
        if self.choices.percent(30) {
            let _ = writeln!(text, "ELSIF {} THEN", self.expression(Kind::Bool, DEPTH));
            text.push_str(&self.statements(level + 1));
        }
        if self.choices.percent(50) {
            let _ = write!(text, "ELSE\n{}", self.statements(level + 1));
        }
        text + "END_IF;\n"
    }

    /// Both ways assign the same variables: what becomes a choice without a branch.
    fn choose(&mut self) -> String {
        let kind = self.unit.scalar(&mut self.choices);
        let target = self.plain(kind, Rights::PASS);
        let condition = self.expression(Kind::Bool, 2);
        let (a, b) = self.pair(kind, 3);
        if self.choices.percent(30) {
            return format!("IF {condition} THEN {target} := {a}; END_IF;\n");
        }
        format!("IF {condition} THEN {target} := {a}; ELSE {target} := {b}; END_IF;\n")
    }

    fn case(&mut self, level: u32) -> String {
        let kind = self.choices.of(&[
            Kind::Int,
            Kind::Mode,
            Kind::Dint,
            Kind::Usint,
            Kind::Sint,
            Kind::Byte,
            Kind::Lint,
            Kind::Ulint,
            Kind::Char,
            Kind::Udint,
            Kind::Word,
        ]);
        // An expression may be of a narrower type, in which the labels do not fit.
        let narrow = !kind.narrower().is_empty();
        let selector = if narrow { self.place(kind, Rights::READ) } else { self.expression(kind, DEPTH) };
        let mut text = format!("CASE {selector} OF\n");
        for label in self.labels(kind) {
            let _ = write!(text, "{label}:\n{}", self.statements(level + 1));
        }
        if self.choices.percent(50) {
            let _ = write!(text, "ELSE\n{}", self.statements(level + 1));
        }
        text + "END_CASE;\n"
    }

    /// Labels that do not overlap.
    fn labels(&mut self, kind: Kind) -> Vec<String> {
        match kind {
            Kind::Mode => {
                return [&["idle", "run"][..], &["stop", "idle, run"], &["run", "idle", "stop"]]
                    [self.choices.below(3)]
                .iter()
                .map(|label| (*label).to_owned())
                .collect();
            }
            Kind::Char => return vec!["'a'".to_owned(), "'b'..'z', '7'".to_owned()],
            _ => {}
        }
        let mut values: Vec<i128> =
            (0..2 + self.choices.below(6)).map(|_| kind.number(&mut self.choices)).collect();
        values.sort_unstable();
        values.dedup();
        let mut labels = Vec::new();
        let mut rest = values.as_slice();
        while let [first, tail @ ..] = rest {
            rest = tail;
            let mut label = first.to_string();
            if let ([next, tail @ ..], true) = (rest, self.choices.percent(40)) {
                let between = if self.choices.percent(60) { ".." } else { ", " };
                label = format!("{label}{between}{next}");
                rest = tail;
            }
            labels.push(label);
        }
        labels
    }

    /// The same variable under two names.
    fn alias(&mut self) -> String {
        let kind = self.unit.kind(&mut self.choices);
        let name = self.unit.name("r");
        _ = writeln!(self.declarations, "VAR {name} : REF_TO {}; END_VAR", kind.declared());
        let target = self.place(kind, Rights::ALL);
        let mut text = format!("{name} := REF({target});\n");
        let direct = self.plain(kind, Rights::PASS);
        for _ in 0..=self.choices.below(4) {
            let value = self.expression(kind, 2);
            match self.choices.below(4) {
                0 => _ = writeln!(text, "{name}^ := {value};"),
                1 => _ = writeln!(text, "{direct} := {value};"),
                2 => _ = writeln!(text, "{direct} := {name}^;"),
                _ => text.push_str(&self.assignment_of(kind)),
            }
        }
        text
    }

    /// What references lead to changes.
    fn reference(&mut self) -> String {
        let kind = self.unit.kind(&mut self.choices);
        let (a, b) = (self.unit.name("r"), self.unit.name("r"));
        _ = writeln!(self.declarations, "VAR {a}, {b} : REF_TO {}; END_VAR", kind.declared());
        let target = self.place(kind, Rights::ALL);
        let condition = self.expression(Kind::Bool, 2);
        let written = self.place(kind, Rights::PASS);
        let value = self.expression(kind, 2);
        match self.choices.below(4) {
            0 => format!("{a} := REF({target});\n{b} := {a};\n{b}^ := {value};\n{written} := {a}^;\n"),
            1 => format!(
                "IF {condition} THEN {a} := REF({target}); END_IF;\nIF {a} <> NULL THEN {a}^ := {value}; END_IF;\n"
            ),
            2 => format!("{b} := REF({target});\n{a} ?= {b};\n{written} := {a}^;\n"),
            _ => format!(
                "IF {condition} THEN {a} := REF({target}); {b} := {a}; ELSE {b} := NULL; END_IF;\n\
                          IF {a} = {b} AND_THEN {b} <> NULL THEN {written} := {b}^; END_IF;\n"
            ),
        }
    }

    fn leave(&mut self) -> String {
        let way = match (self.loops_open, self.choices.below(6)) {
            (0, 0..5) => return self.assignment(),
            (0, _) | (_, 5) => "RETURN",
            (_, 0..3) => "EXIT",
            _ => "CONTINUE",
        };
        format!("IF {} THEN {way}; END_IF;\n", self.expression(Kind::Bool, DEPTH))
    }
}
