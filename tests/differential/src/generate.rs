//! A whole program.

use crate::choices::Choices;
use crate::expression::{Callee, Place, Scope};
use crate::kinds::{ALL, Kind};
use std::fmt::Write as _;

/// Types that every program has.
const TYPES: &str = "
TYPE
  Mode : (idle, run, stop);
  Inner : STRUCT x : DINT; y : LREAL; f : ARRAY[0..2] OF BOOL; END_STRUCT;
  Outer : STRUCT i : Inner; s : STRING[12]; m : Mode; n : ARRAY[1..3] OF Inner; END_STRUCT;
END_TYPE
";

/// The text of a program, decided by the numbers.
pub fn program(numbers: &[u16]) -> String {
    let mut choices = Choices::new(numbers);
    let choices = &mut choices;
    let mut text = TYPES.to_owned();
    let globals = declare(choices, "g", &mut text, "VAR_GLOBAL");
    let mut functions = Vec::new();
    for index in 0..choices.below(4) {
        functions.push(function(choices, index, &functions.clone(), &mut text));
    }
    let blocks = choices.below(3);
    for index in 0..blocks {
        block(choices, index, &globals, &functions, &mut text);
    }
    main(choices, blocks, &globals, &functions, &mut text);
    text
}

/// One variable of each type, some twice, and arrays.
fn declare(choices: &mut Choices<'_>, prefix: &str, text: &mut String, section: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let _ = writeln!(text, "{section}");
    for kind in ALL {
        for copy in 0..=choices.below(2) {
            let path = format!("{prefix}_{}{copy}", kind.name());
            let start =
                if choices.percent(40) { format!(" := {}", kind.literal(choices)) } else { String::new() };
            let _ = writeln!(text, "{path} : {}{start};", kind.declared());
            places.push(Place::Plain { path, kind, writable: true });
        }
    }
    for number in 0..=choices.below(4) {
        let kind = choices.of(&ALL);
        let path = format!("{prefix}_array{number}");
        let (bounds, declared) = match choices.below(3) {
            0 => (vec![(0, 7)], "0..7"),
            1 => (vec![(-2, 5)], "-2..5"),
            _ => (vec![(1, 3), (0, 2)], "1..3, 0..2"),
        };
        let _ = writeln!(text, "{path} : ARRAY[{declared}] OF {};", kind.declared());
        places.push(Place::Array { path, kind, bounds });
    }
    let _ = writeln!(text, "END_VAR");
    places
}

fn function(choices: &mut Choices<'_>, index: usize, known: &[Callee], text: &mut String) -> Callee {
    let name = format!("F{index}");
    let inputs: Vec<Kind> = (0..=choices.below(3)).map(|_| choices.of(&ALL)).collect();
    let result = choices.of(&ALL);
    let changes = choices.percent(40);
    let declared = if result == Kind::Text { "STRING[12]" } else { result.name() };
    let _ = writeln!(text, "FUNCTION {name} : {declared}\nVAR_INPUT");
    let mut places = vec![Place::Plain { path: name.clone(), kind: result, writable: true }];
    for (position, kind) in inputs.iter().enumerate() {
        let _ = writeln!(text, "p{position} : {};", kind.declared());
        places.push(Place::Plain { path: format!("p{position}"), kind: *kind, writable: true });
    }
    let _ = writeln!(text, "END_VAR");
    if changes {
        let _ = writeln!(text, "VAR_IN_OUT io : DINT; END_VAR\nVAR_OUTPUT o : DINT; END_VAR");
        for path in ["io", "o"] {
            places.push(Place::Plain { path: path.to_owned(), kind: Kind::Dint, writable: true });
        }
    }
    places.extend(declare(choices, "l", text, "VAR"));
    let mut scope = Scope { choices, places, functions: known.to_vec(), instances: Vec::new() };
    let body = scope.statements(1, false);
    let value = scope.expression(result, 2);
    let _ = writeln!(text, "{body}{name} := {value};\nEND_FUNCTION");
    Callee { name, inputs, result, changes }
}

const STANDARD: [&str; 6] = ["TON", "TOF", "TP", "CTU", "R_TRIG", "F_TRIG"];

/// Instances of standard function blocks.
fn standard(choices: &mut Choices<'_>, text: &mut String) -> Vec<(String, String)> {
    let mut instances = Vec::new();
    for number in 0..choices.below(4) {
        let ty = choices.of(&STANDARD);
        let name = format!("t{number}");
        let _ = writeln!(text, "VAR {name} : {ty}; END_VAR");
        instances.push((name, ty.to_owned()));
    }
    instances
}

fn block(
    choices: &mut Choices<'_>,
    index: usize,
    globals: &[Place],
    functions: &[Callee],
    text: &mut String,
) {
    let _ = writeln!(
        text,
        "FUNCTION_BLOCK B{index}\nVAR_INPUT a : INT; b : BOOL; END_VAR\nVAR_OUTPUT q : INT; END_VAR\nVAR_IN_OUT io : DINT; END_VAR"
    );
    let mut places = vec![
        Place::Plain { path: "a".to_owned(), kind: Kind::Int, writable: true },
        Place::Plain { path: "b".to_owned(), kind: Kind::Bool, writable: true },
        Place::Plain { path: "q".to_owned(), kind: Kind::Int, writable: true },
        Place::Plain { path: "io".to_owned(), kind: Kind::Dint, writable: true },
    ];
    places.extend(declare(choices, "v", text, "VAR"));
    places.extend_from_slice(globals);
    let instances = standard(choices, text);
    let mut scope = Scope { choices, places, functions: functions.to_vec(), instances };
    let body = scope.statements(0, false);
    let _ = writeln!(text, "{body}END_FUNCTION_BLOCK");
}

fn main(
    choices: &mut Choices<'_>,
    blocks: usize,
    globals: &[Place],
    functions: &[Callee],
    text: &mut String,
) {
    let _ = writeln!(text, "PROGRAM Main\nVAR m : Mode; c : Inner; s : Outer; t : Outer; END_VAR");
    let mut places = declare(choices, "v", text, "VAR");
    for (path, kind) in [
        ("c.x", Kind::Dint),
        ("c.y", Kind::Lreal),
        ("s.i.x", Kind::Dint),
        ("s.s", Kind::Text),
        ("t.n[2].y", Kind::Lreal),
        ("t.n[1].x", Kind::Dint),
    ] {
        places.push(Place::Plain { path: path.to_owned(), kind, writable: true });
    }
    places.push(Place::Array { path: "c.f".to_owned(), kind: Kind::Bool, bounds: vec![(0, 2)] });
    places.push(Place::Array { path: "s.n[2].f".to_owned(), kind: Kind::Bool, bounds: vec![(0, 2)] });
    places.extend_from_slice(globals);
    let mut instances = standard(choices, text);
    for index in 0..blocks {
        let _ = writeln!(text, "VAR b{index} : B{index}; bs{index} : ARRAY[1..2] OF B{index}; END_VAR");
        instances.push((format!("b{index}"), format!("B{index}")));
        instances.push((format!("bs{index}[2]"), format!("B{index}")));
        places.push(Place::Plain { path: format!("b{index}.a"), kind: Kind::Int, writable: true });
        places.push(Place::Plain { path: format!("bs{index}[2].q"), kind: Kind::Int, writable: false });
    }
    let mut scope = Scope { choices, places, functions: functions.to_vec(), instances };
    let body = scope.statements(0, false);
    let copies = match scope.choices.below(4) {
        1 => "t := s;\n",
        2 => "s.n := t.n; s.i := c; m := run;\n",
        3 => "IF m = run THEN m := stop; ELSE m := idle; END_IF; t.m := m; c := t.n[3];\n",
        _ => "",
    };
    let more = scope.statements(0, false);
    let _ = writeln!(text, "{body}{copies}{more}END_PROGRAM");
}
