//! Which integers each value can be, from constants, comparisons and loops: checks that cannot fail go away, and
//! divisions by constants become multiplications.

use super::cfg::{Shape, jumps};
use crate::ir::{Block, BlockId, Cond, Const, Function, Inst, IntOp, Op, Terminator, Ty, Value};
use std::collections::HashMap;

/// Functions with more instructions are left as they are.
const INSTS_MAX: usize = 6_000;
/// Rounds after which bounds that still move are given up.
const ROUNDS: usize = 3;
/// Rounds without an answer after which none is sought any more.
const ROUNDS_MAX: usize = 60;

/// Lowest and highest, as signed numbers of the value's width.
type Range = (i64, i64);

/// A value lies in a range wherever some block or edge is reached.
type Fact = (Value, Range);

struct Solver<'r> {
    function: &'r Function,
    shape: &'r Shape,
    /// Operation that defines each value, if one does.
    made: Vec<Option<&'r Op>>,
    /// `None`: not reached yet.
    ranges: Vec<Option<Range>>,
    /// Of each value: what holds for it in a block and what that dominates.
    facts: Vec<Vec<(usize, Range)>>,
    /// Values of which each block says something.
    told: Vec<Vec<Value>>,
    /// Positions in each block of the operations whose results depend on their operands.
    moving: Vec<Vec<usize>>,
}

/// Removes checks and rewrites arithmetic.
pub(super) fn apply(function: &mut Function, shape: &Shape) {
    let insts: usize = shape.order.iter().map(|block| function.blocks[*block].insts.len()).sum();
    if insts > INSTS_MAX || !may_gain(function, shape) {
        return;
    }
    let mut ranges = Solver::new(function, shape);
    if !ranges.solve() {
        return;
    }
    let plans: Vec<(usize, Vec<(usize, Change)>)> =
        shape.order.iter().map(|block| (*block, ranges.changes(*block))).collect();
    for (block, changes) in plans {
        if changes.is_empty() {
            continue;
        }
        let old = std::mem::take(&mut function.blocks[block].insts);
        let mut insts = Vec::with_capacity(old.len());
        let mut changes = changes.into_iter().peekable();
        for (position, inst) in old.into_iter().enumerate() {
            match changes.next_if(|(at, _)| *at == position) {
                None => insts.push(inst),
                Some((_, Change::Drop)) => {}
                Some((_, Change::Replace(op))) => insts.push(Inst { op, ..inst }),
                Some((_, Change::Multiply { rem, a, by })) => {
                    multiply(function, &mut insts, &inst, rem, a, by);
                }
            }
        }
        function.blocks[block].insts = insts;
    }
}

/// Whether there is something that a range may change: a check, a division, a comparison of wide counters.
fn may_gain(function: &Function, shape: &Shape) -> bool {
    shape.order.iter().flat_map(|block| &function.blocks[*block].insts).any(|inst| match &inst.op {
        Op::CheckIndex { .. }
        | Op::CheckRange { .. }
        | Op::Div { signed: true, .. }
        | Op::Rem { signed: true, .. } => true,
        Op::IntCmp { signed: true, a, .. } => function.value_types[a.index()] == Ty::I64,
        _ => false,
    })
}

/// Whether the range of a result may differ from one round to the next.
fn moves(op: &Op) -> bool {
    matches!(
        op,
        Op::Int { .. }
            | Op::Div { .. }
            | Op::Rem { .. }
            | Op::Select { .. }
            | Op::SignExtend(_)
            | Op::ZeroExtend(_)
            | Op::Truncate(_)
            | Op::Neg(_)
    )
}

/// What becomes of an instruction.
enum Change {
    Drop,
    Replace(Op),
    /// `a / by` or `a MOD by` for `a` from 0 to 2^31 - 1.
    Multiply {
        rem: bool,
        a: Value,
        by: u32,
    },
}

/// `a / by` is `a * m >> s` with `m` = 2^s / by, rounded up: exact for `a` below 2^31 where s is 32 more than the
/// bits of `by`.
fn multiply(function: &mut Function, insts: &mut Vec<Inst>, inst: &Inst, rem: bool, a: Value, by: u32) {
    let Some(result) = inst.result else { return };
    let shift = 32 + by.next_power_of_two().trailing_zeros();
    let factor = (1_u128 << shift).div_ceil(u128::from(by)) as i64;
    let site = inst.site;
    let mut emit = |ty: Ty, op: Op| {
        let value = function.value(ty);
        insts.push(Inst { result: Some(value), op, site });
        value
    };
    let wide = emit(Ty::I64, Op::ZeroExtend(a));
    let factor = emit(Ty::I64, Op::Const(Const::I64(factor)));
    let product = emit(Ty::I64, Op::Int { op: IntOp::Mul, a: wide, b: factor });
    let count = emit(Ty::I64, Op::Const(Const::I64(i64::from(shift))));
    let high = emit(Ty::I64, Op::Int { op: IntOp::Shr, a: product, b: count });
    if !rem {
        insts.push(Inst { result: Some(result), op: Op::Truncate(high), site });
        return;
    }
    let quotient = emit(Ty::I32, Op::Truncate(high));
    let op = super::strength::less_times(&mut emit, a, quotient, by);
    insts.push(Inst { result: Some(result), op, site });
}

fn full(ty: Ty) -> Range {
    match ty {
        Ty::I8 => (i64::from(i8::MIN), i64::from(i8::MAX)),
        Ty::I16 => (i64::from(i16::MIN), i64::from(i16::MAX)),
        Ty::I32 => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Ty::I64 | Ty::F32 | Ty::F64 | Ty::Ptr => (i64::MIN, i64::MAX),
    }
}

/// The range, if it fits the type; anything otherwise.
fn fit(ty: Ty, low: i128, high: i128) -> Range {
    let (least, most) = full(ty);
    if low < i128::from(least) || high > i128::from(most) { (least, most) } else { (low as i64, high as i64) }
}

fn join(a: Option<Range>, b: Option<Range>) -> Option<Range> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (range, None) | (None, range) => range,
    }
}

/// What both allow; if that is nothing, the place is never reached and anything holds.
fn meet(a: Range, b: Range) -> Range {
    let (low, high) = (a.0.max(b.0), a.1.min(b.1));
    if low <= high { (low, high) } else { a }
}

fn negated(cond: Cond) -> Cond {
    match cond {
        Cond::Eq => Cond::Ne,
        Cond::Ne => Cond::Eq,
        Cond::Lt => Cond::Ge,
        Cond::Le => Cond::Gt,
        Cond::Gt => Cond::Le,
        Cond::Ge => Cond::Lt,
    }
}

/// What `a` can be where `a cond b` holds, and the same for `b`.
fn narrowed(cond: Cond, a: Range, b: Range) -> (Range, Range) {
    match cond {
        Cond::Eq => (meet(a, b), meet(b, a)),
        Cond::Ne => (a, b),
        Cond::Lt => (meet(a, (i64::MIN, b.1.saturating_sub(1))), meet(b, (a.0.saturating_add(1), i64::MAX))),
        Cond::Le => (meet(a, (i64::MIN, b.1)), meet(b, (a.0, i64::MAX))),
        Cond::Gt => {
            let (b, a) = narrowed(Cond::Lt, b, a);
            (a, b)
        }
        Cond::Ge => {
            let (b, a) = narrowed(Cond::Le, b, a);
            (a, b)
        }
    }
}

impl<'r> Solver<'r> {
    fn new(function: &'r Function, shape: &'r Shape) -> Self {
        let mut made = vec![None; function.value_types.len()];
        for inst in shape.order.iter().flat_map(|block| &function.blocks[*block].insts) {
            if let Some(result) = inst.result {
                made[result.index()] = Some(&inst.op);
            }
        }
        let ranges = vec![None; function.value_types.len()];
        let facts = vec![Vec::new(); function.value_types.len()];
        let told = vec![Vec::new(); function.blocks.len()];
        let moving = function
            .blocks
            .iter()
            .map(|block| (0..block.insts.len()).filter(|at| moves(&block.insts[*at].op)).collect())
            .collect();
        Self { function, shape, made, ranges, facts, told, moving }
    }

    fn ty(&self, value: Value) -> Ty {
        self.function.value_types[value.index()]
    }

    fn block(&self, block: usize) -> &'r Block {
        &self.function.blocks[block]
    }

    /// Whether an answer was found.
    fn solve(&mut self) -> bool {
        for param in &self.block(0).params {
            self.ranges[param.index()] = Some(full(self.ty(*param)));
        }
        // What does not depend on other values needs to be looked at once.
        let (function, shape) = (self.function, self.shape);
        for inst in shape.order.iter().flat_map(|block| &function.blocks[*block].insts) {
            if let (Some(result), false) = (inst.result, moves(&inst.op)) {
                let ty = self.ty(result);
                self.ranges[result.index()] = Some(self.result(&inst.op, ty, &|_| full(ty)));
            }
        }
        let mut round = 0;
        while self.round(round >= ROUNDS) {
            round += 1;
            if round > ROUNDS_MAX {
                return false;
            }
        }
        // Bounds that were given up come back where every way to them has one.
        for _ in 0..2 {
            self.tighten();
        }
        true
    }

    /// Whether anything changed. `give_up`: what still moves goes to the end of its type.
    fn round(&mut self, give_up: bool) -> bool {
        let mut changed = false;
        for position in 0..self.shape.order.len() {
            let block = self.shape.order[position];
            self.learn(block);
            let before: Vec<Option<Range>> =
                self.block(block).params.iter().map(|p| self.ranges[p.index()]).collect();
            for (param, incoming) in self.incoming(block) {
                let old = self.ranges[param.index()];
                let mut new = join(old, incoming);
                if give_up && let (Some(old), Some(grown)) = (old, new) {
                    let (least, most) = full(self.ty(param));
                    new = Some((
                        if grown.0 < old.0 { least } else { grown.0 },
                        if grown.1 > old.1 { most } else { grown.1 },
                    ));
                }
                self.ranges[param.index()] = new;
            }
            let after = self.block(block).params.iter().map(|p| self.ranges[p.index()]);
            changed |= after.zip(before).any(|(a, b)| a != b);
            changed |= self.evaluate(block);
        }
        changed
    }

    fn tighten(&mut self) {
        for position in 0..self.shape.order.len() {
            let block = self.shape.order[position];
            self.learn(block);
            for (param, incoming) in self.incoming(block) {
                if let (Some(old), Some(new)) = (self.ranges[param.index()], incoming) {
                    self.ranges[param.index()] = Some(meet(old, new));
                }
            }
            self.evaluate(block);
        }
    }

    /// What each parameter of a block gets from all ways that are known to be taken.
    fn incoming(&self, block: usize) -> Vec<(Value, Option<Range>)> {
        let params = &self.block(block).params;
        let mut all: Vec<(Value, Option<Range>)> = params.iter().map(|param| (*param, None)).collect();
        if block == 0 {
            return Vec::new();
        }
        let mut predecessors = self.shape.predecessors[block].clone();
        predecessors.dedup();
        for from in predecessors {
            for (way, jump) in jumps(&self.block(from).end).enumerate() {
                if jump.block.index() != block {
                    continue;
                }
                let facts = self.edge_facts(from, way);
                for ((_, range), arg) in all.iter_mut().zip(&jump.args) {
                    if self.ranges[arg.index()].is_some() {
                        *range = join(*range, Some(self.at(*arg, from, &facts, 0)));
                    }
                }
            }
        }
        all
    }

    /// What holds in a block that is entered in one way.
    fn learn(&mut self, block: usize) {
        let [from] = self.shape.predecessors[block][..] else { return };
        let ways = jumps(&self.block(from).end).position(|jump| jump.block == BlockId(block as u32));
        let new = ways.map_or_else(Vec::new, |way| self.edge_facts(from, way));
        for value in std::mem::take(&mut self.told[block]) {
            self.facts[value.index()].retain(|(place, _)| *place != block);
        }
        for (value, range) in new {
            self.facts[value.index()].push((block, range));
            self.told[block].push(value);
        }
    }

    /// What the end of a block says where it goes one way.
    fn edge_facts(&self, from: usize, way: usize) -> Vec<Fact> {
        let mut facts = Vec::new();
        if let Terminator::Branch { cond, .. } = &self.block(from).end {
            self.assume(*cond, way == 0, from, &mut facts, 0);
        }
        facts
    }

    fn assume(&self, cond: Value, holds: bool, block: usize, facts: &mut Vec<Fact>, depth: u32) {
        if depth > 4 {
            return;
        }
        match self.made[cond.index()] {
            Some(Op::Int { op: IntOp::And, a, b }) if holds => {
                self.assume(*a, true, block, facts, depth + 1);
                self.assume(*b, true, block, facts, depth + 1);
            }
            Some(Op::Int { op: IntOp::Or, a, b }) if !holds => {
                self.assume(*a, false, block, facts, depth + 1);
                self.assume(*b, false, block, facts, depth + 1);
            }
            Some(Op::Int { op: IntOp::Xor, a, b }) if self.made[b.index()].is_some_and(is_one) => {
                self.assume(*a, !holds, block, facts, depth + 1);
            }
            Some(Op::IntCmp { cond, signed, a, b }) if self.ty(*a) != Ty::Ptr => {
                let (x, y) = (self.at(*a, block, &[], 0), self.at(*b, block, &[], 0));
                if !signed && (x.0 < 0 || y.0 < 0) {
                    return;
                }
                let cond = if holds { *cond } else { negated(*cond) };
                let (x, y) = narrowed(cond, x, y);
                for (value, range) in [(*a, x), (*b, y)] {
                    facts.push((value, range));
                    // A widened value and what was widened are the same number.
                    if let Some(Op::SignExtend(inner)) = self.made[value.index()] {
                        facts.push((*inner, range));
                    }
                }
            }
            _ => {}
        }
    }

    /// A value's range in a block, with further facts.
    fn at(&self, value: Value, block: usize, facts: &[Fact], depth: u32) -> Range {
        let mut range = self.ranges[value.index()].unwrap_or(full(self.ty(value)));
        for (_, known) in facts.iter().filter(|(v, _)| *v == value) {
            range = meet(range, *known);
        }
        for (place, known) in &self.facts[value.index()] {
            if self.shape.dominates(*place, block) {
                range = meet(range, *known);
            }
        }
        if depth < 4
            && let Some(op) = self.made[value.index()]
        {
            let derived = matches!(
                op,
                Op::SignExtend(_)
                    | Op::Truncate(_)
                    | Op::ZeroExtend(_)
                    | Op::Int { op: IntOp::Add | IntOp::Sub | IntOp::Mul, .. }
            );
            if derived {
                let seen = self.result(op, self.ty(value), &|v| self.at(v, block, facts, depth + 1));
                range = meet(range, seen);
            }
        }
        range
    }

    /// Whether the range of some result changed.
    fn evaluate(&mut self, block: usize) -> bool {
        let mut changed = false;
        for position in 0..self.moving[block].len() {
            let inst = &self.block(block).insts[self.moving[block][position]];
            let Some(result) = inst.result else { continue };
            let ty = self.ty(result);
            let range = self.result(&inst.op, ty, &|v| self.at(v, block, &[], 3));
            let slot = &mut self.ranges[result.index()];
            changed |= *slot != Some(range);
            *slot = Some(range);
        }
        changed
    }

    /// What an operation gives, from what its operands are.
    fn result(&self, op: &Op, ty: Ty, of: &dyn Fn(Value) -> Range) -> Range {
        let wide = |(low, high): Range| (i128::from(low), i128::from(high));
        match op {
            Op::Const(Const::I8(v)) => (i64::from(*v), i64::from(*v)),
            Op::Const(Const::I16(v)) => (i64::from(*v), i64::from(*v)),
            Op::Const(Const::I32(v)) => (i64::from(*v), i64::from(*v)),
            Op::Const(Const::I64(v)) => (*v, *v),
            Op::Int { op, a, b } => {
                let (a, b) = (wide(of(*a)), wide(of(*b)));
                match op {
                    IntOp::Add => fit(ty, a.0 + b.0, a.1 + b.1),
                    IntOp::Sub => fit(ty, a.0 - b.1, a.1 - b.0),
                    IntOp::Mul => {
                        let all = [a.0 * b.0, a.0 * b.1, a.1 * b.0, a.1 * b.1];
                        let low = all.into_iter().min().unwrap_or(i128::MIN);
                        fit(ty, low, all.into_iter().max().unwrap_or(i128::MAX))
                    }
                    IntOp::And if a.0 >= 0 || b.0 >= 0 => {
                        let of = |r: (i128, i128)| if r.0 >= 0 { r.1 } else { i128::MAX };
                        fit(ty, 0, of(a).min(of(b)))
                    }
                    IntOp::Shr if a.0 >= 0 && b.0 == b.1 && (0..64).contains(&b.0) => {
                        fit(ty, a.0 >> b.0, a.1 >> b.0)
                    }
                    _ => full(ty),
                }
            }
            Op::Div { signed: true, a, b } => match (of(*a), of(*b)) {
                (a, (low, high)) if low == high && low > 0 => (a.0 / low, a.1 / low),
                _ => full(ty),
            },
            Op::Rem { signed: true, a, b } => match (of(*a), of(*b)) {
                (a, (low, high)) if low == high && low > 0 => {
                    let most = low - 1;
                    (if a.0 >= 0 { 0 } else { a.0.max(-most) }, if a.1 <= 0 { 0 } else { a.1.min(most) })
                }
                _ => full(ty),
            },
            Op::IntCmp { .. } | Op::FloatCmp { .. } | Op::LoadBit { .. } => (0, 1),
            Op::Select { a, b, .. } => {
                let (a, b) = (of(*a), of(*b));
                (a.0.min(b.0), a.1.max(b.1))
            }
            Op::SignExtend(a) => of(*a),
            Op::ZeroExtend(a) => {
                let range = of(*a);
                let bits = self.ty(*a).size() * 8;
                if range.0 >= 0 { range } else { (0, ((1_i128 << bits) - 1) as i64) }
            }
            Op::Truncate(a) => {
                let (low, high) = wide(of(*a));
                fit(ty, low, high)
            }
            Op::Neg(a) => {
                let (low, high) = wide(of(*a));
                fit(ty, -high, -low)
            }
            _ => full(ty),
        }
    }

    /// What becomes of the instructions of a block that do not stay as they are, by position.
    fn changes(&self, block: usize) -> Vec<(usize, Change)> {
        // Checked before in this block.
        let mut checked: HashMap<Value, Range> = HashMap::new();
        // 32 bits of wider values that were made before in this block.
        let mut narrow: HashMap<Value, Value> = HashMap::new();
        let mut changes = Vec::new();
        for (position, inst) in self.block(block).insts.iter().enumerate() {
            let change = match &inst.op {
                Op::CheckIndex { index: value, low, high } | Op::CheckRange { value, low, high } => {
                    let mut range = self.at(*value, block, &[], 0);
                    if let Some(known) = checked.get(value) {
                        range = meet(range, *known);
                    }
                    checked.insert(*value, meet(range, (*low, *high)));
                    (range.0 >= *low && range.1 <= *high).then_some(Change::Drop)
                }
                Op::Rem { signed: true, a, b } => self.multiplied(true, *a, *b, block),
                Op::Div { signed: true, a, b } => self.multiplied(false, *a, *b, block),
                Op::IntCmp { cond, signed: true, a, b } if self.ty(*a) == Ty::I64 => {
                    self.compared(*cond, *a, *b, block, &narrow)
                }
                Op::Truncate(wide) => {
                    narrow.extend(inst.result.filter(|v| self.ty(*v) == Ty::I32).map(|v| (*wide, v)));
                    None
                }
                _ => None,
            };
            changes.extend(change.map(|change| (position, change)));
        }
        changes
    }

    /// A counter that fits 32 bits is compared in 32 bits.
    fn compared(
        &self,
        cond: Cond,
        a: Value,
        b: Value,
        block: usize,
        narrow: &HashMap<Value, Value>,
    ) -> Option<Change> {
        let limit = match self.made[b.index()] {
            Some(Op::SignExtend(limit)) if self.ty(*limit) == Ty::I32 => *limit,
            _ => return None,
        };
        let counter = *narrow.get(&a)?;
        let (least, most) = full(Ty::I32);
        let small = |value| {
            let range = self.at(value, block, &[], 0);
            range.0 >= least && range.1 <= most
        };
        (small(a) && small(b)).then_some(Change::Replace(Op::IntCmp {
            cond,
            signed: true,
            a: counter,
            b: limit,
        }))
    }

    fn multiplied(&self, rem: bool, a: Value, b: Value, block: usize) -> Option<Change> {
        if self.ty(a) != Ty::I32 {
            return None;
        }
        let (x, y) = (self.at(a, block, &[], 0), self.at(b, block, &[], 0));
        let fits = x.0 >= 0 && y.0 == y.1 && y.0 > 1 && !(y.0 as u64).is_power_of_two();
        fits.then_some(Change::Multiply { rem, a, by: y.0 as u32 })
    }
}

fn is_one(op: &Op) -> bool {
    matches!(op, Op::Const(Const::I8(1)))
}
