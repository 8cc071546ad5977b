//! Calls of functions and instances.

use super::Part;
use super::error::WELL;
use super::function::Builder;
use crate::ast::PouKind;
use crate::hir::{Call, Expr, Place, Receiver, Root};
use crate::ir::{Op, Ty, Value};
use crate::model::VarKind;
use crate::types::{Type, TypeId};
use std::collections::HashMap;

/// What a call runs.
#[derive(Clone, Copy)]
enum Callee {
    Fixed(usize),
    /// What the class, an `I32`, has in a slot of the dispatch table.
    Slot {
        slot: u32,
        class: Value,
    },
}

impl Builder<'_, '_, '_, '_> {
    /// What a call on an object at `this` runs; `ty` is the type that the caller sees.
    fn object_callee(&mut self, call: &Call, ty: TypeId, this: Value) -> Callee {
        let Some((class, method)) = &call.dispatch else { return Callee::Fixed(call.pou) };
        if let Some(only) = self.lowerer.only_target(self.pou, *class, method) {
            self.check_object(this, only, self.lowerer.memory.bytes(ty));
            return Callee::Fixed(only);
        }
        let slot = self.lowerer.slot(*class, method);
        let class = self.class_of_object(ty, this);
        Callee::Slot { slot, class }
    }

    /// A call that was found to have one target may still be made on a place that no object of its class holds.
    /// `known` bytes were checked before.
    fn check_object(&mut self, this: Value, pou: usize, known: u32) {
        let bytes = self.lowerer.object_bytes(pou);
        if bytes > known {
            self.emit(Op::CheckPointer { ptr: this, bytes, frames: false });
        }
    }

    /// As [`Builder::object_callee`], for an interface; `None`: nothing implements it.
    fn interface_callee(&mut self, call: &Call, class: Value, this: Value) -> Option<Callee> {
        let (interface, method) = call.dispatch.as_ref()?;
        if let Some(only) = self.lowerer.only_target(self.pou, *interface, method) {
            self.check_object(this, only, 0);
            return Some(Callee::Fixed(only));
        }
        let slot = self.lowerer.slot(*interface, method);
        let any = self.lowerer.module.dispatch[slot as usize].iter().any(Option::is_some);
        any.then_some(Callee::Slot { slot, class })
    }

    /// Gives the result, or nothing of use where there is none. `watched`: a standard function around it tells
    /// errors of this one.
    pub(super) fn call(&mut self, call: &Call, ty: TypeId, watched: bool) -> Value {
        if let Some(well) = self.lowerer.memory.model.pou(call.pou).scope.get(WELL).copied() {
            return self.library_call(call, well, ty, watched);
        }
        let Some(enable) = &call.enable else {
            let result = self.call_body(call, ty);
            let one = self.constant(Ty::I8, 1);
            self.set_enabled(call.enabled.as_ref(), one);
            return result;
        };
        let enable = self.expr(enable);
        let result = self.value_if(enable, ty, |b| b.call_body(call, ty));
        self.set_enabled(call.enabled.as_ref(), enable);
        result
    }

    /// A function of the library that tells whether it could do what it was asked for.
    fn library_call(&mut self, call: &Call, well: usize, ty: TypeId, watched: bool) -> Value {
        let Some(place) = &call.enabled else {
            let run = |b: &mut Self| {
                let result = b.call_body(call, ty);
                if let (true, Some(room)) = (watched, b.output_rooms.get(&well).copied()) {
                    b.need_room(room);
                }
                result
            };
            return match &call.enable {
                Some(enable) => {
                    let enable = self.expr(enable);
                    self.value_if(enable, ty, run)
                }
                None => run(self),
            };
        };
        let enable = match &call.enable {
            Some(enable) => self.expr(enable),
            None => self.constant(Ty::I8, 1),
        };
        let cell = self.room(1, 1);
        let address = self.compute(Ty::Ptr, Op::FrameAddr(cell));
        self.emit(Op::Store { ptr: address, offset: 0, value: enable });
        let result = self.value_if(enable, ty, |b| {
            let result = b.call_body(call, ty);
            if let Some(room) = b.output_rooms.get(&well).copied() {
                let from = b.compute(Ty::Ptr, Op::FrameAddr(room));
                let value = b.compute(Ty::I8, Op::Load { ptr: from, offset: 0 });
                let to = b.compute(Ty::Ptr, Op::FrameAddr(cell));
                b.emit(Op::Store { ptr: to, offset: 0, value });
            }
            result
        });
        let address = self.compute(Ty::Ptr, Op::FrameAddr(cell));
        let value = self.compute(Ty::I8, Op::Load { ptr: address, offset: 0 });
        self.set_enabled(Some(place), value);
        result
    }

    /// What `run` gives if `enable` holds, else the default of the type.
    pub(super) fn value_if(
        &mut self,
        enable: Value,
        ty: TypeId,
        run: impl FnOnce(&mut Self) -> Value,
    ) -> Value {
        let (active, skip, join) = (self.block(), self.block(), self.block());
        let scalar = self.scalar(ty);
        let result_ty = scalar.unwrap_or(Ty::Ptr);
        let result = self.block_param(join, result_ty);
        self.branch(enable, active, skip);
        self.switch(active);
        let value = run(self);
        let value = if self.ty(value) == result_ty { value } else { self.constant(result_ty, 0) };
        self.jump_with(join, value);
        self.switch(skip);
        let value = self.default_result(ty, scalar);
        self.jump_with(join, value);
        self.switch(join);
        result
    }

    /// The result of a function that was not run: the default of its type.
    fn default_result(&mut self, ty: TypeId, scalar: Option<Ty>) -> Value {
        let bytes = self.lowerer.memory.default_bytes(ty);
        if scalar.is_none() && !bytes.is_empty() {
            let offset = self.lowerer.constant(&bytes);
            return self.compute(Ty::Ptr, Op::StateAddr(offset));
        }
        let mut raw = [0; 8];
        raw[..bytes.len()].copy_from_slice(&bytes);
        self.constant(scalar.unwrap_or(Ty::Ptr), i128::from(i64::from_le_bytes(raw)))
    }

    pub(super) fn set_enabled(&mut self, place: Option<&Place>, value: Value) {
        if let Some(place) = place {
            let target = self.place(place);
            self.store_scalar(target, value);
        }
    }

    fn call_body(&mut self, call: &Call, ty: TypeId) -> Value {
        let is_method = self.lowerer.memory.model.pou(call.pou).kind == PouKind::Method;
        match &call.receiver {
            Receiver::None => self.function_call(call, Callee::Fixed(call.pou), None, ty),
            Receiver::Object(place) if is_method => {
                let target = self.place(place);
                let this = self.pointer(target);
                let callee = self.object_callee(call, place.ty, this);
                self.function_call(call, callee, Some(this), ty)
            }
            Receiver::Object(place) => self.instance_call(call, place),
            Receiver::Interface(value) => {
                let reference = self.expr(value);
                let this = self.dereferenced(reference, None);
                let class = self.class_of_reference(reference);
                match self.interface_callee(call, class, this) {
                    Some(callee) => self.function_call(call, callee, Some(this), ty),
                    // No class implements it: the interface was NULL.
                    None => {
                        let scalar = self.scalar(ty);
                        self.default_result(ty, scalar)
                    }
                }
            }
        }
    }

    /// Stores an input of an instance.
    pub(super) fn store_member(&mut self, base: Value, pou: usize, var: usize, value: &Expr) {
        let lowered = self.expr(value);
        let ty = self.lowerer.memory.model.pou(pou).vars[var].ty;
        let target = self.member_place(base, pou, var);
        self.store(target, ty, lowered);
    }

    fn instance_call(&mut self, call: &Call, instance: &Place) -> Value {
        let target = self.place(instance);
        let base = self.pointer(target);
        for (var, value) in &call.inputs {
            self.store_member(base, call.pou, *var, value);
        }
        for (var, place) in &call.in_outs {
            let wanted = self.lowerer.memory.model.pou(call.pou).vars[*var].ty;
            let words = self.address(place, wanted);
            let offset = self.lowerer.memory.pou(call.pou).offsets[*var].unwrap_or(0);
            for (word, at) in words.into_iter().zip((0..).step_by(8)) {
                self.emit(Op::Store { ptr: base, offset: offset + at, value: word });
            }
        }
        self.bind_in_outs(call, instance, base, true);
        let callee = self.object_callee(call, instance.ty, base);
        let op = match callee {
            Callee::Fixed(pou) => {
                let part = if matches!(instance.root, Root::This) { Part::Body } else { Part::Whole };
                Op::Call { func: self.lowerer.function(pou, part), args: vec![base] }
            }
            Callee::Slot { slot, class } => Op::CallVirtual { slot, class, this: base, args: Vec::new() },
        };
        self.emit(op);
        self.bind_in_outs(call, instance, base, false);
        for (var, place) in &call.outputs {
            let ty = self.lowerer.memory.model.pou(call.pou).vars[*var].ty;
            let from = self.member_place(base, call.pou, *var);
            self.assign_from(place, from, ty);
        }
        base
    }

    /// Notes for the methods of an instance whether a call of its body goes on, which binds the VAR_IN_OUT.
    fn bind_in_outs(&mut self, call: &Call, instance: &Place, base: Value, bound: bool) {
        // The base's body is called while that of the derived one goes on.
        let again = matches!(instance.root, Root::This) && instance.steps.is_empty();
        if !self.lowerer.memory.model.in_outs_shared || again {
            return;
        }
        for (var, _) in &call.in_outs {
            let memory = self.lowerer.memory;
            let at = memory.pou(call.pou).offsets[*var].unwrap_or(0)
                + memory.in_out_bytes(memory.model.pou(call.pou).vars[*var].ty);
            let value = self.constant(Ty::I64, i128::from(bound));
            self.emit(Op::Store { ptr: base, offset: at, value });
        }
    }

    /// Address of a VAR_IN_OUT argument, then the capacity of a string, or the bounds that an `ARRAY[*]` wants.
    fn address(&mut self, place: &Place, wanted: TypeId) -> Vec<Value> {
        let target = self.place(place);
        let mut words = vec![self.pointer(target)];
        let model = self.lowerer.memory.model;
        match model.types.get(place.ty) {
            Type::Text { capacity, .. } => {
                let capacity = i128::from(*capacity);
                words.push(target.capacity.unwrap_or_else(|| self.constant(Ty::I64, capacity)));
            }
            Type::Array { dimensions, .. } if model.types.open_dimensions(wanted).is_some() => {
                for (low, high) in dimensions.iter() {
                    words.push(self.constant(Ty::I64, i128::from(*low)));
                    words.push(self.constant(Ty::I64, i128::from(*high)));
                }
            }
            Type::OpenArray { .. } => {
                let bounds = target.bounds.map(|bounds| self.bounds[bounds].clone()).unwrap_or_default();
                words.extend(bounds.into_iter().flat_map(|(low, high)| [low, high]));
            }
            _ => {}
        }
        words
    }

    fn function_call(&mut self, call: &Call, callee: Callee, this: Option<Value>, ty: TypeId) -> Value {
        let model = self.lowerer.memory.model;
        let pou = model.pou(call.pou);
        debug_assert!(pou.is_on_frame());
        // Arguments in the order of the call, then put into the order of the declaration.
        let mut given: HashMap<usize, Value> = HashMap::new();
        for (var, value) in &call.inputs {
            let value = self.expr(value);
            given.insert(*var, value);
        }
        let mut addresses: HashMap<usize, Vec<Value>> = HashMap::new();
        for (var, place) in &call.in_outs {
            let words = self.address(place, pou.vars[*var].ty);
            addresses.insert(*var, words);
        }
        let mut args = Vec::new();
        let scalar = self.scalar(ty);
        let has_result = pou.result.is_some();
        let mut result_address = None;
        if has_result && scalar.is_none() {
            let offset = self.room_for(ty);
            let address = self.compute(Ty::Ptr, Op::FrameAddr(offset));
            args.push(address);
            result_address = Some(address);
        }
        let mut output_rooms = HashMap::new();
        for (index, var) in pou.vars.iter().enumerate() {
            match var.kind {
                VarKind::Input => {
                    let value = match given.get(&index) {
                        Some(value) => *value,
                        None => self.default_argument(var.ty, var.initial.as_ref()),
                    };
                    args.push(value);
                }
                VarKind::InOut => {
                    // Every call brings all of them.
                    args.extend(addresses.remove(&index).unwrap_or_default());
                }
                VarKind::Output => {
                    let room = self.room_for(var.ty);
                    output_rooms.insert(index, room);
                    args.push(self.compute(Ty::Ptr, Op::FrameAddr(room)));
                }
                _ => {}
            }
        }
        let op = match (callee, this) {
            (Callee::Slot { slot, class }, Some(this)) => Op::CallVirtual { slot, class, this, args },
            (Callee::Fixed(pou), _) => {
                args.splice(0..0, this);
                Op::Call { func: self.lowerer.function(pou, Part::Whole), args }
            }
            (Callee::Slot { .. }, None) => return self.constant(scalar.unwrap_or(Ty::Ptr), 0),
        };
        let result = if let (true, Some(scalar)) = (has_result, scalar) {
            self.compute(scalar, op)
        } else {
            self.emit(op);
            match result_address {
                Some(address) => address,
                None => self.constant(Ty::I8, 0),
            }
        };
        for (var, place) in &call.outputs {
            let ty = model.pou(call.pou).vars[*var].ty;
            let room = output_rooms.get(var).copied().unwrap_or(0);
            let from = self.frame_place(room);
            self.assign_from(place, from, ty);
        }
        self.output_rooms = output_rooms;
        result
    }

    /// What an input that the call leaves out starts with.
    fn default_argument(&mut self, ty: TypeId, init: Option<&crate::hir::Init>) -> Value {
        let bytes = self.lowerer.initial_bytes(ty, init);
        let offset = self.lowerer.constant(&bytes);
        let base = self.compute(Ty::Ptr, Op::StateAddr(offset));
        match self.scalar(ty) {
            Some(scalar) => self.compute(scalar, Op::Load { ptr: base, offset: 0 }),
            None => base,
        }
    }
}
