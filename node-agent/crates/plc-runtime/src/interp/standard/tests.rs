//! Each standard block as one instruction, by its instructions, and as machine code, on the same bytes.

use crate::engine::{EngineKind, EngineOptions, Machine};
use crate::interp::decode::standard::{by_name, routine};
use crate::interp::{Interpreter, Scope};
use lineshaft_plc_compiler::ir::{FaultCode, Function, Inst, Module, Op, Terminator, Ty};
use lineshaft_plc_compiler::layout::{Elementary, Layout};
use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

const COUNTERS: [&str; 5] = ["INT", "DINT", "LINT", "UDINT", "ULINT"];
const TIMERS: [&str; 2] = ["TIME", "LTIME"];

/// Every standard block with all its variants.
fn names() -> Vec<String> {
    let mut names: Vec<String> = ["SR", "RS", "R_TRIG", "F_TRIG"].map(str::to_owned).to_vec();
    for (blocks, types) in [(["CTU", "CTD", "CTUD"], &COUNTERS[..]), (["TON", "TOF", "TP"], &TIMERS[..])] {
        for block in blocks {
            names.push(block.to_owned());
            names.extend(types.iter().map(|ty| format!("{block}_{ty}")));
        }
    }
    names
}

/// A program that does nothing but call an instance.
fn program(block: &str) -> Program {
    compiled(&format!("PROGRAM Main\nVAR b : {block}; END_VAR\nb();\nEND_PROGRAM\n"))
}

/// The same where something overlaps, so that all code takes any byte but 0 for TRUE.
fn overlaid(block: &str) -> Program {
    compiled(&format!(
        "TYPE Both : STRUCT OVERLAP flag : BOOL; bits : BYTE; END_STRUCT; END_TYPE\n\
         PROGRAM Main\nVAR b : {block}; both : Both; END_VAR\nb();\nEND_PROGRAM\n"
    ))
}

fn compiled(text: &str) -> Program {
    let units = [SourceUnit { name: "main.st".to_owned(), text: text.to_owned() }];
    compile(&units, &Options::default()).expect("the program is correct")
}

/// The same program with names that no standard block has: all is executed as instructions.
fn renamed(program: &Program) -> Program {
    let mut program = program.clone();
    for function in &mut program.module.functions {
        function.name.push('\'');
    }
    program
}

/// How many functions of the module are called as single instructions.
fn single(module: &Module) -> usize {
    module.functions.iter().filter(|function| routine(module, function).is_some()).count()
}

/// A member of the instance, hidden ones as well: where in the state block, and what kind of number.
#[derive(Clone, Copy)]
struct Member {
    offset: usize,
    bytes: usize,
    is_bool: bool,
}

fn members(layout: &Layout) -> Vec<Member> {
    let of_instance = layout.leaves.iter().filter(|leaf| leaf.path.starts_with("Main.b."));
    let member = |leaf: &lineshaft_plc_compiler::layout::Leaf| Member {
        offset: leaf.offset as usize,
        bytes: leaf.bytes as usize,
        is_bool: leaf.ty == Layout::elementary(Elementary::Bool),
    };
    of_instance.map(member).collect()
}

/// What is written to a member of any size.
#[derive(Clone, Copy, Debug)]
enum Number {
    Is(i64),
    Greatest,
    Least,
}

impl Number {
    fn of_bytes(self, bytes: usize) -> i64 {
        match self {
            Self::Is(number) => number,
            Self::Greatest => i64::MAX >> (64 - 8 * bytes),
            Self::Least => i64::MIN >> (64 - 8 * bytes),
        }
    }
}

fn number() -> impl Strategy<Value = Number> {
    use Number::{Greatest, Is, Least};
    let numbers = vec![Is(0), Is(0), Is(0), Is(1), Is(1), Is(1), Is(-1), Is(2), Greatest, Least, Least];
    prop_oneof![6 => select(numbers), 2 => (0i64..2000).prop_map(Is), 1 => any::<i64>().prop_map(Is)]
}

/// What happens before a call.
#[derive(Clone, Debug)]
struct Step {
    /// Numbers of members and what is written to them.
    writes: Vec<(usize, Number)>,
    /// Time that goes by.
    passed_ns: i64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // The inputs come first: they change more often than what the block itself keeps.
    let member = prop_oneof![8 => 0usize..5, 1 => 5usize..12];
    let passed_ns = prop_oneof![8 => 0i64..800, 1 => any::<i64>()];
    let step = (vec((member, number()), 0..4), passed_ns);
    vec(step.prop_map(|(writes, passed_ns)| Step { writes, passed_ns }), 1..40)
}

fn machine(program: Program, kind: EngineKind) -> Machine {
    let options = EngineOptions { kind, budget: None };
    let machine = Machine::new(Arc::new(program), Arc::new(AtomicU32::new(0)), options).expect("it is small");
    assert_eq!(machine.engine(), kind);
    machine
}

/// Calls the block in all ways with any inputs and any content, and compares all of the state after each call.
/// `bools` is applied to what is written to a BOOL.
fn agree(program: &Program, bools: fn(i64) -> i64) {
    let ordinary = renamed(program);
    assert_eq!((single(&program.module), single(&ordinary.module)), (1, 0));
    let machines = RefCell::new([
        machine(program.clone(), EngineKind::Interpreter),
        machine(ordinary, EngineKind::Interpreter),
        machine(program.clone(), EngineKind::Jit),
    ]);
    let members = members(&program.layout);
    let known = program.module.functions.iter().find_map(|function| by_name(&function.name));
    assert_eq!(known.map(|(members, _)| members.len()), Some(members.len()));
    let config = ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() };
    let outcome = TestRunner::new(config)
        .run(&steps(), |steps| follow(&mut machines.borrow_mut(), &members, &steps, bools));
    if let Err(failure) = outcome {
        let names: Vec<&str> = program.module.functions.iter().map(|function| &*function.name).collect();
        panic!("{names:?}: {failure}");
    }
}

fn follow(
    machines: &mut [Machine; 3],
    members: &[Member],
    steps: &[Step],
    bools: fn(i64) -> i64,
) -> Result<(), TestCaseError> {
    machines.iter_mut().for_each(Machine::reset);
    let mut now_ns = 1_000i64;
    for step in steps {
        now_ns = now_ns.wrapping_add(step.passed_ns);
        for machine in machines.iter_mut() {
            for &(member, value) in &step.writes {
                let Member { offset, bytes, is_bool } = members[member % members.len()];
                let value = value.of_bytes(bytes);
                let value = if is_bool { bools(value) } else { value };
                machine.state_mut()[offset..offset + bytes].copy_from_slice(&value.to_le_bytes()[..bytes]);
            }
            prop_assert!(machine.run(0, now_ns).is_ok());
        }
        let [single, ordinary, compiled] = &*machines;
        prop_assert_eq!(single.state(), ordinary.state(), "by instructions");
        prop_assert_eq!(single.state(), compiled.state(), "compiled");
    }
    Ok(())
}

#[test]
fn a_block_leaves_what_its_text_leaves() {
    for block in names() {
        agree(&program(&block), |value| value & 1);
    }
}

#[test]
fn a_block_leaves_what_its_text_leaves_where_any_byte_is_a_bool() {
    for block in names() {
        agree(&overlaid(&block), |value| value);
    }
}

#[test]
fn a_block_that_cannot_be_entered_faults_as_if_it_were() {
    let program = program("TON");
    let run = |module: &Module, arena_bytes: usize, this: u32| {
        let mut memory = program.initial.clone();
        let arena = memory.len() as u32;
        memory.resize(memory.len() + arena_bytes, 0);
        let mut scope = Scope {
            memory: &mut memory,
            arena,
            scratch: &mut [],
            attention: &AtomicU32::new(0),
            budget: Some(0),
            now_ns: 0,
        };
        Interpreter::new(module).run(program.instances[0].entry, this, &mut scope)
    };
    let this = program.instances[0].offset;
    let end = program.initial.len() as u32 + 256;
    let cases = [
        ("room", 256, this, None),
        ("no room for its frame", 0, this, Some(FaultCode::StackOverflow)),
        ("no room for its instance", 256, end - 8, Some(FaultCode::NullReference)),
        ("its instance lies elsewhere", 256, u32::MAX, Some(FaultCode::NullReference)),
    ];
    let ordinary = renamed(&program).module;
    for (name, arena_bytes, this, fault) in cases {
        let single = run(&program.module, arena_bytes, this);
        assert_eq!(single, run(&ordinary, arena_bytes, this), "{name}");
        assert_eq!(single.err().map(|raised| raised.code), fault, "{name}");
    }
}

/// Changes what loads what is at an offset of an instance.
fn move_loads(module: &mut Module, from: u32, to: u32) {
    let function = body(module);
    for inst in function.blocks.iter_mut().flat_map(|block| &mut block.insts) {
        if let Op::Load { offset, .. } = &mut inst.op
            && *offset == from
        {
            *offset = to;
        }
    }
}

fn body(module: &mut Module) -> &mut Function {
    module.functions.iter_mut().find(|function| function.name == "TON").expect("the block is called")
}

type Change = fn(&mut Module);

#[test]
fn a_block_that_is_not_as_expected_is_called_as_any_other() {
    let changes: [(&str, Change); 6] = [
        ("another name", |module| body(module).name = "TOM".to_owned()),
        ("another source", |module| module.sites.iter_mut().for_each(|site| site.file = "main.st".into())),
        ("a member elsewhere", |module| move_loads(module, 8, 12)),
        ("another width", |module| {
            body(module).value_types.iter_mut().filter(|ty| **ty == Ty::I64).for_each(|ty| *ty = Ty::I32);
        }),
        ("an effect beside", |module| {
            let inst = Inst { result: None, op: Op::Poll, site: body(module).blocks[0].insts[0].site };
            body(module).blocks[0].insts.push(inst);
        }),
        ("a fault", |module| {
            let site = body(module).blocks[0].insts[0].site;
            body(module).blocks[0].end =
                Terminator::Fault { code: FaultCode::NullReference, operands: Vec::new(), site };
        }),
    ];
    for (name, change) in changes {
        let mut module = program("TON").module;
        assert_eq!(single(&module), 1);
        change(&mut module);
        assert_eq!(single(&module), 0, "{name}");
    }
}
