//! Strings: functions and conversions. A string value is the address of its variable or temporary.

use super::function::Builder;
use super::place::Target;
use crate::hir::{Expr, Intrinsic};
use crate::ir::{Cond, Helper, Op, TextFormat, Ty, Value};
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{self, Type, TypeId};

/// How a value of the type is written and read.
fn format(e: Elementary) -> TextFormat {
    match e {
        Elementary::Bool => TextFormat::Bool,
        Elementary::Real => TextFormat::Real,
        Elementary::Lreal => TextFormat::Lreal,
        Elementary::Time => TextFormat::Time,
        Elementary::Ltime => TextFormat::Ltime,
        Elementary::Date | Elementary::Ldate => TextFormat::Date,
        Elementary::Tod | Elementary::Ltod => TextFormat::TimeOfDay,
        Elementary::Dt | Elementary::Ldt => TextFormat::DateTime,
        Elementary::Char | Elementary::Wchar => TextFormat::Char,
        e if types::is_signed(e) => TextFormat::Signed,
        _ => TextFormat::Unsigned,
    }
}

impl Builder<'_, '_, '_, '_> {
    fn text_type(&self, ty: TypeId) -> Option<(bool, u16)> {
        match self.lowerer.memory.model.types.get(ty) {
            Type::Text { wide, capacity } => Some((*wide, *capacity)),
            _ => None,
        }
    }

    /// Bytes that something else has written may be a length beyond the capacity of the string. It is cut before
    /// it is used, so no use of a string reaches what lies behind it.
    pub(super) fn cut_length(&mut self, target: Target, ty: TypeId) {
        let Some((_, capacity)) = self.text_type(ty) else { return };
        if !self.lowerer.memory.is_overlaid {
            return;
        }
        let (ptr, offset) = (target.base, target.offset);
        let capacity = target.capacity.unwrap_or_else(|| self.constant(Ty::I64, i128::from(capacity)));
        let length = self.compute(Ty::I16, Op::Load { ptr, offset });
        let length = self.widen(length, false);
        let fits = Op::IntCmp { cond: Cond::Le, signed: false, a: length, b: capacity };
        let fits = self.compute(Ty::I8, fits);
        let length = self.compute(Ty::I64, Op::Select { cond: fits, a: length, b: capacity });
        let value = self.compute(Ty::I16, Op::Truncate(length));
        self.emit(Op::Store { ptr, offset, value });
    }

    /// A temporary string: address and capacity.
    fn temporary(&mut self, ty: TypeId, capacity: u16) -> (Value, Value) {
        let offset = self.room_for(ty);
        let address = self.compute(Ty::Ptr, Op::FrameAddr(offset));
        let capacity = self.constant(Ty::I64, i128::from(capacity));
        (address, capacity)
    }

    /// A conversion of which at least one side is a string.
    pub(super) fn text_conversion(&mut self, inner: &Expr, to: TypeId, span: Span) -> Value {
        let storage = self.lowerer.memory.model.types.storage(inner.ty);
        match (self.text_type(inner.ty), self.text_type(to), storage) {
            (Some(_), Some((to_wide, capacity)), _) => {
                let from = self.expr(inner);
                let (address, capacity) = self.temporary(to, capacity);
                let args = vec![address, capacity, from];
                self.emit(Op::Helper { helper: Helper::StrConvert { to_wide }, args });
                address
            }
            (None, Some((wide, capacity)), Some(e)) => {
                let value = self.expr(inner);
                let (address, capacity) = self.temporary(to, capacity);
                if matches!(e, Elementary::Char | Elementary::Wchar) && wide == (e == Elementary::Wchar) {
                    // A character is a string of length 1.
                    let one = self.constant(Ty::I16, 1);
                    self.emit(Op::Store { ptr: address, offset: 0, value: one });
                    self.emit(Op::Store { ptr: address, offset: 2, value });
                    return address;
                }
                let value = match types::machine(e) {
                    Ty::F32 | Ty::F64 => value,
                    _ => self.widen(value, types::is_signed(e)),
                };
                let helper = Helper::ToString { format: format(e), wide };
                self.emit(Op::Helper { helper, args: vec![address, capacity, value] });
                address
            }
            (Some((wide, _)), None, _) => {
                let from = self.expr(inner);
                let target = self.lowerer.memory.model.types.storage(to).unwrap_or(Elementary::Lint);
                let helper = Helper::FromString { format: format(target), wide };
                let machine = types::machine(target);
                let read = if matches!(machine, Ty::F32 | Ty::F64) { machine } else { Ty::I64 };
                let value = self.compute(read, Op::Helper { helper, args: vec![from] });
                if self.is_watched(span) {
                    self.need_literal(helper, from, value, target);
                }
                if read == machine { value } else { self.compute(machine, Op::Truncate(value)) }
            }
            _ => self.expr(inner),
        }
    }

    pub(super) fn text_function(
        &mut self,
        intrinsic: Intrinsic,
        args: &[Expr],
        id: TypeId,
        ty: Ty,
        span: Span,
    ) -> Value {
        let wide = self.text_type(args[0].ty).is_some_and(|(wide, _)| wide);
        let values: Vec<Value> = args.iter().map(|arg| self.expr(arg)).collect();
        if matches!(intrinsic, Intrinsic::Length | Intrinsic::Find) {
            let helper = if intrinsic == Intrinsic::Length {
                Helper::StrLen { wide }
            } else {
                Helper::StrFind { wide }
            };
            let length = self.compute(Ty::I64, Op::Helper { helper, args: values });
            return if ty == Ty::I64 { length } else { self.compute(ty, Op::Truncate(length)) };
        }
        if self.is_watched(span) {
            self.need_part(intrinsic, &values, wide);
        }
        let helper = match intrinsic {
            Intrinsic::Left => Helper::StrLeft { wide },
            Intrinsic::Right => Helper::StrRight { wide },
            Intrinsic::Mid => Helper::StrMid { wide },
            Intrinsic::Insert => Helper::StrInsert { wide },
            Intrinsic::Delete => Helper::StrDelete { wide },
            Intrinsic::Replace => Helper::StrReplace { wide },
            _ => Helper::StrConcat { wide },
        };
        let capacity = self.text_type(id).map_or(0, |(_, capacity)| capacity);
        let (address, capacity) = self.temporary(id, capacity);
        let mut all = vec![address, capacity];
        all.extend(values);
        self.emit(Op::Helper { helper, args: all });
        address
    }
}
