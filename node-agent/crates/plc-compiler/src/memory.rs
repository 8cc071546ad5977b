//! Sizes, offsets and initial bytes of all types.

pub(crate) mod reference;

use crate::hir::{Init, Value};
use crate::layout::Elementary;
use crate::model::object::CLASS_MEMBER;
use crate::model::{Model, VarKind};
use crate::types::{Field, Type, TypeId, Types};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// The state of a program has at most 64 MiB.
pub(crate) const MAX_STATE: u64 = 64 << 20;

/// Offsets of the fields of a structure or the variables of a POU.
#[derive(Debug)]
pub(crate) struct Shape {
    /// `None`: not stored in the instance.
    pub(crate) offsets: Vec<Option<u32>>,
    pub(crate) bytes: u64,
    align: u64,
}

/// Answers questions on memory; everything is computed once.
pub(crate) struct Memory<'m, 'a> {
    pub(crate) model: &'m Model<'a>,
    structs: RefCell<HashMap<usize, Rc<Shape>>>,
    pous: RefCell<HashMap<usize, Rc<Shape>>>,
    defaults: RefCell<HashMap<TypeId, Rc<[u8]>>>,
    /// Whether variables of a type hold references at start.
    referring: RefCell<HashMap<TypeId, bool>>,
    /// Number of each class that takes part in dispatch, from 1.
    classes: HashMap<usize, u32>,
    /// The program has pointers, which can be moved.
    pub(crate) has_pointers: bool,
    /// A BOOL or a string of the program may hold bytes that no value of its type has.
    pub(crate) is_overlaid: bool,
}

impl<'m, 'a> Memory<'m, 'a> {
    pub(crate) fn new(model: &'m Model<'a>) -> Self {
        let dispatched = (0..model.pous.len()).filter(|pou| model.is_dispatched(*pou));
        Self {
            model,
            structs: RefCell::default(),
            pous: RefCell::default(),
            defaults: RefCell::default(),
            referring: RefCell::default(),
            classes: dispatched.zip(1..).collect(),
            has_pointers: model.types.has_pointers(),
            is_overlaid: model.is_overlaid(),
        }
    }

    /// The number of a class; 0 for one that takes no part in dispatch.
    pub(crate) fn class_id(&self, class: usize) -> u32 {
        self.classes.get(&class).copied().unwrap_or(0)
    }

    /// One more than the highest number of a class.
    pub(crate) fn class_count(&self) -> usize {
        self.classes.len() + 1
    }

    /// Where an instance holds the number of its class.
    pub(crate) fn class_member(&self, class: usize) -> Option<u32> {
        let member = self.model.pou(class).scope.get(CLASS_MEMBER)?;
        self.pou(class).offsets[*member]
    }

    /// Bytes and alignment. Saturates far above what is legal.
    pub(crate) fn size(&self, ty: TypeId) -> (u64, u64) {
        let types = &self.model.types;
        if let Some(e) = types.storage(ty) {
            return (u64::from(e.size()), u64::from(e.size()));
        }
        if types.is_reference(ty) {
            return (8, 8);
        }
        match types.get(ty) {
            Type::Text { wide: false, capacity } => ((2 + u64::from(*capacity)).next_multiple_of(2), 2),
            Type::Text { wide: true, capacity } => (2 + 2 * u64::from(*capacity), 2),
            Type::Array { element, dimensions, .. } => {
                let (size, align) = self.size(*element);
                (size.saturating_mul(Types::count(dimensions)), align)
            }
            Type::Struct(index) => {
                let shape = self.structure(*index);
                (shape.bytes, shape.align)
            }
            Type::Instance(pou) => {
                let shape = self.pou(*pou);
                (shape.bytes, shape.align)
            }
            _ => (0, 1),
        }
    }

    /// Bytes of a type that is known to fit the state block.
    pub(crate) fn bytes(&self, ty: TypeId) -> u32 {
        u32::try_from(self.size(ty).0).unwrap_or(u32::MAX)
    }

    pub(crate) fn structure(&self, index: usize) -> Rc<Shape> {
        if let Some(shape) = self.structs.borrow().get(&index) {
            return Rc::clone(shape);
        }
        let shape = Rc::new(self.structure_shape(index));
        self.structs.borrow_mut().insert(index, Rc::clone(&shape));
        shape
    }

    /// Members one behind the other, but where they have a place of their own.
    fn structure_shape(&self, index: usize) -> Shape {
        let def = &self.model.types.structs[index];
        if !def.overlap && def.fields.iter().all(|field| field.at.is_none()) {
            let size = |field: &Field<'_>| field.address.is_none().then(|| self.size(field.ty));
            return shape(def.fields.iter().map(size));
        }
        let (mut end, mut align) = (0u64, 1u64);
        let mut offsets = Vec::new();
        for field in &def.fields {
            if field.address.is_some() {
                offsets.push(None);
                continue;
            }
            let (bytes, own) = self.size(field.ty);
            align = align.max(own);
            let at = match field.at {
                Some(at) => u64::from(at),
                None if def.overlap => 0,
                None => end.next_multiple_of(own),
            };
            offsets.push(Some(u32::try_from(at).unwrap_or(u32::MAX)));
            end = end.max(at.saturating_add(bytes)).min(1 << 40);
        }
        Shape { offsets, bytes: end.next_multiple_of(align), align }
    }

    pub(crate) fn pou(&self, pou: usize) -> Rc<Shape> {
        if let Some(shape) = self.pous.borrow().get(&pou) {
            return Rc::clone(shape);
        }
        let vars = &self.model.pous[pou].vars;
        let sizes = vars.iter().enumerate().map(|(index, var)| {
            self.model.is_stored(pou, index).then(|| match var.kind {
                VarKind::InOut => {
                    let bound = if self.model.in_outs_shared { 8 } else { 0 };
                    (u64::from(self.in_out_bytes(var.ty)) + bound, 8)
                }
                _ => self.size(var.ty),
            })
        });
        let mut shape = shape(sizes);
        // References tell objects apart by their addresses.
        shape.bytes = shape.bytes.max(1);
        let shape = Rc::new(shape);
        self.pous.borrow_mut().insert(pou, Rc::clone(&shape));
        shape
    }

    /// What an instance keeps of a VAR_IN_OUT: the address of the caller's variable, the capacity of a string,
    /// both bounds of each dimension of an open array. Behind it, if methods share it, whether it is bound.
    pub(crate) fn in_out_bytes(&self, ty: TypeId) -> u32 {
        match self.model.types.open_dimensions(ty) {
            Some(dimensions) => 8 + 16 * dimensions,
            None if self.is_text(ty) => 16,
            None => 8,
        }
    }

    pub(crate) fn is_text(&self, ty: TypeId) -> bool {
        matches!(self.model.types.get(ty), Type::Text { .. })
    }

    /// What a variable of the type holds when nothing else is said.
    pub(crate) fn default_bytes(&self, ty: TypeId) -> Rc<[u8]> {
        if let Some(bytes) = self.defaults.borrow().get(&ty) {
            return Rc::clone(bytes);
        }
        let mut bytes = vec![0; self.bytes(ty) as usize];
        if let Some(init) = self.model.type_default(ty) {
            self.apply(ty, &init, &mut bytes);
        }
        match self.model.types.get(ty) {
            Type::Array { element, element_init, .. } => {
                let mut one = self.default_bytes(*element).to_vec();
                if let Some(index) = element_init {
                    self.apply(*element, &self.model.inits[*index], &mut one);
                }
                if one.iter().any(|b| *b != 0) {
                    for slot in bytes.chunks_exact_mut(one.len()) {
                        slot.copy_from_slice(&one);
                    }
                }
            }
            Type::Struct(index) => {
                let shape = self.structure(*index);
                for (field, def) in self.model.types.structs[*index].fields.iter().enumerate() {
                    let init = self.model.field_inits.get(&(*index, field));
                    // What says nothing leaves the place to the member that does.
                    if init.is_some() || !self.model.types.structs[*index].overlap {
                        self.field(def, init, shape.offsets[field], &mut bytes);
                    }
                }
            }
            Type::Instance(pou) => {
                let shape = self.pou(*pou);
                for (index, var) in self.model.pous[*pou].vars.iter().enumerate() {
                    if var.kind != VarKind::InOut {
                        self.member(var.ty, var.initial.as_ref(), shape.offsets[index], &mut bytes);
                    }
                }
                if let Some(at) = self.class_member(*pou) {
                    let at = at as usize;
                    bytes[at..at + 4].copy_from_slice(&self.class_id(*pou).to_le_bytes());
                }
            }
            _ => {}
        }
        let bytes: Rc<[u8]> = bytes.into();
        self.defaults.borrow_mut().insert(ty, Rc::clone(&bytes));
        bytes
    }

    /// A member of a structure, which may be a single bit.
    fn field(&self, def: &Field<'_>, init: Option<&Init>, offset: Option<u32>, bytes: &mut [u8]) {
        let (Some(bit), Some(at)) = (def.bit, offset) else {
            return self.member(def.ty, init, offset, bytes);
        };
        let value = self.initial_bytes(def.ty, init);
        let byte = &mut bytes[at as usize];
        *byte = *byte & !(1 << bit) | (value[0] & 1) << bit;
    }

    fn member(&self, ty: TypeId, init: Option<&Init>, offset: Option<u32>, bytes: &mut [u8]) {
        let Some(offset) = offset else { return };
        let value = self.initial_bytes(ty, init);
        let offset = offset as usize;
        bytes[offset..offset + value.len()].copy_from_slice(&value);
    }

    /// The bytes of a variable with an initial value of its own.
    pub(crate) fn initial_bytes(&self, ty: TypeId, init: Option<&Init>) -> Vec<u8> {
        let mut bytes = self.default_bytes(ty).to_vec();
        if let Some(init) = init {
            self.apply(ty, init, &mut bytes);
        }
        bytes
    }

    fn apply(&self, ty: TypeId, init: &Init, bytes: &mut [u8]) {
        let types = &self.model.types;
        match (init, types.get(ty)) {
            (Init::Value(Value::Text(units)), Type::Text { wide, capacity }) => {
                write_text(units, *wide, *capacity, bytes);
            }
            (Init::Value(value), _) => {
                if let Some(e) = types.storage(ty) {
                    write_scalar(value, e, bytes);
                }
            }
            (Init::Elements(runs), Type::Array { element, .. }) => {
                let size = self.bytes(*element) as usize;
                let mut at = 0usize;
                for (count, init) in runs {
                    if *count == 0 {
                        continue;
                    }
                    let length = size * *count as usize;
                    let slots = &mut bytes[at..at + length];
                    let (first, rest) = slots.split_at_mut(size);
                    self.apply(*element, init, first);
                    for slot in rest.chunks_exact_mut(size.max(1)) {
                        slot.copy_from_slice(first);
                    }
                    at += length;
                }
            }
            (Init::Members(members), Type::Struct(index)) => {
                let shape = self.structure(*index);
                for (field, init) in members {
                    let def = &types.structs[*index].fields[*field];
                    match def.bit {
                        Some(_) => self.field(def, Some(init), shape.offsets[*field], bytes),
                        None => self.apply_member(def.ty, init, shape.offsets[*field], bytes),
                    }
                }
            }
            (Init::Members(members), Type::Instance(pou)) => {
                let shape = self.pou(*pou);
                for (var, init) in members {
                    let ty = self.model.pous[*pou].vars[*var].ty;
                    self.apply_member(ty, init, shape.offsets[*var], bytes);
                }
            }
            _ => {}
        }
    }

    fn apply_member(&self, ty: TypeId, init: &Init, offset: Option<u32>, bytes: &mut [u8]) {
        if let Some(offset) = offset {
            let offset = offset as usize;
            let size = self.bytes(ty) as usize;
            self.apply(ty, init, &mut bytes[offset..offset + size]);
        }
    }
}

fn shape(sizes: impl Iterator<Item = Option<(u64, u64)>>) -> Shape {
    let mut offset = 0u64;
    let mut largest = 1u64;
    let mut offsets = Vec::new();
    for size in sizes {
        let Some((bytes, align)) = size else {
            offsets.push(None);
            continue;
        };
        largest = largest.max(align);
        offset = offset.next_multiple_of(align);
        offsets.push(Some(u32::try_from(offset).unwrap_or(u32::MAX)));
        offset = offset.saturating_add(bytes).min(1 << 40);
    }
    Shape { offsets, bytes: offset.next_multiple_of(largest), align: largest }
}

fn write_scalar(value: &Value, e: Elementary, bytes: &mut [u8]) {
    let size = e.size() as usize;
    let raw = match (value, e) {
        (Value::Real(v), Elementary::Real) => u64::from((*v as f32).to_bits()),
        (Value::Decimal(_, v), Elementary::Real) => u64::from(v.to_bits()),
        (Value::Real(v) | Value::Decimal(v, _), _) => v.to_bits(),
        (Value::Int(v), _) => *v as u64,
        (Value::Text(_), _) => return,
    };
    bytes[..size].copy_from_slice(&raw.to_le_bytes()[..size]);
}

/// Writes a string: its length in units, then the units; cut at the capacity.
pub(crate) fn write_text(units: &[u16], wide: bool, capacity: u16, bytes: &mut [u8]) {
    let length = units.len().min(usize::from(capacity));
    bytes[..2].copy_from_slice(&(length as u16).to_le_bytes());
    for (i, unit) in units[..length].iter().enumerate() {
        if wide {
            bytes[2 + 2 * i..4 + 2 * i].copy_from_slice(&unit.to_le_bytes());
        } else {
            bytes[2 + i] = *unit as u8;
        }
    }
}
