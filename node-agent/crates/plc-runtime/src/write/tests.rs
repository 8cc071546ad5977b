use super::*;
use crate::mesh::resolve;
use crate::protocol::{OnStale, Subscription};
use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const SOURCE: &str = "
TYPE Mode : (Idle := 0, Fill := 7); END_TYPE
TYPE Pair : STRUCT a : INT; b : BOOL; END_STRUCT END_TYPE
FUNCTION_BLOCK Lamp
VAR_INPUT on : BOOL; END_VAR
VAR_OUTPUT lit : BOOL; END_VAR
lit := on;
END_FUNCTION_BLOCK
PROGRAM Main
VAR CONSTANT fix : INT := 3; END_VAR
VAR
  button AT %IX0.0 : BOOL; valve AT %QX0.0 : BOOL; marker AT %MX0.3 : BOOL;
  flag : BOOL; small : SINT; count : DINT; big : ULINT; r : REAL; x : LREAL; t : TIME; s : STRING[4];
  w : WORD; mode : Mode; sub : INT (-3..3); a : ARRAY[1..2] OF INT; pair : Pair; lamp : Lamp; edge : R_TRIG;
  ref : REF_TO INT; remote : DINT; quality : BYTE; age : TIME;
END_VAR
lamp(on := flag);
valve := flag;
END_PROGRAM
";

fn program() -> &'static Program {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
        let unit = SourceUnit { name: "main.st".into(), text: SOURCE.into() };
        compile(&[unit], &Options::default()).unwrap()
    });
    &PROGRAM
}

fn write(path: &str, literal: &str) -> Write {
    Write { path: path.to_owned(), literal: literal.to_owned() }
}

fn planned(program: &Program, path: &str, literal: &str) -> Result<(Patch, ValueChange), Problem> {
    let (mut patches, mut changes) =
        plan(&program.layout, &Claims::default(), &program.initial, &[write(path, literal)])?;
    Ok((patches.remove(0), changes.remove(0)))
}

#[test]
fn values_are_typed_and_shown_before_and_after() {
    let program = program();
    for (path, literal, ty, after) in [
        ("main.FLAG", "true", "BOOL", json!(true)),
        ("Main.marker", "1", "BOOL", json!(true)),
        ("Main.small", "-128", "SINT", json!(-128)),
        ("Main.count", "16#FF", "DINT", json!(255)),
        ("Main.big", "18446744073709551615", "ULINT", json!(u64::MAX)),
        ("Main.r", "1.5", "REAL", json!(1.5)),
        ("Main.x", "1e300", "LREAL", json!(1e300)),
        ("Main.t", "T#1s", "TIME", json!(1_000_000_000)),
        ("Main.s", "'it$'s'", "STRING[4]", json!("it's")),
        ("Main.mode", "Fill", "Mode (Idle, Fill)", json!("Fill")),
        ("Main.mode", "7", "Mode (Idle, Fill)", json!("Fill")),
        ("Main.sub", "-3", "INT(-3..3)", json!(-3)),
        ("Main.a[2]", "9", "INT", json!(9)),
        ("Main.pair.b", "TRUE", "BOOL", json!(true)),
        ("Main.w.3", "TRUE", "BOOL", json!(true)),
        ("Main.lamp.on", "TRUE", "BOOL", json!(true)),
    ] {
        let (patch, change) = planned(program, path, literal).unwrap_or_else(|e| panic!("{path}: {e:?}"));
        assert_eq!((change.ty.as_str(), &change.after), (ty, &after), "{path} := {literal}");
        let mut state = program.initial.clone();
        assert_eq!(state::read_json(&program.layout, &state, path).unwrap(), change.before);
        patch.apply(&mut state);
        assert_eq!(state::read_json(&program.layout, &state, path).unwrap(), after, "{path}");
    }
}

#[test]
fn what_has_a_writer_or_is_no_value_is_refused_with_a_reason() {
    use ProblemReason::{Conflict, InvalidValue, NotFound};
    let program = program();
    for (path, literal, reason, why) in [
        ("Main.none", "1", NotFound, "no variable"),
        ("Main.button", "TRUE", Conflict, "an input of the process image"),
        ("%IX0.5", "TRUE", Conflict, "an input of the process image"),
        ("Main.valve", "TRUE", Conflict, "an output of the process image"),
        ("Main.lamp.lit", "TRUE", Conflict, "VAR_OUTPUT"),
        ("Main.fix", "1", Conflict, "a constant"),
        ("Main.ref", "NULL", InvalidValue, "refers to something in its own program"),
        ("Main.a", "1", InvalidValue, "only single values"),
        ("Main.pair", "1", InvalidValue, "only single values"),
        ("Main.a[3]", "1", NotFound, "no variable"),
        ("Main.flag", "2", InvalidValue, "BOOL"),
        ("Main.flag", "", InvalidValue, "BOOL"),
        ("Main.small", "128", InvalidValue, "out of range"),
        ("Main.small", "INT#1", InvalidValue, "another type"),
        ("Main.count", "1.5", InvalidValue, "DINT"),
        ("Main.big", "-1", InvalidValue, "out of range"),
        ("Main.r", "1e39", InvalidValue, "out of range"),
        ("Main.x", "-1e999", InvalidValue, "out of range"),
        ("Main.s", "'12345'", InvalidValue, "too long"),
        ("Main.s", "abc", InvalidValue, "single quotes"),
        ("Main.mode", "Drain", InvalidValue, "Mode"),
        ("Main.mode", "3", InvalidValue, "no value of Mode"),
        ("Main.sub", "4", InvalidValue, "outside of -3..3"),
        ("Main.t", "soon", InvalidValue, "TIME"),
    ] {
        let problem = planned(program, path, literal).expect_err(path);
        assert_eq!((problem.variable.as_str(), problem.reason), (path, reason), "{literal}: {problem:?}");
        assert!(problem.message.contains(why), "{path} := {literal}: {}", problem.message);
    }
    let too_many = vec![write("Main.flag", "TRUE"); WRITES_MAX + 1];
    let refused = plan(&program.layout, &Claims::default(), &program.initial, &too_many).unwrap_err();
    assert_eq!(refused.reason, ProblemReason::LimitExceeded);
}

#[test]
fn what_the_mesh_writes_is_the_mesh_s() {
    let program = program();
    let subscription = Subscription {
        to: "Main.remote".into(),
        from: "LineB:x".into(),
        quality: Some("Main.quality".into()),
        age: Some("Main.age".into()),
        timeout_ns: 1,
        on_stale: OnStale::Hold,
        startup_grace_ns: 0,
    };
    let resolved = resolve(&program.layout, &[], &[subscription]);
    assert!(resolved.unreceived.is_empty(), "{:?}", resolved.unreceived);
    let claims = Claims::of_binding(&resolved.binding);
    for path in ["Main.remote", "Main.remote.%X31", "Main.quality", "Main.age"] {
        let refused = plan(&program.layout, &claims, &program.initial, &[write(path, "1")]).expect_err(path);
        assert_eq!(refused.reason, ProblemReason::Conflict);
        assert!(refused.message.contains("mesh subscription of \"Main.remote\""), "{}", refused.message);
    }
    assert!(plan(&program.layout, &claims, &program.initial, &[write("Main.count", "1")]).is_ok());

    let listed = variables(&program.layout, &claims);
    let of = |path: &str| listed.iter().find(|variable| variable.path == path).unwrap();
    assert_eq!(of("Main.a").ty, "ARRAY[1..2] OF INT");
    for free in ["Main.count", "Main.a", "Main.pair.a", "Main.lamp.on"] {
        assert_eq!(of(free).obstacle, None, "{free}");
    }
    for taken in
        ["Main.remote", "Main.quality", "Main.age", "Main.button", "Main.valve", "Main.fix", "Main.ref"]
    {
        assert!(of(taken).obstacle.is_some(), "{taken}");
    }
    assert!(listed.iter().all(|variable| !variable.path.contains("edge.M")), "hidden ones are not shown");
}

#[test]
fn all_values_or_none() {
    let program = program();
    let writes = [write("Main.count", "1"), write("Main.count.%X4", "TRUE"), write("Main.small", "3")];
    let (patches, changes) = plan(&program.layout, &Claims::default(), &program.initial, &writes).unwrap();
    assert_eq!((patches.len(), &changes[0].after), (3, &json!(17)), "later ones win");
    let spoilt = [write("Main.count", "1"), write("Main.fix", "1")];
    assert!(plan(&program.layout, &Claims::default(), &program.initial, &spoilt).is_err());
}

proptest! {
    #[test]
    fn fuzz_write(path in "(Main|main|%M[XBW])?\\.?[a-z]{0,5}(\\[[0-9-]{0,3}\\])?(\\.%?[XBWD]?[0-9]{0,2})?", literal in ".{0,16}") {
        let program = program();
        let mut state = program.initial.clone();
        if let Ok((patch, _)) = planned(program, &path, &literal) {
            patch.apply(&mut state);
            let places = Places::new(&program.layout);
            let place = places.find(&path).unwrap();
            let own = place.offset as usize..(place.offset + program.layout.size_of(place.ty)) as usize;
            for (at, (before, after)) in program.initial.iter().zip(&state).enumerate() {
                prop_assert!(before == after || own.contains(&at), "{path} wrote at {at}");
            }
        }
    }
}
