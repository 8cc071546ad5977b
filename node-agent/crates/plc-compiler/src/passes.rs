//! Passes over the IR: they make it faster and change nothing that anybody can see, neither the state after a
//! scan nor the record of a fault. The interpreter runs the IR as it was lowered and so is their oracle.

mod cfg;
mod inline;
mod pointer;
mod polls;
mod promote;
mod ranges;
mod region;

use crate::ir::{FuncId, Function, Helper, Module, Op, Ty, verify};
use crate::program::Program;
use cfg::Shape;
use pointer::{Hull, Pointers};

/// Bytes of frames that one path of calls may take; see `lower`.
const FRAMES_MAX: u64 = crate::lower::MAX_FRAMES;

/// Optimises all functions of a program. `None` if that is not done. `counted`: back edges are counted, so each one
/// keeps its poll.
pub fn optimise(program: &Program, counted: bool) -> Option<Module> {
    let mut module = program.module.clone();
    let order = callers_first(&module);
    let mut hulls: Vec<Vec<Hull>> = module.functions.iter().map(|f| vec![Hull::Nothing; params(f)]).collect();
    if let Some(order) = &order {
        inline::inline(&mut module, order);
        if frames(&module, order) > FRAMES_MAX {
            return None;
        }
        for instance in &program.instances {
            if let Some(this) = hulls[instance.entry.index()].first_mut() {
                *this = this.join(Hull::State(i64::from(instance.offset), i64::from(instance.offset)));
            }
        }
    } else {
        // Frames and depths of calls that recurse must stay what they are, and parameters may be anything.
        hulls.iter_mut().flatten().for_each(|hull| *hull = Hull::Unknown);
    }
    let sites = module.sites.len();
    let order = order.unwrap_or_else(|| (0..module.functions.len() as u32).map(FuncId).collect());
    for func in order {
        let own = hulls[func.index()].clone();
        let function = &mut module.functions[func.index()];
        let shape = Shape::new(function);
        let pointers = Pointers::new(function, &shape.order, &own);
        pass_on(function, &module.dispatch, &pointers, &shape, &mut hulls);
        promote::promote(function, &shape, &pointers, sites);
        ranges::apply(function, &shape);
        if !counted {
            polls::thin_out(function, &shape);
        }
    }
    debug_assert_eq!(verify(&module), Ok(()));
    Some(module)
}

/// Where the parameters of all functions that are called here may point to.
fn pass_on(
    function: &Function,
    dispatch: &[Vec<Option<FuncId>>],
    pointers: &Pointers<'_>,
    shape: &Shape,
    hulls: &mut [Vec<Hull>],
) {
    for inst in shape.order.iter().flat_map(|block| &function.blocks[*block].insts) {
        let (targets, this, args) = match &inst.op {
            Op::Call { func, args } => (std::slice::from_ref(func).to_vec(), None, args),
            Op::CallVirtual { slot, this, args, .. } => {
                (dispatch[*slot as usize].iter().flatten().copied().collect(), Some(this), args)
            }
            _ => continue,
        };
        for func in targets {
            for (hull, arg) in hulls[func.index()].iter_mut().zip(this.into_iter().chain(args)) {
                if function.value_types[arg.index()] == Ty::Ptr {
                    *hull = hull.join(pointers.hull(*arg));
                }
            }
        }
    }
}

/// Whether an instruction may end the scan.
fn may_fault(op: &Op) -> bool {
    match op {
        Op::Div { .. }
        | Op::Call { .. }
        | Op::CallVirtual { .. }
        | Op::CheckIndex { .. }
        | Op::CheckIndexIn { .. }
        | Op::CheckRange { .. }
        | Op::CheckNull(_)
        | Op::CheckPointer { .. }
        | Op::Poll => true,
        Op::Helper { helper, .. } => {
            matches!(helper, Helper::Assert | Helper::StrGet { .. } | Helper::StrSet { .. })
        }
        _ => false,
    }
}

fn params(function: &Function) -> usize {
    function.blocks.first().map_or(0, |block| block.params.len())
}

/// Every function before those that it calls; `None` if calls can come back to where they began.
fn callers_first(module: &Module) -> Option<Vec<FuncId>> {
    let mut callers = vec![0_usize; module.functions.len()];
    for callee in module.functions.iter().flat_map(|function| callees(module, function)) {
        callers[callee.index()] += 1;
    }
    let mut free: Vec<usize> = (0..callers.len()).filter(|f| callers[*f] == 0).collect();
    let mut order = Vec::with_capacity(callers.len());
    while let Some(function) = free.pop() {
        order.push(FuncId(function as u32));
        for callee in callees(module, &module.functions[function]) {
            callers[callee.index()] -= 1;
            if callers[callee.index()] == 0 {
                free.push(callee.index());
            }
        }
    }
    (order.len() == callers.len()).then_some(order)
}

fn callees(module: &Module, function: &Function) -> Vec<FuncId> {
    let mut callees = Vec::new();
    for inst in function.blocks.iter().flat_map(|block| &block.insts) {
        match &inst.op {
            Op::Call { func, .. } => callees.push(*func),
            Op::CallVirtual { slot, .. } => callees.extend(module.dispatch[*slot as usize].iter().flatten()),
            _ => {}
        }
    }
    callees
}

/// Bytes of the frames on the deepest path.
fn frames(module: &Module, callers_first: &[FuncId]) -> u64 {
    let mut bytes = vec![0_u64; module.functions.len()];
    for func in callers_first.iter().rev() {
        let function = &module.functions[func.index()];
        let below = callees(module, function).into_iter().map(|callee| bytes[callee.index()]).max();
        bytes[func.index()] = below.unwrap_or(0) + u64::from(function.frame_bytes);
    }
    bytes.into_iter().max().unwrap_or(0)
}
