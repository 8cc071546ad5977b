//! Plans between small layouts.

use super::*;
use lineshaft_plc_compiler::layout::{Elementary, LeafFlags, TypeDesc, TypeId};

/// A layout of these variables, eight-byte aligned from 64 on.
fn layout(leaves: &[(&str, TypeDesc)]) -> Layout {
    let mut layout = Layout {
        types: Elementary::ALL.iter().map(|&e| TypeDesc::Elementary(e)).collect(),
        ..Layout::default()
    };
    let mut offset = 64;
    for (path, ty) in leaves {
        let id = TypeId(layout.types.len() as u32);
        layout.types.push(ty.clone());
        let bytes = layout.size_of(id);
        let flags = LeafFlags { retain: path.starts_with("R."), ..LeafFlags::default() };
        layout.leaves.push(Leaf { path: (*path).into(), ty: id, offset, bit: None, bytes, flags });
        offset += bytes.next_multiple_of(8);
    }
    layout.bytes = offset.next_multiple_of(64);
    layout
}

fn of(e: Elementary) -> TypeDesc {
    TypeDesc::Elementary(e)
}

fn array(element: Elementary, low: i64, high: i64) -> TypeDesc {
    TypeDesc::Array { element: Layout::elementary(element), dimensions: vec![(low, high)] }
}

fn modes(names: &[(&str, i64)]) -> TypeDesc {
    let values = names.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect();
    TypeDesc::Enum { name: "Mode".into(), base: Elementary::Int, values }
}

#[test]
fn values_follow_their_paths() {
    let old = layout(&[
        ("M.n", of(Elementary::Int)),
        ("M.gone", of(Elementary::Int)),
        ("M.old", of(Elementary::Dint)),
        ("M.s", TypeDesc::String { capacity: 3 }),
        ("M.a", array(Elementary::Int, 0, 3)),
        ("M.mode", modes(&[("Idle", 0), ("Run", 1)])),
        ("M.r", of(Elementary::Real)),
    ]);
    let new = layout(&[
        ("m.FRESH", of(Elementary::Int)),
        ("m.N", of(Elementary::Dint)),
        ("M.new", of(Elementary::Dint)),
        ("M.s", TypeDesc::String { capacity: 9 }),
        ("M.a", array(Elementary::Int, 2, 5)),
        ("M.mode", modes(&[("Stop", 0), ("Idle", 1), ("Run", 2)])),
        ("M.r", of(Elementary::Lreal)),
    ]);
    let renames = [Rename { from: "M.old".into(), to: "M.new".into() }];
    let plan = Plan::new(&old, &new, &renames, Keep::All);
    assert_eq!(plan.refused, []);
    assert_eq!((plan.copied, plan.converted, plan.initialised, plan.dropped), (1, 5, 1, 1));
    let mut before = vec![0; old.bytes as usize];
    for (path, literal) in [
        ("M.n", "-5"),
        ("M.old", "77"),
        ("M.s", "'abc'"),
        ("M.a[2]", "12"),
        ("M.a[3]", "13"),
        ("M.mode", "Run"),
        ("M.r", "0.5"),
    ] {
        crate::state::write_literal(&old, &mut before, path, literal).unwrap();
    }
    let mut after = vec![0; new.bytes as usize];
    plan.apply(&before, &mut after);
    for (path, json) in [
        ("M.n", "-5"),
        ("M.new", "77"),
        ("M.s", "\"abc\""),
        ("M.a", "[12,13,0,0]"),
        ("M.mode", "\"Run\""),
        ("M.r", "0.5"),
        ("M.fresh", "0"),
    ] {
        assert_eq!(crate::state::read_json(&new, &after, path).unwrap().to_string(), json, "{path}");
    }
}

#[test]
fn losses_are_refused_with_the_reason() {
    for (from, to) in [
        (of(Elementary::Dint), of(Elementary::Int)),
        (of(Elementary::Int), of(Elementary::Uint)),
        (of(Elementary::Lreal), of(Elementary::Real)),
        (of(Elementary::Dint), of(Elementary::Real)),
        (of(Elementary::Bool), of(Elementary::Int)),
        (TypeDesc::String { capacity: 9 }, TypeDesc::String { capacity: 3 }),
        (modes(&[("A", 0), ("B", 1)]), modes(&[("A", 0)])),
        (array(Elementary::Dint, 0, 1), array(Elementary::Int, 0, 1)),
    ] {
        let plan = Plan::new(&layout(&[("M.x", from)]), &layout(&[("M.x", to)]), &[], Keep::All);
        assert_eq!(plan.refused.len(), 1);
        assert_eq!(plan.refused[0].0, "M.x");
        assert!(!plan.refused[0].1.is_empty());
    }
}

#[test]
fn a_restart_keeps_what_is_retained() {
    let old =
        layout(&[("R.n", of(Elementary::Int)), ("M.n", of(Elementary::Int)), ("R.x", of(Elementary::Dint))]);
    let new =
        layout(&[("R.n", of(Elementary::Int)), ("M.n", of(Elementary::Int)), ("R.x", of(Elementary::Int))]);
    let plan = Plan::new(&old, &new, &[], Keep::Retained);
    assert_eq!((plan.copied, plan.initialised, plan.refused.len()), (1, 2, 0));
}

#[test]
fn going_there_and_back_keeps_the_common_variables() {
    let a =
        layout(&[("M.a", of(Elementary::Int)), ("M.b", of(Elementary::Lint)), ("M.c", of(Elementary::Bool))]);
    let b =
        layout(&[("M.c", of(Elementary::Bool)), ("M.x", of(Elementary::Int)), ("M.a", of(Elementary::Int))]);
    let mut state = vec![0; a.bytes as usize];
    crate::state::write_literal(&a, &mut state, "M.a", "1234").unwrap();
    crate::state::write_literal(&a, &mut state, "M.c", "TRUE").unwrap();
    let mut there = vec![0; b.bytes as usize];
    Plan::new(&a, &b, &[], Keep::All).apply(&state, &mut there);
    let mut back = vec![0; a.bytes as usize];
    Plan::new(&b, &a, &[], Keep::All).apply(&there, &mut back);
    assert_eq!(back, state);
}

/// A program whose objects tell by their class which method runs.
fn objects(before: &str, extra: &str) -> std::sync::Arc<lineshaft_plc_compiler::Program> {
    let text = format!(
        "{before}
        FUNCTION_BLOCK Base
        VAR n : INT; END_VAR
        METHOD PUBLIC Id : INT Id := 1; END_METHOD
        METHOD PUBLIC Ask : INT n := n + 1; Ask := THIS.Id(); END_METHOD
        END_FUNCTION_BLOCK
        FUNCTION_BLOCK Derived EXTENDS Base
        METHOD PUBLIC OVERRIDE Id : INT Id := 2; END_METHOD
        END_FUNCTION_BLOCK
        PROGRAM Main
        VAR {extra} one : Derived; list : ARRAY[1..2] OF Derived; a, b : INT; END_VAR
        a := one.Ask();
        b := list[2].Ask();
        END_PROGRAM"
    );
    let unit = lineshaft_plc_compiler::SourceUnit { name: "m.st".into(), text };
    let options = lineshaft_plc_compiler::Options::default();
    std::sync::Arc::new(lineshaft_plc_compiler::compile(&[unit], &options).unwrap())
}

#[test]
fn objects_have_the_class_numbers_of_the_new_program() {
    use crate::virt::Simulation;
    let more = "FUNCTION_BLOCK First END_FUNCTION_BLOCK
        FUNCTION_BLOCK Second EXTENDS First END_FUNCTION_BLOCK
        FUNCTION_BLOCK Third EXTENDS First END_FUNCTION_BLOCK";
    let (old, new) = (objects("", ""), objects(more, "f : ARRAY[1..2] OF Third;"));
    let numbers = |p: &lineshaft_plc_compiler::Program| {
        p.layout.classes.iter().map(|class| class.number).collect::<Vec<_>>()
    };
    assert_ne!(numbers(&old), numbers(&new), "else this shows nothing");
    let plan = Plan::new(&old.layout, &new.layout, &[], Keep::All);
    assert_eq!(plan.refused, []);
    let mut before = Simulation::new(old, 10_000_000).unwrap();
    before.step().unwrap();
    let mut after = Simulation::new(new, 10_000_000).unwrap();
    plan.apply(before.state(), after.state_mut());
    after.step().unwrap();
    for (path, value) in [("Main.one.n", 2), ("Main.list[2].n", 2), ("Main.a", 2), ("Main.b", 2)] {
        assert_eq!(after.get(path).unwrap(), value, "{path}");
    }
}
