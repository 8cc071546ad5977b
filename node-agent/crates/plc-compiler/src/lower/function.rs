//! Building one function: blocks, values, frame, prologue and epilogue.

use super::error::Watch;
use super::{Lowerer, Part};
use crate::ast::{Edge, PouKind};
use crate::config::InstancePlan;
use crate::hir::{Place, Root, Step, Stmt};
use crate::ir::{
    Block, BlockId, Const, FuncId, Function, Inst, IntOp, Jump, Op, SiteId, Terminator, Ty, Value,
};
use crate::model::VarKind;
use crate::span::Span;
use crate::types::{TypeId, Types};
use std::collections::HashMap;

/// A function that is still to be filled.
pub(super) fn empty(name: &str) -> Function {
    Function {
        name: name.to_owned(),
        result: None,
        blocks: Vec::new(),
        value_types: Vec::new(),
        frame_bytes: 0,
        object_bytes: 0,
        contexts: Vec::new(),
    }
}

/// Where a variable of the POU is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    /// Not accessible from here.
    None,
    /// Offset in the instance.
    Instance(u32),
    /// Offset in the frame.
    Frame(u32),
    /// At the address that a parameter holds.
    Address(Value, Extra),
}

/// What comes with the address of a VAR_IN_OUT.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extra {
    None,
    /// Capacity of a string.
    Capacity(Value),
    /// Bounds of an `ARRAY[*]`: index into [`Builder::bounds`].
    Bounds(usize),
}

pub(super) struct Builder<'b, 'l, 'm, 'a> {
    pub(super) lowerer: &'b mut Lowerer<'l, 'm, 'a>,
    pub(super) pou: usize,
    function: Function,
    current: BlockId,
    /// Terminators set so far.
    ends: Vec<Option<Terminator>>,
    pub(super) site: SiteId,
    pub(super) this: Option<Value>,
    pub(super) slots: Vec<Slot>,
    /// Where CONTINUE and EXIT go.
    pub(super) loops: Vec<(BlockId, BlockId)>,
    /// Bounds of arrays that brought them, by dimension.
    pub(super) bounds: Vec<Vec<(Value, Value)>>,
    /// The standard function whose errors go to its ENO.
    pub(super) watch: Option<Watch>,
    /// Where the outputs of the function called last are on the frame.
    pub(super) output_rooms: HashMap<usize, u32>,
    /// Where labels are.
    pub(super) labels: HashMap<usize, BlockId>,
}

impl Lowerer<'_, '_, '_> {
    pub(super) fn body(&mut self, pou: usize, part: Part) -> Function {
        let model = self.memory.model;
        self.body_of(pou, &model.pou(pou).body, part)
    }

    /// A function with the variables of a POU and these statements.
    pub(super) fn body_of(&mut self, pou: usize, statements: &[Stmt], part: Part) -> Function {
        let model = self.memory.model;
        let span = model.pou(pou).name.span;
        let site = self.site(span);
        let mut builder = Builder::new(self, pou, &model.types.pou_names[pou], site);
        if model.pou(pou).is_on_frame() {
            builder.function_prologue();
        } else {
            builder.block_prologue(part);
        }
        builder.count_entry();
        builder.statements(statements);
        builder.leave();
        builder.finish()
    }

    /// An entry that binds connections and image copies around a program's body.
    pub(super) fn wrapper(&mut self, instance: &InstancePlan) -> FuncId {
        let body = self.function(instance.pou, Part::Whole);
        let id = self.reserve(&instance.name);
        let span = self.memory.model.pou(instance.pou).name.span;
        let site = self.site(span);
        let mut builder = Builder::new(self, instance.pou, &instance.name, site);
        let this = builder.param(Ty::Ptr);
        builder.this = Some(this);
        builder.instance_slots();
        for copy in instance.images.iter().filter(|copy| copy.address.area != crate::ast::Area::Output) {
            let (inside, image) = image_places(copy, span);
            builder.copy_place(&inside, &image);
        }
        for (var, value) in &instance.inputs {
            builder.store_member(this, instance.pou, *var, value);
        }
        builder.emit(Op::Call { func: body, args: vec![this] });
        for (var, target) in &instance.outputs {
            let from = builder.member_place(this, instance.pou, *var);
            builder.assign_from(target, from, builder.lowerer.memory.model.pou(instance.pou).vars[*var].ty);
        }
        for copy in instance.images.iter().filter(|copy| copy.address.area != crate::ast::Area::Input) {
            let (inside, image) = image_places(copy, span);
            builder.copy_place(&image, &inside);
        }
        builder.end(Terminator::Return(None));
        let function = builder.finish();
        self.module.functions[id.index()] = function;
        id
    }
}

fn image_places(copy: &crate::config::ImageCopy, span: Span) -> (Place, Place) {
    let (first, rest) = copy.path.split_first().expect("a path to a variable has at least one step");
    let steps = rest.iter().map(|(pou, var)| Step::Member(*pou, *var)).collect();
    let inside = Place { root: Root::Local(first.1), steps, ty: copy.ty, span };
    let at = copy.address.at.expect("bindings with incomplete addresses are refused");
    let bit = (at.bits == 1).then_some(at.bit);
    let root = Root::Image { area: copy.address.area, byte: at.byte, bit };
    (inside, Place { root, steps: Vec::new(), ty: copy.ty, span })
}

impl<'b, 'l, 'm, 'a> Builder<'b, 'l, 'm, 'a> {
    fn new(lowerer: &'b mut Lowerer<'l, 'm, 'a>, pou: usize, name: &str, site: SiteId) -> Self {
        let vars = lowerer.memory.model.pou(pou).vars.len();
        let mut builder = Self {
            lowerer,
            pou,
            function: empty(name),
            current: BlockId(0),
            ends: Vec::new(),
            site,
            this: None,
            slots: vec![Slot::None; vars],
            loops: Vec::new(),
            bounds: Vec::new(),
            watch: None,
            output_rooms: HashMap::new(),
            labels: HashMap::new(),
        };
        builder.block();
        builder
    }

    fn finish(mut self) -> Function {
        for (index, (block, end)) in self.function.blocks.iter_mut().zip(self.ends).enumerate() {
            // A block without end cannot be reached, and so has no parameters.
            block.end =
                end.unwrap_or(Terminator::Jump(Jump { block: BlockId(index as u32), args: Vec::new() }));
        }
        self.function.frame_bytes = self.function.frame_bytes.next_multiple_of(8);
        self.function
    }

    pub(super) fn block(&mut self) -> BlockId {
        let id = BlockId(self.function.blocks.len() as u32);
        let end = Terminator::Return(None);
        self.function.blocks.push(Block { params: Vec::new(), insts: Vec::new(), end });
        self.ends.push(None);
        id
    }

    pub(super) fn value(&mut self, ty: Ty) -> Value {
        self.function.value_types.push(ty);
        Value(self.function.value_types.len() as u32 - 1)
    }

    pub(super) fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    fn param(&mut self, ty: Ty) -> Value {
        self.block_param(BlockId(0), ty)
    }

    pub(super) fn block_param(&mut self, block: BlockId, ty: Ty) -> Value {
        let value = self.value(ty);
        self.function.blocks[block.index()].params.push(value);
        value
    }

    pub(super) fn switch(&mut self, block: BlockId) {
        self.current = block;
    }

    pub(super) fn emit(&mut self, op: Op) {
        let site = self.site;
        self.function.blocks[self.current.index()].insts.push(Inst { result: None, op, site });
    }

    pub(super) fn compute(&mut self, ty: Ty, op: Op) -> Value {
        let result = self.value(ty);
        let site = self.site;
        self.function.blocks[self.current.index()].insts.push(Inst { result: Some(result), op, site });
        result
    }

    pub(super) fn end(&mut self, terminator: Terminator) {
        let slot = &mut self.ends[self.current.index()];
        if slot.is_none() {
            *slot = Some(terminator);
        }
    }

    pub(super) fn jump(&mut self, block: BlockId) {
        self.end(Terminator::Jump(Jump { block, args: Vec::new() }));
    }

    pub(super) fn jump_with(&mut self, block: BlockId, value: Value) {
        self.end(Terminator::Jump(Jump { block, args: vec![value] }));
    }

    pub(super) fn branch(&mut self, cond: Value, then: BlockId, otherwise: BlockId) {
        let jump = |block| Jump { block, args: Vec::new() };
        self.end(Terminator::Branch { cond, then: jump(then), otherwise: jump(otherwise) });
    }

    pub(super) fn at(&mut self, span: Span) {
        self.site = self.lowerer.site(span);
    }

    pub(super) fn constant(&mut self, ty: Ty, value: i128) -> Value {
        let constant = match ty {
            Ty::I8 => Const::I8(value as i8),
            Ty::I16 => Const::I16(value as i16),
            Ty::I32 => Const::I32(value as i32),
            Ty::I64 => Const::I64(value as i64),
            Ty::F32 => Const::F32(value as f32),
            Ty::F64 => Const::F64(value as f64),
            Ty::Ptr => Const::Null,
        };
        self.compute(ty, Op::Const(constant))
    }

    pub(super) fn int(&mut self, op: IntOp, a: Value, b: Value) -> Value {
        let ty = self.ty(a);
        self.compute(ty, Op::Int { op, a, b })
    }

    /// Room on the frame.
    pub(super) fn room(&mut self, bytes: u32, align: u32) -> u32 {
        let offset = self.function.frame_bytes.next_multiple_of(align.max(1));
        self.function.frame_bytes = offset.saturating_add(bytes);
        offset
    }

    pub(super) fn room_for(&mut self, ty: TypeId) -> u32 {
        let (bytes, align) = self.lowerer.memory.size(ty);
        self.room(bytes as u32, align as u32)
    }

    /// Writes the initial bytes of a type to an address.
    fn initialise(&mut self, ty: TypeId, init: Option<&crate::hir::Init>, base: Value) {
        let bytes = self.lowerer.initial_bytes(ty, init);
        let scalar = self.lowerer.memory.model.types.scalar(ty);
        let length = bytes.len() as u32;
        if let Some(scalar) = scalar {
            let mut raw = [0; 8];
            raw[..bytes.len()].copy_from_slice(&bytes);
            let raw = u64::from_le_bytes(raw);
            let constant = match scalar {
                Ty::F32 => self.compute(Ty::F32, Op::Const(Const::F32(f32::from_bits(raw as u32)))),
                Ty::F64 => self.compute(Ty::F64, Op::Const(Const::F64(f64::from_bits(raw)))),
                ty => self.constant(ty, i128::from(raw as i64)),
            };
            self.emit(Op::Store { ptr: base, offset: 0, value: constant });
        } else if bytes.iter().all(|b| *b == 0) {
            self.emit(Op::Zero { to: base, bytes: length });
        } else {
            let offset = self.lowerer.constant(&bytes);
            let from = self.compute(Ty::Ptr, Op::StateAddr(offset));
            self.emit(Op::Copy { to: base, from, bytes: length });
        }
    }

    fn instance_slots(&mut self) {
        let shape = self.lowerer.memory.pou(self.pou);
        for (slot, offset) in self.slots.iter_mut().zip(&shape.offsets) {
            if let Some(offset) = offset {
                *slot = Slot::Instance(*offset);
            }
        }
    }

    /// A program or function block: edges, then temporaries.
    fn block_prologue(&mut self, part: Part) {
        let this = self.param(Ty::Ptr);
        self.this = Some(this);
        self.instance_slots();
        let model = self.lowerer.memory.model;
        let edges = if part == Part::Whole { model.pou(self.pou).edges.as_slice() } else { &[] };
        for (input, memory, pulse) in edges {
            let load = |b: &mut Self, var: usize| {
                let place = b.member_place(this, b.pou, var);
                b.load_scalar(place, Types::BOOL)
            };
            let (now, before) = (load(self, *input), load(self, *memory));
            let one = self.constant(Ty::I8, 1);
            let falling = model.pou(self.pou).vars[*input].edge == Some(Edge::Falling);
            let active = if falling { self.int(IntOp::Xor, now, one) } else { now };
            let idle = self.int(IntOp::Xor, before, one);
            let edge = self.int(IntOp::And, active, idle);
            let to = self.member_place(this, self.pou, *pulse);
            self.store_scalar(to, edge);
            let to = self.member_place(this, self.pou, *memory);
            self.store_scalar(to, active);
        }
        for (index, var) in model.pou(self.pou).vars.iter().enumerate() {
            if var.kind == VarKind::Temp && var.ty != Types::POISON && !var.inherited {
                self.local(index);
            }
        }
    }

    fn local(&mut self, index: usize) {
        let model = self.lowerer.memory.model;
        let var = &model.pou(self.pou).vars[index];
        let offset = self.room_for(var.ty);
        self.slots[index] = Slot::Frame(offset);
        let base = self.compute(Ty::Ptr, Op::FrameAddr(offset));
        self.initialise(var.ty, var.initial.as_ref(), base);
    }

    /// A function: parameters to the frame, outputs and result to their defaults, locals.
    fn function_prologue(&mut self) {
        let model = self.lowerer.memory.model;
        let pou = model.pou(self.pou);
        let scalar = |ty| model.types.scalar(ty);
        // All parameters first: they are the parameters of the entry block.
        let mut params = Vec::new();
        if pou.kind == PouKind::Method {
            self.this = Some(self.param(Ty::Ptr));
        }
        if let (Some(result), Some(var)) = (pou.result, pou.result_var) {
            if let Some(ty) = scalar(result) {
                self.function.result = Some(ty);
            } else {
                let address = self.param(Ty::Ptr);
                params.push((var, address, Extra::None));
            }
        }
        for (index, var) in pou.vars.iter().enumerate() {
            match var.kind {
                VarKind::Input => {
                    let value = self.param(scalar(var.ty).unwrap_or(Ty::Ptr));
                    params.push((index, value, Extra::None));
                }
                VarKind::Output => {
                    let address = self.param(Ty::Ptr);
                    params.push((index, address, Extra::None));
                }
                VarKind::InOut => {
                    let address = self.param(Ty::Ptr);
                    let extra = if let Some(dimensions) = model.types.open_dimensions(var.ty) {
                        let bounds =
                            (0..dimensions).map(|_| (self.param(Ty::I64), self.param(Ty::I64))).collect();
                        self.bounds.push(bounds);
                        Extra::Bounds(self.bounds.len() - 1)
                    } else if self.lowerer.memory.is_text(var.ty) {
                        Extra::Capacity(self.param(Ty::I64))
                    } else {
                        Extra::None
                    };
                    params.push((index, address, extra));
                }
                _ => {}
            }
        }
        for (index, value, extra) in params {
            let var = &pou.vars[index];
            match var.kind {
                VarKind::Input => {
                    let offset = self.room_for(var.ty);
                    self.slots[index] = Slot::Frame(offset);
                    let base = self.compute(Ty::Ptr, Op::FrameAddr(offset));
                    if scalar(var.ty).is_some() {
                        self.emit(Op::Store { ptr: base, offset: 0, value });
                    } else {
                        self.copy_value(var.ty, base, value);
                    }
                }
                VarKind::InOut => self.slots[index] = Slot::Address(value, extra),
                _ => {
                    self.slots[index] = Slot::Address(value, Extra::None);
                    self.initialise(var.ty, var.initial.as_ref(), value);
                }
            }
        }
        for (index, var) in pou.vars.iter().enumerate() {
            let scalar_result = var.kind == VarKind::Result && scalar(var.ty).is_some();
            if (scalar_result || matches!(var.kind, VarKind::Temp | VarKind::Local))
                && var.ty != Types::POISON
            {
                self.local(index);
            }
        }
    }

    /// RETURN and the end of the body.
    pub(super) fn leave(&mut self) {
        let model = self.lowerer.memory.model;
        let result = model.pou(self.pou).result_var.map(|var| (var, model.pou(self.pou).vars[var].ty));
        let value = match result {
            Some((var, ty)) if model.types.scalar(ty).is_some() => {
                let place = self.local_place(var);
                Some(self.load_scalar(place, ty))
            }
            _ => None,
        };
        self.end(Terminator::Return(value));
    }
}
