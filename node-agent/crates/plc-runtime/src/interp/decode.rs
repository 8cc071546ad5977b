//! From the IR to the interpreter's instruction set.

use super::code::{Arith, Call, Check, Code, Function, Op, Order, Routine, Slot, Trap};
use super::slots::{Slots, Uses};
use lineshaft_plc_compiler::ir::{
    self, Block, BlockId, Cond, Const, FaultCode, Inst, IntOp, Jump, Module, SiteId, Terminator, Ty, Value,
};

/// Decodes a verified module.
pub(crate) fn decode(module: &Module) -> Code {
    let mut code = Code::default();
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

    // What a value is.

    fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    fn bits(&self, value: Value) -> u8 {
        bits(self.ty(value))
    }

    fn maker(&self, value: Value) -> Option<&'a ir::Op> {
        self.makers[value.index()].map(|inst| &inst.op)
    }

    /// An integer constant, sign-extended from its width, if it fits an operand.
    fn immediate(&self, value: Value) -> Option<i32> {
        let signed = match self.maker(value)? {
            ir::Op::Const(Const::I8(v)) => i64::from(*v),
            ir::Op::Const(Const::I16(v)) => i64::from(*v),
            ir::Op::Const(Const::I32(v)) => i64::from(*v),
            ir::Op::Const(Const::I64(v)) => *v,
            _ => return None,
        };
        i32::try_from(signed).ok()
    }

    fn base(&self, ptr: Value, offset: u32) -> Base {
        match self.maker(ptr) {
            Some(ir::Op::StateAddr(address)) => Base::State(address.wrapping_add(offset)),
            Some(ir::Op::FrameAddr(bytes)) => Base::Frame(bytes.wrapping_add(offset)),
            Some(ir::Op::Offset { ptr, bytes }) => self.base(*ptr, bytes.wrapping_add(offset)),
            _ => Base::Value(ptr, offset),
        }
    }

    fn visit_base(&self, ptr: Value, visit: &mut impl FnMut(Value)) {
        if let Base::Value(value, _) = self.base(ptr, 0) {
            visit(value);
        }
    }

    /// An operand of a comparison that needs no slot: small enough, and the same number in either reading.
    fn compared(&self, value: Value, signed: bool) -> Option<i32> {
        self.immediate(value).filter(|&imm| signed || imm >= 0)
    }

    /// The comparison at the end of a block that its branch alone uses.
    fn fused(&self, block: &'a Block) -> Option<&'a Inst> {
        let Terminator::Branch { cond, .. } = &block.end else { return None };
        let last = block.insts.last().filter(|inst| inst.result == Some(*cond))?;
        let alone = self.mentions[cond.index()] == 1;
        (alone && matches!(last.op, ir::Op::IntCmp { .. })).then_some(last)
    }

    // What needs a slot.

    /// Names every operand that the decoded form of an instruction reads from a slot.
    fn visit(&self, inst: &Inst, visit: &mut impl FnMut(Value)) {
        match &inst.op {
            ir::Op::Load { ptr, .. } | ir::Op::LoadBit { ptr, .. } => self.visit_base(*ptr, visit),
            ir::Op::Store { ptr, value, .. } | ir::Op::StoreBit { ptr, value, .. } => {
                self.visit_base(*ptr, visit);
                visit(*value);
            }
            ir::Op::Int { op, a, b } => {
                visit(*a);
                if self.immediate_of(*op, *b).is_none() {
                    visit(*b);
                }
            }
            ir::Op::Div { a, b, .. } | ir::Op::Rem { a, b, .. } => {
                visit(*a);
                if self.divisor(*b).is_none() {
                    visit(*b);
                }
            }
            ir::Op::IntCmp { signed, a, b, .. } => {
                visit(*a);
                if self.compared(*b, *signed).is_none() {
                    visit(*b);
                }
            }
            op => operands(op, visit),
        }
    }

    fn visit_end(&self, block: &'a Block, visit: &mut impl FnMut(Value)) {
        let fused = self.fused(block);
        if let (Some(inst), Terminator::Branch { then, otherwise, .. }) = (fused, &block.end) {
            self.visit(inst, visit);
            then.args.iter().chain(&otherwise.args).for_each(|&v| visit(v));
        } else {
            end_operands(&block.end, visit);
        }
    }

    /// The right operand of an operation that takes it as an immediate.
    fn immediate_of(&self, op: IntOp, b: Value) -> Option<i32> {
        match op {
            IntOp::Add | IntOp::Mul | IntOp::Shl | IntOp::Shr | IntOp::Rol | IntOp::Ror => self.immediate(b),
            IntOp::Sub => self.immediate(b).filter(|&imm| imm != i32::MIN),
            // A number that is not negative looks the same at every width.
            IntOp::And | IntOp::Xor => self.immediate(b).filter(|&imm| imm >= 0),
            IntOp::Or => None,
        }
    }

    /// A divisor that can neither fault nor overflow.
    fn divisor(&self, b: Value) -> Option<i32> {
        self.immediate(b).filter(|&imm| imm > 0)
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
            I::Helper { helper, args } => {
                let float = |v: &Value| self.ty(*v) == Ty::F32;
                let single = args.iter().any(float) || inst.result.as_ref().is_some_and(float);
                let call = self.call(0, args, inst.result, Some(Routine { helper: *helper, single }));
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
            | I::Helper { .. }
            | I::CheckIndex { .. }
            | I::CheckRange { .. }
            | I::CheckNull(_)
            | I::Poll => Op::Const { value: 0, dst: self.slots.define(result) },
        }
    }

    fn load(&mut self, ptr: Value, offset: u32, result: Value) -> Op {
        let bits = self.bits(result);
        match self.base(ptr, offset) {
            Base::State(address) => {
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::LoadState8 { dst, address },
                    16 => Op::LoadState16 { dst, address },
                    32 => Op::LoadState32 { dst, address },
                    _ => Op::LoadState64 { dst, address },
                }
            }
            Base::Frame(offset) => {
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::LoadFrame8 { dst, offset },
                    16 => Op::LoadFrame16 { dst, offset },
                    32 => Op::LoadFrame32 { dst, offset },
                    _ => Op::LoadFrame64 { dst, offset },
                }
            }
            Base::Value(value, offset) => {
                let ptr = self.slots.take(value);
                let dst = self.slots.define(result);
                match bits {
                    8 => Op::Load8 { dst, ptr, offset },
                    16 => Op::Load16 { dst, ptr, offset },
                    32 => Op::Load32 { dst, ptr, offset },
                    _ => Op::Load64 { dst, ptr, offset },
                }
            }
        }
    }

    fn store(&mut self, ptr: Value, offset: u32, value: Value) -> Op {
        let bits = self.bits(value);
        let base = self.base(ptr, offset);
        let src = self.slots.take(value);
        match base {
            Base::State(address) => match bits {
                8 => Op::StoreState8 { address, src },
                16 => Op::StoreState16 { address, src },
                32 => Op::StoreState32 { address, src },
                _ => Op::StoreState64 { address, src },
            },
            Base::Frame(offset) => match bits {
                8 => Op::StoreFrame8 { offset, src },
                16 => Op::StoreFrame16 { offset, src },
                32 => Op::StoreFrame32 { offset, src },
                _ => Op::StoreFrame64 { offset, src },
            },
            Base::Value(value, offset) => {
                let ptr = self.slots.take(value);
                match bits {
                    8 => Op::Store8 { ptr, offset, src },
                    16 => Op::Store16 { ptr, offset, src },
                    32 => Op::Store32 { ptr, offset, src },
                    _ => Op::Store64 { ptr, offset, src },
                }
            }
        }
    }

    /// An address for operations that have no form for known ones: in a slot, made here if need be.
    fn address(&mut self, ptr: Value, offset: u32, site: SiteId) -> (Slot, u32) {
        match self.base(ptr, offset) {
            Base::Value(value, offset) => (self.slots.take(value), offset),
            Base::State(address) => {
                let dst = self.scratch();
                self.emit(Op::Const { dst, value: u64::from(address) }, site);
                (dst, 0)
            }
            Base::Frame(bytes) => {
                let dst = self.scratch();
                self.emit(Op::Frame { dst, bytes }, site);
                (dst, 0)
            }
        }
    }

    /// A slot for one operation.
    fn scratch(&mut self) -> Slot {
        match self.scratch {
            Some(slot) => slot,
            None => *self.scratch.insert(self.slots.fresh()),
        }
    }

    fn index(&mut self, ptr: Value, index: Value, stride: u32, result: Value, site: SiteId) -> Op {
        let ptr = self.slots.take(ptr);
        let index = self.slots.take(index);
        if let Ok(stride) = u16::try_from(stride) {
            return Op::Index { stride, ptr, index, dst: self.slots.define(result) };
        }
        let scaled = self.scratch();
        let imm = stride as i32;
        self.emit(Op::ArithImm { op: Arith::Mul, bits: 64, dst: scaled, a: index, imm }, site);
        Op::Index { stride: 1, ptr, index: scaled, dst: self.slots.define(result) }
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
        self.code.calls.push(Call { func, dst, args, helper });
        self.code.calls.len() as u32 - 1
    }

    fn end(&mut self, block: &'a Block, fused: Option<&'a Inst>, polled: bool) {
        let site = block.insts.last().map_or(SiteId(0), |inst| inst.site);
        let next = BlockId(self.starts.len() as u32);
        match &block.end {
            Terminator::Jump(jump) => {
                self.moves(jump, site);
                if polled {
                    self.jump_to(Op::PollJump { target: 0 }, jump.block, site);
                } else if jump.block != next {
                    self.jump_to(Op::Jump { target: 0 }, jump.block, site);
                }
            }
            Terminator::Branch { cond, then, otherwise } => {
                let test = self.test(*cond, fused);
                if then.args.is_empty() {
                    self.jump_to(test, then.block, site);
                    self.go(otherwise, Some(next), site);
                } else if otherwise.args.is_empty() {
                    self.jump_to(inverse(test), otherwise.block, site);
                    self.go(then, Some(next), site);
                } else {
                    let at = self.code.ops.len();
                    self.emit(test, site);
                    self.go(otherwise, None, site);
                    let here = self.code.ops.len() as u32;
                    if let Op::BranchIf { target, .. }
                    | Op::Branch { target, .. }
                    | Op::BranchImm { target, .. } = &mut self.code.ops[at]
                    {
                        *target = here;
                    }
                    self.go(then, Some(next), site);
                }
            }
            Terminator::Return(None) => self.emit(Op::Return, site),
            Terminator::Return(Some(value)) => {
                let src = self.slots.take(*value);
                self.emit(Op::ReturnValue { src }, site);
            }
            Terminator::Fault { code, operands, site } => {
                let operands = operands.iter().map(|&v| (self.slots.take(v), self.bits(v))).collect();
                let fault = self.code.traps.len() as u32;
                self.code.traps.push(Trap { code: *code, operands });
                self.emit(Op::Fault { fault }, *site);
            }
        }
    }

    fn test(&mut self, cond: Value, fused: Option<&'a Inst>) -> Op {
        let target = 0;
        if let Some(Inst { op: ir::Op::IntCmp { cond, signed, a, b }, .. }) = fused {
            let order = order(self.bits(*a), *signed);
            let imm = self.compared(*b, *signed);
            let a = self.slots.take(*a);
            return match imm {
                Some(imm) => Op::BranchImm { cond: *cond, order, a, imm, target },
                None => Op::Branch { cond: *cond, order, a, b: self.slots.take(*b), target },
            };
        }
        Op::BranchIf { cond: self.slots.take(cond), target }
    }

    fn go(&mut self, jump: &Jump, next: Option<BlockId>, site: SiteId) {
        self.moves(jump, site);
        if Some(jump.block) != next {
            self.jump_to(Op::Jump { target: 0 }, jump.block, site);
        }
    }

    /// Gives a block its parameters, all at once: a source that another move overwrites is moved first, and a
    /// ring is broken by a slot of its own.
    fn moves(&mut self, jump: &Jump, site: SiteId) {
        let params = &self.function.blocks[jump.block.index()].params;
        let mut open: Vec<(Slot, Slot)> = Vec::with_capacity(params.len());
        for (&param, &arg) in params.iter().zip(&jump.args) {
            let src = self.slots.take(arg);
            let dst = self.slots.define(param);
            if src != dst {
                open.push((dst, src));
            }
        }
        while !open.is_empty() {
            let free = open.iter().position(|&(dst, _)| open.iter().all(|&(_, src)| src != dst));
            let (dst, src) = match free {
                Some(i) => open.swap_remove(i),
                None => {
                    let (dst, _) = open[0];
                    let spare = self.scratch();
                    self.emit(Op::Move { dst: spare, src: dst }, site);
                    open.iter_mut().filter(|(_, src)| *src == dst).for_each(|(_, src)| *src = spare);
                    continue;
                }
            };
            self.emit(Op::Move { dst, src }, site);
        }
    }
}

fn inverse(test: Op) -> Op {
    match test {
        Op::BranchIf { cond, target } => Op::BranchIfNot { cond, target },
        Op::Branch { cond, order, a, b, target } => Op::Branch { cond: opposite(cond), order, a, b, target },
        Op::BranchImm { cond, order, a, imm, target } => {
            Op::BranchImm { cond: opposite(cond), order, a, imm, target }
        }
        other => other,
    }
}

fn opposite(cond: Cond) -> Cond {
    match cond {
        Cond::Eq => Cond::Ne,
        Cond::Ne => Cond::Eq,
        Cond::Lt => Cond::Ge,
        Cond::Le => Cond::Gt,
        Cond::Gt => Cond::Le,
        Cond::Ge => Cond::Lt,
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

fn ends_with_poll_jump(block: &Block) -> bool {
    matches!(block.end, Terminator::Jump(_))
        && block.insts.last().is_some_and(|i| matches!(i.op, ir::Op::Poll))
}

/// Every value that an instruction names.
fn operands(op: &ir::Op, visit: &mut impl FnMut(Value)) {
    use ir::Op as I;
    match op {
        I::Const(_) | I::StateAddr(_) | I::FrameAddr(_) | I::Now | I::Poll => {}
        I::Offset { ptr: a, .. }
        | I::Load { ptr: a, .. }
        | I::LoadBit { ptr: a, .. }
        | I::Zero { to: a, .. }
        | I::Neg(a)
        | I::Not(a)
        | I::FloatNeg(a)
        | I::FloatAbs(a)
        | I::SignExtend(a)
        | I::ZeroExtend(a)
        | I::Truncate(a)
        | I::IntToFloat { value: a, .. }
        | I::FloatToInt { value: a, .. }
        | I::FloatConvert(a)
        | I::Bitcast(a)
        | I::CheckIndex { index: a, .. }
        | I::CheckRange { value: a, .. }
        | I::CheckNull(a)
        | I::RefToPtr(a)
        | I::PtrToRef { ptr: a, .. } => visit(*a),
        I::Index { ptr: a, index: b, .. }
        | I::Store { ptr: a, value: b, .. }
        | I::StoreBit { ptr: a, value: b, .. }
        | I::Copy { to: a, from: b, .. }
        | I::Int { a, b, .. }
        | I::Div { a, b, .. }
        | I::Rem { a, b, .. }
        | I::Float { a, b, .. }
        | I::IntCmp { a, b, .. }
        | I::FloatCmp { a, b, .. } => {
            visit(*a);
            visit(*b);
        }
        I::Select { cond, a, b } => {
            visit(*cond);
            visit(*a);
            visit(*b);
        }
        I::Call { args, .. } | I::Helper { args, .. } => args.iter().for_each(|&v| visit(v)),
    }
}

fn end_operands(end: &Terminator, visit: &mut impl FnMut(Value)) {
    match end {
        Terminator::Jump(jump) => jump.args.iter().for_each(|&v| visit(v)),
        Terminator::Branch { cond, then, otherwise } => {
            visit(*cond);
            then.args.iter().chain(&otherwise.args).for_each(|&v| visit(v));
        }
        Terminator::Return(value) => value.iter().for_each(|&v| visit(v)),
        Terminator::Fault { operands, .. } => operands.iter().for_each(|&v| visit(v)),
    }
}
