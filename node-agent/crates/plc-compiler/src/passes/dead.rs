//! Values that nobody uses: what makes them goes away, and so do the parameters of blocks that hold them.

use super::cfg::{Shape, jumps, jumps_mut};
use crate::ir::{Function, Inst, Op, SiteId, Terminator, Value, end_operands, operands};

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Origin {
    /// It is never made, or by something that is needed in any case.
    Other,
    /// An instruction that can go away: block and position.
    Inst(usize, usize),
    /// A block other than the entry, and the position among its parameters.
    Param(usize, usize),
}

struct Marking<'m> {
    function: &'m Function,
    shape: &'m Shape,
    sites: usize,
    origins: Vec<Origin>,
    live: Vec<bool>,
    open: Vec<Value>,
}

/// Removes them.
pub(super) fn remove(function: &mut Function, shape: &Shape, sites: usize) {
    let live = Marking::new(function, shape, sites).mark();
    for &block in &shape.order {
        let insts = &mut function.blocks[block].insts;
        insts.retain(|inst| inst.result.is_none_or(|result| live[result.index()]) || !can_go(&inst.op));
    }
    for &block in &shape.order {
        let kept: Vec<Vec<bool>> = jumps(&function.blocks[block].end)
            .map(|jump| &function.blocks[jump.block.index()].params)
            .map(|params| params.iter().map(|param| live[param.index()]).collect())
            .collect();
        for (jump, kept) in jumps_mut(&mut function.blocks[block].end).zip(kept) {
            let mut kept = kept.into_iter();
            // The entry's parameters are the function's own.
            jump.args.retain(|_| kept.next().unwrap_or(true) || jump.block.index() == 0);
        }
    }
    for &block in shape.order.iter().filter(|block| **block != 0) {
        function.blocks[block].params.retain(|param| live[param.index()]);
    }
}

/// Whether an operation does nothing but give a value.
fn can_go(op: &Op) -> bool {
    match op {
        Op::Const(_)
        | Op::StateAddr(_)
        | Op::FrameAddr(_)
        | Op::Offset { .. }
        | Op::Index { .. }
        | Op::Load { .. }
        | Op::LoadBit { .. }
        | Op::Int { .. }
        | Op::Rem { .. }
        | Op::Neg(_)
        | Op::Not(_)
        | Op::Float { .. }
        | Op::FloatNeg(_)
        | Op::FloatAbs(_)
        | Op::IntCmp { .. }
        | Op::FloatCmp { .. }
        | Op::Select { .. }
        | Op::SignExtend(_)
        | Op::ZeroExtend(_)
        | Op::Truncate(_)
        | Op::IntToFloat { .. }
        | Op::FloatToInt { .. }
        | Op::FloatConvert(_)
        | Op::Bitcast(_)
        | Op::Now
        | Op::RefToPtr(_)
        | Op::PtrToRef { .. } => true,
        Op::Store { .. }
        | Op::StoreBit { .. }
        | Op::Copy { .. }
        | Op::Zero { .. }
        | Op::Div { .. }
        | Op::Call { .. }
        | Op::CallVirtual { .. }
        | Op::Helper { .. }
        | Op::CheckIndex { .. }
        | Op::CheckIndexIn { .. }
        | Op::CheckRange { .. }
        | Op::CheckNull(_)
        | Op::CheckPointer { .. }
        | Op::Poll => false,
    }
}

impl<'m> Marking<'m> {
    fn new(function: &'m Function, shape: &'m Shape, sites: usize) -> Self {
        let count = function.value_types.len();
        let mut origins = vec![Origin::Other; count];
        for &block in &shape.order {
            if block != 0 {
                for (position, param) in function.blocks[block].params.iter().enumerate() {
                    origins[param.index()] = Origin::Param(block, position);
                }
            }
            for (position, inst) in function.blocks[block].insts.iter().enumerate() {
                if let (Some(result), true) = (inst.result, can_go(&inst.op)) {
                    origins[result.index()] = Origin::Inst(block, position);
                }
            }
        }
        Self { function, shape, sites, origins, live: vec![false; count], open: Vec::new() }
    }

    /// Whether each value is needed.
    fn mark(mut self) -> Vec<bool> {
        let function = self.function;
        for block in self.shape.order.iter().map(|block| &function.blocks[*block]) {
            for inst in block.insts.iter().filter(|inst| !can_go(&inst.op)) {
                self.inst(inst);
            }
            match &block.end {
                Terminator::Jump(_) => {}
                Terminator::Branch { cond, .. } => self.need(*cond),
                end @ (Terminator::Return(_) | Terminator::Fault { .. }) => {
                    for value in end_operands(end) {
                        self.need(value);
                    }
                }
            }
            if let Terminator::Fault { site, .. } = block.end {
                self.context(site);
            }
        }
        while let Some(value) = self.open.pop() {
            match self.origins[value.index()] {
                Origin::Other => {}
                Origin::Inst(block, position) => self.inst(&function.blocks[block].insts[position]),
                Origin::Param(block, position) => {
                    for from in &self.shape.predecessors[block] {
                        let ways = jumps(&function.blocks[*from].end);
                        for jump in ways.filter(|jump| jump.block.index() == block) {
                            self.need(jump.args[position]);
                        }
                    }
                }
            }
        }
        self.live
    }

    fn need(&mut self, value: Value) {
        if !std::mem::replace(&mut self.live[value.index()], true) {
            self.open.push(value);
        }
    }

    fn inst(&mut self, inst: &Inst) {
        for value in operands(&inst.op) {
            self.need(value);
        }
        self.context(inst.site);
    }

    /// What a fault there must store needs its value.
    fn context(&mut self, site: SiteId) {
        let function = self.function;
        if let Some(context) = function.context(site, self.sites) {
            for value in context.values() {
                self.need(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::ir::{FuncId, Op};
    use crate::{Options, SourceUnit, compile, passes::Prepared};

    /// Loads and parameters of blocks in an optimised program with this body.
    fn loads_and_params(body: &str) -> (usize, usize) {
        let text = format!("PROGRAM Main VAR i, j, n, k : INT; END_VAR {body} END_PROGRAM");
        let unit = SourceUnit { name: "main.st".to_owned(), text };
        let program = compile(&[unit], &Options::default()).expect("the program is right");
        let function = Prepared::new(&program, false).optimise(FuncId(0));
        let insts = function.blocks.iter().flat_map(|block| &block.insts);
        let loads = insts.filter(|inst| matches!(inst.op, Op::Load { .. })).count();
        (loads, function.blocks[1..].iter().map(|block| block.params.len()).sum())
    }

    #[test]
    fn what_is_written_first_is_not_loaded() {
        assert_eq!(loads_and_params("n := 0; WHILE n < 9 DO n := n + 1; END_WHILE;"), (0, 1));
        assert_eq!(loads_and_params("WHILE n < 9 DO n := n + 1; END_WHILE;"), (1, 1));
    }

    #[test]
    fn what_a_fault_stores_stays() {
        // `k` is used by nothing but the fault of the poll and the end.
        assert_eq!(loads_and_params("n := 0; WHILE n < 9 DO n := n + 1; k := n; END_WHILE;"), (1, 2));
    }
}
