//! Compiles the functions of a module and puts them beside each other.

use super::plan::Plan;
use super::translate::translate;
use super::{Refusal, align};
use cranelift_codegen::binemit::Reloc;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::ExternalName;
use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::{Context, FinalizedRelocTarget};
use cranelift_frontend::FunctionBuilderContext;
use lineshaft_plc_compiler::ir::FuncId;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instructions of IR from which on a second thread pays for itself.
const THREAD_INSTS: usize = 2_000;
/// Threads at most.
const THREADS_MAX: usize = 4;

/// A compiled function.
pub(super) struct Body {
    code: Vec<u8>,
    calls: Vec<Call>,
    /// Where its smallest loop begins.
    smallest_loop: Option<usize>,
    /// Bytes of native stack that it takes.
    stack: usize,
}

/// A call of another function of the module, by a relative address that is still to be filled in.
struct Call {
    at: usize,
    kind: Reloc,
    callee: usize,
    addend: i64,
}

/// Optimises and compiles all functions; they come in the order of the module.
pub(super) fn compile(plan: &Plan<'_>, isa: &dyn TargetIsa) -> Result<Vec<Body>, Refusal> {
    let mut order: Vec<(usize, usize)> = plan
        .program
        .functions()
        .map(|function| function.blocks.iter().map(|block| block.insts.len() + 1).sum())
        .enumerate()
        .collect();
    // The longest first, so that all threads end at about the same time.
    order.sort_by_key(|(_, insts)| std::cmp::Reverse(*insts));
    let insts: usize = order.iter().map(|(_, insts)| insts).sum();
    let functions = order.len();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = (insts / THREAD_INSTS + 1).min(cores).min(THREADS_MAX).min(functions.max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut worker = Worker { context: Context::new(), frontend: FunctionBuilderContext::new() };
        let mut done = Vec::new();
        loop {
            let Some((index, _)) = order.get(next.fetch_add(1, Ordering::Relaxed)).copied() else {
                return Ok(done);
            };
            done.push((index, worker.compile(plan, isa, FuncId(index as u32))?));
        }
    };
    let parts: Vec<Result<Vec<(usize, Body)>, Refusal>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined = others.into_iter().map(|other| {
            other.join().unwrap_or_else(|_| Err(Refusal::Unsupported("the code generator failed".to_owned())))
        });
        std::iter::once(own).chain(joined).collect()
    });
    let mut bodies = Vec::with_capacity(functions);
    for part in parts {
        bodies.extend(part?);
    }
    bodies.sort_by_key(|(index, _)| *index);
    Ok(bodies.into_iter().map(|(_, body)| body).collect())
}

struct Worker {
    context: Context,
    frontend: FunctionBuilderContext,
}

impl Worker {
    fn compile(&mut self, plan: &Plan<'_>, isa: &dyn TargetIsa, func: FuncId) -> Result<Body, Refusal> {
        let unsupported = |why: &dyn std::fmt::Display| {
            Refusal::Unsupported(format!("{}: {why}", plan.function(func).name))
        };
        self.context.clear();
        let function = plan.program.optimise(func);
        self.context.func = translate(plan, func, &function, &mut self.frontend, isa.frontend_config());
        self.context.compile(isa, &mut ControlPlane::default()).map_err(|error| {
            unsupported(&cranelift_codegen::print_errors::pretty_error(error.func, error.inner))
        })?;
        let compiled = self.context.compiled_code().expect("it was compiled just now");
        let names = self.context.func.params.user_named_funcs();
        let calls = compiled.buffer.relocs().iter().map(|reloc| {
            let FinalizedRelocTarget::ExternalName(ExternalName::User(name)) = reloc.target else {
                // The processor lacks an instruction that every one of the last fifteen years has.
                return Err(unsupported(&"needs a routine that the engine does not have"));
            };
            let callee = names[name].index as usize;
            Ok(Call { at: reloc.offset as usize, kind: reloc.kind, callee, addend: reloc.addend })
        });
        let calls = calls.collect::<Result<_, _>>()?;
        let frame = compiled.buffer.frame_layout().map_or(0, |layout| layout.frame_to_fp_offset as usize);
        // Return address and frame pointer, and arguments on the stack.
        let pushed = 16 + 8 * self.context.func.signature.params.len();
        let smallest_loop = align::smallest_loop(&compiled.bb_edges);
        Ok(Body { code: compiled.code_buffer().to_vec(), calls, smallest_loop, stack: frame + pushed })
    }
}

/// Native stack of the deepest path of calls.
pub(super) fn stack_bytes(plan: &Plan<'_>, bodies: &[Body]) -> usize {
    if plan.recursive {
        let largest = bodies.iter().map(|body| body.stack).max().unwrap_or(0);
        return largest.saturating_mul(lineshaft_plc_compiler::MAX_CALL_DEPTH + 1);
    }
    let mut known = vec![None; bodies.len()];
    (0..bodies.len()).map(|func| path(plan, bodies, func, &mut known)).max().unwrap_or(0)
}

/// Calls nest at most as deep as the compiler allows, and so does this.
fn path(plan: &Plan<'_>, bodies: &[Body], func: usize, known: &mut [Option<usize>]) -> usize {
    if let Some(known) = known[func] {
        return known;
    }
    let mut below = 0;
    for callee in plan.program.callees(FuncId(func as u32)) {
        below = below.max(path(plan, bodies, callee.index(), known));
    }
    let bytes = bodies[func].stack.saturating_add(below);
    known[func] = Some(bytes);
    bytes
}

/// All code with its calls filled in, and where each function begins.
pub(super) fn link(bodies: &[Body]) -> Result<(Vec<u8>, Vec<usize>), Refusal> {
    let mut code = Vec::new();
    let mut starts = Vec::with_capacity(bodies.len());
    for body in bodies {
        code.resize(align::start(code.len(), body.smallest_loop), 0);
        starts.push(code.len());
        code.extend_from_slice(&body.code);
    }
    for (body, start) in bodies.iter().zip(&starts) {
        for call in &body.calls {
            let at = start + call.at;
            let distance = starts[call.callee] as i64 + call.addend - at as i64;
            fill_in(&mut code[at..at + 4], call.kind, distance)?;
        }
    }
    Ok((code, starts))
}

fn fill_in(word: &mut [u8], kind: Reloc, distance: i64) -> Result<(), Refusal> {
    let far = || Refusal::Unsupported("the program is too large for relative calls".to_owned());
    let mut bytes = [0; 4];
    bytes.copy_from_slice(word);
    let filled = match kind {
        Reloc::X86PCRel4 | Reloc::X86CallPCRel4 => i32::try_from(distance).map_err(|_| far())?.to_le_bytes(),
        Reloc::Arm64Call => {
            // 26 bits count instructions of 4 bytes.
            let steps = distance >> 2;
            if !(-(1 << 25)..1 << 25).contains(&steps) {
                return Err(far());
            }
            (u32::from_le_bytes(bytes) | steps as u32 & 0x03ff_ffff).to_le_bytes()
        }
        kind => return Err(Refusal::Unsupported(format!("relocation {kind:?}"))),
    };
    word.copy_from_slice(&filled);
    Ok(())
}
