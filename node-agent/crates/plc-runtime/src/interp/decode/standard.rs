//! Which functions are standard function blocks that the engine calls without executing their instructions.

use crate::fault::STANDARD_FILE;
use crate::interp::code::Handler;
use crate::interp::ops;
use crate::interp::standard::{Block, Ctd, Ctu, Ctud, FTrig, Member, RTrig, Rs, Sr, Tof, Ton, Tp};
use lineshaft_plc_compiler::ir::{Function, Module, Op, Terminator, Value};
use std::collections::BTreeSet;

/// The handler of a call of this function, if it is a standard block: it comes from the library under the name of
/// one, its instance looks as expected, and it does nothing else. A block that a test replaces is not from the
/// library, and one that counts its statements or reads the clock of a test accesses more than its instance.
pub(in crate::interp) fn routine(module: &Module, function: &Function) -> Option<Handler> {
    let (members, run) = by_name(&function.name)?;
    let members: BTreeSet<Member> = members.iter().copied().collect();
    (is_of_library(module, function) && accessed(function)? == members).then_some(run)
}

/// The members that a block of this name has, and the handler of its calls.
pub(in crate::interp) fn by_name(name: &str) -> Option<(&'static [Member], Handler)> {
    Some(match name {
        "SR" => of::<Sr>(),
        "RS" => of::<Rs>(),
        "R_TRIG" => of::<RTrig>(),
        "F_TRIG" => of::<FTrig>(),
        "CTU" | "CTU_INT" => of::<Ctu<i16>>(),
        "CTU_DINT" => of::<Ctu<i32>>(),
        "CTU_LINT" => of::<Ctu<i64>>(),
        "CTU_UDINT" => of::<Ctu<u32>>(),
        "CTU_ULINT" => of::<Ctu<u64>>(),
        "CTD" | "CTD_INT" => of::<Ctd<i16>>(),
        "CTD_DINT" => of::<Ctd<i32>>(),
        "CTD_LINT" => of::<Ctd<i64>>(),
        "CTD_UDINT" => of::<Ctd<u32>>(),
        "CTD_ULINT" => of::<Ctd<u64>>(),
        "CTUD" | "CTUD_INT" => of::<Ctud<i16>>(),
        "CTUD_DINT" => of::<Ctud<i32>>(),
        "CTUD_LINT" => of::<Ctud<i64>>(),
        "CTUD_UDINT" => of::<Ctud<u32>>(),
        "CTUD_ULINT" => of::<Ctud<u64>>(),
        "TON" | "TON_TIME" | "TON_LTIME" => of::<Ton>(),
        "TOF" | "TOF_TIME" | "TOF_LTIME" => of::<Tof>(),
        "TP" | "TP_TIME" | "TP_LTIME" => of::<Tp>(),
        _ => return None,
    })
}

fn of<B: Block>() -> (&'static [Member], Handler) {
    (B::MEMBERS, ops::call_standard::<B>)
}

fn is_of_library(module: &Module, function: &Function) -> bool {
    let mut sites = function.blocks.iter().flat_map(|block| &block.insts).map(|inst| inst.site);
    sites.all(|site| module.sites.get(site.index()).is_some_and(|site| &*site.file == STANDARD_FILE))
}

/// What a function accesses behind its only parameter, if it does nothing but compute and access that and its frame.
fn accessed(function: &Function) -> Option<BTreeSet<Member>> {
    let &[this] = function.blocks.first()?.params.as_slice() else { return None };
    if function.blocks.iter().any(|block| matches!(block.end, Terminator::Fault { .. })) {
        return None;
    }
    let insts = || function.blocks.iter().flat_map(|block| &block.insts);
    let in_frame: BTreeSet<Value> =
        insts().filter(|inst| matches!(inst.op, Op::FrameAddr(_))).filter_map(|inst| inst.result).collect();
    let mut members = BTreeSet::new();
    for inst in insts() {
        let (ptr, offset, value) = match inst.op {
            Op::Load { ptr, offset } => (ptr, offset, inst.result?),
            Op::Store { ptr, offset, value } => (ptr, offset, value),
            Op::Const(_)
            | Op::FrameAddr(_)
            | Op::Now
            | Op::Int { .. }
            | Op::IntCmp { .. }
            | Op::Select { .. } => continue,
            _ => return None,
        };
        if ptr == this {
            members.insert((offset as usize, function.value_types[value.index()].size() as usize));
        } else if !in_frame.contains(&ptr) {
            return None;
        }
    }
    Some(members)
}
