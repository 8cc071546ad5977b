//! One operation of the IR to Cranelift's.

use super::context::{Context, Entry};
use super::math;
use super::plan::machine;
use super::translate::{Translation, memory};
use crate::interp::Routine;
use crate::stdlib::ARGUMENTS_MAX;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{
    self, InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Value as Machine, types,
};
use lineshaft_plc_compiler::ir::{Cond, FaultCode, FloatOp, Helper, IntOp, MathFn, Op, Ty, Value};

/// Copies and fills of at most this many bytes are done in place.
const INLINE_BYTES: u32 = 64;

impl Translation<'_, '_> {
    /// Gives the result, if the operation has one.
    pub(super) fn op(&mut self, op: &Op, result: Option<Value>) -> Option<Machine> {
        let result_ty = result.map_or(Ty::I64, |result| self.ty(result));
        let to = machine(result_ty);
        let value = match op {
            Op::Const(constant) => self.constant(*constant),
            Op::StateAddr(offset) => self.build.ins().iadd_imm_s(self.base, i64::from(*offset)),
            Op::FrameAddr(offset) => self.build.ins().iadd_imm_s(self.frame, i64::from(*offset)),
            Op::Offset { ptr, bytes } => {
                let ptr = self.value(*ptr);
                self.build.ins().iadd_imm_s(ptr, i64::from(*bytes))
            }
            Op::Index { ptr, index, stride } => {
                let (ptr, index) = (self.value(*ptr), self.value(*index));
                let moved = self.times(index, i64::from(*stride));
                self.build.ins().iadd(ptr, moved)
            }
            Op::Load { ptr, offset } => {
                let ptr = self.value(*ptr);
                let (ptr, offset) = self.near(ptr, *offset);
                if result_ty == Ty::Ptr {
                    // The half above is 0 unless something has overwritten it.
                    let value = self.build.ins().uload32(memory(), ptr, offset);
                    return Some(self.build.ins().iadd(self.base, value));
                }
                self.build.ins().load(to, memory(), ptr, offset)
            }
            Op::LoadBit { ptr, offset, bit } => {
                let ptr = self.value(*ptr);
                let (ptr, offset) = self.near(ptr, *offset);
                let byte = self.build.ins().load(types::I8, memory(), ptr, offset);
                let low = self.build.ins().ushr_imm_s(byte, i64::from(bit & 7));
                self.build.ins().band_imm_s(low, 1)
            }
            Op::Int { op, a, b } => self.arithmetic(*op, *a, *b),
            Op::Div { signed, a, b } => self.divide(*signed, *a, *b),
            Op::Rem { signed, a, b } => self.remainder(*signed, *a, *b),
            Op::Neg(a) => {
                let a = self.value(*a);
                self.build.ins().ineg(a)
            }
            Op::Not(a) => {
                let a = self.value(*a);
                self.build.ins().bnot(a)
            }
            Op::Float { op, a, b } => {
                let (a, b) = (self.value(*a), self.value(*b));
                self.float(*op, a, b)
            }
            Op::FloatNeg(a) => {
                let a = self.value(*a);
                self.build.ins().fneg(a)
            }
            Op::FloatAbs(a) => {
                let a = self.value(*a);
                self.build.ins().fabs(a)
            }
            Op::IntCmp { cond, signed, a, b } => {
                let (a, b) = (self.value(*a), self.value(*b));
                self.build.ins().icmp(int_cond(*cond, *signed), a, b)
            }
            Op::FloatCmp { cond, a, b } => {
                let (a, b) = (self.value(*a), self.value(*b));
                self.build.ins().fcmp(float_cond(*cond), a, b)
            }
            Op::Select { cond, a, b } => {
                let (cond, a, b) = (self.value(*cond), self.value(*a), self.value(*b));
                self.build.ins().select(cond, a, b)
            }
            Op::SignExtend(a) => {
                let a = self.value(*a);
                self.build.ins().sextend(to, a)
            }
            Op::ZeroExtend(a) => {
                let a = self.value(*a);
                self.build.ins().uextend(to, a)
            }
            Op::Truncate(a) => {
                let a = self.value(*a);
                self.build.ins().ireduce(to, a)
            }
            Op::IntToFloat { signed, value } => self.int_to_float(*signed, *value, to),
            Op::FloatToInt { signed, truncate, value } => self.float_to_int(*signed, *truncate, *value, to),
            Op::FloatConvert(a) => self.float_convert(*a, result_ty),
            Op::Bitcast(a) => self.bitcast(*a, result_ty),
            Op::Helper { helper, args } => return self.helper(*helper, args, result),
            Op::Now => self.now(),
            Op::RefToPtr(a) => {
                let reference = self.value(*a);
                let low = self.build.ins().ireduce(types::I32, reference);
                let offset = self.build.ins().uextend(types::I64, low);
                self.build.ins().iadd(self.base, offset)
            }
            Op::PtrToRef { ptr, type_id } => {
                let ptr = self.value(*ptr);
                let offset = self.build.ins().isub(ptr, self.base);
                let typed = self.build.ins().bor_imm_s(offset, i64::from(*type_id) << 32);
                // NULL has no type: all NULL references are equal.
                let null = self.build.ins().icmp_imm_s(IntCC::Equal, offset, 0);
                self.build.ins().select(null, offset, typed)
            }
            Op::Store { .. } | Op::StoreBit { .. } | Op::Copy { .. } | Op::Zero { .. } => {
                self.write(op);
                return None;
            }
            Op::Call { .. }
            | Op::CallVirtual { .. }
            | Op::CheckIndex { .. }
            | Op::CheckIndexIn { .. }
            | Op::CheckPointer { .. }
            | Op::CheckRange { .. }
            | Op::CheckNull(_)
            | Op::Poll => {
                return self.effect(op);
            }
        };
        Some(value)
    }

    /// An address with an offset that an instruction can hold.
    pub(super) fn near(&mut self, ptr: Machine, offset: u32) -> (Machine, i32) {
        match i32::try_from(offset) {
            Ok(offset) => (ptr, offset),
            Err(_) => (self.build.ins().iadd_imm_s(ptr, i64::from(offset)), 0),
        }
    }

    fn write(&mut self, op: &Op) {
        match op {
            Op::Store { ptr, offset, value } => {
                let is_pointer = self.ty(*value) == Ty::Ptr;
                let (ptr, mut value) = (self.value(*ptr), self.value(*value));
                if is_pointer {
                    value = self.build.ins().isub(value, self.base);
                }
                let (ptr, offset) = self.near(ptr, *offset);
                self.build.ins().store(memory(), value, ptr, offset);
            }
            Op::StoreBit { ptr, offset, bit, value } => {
                let (ptr, value) = (self.value(*ptr), self.value(*value));
                let (ptr, offset) = self.near(ptr, *offset);
                let bit = i64::from(bit & 7);
                let byte = self.build.ins().load(types::I8, memory(), ptr, offset);
                let kept = self.build.ins().band_imm_s(byte, !(1 << bit) & 0xff);
                let one = self.build.ins().band_imm_s(value, 1);
                let moved = self.build.ins().ishl_imm_s(one, bit);
                let byte = self.build.ins().bor(kept, moved);
                self.build.ins().store(memory(), byte, ptr, offset);
            }
            Op::Copy { to, from, bytes } => {
                let (to, from) = (self.value(*to), self.value(*from));
                self.copy(to, from, *bytes);
            }
            Op::Zero { to, bytes } => {
                let to = self.value(*to);
                if *bytes > INLINE_BYTES {
                    let bytes = self.int(types::I64, i64::from(*bytes));
                    self.routine(Entry::Zero.address(), &[to, bytes], &[]);
                    return;
                }
                for (offset, ty) in pieces(*bytes) {
                    let zero = self.int(ty, 0);
                    self.build.ins().store(memory(), zero, to, offset);
                }
            }
            _ => {}
        }
    }

    fn copy(&mut self, to: Machine, from: Machine, bytes: u32) {
        if bytes > INLINE_BYTES {
            let bytes = self.int(types::I64, i64::from(bytes));
            self.routine(Entry::Copy.address(), &[to, from, bytes], &[]);
            return;
        }
        // All loads before all stores: the ranges may overlap.
        let loaded: Vec<(i32, Machine)> = pieces(bytes)
            .map(|(offset, ty)| (offset, self.build.ins().load(ty, memory(), from, offset)))
            .collect();
        for (offset, value) in loaded {
            self.build.ins().store(memory(), value, to, offset);
        }
    }

    fn arithmetic(&mut self, op: IntOp, a: Value, b: Value) -> Machine {
        let ty = machine(self.ty(a));
        let (left, count) = (self.known(a), self.known(b));
        let (a, b) = (self.value(a), self.value(b));
        match op {
            IntOp::Add => self.build.ins().iadd(a, b),
            IntOp::Sub => self.build.ins().isub(a, b),
            IntOp::Mul => match (left, count) {
                (_, Some(by @ 1..)) => self.times(a, by),
                (Some(by @ 1..), _) => self.times(b, by),
                _ => self.build.ins().imul(a, b),
            },
            IntOp::And => self.build.ins().band(a, b),
            IntOp::Or => self.build.ins().bor(a, b),
            IntOp::Xor => self.build.ins().bxor(a, b),
            IntOp::Shl | IntOp::Shr | IntOp::Rol | IntOp::Ror => self.shift(op, ty, a, b, count),
        }
    }

    /// The machine takes counts modulo the width, which is a power of two: right for rotations.
    fn shift(&mut self, op: IntOp, ty: ir::Type, a: Machine, b: Machine, count: Option<i64>) -> Machine {
        let bits = i64::from(ty.bits());
        let rotates = matches!(op, IntOp::Rol | IntOp::Ror);
        let by = match count {
            Some(count) if count >= bits && !rotates => return self.int(ty, 0),
            Some(count) => self.int(ty, count.max(0)),
            None => {
                let negative = self.build.ins().icmp_imm_s(IntCC::SignedLessThan, b, 0);
                let zero = self.int(ty, 0);
                self.build.ins().select(negative, zero, b)
            }
        };
        let moved = match op {
            IntOp::Shl => self.build.ins().ishl(a, by),
            IntOp::Shr => self.build.ins().ushr(a, by),
            IntOp::Rol => return self.build.ins().rotl(a, by),
            _ => return self.build.ins().rotr(a, by),
        };
        if count.is_some() {
            return moved;
        }
        let far = self.build.ins().icmp_imm_s(IntCC::UnsignedGreaterThanOrEqual, by, bits);
        let zero = self.int(ty, 0);
        self.build.ins().select(far, zero, moved)
    }

    fn divide(&mut self, signed: bool, a: Value, b: Value) -> Machine {
        let known = self.known(b);
        let ty = machine(self.ty(a));
        let (a, b) = (self.value(a), self.value(b));
        if known.is_none_or(|b| b == 0) {
            let none = self.build.ins().icmp_imm_s(IntCC::Equal, b, 0);
            self.guard(none, FaultCode::DivideByZero, |_| Vec::new());
        }
        match (signed, known) {
            (_, Some(0)) => self.int(ty, 0),
            (false, _) => self.build.ins().udiv(a, b),
            (true, Some(-1)) => self.build.ins().ineg(a),
            (true, Some(_)) => self.build.ins().sdiv(a, b),
            (true, None) => {
                // The machine traps on the smallest number divided by -1: there the negation takes its place.
                let minus = self.build.ins().icmp_imm_s(IntCC::Equal, b, -1);
                let one = self.int(ty, 1);
                let divisor = self.build.ins().select(minus, one, b);
                let quotient = self.build.ins().sdiv(a, divisor);
                let negated = self.build.ins().ineg(a);
                self.build.ins().select(minus, negated, quotient)
            }
        }
    }

    /// By 0 and by -1 the remainder is 0, which is also what 1 gives.
    fn remainder(&mut self, signed: bool, a: Value, b: Value) -> Machine {
        let known = self.known(b);
        let ty = machine(self.ty(a));
        let (a, b) = (self.value(a), self.value(b));
        match (signed, known) {
            (_, Some(0)) | (true, Some(-1)) => self.int(ty, 0),
            (false, Some(_)) => self.build.ins().urem(a, b),
            (true, Some(_)) => self.build.ins().srem(a, b),
            (_, None) => {
                let special = if signed {
                    let above = self.build.ins().iadd_imm_s(b, 1);
                    self.build.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, above, 1)
                } else {
                    self.build.ins().icmp_imm_s(IntCC::Equal, b, 0)
                };
                let one = self.int(ty, 1);
                let divisor = self.build.ins().select(special, one, b);
                if signed { self.build.ins().srem(a, divisor) } else { self.build.ins().urem(a, divisor) }
            }
        }
    }

    fn float(&mut self, op: FloatOp, a: Machine, b: Machine) -> Machine {
        let cond = match op {
            FloatOp::Add => return self.build.ins().fadd(a, b),
            FloatOp::Sub => return self.build.ins().fsub(a, b),
            FloatOp::Mul => return self.build.ins().fmul(a, b),
            FloatOp::Div => return self.build.ins().fdiv(a, b),
            FloatOp::Min => FloatCC::LessThanOrEqual,
            FloatOp::Max => FloatCC::GreaterThanOrEqual,
        };
        let first = self.build.ins().fcmp(cond, a, b);
        let no_second = self.build.ins().fcmp(FloatCC::Unordered, b, b);
        let first = self.build.ins().bor(first, no_second);
        self.build.ins().select(first, a, b)
    }

    fn int_to_float(&mut self, signed: bool, value: Value, to: ir::Type) -> Machine {
        let wide = self.ty(value) == Ty::I64;
        let value = self.value(value);
        let value = self.widen(value, signed);
        if signed || !wide {
            return self.build.ins().fcvt_from_sint(to, value);
        }
        self.build.ins().fcvt_from_uint(to, value)
    }

    /// Rounds in LREAL and saturates.
    fn float_to_int(&mut self, signed: bool, truncate: bool, value: Value, to: ir::Type) -> Machine {
        let single = self.ty(value) == Ty::F32;
        let mut value = self.value(value);
        if single {
            value = self.build.ins().fpromote(types::F64, value);
        }
        if !truncate {
            value = self.build.ins().nearest(value);
        }
        if to == types::I64 && !signed {
            return self.build.ins().fcvt_to_uint_sat(types::I64, value);
        }
        let wide = self.build.ins().fcvt_to_sint_sat(types::I64, value);
        if to == types::I64 {
            return wide;
        }
        let bits = to.bits();
        let (low, high) =
            if signed { (-1_i64 << (bits - 1), (1_i64 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
        let (low, high) = (self.int(types::I64, low), self.int(types::I64, high));
        let small = self.build.ins().icmp(IntCC::SignedLessThan, wide, low);
        let wide = self.build.ins().select(small, low, wide);
        let large = self.build.ins().icmp(IntCC::SignedGreaterThan, wide, high);
        let wide = self.build.ins().select(large, high, wide);
        self.build.ins().ireduce(to, wide)
    }

    fn float_convert(&mut self, a: Value, to: Ty) -> Machine {
        let from = self.ty(a);
        let value = self.value(a);
        match (from, to) {
            (Ty::F32, Ty::F64) => self.build.ins().fpromote(types::F64, value),
            (Ty::F64, Ty::F32) => self.build.ins().fdemote(types::F32, value),
            _ => value,
        }
    }

    fn bitcast(&mut self, a: Value, to: Ty) -> Machine {
        let from = self.ty(a);
        let value = self.value(a);
        if machine(from) == machine(to) {
            return value;
        }
        self.build.ins().bitcast(machine(to), MemFlagsData::new(), value)
    }

    fn helper(&mut self, helper: Helper, args: &[Value], result: Option<Value>) -> Option<Machine> {
        let single = args.first().is_some_and(|arg| self.ty(*arg) == Ty::F32);
        let float = if single { types::F32 } else { types::F64 };
        match helper {
            Helper::Math(function) => {
                let x = self.value(args[0]);
                Some(match function {
                    MathFn::Sqrt => self.build.ins().sqrt(x),
                    MathFn::Round => self.build.ins().nearest(x),
                    MathFn::Floor => self.build.ins().floor(x),
                    MathFn::Ceil => self.build.ins().ceil(x),
                    MathFn::Trunc => self.build.ins().trunc(x),
                    _ => return math::unary(function, single).and_then(|f| self.routine(f, &[x], &[float])),
                })
            }
            Helper::Pow | Helper::Atan2 => {
                let address = if helper == Helper::Pow { math::pow(single) } else { math::atan2(single) };
                let args = [self.value(args[0]), self.value(args[1])];
                self.routine(address, &args, &[float])
            }
            Helper::Assert => {
                let holds = self.value(args[0]);
                let fails = self.build.ins().icmp_imm_s(IntCC::Equal, holds, 0);
                self.guard(fails, FaultCode::AssertionFailed, |_| Vec::new());
                None
            }
            Helper::StrLen { .. } => {
                let text = self.value(args[0]);
                Some(self.build.ins().uload16(types::I64, memory(), text, 0))
            }
            _ => self.standard(helper, args, result),
        }
    }

    /// A routine of the standard library: arguments through memory, as the interpreter's slots hold them.
    fn standard(&mut self, helper: Helper, args: &[Value], result: Option<Value>) -> Option<Machine> {
        let routine = Routine::new(helper, args, result, &self.function.value_types);
        let index = self.plan.routines.get(&routine).copied().unwrap_or(u32::MAX);
        let slot = *self.arguments.get_or_insert_with(|| {
            let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * ARGUMENTS_MAX as u32, 3);
            self.build.create_sized_stack_slot(data)
        });
        let place = self.build.ins().stack_addr(types::I64, slot, 0);
        for (position, arg) in args.iter().enumerate().take(ARGUMENTS_MAX) {
            let word = self.word(*arg);
            self.build.ins().store(memory(), word, place, 8 * position as i32);
        }
        let index = self.int(types::I64, i64::from(index));
        let args = [self.context, index, place];
        let status = self.routine(Entry::Routine.address(), &args, &[types::I32])?;
        let may_fail = matches!(helper, Helper::StrGet { .. } | Helper::StrSet { .. });
        if may_fail {
            self.guard_routine(status);
        }
        let ty = self.ty(result?);
        Some(self.field(machine(ty), std::mem::offset_of!(Context, result)))
    }

    /// A value as 64 bits: integers zero-extended, floats as their bits, pointers as offsets.
    fn word(&mut self, value: Value) -> Machine {
        let ty = self.ty(value);
        let value = self.value(value);
        match ty {
            Ty::Ptr => self.build.ins().isub(value, self.base),
            Ty::F32 => {
                let bits = self.build.ins().bitcast(types::I32, MemFlagsData::new(), value);
                self.build.ins().uextend(types::I64, bits)
            }
            Ty::F64 => self.build.ins().bitcast(types::I64, MemFlagsData::new(), value),
            _ => self.widen(value, false),
        }
    }
}

/// Offsets and types that cover a number of bytes.
fn pieces(bytes: u32) -> impl Iterator<Item = (i32, ir::Type)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let ty = match bytes - at {
            0 => return None,
            1 => types::I8,
            2..4 => types::I16,
            4..8 => types::I32,
            8.. => types::I64,
        };
        at += ty.bytes();
        Some(((at - ty.bytes()) as i32, ty))
    })
}

fn int_cond(cond: Cond, signed: bool) -> IntCC {
    match (cond, signed) {
        (Cond::Eq, _) => IntCC::Equal,
        (Cond::Ne, _) => IntCC::NotEqual,
        (Cond::Lt, true) => IntCC::SignedLessThan,
        (Cond::Le, true) => IntCC::SignedLessThanOrEqual,
        (Cond::Gt, true) => IntCC::SignedGreaterThan,
        (Cond::Ge, true) => IntCC::SignedGreaterThanOrEqual,
        (Cond::Lt, false) => IntCC::UnsignedLessThan,
        (Cond::Le, false) => IntCC::UnsignedLessThanOrEqual,
        (Cond::Gt, false) => IntCC::UnsignedGreaterThan,
        (Cond::Ge, false) => IntCC::UnsignedGreaterThanOrEqual,
    }
}

/// With NaN only `Ne` holds.
fn float_cond(cond: Cond) -> FloatCC {
    match cond {
        Cond::Eq => FloatCC::Equal,
        Cond::Ne => FloatCC::NotEqual,
        Cond::Lt => FloatCC::LessThan,
        Cond::Le => FloatCC::LessThanOrEqual,
        Cond::Gt => FloatCC::GreaterThan,
        Cond::Ge => FloatCC::GreaterThanOrEqual,
    }
}
