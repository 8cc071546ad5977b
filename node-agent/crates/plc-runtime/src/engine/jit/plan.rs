//! What is known of a whole module before its functions are translated, each on its own.

use crate::interp::Routine;
use cranelift_codegen::ir::{AbiParam, Signature, Type, types};
use cranelift_codegen::isa::CallConv;
use lineshaft_plc_compiler::ir::{FuncId, Function, Op, Ty};
use lineshaft_plc_compiler::passes::Prepared;
use std::collections::HashMap;

/// Shared by all translations.
pub(super) struct Plan<'m> {
    pub(super) program: &'m Prepared<'m>,
    pub(super) call_conv: CallConv,
    pub(super) state_bytes: u32,
    /// Back edges are counted.
    pub(super) budgeted: bool,
    /// Some path of calls may come back to where it began: depth and frames are checked at each call.
    pub(super) recursive: bool,
    /// Routines of the standard library, by their number.
    pub(super) routines: HashMap<Routine, u32>,
}

impl<'m> Plan<'m> {
    pub(super) fn new(
        program: &'m Prepared<'m>,
        state_bytes: u32,
        call_conv: CallConv,
        budgeted: bool,
    ) -> Self {
        let mut routines = HashMap::new();
        for function in program.functions() {
            for inst in function.blocks.iter().flat_map(|block| &block.insts) {
                if let Op::Helper { helper, args } = &inst.op {
                    let next = routines.len() as u32;
                    let routine = Routine::new(*helper, args, inst.result, &function.value_types);
                    routines.entry(routine).or_insert(next);
                }
            }
        }
        Self { program, call_conv, state_bytes, budgeted, recursive: recursive(program), routines }
    }

    /// Routines in the order of their numbers.
    pub(super) fn routine_table(&self) -> Box<[Routine]> {
        let mut table: Vec<(u32, Routine)> = self.routines.iter().map(|(r, index)| (*index, *r)).collect();
        table.sort_by_key(|(index, _)| *index);
        table.into_iter().map(|(_, routine)| routine).collect()
    }

    /// A function before its own passes, which change neither name nor signature, frame or calls.
    pub(super) fn function(&self, func: FuncId) -> &'m Function {
        self.program.function(func)
    }

    /// State block, context and frame, then the parameters; a status, then the result.
    pub(super) fn signature(&self, func: FuncId) -> Signature {
        let function = self.function(func);
        let mut signature = Signature::new(self.call_conv);
        signature.params.extend([AbiParam::new(types::I64); 3]);
        let params = function.blocks.first().map_or(&[][..], |block| &block.params);
        let types = params.iter().map(|param| machine(function.value_types[param.index()]));
        signature.params.extend(types.map(AbiParam::new));
        signature.returns.push(AbiParam::new(types::I32));
        signature.returns.extend(function.result.map(|ty| AbiParam::new(machine(ty))));
        signature
    }
}

/// The machine's type for a value.
pub(super) fn machine(ty: Ty) -> Type {
    match ty {
        Ty::I8 => types::I8,
        Ty::I16 => types::I16,
        Ty::I32 => types::I32,
        Ty::I64 | Ty::Ptr => types::I64,
        Ty::F32 => types::F32,
        Ty::F64 => types::F64,
    }
}

/// Whether calls can come back to a function that has not returned.
fn recursive(program: &Prepared<'_>) -> bool {
    let functions = program.module().functions.len();
    let callees: Vec<Vec<FuncId>> = (0..functions).map(|func| program.callees(FuncId(func as u32))).collect();
    let mut open = vec![0; functions];
    for callee in callees.iter().flatten() {
        open[callee.index()] += 1;
    }
    // Functions that nobody calls are taken away until none is left, or a circle.
    let mut free: Vec<usize> = (0..functions).filter(|f| open[*f] == 0).collect();
    let mut left = functions;
    while let Some(function) = free.pop() {
        left -= 1;
        for callee in &callees[function] {
            open[callee.index()] -= 1;
            if open[callee.index()] == 0 {
                free.push(callee.index());
            }
        }
    }
    left > 0
}
