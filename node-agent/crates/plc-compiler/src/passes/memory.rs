//! What is known of the content of memory at some place of a function.

use super::pointer::{Hull, Pointer, Pointers, Root};
use super::region::{Overlap, Region, overlap};
use crate::ir::{Ty, Value};

/// Places that are remembered at one time.
const PLACES_MAX: usize = 40;

/// What addresses count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The start of the state block.
    State,
    /// The address that a value holds.
    Value(Value),
}

/// A scalar in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) offset: i64,
    pub(super) ty: Ty,
}

/// What a place holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Value(Value),
    /// What joins there: the number of a `forward::Join`.
    Join(usize),
}

/// Places with their contents, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    known: Vec<(Place, Region, Content)>,
}

impl Memory {
    pub(super) fn get(&self, place: Place) -> Option<Content> {
        self.known.iter().rev().find(|(known, ..)| *known == place).map(|(.., content)| *content)
    }

    pub(super) fn set(&mut self, place: Place, region: Region, content: Content) {
        if let Some(known) = self.known.iter_mut().find(|(known, ..)| *known == place) {
            known.2 = content;
            return;
        }
        if self.known.len() == PLACES_MAX {
            self.known.remove(0);
        }
        self.known.push((place, region, content));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Place, Region, Content)> {
        self.known.iter().copied()
    }

    pub(super) fn forget_all(&mut self) {
        self.known.clear();
    }

    /// Something was written there; `place` tells more about the address, if it is known.
    pub(super) fn written(&mut self, place: Option<Place>, region: Region, hulls: &[Hull]) {
        self.known.retain(|(known, own, _)| !clash(known, *own, place, region, hulls));
    }
}

/// Whether a write may change a known place.
fn clash(known: &Place, own: Region, place: Option<Place>, region: Region, hulls: &[Hull]) -> bool {
    if let Some(place) = place
        && place.base == known.base
    {
        // From the same address, offsets tell everything.
        let end = |place: &Place| place.offset + i64::from(place.ty.size());
        return place.offset < end(known) && known.offset < end(&place);
    }
    match (own, region) {
        // An address of which nothing is known may be that of a frame.
        (_, Region::Anywhere) | (Region::Anywhere, _) => true,
        _ => overlap(own, region, hulls) != Overlap::Never,
    }
}

/// The bytes that an access touches.
pub(super) fn region(pointers: &Pointers<'_>, base: Base, offset: i64, bytes: u32) -> Region {
    let pointer = match base {
        Base::State => Some(Pointer { root: Root::State, low: 0, high: 0 }),
        Base::Value(value) => pointers.of(value),
    };
    match pointer {
        None => Region::Anywhere,
        // A parameter that may be anything may be anywhere.
        Some(Pointer { root: Root::Param(param), .. }) if pointers.hulls[param as usize] == Hull::Unknown => {
            Region::Anywhere
        }
        Some(pointer) => {
            let at = pointer.moved(offset, offset);
            Region::Bytes(at.root, at.low, at.high.saturating_add(i64::from(bytes)))
        }
    }
}
