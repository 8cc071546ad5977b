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
