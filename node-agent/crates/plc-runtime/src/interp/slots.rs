//! Which values live in which slots.
//!
//! A value that is used only in the block that makes it takes a slot that others take again after its last
//! use; any other value has a slot of its own. So a long body needs few slots, and no value must be moved.

use super::code::Slot;
use lineshaft_plc_compiler::ir::Value;

/// How often and where each value is used, gathered before slots are given out.
#[derive(Debug)]
pub(crate) struct Uses {
    counts: Vec<u32>,
    /// Block that defines the value.
    home: Vec<u32>,
    /// Used outside of its block, or a block parameter.
    wide: Vec<bool>,
}

impl Uses {
    pub(crate) fn new(values: usize) -> Self {
        Self { counts: vec![0; values], home: vec![u32::MAX; values], wide: vec![false; values] }
    }

    pub(crate) fn define(&mut self, value: Value, block: u32) {
        self.home[value.index()] = block;
    }

    /// The value needs a slot of its own.
    pub(crate) fn pin(&mut self, value: Value) {
        self.wide[value.index()] = true;
    }

    pub(crate) fn add(&mut self, value: Value, block: u32) {
        let i = value.index();
        self.counts[i] += 1;
        if self.home[i] != block {
            self.wide[i] = true;
        }
    }
}

/// Gives slots to values as they are defined.
#[derive(Debug)]
pub(crate) struct Slots {
    uses: Uses,
    /// Uses that are still to come.
    left: Vec<u32>,
    slot: Vec<Option<Slot>>,
    free: Vec<Slot>,
    /// Free once the instruction that is being decoded is complete: its operands stay until then.
    dying: Vec<Slot>,
    next: Slot,
}

impl Slots {
    pub(crate) fn new(uses: Uses) -> Self {
        let values = uses.counts.len();
        Self {
            left: uses.counts.clone(),
            uses,
            slot: vec![None; values],
            free: Vec::new(),
            dying: Vec::new(),
            next: 0,
        }
    }

    /// Slots taken in all.
    pub(crate) fn total(&self) -> u32 {
        self.next
    }

    pub(crate) fn is_used(&self, value: Value) -> bool {
        self.uses.counts[value.index()] > 0
    }

    /// The value has one use, in the block that makes it.
    pub(crate) fn is_used_once(&self, value: Value) -> bool {
        self.is_used_times(value, 1)
    }

    /// The value has so many uses, all in the block that makes it.
    pub(crate) fn is_used_times(&self, value: Value, times: u32) -> bool {
        self.uses.counts[value.index()] == times && !self.is_wide(value)
    }

    /// The value is used outside of the block that makes it, or is a parameter.
    pub(crate) fn is_wide(&self, value: Value) -> bool {
        self.uses.wide[value.index()]
    }

    /// A slot for the instruction that is being decoded.
    pub(crate) fn temporary(&mut self) -> Slot {
        let slot = self.recycled();
        self.dying.push(slot);
        slot
    }

    /// An instruction is complete.
    pub(crate) fn settle(&mut self) {
        self.free.append(&mut self.dying);
    }

    fn recycled(&mut self) -> Slot {
        self.free.pop().unwrap_or_else(|| self.fresh())
    }

    fn fresh(&mut self) -> Slot {
        self.next += 1;
        self.next - 1
    }

    /// The slot of a value that is being defined, or of one that an earlier block names already.
    pub(crate) fn define(&mut self, value: Value) -> Slot {
        let i = value.index();
        if let Some(slot) = self.slot[i] {
            return slot;
        }
        let slot = if self.uses.wide[i] { self.fresh() } else { self.recycled() };
        self.slot[i] = Some(slot);
        if self.uses.counts[i] == 0 && !self.uses.wide[i] {
            self.dying.push(slot);
        }
        slot
    }

    /// Lets a value live in a slot that another one owns.
    pub(crate) fn share(&mut self, value: Value, owner: Value) -> Slot {
        let slot = self.define(owner);
        self.slot[value.index()] = Some(slot);
        // The owner keeps the slot when this value dies.
        self.uses.wide[value.index()] = true;
        slot
    }

    /// Counts a use of a value; whether it was the last one.
    pub(crate) fn count_down(&mut self, value: Value) -> bool {
        let left = &mut self.left[value.index()];
        *left = left.saturating_sub(1);
        *left == 0
    }

    /// The slot of an operand; its last use gives the slot back.
    pub(crate) fn take(&mut self, value: Value) -> Slot {
        // Without a slot so far it is defined by a block that comes later in the list.
        let slot = self.define(value);
        if self.count_down(value) && !self.uses.wide[value.index()] {
            self.dying.push(slot);
        }
        slot
    }
}
