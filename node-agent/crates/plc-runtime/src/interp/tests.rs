//! Functions that no source makes: what lowering never does must be harmless, and what it rarely does, right.

use super::*;
use lineshaft_plc_compiler::ir::{
    Block, BlockId, Cond, Const, FaultCode, Function, Inst, IntOp, Jump, Op, Terminator, Ty, Value,
};

/// Bytes of the state block.
const STATE: usize = 128;

fn inst(result: Option<u32>, op: Op) -> Inst {
    Inst { result: result.map(Value), op, site: SiteId(0) }
}

fn block(params: &[u32], insts: Vec<Inst>, end: Terminator) -> Block {
    Block { params: params.iter().copied().map(Value).collect(), insts, end }
}

fn jump(block: u32, args: &[u32]) -> Jump {
    Jump { block: BlockId(block), args: args.iter().copied().map(Value).collect() }
}

fn module(value_types: Vec<Ty>, blocks: Vec<Block>) -> Module {
    let function = Function { name: "F".to_owned(), value_types, blocks, ..Function::default() };
    Module { functions: vec![function], ..Module::default() }
}

/// Runs function 0 for an instance at an address; the state block afterwards.
fn run(module: &Module, this: u32, budget: Option<u64>) -> (Result<(), FaultCode>, Vec<u8>) {
    let mut memory = vec![0; STATE + 64];
    let mut scope = Scope {
        memory: &mut memory,
        arena: STATE as u32,
        scratch: &mut [],
        attention: &AtomicU32::new(0),
        budget,
        now_ns: 0,
    };
    let result = Interpreter::new(module).run(FuncId(0), this, &mut scope).map_err(|raised| raised.code);
    memory.truncate(STATE);
    (result, memory)
}

fn store(ptr: u32, offset: u32, value: u32) -> Inst {
    inst(None, Op::Store { ptr: Value(ptr), offset, value: Value(value) })
}

fn load(result: u32, ptr: u32, offset: u32) -> Inst {
    inst(Some(result), Op::Load { ptr: Value(ptr), offset })
}

fn number(result: u32, value: i32) -> Inst {
    inst(Some(result), Op::Const(Const::I32(value)))
}

fn leave() -> Terminator {
    Terminator::Return(None)
}

#[test]
fn an_instance_that_leaves_the_memory_is_not_entered() {
    let insts = vec![number(1, 7), store(0, 0, 1), store(0, 4096, 1)];
    let (result, state) = run(&module(vec![Ty::Ptr, Ty::I32], vec![block(&[0], insts, leave())]), 64, None);
    assert_eq!(result, Err(FaultCode::NullReference));
    assert!(state.iter().all(|&byte| byte == 0));
}

#[test]
fn a_place_behind_the_state_block_is_not_written() {
    let insts = vec![inst(Some(1), Op::StateAddr(1 << 20)), number(2, 7), store(1, 0, 2)];
    let types = vec![Ty::Ptr, Ty::Ptr, Ty::I32];
    let (result, _) = run(&module(types, vec![block(&[0], insts, leave())]), 64, None);
    assert_eq!(result, Err(FaultCode::NullReference));
}

#[test]
fn a_load_gives_what_was_there_before_later_stores() {
    // Half of what is loaded is overwritten before its use.
    let insts = vec![
        number(1, 0x1111_2222),
        store(0, 0, 1),
        load(2, 0, 0),
        inst(Some(3), Op::Const(Const::I16(0))),
        store(0, 2, 3),
        store(0, 8, 2),
    ];
    let types = vec![Ty::Ptr, Ty::I32, Ty::I32, Ty::I16];
    let (result, state) = run(&module(types, vec![block(&[0], insts, leave())]), 64, None);
    assert_eq!(result, Ok(()));
    assert_eq!(state[64..76], [0x22, 0x22, 0, 0, 0, 0, 0, 0, 0x22, 0x22, 0x11, 0x11]);
}

/// Ten turns of a loop that exchanges two parameters, and counts its turns in a third.
fn exchange() -> Module {
    let blocks = vec![
        block(&[0], vec![number(1, 1), number(2, 2), number(3, 0)], Terminator::Jump(jump(1, &[1, 2, 3]))),
        block(
            &[4, 5, 6],
            vec![
                number(7, 1),
                inst(Some(8), Op::Int { op: IntOp::Add, a: Value(6), b: Value(7) }),
                number(9, 11),
                inst(Some(10), Op::IntCmp { cond: Cond::Lt, signed: true, a: Value(8), b: Value(9) }),
            ],
            Terminator::Branch { cond: Value(10), then: jump(2, &[]), otherwise: jump(3, &[]) },
        ),
        block(&[], vec![inst(None, Op::Poll)], Terminator::Jump(jump(1, &[5, 4, 8]))),
        block(&[], vec![store(0, 0, 4), store(0, 4, 5), store(0, 8, 6)], leave()),
    ];
    let mut types = vec![Ty::I32; 11];
    (types[0], types[10]) = (Ty::Ptr, Ty::I8);
    module(types, blocks)
}

#[test]
fn parameters_change_places_all_at_once() {
    let (result, state) = run(&exchange(), 64, None);
    assert_eq!(result, Ok(()));
    assert_eq!(state[64..76], [1, 0, 0, 0, 2, 0, 0, 0, 10, 0, 0, 0]);
}

#[test]
fn a_budget_is_the_number_of_back_edges() {
    assert_eq!(run(&exchange(), 64, Some(10)).0, Ok(()));
    assert_eq!(run(&exchange(), 64, Some(9)).0, Err(FaultCode::Watchdog));
}

#[test]
fn a_block_of_constants_is_no_back_edge() {
    let blocks = vec![
        block(&[0], vec![number(1, 5)], Terminator::Jump(jump(2, &[1]))),
        block(&[], vec![number(2, 6)], Terminator::Jump(jump(2, &[2]))),
        block(&[3], vec![store(0, 0, 3)], leave()),
    ];
    let (result, state) = run(&module(vec![Ty::Ptr, Ty::I32, Ty::I32, Ty::I32], blocks), 64, Some(0));
    assert_eq!((result, state[64]), (Ok(()), 5));
}
