//! Polls where they cost: a counted loop without loops and calls inside polls once in many passes.
//!
//! The counter of such a loop runs to the nearer of its end and the end of a stretch; only there it polls. A pass
//! takes bounded time, so what runs still ends in time.

use super::cfg::{Loop, Shape};
use crate::ir::{
    Block, BlockId, Cond, Const, Function, Helper, Inst, IntOp, Jump, Op, SiteId, Terminator, Ty, Value,
};
use std::collections::HashMap;

/// Passes of a stretch.
const STRETCH: i64 = 256;
/// Instructions of a loop that counts as short.
const INSTS_MAX: usize = 200;

/// Rewrites all loops of a function that allow it.
pub(super) fn thin_out(function: &mut Function, shape: &Shape, loops: &[Loop]) {
    let innermost: Vec<&Loop> = loops
        .iter()
        .filter(|one| !loops.iter().any(|other| other.head != one.head && one.inside[other.head]))
        .collect();
    let constants: HashMap<Value, i64> = shape
        .order
        .iter()
        .flat_map(|block| &function.blocks[*block].insts)
        .filter_map(|inst| match inst.op {
            Op::Const(Const::I32(value)) => Some((inst.result?, i64::from(value))),
            Op::Const(Const::I64(value)) => Some((inst.result?, value)),
            _ => None,
        })
        .collect();
    for one in innermost {
        if let Some(counted) = Counted::of(function, one, shape, &constants) {
            counted.stretch(function);
        }
    }
}

/// How a counter becomes a wider one.
type Widening = fn(Value) -> Op;

/// A loop that ends in `next <= end` (or `>=`), with the poll in the block of that comparison.
struct Counted {
    head: usize,
    latch: usize,
    /// Position of the poll in the latch.
    poll: usize,
    up: bool,
    next: Value,
    end: Value,
    /// Where the counter stands among the parameters of the head.
    counter: usize,
    /// How it is widened, if it is narrower than what is compared.
    widened: Option<Widening>,
    /// Where the loop is entered from.
    entries: Vec<usize>,
}

impl Counted {
    fn of(function: &Function, one: &Loop, shape: &Shape, constants: &HashMap<Value, i64>) -> Option<Self> {
        let [latch] = one.latches[..] else { return None };
        let blocks = one.blocks();
        let mut insts = 0;
        let mut polls = 0;
        for block in blocks.clone() {
            for inst in &function.blocks[block].insts {
                insts += 1;
                match &inst.op {
                    Op::Poll => polls += 1,
                    Op::Call { .. } | Op::Copy { .. } | Op::Zero { .. } => return None,
                    Op::Helper { helper, .. } if !is_short(*helper) => return None,
                    _ => {}
                }
            }
        }
        let poll = function.blocks[latch].insts.iter().position(|inst| matches!(inst.op, Op::Poll))?;
        if polls != 1 || insts > INSTS_MAX {
            return None;
        }
        let Terminator::Branch { cond, then, otherwise } = &function.blocks[latch].end else { return None };
        if then.block.index() != one.head || one.inside[otherwise.block.index()] {
            return None;
        }
        let made: HashMap<Value, &Op> = blocks
            .clone()
            .flat_map(|block| &function.blocks[block].insts)
            .filter_map(|inst| inst.result.map(|result| (result, &inst.op)))
            .collect();
        let Op::IntCmp { cond, signed: true, a, b } = made.get(cond)? else { return None };
        let up = match cond {
            Cond::Le => true,
            Cond::Ge => false,
            _ => return None,
        };
        // What is compared moves by a small constant in each pass.
        let outside = |value: &Value| {
            !blocks.clone().any(|block| {
                let block = &function.blocks[block];
                block.params.contains(value) || block.insts.iter().any(|inst| inst.result == Some(*value))
            })
        };
        let is_constant = matches!(made.get(b), Some(Op::Const(_)));
        if !(outside(b) || is_constant) {
            return None;
        }
        let (counter, widened) = counter(constants, &made, *a, up)?;
        if widened.is_none() && function.value_types[counter.index()] != function.value_types[a.index()] {
            return None;
        }
        let counter = function.blocks[one.head].params.iter().position(|param| *param == counter)?;
        // The next pass must get what was compared.
        let passed = then.args[counter];
        if passed != *a && !matches!(made.get(&passed), Some(Op::Truncate(wide)) if wide == a) {
            return None;
        }
        let entries = shape.predecessors[one.head].iter().copied().filter(|p| *p != latch).collect();
        Some(Self { head: one.head, latch, poll, up, next: *a, end: *b, counter, widened, entries })
    }

    /// Splits the way back in two: the short one without, the other with the poll.
    fn stretch(self, function: &mut Function) {
        let ty = function.value_types[self.next.index()];
        let limit = function.value(ty);
        // Before the loop the stretch is empty: the first pass ends at the long way.
        for entry in &self.entries {
            let Block { insts, end, .. } = &mut function.blocks[*entry];
            for jump in super::cfg::jumps_mut(end).filter(|jump| jump.block.index() == self.head) {
                let mut start = jump.args[self.counter];
                if let Some(widened) = self.widened {
                    let op = widened(start);
                    function.value_types.push(ty);
                    start = Value(function.value_types.len() as u32 - 1);
                    insts.push(Inst { result: Some(start), op, site: SiteId(0) });
                }
                jump.args.push(start);
            }
        }
        function.blocks[self.head].params.push(limit);
        let poll = function.blocks[self.latch].insts.remove(self.poll);
        let site = poll.site;
        let mut insts = vec![poll];
        let emit = |function: &mut Function, insts: &mut Vec<Inst>, ty: Ty, op: Op| {
            let value = function.value(ty);
            insts.push(Inst { result: Some(value), op, site });
            value
        };
        let cond = if self.up { Cond::Le } else { Cond::Ge };
        // A constant end is made again here: its value in the latch reaches this block too.
        let step = emit(function, &mut insts, ty, Op::Const(constant(ty, STRETCH)));
        let op = if self.up { IntOp::Sub } else { IntOp::Add };
        // `end` less a stretch, unless that leaves the type.
        let near = emit(function, &mut insts, ty, Op::Int { op, a: self.end, b: step });
        let fits =
            emit(function, &mut insts, Ty::I8, Op::IntCmp { cond, signed: true, a: near, b: self.end });
        let far = emit(function, &mut insts, Ty::I8, Op::IntCmp { cond, signed: true, a: limit, b: near });
        let far = emit(function, &mut insts, Ty::I8, Op::Int { op: IntOp::And, a: far, b: fits });
        let op = if self.up { IntOp::Add } else { IntOp::Sub };
        // From the last limit, not from the counter: that would keep a second value of it.
        let moved = emit(function, &mut insts, ty, Op::Int { op, a: limit, b: step });
        let new = emit(function, &mut insts, ty, Op::Select { cond: far, a: moved, b: self.end });
        let more =
            emit(function, &mut insts, Ty::I8, Op::IntCmp { cond, signed: true, a: self.next, b: self.end });
        let mut end = std::mem::replace(&mut function.blocks[self.latch].end, Terminator::Return(None));
        let slow = BlockId(function.blocks.len() as u32);
        let inside = function.value(Ty::I8);
        let op = Op::IntCmp { cond, signed: true, a: self.next, b: limit };
        function.blocks[self.latch].insts.push(Inst { result: Some(inside), op, site });
        if let Terminator::Branch { cond, then, .. } = &mut end {
            let mut again = then.clone();
            again.args.push(limit);
            then.args.push(new);
            *cond = more;
            let otherwise = Jump { block: slow, args: Vec::new() };
            function.blocks[self.latch].end = Terminator::Branch { cond: inside, then: again, otherwise };
        }
        function.blocks.push(Block { params: Vec::new(), insts, end });
    }
}

/// The counter that is `next` after a step of 1 to [`STRETCH`] in the direction of the loop, and how it is widened.
fn counter(
    constants: &HashMap<Value, i64>,
    made: &HashMap<Value, &Op>,
    next: Value,
    up: bool,
) -> Option<(Value, Option<Widening>)> {
    let (sum, truncated) = match made.get(&next) {
        Some(Op::Truncate(wide)) => (made.get(wide), true),
        other => (other, false),
    };
    let Some(Op::Int { op: IntOp::Add, a, b }) = sum else { return None };
    let limits = if up { 1..STRETCH + 1 } else { -STRETCH..0 };
    constants.get(b).filter(|step| limits.contains(step))?;
    // What is widened and truncated again is what it was.
    let widened = |how: Widening| (!truncated).then_some(how);
    Some(match made.get(a) {
        Some(Op::SignExtend(narrow)) => (*narrow, widened(Op::SignExtend)),
        Some(Op::ZeroExtend(narrow)) => (*narrow, widened(Op::ZeroExtend)),
        _ => (*a, None),
    })
}

/// Routines that take no longer than some instructions.
fn is_short(helper: Helper) -> bool {
    matches!(
        helper,
        Helper::Math(_)
            | Helper::Atan2
            | Helper::Pow
            | Helper::Assert
            | Helper::StrLen { .. }
            | Helper::StrGet { .. }
    )
}

fn constant(ty: Ty, value: i64) -> Const {
    match ty {
        Ty::I8 => Const::I8(value as i8),
        Ty::I16 => Const::I16(value as i16),
        Ty::I32 => Const::I32(value as i32),
        _ => Const::I64(value),
    }
}
