//! Small functions and function blocks in the place of their calls. What a fault inside of them must tell of the
//! calls that are gone is in the contexts of the instructions.

use crate::ir::{
    Block, BlockId, Context, FuncId, Function, Inlined, Inst, Jump, Module, Op, SiteId, Terminator, Ty, Value,
};
use std::collections::HashMap;

/// Operations of a body that is inlined, constants and addresses not counted.
const OPS_MAX: usize = 40;
/// Levels of calls that become one function.
const DEPTH_MAX: u32 = 3;
/// How many times as large a function may become, small ones not counted.
const GROWTH_MAX: usize = 4;
/// A function may always grow to so many operations.
const SMALL: usize = 400;

/// Inlines calls everywhere, innermost first. Gives the functions that have changed.
pub(super) fn inline(module: &Module, callers_first: &[FuncId]) -> Vec<Option<Function>> {
    let sites = module.sites.len();
    let mut depths = vec![0; module.functions.len()];
    let mut sizes: Vec<usize> = module.functions.iter().map(size).collect();
    let again: Vec<bool> = module.functions.iter().map(enters_again).collect();
    let mut inlined: Vec<Option<Function>> = module.functions.iter().map(|_| None).collect();
    for caller in callers_first.iter().rev() {
        let original = &module.functions[caller.index()];
        let mut changed: Option<Function> = None;
        let limit = (sizes[caller.index()] * GROWTH_MAX).max(SMALL);
        let mut open: Vec<usize> = (0..original.blocks.len()).collect();
        while let Some(block) = open.pop() {
            let fits = |func: FuncId, grown: usize| {
                let size = sizes[func.index()];
                size <= OPS_MAX && grown + size <= limit && depths[func.index()] < DEPTH_MAX
            };
            let grown = sizes[caller.index()];
            let insts = &changed.as_ref().unwrap_or(original).blocks[block].insts;
            let call = insts.iter().position(|inst| match inst.op {
                Op::Call { func, .. } => fits(func, grown) && !again[func.index()],
                _ => false,
            });
            let Some(at) = call else { continue };
            let Op::Call { func, ref args } = insts[at].op else { continue };
            let args = args.clone();
            let callee = inlined[func.index()].as_ref().unwrap_or(&module.functions[func.index()]);
            let function = changed.get_or_insert_with(|| original.clone());
            let next = Inliner { function, callee, func, sites }.replace(block, at, &args);
            open.push(next);
            sizes[caller.index()] += sizes[func.index()];
            depths[caller.index()] = depths[caller.index()].max(depths[func.index()] + 1);
        }
        inlined[caller.index()] = changed;
    }
    inlined
}

/// Operations that become instructions of their own.
fn size(function: &Function) -> usize {
    let insts = function.blocks.iter().flat_map(|block| &block.insts);
    insts
        .filter(|inst| {
            !matches!(
                inst.op,
                Op::Const(_) | Op::StateAddr(_) | Op::FrameAddr(_) | Op::Offset { .. } | Op::Now
            )
        })
        .count()
}

/// Whether something jumps to the entry.
fn enters_again(function: &Function) -> bool {
    function
        .blocks
        .iter()
        .flat_map(|block| super::cfg::jumps(&block.end))
        .any(|jump| jump.block == BlockId(0))
}

struct Inliner<'i> {
    function: &'i mut Function,
    callee: &'i Function,
    func: FuncId,
    sites: usize,
}

impl Inliner<'_> {
    /// Puts the callee in the place of a call. Gives the block that goes on behind it.
    fn replace(mut self, block: usize, at: usize, args: &[Value]) -> usize {
        let behind = self.function.blocks[block].insts.split_off(at + 1);
        let call = self.function.blocks[block].insts.pop().expect("the call is there");
        let first_value = self.function.value_types.len() as u32;
        self.function.value_types.extend(&self.callee.value_types);
        let params = &self.callee.blocks[0].params;
        let arguments: HashMap<Value, Value> = params.iter().copied().zip(args.iter().copied()).collect();
        let map = |value: Value| arguments.get(&value).copied().unwrap_or(Value(first_value + value.0));
        let frame = self.function.frame_bytes;
        self.function.frame_bytes += self.callee.frame_bytes;

        let next = self.function.blocks.len();
        let first_block = next + 1;
        let enter = Terminator::Jump(Jump { block: BlockId(first_block as u32), args: Vec::new() });
        let end = std::mem::replace(&mut self.function.blocks[block].end, enter);
        let params = call.result.into_iter().collect();
        self.function.blocks.push(Block { params, insts: behind, end });

        let this =
            self.callee.blocks[0].params.first().filter(|p| self.callee.value_types[p.index()] == Ty::Ptr);
        let this = this.map(|this| map(*this));
        let mut known = HashMap::new();
        for (index, body) in self.callee.blocks.iter().enumerate() {
            let params = if index == 0 { Vec::new() } else { body.params.iter().map(|p| map(*p)).collect() };
            let mut insts = Vec::with_capacity(body.insts.len());
            for inst in &body.insts {
                let mut op = inst.op.clone();
                crate::ir::rewrite(&mut op, map);
                if let Op::FrameAddr(offset) = &mut op {
                    *offset += frame;
                }
                let site = if super::may_fault(&op) {
                    *known.entry(inst.site).or_insert_with(|| self.context(inst.site, call.site, this, &map))
                } else {
                    call.site
                };
                insts.push(Inst { result: inst.result.map(map), op, site });
            }
            let mut end = body.end.clone();
            crate::ir::rewrite_end(&mut end, map);
            for jump in super::cfg::jumps_mut(&mut end) {
                jump.block.0 += first_block as u32;
            }
            match &mut end {
                Terminator::Fault { site, .. } => *site = self.context(*site, call.site, this, &map),
                Terminator::Return(value) => {
                    let args = call.result.and(*value).into_iter().collect();
                    end = Terminator::Jump(Jump { block: BlockId(next as u32), args });
                }
                Terminator::Jump(_) | Terminator::Branch { .. } => {}
            }
            self.function.blocks.push(Block { params, insts, end });
        }
        next
    }

    /// What a fault at a site of the callee means in the caller.
    fn context(
        &mut self,
        inner: SiteId,
        call: SiteId,
        this: Option<Value>,
        map: &impl Fn(Value) -> Value,
    ) -> SiteId {
        let (mut inlined, site) = match self.callee.context(inner, self.sites) {
            Some(context) => {
                let mut context = context.clone();
                context.rewrite(map);
                (context.inlined, context.site)
            }
            None => (Vec::new(), inner),
        };
        inlined.push(Inlined { func: self.func, site, this });
        let site = match self.function.context(call, self.sites) {
            Some(outer) => {
                inlined.extend_from_slice(&outer.inlined);
                outer.site
            }
            None => call,
        };
        self.function.contexts.push(Context { inlined, site, stores: Vec::new() });
        SiteId((self.sites + self.function.contexts.len() - 1) as u32)
    }
}
