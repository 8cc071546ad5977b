//! References and the classes of objects. A reference is `{u32 state offset, u32 class}`, an `I64`.

use super::function::Builder;
use crate::hir::{Expr, Place, Root, Step};
use crate::ir::{Cond, IntOp, Op, Ty, Value};
use crate::model::VarKind;
use crate::types::{Type, TypeId};

/// The half of a reference that holds the offset.
const OFFSET_BITS: i128 = 0xffff_ffff;

impl Builder<'_, '_, '_, '_> {
    /// The address behind a reference to a `target`; for interfaces the class tells what it is.
    pub(super) fn dereferenced(&mut self, reference: Value, target: Option<TypeId>) -> Value {
        let ptr = self.compute(Ty::Ptr, Op::RefToPtr(reference));
        self.emit(Op::CheckNull(ptr));
        if let Some(target) = target {
            self.check_pointer(ptr, target, false);
        }
        ptr
    }

    /// In a program with pointers nothing that is loaded from the state is a safe address by itself.
    pub(super) fn check_pointer(&mut self, ptr: Value, target: TypeId, frames: bool) {
        if self.lowerer.memory.has_pointers {
            let bytes = self.lowerer.memory.bytes(target);
            self.emit(Op::CheckPointer { ptr, bytes, frames });
        }
    }

    /// The reference to a place in the state block.
    pub(super) fn reference(&mut self, place: &Place) -> Value {
        let target = self.place(place);
        let ptr = self.pointer(target);
        let Type::Instance(class) = *self.types().get(place.ty) else {
            return self.compute(Ty::I64, Op::PtrToRef { ptr, type_id: 0 });
        };
        let memory = self.lowerer.memory;
        if self.is_exact(place) || memory.class_member(class).is_none() {
            let type_id = memory.class_id(class);
            return self.compute(Ty::I64, Op::PtrToRef { ptr, type_id });
        }
        let offset = self.compute(Ty::I64, Op::PtrToRef { ptr, type_id: 0 });
        let class = self.class_of_object(place.ty, ptr);
        let class = self.compute(Ty::I64, Op::ZeroExtend(class));
        let half = self.constant(Ty::I64, 32);
        let class = self.int(IntOp::Shl, class, half);
        self.int(IntOp::Or, class, offset)
    }

    /// Whether a place can hold nothing but an object of its own type.
    fn is_exact(&self, place: &Place) -> bool {
        let model = self.lowerer.memory.model;
        match (place.steps.last(), &place.root) {
            (Some(Step::Member(pou, var)), _) => model.pou(*pou).vars[*var].kind != VarKind::InOut,
            (None, Root::Local(var)) => model.pou(self.pou).vars[*var].kind != VarKind::InOut,
            (None, Root::This | Root::Reference(_)) => false,
            _ => true,
        }
    }

    /// The number of the class of an object, an `I32`.
    pub(super) fn class_of_object(&mut self, ty: TypeId, this: Value) -> Value {
        let Type::Instance(class) = *self.types().get(ty) else { return self.constant(Ty::I32, 0) };
        match self.lowerer.memory.class_member(class) {
            Some(offset) => self.compute(Ty::I32, Op::Load { ptr: this, offset }),
            None => {
                let id = self.lowerer.memory.class_id(class);
                self.constant(Ty::I32, i128::from(id))
            }
        }
    }

    pub(super) fn class_of_reference(&mut self, reference: Value) -> Value {
        let half = self.constant(Ty::I64, 32);
        let class = self.int(IntOp::Shr, reference, half);
        self.compute(Ty::I32, Op::Truncate(class))
    }

    /// `r ?= x`: the reference, or NULL if it leads to an object of none of the classes.
    pub(super) fn attempt(&mut self, inner: &Expr, classes: &[usize]) -> Value {
        let reference = self.expr(inner);
        let class = self.class_of_reference(reference);
        let mut fits = self.constant(Ty::I8, 0);
        for wanted in classes {
            let id = i128::from(self.lowerer.memory.class_id(*wanted));
            let id = self.constant(Ty::I32, id);
            let same = self.compare_values(Cond::Eq, class, id, false);
            fits = self.int(IntOp::Or, fits, same);
        }
        let null = self.constant(Ty::I64, 0);
        self.compute(Ty::I64, Op::Select { cond: fits, a: reference, b: null })
    }

    /// Stores a reference and tells whether it is not NULL.
    pub(super) fn taken(&mut self, place: &Place, value: &Expr) -> Value {
        let reference = self.expr(value);
        let target = self.place(place);
        self.store_scalar(target, reference);
        let null = self.constant(Ty::I64, 0);
        self.compare_values(Cond::Ne, reference, null, false)
    }

    /// The offset in the state block, an `I64`.
    pub(super) fn state_offset(&mut self, reference: Value) -> Value {
        let low = self.constant(Ty::I64, OFFSET_BITS);
        self.int(IntOp::And, reference, low)
    }

    /// The pointer moved by some bytes. The other half stays as it is, whatever the sum.
    pub(super) fn moved_pointer(&mut self, pointer: Value, by: Value) -> Value {
        let sum = self.int(IntOp::Add, pointer, by);
        let sum = self.state_offset(sum);
        let high = self.constant(Ty::I64, !OFFSET_BITS);
        let class = self.int(IntOp::And, pointer, high);
        self.int(IntOp::Or, class, sum)
    }
}
