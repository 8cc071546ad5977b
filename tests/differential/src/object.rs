//! Classes behind an interface: a base, a class derived from it, and one of its own.

use crate::choices::Choices;
use crate::kinds::Kind;
use crate::place::{Place, Rights};
use crate::scope::{Callee, DEPTH, Home, Scope, Unit};
use std::fmt::Write as _;

/// What the classes of a unit have in common.
#[derive(Clone, Debug)]
pub(crate) struct Hierarchy {
    /// Of the interface; `Walk` comes last if there is one.
    methods: Vec<Callee>,
    property: Kind,
    /// Global instances.
    objects: Vec<String>,
    /// Methods call one another through the interface, as deep as their first argument says.
    recursive: bool,
}

/// The classes, their interface and one instance of each.
pub(crate) fn hierarchy(mut choices: Choices<'_>, unit: &mut Unit) {
    let recursive = choices.percent(35);
    let mut methods = vec![method(&mut choices, unit, "First"), method(&mut choices, unit, "Second")];
    if recursive {
        methods.push(Callee {
            name: "Walk".to_owned(),
            inputs: vec![("depth".to_owned(), Kind::Int)],
            result: Some(Kind::Dint),
            ..Callee::default()
        });
    }
    let property = unit.scalar(&mut choices);
    let mut interface = "INTERFACE Able\n".to_owned();
    for method in &methods {
        let _ = writeln!(interface, "{}END_METHOD", header(method, ""));
    }
    let _ = writeln!(
        interface,
        "PROPERTY Rate : {} GET END_GET SET END_SET END_PROPERTY\nEND_INTERFACE",
        property.declared()
    );
    unit.text.push_str(&interface);
    let known = Hierarchy { methods, property, objects: Vec::new(), recursive };
    let members = class(&mut choices, unit, &known, "Base", None);
    if choices.percent(70) {
        class(&mut choices, unit, &known, "Derived", Some(&members));
    }
    if choices.percent(70) {
        class(&mut choices, unit, &known, "Other", None);
    }
    let mut objects = Vec::new();
    for name in ["Base", "Derived", "Other"] {
        if unit.text.contains(&format!("CLASS {name}")) {
            let _ = writeln!(unit.text, "VAR_GLOBAL the{name} : {name}; END_VAR");
            objects.push(format!("the{name}"));
        }
    }
    unit.objects = Some(Hierarchy { objects, ..known });
}

fn method(choices: &mut Choices<'_>, unit: &Unit, name: &str) -> Callee {
    let kinds = |choices: &mut Choices<'_>, prefix: &str, count: usize| {
        (0..count).map(|n| (format!("{prefix}{n}"), unit.kind(choices))).collect::<Vec<_>>()
    };
    let (inputs, in_outs, outputs) = (choices.below(3), choices.below(2), choices.below(2));
    Callee {
        name: name.to_owned(),
        inputs: kinds(choices, "in", inputs),
        in_outs: kinds(choices, "io", in_outs),
        outputs: kinds(choices, "out", outputs),
        result: Some(unit.kind(choices)),
        ..Callee::default()
    }
}

/// All up to the method's own variables.
fn header(method: &Callee, word: &str) -> String {
    let result = method.result.map_or("INT", Kind::declared);
    let mut text = format!("METHOD PUBLIC {word} {} : {result}\n", method.name);
    for (section, list) in
        [("VAR_INPUT", &method.inputs), ("VAR_IN_OUT", &method.in_outs), ("VAR_OUTPUT", &method.outputs)]
    {
        for (name, kind) in list {
            let _ = writeln!(text, "{section} {name} : {}; END_VAR", kind.declared());
        }
    }
    text
}

/// Gives the members.
fn class(
    choices: &mut Choices<'_>,
    unit: &mut Unit,
    known: &Hierarchy,
    name: &str,
    base: Option<&[Place]>,
) -> Vec<Place> {
    let mut text = String::new();
    let mut members = base.unwrap_or_default().to_vec();
    for _ in 0..=choices.below(4) {
        let (member, kind) = (unit.name("m"), unit.kind(choices));
        let _ = writeln!(text, "VAR PUBLIC {member} : {}; END_VAR", kind.declared());
        Place::plain(&member, kind, Rights { refer: false, ..Rights::ALL }).expand(&mut members);
    }
    if known.recursive && base.is_none() {
        let _ = writeln!(
            text,
            "VAR next : Able; END_VAR\nMETHOD PUBLIC Link VAR_INPUT n : Able; END_VAR next := n; END_METHOD"
        );
    }
    let word = if base.is_some() { "OVERRIDE" } else { "" };
    for method in &known.methods {
        if base.is_some() && choices.percent(30) {
            continue;
        }
        text.push_str(&header(method, word));
        text.push_str(&body(choices, unit, method, &members, base.is_some()));
        text.push_str("END_METHOD\n");
    }
    if base.is_none() {
        let mut scope = Scope::new(choices.branch(), unit, Home::Function);
        scope.places.clone_from(&members);
        let (from, to) =
            (scope.plain(known.property, Rights::READ), scope.plain(known.property, Rights::PASS));
        // What they declared for themselves must be a member here.
        let declared = std::mem::take(&mut scope.declarations);
        members.clone_from(&scope.places);
        let _ = writeln!(
            text,
            "{declared}PROPERTY Rate : {} GET Rate := {from}; END_GET SET {to} := Rate; END_SET END_PROPERTY",
            known.property.declared()
        );
    }
    let extends = if base.is_some() { "EXTENDS Base" } else { "IMPLEMENTS Able" };
    let _ = writeln!(unit.text, "CLASS {name} {extends}\n{text}END_CLASS");
    members
}

/// Variables and statements of a method.
fn body(
    choices: &mut Choices<'_>,
    unit: &mut Unit,
    method: &Callee,
    members: &[Place],
    derived: bool,
) -> String {
    let mut scope = Scope::new(choices.branch(), unit, Home::Function);
    scope.places = members.to_vec();
    let own = Rights { refer: false, ..Rights::ALL };
    for (name, kind) in method.inputs.iter().chain(&method.in_outs).chain(&method.outputs) {
        if method.name != "Walk" {
            Place::plain(name, *kind, own).expand(&mut scope.places);
        }
    }
    let mut statements = scope.statements(0);
    let result = method.result.unwrap_or(Kind::Int);
    if method.name == "Walk" {
        let _ = writeln!(statements, "IF depth > 0 THEN Walk := next.Walk(depth - 1) + 1; END_IF;");
    } else {
        let _ = writeln!(statements, "{} := {};", method.name, scope.expression(result, 2));
    }
    if derived && method.in_outs.is_empty() && scope.choices.percent(60) {
        let inputs: Vec<&str> = method.inputs.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(statements, "{} := SUPER.{}({});", method.name, method.name, inputs.join(", "));
    }
    format!("{}{}{statements}", scope.declarations, scope.preamble)
}

impl Scope<'_, '_> {
    /// An object, or an interface variable that leads to one most of the time.
    fn receiver(&mut self) -> Option<String> {
        let known = self.unit.objects.clone()?;
        let object = known.objects[self.choices.below(known.objects.len())].clone();
        if self.choices.percent(30) || self.home == Home::Function {
            return Some(object);
        }
        if self.interfaces.is_empty() || self.interfaces.len() < 3 && self.choices.percent(40) {
            let name = self.unit.name("i");
            let listed = self.choices.percent(30);
            let declared = if listed { "ARRAY[0..2] OF Able" } else { "Able" };
            _ = writeln!(self.declarations, "VAR {name} : {declared}; END_VAR");
            let all = if listed {
                vec![format!("{name}[0]"), format!("{name}[1]"), format!("{name}[2]")]
            } else {
                vec![name]
            };
            for variable in all {
                let object = known.objects[self.choices.below(known.objects.len())].clone();
                if self.choices.percent(92) {
                    let _ = writeln!(self.preamble, "{variable} := {object};");
                }
                self.interfaces.push(variable);
            }
        }
        Some(self.interfaces[self.choices.below(self.interfaces.len())].clone())
    }

    /// A call of a method that gives this kind.
    pub(crate) fn method_of(&mut self, kind: Kind, depth: u32) -> Option<String> {
        let receiver = self.receiver()?;
        let known = self.unit.objects.clone()?;
        if known.property == kind && self.choices.percent(40) {
            return Some(format!("{receiver}.Rate"));
        }
        let fits = |method: &&Callee| method.result == Some(kind);
        let count = known.methods.iter().filter(fits).count();
        let method = known.methods.iter().filter(fits).nth(self.choices.below(count))?;
        Some(format!("{receiver}.{}({})", method.name, self.method_arguments(method, depth)))
    }

    fn method_arguments(&mut self, method: &Callee, depth: u32) -> String {
        if method.name == "Walk" {
            return self.choices.of(&["3", "1", "0", "7", "31", "32", "33", "12"]).to_owned();
        }
        self.arguments(method, depth)
    }

    /// Something with objects.
    pub(crate) fn object_statement(&mut self) -> Option<String> {
        let receiver = self.receiver()?;
        let known = self.unit.objects.clone()?;
        let object = known.objects[self.choices.below(known.objects.len())].clone();
        match self.choices.below(6) {
            0 if self.interfaces.contains(&receiver) => Some(format!("{receiver} := {object};\n")),
            1 => Some(format!("{receiver}.Rate := {};\n", self.expression(known.property, DEPTH))),
            2 if known.recursive && object != "theDerived" => Some(format!("{object}.Link({receiver});\n")),
            3 if self.interfaces.contains(&receiver) => {
                let other = self.interfaces[self.choices.below(self.interfaces.len())].clone();
                Some(format!(
                    "{receiver} ?= {other};\nIF {receiver} = NULL THEN {receiver} := {object}; END_IF;\n"
                ))
            }
            _ => {
                let method = known.methods[self.choices.below(known.methods.len())].clone();
                let kind = method.result?;
                let call = format!("{receiver}.{}({})", method.name, self.method_arguments(&method, DEPTH));
                Some(format!("{} := {call};\n", self.place(kind, Rights::PASS)))
            }
        }
    }
}
