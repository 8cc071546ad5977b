//! Calls: functions, methods, blocks of the unit, and those of the standard.

use crate::kinds::Kind;
use crate::place::Rights;
use crate::scope::{Callee, DEPTH, Scope};
use std::fmt::Write as _;

/// Standard function blocks, and the member that says something.
const STANDARD: [&str; 16] = [
    "TON",
    "R_TRIG",
    "CTU",
    "TOF",
    "TP",
    "F_TRIG",
    "CTD",
    "CTUD",
    "SR",
    "RS",
    "CTU_DINT",
    "CTD_LINT",
    "CTUD_ULINT",
    "CTU_UDINT",
    "TON",
    "TP",
];

impl Scope<'_, '_> {
    /// A call of a function or a method that gives a value of this kind.
    pub(crate) fn call_of(&mut self, kind: Kind, depth: u32) -> Option<String> {
        if self.choices.percent(25)
            && let Some(call) = self.method_of(kind, depth)
        {
            return Some(call);
        }
        let fits = |callee: &&Callee| callee.result == Some(kind);
        let count = self.unit.functions.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        let callee = self.unit.functions.iter().filter(fits).nth(chosen)?.clone();
        Some(format!("{}({})", callee.name, self.arguments(&callee, depth)))
    }

    /// All of them, by name unless inputs are all that there is.
    pub(crate) fn arguments(&mut self, callee: &Callee, depth: u32) -> String {
        let mut list: Vec<String> = Vec::new();
        let enabled = self.choices.percent(8);
        let named = enabled || !callee.is_simple() || self.choices.percent(20);
        if enabled {
            list.push(format!("EN := {}", self.expression(Kind::Bool, depth.min(2) - 1)));
        }
        for (name, kind) in &callee.inputs {
            let value = self.expression(*kind, depth - 1);
            list.push(if named { format!("{name} := {value}") } else { value });
        }
        let mut passed: Vec<(Kind, String)> = Vec::new();
        for (name, kind) in &callee.in_outs {
            // The same variable twice, now and then.
            let again = passed.iter().find(|(other, _)| other == kind).map(|(_, place)| place.clone());
            let place = match again {
                Some(place) if self.choices.percent(50) => place,
                _ => self.place(*kind, Rights::PASS),
            };
            list.push(format!("{name} := {place}"));
            passed.push((*kind, place));
        }
        if let Some((name, kind)) = &callee.open {
            list.push(format!("{name} := {}", self.array(*kind)));
        }
        for (name, kind) in &callee.references {
            let target = self.place(*kind, Rights::ALL);
            list.push(format!("{name} := REF({target})"));
        }
        for (name, kind) in &callee.outputs {
            if self.choices.below(4) < 3 {
                list.push(format!("{name} => {}", self.place(*kind, Rights::WRITE)));
            }
        }
        if enabled && self.choices.percent(70) {
            list.push(format!("ENO => {}", self.place(Kind::Bool, Rights::WRITE)));
        }
        list.join(", ")
    }

    /// A statement that calls something.
    pub(crate) fn call(&mut self) -> String {
        match self.choices.below(6) {
            0 | 1 => self.standard_call(),
            2 | 3 => self.instance_call().unwrap_or_else(|| self.standard_call()),
            4 => self.object_statement().unwrap_or_else(|| self.checked()),
            _ => self.checked(),
        }
    }

    /// A function with ENO, or one whose result is dropped.
    fn checked(&mut self) -> String {
        let count = self.unit.functions.len();
        if count > 0 && self.choices.percent(70) {
            let callee = self.unit.functions[self.choices.below(count)].clone();
            let arguments = self.arguments(&callee, DEPTH);
            return format!("{}({arguments});\n", callee.name);
        }
        let kind = self.integer_kind();
        let (a, b) = (self.expression(kind, 2), self.place(kind, Rights::READ));
        let (result, ok) = (self.place(kind, Rights::PASS), self.place(Kind::Bool, Rights::WRITE));
        let enable = self.expression(Kind::Bool, 1);
        match self.choices.below(3) {
            0 => format!("{result} := DIV(EN := {enable}, IN1 := {a}, IN2 := {b}, ENO => {ok});\n"),
            1 => format!("{result} := MAX(EN := {enable}, IN1 := {a}, IN2 := {b}, ENO => {ok});\n"),
            _ => format!("{result} := ADD_{}({a}, {b});\n", kind.name()),
        }
    }

    fn instance_call(&mut self) -> Option<String> {
        if self.home == crate::scope::Home::Function || self.unit.blocks.is_empty() {
            return None;
        }
        if self.instances.is_empty() || self.instances.len() < 4 && self.choices.percent(30) {
            self.instantiate();
        }
        let (name, block) = self.instances[self.choices.below(self.instances.len())].clone();
        let name = match name.strip_suffix('*') {
            Some(array) => format!("{array}[{}]", self.index(1, 3)),
            None => name,
        };
        let callee = self.unit.blocks[block].clone();
        if let (false, true) = (callee.methods.is_empty(), self.choices.percent(30)) {
            let method = callee.methods[self.choices.below(callee.methods.len())].clone();
            let arguments = self.arguments(&method, DEPTH);
            let target = self.place(method.result?, Rights::PASS);
            return Some(format!("{target} := {name}.{}({arguments});\n", method.name));
        }
        let arguments = self.arguments(&callee, DEPTH);
        Some(format!("{name}({arguments});\n"))
    }

    /// One instance or three, and what can be seen of it.
    fn instantiate(&mut self) {
        let block = self.choices.below(self.unit.blocks.len());
        let callee = self.unit.blocks[block].clone();
        let name = self.unit.name("b");
        let (seen, declared, listed) = if self.choices.percent(30) {
            (format!("{name}[2]"), format!("ARRAY[1..3] OF {}", callee.name), format!("{name}*"))
        } else {
            (name.clone(), callee.name.clone(), name.clone())
        };
        _ = writeln!(self.declarations, "VAR {name} : {declared}; END_VAR");
        for (member, kind) in callee.inputs.iter().chain(&callee.outputs) {
            let write = callee.inputs.iter().any(|(input, _)| input == member);
            let rights = Rights { write, refer: false, pass: false };
            crate::place::Place::plain(&format!("{seen}.{member}"), *kind, rights).expand(&mut self.places);
        }
        self.instances.push((listed, block));
    }

    fn standard_call(&mut self) -> String {
        if self.home == crate::scope::Home::Function {
            return self.assignment();
        }
        if self.standard.is_empty() || self.standard.len() < 5 && self.choices.percent(40) {
            let ty = self.choices.of(&STANDARD);
            let name = self.unit.name("t");
            _ = writeln!(self.declarations, "VAR {name} : {ty}; END_VAR");
            self.standard.push((name, ty));
        }
        let (name, ty) = self.standard[self.choices.below(self.standard.len())].clone();
        let mut list = Vec::new();
        let inputs: &[(&str, Kind)] = match ty.split('_').next().unwrap_or_default() {
            "TON" | "TOF" | "TP" => &[("IN", Kind::Bool), ("PT", Kind::Time)],
            "CTU" => &[("CU", Kind::Bool), ("R", Kind::Bool), ("PV", Kind::Int)],
            "CTD" => &[("CD", Kind::Bool), ("LD", Kind::Bool), ("PV", Kind::Int)],
            "CTUD" => &[
                ("CU", Kind::Bool),
                ("CD", Kind::Bool),
                ("R", Kind::Bool),
                ("LD", Kind::Bool),
                ("PV", Kind::Int),
            ],
            "SR" => &[("S1", Kind::Bool), ("R", Kind::Bool)],
            "RS" => &[("S", Kind::Bool), ("R1", Kind::Bool)],
            _ => &[("CLK", Kind::Bool)],
        };
        for (input, kind) in inputs {
            let value = match (*input, ty) {
                ("PV", "CTUD_ULINT" | "CTU_UDINT") => self.choices.below(6).to_string(),
                ("R" | "LD", _) if self.choices.percent(60) => "FALSE".to_owned(),
                _ => self.expression(*kind, 2),
            };
            if !self.choices.percent(12) {
                list.push(format!("{input} := {value}"));
            }
        }
        if matches!(ty, "TON" | "R_TRIG" | "CTU" | "TP") && self.choices.percent(20) {
            list.push(format!("Q => {}", self.place(Kind::Bool, Rights::WRITE)));
        }
        format!("{name}({});\n", list.join(", "))
    }

    /// An output of a standard function block.
    pub(crate) fn standard_output(&mut self, member: &str) -> Option<String> {
        let fits = |(_, ty): &&(String, &str)| match (member, *ty) {
            ("ET", ty) => matches!(ty, "TON" | "TOF" | "TP"),
            (_, ty) => !matches!(ty, "SR" | "RS" | "CTUD" | "CTUD_ULINT"),
        };
        let count = self.standard.iter().filter(fits).count();
        let chosen = self.choices.below(count);
        let (name, _) = self.standard.iter().filter(fits).nth(chosen)?;
        Some(format!("{name}.{member}"))
    }
}
