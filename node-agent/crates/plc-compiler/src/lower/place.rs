//! Addresses of variables and their parts; loads and stores.

use super::function::{Builder, Extra, Slot};
use crate::ast::{Address, Area};
use crate::hir::{Place, Root, Step};
use crate::ir::{Cond, Helper, IntOp, Op, Ty, Value};
use crate::model::VarKind;
use crate::types::{Type, TypeId, Types};

/// Where a place is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) base: Value,
    pub(super) offset: u32,
    /// One bit of that byte.
    bit: Option<u8>,
    /// Of a string that came by VAR_IN_OUT.
    pub(super) capacity: Option<Value>,
    /// Of an array that brought its bounds: index into [`Builder::bounds`].
    pub(super) bounds: Option<usize>,
    /// A character of the string there: its position.
    character: Option<Value>,
}

impl Target {
    fn at(base: Value, offset: u32) -> Self {
        Self { base, offset, bit: None, capacity: None, bounds: None, character: None }
    }
}

impl Builder<'_, '_, '_, '_> {
    pub(super) fn state(&mut self, offset: u32) -> Target {
        let base = self.compute(Ty::Ptr, Op::StateAddr(offset));
        Target::at(base, 0)
    }

    fn image(&mut self, area: Area, byte: u32, bit: Option<u8>) -> Target {
        let sections = &self.lowerer.assembly.layout.sections;
        let start = match area {
            Area::Input => sections.inputs.start,
            Area::Output => sections.outputs.start,
            Area::Memory => sections.memory.start,
        };
        Target { bit, ..self.state(start + byte) }
    }

    fn located(&mut self, address: Option<(Address, crate::span::Span)>) -> Option<Target> {
        let (Address { area, at }, _) = address?;
        let at = at?;
        Some(self.image(area, at.byte, (at.bits == 1).then_some(at.bit)))
    }

    fn global(&mut self, global: usize) -> Target {
        if let Some(target) = self.located(self.lowerer.memory.model.globals[global].address) {
            return target;
        }
        let offset = self.lowerer.assembly.globals[global].unwrap_or(0);
        self.state(offset)
    }

    /// A variable of the POU that is being lowered.
    pub(super) fn local_place(&mut self, var: usize) -> Target {
        let model = self.lowerer.memory.model;
        let variable = &model.pou(self.pou).vars[var];
        if let VarKind::External(global) = variable.kind {
            return self.global(global);
        }
        if let VarKind::Enclosing(test, var) = variable.kind {
            return self.variable_of_test(test, var);
        }
        if let Some(target) = self.located(variable.address) {
            return target;
        }
        match (self.slots[var], self.this) {
            (Slot::Frame(offset), _) => {
                let base = self.compute(Ty::Ptr, Op::FrameAddr(offset));
                Target::at(base, 0)
            }
            (Slot::Address(address, extra), _) => {
                let target = Target::at(address, 0);
                match extra {
                    Extra::None => target,
                    Extra::Capacity(capacity) => Target { capacity: Some(capacity), ..target },
                    Extra::Bounds(bounds) => Target { bounds: Some(bounds), ..target },
                }
            }
            (Slot::Instance(offset), Some(this)) if variable.kind == VarKind::InOut => {
                let ty = variable.ty;
                self.stored_in_out(this, offset, ty)
            }
            (Slot::Instance(offset), Some(this)) => Target::at(this, offset),
            _ => self.state(0),
        }
    }

    /// A temporary of the frame.
    pub(super) fn frame_place(&mut self, offset: u32) -> Target {
        let base = self.compute(Ty::Ptr, Op::FrameAddr(offset));
        Target::at(base, 0)
    }

    /// A variable of an instance at `base`.
    pub(super) fn member_place(&mut self, base: Value, pou: usize, var: usize) -> Target {
        if let Some(target) = self.located(self.lowerer.memory.model.pou(pou).vars[var].address) {
            return target;
        }
        let offset = self.lowerer.memory.pou(pou).offsets[var].unwrap_or(0);
        let variable = &self.lowerer.memory.model.pou(pou).vars[var];
        if variable.kind == VarKind::InOut {
            // A method may run while no call of the body has bound it.
            let ty = variable.ty;
            let at = offset + self.lowerer.memory.in_out_bytes(ty);
            let bound = self.compute(Ty::I64, Op::Load { ptr: base, offset: at });
            let bound = self.compute(Ty::Ptr, Op::RefToPtr(bound));
            self.emit(Op::CheckNull(bound));
            return self.stored_in_out(base, offset, ty);
        }
        Target::at(base, offset)
    }

    /// The caller's variable, from the words that the instance at `this` keeps of it.
    fn stored_in_out(&mut self, this: Value, offset: u32, ty: TypeId) -> Target {
        let base = self.compute(Ty::Ptr, Op::Load { ptr: this, offset });
        self.check_pointer(base, ty, true);
        let is_text = self.lowerer.memory.is_text(ty);
        let capacity = is_text.then(|| self.compute(Ty::I64, Op::Load { ptr: this, offset: offset + 8 }));
        let bounds = self.stored_bounds(ty, this, offset + 8);
        Target { capacity, bounds, ..Target::at(base, 0) }
    }

    pub(super) fn place(&mut self, place: &Place) -> Target {
        let before = self.site;
        self.at(place.span);
        let mut target = match &place.root {
            Root::Local(var) => self.local_place(*var),
            Root::Global(global) => self.global(*global),
            Root::Image { area, byte, bit } => self.image(*area, *byte, *bit),
            Root::This => self.this.map_or_else(|| self.state(0), |this| Target::at(this, 0)),
            Root::Value(value) => Target::at(self.expr(value), 0),
            Root::Reference(of) => {
                let reference = self.expr(of);
                let target = self.types().pointee(of.ty);
                Target::at(self.dereferenced(reference, Some(target)), 0)
            }
        };
        for step in &place.steps {
            target = self.step(target, step);
        }
        self.site = before;
        target
    }

    fn step(&mut self, target: Target, step: &Step) -> Target {
        match step {
            Step::Field(index, field) => {
                let offset = self.lowerer.memory.structure(*index).offsets[*field].unwrap_or(0);
                Target::at(target.base, target.offset + offset)
            }
            Step::Member(pou, var) => {
                let base = self.pointer(target);
                self.member_place(base, *pou, *var)
            }
            Step::Part(byte, bit) => Target { bit: *bit, ..Target::at(target.base, target.offset + byte) },
            Step::Character(string, position) => {
                let position = self.expr(position);
                self.cut_length(target, *string);
                Target { character: Some(position), ..target }
            }
            Step::Index(array, indices) => self.index(target, *array, indices),
        }
    }

    /// The bounds that an instance keeps beside the address of an `ARRAY[*]`.
    fn stored_bounds(&mut self, ty: TypeId, this: Value, offset: u32) -> Option<usize> {
        let dimensions = self.types().open_dimensions(ty)?;
        let load = |b: &mut Self, offset| b.compute(Ty::I64, Op::Load { ptr: this, offset });
        let bounds = (0..dimensions)
            .map(|dimension| {
                let at = offset + 16 * dimension;
                (load(self, at), load(self, at + 8))
            })
            .collect();
        self.bounds.push(bounds);
        Some(self.bounds.len() - 1)
    }

    /// An element of an array that brought its bounds.
    fn open_index(&mut self, target: Target, element: TypeId, indices: &[crate::hir::Expr]) -> Target {
        let bounds = target.bounds.map(|bounds| self.bounds[bounds].clone()).unwrap_or_default();
        let mut position: Option<Value> = None;
        for (index, (low, high)) in indices.iter().zip(bounds) {
            let before = self.site;
            self.at(index.span);
            let value = self.expr(index);
            self.emit(Op::CheckIndexIn { index: value, low, high });
            self.site = before;
            let from_low = self.int(IntOp::Sub, value, low);
            position = Some(match position {
                None => from_low,
                Some(outer) => {
                    let span = self.int(IntOp::Sub, high, low);
                    let one = self.constant(Ty::I64, 1);
                    let extent = self.int(IntOp::Add, span, one);
                    let row = self.int(IntOp::Mul, outer, extent);
                    self.int(IntOp::Add, row, from_low)
                }
            });
        }
        let index = position.unwrap_or_else(|| self.constant(Ty::I64, 0));
        let stride = self.lowerer.memory.bytes(element);
        let ptr = self.pointer(target);
        let base = self.compute(Ty::Ptr, Op::Index { ptr, index, stride });
        self.check_pointer(base, element, true);
        Target::at(base, 0)
    }

    /// LOWER_BOUND, UPPER_BOUND of an array that brought its bounds.
    pub(super) fn bound(&mut self, of: &Place, dimension: usize, upper: bool) -> Value {
        let target = self.place(of);
        let bounds = target.bounds.and_then(|bounds| self.bounds[bounds].get(dimension).copied());
        let Some((low, high)) = bounds else { return self.constant(Ty::I32, 0) };
        self.compute(Ty::I32, Op::Truncate(if upper { high } else { low }))
    }

    fn index(&mut self, target: Target, array: TypeId, indices: &[crate::hir::Expr]) -> Target {
        if let Type::OpenArray { element, .. } = *self.types().get(array) {
            return self.open_index(target, element, indices);
        }
        let model = self.lowerer.memory.model;
        let Type::Array { element, dimensions, .. } = model.types.get(array) else { return target };
        let stride = self.lowerer.memory.bytes(*element);
        let mut fixed = 0i64;
        let mut computed: Option<Value> = None;
        for (index, (low, high)) in indices.iter().zip(dimensions.iter()) {
            let extent = high - low + 1;
            fixed *= extent;
            if let Some(value) = computed {
                let factor = self.constant(Ty::I64, i128::from(extent));
                computed = Some(self.int(IntOp::Mul, value, factor));
            }
            if let crate::hir::ExprKind::Const(crate::hir::Value::Int(v)) = index.kind {
                fixed += v as i64 - low;
                continue;
            }
            let before = self.site;
            self.at(index.span);
            let value = self.expr(index);
            self.emit(Op::CheckIndex { index: value, low: *low, high: *high });
            self.site = before;
            fixed -= low;
            computed = Some(match computed {
                Some(sum) => self.int(IntOp::Add, sum, value),
                None => value,
            });
        }
        let Some(value) = computed else {
            return Target::at(target.base, target.offset + fixed as u32 * stride);
        };
        let position = if fixed == 0 {
            value
        } else {
            let fixed = self.constant(Ty::I64, i128::from(fixed));
            self.int(IntOp::Add, value, fixed)
        };
        let ptr = self.pointer(target);
        let base = self.compute(Ty::Ptr, Op::Index { ptr, index: position, stride });
        Target::at(base, 0)
    }

    /// The address of a place that has one.
    pub(super) fn pointer(&mut self, target: Target) -> Value {
        if target.offset == 0 {
            return target.base;
        }
        self.compute(Ty::Ptr, Op::Offset { ptr: target.base, bytes: target.offset })
    }

    pub(super) fn load_scalar(&mut self, target: Target, ty: TypeId) -> Value {
        let scalar = self.lowerer.memory.model.types.scalar(ty).unwrap_or(Ty::Ptr);
        if let Some(position) = target.character {
            let string = self.pointer(target);
            let helper = Helper::StrGet { wide: scalar == Ty::I16 };
            return self.compute(scalar, Op::Helper { helper, args: vec![string, position] });
        }
        let (ptr, offset) = (target.base, target.offset);
        match target.bit {
            Some(bit) => self.compute(Ty::I8, Op::LoadBit { ptr, offset, bit }),
            None => {
                let value = self.compute(scalar, Op::Load { ptr, offset });
                if ty == Types::BOOL && self.lowerer.memory.is_overlaid { self.truth(value) } else { value }
            }
        }
    }

    /// Bytes that something else has written are TRUE or FALSE all the same: passes take a BOOL for 0 or 1.
    fn truth(&mut self, byte: Value) -> Value {
        let zero = self.constant(Ty::I8, 0);
        self.compute(Ty::I8, Op::IntCmp { cond: Cond::Ne, signed: false, a: byte, b: zero })
    }

    pub(super) fn store_scalar(&mut self, target: Target, value: Value) {
        if let Some(position) = target.character {
            let string = self.pointer(target);
            let helper = Helper::StrSet { wide: self.ty(value) == Ty::I16 };
            self.emit(Op::Helper { helper, args: vec![string, position, value] });
            return;
        }
        let (ptr, offset) = (target.base, target.offset);
        match target.bit {
            Some(bit) => self.emit(Op::StoreBit { ptr, offset, bit, value }),
            None => self.emit(Op::Store { ptr, offset, value }),
        }
    }

    /// The value of a place: a scalar, or the address of anything else.
    pub(super) fn load(&mut self, place: &Place) -> Value {
        let target = self.place(place);
        if self.lowerer.memory.model.types.scalar(place.ty).is_some() {
            return self.load_scalar(target, place.ty);
        }
        self.cut_length(target, place.ty);
        self.pointer(target)
    }

    /// Stores what [`Builder::load`] or [`Builder::expr`] gave for a value of type `ty`.
    pub(super) fn store(&mut self, target: Target, ty: TypeId, value: Value) {
        if self.lowerer.memory.model.types.scalar(ty).is_some() {
            self.store_scalar(target, value);
            return;
        }
        let to = self.pointer(target);
        if let Some(capacity) = target.capacity {
            let wide = matches!(self.lowerer.memory.model.types.get(ty), Type::Text { wide: true, .. });
            let helper = Helper::StrAssign { wide };
            self.emit(Op::Helper { helper, args: vec![to, capacity, value] });
            return;
        }
        self.copy_value(ty, to, value);
    }

    /// Copies what is not a scalar; strings are cut at the capacity of `ty`.
    pub(super) fn copy_value(&mut self, ty: TypeId, to: Value, from: Value) {
        if let Type::Text { wide, capacity } = *self.lowerer.memory.model.types.get(ty) {
            let capacity = self.constant(Ty::I64, i128::from(capacity));
            self.emit(Op::Helper { helper: Helper::StrAssign { wide }, args: vec![to, capacity, from] });
            return;
        }
        let bytes = self.lowerer.memory.bytes(ty);
        self.emit(Op::Copy { to, from, bytes });
    }

    pub(super) fn copy_place(&mut self, to: &Place, from: &Place) {
        let value = self.load(from);
        let target = self.place(to);
        self.store(target, to.ty, value);
    }

    /// Stores a value of another type after converting it without loss.
    pub(super) fn assign_from(&mut self, place: &Place, from: Target, from_ty: TypeId) {
        let types = &self.lowerer.memory.model.types;
        let value = if types.scalar(from_ty).is_some() {
            let value = self.load_scalar(from, from_ty);
            self.convert(value, from_ty, place.ty, crate::hir::Mode::Value)
        } else {
            self.cut_length(from, from_ty);
            self.pointer(from)
        };
        let value = self.checked(value, place.ty);
        let target = self.place(place);
        self.store(target, place.ty, value);
    }

    /// Checks the limits of a subrange.
    fn checked(&mut self, value: Value, ty: TypeId) -> Value {
        if let Type::Subrange { base, low, high } = *self.lowerer.memory.model.types.get(ty) {
            let wide = self.widen(value, crate::types::is_signed(base));
            self.emit(Op::CheckRange { value: wide, low, high });
        }
        value
    }
}
