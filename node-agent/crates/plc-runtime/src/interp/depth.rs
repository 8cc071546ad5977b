//! How many slots the deepest path of calls needs.

use super::code::Code;
use lineshaft_plc_compiler::MAX_CALL_DEPTH;

/// Slots for a module that recurses through dispatch, beside those of its largest function: what does not fit is
/// a fault at run time.
const SLOTS_OF_RECURSION: usize = 64 * 1024;

/// Slots of the functions that run at one time, at most.
pub(crate) fn slots(code: &Code) -> usize {
    let mut known = vec![Known::Not; code.functions.len()];
    let deepest = (0..code.functions.len()).try_fold(0, |deepest, func| {
        let below = below(code, func, &mut known, 0)?;
        Some(deepest.max(below))
    });
    deepest.unwrap_or_else(|| {
        let largest = code.functions.iter().map(|f| f.slots as usize).max().unwrap_or(0);
        largest + SLOTS_OF_RECURSION
    })
}

#[derive(Clone, Copy)]
enum Known {
    Not,
    /// On the path that is being followed.
    Open,
    Slots(usize),
}

/// Slots of a function and what it calls; `None` if that recurses.
fn below(code: &Code, func: usize, known: &mut [Known], depth: usize) -> Option<usize> {
    match known[func] {
        Known::Slots(slots) => return Some(slots),
        Known::Open => return None,
        Known::Not if depth > MAX_CALL_DEPTH => return None,
        Known::Not => known[func] = Known::Open,
    }
    let function = &code.functions[func];
    let mut deepest = 0;
    for call in &code.calls[function.calls.start as usize..function.calls.end as usize] {
        if call.helper.is_some() {
            continue;
        }
        let callees = match call.dispatch {
            None => vec![call.func],
            Some((slot, _)) => code.dispatch[slot as usize].iter().flatten().copied().collect(),
        };
        for callee in callees {
            deepest = deepest.max(below(code, callee as usize, known, depth + 1)?);
        }
    }
    let slots = function.slots as usize + deepest;
    known[func] = Known::Slots(slots);
    Some(slots)
}
