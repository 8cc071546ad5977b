//! Errors of standard functions whose ENO is connected: they end in ENO = FALSE instead of a fault.

use super::function::Builder;
use crate::hir::{Expr, Intrinsic, Place};
use crate::ir::{Cond, FloatOp, Helper, IntOp, MathFn, Op, Ty, Value};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, TypeId};

/// Output of a function of the library that tells whether it could do what it was asked for.
pub(super) const WELL: &str = "__OK";

/// The standard function whose errors are told, by its place in the source: arguments stand elsewhere.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    span: Span,
    /// Of the BOOL on the frame that is TRUE until an error.
    cell: u32,
}

impl Builder<'_, '_, '_, '_> {
    /// A standard function with EN, ENO or both.
    pub(super) fn enabled(&mut self, enable: &Expr, enabled: Option<&Place>, value: &Expr) -> Value {
        let enable = self.expr(enable);
        let Some(place) = enabled else {
            return self.value_if(enable, value.ty, |b| b.expr(value));
        };
        let cell = self.room(1, 1);
        let well = self.compute(Ty::Ptr, Op::FrameAddr(cell));
        self.emit(Op::Store { ptr: well, offset: 0, value: enable });
        let result = self.value_if(enable, value.ty, |b| {
            let outer = b.watch.replace(Watch { span: value.span, cell });
            let result = b.expr(value);
            b.watch = outer;
            result
        });
        let well = self.compute(Ty::Ptr, Op::FrameAddr(cell));
        let well = self.compute(Ty::I8, Op::Load { ptr: well, offset: 0 });
        self.set_enabled(Some(place), well);
        result
    }

    /// Whether errors of what is being lowered are told.
    pub(super) fn is_watched(&self, span: Span) -> bool {
        self.watch.is_some_and(|watch| watch.span == span)
    }

    /// ENO becomes FALSE unless this BOOL holds.
    fn need(&mut self, holds: Value) {
        let Some(Watch { cell, .. }) = self.watch else { return };
        let well = self.compute(Ty::Ptr, Op::FrameAddr(cell));
        let before = self.compute(Ty::I8, Op::Load { ptr: well, offset: 0 });
        let now = self.int(IntOp::And, before, holds);
        self.emit(Op::Store { ptr: well, offset: 0, value: now });
    }

    /// The divisor if it is not 0, else 1, and whether it was not 0: then the quotient is of no use.
    pub(super) fn safe_divisor(&mut self, divisor: Value) -> (Value, Value) {
        let ty = self.ty(divisor);
        let (zero, one) = (self.constant(ty, 0), self.constant(ty, 1));
        let fits = self.compare_values(Cond::Ne, divisor, zero, false);
        self.need(fits);
        (self.compute(ty, Op::Select { cond: fits, a: divisor, b: one }), fits)
    }

    /// The value, or 0 where it is of no use.
    pub(super) fn value_or_zero(&mut self, fits: Value, value: Value) -> Value {
        let ty = self.ty(value);
        let zero = self.constant(ty, 0);
        self.compute(ty, Op::Select { cond: fits, a: value, b: zero })
    }

    /// A real that is infinite or no number is an error.
    pub(super) fn need_finite(&mut self, value: Value) {
        let ty = self.ty(value);
        if matches!(ty, Ty::F32 | Ty::F64) {
            let rest = self.compute(ty, Op::Float { op: FloatOp::Sub, a: value, b: value });
            let zero = self.constant(ty, 0);
            let finite = self.compare_values(Cond::Eq, rest, zero, false);
            self.need(finite);
        }
    }

    /// A selector outside of what it selects from is an error.
    pub(super) fn need_selector(&mut self, selector: Value, count: usize) {
        let count = self.constant(Ty::I64, count as i128);
        // Negative ones are large without their sign.
        let inside = self.compare_values(Cond::Lt, selector, count, false);
        self.need(inside);
    }

    /// A number that its new type does not hold is an error; so are lost bits of bit strings.
    pub(super) fn need_fit(&mut self, value: Value, from: TypeId, result: Value, to: TypeId) {
        let (Some(a), Some(b)) = (self.types().storage(from), self.types().storage(to)) else { return };
        if b == Elementary::Bool || a == Elementary::Bool {
            return;
        }
        match (self.ty(value), self.ty(result)) {
            (Ty::F32 | Ty::F64, Ty::F32 | Ty::F64) => self.need_finite(result),
            (Ty::F32 | Ty::F64, _) if !types::is_bits(b) => self.need_in_range(value, b),
            (Ty::F32 | Ty::F64, _) | (_, Ty::F32 | Ty::F64) => {}
            _ if types::is_bits(a) || types::is_bits(b) => {
                let (wide, back) = (self.widen(value, false), self.widen(result, false));
                let same = self.compare_values(Cond::Eq, wide, back, false);
                self.need(same);
            }
            _ => self.need_same_number(value, types::is_signed(a), result, types::is_signed(b)),
        }
    }

    fn need_same_number(&mut self, value: Value, signed: bool, result: Value, to_signed: bool) {
        let (wide, back) = (self.widen(value, signed), self.widen(result, to_signed));
        let same = self.compare_values(Cond::Eq, wide, back, false);
        self.need(same);
        if signed != to_signed {
            let zero = self.constant(Ty::I64, 0);
            for number in [wide, back] {
                let positive = self.compare_values(Cond::Ge, number, zero, true);
                self.need(positive);
            }
        }
    }

    /// The real must round to a number of the integer type.
    fn need_in_range(&mut self, value: Value, to: Elementary) {
        let ty = self.ty(value);
        let helper = Helper::Math(MathFn::Round);
        let value = self.compute(ty, Op::Helper { helper, args: vec![value] });
        let (low, high) = types::range(to);
        let (low, above) = (self.constant(ty, low), self.constant(ty, high + 1));
        let fits = self.compare_values(Cond::Ge, value, low, false);
        self.need(fits);
        let fits = self.compare_values(Cond::Lt, value, above, false);
        self.need(fits);
    }

    /// The whole text must be a literal, and its number, an `I64`, one of the type.
    pub(super) fn need_literal(&mut self, helper: Helper, text: Value, value: Value, to: Elementary) {
        let Helper::FromString { format, wide } = helper else { return };
        let helper = Helper::TextIsLiteral { format, wide };
        let whole = self.compute(Ty::I64, Op::Helper { helper, args: vec![text] });
        let whole = self.compute(Ty::I8, Op::Truncate(whole));
        self.need(whole);
        let machine = types::machine(to);
        if self.ty(value) == Ty::I64 && machine != Ty::I64 {
            let result = self.compute(machine, Op::Truncate(value));
            let signed = types::is_signed(to);
            let back = self.widen(result, signed);
            let same = self.compare_values(Cond::Eq, value, back, false);
            self.need(same);
        }
        self.need_finite(value);
    }

    /// Lengths and positions must lie inside of the string.
    pub(super) fn need_part(&mut self, intrinsic: Intrinsic, values: &[Value], wide: bool) {
        let (count, position) = match (intrinsic, values) {
            (Intrinsic::Left | Intrinsic::Right, [_, count]) => (Some(*count), None),
            (Intrinsic::Mid | Intrinsic::Delete, [_, count, position])
            | (Intrinsic::Replace, [_, _, count, position]) => (Some(*count), Some(*position)),
            (Intrinsic::Insert, [_, _, position]) => (None, Some(*position)),
            _ => return,
        };
        let length =
            self.compute(Ty::I64, Op::Helper { helper: Helper::StrLen { wide }, args: vec![values[0]] });
        let (zero, one) = (self.constant(Ty::I64, 0), self.constant(Ty::I64, 1));
        let mut room = length;
        if let Some(position) = position {
            // INSERT may stand before the first character: 0.
            let before = if count.is_some() { self.int(IntOp::Sub, position, one) } else { position };
            let at_start = self.compare_values(Cond::Ge, before, zero, true);
            self.need(at_start);
            let inside = self.compare_values(Cond::Le, before, length, true);
            self.need(inside);
            room = self.int(IntOp::Sub, length, before);
        }
        if let Some(count) = count {
            let positive = self.compare_values(Cond::Ge, count, zero, true);
            self.need(positive);
            let fits = self.compare_values(Cond::Le, count, room, true);
            self.need(fits);
        }
    }

    /// What a function of the library says of itself, at this place on the frame.
    pub(super) fn need_room(&mut self, room: u32) {
        let well = self.compute(Ty::Ptr, Op::FrameAddr(room));
        let well = self.compute(Ty::I8, Op::Load { ptr: well, offset: 0 });
        self.need(well);
    }
}
