//! Parts of memory, and whether they may be the same.

use super::pointer::{Hull, Root};
use std::collections::HashMap;

/// Bytes that an operation touches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Region {
    /// From the root: first, and behind the last.
    Bytes(Root, i64, i64),
    /// Anything but frames of which no address is given away.
    Anywhere,
}

/// How two regions lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overlap {
    Never,
    /// Perhaps, depending on addresses that are not known here.
    Perhaps,
    /// They share bytes, or an unknown element of one is the other.
    Surely,
}

pub(super) fn overlap(a: Region, b: Region, hulls: &[Hull]) -> Overlap {
    let (Region::Bytes(a_root, a_low, a_high), Region::Bytes(b_root, b_low, b_high)) = (a, b) else {
        let frame = |r| matches!(r, Region::Bytes(Root::Frame, ..));
        return if frame(a) || frame(b) { Overlap::Never } else { Overlap::Perhaps };
    };
    let meet = |a: (i64, i64), b: (i64, i64)| a.0 < b.1 && b.0 < a.1;
    if a_root == b_root {
        return if meet((a_low, a_high), (b_low, b_high)) { Overlap::Surely } else { Overlap::Never };
    }
    let place = |root, low: i64, high: i64| match root {
        Root::State => Some((low, high)),
        Root::Frame => None,
        Root::Param(param) => match hulls[param as usize] {
            Hull::State(first, last) => Some((first.saturating_add(low), last.saturating_add(high))),
            _ => None,
        },
    };
    let outside = |root| match root {
        Root::Param(param) => hulls[param as usize] == Hull::Outside,
        _ => false,
    };
    match (place(a_root, a_low, a_high), place(b_root, b_low, b_high)) {
        (Some(a), Some(b)) if !meet(a, b) => Overlap::Never,
        (Some(_), Some(_)) => Overlap::Perhaps,
        _ if a_root == Root::Frame || b_root == Root::Frame => Overlap::Never,
        (Some(_), None) if outside(b_root) => Overlap::Never,
        (None, Some(_)) if outside(a_root) => Overlap::Never,
        _ => Overlap::Perhaps,
    }
}

/// Regions that no candidate may share bytes with.
pub(super) struct Bad {
    /// By root, sorted: first byte, and the last end up to there.
    ranges: HashMap<Root, Vec<(i64, i64)>>,
}

impl Bad {
    pub(super) fn new(regions: &[Region]) -> Self {
        let mut ranges: HashMap<Root, Vec<(i64, i64)>> = HashMap::new();
        for region in regions {
            if let Region::Bytes(root, low, high) = region {
                ranges.entry(*root).or_default().push((*low, *high));
            }
        }
        for list in ranges.values_mut() {
            list.sort_unstable();
            let mut furthest = i64::MIN;
            for (_, high) in list.iter_mut() {
                furthest = furthest.max(*high);
                *high = furthest;
            }
        }
        Self { ranges }
    }

    /// Whether one of them shares a byte with these of a root.
    pub(super) fn touches(&self, root: Root, start: i64, end: i64) -> bool {
        let Some(list) = self.ranges.get(&root) else { return false };
        let before = list.partition_point(|(low, _)| *low < end);
        before > 0 && list[before - 1].1 > start
    }
}
