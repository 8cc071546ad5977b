//! References as initial values: which places of a variable hold one, and what they lead to.
//!
//! They are no constant bytes: a function block's reference to its own member leads elsewhere in each instance.

use super::Memory;
use crate::hir::{FixedPlace, FixedRoot, FixedStep, Init};
use crate::model::VarKind;
use crate::types::{Type, TypeId, Types};

/// Where the variables without an instance are.
pub(crate) struct Origins<'o> {
    /// Offset of each global; absent for located ones.
    pub(crate) globals: &'o [Option<u32>],
    /// Where the areas of the process image begin.
    pub(crate) areas: [u32; 3],
}

/// A place that holds a reference at start.
pub(crate) struct Held<'i> {
    /// From the start of the variable that was asked about.
    pub(crate) at: u32,
    /// Start of the instance whose declaration says it; `None`: the declaration of the variable itself.
    pub(crate) owner: Option<u32>,
    /// What it leads to; `None` is NULL, over what the type brings.
    pub(crate) place: Option<&'i FixedPlace>,
}

impl Memory<'_, '_> {
    /// Writes the references of a variable into its initial bytes. `offset` is where the bytes will be, `this`
    /// the start of the instance in which the variable is declared.
    pub(crate) fn write_references(
        &self,
        ty: TypeId,
        init: Option<&Init>,
        (offset, this): (u32, u32),
        origins: &Origins<'_>,
        bytes: &mut [u8],
    ) {
        self.references(ty, init, (0, None), &mut |held| {
            let owner = held.owner.map_or(this, |owner| offset + owner);
            let value = held.place.map_or(0, |place| self.reference_to(place, owner, origins));
            let at = held.at as usize;
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        });
    }

    fn reference_to(&self, place: &FixedPlace, this: u32, origins: &Origins<'_>) -> u64 {
        let mut offset = match place.root {
            FixedRoot::Member(pou, var) => this + self.pou(pou).offsets[var].unwrap_or(0),
            FixedRoot::Global(global) => match self.model.globals[global].address {
                Some((address, _)) => {
                    origins.areas[address.area as usize] + address.at.map_or(0, |at| at.byte)
                }
                None => origins.globals[global].unwrap_or(0),
            },
            FixedRoot::Image(area, byte) => origins.areas[area as usize] + byte,
        };
        for step in &place.steps {
            offset += match *step {
                FixedStep::Field(index, field) => self.structure(index).offsets[field].unwrap_or(0),
                FixedStep::Member(pou, var) => self.pou(pou).offsets[var].unwrap_or(0),
                FixedStep::Element(element, position) => self.bytes(element).saturating_mul(position),
                FixedStep::Part(byte) => byte,
            };
        }
        let class = match *self.model.types.get(place.ty) {
            Type::Instance(class) => self.class_id(class),
            _ => 0,
        };
        u64::from(class) << 32 | u64::from(offset)
    }

    /// Every place of a variable that holds a reference at start, later ones over earlier ones.
    fn references<'i>(
        &'i self,
        ty: TypeId,
        init: Option<&'i Init>,
        (at, owner): (u32, Option<u32>),
        out: &mut dyn FnMut(Held<'i>),
    ) {
        if self.may_refer(ty) {
            self.default_references(ty, (at, owner), out);
        }
        if let Some(init) = init {
            self.own_references(ty, init, (at, owner), out);
        }
    }

    /// What the type brings.
    fn default_references<'i>(
        &'i self,
        ty: TypeId,
        (at, owner): (u32, Option<u32>),
        out: &mut dyn FnMut(Held<'i>),
    ) {
        match self.model.types.get(ty) {
            Type::Array { element, dimensions, element_init } => {
                let size = self.bytes(*element);
                let init = element_init.map(|index| &self.model.inits[index]);
                for position in 0..Types::count(dimensions) as u32 {
                    self.references(*element, init, (at + position * size, owner), out);
                }
            }
            Type::Struct(index) => {
                let shape = self.structure(*index);
                for (field, def) in self.model.types.structs[*index].fields.iter().enumerate() {
                    if let Some(offset) = shape.offsets[field] {
                        let init = self.model.field_inits.get(&(*index, field));
                        self.references(def.ty, init, (at + offset, owner), out);
                    }
                }
            }
            Type::Instance(pou) => {
                let shape = self.pou(*pou);
                for (var, offset) in self.model.pous[*pou].vars.iter().zip(&shape.offsets) {
                    if let (Some(offset), false) = (offset, var.kind == VarKind::InOut) {
                        self.references(var.ty, var.initial.as_ref(), (at + offset, Some(at)), out);
                    }
                }
            }
            _ => {}
        }
    }

    /// What an initial value says.
    fn own_references<'i>(
        &'i self,
        ty: TypeId,
        init: &'i Init,
        (at, owner): (u32, Option<u32>),
        out: &mut dyn FnMut(Held<'i>),
    ) {
        match (init, self.model.types.get(ty)) {
            (Init::Reference(place), _) => out(Held { at, owner, place: Some(place) }),
            (Init::Value(_), Type::Reference { .. }) => out(Held { at, owner, place: None }),
            (Init::Elements(runs), Type::Array { element, .. }) => {
                let size = self.bytes(*element);
                let mut position = 0;
                for (count, init) in runs {
                    let count = *count as u32;
                    if self.may_refer(*element) || has_reference(init) {
                        for element_at in position..position + count {
                            self.own_references(*element, init, (at + element_at * size, owner), out);
                        }
                    }
                    position += count;
                }
            }
            (Init::Members(members), Type::Struct(index)) => {
                let shape = self.structure(*index);
                for (field, init) in members {
                    if let Some(offset) = shape.offsets[*field] {
                        let ty = self.model.types.structs[*index].fields[*field].ty;
                        self.own_references(ty, init, (at + offset, owner), out);
                    }
                }
            }
            (Init::Members(members), Type::Instance(pou)) => {
                let shape = self.pou(*pou);
                for (var, init) in members {
                    if let Some(offset) = shape.offsets[*var] {
                        self.own_references(
                            self.model.pous[*pou].vars[*var].ty,
                            init,
                            (at + offset, owner),
                            out,
                        );
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a variable of the type holds references at start when nothing is said.
    fn may_refer(&self, ty: TypeId) -> bool {
        if let Some(known) = self.referring.borrow().get(&ty) {
            return *known;
        }
        let found = match self.model.types.get(ty) {
            Type::Array { element, element_init, .. } => {
                element_init.is_some_and(|index| has_reference(&self.model.inits[index]))
                    || self.may_refer(*element)
            }
            Type::Struct(index) => {
                let fields = &self.model.types.structs[*index].fields;
                (0..fields.len()).any(|field| {
                    self.model.field_inits.get(&(*index, field)).is_some_and(has_reference)
                        || self.may_refer(fields[field].ty)
                })
            }
            Type::Instance(pou) => self.model.pous[*pou].vars.iter().any(|var| {
                let stored = matches!(var.kind, VarKind::Local | VarKind::Input | VarKind::Output);
                stored && (var.initial.as_ref().is_some_and(has_reference) || self.may_refer(var.ty))
            }),
            _ => false,
        };
        self.referring.borrow_mut().insert(ty, found);
        found
    }
}

/// Whether a reference is part of an initial value.
pub(crate) fn has_reference(init: &Init) -> bool {
    match init {
        Init::Reference(_) => true,
        Init::Value(_) => false,
        Init::Elements(runs) => runs.iter().any(|(_, init)| has_reference(init)),
        Init::Members(members) => members.iter().any(|(_, init)| has_reference(init)),
    }
}

/// Whether a reference to a member of the object itself is part of an initial value.
pub(crate) fn leads_to_member(init: &Init) -> bool {
    match init {
        Init::Reference(place) => matches!(place.root, FixedRoot::Member(..)),
        Init::Value(_) => false,
        Init::Elements(runs) => runs.iter().any(|(_, init)| leads_to_member(init)),
        Init::Members(members) => members.iter().any(|(_, init)| leads_to_member(init)),
    }
}
