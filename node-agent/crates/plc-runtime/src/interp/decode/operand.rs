//! What an operation takes: constants and addresses that its own form holds, and values in slots.

use super::{Base, Decoder, bits};
use lineshaft_plc_compiler::ir::{self, Block, Const, Inst, IntOp, Terminator, Ty, Value};

impl<'a> Decoder<'a> {
    // What a value is.

    pub(super) fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    pub(super) fn bits(&self, value: Value) -> u8 {
        bits(self.ty(value))
    }

    pub(super) fn maker(&self, value: Value) -> Option<&'a ir::Op> {
        self.makers[value.index()].map(|inst| &inst.op)
    }

    /// An integer constant, sign-extended from its width, if it fits an operand.
    pub(super) fn immediate(&self, value: Value) -> Option<i32> {
        let signed = match self.maker(value)? {
            ir::Op::Const(Const::I8(v)) => i64::from(*v),
            ir::Op::Const(Const::I16(v)) => i64::from(*v),
            ir::Op::Const(Const::I32(v)) => i64::from(*v),
            ir::Op::Const(Const::I64(v)) => *v,
            _ => return None,
        };
        i32::try_from(signed).ok()
    }

    pub(super) fn base(&self, ptr: Value, offset: u32) -> Base {
        match self.maker(ptr) {
            Some(ir::Op::StateAddr(address)) => Base::State(address.wrapping_add(offset)),
            Some(ir::Op::FrameAddr(bytes)) => Base::Frame(bytes.wrapping_add(offset)),
            Some(ir::Op::Offset { ptr, bytes }) => self.base(*ptr, bytes.wrapping_add(offset)),
            _ => Base::Value(ptr, offset),
        }
    }

    pub(super) fn visit_base(&self, ptr: Value, visit: &mut impl FnMut(Value)) {
        if let Base::Value(value, _) = self.base(ptr, 0) {
            visit(value);
        }
    }

    /// An operand of a comparison that needs no slot: small enough, and the same number in either reading.
    pub(super) fn compared(&self, value: Value, signed: bool) -> Option<i32> {
        self.immediate(value).filter(|&imm| signed || imm >= 0)
    }

    /// The comparison at the end of a block that its branch alone uses.
    pub(super) fn fused(&self, block: &'a Block) -> Option<&'a Inst> {
        let Terminator::Branch { cond, .. } = &block.end else { return None };
        let last = block.insts.last().filter(|inst| inst.result == Some(*cond))?;
        let alone = self.mentions[cond.index()] == 1;
        (alone && matches!(last.op, ir::Op::IntCmp { .. })).then_some(last)
    }

    // What needs a slot.

    /// Names every operand that the decoded form of an instruction reads from a slot.
    pub(super) fn visit(&self, inst: &Inst, visit: &mut impl FnMut(Value)) {
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

    pub(super) fn visit_end(&self, block: &'a Block, visit: &mut impl FnMut(Value)) {
        let fused = self.fused(block);
        if let (Some(inst), Terminator::Branch { then, otherwise, .. }) = (fused, &block.end) {
            self.visit(inst, visit);
            then.args.iter().chain(&otherwise.args).for_each(|&v| visit(v));
        } else {
            end_operands(&block.end, visit);
        }
    }

    /// The right operand of an operation that takes it as an immediate.
    pub(super) fn immediate_of(&self, op: IntOp, b: Value) -> Option<i32> {
        match op {
            IntOp::Add | IntOp::Mul | IntOp::Shl | IntOp::Shr | IntOp::Rol | IntOp::Ror => self.immediate(b),
            IntOp::Sub => self.immediate(b).filter(|&imm| imm != i32::MIN),
            // A number that is not negative looks the same at every width.
            IntOp::And | IntOp::Xor => self.immediate(b).filter(|&imm| imm >= 0),
            IntOp::Or => None,
        }
    }

    /// A divisor that can neither fault nor overflow.
    pub(super) fn divisor(&self, b: Value) -> Option<i32> {
        self.immediate(b).filter(|&imm| imm > 0)
    }
}

/// Every value that an instruction names.
pub(super) fn operands(op: &ir::Op, visit: &mut impl FnMut(Value)) {
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
        | I::CheckPointer { ptr: a, .. }
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
        I::CheckIndexIn { index, low, high } => {
            visit(*index);
            visit(*low);
            visit(*high);
        }
        I::CallVirtual { class, this, args, .. } => {
            visit(*class);
            visit(*this);
            for &arg in args {
                visit(arg);
            }
        }
        I::Select { cond, a, b } => {
            visit(*cond);
            visit(*a);
            visit(*b);
        }
        I::Call { args, .. } | I::Helper { args, .. } => args.iter().for_each(|&v| visit(v)),
    }
}

pub(super) fn end_operands(end: &Terminator, visit: &mut impl FnMut(Value)) {
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
