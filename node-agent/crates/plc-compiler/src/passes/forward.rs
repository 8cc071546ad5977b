//! Values that are there already: the same operation on the same values, what was stored or loaded before at the same
//! place, what is constant. One walk, each block behind what dominates it.
//!
//! Stores stay where they are, so memory is at each fault what it would have been.

use super::cfg::{Shape, jumps, jumps_mut};
use super::fold::{Folded, constant, fold, integer};
use super::memory::{Base, Content, Memory, Place, region};
use super::pointer::{Pointers, Root};
use super::same::{Key, Seen};
use crate::ir::{Block, BlockId, Function, Inst, IntOp, Jump, Op, Terminator, Ty, Value};

/// A place that holds different values by the way to a block. It becomes a parameter when it is read.
#[derive(Debug)]
struct Join {
    block: usize,
    ty: Ty,
    /// What each predecessor leaves there.
    contents: Vec<(usize, Content)>,
    value: Option<Value>,
}

struct Forward<'f> {
    function: &'f mut Function,
    shape: &'f Shape,
    pointers: &'f Pointers<'f>,
    /// What each value is now, if it is another one.
    replaced: Vec<Option<Value>>,
    /// Known integers.
    numbers: Vec<Option<i64>>,
    /// Known addresses.
    addresses: Vec<Option<(Base, i64)>>,
    /// What is 0 or 1 for certain.
    booleans: Vec<bool>,
    /// What is another such value negated.
    negated: Vec<Option<Value>>,
    seen: Seen,
    reached: Vec<bool>,
    /// What is known at the end of each block, until all that follow have taken it.
    at_end: Vec<Option<Memory>>,
    /// How many blocks behind each still need that.
    waiting: Vec<usize>,
    joins: Vec<Join>,
    folded_branch: bool,
}

/// Rewrites a function. Whether blocks are no longer reached.
pub(super) fn forward(function: &mut Function, shape: &Shape, pointers: &Pointers<'_>) -> bool {
    let (values, blocks) = (function.value_types.len(), function.blocks.len());
    let mut forward = Forward {
        function,
        shape,
        pointers,
        replaced: vec![None; values],
        numbers: vec![None; values],
        addresses: vec![None; values],
        booleans: vec![false; values],
        negated: vec![None; values],
        seen: Seen::default(),
        reached: vec![false; blocks],
        at_end: vec![None; blocks],
        waiting: vec![0; blocks],
        joins: Vec::new(),
        folded_branch: false,
    };
    for (position, block) in shape.order.iter().enumerate() {
        forward.block(*block, position);
    }
    let folded_branch = forward.folded_branch;
    forward.finish();
    folded_branch
}

impl Forward<'_> {
    fn now(&self, value: Value) -> Value {
        self.replaced.get(value.index()).copied().flatten().unwrap_or(value)
    }

    fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    fn number(&self, value: Value) -> Option<i64> {
        self.numbers.get(value.index()).copied().flatten()
    }

    fn boolean(&self, value: Value) -> bool {
        self.booleans.get(value.index()).is_some_and(|known| *known)
    }

    fn block(&mut self, block: usize, position: usize) {
        let shape = self.shape;
        let mut from: Vec<usize> = shape.predecessors[block].clone();
        from.dedup();
        let comes_back = from.iter().any(|from| shape.is_back_edge(*from, block));
        from.retain(|from| self.reached[*from] && leads(&self.function.blocks[*from].end, block));
        if position > 0 && from.is_empty() {
            return;
        }
        self.reached[block] = true;
        let mut memory =
            if comes_back || position == 0 { Memory::default() } else { self.join(block, &from) };
        for from in from {
            self.waiting[from] -= 1;
            if self.waiting[from] == 0 {
                self.at_end[from] = None;
            }
        }
        let old = std::mem::take(&mut self.function.blocks[block].insts);
        let mut insts = Vec::with_capacity(old.len());
        for mut inst in old {
            crate::ir::rewrite(&mut inst.op, |value| self.now(value));
            if self.keep(&mut inst, block, &mut memory) {
                insts.push(inst);
            }
        }
        self.function.blocks[block].insts = insts;
        self.end(block);
        let mut behind: Vec<usize> = jumps(&self.function.blocks[block].end)
            .map(|jump| jump.block.index())
            .filter(|behind| !shape.is_back_edge(block, *behind))
            .collect();
        behind.dedup();
        self.waiting[block] = behind.len();
        self.at_end[block] = Some(memory);
    }

    /// What all ways to a block agree on, and what they leave at the same places.
    fn join(&mut self, block: usize, from: &[usize]) -> Memory {
        let [first, others @ ..] = from else { return Memory::default() };
        let Some(first_memory) = &self.at_end[*first] else { return Memory::default() };
        if others.is_empty() {
            let last = self.waiting[*first] == 1;
            return if last { self.at_end[*first].take() } else { self.at_end[*first].clone() }
                .unwrap_or_default();
        }
        let mut memory = Memory::default();
        for (place, region, content) in first_memory.iter() {
            let all: Option<Vec<(usize, Content)>> = std::iter::once(Some((*first, content)))
                .chain(others.iter().map(|from| Some((*from, self.at_end[*from].as_ref()?.get(place)?))))
                .collect();
            let Some(contents) = all else { continue };
            if contents.iter().all(|(_, other)| *other == content) {
                memory.set(place, region, content);
            } else {
                memory.set(place, region, Content::Join(self.joins.len()));
                self.joins.push(Join { block, ty: place.ty, contents, value: None });
            }
        }
        memory
    }

    /// The value of a content; a join becomes a parameter of its block.
    fn value(&mut self, content: Content) -> Value {
        let join = match content {
            Content::Value(value) => return value,
            Content::Join(join) => join,
        };
        if let Some(value) = self.joins[join].value {
            return value;
        }
        let contents = self.joins[join].contents.clone();
        let block = self.joins[join].block;
        let incoming: Vec<(usize, Value)> =
            contents.into_iter().map(|(from, content)| (from, self.value(content))).collect();
        let param = self.function.value(self.joins[join].ty);
        self.function.blocks[block].params.push(param);
        for (from, value) in incoming {
            let jumps = jumps_mut(&mut self.function.blocks[from].end);
            jumps.filter(|jump| jump.block.index() == block).for_each(|jump| jump.args.push(value));
        }
        self.joins[join].value = Some(param);
        param
    }

    /// Where an address with an offset is.
    fn place(&self, ptr: Value, offset: u32, ty: Ty) -> Place {
        let (base, from) = self.address(ptr);
        Place { base, offset: from + i64::from(offset), ty }
    }

    fn address(&self, ptr: Value) -> (Base, i64) {
        if let Some(known) = self.addresses.get(ptr.index()).copied().flatten() {
            return known;
        }
        match self.pointers.of(ptr) {
            Some(pointer) if pointer.root == Root::State && pointer.low == pointer.high => {
                (Base::State, pointer.low)
            }
            _ => (Base::Value(ptr), 0),
        }
    }

    /// Whether an instruction, with its operands replaced, is still needed.
    fn keep(&mut self, inst: &mut Inst, block: usize, memory: &mut Memory) -> bool {
        match (&inst.op, inst.result) {
            (Op::Load { ptr, offset }, Some(result)) => {
                let place = self.place(*ptr, *offset, self.ty(result));
                if let Some(content) = memory.get(place) {
                    let value = self.value(content);
                    self.replaced[result.index()] = Some(value);
                    return false;
                }
                let region = region(self.pointers, place.base, place.offset, place.ty.size());
                memory.set(place, region, Content::Value(result));
                true
            }
            (Op::Store { ptr, offset, value }, _) => {
                let place = self.place(*ptr, *offset, self.ty(*value));
                if memory.get(place) == Some(Content::Value(*value)) {
                    return false;
                }
                let region = region(self.pointers, place.base, place.offset, place.ty.size());
                memory.written(Some(place), region, self.pointers.hulls);
                memory.set(place, region, Content::Value(*value));
                true
            }
            (Op::StoreBit { ptr, offset, .. }, _) => {
                self.overwritten(*ptr, *offset, 1, memory);
                true
            }
            (Op::Copy { to, bytes, .. } | Op::Zero { to, bytes }, _) => {
                self.overwritten(*to, 0, *bytes, memory);
                true
            }
            (Op::Call { .. } | Op::CallVirtual { .. }, _) => {
                memory.forget_all();
                true
            }
            (Op::Helper { args, .. }, _) => {
                if args.iter().any(|arg| self.ty(*arg) == Ty::Ptr) {
                    memory.forget_all();
                }
                true
            }
            _ => self.compute(inst, block),
        }
    }

    fn overwritten(&self, ptr: Value, offset: u32, bytes: u32, memory: &mut Memory) {
        let Place { base, offset, .. } = self.place(ptr, offset, Ty::I8);
        memory.written(None, region(self.pointers, base, offset, bytes), self.pointers.hulls);
    }

    /// Whether an operation that does not touch memory is still needed.
    fn compute(&mut self, inst: &mut Inst, block: usize) -> bool {
        if let Some(result) = inst.result {
            let ty = self.ty(result);
            let folded = match ty {
                Ty::F32 | Ty::F64 | Ty::Ptr => None,
                _ => fold(&inst.op, ty, |value| self.number(value), |value| self.ty(value)),
            };
            match folded {
                Some(Folded::Same(value)) => {
                    self.replaced[result.index()] = Some(value);
                    return false;
                }
                // Counters are compared with the narrow constant.
                Some(Folded::Number(number)) if matches!(inst.op, Op::SignExtend(_)) => {
                    self.numbers[result.index()] = Some(number);
                }
                Some(Folded::Number(number)) => inst.op = Op::Const(constant(ty, number)),
                None => {}
            }
            if let Op::Int { op: IntOp::Xor, a, b } = inst.op
                && self.number(b) == Some(1)
                && let Some(before) = self.negated.get(a.index()).copied().flatten()
            {
                self.replaced[result.index()] = Some(before);
                return false;
            }
        }
        let ty = inst.result.map(|result| self.ty(result));
        if let Some(key) = Key::of(&inst.op, ty) {
            match (self.seen.find(key, block, self.shape), inst.result) {
                (Some(same), Some(result)) => {
                    self.replaced[result.index()] = Some(same);
                    return false;
                }
                // A check that was passed.
                (Some(_), None) => return false,
                (None, result) => self.seen.add(key, block, result.unwrap_or_default()),
            }
        }
        if let Some(result) = inst.result {
            self.learn(&inst.op, result);
        }
        true
    }

    fn learn(&mut self, op: &Op, result: Value) {
        let at = result.index();
        match op {
            Op::Const(constant) => {
                self.numbers[at] = integer(*constant);
                self.booleans[at] = matches!(self.numbers[at], Some(0 | 1));
            }
            Op::StateAddr(offset) => self.addresses[at] = Some((Base::State, i64::from(*offset))),
            Op::Offset { ptr, bytes } => {
                let (base, from) = self.address(*ptr);
                self.addresses[at] = Some((base, from + i64::from(*bytes)));
            }
            Op::IntCmp { .. } | Op::FloatCmp { .. } | Op::LoadBit { .. } => self.booleans[at] = true,
            Op::Int { op: IntOp::And | IntOp::Or | IntOp::Xor, a, b } => {
                self.booleans[at] = self.boolean(*a) && self.boolean(*b);
                let flips = matches!(op, Op::Int { op: IntOp::Xor, .. }) && self.number(*b) == Some(1);
                self.negated[at] = (flips && self.boolean(*a)).then_some(*a);
            }
            Op::Select { a, b, .. } => self.booleans[at] = self.boolean(*a) && self.boolean(*b),
            _ => {}
        }
    }

    fn end(&mut self, block: usize) {
        let mut end = std::mem::replace(&mut self.function.blocks[block].end, Terminator::Return(None));
        crate::ir::rewrite_end(&mut end, |value| self.now(value));
        if let Terminator::Branch { cond, then, otherwise } = &mut end {
            if let Some(before) = self.negated.get(cond.index()).copied().flatten() {
                *cond = before;
                std::mem::swap(then, otherwise);
            }
            if let Some(number) = self.number(*cond) {
                let taken = if number != 0 { then.clone() } else { otherwise.clone() };
                end = Terminator::Jump(taken);
                self.folded_branch = true;
            }
        }
        self.function.blocks[block].end = end;
    }

    /// Empties what is no longer reached, and tells the contexts what values are now.
    fn finish(self) {
        let Self { function, shape, reached, replaced, .. } = self;
        for &block in shape.order.iter().filter(|block| !reached[**block]) {
            let end = Terminator::Jump(Jump { block: BlockId(block as u32), args: Vec::new() });
            function.blocks[block] = Block { params: Vec::new(), insts: Vec::new(), end };
        }
        for context in &mut function.contexts {
            context.rewrite(|value| replaced.get(value.index()).copied().flatten().unwrap_or(value));
        }
    }
}

fn leads(end: &Terminator, block: usize) -> bool {
    jumps(end).any(|jump| jump.block.index() == block)
}

#[cfg(test)]
mod tests {
    use crate::ir::{Op, Terminator};
    use crate::{Options, SourceUnit, compile, passes};

    /// How many loads, stores and branches are left in a program with this body.
    fn left(body: &str) -> [usize; 3] {
        let text = format!(
            "TYPE Pair : STRUCT x, y : INT; END_STRUCT; END_TYPE
             PROGRAM Main VAR a, b : ARRAY[0..300] OF Pair; i, j, n, m : INT; l : LINT; f : BOOL; t : R_TRIG; END_VAR
             {body} END_PROGRAM"
        );
        let unit = SourceUnit { name: "main.st".to_owned(), text };
        let program = compile(&[unit], &Options::default()).expect("the program is right");
        let main = passes::Prepared::new(&program, false).optimise(program.instances[0].entry);
        let count = |wanted: fn(&Op) -> bool| {
            main.blocks.iter().flat_map(|block| &block.insts).filter(|inst| wanted(&inst.op)).count()
        };
        let branches = main.blocks.iter().filter(|block| matches!(block.end, Terminator::Branch { .. }));
        [
            count(|op| matches!(op, Op::Load { .. })),
            count(|op| matches!(op, Op::Store { .. })),
            branches.count(),
        ]
    }

    #[test]
    fn what_was_stored_is_not_loaded() {
        // i is loaded, the element stored and the sum stored.
        assert_eq!(left("a[i].x := 5; n := a[i].x + a[i].x;"), [1, 2, 0]);
        assert_eq!(left("n := a[i].x + a[i].y + a[i].x;"), [3, 1, 0]);
    }

    #[test]
    fn what_may_be_overwritten_is_loaded_again() {
        // The loads of i and j, and of the element.
        assert_eq!(left("a[i].x := 5; a[j].x := 6; n := a[i].x;"), [3, 3, 0]);
        // The other member and the other array are other places.
        assert_eq!(left("a[i].x := 5; a[j].y := 6; b[j].x := 7; n := a[i].x;")[1], 4);
        assert_eq!(left("a[i].x := 5; b[j].x := 7; n := a[i].x;"), [2, 3, 0]);
    }

    #[test]
    fn what_is_stored_on_each_way_joins() {
        let ways = "a[i].y := 1; IF f THEN a[i].x := 5; l := 1; ELSE a[i].x := n; b[i].y := 3; END_IF;";
        let (before, after) = (left(ways), left(&format!("{ways} m := a[i].x;")));
        assert_eq!(after[0], before[0], "{before:?} {after:?}");
    }

    #[test]
    fn a_branch_on_a_constant_goes_away() {
        assert_eq!(left("f := FALSE; IF f THEN a[i].x := 5; END_IF;")[2], 0);
        assert_eq!(left("f := n > 3; IF NOT f THEN a[i].x := 5; END_IF;")[2], 1);
    }
}
