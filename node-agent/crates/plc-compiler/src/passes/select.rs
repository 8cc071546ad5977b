//! Choices instead of branches: short ways that only compute and meet again become a [`Op::Select`].

use super::cfg::Shape;
use crate::ir::{Block, BlockId, Function, Inst, IntOp, Jump, Op, SiteId, Terminator, Ty, Value};

/// Instructions, constants not counted, that are done on both ways to save a branch.
const INSTS_MAX: usize = 6;
/// Choices that replace one branch.
const CHOICES_MAX: usize = 2;

/// Rewrites a function. Whether blocks are no longer reached.
pub(super) fn select(function: &mut Function, shape: &Shape) -> bool {
    let mut entries: Vec<usize> = shape.predecessors.iter().map(Vec::len).collect();
    let mut changed = false;
    // Inner ones first.
    for &block in shape.order.iter().rev() {
        if let Some(fork) = Fork::of(function, block, &entries) {
            entries[fork.meet.index()] -= 1;
            fork.join(function, block);
            changed = true;
        }
    }
    changed
}

/// Two ways that meet again at once.
struct Fork {
    cond: Value,
    meet: BlockId,
    /// What each way passes on there.
    args: [Vec<Value>; 2],
    /// The block of each way, if it has one.
    ways: [Option<usize>; 2],
}

impl Fork {
    fn of(function: &Function, block: usize, entries: &[usize]) -> Option<Self> {
        let Terminator::Branch { cond, then, otherwise } = &function.blocks[block].end else { return None };
        let mut insts = 0;
        let mut way = |jump: &Jump| -> Option<(Option<usize>, Jump)> {
            let at = jump.block.index();
            let Block { params, insts: own, end: Terminator::Jump(on) } = &function.blocks[at] else {
                return None;
            };
            let only = entries[at] == 1 && params.is_empty() && on.block != jump.block && at != block;
            if !only || !own.iter().all(|inst| is_harmless(&inst.op)) {
                return None;
            }
            insts += own.iter().filter(|inst| !matches!(inst.op, Op::Const(_))).count();
            Some((Some(at), on.clone()))
        };
        let straight = |jump: &Jump| (None, jump.clone());
        let (first, second) = match (way(then), way(otherwise)) {
            (Some(first), Some(second)) if first.1.block == second.1.block => (first, second),
            (Some(first), _) if first.1.block == otherwise.block => (first, straight(otherwise)),
            (_, Some(second)) if second.1.block == then.block => (straight(then), second),
            _ => return None,
        };
        let pairs = || first.1.args.iter().zip(&second.1.args).filter(|(a, b)| a != b);
        let is_float = |value: &Value| matches!(function.value_types[value.index()], Ty::F32 | Ty::F64);
        if insts > INSTS_MAX || pairs().count() > CHOICES_MAX || pairs().any(|(a, _)| is_float(a)) {
            return None;
        }
        let meet = first.1.block;
        Some(Self { cond: *cond, meet, args: [first.1.args, second.1.args], ways: [first.0, second.0] })
    }

    fn join(self, function: &mut Function, block: usize) {
        let mut insts = std::mem::take(&mut function.blocks[block].insts);
        for way in self.ways.into_iter().flatten() {
            insts.append(&mut function.blocks[way].insts);
            let end = Terminator::Jump(Jump { block: BlockId(way as u32), args: Vec::new() });
            function.blocks[way] = Block { params: Vec::new(), insts: Vec::new(), end };
        }
        let [then, otherwise] = self.args;
        let mut args = Vec::with_capacity(then.len());
        for (a, b) in then.into_iter().zip(otherwise) {
            args.push(if a == b { a } else { choice(function, &mut insts, self.cond, a, b) });
        }
        function.blocks[block].insts = insts;
        function.blocks[block].end = Terminator::Jump(Jump { block: self.meet, args });
    }
}

/// `a` if the condition holds, else `b`.
fn choice(function: &mut Function, insts: &mut Vec<Inst>, cond: Value, a: Value, b: Value) -> Value {
    let ty = function.value_types[a.index()];
    let made = insts.iter().rev().find(|inst| inst.result == Some(a)).map(|inst| inst.op.clone());
    let mut emit = |op: Op| {
        let value = function.value(ty);
        insts.push(Inst { result: Some(value), op, site: SiteId(0) });
        value
    };
    match made {
        // What is added is chosen, not the sum: the next sum then does not wait for the choice.
        Some(Op::Int { op: op @ (IntOp::Add | IntOp::Sub), a: old, b: more }) if old == b => {
            let none = emit(Op::Const(super::fold::constant(ty, 0)));
            let chosen = emit(Op::Select { cond, a: more, b: none });
            emit(Op::Int { op, a: old, b: chosen })
        }
        _ => emit(Op::Select { cond, a, b }),
    }
}

/// Whether an operation may be done where the program would not: it is cheap, and neither faults nor reads memory. A
/// load takes longer than a branch that is mostly foreseen.
fn is_harmless(op: &Op) -> bool {
    match op {
        Op::Const(_)
        | Op::StateAddr(_)
        | Op::Offset { .. }
        | Op::Neg(_)
        | Op::Not(_)
        | Op::IntCmp { .. }
        | Op::Select { .. }
        | Op::SignExtend(_)
        | Op::ZeroExtend(_)
        | Op::Truncate(_) => true,
        Op::Int { op, .. } => !matches!(op, IntOp::Mul | IntOp::Rol | IntOp::Ror),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{Op, Terminator};
    use crate::{Options, SourceUnit, compile, passes};

    /// How many branches and choices are left of a program with this body.
    fn left(body: &str) -> (usize, usize) {
        let text = format!(
            "PROGRAM Main VAR a : ARRAY[0..30] OF INT; i, n, m, k : INT; r : REAL; f, g : BOOL; END_VAR
             FOR i := 1 TO 3 DO a[i] := n; {body} END_FOR; END_PROGRAM"
        );
        let unit = SourceUnit { name: "main.st".to_owned(), text };
        let program = compile(&[unit], &Options::default()).expect("the program is right");
        let main = passes::Prepared::new(&program, false).optimise(program.instances[0].entry);
        let branches = main.blocks.iter().filter(|block| matches!(block.end, Terminator::Branch { .. }));
        let insts = main.blocks.iter().flat_map(|block| &block.insts);
        let choices = insts.filter(|inst| matches!(inst.op, Op::Select { .. }));
        // One branch is the loop's.
        (branches.count() - 1, choices.count())
    }

    #[test]
    fn short_ways_become_choices() {
        assert_eq!(left("IF f THEN n := n + 1; END_IF;"), (0, 1));
        assert_eq!(left("IF f THEN n := 3; ELSE n := m; END_IF;"), (0, 1));
        assert_eq!(left("IF f THEN n := n + 1; IF g THEN m := m - n; END_IF; END_IF;").0, 1);
    }

    #[test]
    fn ways_with_effects_stay() {
        assert_eq!(left("IF f THEN a[i] := 1; END_IF;"), (1, 0));
        assert_eq!(left("IF f THEN n := a[i + m]; END_IF;"), (1, 0));
        assert_eq!(left("IF f THEN n := m / k; END_IF;"), (1, 0));
        assert_eq!(left("IF f THEN r := 1.0; END_IF;"), (1, 0));
        assert_eq!(left("IF f THEN n := 1; m := 2; k := 3; END_IF;"), (1, 0));
    }
}
