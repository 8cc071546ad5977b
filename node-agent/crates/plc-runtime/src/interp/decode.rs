//! From the IR to the interpreter's instruction set.

mod access;
mod flow;
mod operand;

use super::code::{Arith, Call, Check, Code, Function, Op, Order, Routine, Slot};
use super::slots::{Slots, Uses};
use flow::ends_with_poll_jump;
use lineshaft_plc_compiler::ir::{self, BlockId, Const, FaultCode, Inst, IntOp, Module, SiteId, Ty, Value};
use operand::{end_operands, operands};

/// Decodes a verified module.
pub(crate) fn decode(module: &Module) -> Code {
    let methods = |row: &Vec<Option<ir::FuncId>>| row.iter().map(|func| func.map(|func| func.0)).collect();
    let mut code = Code { dispatch: module.dispatch.iter().map(methods).collect(), ..Code::default() };
    for function in &module.functions {
        let entry = code.ops.len() as u32;
        let slots = Decoder::new(&mut code, function).run();
        code.functions.push(Function { entry, slots, frame_bytes: function.frame_bytes.next_multiple_of(8) });
    }
    code
}

/// An address as far as it is known while decoding.
#[derive(Clone, Copy)]
enum Base {
    State(u32),
    Frame(u32),
    Value(Value, u32),
}

struct Decoder<'a> {
    code: &'a mut Code,
    function: &'a ir::Function,
    /// The instruction that makes each value.
    makers: Vec<Option<&'a Inst>>,
    /// How often each value is named, whether its use needs a slot or not.
    mentions: Vec<u32>,
    slots: Slots,
    /// A slot whose content lasts for one operation.
    scratch: Option<Slot>,
    /// First operation of each block.
    starts: Vec<u32>,
    /// Operations whose target is still a block.
    fixups: Vec<(usize, BlockId)>,
}

impl<'a> Decoder<'a> {
    fn new(code: &'a mut Code, function: &'a ir::Function) -> Self {
        let mut makers = vec![None; function.value_types.len()];
        let mut uses = Uses::new(function.value_types.len());
        for (b, block) in function.blocks.iter().enumerate() {
            for &param in &block.params {
                uses.define(param, b as u32);
                uses.pin(param);
            }
            for inst in &block.insts {
                if let Some(result) = inst.result {
                    uses.define(result, b as u32);
                    makers[result.index()] = Some(inst);
                }
            }
        }
        let mut mentions = vec![0; function.value_types.len()];
        let mut mention = |value: Value| mentions[value.index()] += 1;
        for block in &function.blocks {
            block.insts.iter().for_each(|inst| operands(&inst.op, &mut mention));
            end_operands(&block.end, &mut mention);
        }
        let mut decoder = Self {
            code,
            function,
            makers,
            mentions,
            slots: Slots::new(Uses::new(0)),
            scratch: None,
            starts: Vec::new(),
            fixups: Vec::new(),
        };
        for (b, block) in function.blocks.iter().enumerate() {
            decoder.visit_end(block, &mut |value| uses.add(value, b as u32));
            let fused = decoder.fused(block);
            for inst in &block.insts {
                if !fused.is_some_and(|f| std::ptr::eq(f, inst)) {
                    decoder.visit(inst, &mut |value| uses.add(value, b as u32));
                }
            }
        }
        decoder.slots = Slots::new(uses);
        decoder
    }

    fn run(mut self) -> u32 {
        let function = self.function;
        if let Some(entry) = function.blocks.first() {
            // Arguments arrive in the first slots.
            for &param in &entry.params {
                self.slots.define(param);
            }
        }
        for block in &function.blocks {
            self.starts.push(self.code.ops.len() as u32);
            let fused = self.fused(block);
            let polled = ends_with_poll_jump(block);
            for (i, inst) in block.insts.iter().enumerate() {
                let is_fused = fused.is_some_and(|f| std::ptr::eq(f, inst));
                let is_poll = polled && i + 1 == block.insts.len();
                if !is_fused && !is_poll {
                    self.inst(inst);
                }
            }
            self.end(block, fused, polled);
        }
        for (at, block) in std::mem::take(&mut self.fixups) {
            let start = self.starts[block.index()];
            match &mut self.code.ops[at] {
                Op::Jump { target }
                | Op::PollJump { target }
                | Op::BranchIf { target, .. }
                | Op::BranchIfNot { target, .. }
                | Op::Branch { target, .. }
                | Op::BranchImm { target, .. } => *target = start,
                _ => {}
            }
        }
        self.slots.total()
    }

    // Emission.

    fn emit(&mut self, op: Op, site: SiteId) {
        self.code.ops.push(op);
        self.code.sites.push(site);
    }

    fn jump_to(&mut self, op: Op, block: BlockId, site: SiteId) {
        self.fixups.push((self.code.ops.len(), block));
        self.emit(op, site);
    }

    fn inst(&mut self, inst: &'a Inst) {
        use ir::Op as I;
        let site = inst.site;
        // Constants and addresses are made only where an operation could not take them in.
        if let Some(result) = inst.result
            && matches!(inst.op, I::Const(_) | I::StateAddr(_) | I::FrameAddr(_) | I::Offset { .. })
            && !self.slots.is_used(result)
        {
            return;
        }
        let op = match &inst.op {
            I::Store { ptr, offset, value } => self.store(*ptr, *offset, *value),
            I::StoreBit { ptr, offset, bit, value } => {
                let (ptr, offset) = self.address(*ptr, *offset, site);
                Op::StoreBit { bit: *bit, ptr, offset, src: self.slots.take(*value) }
            }
            I::Copy { to, from, bytes } => {
                Op::Copy { to: self.slots.take(*to), from: self.slots.take(*from), bytes: *bytes }
            }
            I::Zero { to, bytes } => Op::Zero { to: self.slots.take(*to), bytes: *bytes },
            I::CheckIndex { index, low, high } => {
                self.check(*index, *low, *high, FaultCode::IndexOutOfBounds)
            }
            I::CheckRange { value, low, high } => {
                self.check(*value, *low, *high, FaultCode::SubrangeViolation)
            }
            I::CheckNull(ptr) => Op::CheckNull { src: self.slots.take(*ptr) },
            I::Poll => Op::Poll,
            I::Call { func, args } => {
                let call = self.call(func.0, args, inst.result, None);
                Op::Call { call }
            }
            I::CallVirtual { slot, class, this, args } => {
                let class = self.slots.take(*class);
                let args: Vec<Value> = std::iter::once(*this).chain(args.iter().copied()).collect();
                let call = self.call(0, &args, inst.result, None);
                self.code.calls[call as usize].dispatch = Some((*slot, class));
                Op::CallVirtual { call }
            }
            I::CheckIndexIn { index, low, high } => {
                let (src, low) = (self.slots.take(*index), self.slots.take(*low));
                Op::CheckIn { src, low, high: self.slots.take(*high) }
            }
            I::CheckPointer { ptr, bytes, frames } => {
                Op::CheckPointer { frames: *frames, src: self.slots.take(*ptr), bytes: *bytes }
            }
            I::Helper { helper, args } => {
                let routine = Routine::new(*helper, args, inst.result, &self.function.value_types);
                let call = self.call(0, args, inst.result, Some(routine));
                Op::Helper { call }
            }
            op => match inst.result {
                Some(result) => self.value(op, result, site),
                // An operation without effect whose result is thrown away.
                None => return,
            },
        };
        self.emit(op, site);
    }

    /// Operations that do nothing but give a result.
    fn value(&mut self, op: &ir::Op, result: Value, site: SiteId) -> Op {
        use ir::Op as I;
        let bits = self.bits(result);
        match op {
            I::Const(c) => Op::Const { value: raw(*c), dst: self.slots.define(result) },
            I::StateAddr(address) => Op::Const { value: u64::from(*address), dst: self.slots.define(result) },
            I::FrameAddr(bytes) => Op::Frame { bytes: *bytes, dst: self.slots.define(result) },
            I::Offset { ptr, bytes } => {
                let ptr = self.slots.take(*ptr);
                Op::Offset { ptr, bytes: *bytes, dst: self.slots.define(result) }
            }
            I::Index { ptr, index, stride } => self.index(*ptr, *index, *stride, result, site),
            I::Load { ptr, offset } => self.load(*ptr, *offset, result),
            I::LoadBit { ptr, offset, bit } => {
                let (ptr, offset) = self.address(*ptr, *offset, site);
                Op::LoadBit { bit: *bit, ptr, offset, dst: self.slots.define(result) }
            }
            I::Int { op, a, b } => self.int(*op, bits, *a, *b, result),
            I::Div { signed, a, b } => {
                let op = if *signed { Arith::DivS } else { Arith::DivU };
                self.divide(op, bits, *a, *b, result)
            }
            I::Rem { signed, a, b } => {
                let op = if *signed { Arith::RemS } else { Arith::RemU };
                self.divide(op, bits, *a, *b, result)
            }
            I::Neg(a) => {
                let a = self.slots.take(*a);
                Op::Neg { bits, a, dst: self.slots.define(result) }
            }
            I::Not(a) => {
                let a = self.slots.take(*a);
                Op::Not { bits, a, dst: self.slots.define(result) }
            }
            I::Float { op, a, b } => {
                let (op, a, b) = (*op, self.slots.take(*a), self.slots.take(*b));
                let dst = self.slots.define(result);
                if bits == 32 { Op::Float32 { op, dst, a, b } } else { Op::Float64 { op, dst, a, b } }
            }
            I::FloatNeg(a) => {
                let a = self.slots.take(*a);
                Op::FloatNeg { bits, a, dst: self.slots.define(result) }
            }
            I::FloatAbs(a) => {
                let a = self.slots.take(*a);
                Op::FloatAbs { bits, a, dst: self.slots.define(result) }
            }
            I::IntCmp { cond, signed, a, b } => {
                let order = order(self.bits(*a), *signed);
                let imm = self.compared(*b, *signed);
                let a = self.slots.take(*a);
                match imm {
                    Some(imm) => Op::CmpImm { cond: *cond, order, a, imm, dst: self.slots.define(result) },
                    None => {
                        let b = self.slots.take(*b);
                        Op::Cmp { cond: *cond, order, a, b, dst: self.slots.define(result) }
                    }
                }
            }
            I::FloatCmp { cond, a, b } => {
                let single = self.ty(*a) == Ty::F32;
                let (cond, a, b) = (*cond, self.slots.take(*a), self.slots.take(*b));
                let dst = self.slots.define(result);
                if single { Op::FloatCmp32 { cond, dst, a, b } } else { Op::FloatCmp64 { cond, dst, a, b } }
            }
            I::Select { cond, a, b } => {
                let cond = self.slots.take(*cond);
                let pair = self.code.pairs.len() as u32;
                self.code.pairs.push((self.slots.take(*a), self.slots.take(*b)));
                Op::Select { cond, pair, dst: self.slots.define(result) }
            }
            I::SignExtend(a) => {
                let from = self.bits(*a);
                let a = self.slots.take(*a);
                Op::SignExtend { from, to: bits, a, dst: self.slots.define(result) }
            }
            I::Truncate(a) => {
                let a = self.slots.take(*a);
                Op::Truncate { to: bits, a, dst: self.slots.define(result) }
            }
            I::ZeroExtend(a) | I::Bitcast(a) => {
                let src = self.slots.take(*a);
                Op::Move { src, dst: self.slots.define(result) }
            }
            I::IntToFloat { signed, value } => {
                let from = self.bits(*value);
                let a = self.slots.take(*value);
                Op::IntToFloat { signed: *signed, from, to: bits, a, dst: self.slots.define(result) }
            }
            I::FloatToInt { signed, truncate, value } => {
                let from = self.bits(*value);
                let mode = u8::from(*signed) | u8::from(*truncate) << 1;
                let a = self.slots.take(*value);
                Op::FloatToInt { mode, from, to: bits, a, dst: self.slots.define(result) }
            }
            I::FloatConvert(a) => {
                let same = self.bits(*a) == bits;
                let a = self.slots.take(*a);
                let dst = self.slots.define(result);
                if same { Op::Move { dst, src: a } } else { Op::FloatConvert { to: bits, dst, a } }
            }
            I::Now => Op::Now { dst: self.slots.define(result) },
            I::RefToPtr(a) => {
                let in_memory = self.ty(*a) == Ty::Ptr;
                let a = self.slots.take(*a);
                let dst = self.slots.define(result);
                if in_memory { Op::LoadRef { dst, ptr: a } } else { Op::RefLow { dst, a } }
            }
            I::PtrToRef { ptr, type_id } => {
                let ptr = self.slots.take(*ptr);
                Op::PtrToRef { ptr, type_id: *type_id, dst: self.slots.define(result) }
            }
            I::Store { .. }
            | I::StoreBit { .. }
            | I::Copy { .. }
            | I::Zero { .. }
            | I::Call { .. }
            | I::CallVirtual { .. }
            | I::CheckIndexIn { .. }
            | I::CheckPointer { .. }
            | I::Helper { .. }
            | I::CheckIndex { .. }
            | I::CheckRange { .. }
            | I::CheckNull(_)
            | I::Poll => Op::Const { value: 0, dst: self.slots.define(result) },
        }
    }

    fn int(&mut self, op: IntOp, bits: u8, a: Value, b: Value, result: Value) -> Op {
        let imm = self.immediate_of(op, b);
        let a = self.slots.take(a);
        if let Some(imm) = imm {
            let dst = self.slots.define(result);
            return match (op, bits) {
                (IntOp::Add, 32) => Op::Add32Imm { dst, a, imm },
                (IntOp::Sub, 32) => Op::Add32Imm { dst, a, imm: -imm },
                (IntOp::Add, 64) => Op::Add64Imm { dst, a, imm },
                (IntOp::Sub, 64) => Op::Add64Imm { dst, a, imm: -imm },
                (IntOp::Mul, 32) => Op::Mul32Imm { dst, a, imm },
                (IntOp::And, _) => Op::AndImm { dst, a, imm: imm as u32 },
                (IntOp::Xor, _) => Op::XorImm { dst, a, imm: imm as u32 },
                _ => Op::ArithImm { op: arith(op), bits, dst, a, imm },
            };
        }
        let b = self.slots.take(b);
        let dst = self.slots.define(result);
        match (op, bits) {
            (IntOp::And, _) => Op::And { dst, a, b },
            (IntOp::Or, _) => Op::Or { dst, a, b },
            (IntOp::Xor, _) => Op::Xor { dst, a, b },
            (IntOp::Add, 32) => Op::Add32 { dst, a, b },
            (IntOp::Sub, 32) => Op::Sub32 { dst, a, b },
            (IntOp::Mul, 32) => Op::Mul32 { dst, a, b },
            (IntOp::Add, 64) => Op::Add64 { dst, a, b },
            (IntOp::Sub, 64) => Op::Sub64 { dst, a, b },
            (IntOp::Mul, 64) => Op::Mul64 { dst, a, b },
            _ => Op::Arith { op: arith(op), bits, dst, a, b },
        }
    }

    fn divide(&mut self, op: Arith, bits: u8, a: Value, b: Value, result: Value) -> Op {
        let imm = self.divisor(b);
        let a = self.slots.take(a);
        match imm {
            Some(imm) => {
                let dst = self.slots.define(result);
                match (op, bits) {
                    (Arith::RemS, 32) => Op::RemS32Imm { dst, a, imm },
                    _ => Op::ArithImm { op, bits, dst, a, imm },
                }
            }
            None => {
                let b = self.slots.take(b);
                Op::Arith { op, bits, a, b, dst: self.slots.define(result) }
            }
        }
    }

    fn check(&mut self, value: Value, low: i64, high: i64, code: FaultCode) -> Op {
        let check = self.code.checks.len() as u32;
        self.code.checks.push(Check { low, high, code });
        Op::CheckRange { src: self.slots.take(value), check }
    }

    fn call(&mut self, func: u32, args: &[Value], result: Option<Value>, helper: Option<Routine>) -> u32 {
        let args = args.iter().map(|&v| self.slots.take(v)).collect();
        let dst = result.map(|v| self.slots.define(v));
        self.code.calls.push(Call { func, dst, args, helper, dispatch: None });
        self.code.calls.len() as u32 - 1
    }
}

fn arith(op: IntOp) -> Arith {
    match op {
        IntOp::Sub => Arith::Sub,
        IntOp::Mul => Arith::Mul,
        IntOp::Shl => Arith::Shl,
        IntOp::Shr => Arith::Shr,
        IntOp::Rol => Arith::Rol,
        IntOp::Ror => Arith::Ror,
        // The bitwise operations have forms of their own.
        IntOp::Add | IntOp::And | IntOp::Or | IntOp::Xor => Arith::Add,
    }
}

fn bits(ty: Ty) -> u8 {
    (ty.size() * 8) as u8
}

fn order(bits: u8, signed: bool) -> Order {
    if signed { Order { shift: 64 - bits, flip: false } } else { Order { shift: 0, flip: true } }
}

fn raw(constant: Const) -> u64 {
    match constant {
        Const::I8(v) => u64::from(v as u8),
        Const::I16(v) => u64::from(v as u16),
        Const::I32(v) => u64::from(v as u32),
        Const::I64(v) => v as u64,
        Const::F32(v) => u64::from(v.to_bits()),
        Const::F64(v) => v.to_bits(),
        Const::Null => 0,
    }
}
