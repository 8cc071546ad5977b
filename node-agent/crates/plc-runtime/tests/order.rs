//! `lineshaft plc run` shows variables in the order in which they were asked for or declared.

use lineshaft_plc_compiler::{SourceUnit, compile};
use lineshaft_plc_runtime::engine::EngineKind;
use lineshaft_plc_runtime::virt::{self, VirtualRun};
use std::sync::Arc;

const SOURCE: &str = "
TYPE Point : STRUCT z : INT; y : ARRAY[0..1] OF INT; x : INT; END_STRUCT END_TYPE
FUNCTION_BLOCK Lamp VAR_INPUT on : BOOL; END_VAR VAR_OUTPUT lit : BOOL; age : BOOL; END_VAR lit := on; END_FUNCTION_BLOCK
PROGRAM Zeta VAR w : INT := 1; p : Point; b : Lamp; a : INT; END_VAR b(); END_PROGRAM
PROGRAM Alpha VAR c : INT; END_VAR c := 1; END_PROGRAM
";

fn line(traces: &[&str]) -> String {
    let unit = SourceUnit { name: "order.st".to_owned(), text: SOURCE.to_owned() };
    let program = compile(&[unit], &virt::options(10_000_000)).expect("the program compiles");
    let run = VirtualRun {
        program: Arc::new(program),
        interval_ns: 10_000_000,
        scans: 1,
        sets: Vec::new(),
        traces: traces.iter().map(|path| (*path).to_owned()).collect(),
        budget: None,
        engine: EngineKind::default(),
    };
    let mut lines = Vec::new();
    run.run(|record| lines.push(serde_json::to_string(&record).expect("serializes")))
        .expect("the paths exist");
    lines.join("\n")
}

#[test]
fn without_a_trace_by_declaration() {
    assert_eq!(
        line(&[]),
        r#"{"scan":1,"time_us":10000,"values":{"Zeta.w":1,"Zeta.p":{"z":0,"y":[0,0],"x":0},"#.to_owned()
            + r#""Zeta.b":{"on":false,"lit":false,"age":false},"Zeta.a":0,"Alpha.c":1}}"#
    );
}

#[test]
fn a_trace_keeps_its_order_and_names_each_path_once() {
    assert_eq!(
        line(&["zeta.w", "Alpha.c", "Zeta.p", "zeta.w"]),
        r#"{"scan":1,"time_us":10000,"values":{"zeta.w":1,"Alpha.c":1,"Zeta.p":{"z":0,"y":[0,0],"x":0}}}"#
    );
}
