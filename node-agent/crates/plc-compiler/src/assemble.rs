//! The state block: sections, offsets of globals and program instances, leaves by path, initial bytes.

mod access;

use crate::ast::{Address, AddressAt, Area};
use crate::config::{Initial, InstancePlan, Plan};
use crate::diagnostic::Code;
use crate::hir::Init;
use crate::layout::{
    ClassNumber, Elementary, Layout, Leaf, LeafFlags, Member, Root, Sections, TypeDesc, TypeId as LayoutType,
};
use crate::memory::reference::Origins;
use crate::memory::{MAX_STATE, Memory};
use crate::model::{Model, Var, VarKind};
use crate::program::ImageBytes;
use crate::span::Span;
use crate::types::{Type, TypeId, Types};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Alignment of the block and its sections.
const ALIGN: u64 = 64;
/// The first bytes belong to the engine; offset 0 is NULL.
const HEADER: u64 = 64;
/// Variables that a layout describes at most.
const MAX_LEAVES: usize = 1 << 20;

/// Where things are; the constants that lowering collects come last.
#[derive(Debug)]
pub(crate) struct Assembly {
    pub(crate) layout: Layout,
    pub(crate) initial: Vec<u8>,
    /// Offset of each global; absent for located ones.
    pub(crate) globals: Vec<Option<u32>>,
    pub(crate) instances: Vec<u32>,
}

/// Reports addresses that do not fit the type of their variable.
pub(crate) fn check_addresses(model: &mut Model<'_>) {
    let mut wrong = Vec::new();
    {
        let memory = Memory::new(model);
        let locals = model.pous.iter().flat_map(|pou| &pou.vars);
        let variables = model.globals.iter().chain(locals).map(|var| (&var.name, var.ty, var.address));
        let fields = model.types.structs.iter().flat_map(|def| &def.fields);
        let fields = fields.map(|field| (&field.name, field.ty, field.address));
        for (name, ty, address) in variables.chain(fields) {
            let Some((Address { at, .. }, span)) = address else { continue };
            if !model.is_plain(ty) {
                let message = format!("`{}` cannot lie in the process image: it is no plain data", name.text);
                wrong.push((Code::BadOverlap, span, message));
            } else if let Some(at) = at.filter(|at| ty != Types::POISON && !fits(&memory, ty, *at)) {
                let (name, ty) = (&name.text, model.types.name(ty));
                let message = format!("`{name}` is {ty}, but its address is one of {} bits", at.bits);
                wrong.push((Code::AddressTypeMismatch, span, message));
            }
        }
    }
    for (code, span, message) in wrong {
        model.sink.report(code, span, message);
    }
}

fn fits(memory: &Memory<'_, '_>, ty: TypeId, at: AddressAt) -> bool {
    let types = &memory.model.types;
    match (types.storage(ty), types.get(ty)) {
        (Some(Elementary::Bool), _) => at.bits == 1,
        (Some(e), _) => at.bits == e.size() * 8,
        (None, Type::Array { element, .. }) => {
            at.bits > 1 && types.storage(*element) != Some(Elementary::Bool) && fits(memory, *element, at)
        }
        (None, Type::Struct(_)) => at.bits > 1,
        _ => false,
    }
}

/// Lays everything out. `Err`: what does not fit.
pub(crate) fn assemble(
    memory: &Memory<'_, '_>,
    plan: &Plan,
    images: ImageBytes,
) -> Result<Assembly, (Code, Span, String)> {
    let model = memory.model;
    let mut high = model.image_high;
    for (area, least) in [images.inputs, images.outputs, images.memory].into_iter().enumerate() {
        high[area] = high[area].max(least);
    }
    let locals = model.pous.iter().flat_map(|pou| &pou.vars);
    let copies = plan.instances.iter().flat_map(|i| &i.images).map(|copy| (copy.address, copy.ty));
    let declared = model.globals.iter().chain(locals).filter_map(|var| Some((var.address?.0, var.ty)));
    let fields = model.types.structs.iter().flat_map(|def| &def.fields);
    let fields = fields.filter_map(|field| Some((field.address?.0, field.ty)));
    for (address, ty) in declared.chain(copies).chain(fields) {
        if let Some(at) = address.at {
            let end = u64::from(at.byte).saturating_add(memory.size(ty).0).min(MAX_STATE);
            let slot = &mut high[address.area as usize];
            *slot = (*slot).max(end as u32);
        }
    }
    let mut end = HEADER;
    let mut section = |bytes: u64| {
        let start = end;
        end = (end + bytes).next_multiple_of(ALIGN);
        start as u32..(start + bytes) as u32
    };
    let inputs = section(u64::from(high[0]));
    let outputs = section(u64::from(high[1]));
    let memory_area = section(u64::from(high[2]));
    let start = end;
    let mut globals = Vec::new();
    for (index, var) in model.globals.iter().enumerate() {
        // Programs lie together.
        if is_located(var) || model.named_programs.values().any(|global| *global == index) {
            globals.push(None);
            continue;
        }
        let (bytes, align) = memory.size(var.ty);
        end = end.next_multiple_of(align);
        globals.push(Some(end.min(u64::from(u32::MAX)) as u32));
        end = end.saturating_add(bytes);
        too_large(end, var.name.span)?;
    }
    let globals_range = start as u32..end as u32;
    end = end.next_multiple_of(ALIGN);
    let start = end;
    let mut instances = Vec::new();
    for instance in &plan.instances {
        instances.push(end as u32);
        if let Some(global) = named_instance(model, instance) {
            globals[global] = Some(end as u32);
        }
        end = (end + memory.pou(instance.pou).bytes).next_multiple_of(ALIGN);
        too_large(end, model.pou(instance.pou).name.span)?;
    }
    let planned: Vec<usize> = plan.instances.iter().filter_map(|i| named_instance(model, i)).collect();
    for global in model.named_programs.values().filter(|global| !planned.contains(global)) {
        globals[*global] = Some(end as u32);
        end = (end + u64::from(memory.bytes(model.globals[*global].ty))).next_multiple_of(ALIGN);
        too_large(end, model.globals[*global].name.span)?;
    }
    let programs = start as u32..end as u32;
    let end = end as u32;
    let mut builder = LayoutBuilder {
        memory,
        layout: Layout {
            bytes: end,
            sections: Sections {
                inputs,
                outputs,
                memory: memory_area,
                constants: end..end,
                globals: globals_range,
                programs,
            },
            ..Layout::default()
        },
        known: HashMap::new(),
        references: Vec::new(),
        initial: vec![0; end as usize],
        globals: &globals,
    };
    builder.layout.types.extend(Elementary::ALL.into_iter().map(TypeDesc::Elementary));
    for (index, var) in model.globals.iter().enumerate().filter(|(index, _)| !planned.contains(index)) {
        let path = model.global_path(index);
        builder.variable(&path, var, globals[index], LeafFlags::default());
        if let Some(offset) = globals[index] {
            let ty = builder.ty(var.ty);
            builder.layout.roots.push(Root { path, ty, offset });
        }
    }
    for (instance, offset) in plan.instances.iter().zip(&instances) {
        builder.instance(&instance.name, instance.pou, *offset, LeafFlags::default());
        let ty = builder.instance_type(instance.pou);
        builder.layout.roots.push(Root { path: instance.name.clone(), ty, offset: *offset });
        // Straight from the variables, as an instance is no variable with an initial value of its own.
        let shape = memory.pou(instance.pou);
        for (var, place) in model.pou(instance.pou).vars.iter().zip(&shape.offsets) {
            if let (Some(place), false) = (place, var.kind == VarKind::InOut) {
                builder.write_initial((offset + place, *offset), var.ty, var.initial.as_ref());
            }
        }
        for Initial { path, ty, init } in &instance.initials {
            // A variable with an address has no place in the instance: its declaration says its value.
            let places = path.iter().map(|(pou, var)| memory.pou(*pou).offsets[*var]);
            if let Some(place) = places.sum::<Option<u32>>() {
                builder.write_initial((offset + place, 0), *ty, Some(init));
            }
        }
    }
    if builder.layout.leaves.len() >= MAX_LEAVES {
        return Err((
            Code::StateTooLarge,
            Span::default(),
            format!("the program has more than {MAX_LEAVES} variables"),
        ));
    }
    for access in &plan.accesses {
        builder.access(access)?;
    }
    builder.complete_references();
    builder.layout.leaves.sort_by_key(|leaf| (leaf.offset, leaf.bit));
    builder.layout.roots.sort_by_key(|root| root.offset);
    builder.layout.hash = hash(&builder.layout);
    let LayoutBuilder { layout, initial, .. } = builder;
    Ok(Assembly { layout, initial, globals, instances })
}

/// The global that the others mean by the name of a program, if that is this instance of it.
fn named_instance(model: &Model<'_>, instance: &InstancePlan) -> Option<usize> {
    let own = model.pou(instance.pou).name.text.eq_ignore_ascii_case(&instance.name);
    model.named_programs.get(&instance.pou).copied().filter(|_| own)
}

/// Where the parts of a test program are that its tests share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TestPlaces {
    pub(crate) clock: u32,
    pub(crate) variables: u32,
    pub(crate) counters: u32,
}

/// Adds clock, counters and variables of the tests, which all use the same bytes.
pub(crate) fn add_tests(
    memory: &Memory<'_, '_>,
    assembly: &mut Assembly,
    counted: usize,
) -> Result<TestPlaces, (Code, Span, String)> {
    let model = memory.model;
    let clock = u64::from(assembly.layout.bytes).next_multiple_of(ALIGN);
    let counters = clock + 8;
    let variables = (counters + 8 * counted as u64).next_multiple_of(ALIGN);
    let mut end = variables;
    for test in &model.tests {
        end = end.max(variables.saturating_add(memory.pou(test.pou).bytes));
        too_large(end, model.pou(test.pou).name.span)?;
    }
    located_initials(memory, assembly);
    assembly.layout.bytes = end as u32;
    assembly.layout.sections.constants = end as u32..end as u32;
    assembly.initial.resize(end as usize, 0);
    Ok(TestPlaces { clock: clock as u32, variables: variables as u32, counters: counters as u32 })
}

/// Image bytes that variables of programs and function blocks bring with them.
fn located_initials(memory: &Memory<'_, '_>, assembly: &mut Assembly) {
    for var in memory.model.pous.iter().filter(|pou| !pou.standard).flat_map(|pou| &pou.vars) {
        let Some((Address { area, at: Some(at) }, _)) = var.address else { continue };
        let sections = &assembly.layout.sections;
        let start = match area {
            Area::Input => sections.inputs.start,
            Area::Output => sections.outputs.start,
            Area::Memory => sections.memory.start,
        };
        let offset = (start + at.byte) as usize;
        let bytes = memory.initial_bytes(var.ty, var.initial.as_ref());
        if at.bits == 1 {
            assembly.initial[offset] |= bytes[0] << at.bit;
        } else {
            assembly.initial[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// The initial bytes of the variables of a POU.
pub(crate) fn initial_variables(
    memory: &Memory<'_, '_>,
    pou: usize,
    this: u32,
    origins: &Origins<'_>,
) -> Vec<u8> {
    let shape = memory.pou(pou);
    let mut initial = vec![0; shape.bytes as usize];
    for (var, place) in memory.model.pou(pou).vars.iter().zip(&shape.offsets) {
        let Some(place) = place else { continue };
        let init = var.initial.as_ref();
        let mut bytes = memory.initial_bytes(var.ty, init);
        memory.write_references(var.ty, init, (this + place, this), origins, &mut bytes);
        initial[*place as usize..*place as usize + bytes.len()].copy_from_slice(&bytes);
    }
    initial
}

/// Adds the type of an instance of a POU to a layout that is otherwise complete.
pub(crate) fn instance_type(memory: &Memory<'_, '_>, assembly: &mut Assembly, pou: usize) -> LayoutType {
    let layout = std::mem::take(&mut assembly.layout);
    let mut builder = LayoutBuilder {
        memory,
        layout,
        known: HashMap::new(),
        references: Vec::new(),
        initial: Vec::new(),
        globals: &[],
    };
    let ty = builder.instance_type(pou);
    builder.complete_references();
    assembly.layout = builder.layout;
    ty
}

fn too_large(end: u64, span: Span) -> Result<(), (Code, Span, String)> {
    if end <= MAX_STATE {
        return Ok(());
    }
    Err((
        Code::StateTooLarge,
        span,
        format!("the variables up to here take more than {} MiB", MAX_STATE >> 20),
    ))
}

fn is_located(var: &Var<'_>) -> bool {
    var.address.is_some_and(|(address, _)| address.at.is_some())
}

fn hash(layout: &Layout) -> u64 {
    let mut digest = Sha256::new();
    for leaf in &layout.leaves {
        digest.update(leaf.path.to_ascii_uppercase());
        digest.update(format!("|{}|{:?}|{:?}\n", leaf.offset, leaf.bit, leaf.flags));
        digest.update(layout.type_name(leaf.ty));
    }
    digest.update(format!("{:?}\n{:?}\n", layout.aliases, layout.classes));
    for ty in &layout.types {
        digest.update(format!("{ty:?}\n"));
    }
    let bytes: [u8; 32] = digest.finalize().into();
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(first)
}

struct LayoutBuilder<'b, 'm, 'a> {
    memory: &'b Memory<'m, 'a>,
    layout: Layout,
    known: HashMap<TypeId, LayoutType>,
    /// Types of references whose targets are still to be described.
    references: Vec<(LayoutType, TypeId)>,
    initial: Vec<u8>,
    /// Offsets of the globals.
    globals: &'b [Option<u32>],
}

/// Where the variables without an instance are.
pub(crate) fn origins<'g>(sections: &Sections, globals: &'g [Option<u32>]) -> Origins<'g> {
    let areas = [sections.inputs.start, sections.outputs.start, sections.memory.start];
    Origins { globals, areas }
}

impl LayoutBuilder<'_, '_, '_> {
    fn write(&mut self, offset: u32, bytes: &[u8]) {
        let offset = offset as usize;
        self.initial[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// The initial bytes of a variable of the instance at `this`.
    fn write_initial(&mut self, (offset, this): (u32, u32), ty: TypeId, init: Option<&Init>) {
        let mut bytes = self.memory.initial_bytes(ty, init);
        let origins = origins(&self.layout.sections, self.globals);
        self.memory.write_references(ty, init, (offset, this), &origins, &mut bytes);
        self.write(offset, &bytes);
    }

    /// The start of an area of the process image.
    fn area(&self, area: Area) -> u32 {
        match area {
            Area::Input => self.layout.sections.inputs.start,
            Area::Output => self.layout.sections.outputs.start,
            Area::Memory => self.layout.sections.memory.start,
        }
    }

    /// A declared variable: its leaves, and its initial bytes where it has a place of its own.
    fn variable(&mut self, path: &str, var: &Var<'_>, offset: Option<u32>, inherited: LeafFlags) {
        if var.ty == Types::POISON {
            return;
        }
        let flags = LeafFlags {
            retain: inherited.retain || var.retain,
            persistent: inherited.persistent || var.persistent,
            constant: inherited.constant || var.constant,
            input: var.kind == VarKind::Input,
            output: var.kind == VarKind::Output,
            located: inherited.located,
            hidden: inherited.hidden || var.hidden,
        };
        if let Some((Address { area, at: Some(at) }, _)) = var.address {
            return self.located(path, var.ty, var.initial.as_ref(), (area, at), flags);
        }
        let Some(offset) = offset else { return };
        if var.kind == VarKind::Global {
            self.write_initial((offset, 0), var.ty, var.initial.as_ref());
        }
        self.leaves(path, var.ty, offset, None, flags);
    }

    /// A variable that is image bytes: its leaves and its initial value.
    fn located(
        &mut self,
        path: &str,
        ty: TypeId,
        init: Option<&Init>,
        (area, at): (Area, AddressAt),
        flags: LeafFlags,
    ) {
        let offset = self.area(area) + at.byte;
        let bit = (at.bits == 1).then_some(at.bit);
        let bytes = self.memory.initial_bytes(ty, init);
        match bit {
            Some(bit) => self.initial[offset as usize] |= bytes[0] << bit,
            None => self.write(offset, &bytes),
        }
        self.leaves(path, ty, offset, bit, LeafFlags { located: true, ..flags });
    }

    fn leaves(&mut self, path: &str, ty: TypeId, offset: u32, bit: Option<u8>, flags: LeafFlags) {
        if self.layout.leaves.len() >= MAX_LEAVES {
            return;
        }
        let model = self.memory.model;
        match model.types.get(ty) {
            Type::Instance(pou) => self.instance(path, *pou, offset, flags),
            Type::Struct(index) => {
                let shape = self.memory.structure(*index);
                for (number, (field, place)) in
                    model.types.structs[*index].fields.iter().zip(&shape.offsets).enumerate()
                {
                    let path = format!("{path}.{}", field.name.text);
                    if let Some((Address { area, at: Some(at) }, _)) = field.address {
                        let init = model.field_inits.get(&(*index, number));
                        self.located(&path, field.ty, init, (area, at), flags);
                    } else {
                        self.leaves(&path, field.ty, offset + place.unwrap_or(0), field.bit, flags);
                    }
                }
            }
            _ => {
                let leaf = Leaf {
                    path: path.to_owned(),
                    ty: self.ty(ty),
                    offset,
                    bit,
                    bytes: self.memory.bytes(ty),
                    flags,
                };
                self.layout.leaves.push(leaf);
            }
        }
    }

    fn instance(&mut self, path: &str, pou: usize, offset: u32, flags: LeafFlags) {
        let shape = self.memory.pou(pou);
        let model = self.memory.model;
        for (index, var) in model.pou(pou).vars.iter().enumerate() {
            if matches!(
                var.kind,
                VarKind::InOut
                    | VarKind::Temp
                    | VarKind::External(_)
                    | VarKind::Result
                    | VarKind::Enclosing(..)
            ) {
                continue;
            }
            let path = format!("{path}.{}", var.name.text);
            self.variable(&path, var, shape.offsets[index].map(|place| offset + place), flags);
        }
    }

    fn instance_type(&mut self, pou: usize) -> LayoutType {
        let shape = self.memory.pou(pou);
        let model = self.memory.model;
        let mut members = Vec::new();
        for (var, place) in model.pou(pou).vars.iter().zip(&shape.offsets) {
            if let (Some(offset), false) = (place, var.kind == VarKind::InOut || var.hidden) {
                let ty = self.ty(var.ty);
                members.push(Member { name: var.name.text.to_string(), ty, offset: *offset, bit: None });
            }
        }
        let name = model.pou(pou).name.text.to_string();
        let ty = self.push(TypeDesc::Struct { name, members, bytes: shape.bytes as u32 });
        if let Some(offset) = self.memory.class_member(pou) {
            let number = self.memory.class_id(pou);
            self.layout.classes.push(ClassNumber { ty, offset, number });
        }
        ty
    }

    fn push(&mut self, desc: TypeDesc) -> LayoutType {
        self.layout.types.push(desc);
        LayoutType(self.layout.types.len() as u32 - 1)
    }

    fn ty(&mut self, ty: TypeId) -> LayoutType {
        if let Some(known) = self.known.get(&ty) {
            return *known;
        }
        let model = self.memory.model;
        let id = match model.types.get(ty) {
            Type::Elementary(e) => Layout::elementary(*e),
            Type::Text { wide: false, capacity } => self.push(TypeDesc::String { capacity: *capacity }),
            Type::Text { wide: true, capacity } => self.push(TypeDesc::Wstring { capacity: *capacity }),
            Type::Enum(index) => {
                let def = &model.types.enums[*index];
                let values = def.values.iter().map(|(name, v)| (name.text.to_string(), *v as i64)).collect();
                self.push(TypeDesc::Enum { name: def.name.to_string(), base: def.base, values })
            }
            Type::Subrange { base, low, high } => {
                self.push(TypeDesc::Subrange { base: *base, low: *low, high: *high })
            }
            Type::Array { element, dimensions, .. } => {
                let element = self.ty(*element);
                self.push(TypeDesc::Array { element, dimensions: dimensions.to_vec() })
            }
            Type::Struct(index) => {
                let shape = self.memory.structure(*index);
                let mut members = Vec::new();
                for (field, place) in model.types.structs[*index].fields.iter().zip(&shape.offsets) {
                    // What lies in the process image is no part of the value.
                    let Some(offset) = *place else { continue };
                    let ty = self.ty(field.ty);
                    members.push(Member { name: field.name.text.to_string(), ty, offset, bit: field.bit });
                }
                let name = model.types.structs[*index].name.to_string();
                self.push(TypeDesc::Struct { name, members, bytes: shape.bytes as u32 })
            }
            Type::Instance(pou) => self.instance_type(*pou),
            Type::Reference { target, .. } => self.reference(ty, *target),
            Type::Interface(pou) => {
                self.push(TypeDesc::Interface { name: model.types.pou_names[*pou].to_string() })
            }
            Type::Poison
            | Type::Void
            | Type::AnyInt
            | Type::AnyReal
            | Type::Null
            | Type::OpenArray { .. } => Layout::elementary(Elementary::Bool),
        };
        self.known.insert(ty, id);
        id
    }
}

impl LayoutBuilder<'_, '_, '_> {
    /// A reference may lead to a type that contains it: what it leads to is filled in at the end.
    fn reference(&mut self, ty: TypeId, target: TypeId) -> LayoutType {
        let id = self.push(TypeDesc::Reference { target: Layout::elementary(Elementary::Bool) });
        self.known.insert(ty, id);
        self.references.push((id, target));
        id
    }

    fn complete_references(&mut self) {
        while let Some((id, target)) = self.references.pop() {
            let target = self.ty(target);
            self.layout.types[id.0 as usize] = TypeDesc::Reference { target };
        }
    }
}

/// Offset and bit of a global place without computed indices.
pub(crate) fn fixed_place(
    memory: &Memory<'_, '_>,
    assembly: &Assembly,
    place: &crate::hir::Place,
) -> (u32, Option<u8>) {
    use crate::hir::{Root as PlaceRoot, Step};
    let sections = &assembly.layout.sections;
    let image = |area, byte: u32, bit: Option<u8>| {
        let start = match area {
            Area::Input => sections.inputs.start,
            Area::Output => sections.outputs.start,
            Area::Memory => sections.memory.start,
        };
        (start + byte, bit)
    };
    let (mut offset, mut bit) = match place.root {
        PlaceRoot::Image { area, byte, bit } => image(area, byte, bit),
        PlaceRoot::Global(global) => match memory.model.globals[global].address {
            Some((Address { area, at: Some(at) }, _)) => {
                image(area, at.byte, (at.bits == 1).then_some(at.bit))
            }
            _ => (assembly.globals[global].unwrap_or(0), None),
        },
        PlaceRoot::Local(_) | PlaceRoot::This | PlaceRoot::Reference(_) | PlaceRoot::Value(_) => (0, None),
    };
    for step in &place.steps {
        match step {
            Step::Field(index, field) => offset += memory.structure(*index).offsets[*field].unwrap_or(0),
            Step::Member(pou, var) => offset += memory.pou(*pou).offsets[*var].unwrap_or(0),
            Step::Part(byte, part) => {
                offset += byte;
                bit = *part;
            }
            Step::Index(..) | Step::Character(..) => {}
        }
    }
    (offset, bit)
}
