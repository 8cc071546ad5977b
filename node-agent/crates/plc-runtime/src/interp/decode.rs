//! From the IR to the interpreter's instructions.
//!
//! Nothing is optimised here as the other engine does it: blocks, their order and every effect stay. What makes
//! the code short is how it is written down. Operands are taken where they lie, so most loads and stores are
//! parts of the instructions between them, and few sequences that every program is full of have one instruction.

mod access;
mod element;
mod flow;
mod latch;
mod operand;
pub(super) mod standard;
mod value;

use super::code::{Base, Cell, Code, Function, Handler, Inst};
use super::slots::{Slots, Uses};
use lineshaft_plc_compiler::ir::{self, Block, BlockId, Module, SiteId, Terminator, Value};
use operand::{Known, end_operands, operands};

/// Decodes a verified module.
pub(crate) fn decode(module: &Module) -> Code {
    let methods = |row: &Vec<Option<ir::FuncId>>| row.iter().map(|func| func.map(|func| func.0)).collect();
    let mut code = Code { dispatch: module.dispatch.iter().map(methods).collect(), ..Code::default() };
    let routines: Vec<Option<Handler>> =
        module.functions.iter().map(|function| standard::routine(module, function)).collect();
    for function in &module.functions {
        let decoded = Decoder::new(&mut code, &routines, function).run();
        code.functions.push(decoded);
    }
    code
}

/// A target of a jump.
#[derive(Clone, Copy)]
enum Target {
    Block(BlockId),
    /// An instruction.
    Inst(u32),
}

struct Decoder<'a> {
    code: &'a mut Code,
    /// For each function, what carries out a call of it without its instructions.
    routines: &'a [Option<Handler>],
    function: &'a ir::Function,
    /// The instruction that makes each value.
    makers: Vec<Option<&'a ir::Inst>>,
    slots: Slots,
    /// Values that were loaded from a known place, that still holds them: they have no slot yet.
    pending: Vec<(Value, Cell)>,
    /// The pointer whose places are known by [`Base::This`].
    this: Option<Value>,
    /// Bytes that operands reach behind that, and in the frame.
    this_bytes: u32,
    frame_bytes: u32,
    /// First instruction of each block.
    starts: Vec<u32>,
    /// The branch that ends the present block, where an access to an element is a part of it.
    branch: Option<usize>,
    /// The move of a byte into a slot that was emitted last.
    moved: Option<usize>,
    /// Jumps and where they lead.
    fixups: Vec<(usize, Target, Target)>,
}

impl<'a> Decoder<'a> {
    fn new(code: &'a mut Code, routines: &'a [Option<Handler>], function: &'a ir::Function) -> Self {
        let values = function.value_types.len();
        let mut decoder = Self {
            code,
            routines,
            function,
            makers: vec![None; values],
            slots: Slots::new(Uses::new(0)),
            pending: Vec::new(),
            this: None,
            this_bytes: 0,
            frame_bytes: function.frame_bytes.next_multiple_of(8),
            starts: Vec::with_capacity(function.blocks.len()),
            branch: None,
            moved: None,
            fixups: Vec::new(),
        };
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            if let Some(result) = inst.result {
                decoder.makers[result.index()] = Some(inst);
            }
        }
        let uses = decoder.uses();
        decoder.slots = Slots::new(uses);
        decoder.this = decoder.this();
        decoder
    }

    /// How often each value is an operand of an instruction that is left.
    fn uses(&self) -> Uses {
        let mut uses = Uses::new(self.function.value_types.len());
        for (b, block) in self.function.blocks.iter().enumerate() {
            let b = b as u32;
            for &param in &block.params {
                uses.define(param, b);
                uses.pin(param);
            }
            for result in block.insts.iter().filter_map(|inst| inst.result) {
                uses.define(result, b);
            }
        }
        for (b, block) in self.function.blocks.iter().enumerate() {
            let mut add = |value: Value| {
                if let Known::Value(root, _) = self.known(value) {
                    uses.add(root, b as u32);
                }
            };
            for inst in block.insts.iter().filter(|inst| !self.is_silent(inst)) {
                operands(&inst.op, &mut add);
            }
            end_operands(&block.end, &mut add);
        }
        uses
    }

    /// The first parameter, if it is a pointer that stays.
    fn this(&self) -> Option<Value> {
        let first = *self.function.blocks.first()?.params.first()?;
        let to_entry = |jump: &ir::Jump| jump.block == BlockId(0);
        let again = self.function.blocks.iter().any(|block| match &block.end {
            Terminator::Jump(jump) => to_entry(jump),
            Terminator::Branch { then, otherwise, .. } => to_entry(then) || to_entry(otherwise),
            Terminator::Return(_) | Terminator::Fault { .. } => false,
        });
        (self.ty(first) == ir::Ty::Ptr && !again).then_some(first)
    }

    fn run(mut self) -> Function {
        let entry = self.code.insts.len() as u32;
        let calls = self.code.calls.len() as u32;
        let function = self.function;
        if let Some(block) = function.blocks.first() {
            // Arguments arrive in the first slots.
            for &param in &block.params {
                self.slots.define(param);
            }
        }
        for block in &function.blocks {
            self.starts.push(self.code.insts.len() as u32);
            if !self.latch(block) {
                self.block(block);
            }
            self.pending.clear();
            self.slots.settle();
        }
        self.link();
        Function {
            entry,
            slots: self.slots.total(),
            frame_bytes: self.frame_bytes.next_multiple_of(8),
            this_bytes: self.this_bytes,
            object_bytes: function.object_bytes,
            calls: calls..self.code.calls.len() as u32,
        }
    }

    fn block(&mut self, block: &'a Block) {
        let end = self.end_begins(block);
        let mut at = 0;
        while at < end {
            if self.is_silent(&block.insts[at]) {
                at += 1;
                continue;
            }
            at = match self.element(block, at) {
                Some(next) => next,
                None => self.inst(block, at),
            };
            self.slots.settle();
        }
        self.end(block, end);
    }

    /// Replaces targets by distances.
    fn link(&mut self) {
        for (at, then, otherwise) in std::mem::take(&mut self.fixups) {
            let number = |target| match target {
                Target::Block(block) => self.starts[self.threaded(block).index()],
                Target::Inst(inst) => inst,
            };
            let (then, otherwise) = (number(then), number(otherwise));
            self.code.insts[at].x[2] = super::ops::targets(at, then, otherwise);
        }
    }

    /// Where a jump to a block leads that does nothing but jump on.
    fn threaded(&self, mut block: BlockId) -> BlockId {
        for _ in 0..self.function.blocks.len().min(16) {
            let Block { params, insts, end } = &self.function.blocks[block.index()];
            match end {
                Terminator::Jump(jump) if params.is_empty() && insts.is_empty() && jump.args.is_empty() => {
                    block = jump.block;
                }
                _ => break,
            }
        }
        block
    }

    // Emission.

    fn emit(&mut self, run: Handler, x: [Cell; 3], site: SiteId) {
        self.code.insts.push(Inst { run, x });
        self.code.sites.push(site);
    }

    fn emit_jump(&mut self, run: Handler, a: Cell, b: Cell, to: (Target, Target), site: SiteId) {
        self.fixups.push((self.code.insts.len(), to.0, to.1));
        self.emit(run, [a, b, Cell::default()], site);
    }

    /// A place for operands so wide: the only way to make one behind another base than the slots. What it
    /// reaches is noted, for the entry of the function to check.
    fn reach(&mut self, base: Base, offset: u32, bits: u8) -> Cell {
        let end = offset.saturating_add(u32::from(bits / 8));
        match base {
            Base::Slots | Base::Now => {}
            Base::This => self.this_bytes = self.this_bytes.max(end),
            Base::Frame => self.frame_bytes = self.frame_bytes.max(end),
            Base::State => self.code.state_bytes = self.code.state_bytes.max(u64::from(end)),
        }
        Cell { offset, base: base as u32 }
    }
}
