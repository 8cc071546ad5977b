//! Variables in memory become values: scalar locals, members of the instance, globals.
//!
//! Each candidate is loaded at entry, lives in values and block parameters, and is stored back where somebody
//! else may look: before what may read it, at every exit, and in the context of whatever may fault. After what
//! may write it, it is loaded again. Locals on the frame are never stored back: nobody sees a frame.

mod effects;

use super::cfg::{Shape, jumps, jumps_mut};
use super::pointer::{Hull, Pointer, Pointers, Root};
use super::region::{Bad, Overlap, Region, overlap};
use super::set::Set;
use crate::ir::{Block, Const, Context, Function, Inst, Location, Op, SiteId, Terminator, Ty, Value};
use std::collections::{BTreeMap, HashMap};

/// Instructions from which on only variables that loops use are promoted: the rest costs more than it gains.
const LARGE: usize = 1_000;
/// Candidates times blocks, at most.
const WORK_MAX: usize = 400_000;
/// Candidates, at most.
const CANDIDATES_MAX: usize = Set::MAX;

/// A variable that can live in a value.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    root: Root,
    offset: u32,
    ty: Ty,
}

impl Candidate {
    fn region(&self) -> Region {
        let start = i64::from(self.offset);
        Region::Bytes(self.root, start, start + i64::from(self.ty.size()))
    }

    fn location(&self) -> Location {
        match self.root {
            Root::State => Location::State(self.offset),
            Root::Frame => Location::Frame(self.offset),
            Root::Param(param) => Location::Param(param, self.offset),
        }
    }
}

/// What an instruction has to do with candidates.
#[derive(Clone, Copy, Debug)]
enum Access {
    Load(usize),
    Store(usize),
    /// Something that may read and may write some of them.
    Other {
        read: Set,
        written: Set,
    },
}

struct Promotion<'p> {
    function: &'p mut Function,
    shape: &'p Shape,
    pointers: &'p Pointers<'p>,
    sites: usize,
    /// Known integers.
    constants: HashMap<Value, i64>,
    candidates: Vec<Candidate>,
    by_place: HashMap<(Root, u32), usize>,
    /// The instructions of each block that have to do with candidates, by position.
    accesses: Vec<Vec<(usize, Access)>>,
    /// What each replaced result is now.
    replaced: Vec<Option<Value>>,
    contexts: HashMap<Context, SiteId>,
}

/// Promotes what can be in one function.
pub(super) fn promote(function: &mut Function, shape: &Shape, pointers: &Pointers<'_>, sites: usize) {
    let Some(loops) = shape.loops() else { return };
    if !shape.predecessors[0].is_empty() {
        return;
    }
    let replaced = vec![None; function.value_types.len()];
    let constants = function.blocks.iter().flat_map(|block| &block.insts).filter_map(|inst| match inst.op {
        Op::Const(Const::I64(value)) => Some((inst.result?, value)),
        _ => None,
    });
    let constants = constants.collect();
    let contexts = HashMap::new();
    let mut promotion = Promotion {
        function,
        shape,
        pointers,
        sites,
        constants,
        candidates: Vec::new(),
        by_place: HashMap::new(),
        accesses: Vec::new(),
        replaced,
        contexts,
    };
    let mut in_loop = vec![false; promotion.function.blocks.len()];
    for one in &loops {
        for (flag, inside) in in_loop.iter_mut().zip(&one.inside) {
            *flag |= inside;
        }
    }
    promotion.choose(&in_loop);
    if !promotion.candidates.is_empty() {
        promotion.accesses =
            promotion.function.blocks.iter().map(|block| promotion.accesses_in(block)).collect();
        let changed: HashMap<usize, Set> =
            loops.iter().map(|one| (one.head, promotion.changed(&one.inside))).collect();
        promotion.rewrite(&changed);
    }
}

impl Promotion<'_> {
    /// The variable that an address with an offset is, if it is one.
    fn place(&self, ptr: Value, offset: u32) -> Option<(Root, u32)> {
        let pointer = self.pointers.of(ptr)?.moved(i64::from(offset), i64::from(offset));
        (pointer.low == pointer.high).then_some((pointer.root, u32::try_from(pointer.low).ok()?))
    }

    fn candidate(&self, ptr: Value, offset: u32) -> Option<usize> {
        self.by_place.get(&self.place(ptr, offset)?).copied()
    }

    fn region(&self, ptr: Value, offset: u32, bytes: u32) -> Region {
        match self.pointers.of(ptr) {
            None => Region::Anywhere,
            // A parameter that may be anything may be anywhere.
            Some(Pointer { root: Root::Param(param), .. })
                if self.pointers.hulls[param as usize] == Hull::Unknown =>
            {
                Region::Anywhere
            }
            Some(pointer) => {
                let at = pointer.moved(i64::from(offset), i64::from(offset));
                Region::Bytes(at.root, at.low, at.high.saturating_add(i64::from(bytes)))
            }
        }
    }

    /// Picks the candidates: scalars that are only loaded and stored, always with one type.
    fn choose(&mut self, in_loop: &[bool]) {
        let insts: usize = self.shape.order.iter().map(|b| self.function.blocks[*b].insts.len()).sum();
        let mut uses: BTreeMap<(Root, u32), (Ty, usize, bool)> = BTreeMap::new();
        let mut bad: Vec<Region> = Vec::new();
        for &block in &self.shape.order {
            for inst in &self.function.blocks[block].insts {
                let access = match (&inst.op, inst.result) {
                    (Op::Load { ptr, offset }, Some(result)) => Some((*ptr, *offset, result)),
                    (Op::Store { ptr, offset, value }, _) => Some((*ptr, *offset, *value)),
                    _ => None,
                };
                if let Some((ptr, offset, value)) = access {
                    let ty = self.function.value_types[value.index()];
                    let region = self.region(ptr, offset, ty.size());
                    match (region, self.place(ptr, offset)) {
                        (Region::Bytes(..), Some(place)) => {
                            let entry = uses.entry(place).or_insert((ty, 0, false));
                            if entry.0 != ty {
                                bad.push(region);
                            }
                            entry.1 += if in_loop[block] { 8 } else { 1 };
                            entry.2 |= in_loop[block];
                        }
                        _ => bad.push(region),
                    }
                }
                let effect = self.effect(&inst.op);
                bad.extend(effect.reads.iter().chain(&effect.writes));
            }
        }
        self.exposed(&mut bad);
        // What overlaps a neighbour of another size.
        let mut last: Option<(Root, i64)> = None;
        for ((root, offset), (ty, ..)) in &uses {
            let (start, end) = (i64::from(*offset), i64::from(*offset) + i64::from(ty.size()));
            if let Some((last_root, last_end)) = last
                && last_root == *root
                && start < last_end
            {
                bad.push(Region::Bytes(*root, start, last_end.max(end)));
                bad.push(Region::Bytes(*root, start - 8, start + 1));
            }
            last = Some((*root, end.max(last.filter(|l| l.0 == *root).map_or(end, |l| l.1))));
        }
        let bad = Bad::new(&bad);
        let large = insts > LARGE;
        let mut found: Vec<(usize, Candidate)> = uses
            .into_iter()
            .map(|((root, offset), (ty, weight, looped))| (weight, looped, Candidate { root, offset, ty }))
            .filter(|(weight, looped, candidate)| {
                let worth = if large { *looped } else { *weight > 1 || candidate.root == Root::Frame };
                let start = i64::from(candidate.offset);
                worth && !bad.touches(candidate.root, start, start + i64::from(candidate.ty.size()))
            })
            .map(|(weight, _, candidate)| (weight, candidate))
            .collect();
        found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        for (_, candidate) in found {
            let full = self.candidates.len() >= CANDIDATES_MAX
                || (self.candidates.len() + 1) * in_loop.len() > WORK_MAX;
            // Two that may be the same variable cannot both be away from memory.
            let hulls = self.pointers.hulls;
            let clashes =
                |other: &Candidate| overlap(other.region(), candidate.region(), hulls) != Overlap::Never;
            if !full && !self.candidates.iter().any(clashes) {
                self.by_place.insert((candidate.root, candidate.offset), self.candidates.len());
                self.candidates.push(candidate);
            }
        }
    }

    /// Parts of the frame of which the address goes elsewhere.
    fn exposed(&self, bad: &mut Vec<Region>) {
        let mut given: Vec<Value> = Vec::new();
        let mut starts: Vec<i64> = vec![i64::from(self.function.frame_bytes)];
        for block in self.shape.order.iter().map(|block| &self.function.blocks[*block]) {
            for inst in &block.insts {
                match &inst.op {
                    Op::FrameAddr(offset) => starts.push(i64::from(*offset)),
                    Op::Store { value, .. } => given.push(*value),
                    Op::PtrToRef { ptr, .. } => given.push(*ptr),
                    Op::Select { a, b, .. } => given.extend([a, b]),
                    Op::Call { args, .. } | Op::Helper { args, .. } => given.extend(args),
                    Op::CallVirtual { this, args, .. } => {
                        given.push(*this);
                        given.extend(args);
                    }
                    _ => {}
                }
            }
            given.extend(jumps(&block.end).flat_map(|jump| &jump.args));
        }
        starts.sort_unstable();
        for value in given {
            if let Some(Pointer { root: Root::Frame, low, .. }) = self.pointers.of(value) {
                // An object ends where the next one begins.
                let end = starts.iter().copied().find(|start| *start > low).unwrap_or(i64::MAX);
                bad.push(Region::Bytes(Root::Frame, low, end));
            }
        }
    }

    /// Candidates that get another value somewhere in these blocks.
    fn changed(&self, inside: &[bool]) -> Set {
        let mut changed = Set::default();
        for (accesses, _) in self.accesses.iter().zip(inside).filter(|(_, inside)| **inside) {
            for (_, access) in accesses {
                match access {
                    Access::Load(_) => {}
                    Access::Store(candidate) => changed.insert(*candidate),
                    Access::Other { written, .. } => changed = changed.join(*written),
                }
            }
        }
        changed
    }

    /// Candidates that may differ from memory at the start of each block.
    fn dirty(&self) -> Vec<Set> {
        // Of each block: what it leaves dirty, and what it stores back.
        let own: Vec<(Set, Set)> = self
            .accesses
            .iter()
            .map(|accesses| {
                let (mut dirty, mut stored) = (Set::default(), Set::default());
                for (_, access) in accesses {
                    self.step_dirty(access, &mut dirty);
                    if let Access::Other { read, written } = access {
                        stored = stored.join(*read).join(*written);
                    }
                }
                (dirty, stored)
            })
            .collect();
        let mut at_start = vec![Set::default(); self.function.blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &self.shape.order {
                let (dirty, stored) = own[block];
                let dirty = at_start[block].without(stored).join(dirty);
                for jump in jumps(&self.function.blocks[block].end) {
                    let target = &mut at_start[jump.block.index()];
                    let new = target.join(dirty);
                    changed |= new != *target;
                    *target = new;
                }
            }
        }
        at_start
    }

    fn step_dirty(&self, access: &Access, dirty: &mut Set) {
        match access {
            Access::Load(_) => {}
            Access::Store(candidate) => {
                if self.candidates[*candidate].root != Root::Frame {
                    dirty.insert(*candidate);
                }
            }
            Access::Other { read, written } => *dirty = dirty.without(*read).without(*written),
        }
    }

    fn rewrite(&mut self, changed: &HashMap<usize, Set>) {
        let dirty = self.dirty();
        let blocks = self.function.blocks.len();
        let mut at_end: Vec<Option<Vec<Value>>> = vec![None; blocks];
        // Parameters that were added: block, candidate.
        let mut added: Vec<Vec<usize>> = vec![Vec::new(); blocks];
        for position in 0..self.shape.order.len() {
            let block = self.shape.order[position];
            let mut insts = Vec::new();
            let mut values = if block == 0 {
                self.load_all(&mut insts)
            } else {
                self.at_start(block, &at_end, changed.get(&block), &mut added[block])
            };
            let old = std::mem::take(&mut self.function.blocks[block].insts);
            let mut dirty = dirty[block];
            let mut accesses = std::mem::take(&mut self.accesses[block]).into_iter().peekable();
            for (position, inst) in old.into_iter().enumerate() {
                let access = accesses.next_if(|(at, _)| *at == position);
                self.inst(inst, access.map(|(_, access)| access), &mut values, &mut dirty, &mut insts);
            }
            self.finish(block, &values, dirty, &mut insts);
            self.function.blocks[block].insts = insts;
            at_end[block] = Some(values);
        }
        for &block in &self.shape.order {
            let Some(values) = &at_end[block] else { continue };
            for jump in jumps_mut(&mut self.function.blocks[block].end) {
                jump.args.extend(added[jump.block.index()].iter().map(|candidate| values[*candidate]));
            }
        }
        self.replace();
    }

    /// What was loaded before counts as what it was replaced with.
    fn replace(&mut self) {
        let replaced = std::mem::take(&mut self.replaced);
        let resolve = |mut value: Value| {
            while let Some(Some(next)) = replaced.get(value.index()) {
                value = *next;
            }
            value
        };
        for Block { insts, end, .. } in &mut self.function.blocks {
            for inst in insts {
                crate::ir::rewrite(&mut inst.op, resolve);
            }
            crate::ir::rewrite_end(end, resolve);
        }
        for context in &mut self.function.contexts {
            context.rewrite(resolve);
        }
    }

    fn load_all(&mut self, insts: &mut Vec<Inst>) -> Vec<Value> {
        (0..self.candidates.len())
            .map(|candidate| match self.candidates[candidate].root {
                // Nobody reads a local before it is written.
                Root::Frame => {
                    let ty = self.candidates[candidate].ty;
                    self.emit(insts, Some(ty), Op::Const(zero(ty)))
                }
                _ => self.load(candidate, insts),
            })
            .collect()
    }

    fn emit(&mut self, insts: &mut Vec<Inst>, ty: Option<Ty>, op: Op) -> Value {
        let result = ty.map(|ty| self.function.value(ty));
        insts.push(Inst { result, op, site: SiteId(0) });
        result.unwrap_or_default()
    }

    /// The address of a candidate in memory.
    fn address(&mut self, candidate: usize, insts: &mut Vec<Inst>) -> (Value, u32) {
        let Candidate { root, offset, .. } = self.candidates[candidate];
        match root {
            Root::State => (self.emit(insts, Some(Ty::Ptr), Op::StateAddr(offset)), 0),
            Root::Frame => (self.emit(insts, Some(Ty::Ptr), Op::FrameAddr(offset)), 0),
            Root::Param(param) => (self.function.blocks[0].params[param as usize], offset),
        }
    }

    fn load(&mut self, candidate: usize, insts: &mut Vec<Inst>) -> Value {
        let (ptr, offset) = self.address(candidate, insts);
        self.emit(insts, Some(self.candidates[candidate].ty), Op::Load { ptr, offset })
    }

    fn store(&mut self, candidate: usize, value: Value, insts: &mut Vec<Inst>) {
        let (ptr, offset) = self.address(candidate, insts);
        self.emit(insts, None, Op::Store { ptr, offset, value });
    }

    /// Values at the start of a block, with parameters where they differ by the way there.
    fn at_start(
        &mut self,
        block: usize,
        at_end: &[Option<Vec<Value>>],
        changed: Option<&Set>,
        added: &mut Vec<usize>,
    ) -> Vec<Value> {
        let shape = self.shape;
        let known: Vec<&Vec<Value>> =
            shape.predecessors[block].iter().filter_map(|p| at_end[*p].as_ref()).collect();
        let mut values = Vec::with_capacity(self.candidates.len());
        for candidate in 0..self.candidates.len() {
            let first = known[0][candidate];
            let differ = known.iter().any(|values| values[candidate] != first);
            if differ || changed.is_some_and(|changed| changed.contains(candidate)) {
                let param = self.function.value(self.candidates[candidate].ty);
                self.function.blocks[block].params.push(param);
                added.push(candidate);
                values.push(param);
            } else {
                values.push(first);
            }
        }
        values
    }

    fn inst(
        &mut self,
        mut inst: Inst,
        access: Option<Access>,
        values: &mut [Value],
        dirty: &mut Set,
        insts: &mut Vec<Inst>,
    ) {
        let mut written = Set::default();
        match (access, &inst.op) {
            (Some(Access::Load(candidate)), _) => {
                if let Some(result) = inst.result {
                    self.replaced[result.index()] = Some(values[candidate]);
                }
                return;
            }
            (Some(access @ Access::Store(candidate)), Op::Store { value, .. }) => {
                values[candidate] = self.now(*value);
                self.step_dirty(&access, dirty);
                return;
            }
            (Some(access @ Access::Other { read, written: changed }), _) => {
                for candidate in dirty.meet(read.join(changed)).iter() {
                    self.store(candidate, values[candidate], insts);
                }
                self.step_dirty(&access, dirty);
                written = changed;
            }
            _ => {}
        }
        if super::may_fault(&inst.op) {
            inst.site = self.context(inst.site, values, *dirty);
        }
        insts.push(inst);
        for candidate in written.iter() {
            values[candidate] = self.load(candidate, insts);
        }
    }

    /// A value as it is known now.
    fn now(&self, mut value: Value) -> Value {
        while let Some(Some(next)) = self.replaced.get(value.index()) {
            value = *next;
        }
        value
    }

    /// A site at which a fault stores what differs from memory.
    fn context(&mut self, site: SiteId, values: &[Value], dirty: Set) -> SiteId {
        let stores: Vec<(Location, Value)> = dirty
            .iter()
            .map(|candidate| (self.candidates[candidate].location(), values[candidate]))
            .collect();
        if stores.is_empty() {
            return site;
        }
        let before = self.function.context(site, self.sites);
        let (inlined, site) = before.map_or((Vec::new(), site), |c| (c.inlined.clone(), c.site));
        let context = Context { inlined, site, stores };
        if let Some(known) = self.contexts.get(&context) {
            return *known;
        }
        let id = SiteId((self.sites + self.function.contexts.len()) as u32);
        self.function.contexts.push(context.clone());
        self.contexts.insert(context, id);
        id
    }

    /// The end of a block.
    fn finish(&mut self, block: usize, values: &[Value], dirty: Set, insts: &mut Vec<Inst>) {
        if let Terminator::Fault { site, .. } = self.function.blocks[block].end {
            let context = self.context(site, values, dirty);
            if let Terminator::Fault { site, .. } = &mut self.function.blocks[block].end {
                *site = context;
            }
        }
        if let Terminator::Return(_) = self.function.blocks[block].end {
            for candidate in dirty.iter() {
                self.store(candidate, values[candidate], insts);
            }
        }
    }
}

fn zero(ty: Ty) -> Const {
    match ty {
        Ty::I8 => Const::I8(0),
        Ty::I16 => Const::I16(0),
        Ty::I32 => Const::I32(0),
        Ty::I64 => Const::I64(0),
        Ty::F32 => Const::F32(0.0),
        Ty::F64 => Const::F64(0.0),
        Ty::Ptr => Const::Null,
    }
}
