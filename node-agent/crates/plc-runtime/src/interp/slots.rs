//! Which values live in which slots.
//!
//! A value that is used only in the block that makes it takes a slot that others take again after its last
//! use; any other value has a slot of its own. So a long body needs few slots, and no value must be moved.

use super::code::Slot;
use lineshaft_plc_compiler::ir::Value;

/// How often and where each value is used, gathered before slots are given out.
#[derive(Debug)]
pub(crate) struct Uses {
    /// Uses as an operand in a slot.
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
    next: Slot,
}

impl Slots {
    pub(crate) fn new(uses: Uses) -> Self {
        let values = uses.counts.len();
        Self { left: uses.counts.clone(), uses, slot: vec![None; values], free: Vec::new(), next: 0 }
    }

    /// Slots taken in all.
    pub(crate) fn total(&self) -> u32 {
        self.next
    }

    pub(crate) fn is_used(&self, value: Value) -> bool {
        self.uses.counts[value.index()] > 0
    }

    /// A slot that belongs to nobody else, for the length of the function.
    pub(crate) fn fresh(&mut self) -> Slot {
        self.next += 1;
        self.next - 1
    }

    /// The slot of a value that is being defined, or of one that an earlier block names already.
    pub(crate) fn define(&mut self, value: Value) -> Slot {
        let i = value.index();
        if let Some(slot) = self.slot[i] {
            return slot;
        }
        let recycled = if self.uses.wide[i] { None } else { self.free.pop() };
        let slot = recycled.unwrap_or_else(|| self.fresh());
        self.slot[i] = Some(slot);
        if self.uses.counts[i] == 0 && !self.uses.wide[i] {
            self.free.push(slot);
        }
        slot
    }

    /// The slot of an operand; its last use gives the slot back.
    pub(crate) fn take(&mut self, value: Value) -> Slot {
        let i = value.index();
        let slot = match self.slot[i] {
            Some(slot) => slot,
            // Defined by a block that comes later in the list.
            None => self.define(value),
        };
        self.left[i] = self.left[i].saturating_sub(1);
        if self.left[i] == 0 && !self.uses.wide[i] {
            self.free.push(slot);
        }
        slot
    }
}
