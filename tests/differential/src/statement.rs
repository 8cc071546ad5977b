//! Statements.

use crate::expression::{Place, Scope};
use crate::kinds::{ALL, INTEGERS, Kind};
use std::fmt::Write as _;

/// Nesting of expressions.
const DEPTH: u32 = 3;

impl Scope<'_, '_> {
    /// Some statements, `level` blocks deep.
    pub(crate) fn statements(&mut self, level: u32, in_loop: bool) -> String {
        let mut text = String::new();
        let count = 1 + self.choices.below(if level == 0 { 9 } else { 4 });
        for _ in 0..count {
            if self.choices.spent() {
                break;
            }
            self.statement(&mut text, level, in_loop);
        }
        if text.is_empty() { ";\n".to_owned() } else { text }
    }

    fn statement(&mut self, text: &mut String, level: u32, in_loop: bool) {
        let deep = level > 2;
        let _ = match self.choices.below(16) {
            8 | 9 if !deep => self.if_statement(text, level, in_loop),
            10 if !deep => self.case(text, level, in_loop),
            11 | 12 if !deep => self.for_loop(text, level),
            13 if !deep => self.while_loop(text, level),
            14 => self.call(text),
            15 if in_loop => {
                let condition = self.expression(Kind::Bool, DEPTH);
                let way = self.choices.of(&["EXIT", "CONTINUE", "RETURN"]);
                writeln!(text, "IF {condition} THEN {way}; END_IF;")
            }
            _ => self.assignment(text),
        };
    }

    fn assignment(&mut self, text: &mut String) -> std::fmt::Result {
        let kind = self.choices.of(&ALL);
        let value = self.expression(kind, DEPTH);
        match self.place(kind, true) {
            Some(place) => writeln!(text, "{place} := {value};"),
            None => Ok(()),
        }
    }

    fn if_statement(&mut self, text: &mut String, level: u32, in_loop: bool) -> std::fmt::Result {
        let condition = self.expression(Kind::Bool, DEPTH);
        let inside = self.statements(level + 1, in_loop);
        write!(text, "IF {condition} THEN\n{inside}")?;
        if self.choices.percent(40) {
            let condition = self.expression(Kind::Bool, DEPTH);
            let inside = self.statements(level + 1, in_loop);
            write!(text, "ELSIF {condition} THEN\n{inside}")?;
        }
        if self.choices.percent(50) {
            write!(text, "ELSE\n{}", self.statements(level + 1, in_loop))?;
        }
        writeln!(text, "END_IF;")
    }

    fn case(&mut self, text: &mut String, level: u32, in_loop: bool) -> std::fmt::Result {
        let selector = self.expression(self.choices_kind(), DEPTH);
        writeln!(text, "CASE {selector} OF")?;
        write!(text, "0:\n{}", self.statements(level + 1, in_loop))?;
        write!(text, "1, 3..7:\n{}", self.statements(level + 1, in_loop))?;
        if self.choices.percent(50) {
            write!(text, "ELSE\n{}", self.statements(level + 1, in_loop))?;
        }
        writeln!(text, "END_CASE;")
    }

    #[expect(clippy::unused_self, reason = "reads like the other sources of kinds")]
    fn choices_kind(&self) -> Kind {
        Kind::Int
    }

    fn for_loop(&mut self, text: &mut String, level: u32) -> std::fmt::Result {
        let kind = self.choices.of(&INTEGERS);
        let Some(variable) = self.place_to_write(kind) else { return Ok(()) };
        let bound = |scope: &mut Self| match scope.choices.below(6) {
            0..3 => format!("{}#{}", kind.name(), scope.choices.below(11)),
            // Longer than a stretch between two polls.
            3 => format!("{}#{}", kind.name(), scope.choices.below(if kind.is_wide() { 700 } else { 120 })),
            4 => kind.literal(scope.choices),
            _ => scope.expression(kind, 1),
        };
        let (start, end) = (bound(self), bound(self));
        let step = match self.choices.below(6) {
            0..4 => String::new(),
            4 if kind.is_signed() => format!(" BY {}#-{}", kind.name(), 1 + self.choices.below(3)),
            4 => format!(" BY {}#{}", kind.name(), 1 + self.choices.below(3)),
            _ => format!(" BY {}", self.expression(kind, 1)),
        };
        let inside = self.statements(level + 1, true);
        write!(text, "FOR {variable} := {start} TO {end}{step} DO\n{inside}END_FOR;\n")
    }

    /// A variable that may be assigned, and is no element of an array.
    fn place_to_write(&mut self, kind: Kind) -> Option<String> {
        let fits =
            |place: &&Place| matches!(place, Place::Plain { kind: k, writable: true, .. } if *k == kind);
        let count = self.places.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        match self.places.iter().filter(fits).nth(chosen)? {
            Place::Plain { path, .. } | Place::Array { path, .. } => Some(path.clone()),
        }
    }

    /// Mostly one that ends.
    fn while_loop(&mut self, text: &mut String, level: u32) -> std::fmt::Result {
        let Some(variable) = self.place_to_write(Kind::Dint) else { return Ok(()) };
        let end = self.choices.below(12);
        let condition = self.expression(Kind::Bool, 2);
        let inside = self.statements(level + 1, true);
        if self.choices.percent(50) {
            write!(
                text,
                "{variable} := 0;\nWHILE {variable} < {end} AND {condition} DO\n{variable} := {variable} + 1;\n{inside}END_WHILE;\n"
            )
        } else {
            write!(
                text,
                "{variable} := 0;\nREPEAT\n{variable} := {variable} + 1;\n{inside}UNTIL {variable} > {end} OR {condition} END_REPEAT;\n"
            )
        }
    }

    /// An instance, or a function that changes what it gets.
    fn call(&mut self, text: &mut String) -> std::fmt::Result {
        let changing: Vec<_> = self.functions.iter().filter(|f| f.changes).cloned().collect();
        if !changing.is_empty() && self.choices.percent(40) {
            let callee = &changing[self.choices.below(changing.len())];
            let mut args: Vec<String> = Vec::new();
            for (position, kind) in callee.inputs.iter().enumerate() {
                args.push(format!("p{position} := {}", self.expression(*kind, 2)));
            }
            let (Some(target), Some(out)) =
                (self.place_to_write(Kind::Dint), self.place_to_write(Kind::Dint))
            else {
                return Ok(());
            };
            let Some(result) = self.place(callee.result, true) else { return Ok(()) };
            return writeln!(
                text,
                "{result} := {}({}, io := {target}, o => {out});",
                callee.name,
                args.join(", ")
            );
        }
        if self.instances.is_empty() {
            return Ok(());
        }
        let (name, ty) = self.instances[self.choices.below(self.instances.len())].clone();
        let flag = self.expression(Kind::Bool, 2);
        match ty.as_str() {
            "TON" | "TOF" | "TP" => {
                writeln!(text, "{name}(IN := {flag}, PT := {});", self.expression(Kind::Time, 1))
            }
            "CTU" => {
                writeln!(text, "{name}(CU := {flag}, R := {}, PV := 3);", self.expression(Kind::Bool, 1))
            }
            "R_TRIG" | "F_TRIG" => writeln!(text, "{name}(CLK := {flag});"),
            _ => {
                let Some(target) = self.place_to_write(Kind::Dint) else { return Ok(()) };
                let Some(out) = self.place(Kind::Int, true) else { return Ok(()) };
                let value = self.expression(Kind::Int, 2);
                writeln!(text, "{name}(a := {value}, b := {flag}, io := {target}, q => {out});")
            }
        }
    }
}
