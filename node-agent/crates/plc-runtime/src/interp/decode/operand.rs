//! What an operand is: a number, an address that is known, or a value at a place.

use super::Decoder;
use crate::interp::code::{Argument, Base, Cell};
use crate::interp::ops;
use lineshaft_plc_compiler::ir::{self, Const, Inst, SiteId, Terminator, Ty, Value};

/// As much of a value as is known when it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Zero-extended from its width.
    Number(u64),
    /// An address in the state block.
    State(u32),
    /// An address in the frame.
    Frame(u32),
    /// Any value, or an address so many bytes behind it.
    Value(Value, u32),
}

impl<'a> Decoder<'a> {
    pub(super) fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    pub(super) fn bits(&self, value: Value) -> u8 {
        (self.ty(value).size() * 8) as u8
    }

    pub(super) fn maker(&self, value: Value) -> Option<&'a ir::Op> {
        self.makers[value.index()].map(|inst| &inst.op)
    }

    pub(super) fn known(&self, value: Value) -> Known {
        match self.maker(value) {
            Some(ir::Op::Const(constant)) => Known::Number(raw(*constant)),
            Some(ir::Op::StateAddr(address)) => Known::State(*address),
            Some(ir::Op::FrameAddr(bytes)) => Known::Frame(*bytes),
            Some(ir::Op::Offset { ptr, bytes }) => match self.known(*ptr) {
                Known::Number(number) => Known::Number(u64::from((number as u32).wrapping_add(*bytes))),
                Known::State(address) => Known::State(address.wrapping_add(*bytes)),
                Known::Frame(offset) => Known::Frame(offset.wrapping_add(*bytes)),
                Known::Value(root, offset) => Known::Value(root, offset.wrapping_add(*bytes)),
            },
            Some(ir::Op::SignExtend(a)) => match self.known(*a) {
                Known::Number(number) => {
                    Known::Number(sign_extend(number, self.bits(*a)) as u64 & mask(self.bits(value)))
                }
                _ => Known::Value(value, 0),
            },
            _ => Known::Value(value, 0),
        }
    }

    pub(super) fn number(&self, value: Value) -> Option<u64> {
        match self.known(value) {
            Known::Number(number) => Some(number),
            _ => None,
        }
    }

    /// A number with its sign.
    pub(super) fn signed_number(&self, value: Value) -> Option<i64> {
        self.number(value).map(|number| sign_extend(number, self.bits(value)))
    }

    /// The instruction leaves nothing behind: its result is part of every operand that names it.
    pub(super) fn is_silent(&self, inst: &Inst) -> bool {
        inst.result.is_some_and(|result| self.known(result) != Known::Value(result, 0))
    }

    /// Whether an operand is this value itself.
    pub(super) fn names(&self, operand: Value, value: Value) -> bool {
        self.known(operand) == Known::Value(value, 0)
    }

    // Operands. Each call counts one use.

    /// A right operand: the number itself and `true`, or where it lies.
    pub(super) fn operand(&mut self, value: Value, site: SiteId) -> (Cell, bool) {
        match self.number(value) {
            Some(number) => (Cell::number(number), true),
            None => (self.place(value, site), false),
        }
    }

    /// An operand that must lie somewhere.
    pub(super) fn place(&mut self, value: Value, site: SiteId) -> Cell {
        if let Some(at) = self.pending.iter().position(|&(pending, _)| pending == value) {
            let (_, cell) = self.pending[at];
            if self.slots.count_down(value) {
                self.pending.swap_remove(at);
            }
            return cell;
        }
        match self.known(value) {
            Known::Value(root, 0) => Cell::slot(self.slots.take(root)),
            Known::Value(root, bytes) => {
                let from = Cell { base: bytes, ..Cell::slot(self.slots.take(root)) };
                self.temporary(ops::offset, from, site)
            }
            Known::Frame(bytes) => self.temporary(ops::frame_address, Cell { offset: bytes, base: 0 }, site),
            Known::State(address) => {
                self.temporary(ops::move_value(64, true), Cell::number(u64::from(address)), site)
            }
            Known::Number(number) => self.temporary(ops::move_value(64, true), Cell::number(number), site),
        }
    }

    fn temporary(&mut self, run: crate::interp::code::Handler, from: Cell, site: SiteId) -> Cell {
        let to = Cell::slot(self.slots.temporary());
        self.emit(run, [to, from, Cell::default()], site);
        to
    }

    /// A computed address: the offset of a slot with a pointer, and what is added to that.
    pub(super) fn address(&mut self, ptr: Value, offset: u32, site: SiteId) -> Cell {
        match self.known(ptr) {
            Known::Value(root, bytes) => {
                Cell { base: bytes.wrapping_add(offset), ..Cell::slot(self.slots.take(root)) }
            }
            _ => Cell { base: offset, ..self.place(ptr, site) },
        }
    }

    /// The place that a load or store accesses, if it is known. Counts no use.
    pub(super) fn known_place(&mut self, ptr: Value, offset: u32, bits: u8) -> Option<Cell> {
        let (base, from) = match self.known(ptr) {
            Known::State(address) => (Base::State, address),
            Known::Frame(bytes) => (Base::Frame, bytes),
            Known::Value(root, bytes) if Some(root) == self.this => (Base::This, bytes),
            Known::Value(..) | Known::Number(_) => return None,
        };
        // What is further away is no variable: it is accessed as a computed address, which is checked.
        let offset = from.checked_add(offset).filter(|&offset| offset < 1 << 31)?;
        Some(self.reach(base, offset, bits))
    }

    pub(super) fn argument(&mut self, value: Value, site: SiteId) -> Argument {
        let bits = self.bits(value);
        Argument { cell: self.place(value, site), bits }
    }
}

pub(super) fn mask(bits: u8) -> u64 {
    u64::MAX >> (64 - bits)
}

pub(super) fn sign_extend(value: u64, bits: u8) -> i64 {
    crate::interp::number::sign_extend(value, bits)
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
