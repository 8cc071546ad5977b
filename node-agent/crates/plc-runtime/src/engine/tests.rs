//! Programs of IR made by hand, on both engines: each stands for a shape that decoding or translation treats
//! in a way of its own.

use super::*;
use crate::fault::CALL_STACK_MAX;
use lineshaft_plc_compiler::ir::{
    Block, BlockId, Cond, Const, FaultCode, FuncId, Function, Inst, IntOp, Jump, Module, Op, Site, SiteId,
    Terminator, Ty, Value,
};
use lineshaft_plc_compiler::layout::{Layout, Member, TypeDesc, TypeId};
use lineshaft_plc_compiler::{Instance, Task, Trigger};
use std::sync::atomic::Ordering;

/// Builds one function, value by value.
struct Build {
    types: Vec<Ty>,
    blocks: Vec<Block>,
}

impl Build {
    fn new() -> Self {
        let mut build = Self { types: Vec::new(), blocks: Vec::new() };
        let this = build.value(Ty::Ptr);
        build.block(&[this]);
        build
    }

    fn value(&mut self, ty: Ty) -> Value {
        self.types.push(ty);
        Value(self.types.len() as u32 - 1)
    }

    fn block(&mut self, params: &[Value]) -> BlockId {
        let (params, insts) = (params.to_vec(), Vec::new());
        self.blocks.push(Block { params, insts, end: Terminator::Return(None) });
        BlockId(self.blocks.len() as u32 - 1)
    }

    fn effect(&mut self, block: u32, op: Op) {
        self.blocks[block as usize].insts.push(Inst { result: None, op, site: SiteId(block) });
    }

    fn op(&mut self, block: u32, ty: Ty, op: Op) -> Value {
        let value = self.value(ty);
        let inst = Inst { result: Some(value), op, site: SiteId(block) };
        self.blocks[block as usize].insts.push(inst);
        value
    }

    fn dint(&mut self, block: u32, value: i32) -> Value {
        self.op(block, Ty::I32, Op::Const(Const::I32(value)))
    }

    fn load(&mut self, block: u32, ty: Ty, address: u32) -> Value {
        let ptr = self.op(block, Ty::Ptr, Op::StateAddr(address));
        self.op(block, ty, Op::Load { ptr, offset: 0 })
    }

    fn store(&mut self, block: u32, address: u32, value: Value) {
        let ptr = self.op(block, Ty::Ptr, Op::StateAddr(address));
        self.effect(block, Op::Store { ptr, offset: 0, value });
    }

    fn end(&mut self, block: u32, end: Terminator) {
        self.blocks[block as usize].end = end;
    }

    fn function(self, name: &str, frame_bytes: u32) -> Function {
        let (value_types, blocks) = (self.types, self.blocks);
        Function {
            name: name.to_owned(),
            result: None,
            blocks,
            value_types,
            frame_bytes,
            object_bytes: 0,
            contexts: Vec::new(),
        }
    }
}

fn jump(block: u32, args: &[Value]) -> Jump {
    Jump { block: BlockId(block), args: args.to_vec() }
}

const BOTH: [EngineKind; 2] = [EngineKind::Jit, EngineKind::Interpreter];

fn machine(functions: Vec<Function>, kind: EngineKind) -> Machine {
    let sites = (1..=9).map(|line| Site { file: "t.st".into(), line, column: 1 }).collect();
    let program = Program {
        module: Module { functions, sites, dispatch: Vec::new() },
        layout: Layout { bytes: 128, ..Layout::default() },
        initial: vec![0; 128],
        tasks: vec![Task {
            name: "main".into(),
            trigger: Trigger::Cyclic { interval_ns: 1 },
            priority: 0,
            instances: vec![0],
            outputs: Vec::new(),
        }],
        instances: vec![Instance { name: "Main".into(), program: "P".into(), offset: 64, entry: FuncId(0) }],
        diagnostics: Vec::new(),
    };
    let options = EngineOptions { kind, budget: None };
    let machine = Machine::new(Arc::new(program), Arc::new(AtomicU32::new(0)), options).unwrap();
    assert_eq!(machine.engine(), kind, "{:?}", machine.refused());
    machine
}

fn dint_at(machine: &Machine, address: usize) -> i32 {
    i32::from_le_bytes(machine.state()[address..address + 4].try_into().unwrap())
}

/// `a, b := 1, 2; FOR i := 1 TO times DO a, b := b, a`: block parameters that trade places.
fn swapping(times: i32) -> Function {
    let mut f = Build::new();
    let (a, b, i) = (f.value(Ty::I32), f.value(Ty::I32), f.value(Ty::I32));
    f.block(&[a, b, i]);
    f.block(&[]);
    let (one, two, zero) = (f.dint(0, 1), f.dint(0, 2), f.dint(0, 0));
    f.end(0, Terminator::Jump(jump(1, &[one, two, zero])));
    let step = f.dint(1, 1);
    let next = f.op(1, Ty::I32, Op::Int { op: IntOp::Add, a: i, b: step });
    let limit = f.dint(1, times);
    let more = f.op(1, Ty::I8, Op::IntCmp { cond: Cond::Lt, signed: true, a: i, b: limit });
    f.end(1, Terminator::Branch { cond: more, then: jump(1, &[b, a, next]), otherwise: jump(2, &[]) });
    f.store(2, 64, a);
    f.store(2, 68, b);
    f.function("P", 0)
}

#[test]
fn block_parameters_move_all_at_once() {
    for kind in BOTH {
        for (times, want) in [(0, (1, 2)), (1, (2, 1)), (4, (1, 2)), (7, (2, 1))] {
            let mut machine = machine(vec![swapping(times)], kind);
            machine.run(0, 0).unwrap();
            assert_eq!((dint_at(&machine, 64), dint_at(&machine, 68)), want, "{times} times");
        }
    }
}

#[test]
fn a_fault_names_place_operands_and_callers() {
    for kind in BOTH {
        let mut callee = Build::new();
        let index = callee.op(0, Ty::I64, Op::Const(Const::I64(12)));
        callee.effect(0, Op::CheckIndex { index, low: 0, high: 9 });
        let mut outer = Build::new();
        outer.block(&[]);
        outer.end(0, Terminator::Jump(jump(1, &[])));
        let this = outer.op(1, Ty::Ptr, Op::StateAddr(72));
        outer.effect(1, Op::Call { func: FuncId(1), args: vec![this] });
        let mut machine = machine(vec![outer.function("P", 8), callee.function("Tank", 8)], kind);
        let program = Arc::get_mut(&mut machine.program).unwrap();
        let member = Member { name: "level".into(), ty: TypeId(0), offset: 0, bit: None };
        let tank = TypeDesc::Struct { name: "TANK".into(), members: vec![member], bytes: 8 };
        let tanks = TypeDesc::Array { element: TypeId(1), dimensions: vec![(1, 3)] };
        let member = Member { name: "tanks".into(), ty: TypeId(2), offset: 0, bit: None };
        let main = TypeDesc::Struct { name: "P".into(), members: vec![member], bytes: 24 };
        let bool_type = TypeDesc::Elementary(lineshaft_plc_compiler::layout::Elementary::Bool);
        program.layout.types = vec![bool_type, tank, tanks, main];
        let root = lineshaft_plc_compiler::layout::Root { path: "Main".into(), ty: TypeId(3), offset: 64 };
        program.layout.roots = vec![root];
        let fault = machine.run(0, 5).unwrap_err();
        assert_eq!(fault.code, FaultCode::IndexOutOfBounds);
        assert_eq!(fault.operands, [12, 0, 9]);
        assert_eq!(fault.at, "t.st:1:1");
        assert_eq!(fault.instance, "Main.tanks[2]");
        let stack: Vec<_> = fault.call_stack.iter().map(|c| (c.function.as_str(), c.at.as_str())).collect();
        assert_eq!(stack, [("Tank", "t.st:1:1"), ("P", "t.st:2:1")]);
        assert_eq!(fault.task_time_ns, 5);
    }
}

#[test]
fn an_endless_loop_ends_by_attention_and_by_budget() {
    for kind in BOTH {
        let mut f = Build::new();
        f.block(&[]);
        f.end(0, Terminator::Jump(jump(1, &[])));
        f.effect(1, Op::Poll);
        f.end(1, Terminator::Jump(jump(1, &[])));
        let mut machine = machine(vec![f.function("P", 0)], kind);
        machine.set_budget(Some(1000));
        assert_eq!(machine.run(0, 0).unwrap_err().code, FaultCode::Watchdog);
        machine.set_budget(None);
        machine.attention().store(1, Ordering::Relaxed);
        assert_eq!(machine.run(0, 0).unwrap_err().code, FaultCode::Watchdog);
    }
}

#[test]
fn endless_recursion_is_a_fault() {
    for kind in BOTH {
        let mut f = Build::new();
        let this = f.op(0, Ty::Ptr, Op::FrameAddr(0));
        f.effect(0, Op::Call { func: FuncId(0), args: vec![this] });
        let small = machine(vec![f.function("P", 8)], kind);
        let mut f = Build::new();
        let this = f.op(0, Ty::Ptr, Op::FrameAddr(0));
        f.effect(0, Op::Call { func: FuncId(0), args: vec![this] });
        let large = machine(vec![f.function("P", 100_000)], kind);
        for mut machine in [small, large] {
            let fault = machine.run(0, 0).unwrap_err();
            assert_eq!(fault.code, FaultCode::StackOverflow);
            assert_eq!(fault.call_stack.len().min(CALL_STACK_MAX), fault.call_stack.len());
        }
    }
}

#[test]
fn an_address_outside_is_a_fault() {
    let mut f = Build::new();
    let end = f.op(0, Ty::Ptr, Op::StateAddr(u32::MAX));
    let zero = f.dint(0, 1);
    f.effect(0, Op::Store { ptr: end, offset: u32::MAX, value: zero });
    assert!(machine(vec![f.function("P", 0)], EngineKind::Interpreter).run(0, 0).is_err());
    let mut f = Build::new();
    let to = f.op(0, Ty::Ptr, Op::StateAddr(120));
    f.effect(0, Op::Zero { to, bytes: u32::MAX });
    assert!(machine(vec![f.function("P", 0)], EngineKind::Interpreter).run(0, 0).is_err());
}

#[test]
fn a_bit_of_the_image_is_stored_alone() {
    for kind in BOTH {
        let mut f = Build::new();
        let one = f.op(0, Ty::I8, Op::Const(Const::I8(1)));
        let ptr = f.op(0, Ty::Ptr, Op::StateAddr(64));
        f.effect(0, Op::StoreBit { ptr, offset: 1, bit: 3, value: one });
        let read = f.op(0, Ty::I8, Op::LoadBit { ptr, offset: 1, bit: 3 });
        f.store(0, 80, read);
        let value = f.load(0, Ty::I32, 64);
        let minus = f.dint(0, -1);
        let quotient = f.op(0, Ty::I32, Op::Div { signed: true, a: value, b: minus });
        f.store(0, 84, quotient);
        let mut machine = machine(vec![f.function("P", 0)], kind);
        machine.state_mut()[65] = 0x80;
        machine.run(0, 0).unwrap();
        assert_eq!((machine.state()[65], machine.state()[80]), (0x88, 1));
        assert_eq!(dint_at(&machine, 84), -0x8800);
    }
}
