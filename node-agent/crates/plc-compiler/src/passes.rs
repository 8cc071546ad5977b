//! Passes over the IR: they make it faster and change nothing that anybody can see, neither the state after a
//! scan nor the record of a fault. The interpreter runs the IR as it was lowered and so is their oracle.

mod cfg;
mod dead;
mod fold;
mod forward;
mod inline;
mod memory;
mod pointer;
mod polls;
mod promote;
mod ranges;
mod region;
mod same;
mod select;
mod set;
mod strength;
mod trips;

use crate::ir::{FuncId, Function, Helper, Module, Op, Ty, verify_function};
use crate::program::Program;
use cfg::Shape;
use pointer::{Hull, Pointers};

/// Bytes of frames that one path of calls may take; see `lower`.
const FRAMES_MAX: u64 = crate::lower::MAX_FRAMES;

/// A program whose functions can be optimised each on its own, in any order and on any thread: the result is the
/// same. What the passes need to know of the whole program is found before.
#[derive(Debug)]
pub struct Prepared<'p> {
    module: &'p Module,
    /// The functions in which calls were inlined.
    inlined: Vec<Option<Function>>,
    /// Where the parameters of each function may point to.
    hulls: Vec<Vec<Hull>>,
    /// Back edges are counted, so each one keeps its poll.
    counted: bool,
}

impl<'p> Prepared<'p> {
    /// Inlines calls and looks at all that are left. `counted`: back edges are counted.
    pub fn new(program: &'p Program, counted: bool) -> Self {
        let module = &program.module;
        let inlined = (0..module.functions.len()).map(|_| None).collect();
        let mut prepared = Self { module, inlined, hulls: Vec::new(), counted };
        let Some(order) = callers_first(&prepared) else {
            // Frames and depths of calls that recurse must stay what they are, and parameters may be anything.
            prepared.hulls = prepared.all_hulls(Hull::Unknown);
            return prepared;
        };
        prepared.inlined = inline::inline(module, &order);
        if frames(&prepared, &order) > FRAMES_MAX {
            prepared.inlined.fill(None);
        }
        let mut hulls = prepared.all_hulls(Hull::Nothing);
        for instance in &program.instances {
            if let Some(this) = hulls[instance.entry.index()].first_mut() {
                *this = this.join(Hull::State(i64::from(instance.offset), i64::from(instance.offset)));
            }
        }
        for func in order {
            pass_on(prepared.function(func), &module.dispatch, func, &mut hulls);
        }
        prepared.hulls = hulls;
        prepared
    }

    /// The module as it was lowered; see [`Self::function`] for what its functions are now.
    pub fn module(&self) -> &'p Module {
        self.module
    }

    /// A function before it is optimised: its name, signature, frame and calls stay as they are here.
    pub fn function(&self, func: FuncId) -> &Function {
        self.inlined[func.index()].as_ref().unwrap_or(&self.module.functions[func.index()])
    }

    /// All functions, as [`Self::function`] gives them.
    pub fn functions(&self) -> impl Iterator<Item = &Function> {
        (0..self.module.functions.len()).map(|func| self.function(FuncId(func as u32)))
    }

    /// Functions that a function calls.
    pub fn callees(&self, func: FuncId) -> Vec<FuncId> {
        let mut callees = Vec::new();
        for inst in self.function(func).blocks.iter().flat_map(|block| &block.insts) {
            match &inst.op {
                Op::Call { func, .. } => callees.push(*func),
                Op::CallVirtual { slot, .. } => {
                    callees.extend(self.module.dispatch[*slot as usize].iter().flatten());
                }
                _ => {}
            }
        }
        callees
    }

    /// The optimised function.
    pub fn optimise(&self, func: FuncId) -> Function {
        let mut function = self.function(func).clone();
        let shape = Shape::new(&function);
        let pointers = Pointers::new(&function, &shape.order, &self.hulls[func.index()]);
        promote::promote(&mut function, &shape, &pointers, self.module.sites.len());
        let shape = if select::select(&mut function, &shape) { Shape::new(&function) } else { shape };
        let shape =
            if forward::forward(&mut function, &shape, &pointers) { Shape::new(&function) } else { shape };
        ranges::apply(&mut function, &shape);
        let loops = shape.loops().filter(|_| !self.counted);
        if let Some(loops) = &loops {
            trips::drop_polls(&mut function, &shape, loops);
        }
        // Before blocks are added, which the shape does not know.
        dead::remove(&mut function, &shape, self.module.sites.len());
        if let Some(loops) = &loops {
            polls::thin_out(&mut function, &shape, loops);
        }
        debug_assert_eq!(verify_function(self.module, &function), Ok(()));
        function
    }

    fn all_hulls(&self, hull: Hull) -> Vec<Vec<Hull>> {
        self.functions().map(|function| vec![hull; params(function)]).collect()
    }
}

/// Where the parameters of all functions that are called here may point to.
fn pass_on(function: &Function, dispatch: &[Vec<Option<FuncId>>], func: FuncId, hulls: &mut [Vec<Hull>]) {
    let calls = |op: &Op| matches!(op, Op::Call { .. } | Op::CallVirtual { .. });
    if !function.blocks.iter().flat_map(|block| &block.insts).any(|inst| calls(&inst.op)) {
        return;
    }
    let own = hulls[func.index()].clone();
    let order = cfg::order(function);
    let pointers = Pointers::new(function, &order, &own);
    for inst in order.iter().flat_map(|block| &function.blocks[*block].insts) {
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
fn callers_first(prepared: &Prepared<'_>) -> Option<Vec<FuncId>> {
    let all = 0..prepared.module.functions.len() as u32;
    let callees: Vec<Vec<FuncId>> = all.clone().map(|func| prepared.callees(FuncId(func))).collect();
    let mut callers = vec![0_usize; callees.len()];
    for callee in callees.iter().flatten() {
        callers[callee.index()] += 1;
    }
    let mut free: Vec<FuncId> = all.map(FuncId).filter(|func| callers[func.index()] == 0).collect();
    let mut order = Vec::with_capacity(callers.len());
    while let Some(func) = free.pop() {
        order.push(func);
        for callee in &callees[func.index()] {
            callers[callee.index()] -= 1;
            if callers[callee.index()] == 0 {
                free.push(*callee);
            }
        }
    }
    (order.len() == callers.len()).then_some(order)
}

/// Bytes of the frames on the deepest path.
fn frames(prepared: &Prepared<'_>, callers_first: &[FuncId]) -> u64 {
    let mut bytes = vec![0_u64; callers_first.len()];
    for func in callers_first.iter().rev() {
        let below = prepared.callees(*func).into_iter().map(|callee| bytes[callee.index()]).max();
        bytes[func.index()] = below.unwrap_or(0) + u64::from(prepared.function(*func).frame_bytes);
    }
    bytes.into_iter().max().unwrap_or(0)
}
