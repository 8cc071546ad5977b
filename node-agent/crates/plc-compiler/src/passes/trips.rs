//! Loops that end by themselves: one whose passes can be counted beforehand, and are soon over, needs no poll.

use super::cfg::{Loop, Shape, jumps};
use crate::ir::{Cond, Const, Function, Helper, IntOp, Op, Terminator, Ty, Value};

/// Operations that a loop without poll may execute: about half a millisecond.
const COST_MAX: u64 = 2_000_000;
/// What a mathematical routine counts as.
const ROUTINE: u64 = 100;
/// What a division counts as.
const DIVISION: u64 = 10;

/// Removes the polls of all loops that surely end soon.
pub(super) fn drop_polls(function: &mut Function, shape: &Shape, loops: &[Loop]) {
    if loops.is_empty() {
        return;
    }
    let mut made: Vec<Option<&Op>> = vec![None; function.value_types.len()];
    let mut costs: Vec<u64> = vec![0; function.blocks.len()];
    for &block in &shape.order {
        for inst in &function.blocks[block].insts {
            if let Some(result) = inst.result {
                made[result.index()] = Some(&inst.op);
            }
            costs[block] = costs[block].saturating_add(cost(&inst.op));
        }
    }
    let mut ends_soon = Vec::new();
    // Inner ones first: their whole cost then stands at their head.
    for one in loops.iter().rev() {
        let mut pass: u64 = 0;
        for block in one.blocks() {
            pass = pass.saturating_add(std::mem::take(&mut costs[block])).saturating_add(1);
        }
        let total = match trips(function, one, shape, &made) {
            Some(trips) => pass.saturating_mul(trips),
            None => u64::MAX,
        };
        costs[one.head] = total;
        if total <= COST_MAX {
            ends_soon.push(one);
        }
    }
    for one in ends_soon {
        for block in one.blocks() {
            function.blocks[block].insts.retain(|inst| !matches!(inst.op, Op::Poll));
        }
    }
}

/// Roughly how many machine instructions an operation takes.
fn cost(op: &Op) -> u64 {
    match op {
        Op::Const(_) | Op::StateAddr(_) | Op::FrameAddr(_) | Op::Offset { .. } | Op::Poll => 0,
        Op::Div { .. } | Op::Rem { .. } => DIVISION,
        Op::Copy { bytes, .. } | Op::Zero { bytes, .. } => ROUTINE + u64::from(bytes / 8),
        Op::Helper { helper: Helper::Math(_) | Helper::Atan2 | Helper::Pow | Helper::Assert, .. } => ROUTINE,
        Op::Call { .. } | Op::CallVirtual { .. } | Op::Helper { .. } => u64::MAX,
        _ => 1,
    }
}

/// How many passes a loop makes at most: it counts from a constant to a constant by a constant.
fn trips(function: &Function, one: &Loop, shape: &Shape, made: &[Option<&Op>]) -> Option<u64> {
    let [latch] = one.latches[..] else { return None };
    let Terminator::Branch { cond, then, otherwise } = &function.blocks[latch].end else { return None };
    if then.block.index() != one.head || otherwise.block.index() == one.head {
        return None;
    }
    let counted = |cond: Value| {
        let Op::IntCmp { cond, signed, a, b } = made[cond.index()]? else { return None };
        let up = match cond {
            Cond::Le => true,
            Cond::Ge => false,
            _ => return None,
        };
        count(function, one, shape, made, &Bound { next: *a, end: number(made, *b)?, up, signed: *signed })
    };
    match made[cond.index()]? {
        // It ends where either ends.
        Op::Int { op: IntOp::And, a, b } => counted(*a).or_else(|| counted(*b)),
        _ => counted(*cond),
    }
}

/// A loop goes on while `next` has not passed `end`.
struct Bound {
    next: Value,
    end: i64,
    up: bool,
    signed: bool,
}

fn count(function: &Function, one: &Loop, shape: &Shape, made: &[Option<&Op>], bound: &Bound) -> Option<u64> {
    let wide = |value: Value| match made[value.index()] {
        Some(Op::Truncate(wide)) => *wide,
        _ => value,
    };
    let sum = wide(bound.next);
    let Some(Op::Int { op: IntOp::Add, a, b }) = made[sum.index()] else { return None };
    let counter = match made[a.index()] {
        Some(Op::SignExtend(narrow) | Op::ZeroExtend(narrow)) => *narrow,
        _ => *a,
    };
    let step = number(made, *b)?;
    let position = function.blocks[one.head].params.iter().position(|param| *param == counter)?;
    let mut starts = Vec::new();
    for &from in &shape.predecessors[one.head] {
        for jump in jumps(&function.blocks[from].end).filter(|jump| jump.block.index() == one.head) {
            let arg = *jump.args.get(position)?;
            if !one.inside[from] {
                starts.push(number(made, arg)?);
            } else if wide(arg) != sum {
                // The next pass gets something else than what was compared.
                return None;
            }
        }
    }
    let start = if bound.up { *starts.iter().min()? } else { *starts.iter().max()? };
    let first = *starts.iter().max()?;
    // Nothing wraps, and nothing negative counts as large and positive: then all widths say the same.
    let highest = [counter, bound.next].map(|value| highest(function.value_types[value.index()]));
    let highest = highest.into_iter().min()?;
    let lowest = if bound.signed { -highest } else { 0 };
    let legal = |value: i64| (lowest..=highest).contains(&value);
    let (distance, by) = if bound.up {
        (bound.end.checked_sub(start)?, step)
    } else {
        (start.checked_sub(bound.end)?, step.checked_neg()?)
    };
    let fits = *starts.iter().min()? >= 0
        && bound.end >= 0
        && first <= highest
        && [first, start, bound.end].iter().all(|value| value.checked_add(step).is_some_and(legal));
    if by <= 0 || !fits {
        return None;
    }
    // The first pass is made before anything is compared with the end.
    Some(u64::try_from(distance.max(0)).ok()? / by.unsigned_abs() + 1)
}

fn highest(ty: Ty) -> i64 {
    match ty {
        Ty::I8 => i64::from(i8::MAX),
        Ty::I16 => i64::from(i16::MAX),
        Ty::I32 => i64::from(i32::MAX),
        _ => i64::MAX,
    }
}

/// The number that a value always is.
fn number(made: &[Option<&Op>], value: Value) -> Option<i64> {
    match made[value.index()]? {
        Op::Const(Const::I8(v)) => Some(i64::from(*v)),
        Op::Const(Const::I16(v)) => Some(i64::from(*v)),
        Op::Const(Const::I32(v)) => Some(i64::from(*v)),
        Op::Const(Const::I64(v)) => Some(*v),
        Op::SignExtend(narrow) => number(made, *narrow),
        Op::ZeroExtend(narrow) => number(made, *narrow).filter(|value| *value >= 0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::Op;
    use crate::{Options, SourceUnit, compile, passes};

    /// Polls that are left in a program with this body.
    fn polls(body: &str) -> usize {
        let text = format!(
            "PROGRAM Main VAR a : ARRAY[0..300] OF INT; i, j, n : INT; d : DINT; u : USINT; END_VAR {body} END_PROGRAM"
        );
        let unit = SourceUnit { name: "main.st".to_owned(), text };
        let program = compile(&[unit], &Options::default()).expect("the program is right");
        let prepared = passes::Prepared::new(&program, false);
        let main = prepared.optimise(program.instances[0].entry);
        main.blocks.iter().flat_map(|block| &block.insts).filter(|inst| matches!(inst.op, Op::Poll)).count()
    }

    #[test]
    fn a_loop_that_ends_soon_does_not_poll() {
        assert_eq!(polls("FOR i := 1 TO 200 DO a[i] := i; END_FOR;"), 0);
        assert_eq!(polls("FOR i := 200 TO 1 BY -3 DO a[i] := i; END_FOR;"), 0);
        assert_eq!(polls("FOR u := 0 TO 100 DO n := n + 1; END_FOR;"), 0);
        assert_eq!(polls("FOR i := 1 TO 20 DO FOR j := 1 TO 10 DO a[i + j] := i; END_FOR; END_FOR;"), 0);
    }

    #[test]
    fn a_loop_that_takes_long_polls() {
        assert_ne!(polls("FOR d := 1 TO 2000000 DO n := n + 1; END_FOR;"), 0);
        assert_ne!(polls("FOR i := 1 TO 2000 DO FOR j := 1 TO 2000 DO n := n + 1; END_FOR; END_FOR;"), 0);
    }

    #[test]
    fn a_loop_whose_passes_are_not_known_polls() {
        assert_ne!(polls("FOR i := 1 TO n DO a[i] := i; END_FOR;"), 0);
        assert_ne!(polls("FOR i := n TO 100 DO d := d + 1; END_FOR;"), 0);
        assert_ne!(polls("FOR i := 1 TO 100 DO i := i - n; END_FOR;"), 0);
        assert_ne!(polls("FOR i := 1 TO 100 DO WHILE n > 3 DO n := n + j; END_WHILE; END_FOR;"), 0);
        assert_ne!(polls("WHILE i < 100 DO i := i + 1; END_WHILE;"), 0);
        // The counter reaches the end of its type and starts again below it.
        assert_ne!(polls("FOR u := 0 TO 255 DO n := n + 1; END_FOR;"), 0);
    }
}
