//! The shape of a function: order, predecessors, dominators, loops.

use crate::ir::{Function, Jump, Terminator};

/// The ways out of a block.
pub(super) fn jumps(end: &Terminator) -> impl Iterator<Item = &Jump> {
    let (first, second) = match end {
        Terminator::Jump(jump) => (Some(jump), None),
        Terminator::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
        Terminator::Return(_) | Terminator::Fault { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

/// As [`jumps`], to change them.
pub(super) fn jumps_mut(end: &mut Terminator) -> impl Iterator<Item = &mut Jump> {
    let (first, second) = match end {
        Terminator::Jump(jump) => (Some(jump), None),
        Terminator::Branch { then, otherwise, .. } => (Some(then), Some(otherwise)),
        Terminator::Return(_) | Terminator::Fault { .. } => (None, None),
    };
    first.into_iter().chain(second)
}

/// Of the blocks that can be reached.
#[derive(Debug)]
pub(super) struct Shape {
    /// Each block before what it dominates.
    pub(super) order: Vec<usize>,
    /// Place in `order`; `usize::MAX` for what is not reached.
    number: Vec<usize>,
    /// Reached ones only, one entry for each edge.
    pub(super) predecessors: Vec<Vec<usize>>,
    /// Immediate dominator; the entry is its own.
    idom: Vec<usize>,
    /// Numbers by a walk down the tree of dominators: of each block, and behind the last that it dominates.
    below: Vec<(usize, usize)>,
}

impl Shape {
    pub(super) fn new(function: &Function) -> Self {
        let count = function.blocks.len();
        let order = order(function);
        let mut number = vec![usize::MAX; count];
        for (position, block) in order.iter().enumerate() {
            number[*block] = position;
        }
        let mut predecessors = vec![Vec::new(); count];
        for block in &order {
            for jump in jumps(&function.blocks[*block].end) {
                predecessors[jump.block.index()].push(*block);
            }
        }
        let (idom, below) = (vec![usize::MAX; count], vec![(0, 0); count]);
        let mut shape = Self { order, number, predecessors, idom, below };
        shape.find_dominators();
        shape.number_dominators();
        shape
    }

    fn find_dominators(&mut self) {
        self.idom[0] = 0;
        let mut changed = true;
        while changed {
            changed = false;
            for &block in &self.order[1..] {
                let known = self.predecessors[block].iter().copied().filter(|p| self.idom[*p] != usize::MAX);
                let Some(new) = known.reduce(|a, b| self.common(a, b)) else { continue };
                if self.idom[block] != new {
                    self.idom[block] = new;
                    changed = true;
                }
            }
        }
    }

    fn number_dominators(&mut self) {
        let mut sizes = vec![1; self.idom.len()];
        for &block in self.order[1..].iter().rev() {
            sizes[self.idom[block]] += sizes[block];
        }
        // Each block takes its numbers from those that are still free below its dominator.
        let mut free = vec![0; self.idom.len()];
        for &block in &self.order {
            let above = self.idom[block];
            let first = if block == above { 0 } else { free[above] };
            free[above] = first + sizes[block];
            free[block] = first + 1;
            self.below[block] = (first, first + sizes[block]);
        }
    }

    fn common(&self, mut a: usize, mut b: usize) -> usize {
        while a != b {
            while self.number[a] > self.number[b] {
                a = self.idom[a];
            }
            while self.number[b] > self.number[a] {
                b = self.idom[b];
            }
        }
        a
    }

    pub(super) fn dominates(&self, above: usize, below: usize) -> bool {
        let (first, end) = self.below[above];
        (first..end).contains(&self.below[below].0)
    }

    /// Whether an edge goes back in the order.
    pub(super) fn is_back_edge(&self, from: usize, to: usize) -> bool {
        self.number[from] >= self.number[to]
    }

    /// All loops, by their heads, in order: outer ones first. `None` if some circle has two entries.
    pub(super) fn loops(&self) -> Option<Vec<Loop>> {
        let mut loops = Vec::new();
        for &head in &self.order {
            let latches: Vec<usize> =
                self.predecessors[head].iter().copied().filter(|p| self.is_back_edge(*p, head)).collect();
            if latches.is_empty() {
                continue;
            }
            if latches.iter().any(|latch| !self.dominates(head, *latch)) {
                return None;
            }
            let mut inside = vec![false; self.number.len()];
            inside[head] = true;
            let mut open = latches.clone();
            while let Some(block) = open.pop() {
                if !std::mem::replace(&mut inside[block], true) {
                    open.extend(&self.predecessors[block]);
                }
            }
            loops.push(Loop { head, latches, inside });
        }
        Some(loops)
    }
}

/// A natural loop.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) head: usize,
    /// Where it goes back to the head.
    pub(super) latches: Vec<usize>,
    /// Whether each block belongs to it.
    pub(super) inside: Vec<bool>,
}

impl Loop {
    /// The blocks that belong to it.
    pub(super) fn blocks(&self) -> impl Iterator<Item = usize> + Clone {
        self.inside.iter().enumerate().filter(|(_, inside)| **inside).map(|(block, _)| block)
    }
}

/// Blocks that can be reached, each before what it dominates.
pub(super) fn order(function: &Function) -> Vec<usize> {
    let mut seen = vec![false; function.blocks.len()];
    let mut order = Vec::new();
    let mut stack = vec![(0, 0)];
    seen[0] = true;
    while let Some((block, next)) = stack.pop() {
        let Some(jump) = jumps(&function.blocks[block].end).nth(next) else {
            order.push(block);
            continue;
        };
        stack.push((block, next + 1));
        let successor = jump.block.index();
        if !std::mem::replace(&mut seen[successor], true) {
            stack.push((successor, 0));
        }
    }
    order.reverse();
    order
}
