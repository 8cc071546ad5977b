//! Programs that must compile, and what their layout must say.

use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};

fn program(text: &str) -> Program {
    let unit = SourceUnit { name: "test.st".into(), text: text.into() };
    compile(std::slice::from_ref(&unit), &Options::default())
        .map_err(|diagnostics| lineshaft_plc_compiler::diagnostic::render(&diagnostics, &[unit], false))
        .expect("a good program")
}

#[test]
fn slice() {
    let program = program(
        "PROGRAM Main
         VAR
           start AT %IX0.0 : BOOL; lamp AT %QX0.1 : BOOL; level AT %IW2 : INT;
           t : TON; n : INT := 5; r : REAL := 1.5;
         END_VAR
         t(IN := start, PT := T#100ms);
         IF t.Q AND level > 3 THEN lamp := TRUE; n := n + 1; ELSE lamp := FALSE; END_IF;
         r := r * 2.0 + n;
         END_PROGRAM",
    );
    assert_eq!(program.tasks.len(), 1);
    assert_eq!(program.instances[0].name, "Main");
    let n = program.layout.find("main.N").expect("n exists");
    assert_eq!(program.initial[n.offset as usize], 5);
    assert_eq!(program.layout.find("Main.start").and_then(|p| p.bit), Some(0));
    assert_eq!(program.layout.find("%IX0.0"), program.layout.find("Main.start"));
    assert!(program.layout.find("Main.t.ET").is_some());
    assert!(program.diagnostics.is_empty(), "{:?}", program.diagnostics);
}

#[test]
fn a_task_knows_the_outputs_that_it_writes() {
    let program = program(
        "FUNCTION_BLOCK Set VAR_IN_OUT x : WORD; END_VAR x := 1; END_FUNCTION_BLOCK
         PROGRAM A
         VAR w AT %QW10 : ARRAY[0..2] OF WORD; part AT %QW2 : WORD; through AT %QW4 : WORD; s : Set; END_VAR
         w[1] := 1; part.%X3 := TRUE; s(x := through);
         END_PROGRAM
         PROGRAM B VAR lamp AT %QX0.1 : BOOL; END_VAR lamp := TRUE; END_PROGRAM
         CONFIGURATION C RESOURCE R ON PLC
         TASK t(INTERVAL := T#10ms, PRIORITY := 1);
         PROGRAM a WITH t : A; PROGRAM b : B;
         END_RESOURCE END_CONFIGURATION",
    );
    assert_eq!(program.tasks[0].outputs, [(35, 1), (64, 16), (160, 48)]);
    assert_eq!(program.tasks[1].outputs, [(1, 1)]);
}
