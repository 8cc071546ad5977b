//! A whole unit: functions, function blocks, classes, and the programs that use them.

use crate::choices::{Choices, Recipe};
use crate::kinds::{COMMON, Kind, TYPES};
use crate::place::{Piece, Place, Rights};
use crate::scope::{Callee, Home, Scope, Unit};
use std::fmt::Write as _;

/// Inputs and outputs of a program.
type Parameters = (Vec<(String, Kind)>, Vec<(String, Kind)>);

/// Functions that give the one NaN for every NaN.
const ONE_NAN: &str = "FUNCTION OneReal : REAL VAR_INPUT x : REAL; END_VAR \
                       IF x = x THEN OneReal := x; ELSE OneReal := DWORD_TO_REAL(16#7FC00000); END_IF; END_FUNCTION\n\
                       FUNCTION OneLreal : LREAL VAR_INPUT x : LREAL; END_VAR \
                       IF x = x THEN OneLreal := x; ELSE OneLreal := LWORD_TO_LREAL(16#7FF8000000000000); END_IF; \
                       END_FUNCTION\n";

/// The text, decided by the numbers. `one_nan`: the results of all operations on floats go through a function that
/// gives the same NaN for every NaN.
pub fn text(recipe: &Recipe, one_nan: bool) -> String {
    let mut unit = Unit { one_nan, ..Unit::default() };
    if one_nan {
        unit.text.push_str(ONE_NAN);
    }
    let header = recipe.parts.first().map_or(&[][..], Vec::as_slice);
    let mut header = Choices::new(header);
    unit.favourites = (0..4).map(|_| header.of(&COMMON)).collect();
    unit.located = header.percent(25);
    let mut programs = Vec::new();
    for numbers in recipe.parts.iter().skip(1) {
        let mut choices = Choices::new(numbers);
        match choices.below(12) {
            7 | 8 => function(choices, &mut unit),
            9 | 10 => block(choices, &mut unit),
            11 if unit.objects.is_none() => crate::object::hierarchy(choices, &mut unit),
            _ => programs.push(choices),
        }
    }
    if programs.is_empty() {
        programs.push(Choices::new(&[]));
    }
    let mut connections = Vec::new();
    for (number, choices) in programs.into_iter().enumerate() {
        connections.push(program(choices, number, &mut unit));
    }
    if header.percent(40) {
        configuration(&mut header, &connections, &mut unit);
    }
    declared(&unit.text)
}

/// Before it the types that it uses.
fn declared(text: &str) -> String {
    let mut types = String::new();
    for (name, declaration) in TYPES.iter().rev() {
        if text.contains(name) || types.contains(name) {
            types.insert_str(0, &format!("  {declaration}\n"));
        }
    }
    if types.is_empty() { text.to_owned() } else { format!("TYPE\n{types}END_TYPE\n{text}") }
}

/// Parameters of a section, as text and as places.
fn parameters(scope: &mut Scope<'_, '_>, section: &str, most: usize, rights: Rights) -> Vec<(String, Kind)> {
    let mut list = Vec::new();
    for _ in 0..scope.choices.below(most + 1) {
        let kind = scope.unit.kind(&mut scope.choices);
        let name = scope.unit.name("p");
        let edge = section == "VAR_INPUT" && kind == Kind::Bool && scope.home == Home::Block;
        let edge = match scope.choices.below(6) {
            4 if edge => " R_EDGE",
            5 if edge => " F_EDGE",
            _ => "",
        };
        let _ = writeln!(scope.declarations, "{section} {name} : {}{edge}; END_VAR", kind.declared());
        Place::plain(&name, kind, rights).expand(&mut scope.places);
        list.push((name, kind));
    }
    list
}

fn open_array(scope: &mut Scope<'_, '_>) -> Option<(String, Kind)> {
    if !scope.choices.percent(25) {
        return None;
    }
    let kind = scope.unit.scalar(&mut scope.choices);
    let name = scope.unit.name("p");
    let _ = writeln!(scope.declarations, "VAR_IN_OUT {name} : ARRAY[*] OF {}; END_VAR", kind.declared());
    let mut place = Place::plain(&name, kind, Rights { refer: false, ..Rights::ALL });
    // The shortest array that is ever passed has three elements.
    place.pieces.push(Piece::Open(name.clone(), 3));
    place.expand(&mut scope.places);
    scope.arrays.push((name.clone(), kind));
    Some((name, kind))
}

fn function(choices: Choices<'_>, unit: &mut Unit) {
    let name = unit.name("F");
    let mut scope = Scope::new(choices, unit, Home::Function);
    let own = Rights { refer: false, ..Rights::ALL };
    let result = scope.unit.kind(&mut scope.choices);
    let inputs = parameters(&mut scope, "VAR_INPUT", 3, own);
    let in_outs = parameters(&mut scope, "VAR_IN_OUT", 3, own);
    let outputs = parameters(&mut scope, "VAR_OUTPUT", 1, own);
    let open = open_array(&mut scope);
    let mut references = Vec::new();
    if scope.choices.percent(30) {
        let (parameter, kind) = (scope.unit.name("p"), scope.unit.kind(&mut scope.choices));
        let _ = writeln!(scope.declarations, "VAR_INPUT {parameter} : REF_TO {}; END_VAR", kind.declared());
        Place::plain(&format!("{parameter}^"), kind, own).expand(&mut scope.places);
        references.push((parameter, kind));
    }
    Place::plain(&name, result, own).expand(&mut scope.places);
    let body = scope.statements(0);
    let value = scope.expression(result, 2);
    let text = format!(
        "FUNCTION {name} : {}\n{}{}{body}{name} := {value};\nEND_FUNCTION\n",
        result.declared(),
        scope.declarations,
        scope.preamble
    );
    unit.text.push_str(&text);
    unit.functions.push(Callee {
        name,
        inputs,
        in_outs,
        open,
        references,
        outputs,
        result: Some(result),
        methods: Vec::new(),
    });
}

fn block(choices: Choices<'_>, unit: &mut Unit) {
    let name = unit.name("B");
    let mut scope = Scope::new(choices, unit, Home::Block);
    let member = Rights { refer: false, ..Rights::ALL };
    // A derived block has the parameters of its base and calls its body.
    let base = match scope.unit.blocks.first() {
        Some(base) if base.is_simple() && scope.choices.percent(40) => Some(base.clone()),
        _ => None,
    };
    for (input, kind) in base.iter().flat_map(|base| &base.inputs) {
        Place::plain(input, *kind, member).expand(&mut scope.places);
    }
    let inputs = parameters(&mut scope, "VAR_INPUT", 2, member);
    let in_outs = parameters(&mut scope, "VAR_IN_OUT", 3, member);
    let outputs = parameters(&mut scope, "VAR_OUTPUT", 2, member);
    let open = open_array(&mut scope);
    // Methods see what is declared so far, save for VAR_IN_OUT and VAR_TEMP.
    let hidden: Vec<&String> = in_outs.iter().chain(&open).map(|(name, _)| name).collect();
    let seen: Vec<Place> = scope.places.iter().filter(|place| !place.starts_with(&hidden)).cloned().collect();
    let mut methods = Vec::new();
    let mut written = String::new();
    if scope.choices.percent(40) {
        let choices = scope.choices.branch();
        let (method, text) = block_method(choices, scope.unit, seen);
        written.push_str(&text);
        methods.push(method);
    }
    let body = scope.statements(0);
    let (extends, first) = match &base {
        Some(base) => (format!(" EXTENDS {}", base.name), "SUPER();\n"),
        None => (String::new(), ""),
    };
    let text = format!(
        "FUNCTION_BLOCK {name}{extends}\n{}{written}{first}{}{body}END_FUNCTION_BLOCK\n",
        scope.declarations, scope.preamble
    );
    unit.text.push_str(&text);
    let inputs = base.into_iter().flat_map(|base| base.inputs).chain(inputs).collect();
    unit.blocks.push(Callee { name, inputs, in_outs, open, outputs, methods, ..Callee::default() });
}

/// A method that works on the variables of its block.
fn block_method(choices: Choices<'_>, unit: &mut Unit, seen: Vec<Place>) -> (Callee, String) {
    let name = unit.name("M");
    let mut scope = Scope::new(choices, unit, Home::Function);
    scope.places = seen;
    let result = scope.unit.kind(&mut scope.choices);
    let own = Rights { refer: false, ..Rights::ALL };
    let inputs = parameters(&mut scope, "VAR_INPUT", 2, own);
    Place::plain(&name, result, own).expand(&mut scope.places);
    let body = scope.statements(0);
    let text = format!(
        "METHOD PUBLIC {name} : {}\n{}{}{body}END_METHOD\n",
        result.declared(),
        scope.declarations,
        scope.preamble
    );
    (Callee { name, inputs, result: Some(result), ..Callee::default() }, text)
}

/// Gives its inputs and outputs.
fn program(choices: Choices<'_>, number: usize, unit: &mut Unit) -> Parameters {
    let mut scope = Scope::new(choices, unit, Home::Program);
    if scope.choices.percent(10) {
        scope.table();
    }
    let rights = Rights { refer: false, ..Rights::ALL };
    let inputs = parameters(&mut scope, "VAR_INPUT", 1, rights);
    let outputs = parameters(&mut scope, "VAR_OUTPUT", 1, rights);
    let body = scope.statements(0);
    let text = format!("PROGRAM P{number}\n{}{}{body}END_PROGRAM\n", scope.declarations, scope.preamble);
    unit.text.push_str(&text);
    (inputs, outputs)
}

/// Two tasks, the first program twice.
fn configuration(choices: &mut Choices<'_>, programs: &[Parameters], unit: &mut Unit) {
    let mut text =
        "CONFIGURATION Plant\nRESOURCE Res ON PLC\nTASK fast(INTERVAL := T#10ms, PRIORITY := 1);\n\
                    TASK slow(INTERVAL := T#30ms, PRIORITY := 2);\n"
            .to_owned();
    for (number, (inputs, outputs)) in programs.iter().enumerate() {
        let task = choices.of(&["fast", "slow"]);
        let mut list = Vec::new();
        for (parameters, arrow) in [(inputs, ":="), (outputs, "=>")] {
            for (name, kind) in parameters.iter().filter(|(_, kind)| !kind.is_aggregate()) {
                let global = unit.name("g");
                let _ = writeln!(unit.text, "VAR_GLOBAL {global} : {}; END_VAR", kind.declared());
                list.push(format!("{name} {arrow} {global}"));
            }
        }
        let _ = writeln!(text, "PROGRAM A{number} WITH {task} : P{number}({});", list.join(", "));
    }
    let _ = writeln!(text, "PROGRAM Again WITH slow : P0;\nEND_RESOURCE\nEND_CONFIGURATION");
    unit.text.push_str(&text);
}
