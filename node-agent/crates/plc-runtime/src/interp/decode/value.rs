//! Instructions one by one.

use super::Decoder;
use super::flow::comparison;
use crate::interp::code::{Base, Call, Cell, Handler, Routine};
use crate::interp::ops::{self, Arith};
use lineshaft_plc_compiler::ir::{Block, FuncId, Helper, Inst, IntOp, Op, SiteId, Ty, Value};

/// No operand.
const NONE: Cell = Cell { offset: 0, base: 0 };

impl<'a> Decoder<'a> {
    /// Decodes an instruction, and the store that follows if it is part of it. Gives the number of the next one.
    pub(super) fn inst(&mut self, block: &'a Block, at: usize) -> usize {
        let inst = &block.insts[at];
        let site = inst.site;
        match (&inst.op, inst.result) {
            (Op::Load { ptr, offset }, Some(result)) => self.load(block, at, *ptr, *offset, result),
            (Op::Now, Some(result)) => {
                let from = self.reach(Base::Now, 0, 64);
                self.load_known(block, at, from, result)
            }
            (Op::Call { .. } | Op::CallVirtual { .. } | Op::Helper { .. }, _) => {
                self.calls(inst);
                at + 1
            }
            (op, Some(result)) => {
                // The other operand of a selection stands behind the instruction.
                let other = match op {
                    Op::Select { b, .. } => Some(self.operand(*b, site).0),
                    _ => None,
                };
                let (run, a, b) = self.value(op, result, site);
                let (to, next) = self.target(block, at, result);
                self.emit(run, [to, a, b], site);
                if let Some(other) = other {
                    self.emit(ops::poll, [other, NONE, NONE], site);
                }
                next
            }
            (op, None) => {
                self.effect(op, site);
                at + 1
            }
        }
    }

    fn effect(&mut self, op: &Op, site: SiteId) {
        let (run, x): (Handler, [Cell; 3]) = match *op {
            Op::Store { ptr, offset, value } => return self.store(ptr, offset, value, site),
            Op::StoreBit { ptr, offset, bit, value } => {
                let from = self.place(value, site);
                let to = self.address(ptr, offset, site);
                self.overwrite_any();
                (ops::store_bit, [to, from, Cell::number(u64::from(bit))])
            }
            Op::Copy { to, from, bytes } => {
                let (to, from) = (self.address(to, 0, site), self.address(from, 0, site));
                self.overwrite_any();
                (ops::copy, [to, from, Cell::number(u64::from(bytes))])
            }
            Op::Zero { to, bytes } => {
                let to = self.address(to, 0, site);
                self.overwrite_any();
                (ops::zero, [to, Cell::number(u64::from(bytes)), NONE])
            }
            Op::CheckIndex { index, low, high } => {
                let bounds = (Cell::number(low as u64), Cell::number(high as u64));
                (ops::check_range::<true>, [self.place(index, site), bounds.0, bounds.1])
            }
            Op::CheckRange { value, low, high } => {
                let bounds = (Cell::number(low as u64), Cell::number(high as u64));
                (ops::check_range::<false>, [self.place(value, site), bounds.0, bounds.1])
            }
            Op::CheckIndexIn { index, low, high } => {
                (ops::check_in, [index, low, high].map(|value| self.place(value, site)))
            }
            Op::CheckNull(ptr) => (ops::check_null, [self.place(ptr, site), NONE, NONE]),
            Op::CheckPointer { ptr, bytes, frames } => {
                let run = if frames { ops::check_pointer::<true> } else { ops::check_pointer::<false> };
                (run, [self.place(ptr, site), Cell::number(u64::from(bytes)), NONE])
            }
            Op::Poll => (ops::poll, [NONE; 3]),
            // An operation without effect whose result is thrown away.
            _ => return,
        };
        self.emit(run, x, site);
    }

    /// Operations that do nothing but give a result: handler and operands.
    fn value(&mut self, op: &Op, result: Value, site: SiteId) -> (Handler, Cell, Cell) {
        let bits = self.bits(result);
        if let Some((kind, cond, a, b)) = comparison(op) {
            let bits = self.bits(a);
            let a = self.place(a, site);
            let (b, number) = self.operand(b, site);
            return (ops::compare(kind, cond, bits, number), a, b);
        }
        match *op {
            Op::Index { ptr, index, stride } => {
                let from = Cell { base: stride, ..self.place(ptr, site) };
                (ops::index, from, self.place(index, site))
            }
            Op::LoadBit { ptr, offset, bit } => {
                (ops::load_bit, self.address(ptr, offset, site), Cell::number(u64::from(bit)))
            }
            Op::Int { op, a, b } => self.arith(arith(op), bits, a, b, site),
            Op::Div { signed, a, b } => {
                self.arith(if signed { Arith::DivS } else { Arith::DivU }, bits, a, b, site)
            }
            Op::Rem { signed, a, b } => {
                self.arith(if signed { Arith::RemS } else { Arith::RemU }, bits, a, b, site)
            }
            Op::Float { op, a, b } => {
                let a = self.place(a, site);
                let (b, number) = self.operand(b, site);
                (ops::float(op, bits, number), a, b)
            }
            Op::Neg(a) => (ops::negate(bits), self.place(a, site), NONE),
            Op::Not(a) => (ops::not(bits), self.place(a, site), NONE),
            Op::FloatNeg(a) => (ops::float_sign(true, bits), self.place(a, site), NONE),
            Op::FloatAbs(a) => (ops::float_sign(false, bits), self.place(a, site), NONE),
            Op::Select { cond, a, b } => {
                let number = self.number(b).is_some();
                let cond = self.place(cond, site);
                (ops::select(bits, number), cond, self.place(a, site))
            }
            Op::SignExtend(a) => (ops::extend(true, self.bits(a), bits), self.place(a, site), NONE),
            Op::ZeroExtend(a) => (ops::extend(false, self.bits(a), bits), self.place(a, site), NONE),
            // The low bits come first.
            Op::Truncate(a) | Op::Bitcast(a) => self.moved(a, bits, site),
            Op::IntToFloat { signed, value } => {
                (ops::int_to_float(signed, self.bits(value), bits), self.place(value, site), NONE)
            }
            Op::FloatToInt { signed, truncate, value } => {
                let mode = u8::from(signed) | u8::from(truncate) << 1;
                (ops::float_to_int(mode, self.bits(value), bits), self.place(value, site), NONE)
            }
            Op::FloatConvert(a) if self.bits(a) == bits => self.moved(a, bits, site),
            Op::FloatConvert(a) => (ops::convert_float(bits), self.place(a, site), NONE),
            Op::RefToPtr(a) => (ops::extend(false, 32, 64), self.place(a, site), NONE),
            Op::PtrToRef { ptr, type_id } => {
                (ops::ref_of_pointer, self.place(ptr, site), Cell::number(u64::from(type_id)))
            }
            // Everything else has no result, or is never decoded: constants and addresses are part of operands.
            _ => (ops::move_value(64, true), NONE, NONE),
        }
    }

    fn moved(&mut self, a: Value, bits: u8, site: SiteId) -> (Handler, Cell, Cell) {
        let (a, number) = self.operand(a, site);
        (ops::move_value(bits, number), a, NONE)
    }

    /// Only the right operand can be part of the instruction.
    fn arith(&mut self, op: Arith, bits: u8, a: Value, b: Value, site: SiteId) -> (Handler, Cell, Cell) {
        let commutes = matches!(op, Arith::Add | Arith::Mul | Arith::And | Arith::Or | Arith::Xor);
        let (a, b) = if commutes && self.number(a).is_some() { (b, a) } else { (a, b) };
        let a = self.place(a, site);
        let (b, number) = self.operand(b, site);
        (ops::arith(op, bits, number), a, b)
    }

    // Calls.

    fn calls(&mut self, inst: &Inst) {
        let site = inst.site;
        match &inst.op {
            Op::Call { func, args } => self.call(*func, args, inst.result, site),
            Op::CallVirtual { slot, class, this, args } => {
                let class = self.place(*class, site);
                let args: Vec<Value> = std::iter::once(*this).chain(args.iter().copied()).collect();
                let call = self.new_call(0, &args, inst.result, site);
                let number = self.record(Call { dispatch: Some((*slot, class)), ..call });
                self.overwrite_any();
                self.emit(ops::call_virtual, [number, NONE, NONE], site);
            }
            Op::Helper { helper, args } => {
                let routine = Routine::new(*helper, args, inst.result, &self.function.value_types);
                let call = self.new_call(0, args, inst.result, site);
                let number = self.record(Call { helper: Some(routine), ..call });
                if writes(*helper) {
                    self.overwrite_any();
                }
                self.emit(ops::helper, [number, NONE, NONE], site);
            }
            _ => {}
        }
    }

    fn call(&mut self, func: FuncId, args: &[Value], result: Option<Value>, site: SiteId) {
        let (run, this, call): (Handler, Cell, Call) = match args {
            [this] if self.ty(*this) == Ty::Ptr => {
                let this = self.address(*this, 0, site);
                let routine = self.routines.get(func.index()).copied().flatten();
                (routine.unwrap_or(ops::call_this), this, self.new_call(func.0, &[], result, site))
            }
            _ => (ops::call, NONE, self.new_call(func.0, args, result, site)),
        };
        let number = self.record(call);
        self.overwrite_any();
        self.emit(run, [number, this, Cell::number(u64::from(func.0))], site);
    }

    fn new_call(&mut self, func: u32, args: &[Value], result: Option<Value>, site: SiteId) -> Call {
        let args = args.iter().map(|&value| self.argument(value, site)).collect();
        let dst = result.map(|value| Cell::slot(self.slots.define(value)));
        Call { func, dst, args, helper: None, dispatch: None }
    }

    fn record(&mut self, call: Call) -> Cell {
        self.code.calls.push(call);
        Cell::number(self.code.calls.len() as u64 - 1)
    }
}

/// Whether a routine may write memory.
fn writes(helper: Helper) -> bool {
    !matches!(helper, Helper::Math(_) | Helper::Pow | Helper::Atan2 | Helper::IntPow | Helper::Assert)
}

fn arith(op: IntOp) -> Arith {
    match op {
        IntOp::Add => Arith::Add,
        IntOp::Sub => Arith::Sub,
        IntOp::Mul => Arith::Mul,
        IntOp::And => Arith::And,
        IntOp::Or => Arith::Or,
        IntOp::Xor => Arith::Xor,
        IntOp::Shl => Arith::Shl,
        IntOp::Shr => Arith::Shr,
        IntOp::Rol => Arith::Rol,
        IntOp::Ror => Arith::Ror,
    }
}
