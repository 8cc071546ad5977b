//! Where variables are, for lists of thousands of paths: each is found without a look at all the others.

use lineshaft_plc_compiler::layout::{Elementary, Layout, Leaf, Place, TypeDesc};
use std::collections::HashMap;

/// The variables of a program by their paths.
pub struct Places<'a> {
    /// Of the program.
    pub layout: &'a Layout,
    leaves: HashMap<String, &'a Leaf>,
}

impl<'a> Places<'a> {
    /// Looks at every variable once.
    pub fn new(layout: &'a Layout) -> Self {
        let leaves = layout.leaves.iter().map(|leaf| (leaf.path.to_ascii_uppercase(), leaf)).collect();
        Self { layout, leaves }
    }

    /// The place of a variable that users see.
    pub fn find(&self, path: &str) -> Option<Place> {
        let place = match self.leaves.get(&path.to_ascii_uppercase()) {
            Some(leaf) if leaf.flags.hidden => return None,
            Some(leaf) => Place { offset: leaf.offset, bit: leaf.bit, ty: leaf.ty },
            None => self.layout.find(path)?,
        };
        (place.offset.checked_add(self.layout.size_of(place.ty))? <= self.layout.bytes).then_some(place)
    }

    /// What else writes a variable, or forbids that anything does; `None` if nothing.
    pub fn obstacle(&self, path: &str, place: Place) -> Option<&'static str> {
        let sections = &self.layout.sections;
        if sections.inputs.contains(&place.offset) {
            return Some("is an input of the process image, which a driver writes");
        }
        if sections.outputs.contains(&place.offset) {
            return Some("is an output of the process image, which the program writes");
        }
        let plain = self.leaves.contains_key(&path.to_ascii_uppercase());
        if !plain && self.layout.alias_in(path).is_some_and(|alias| !alias.writable) {
            return Some("is READ_ONLY in its VAR_ACCESS");
        }
        let end = place.offset + self.layout.size_of(place.ty);
        // Leaves are in order of their offsets, and but for bits of one byte none lies in another.
        let after = self.layout.leaves.partition_point(|leaf| leaf.offset < end);
        let touched = self.layout.leaves[..after].iter().rev().take_while(|leaf| {
            leaf.offset >= place.offset || leaf.offset.saturating_add(leaf.bytes) > place.offset
        });
        let mut obstacle = None;
        for leaf in touched {
            if leaf.flags.constant {
                return Some("is a constant");
            }
            if leaf.flags.output && leaf.bit == place.bit {
                obstacle = Some("is an output (VAR_OUTPUT), which its own block writes");
            }
        }
        obstacle
    }

    pub(super) fn is(&self, place: Place, wanted: Elementary) -> bool {
        place.bit.is_none()
            && matches!(self.layout.types[place.ty.0 as usize], TypeDesc::Elementary(e) if e == wanted)
    }
}
