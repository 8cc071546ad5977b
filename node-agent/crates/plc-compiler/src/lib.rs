//! Structured Text (IEC 61131-3 Ed. 3) to a typed intermediate representation, with diagnostics.
//!
//! Knows no file system, no clock, no engine and nothing of Kubernetes: texts in, [`Program`] or
//! [`Diagnostic`]s out, in bounded time, and never a panic on any bytes. The operator uses it to refuse bad
//! programs, the runner to run good ones.
//!
//! Start reading at [`compile`]. The way of a program: `lex` and `parse` make the syntax tree (`ast`), `model`
//! collects declarations, `check` makes the typed tree (`hir`), `config` decides what runs, `assemble` lays
//! out the state block, `lower` makes the IR.

#![allow(
    clippy::similar_names,
    reason = "capped and capacity, arm and arms: both are the word for what they are"
)]
#![allow(clippy::single_match_else, reason = "the failure stands beside the success, also where it is long")]

mod assemble;
mod ast;
mod check;
mod config;
pub mod diagnostic;
mod effects;
mod hir;
pub mod ir;
pub mod layout;
mod lex;
mod lower;
mod memory;
mod model;
mod parse;
pub mod passes;
mod program;
mod span;
mod standard;
mod suggest;
pub mod testing;
mod types;

pub use diagnostic::{Diagnostic, Severity};
pub use lower::{MAX_CALL_DEPTH, MAX_DISPATCH_DEPTH};
pub use program::{
    Binding, Dialect, ImageBytes, Instance, InstanceOverride, Options, Program, SourceUnit, Task,
    TaskOverride, Trigger,
};
pub use testing::TestProgram;

use diagnostic::{Code, Sink};
use memory::Memory;
use model::Model;
use span::{LineIndex, Span};

/// Longest source unit.
const MAX_SOURCE: usize = 16 << 20;
/// The compiler recurses over nested sources, bounded by their nesting; the caller's stack may be small.
const STACK_BYTES: usize = 64 << 20;

/// Checks the sources: all diagnostics, errors first refused by [`compile`] too.
pub fn check(units: &[SourceUnit], options: &Options) -> Vec<Diagnostic> {
    match compile(units, options) {
        Ok(program) => program.diagnostics,
        Err(diagnostics) => diagnostics,
    }
}

/// Compiles the sources. On an error: every diagnostic, warnings included. TEST blocks are checked, no more.
pub fn compile(units: &[SourceUnit], options: &Options) -> Result<Program, Vec<Diagnostic>> {
    on_own_stack(units, || {
        let built =
            front(units, options, false, |model, plan, lines| build(model, plan, options, units, lines));
        built.map(|(program, diagnostics)| Program { diagnostics, ..program })
    })
}

/// Compiles the TEST blocks of the sources, with what they test; `coverage` counts its statements. A PROGRAM is
/// not needed.
pub fn compile_tests(
    units: &[SourceUnit],
    options: &Options,
    coverage: bool,
) -> Result<TestProgram, Vec<Diagnostic>> {
    on_own_stack(units, || {
        let built = front(units, options, true, |model, _, lines| {
            let sites = lower::Sites { units, lines, standard_lines: LineIndex::new(standard::TEXT) };
            testing::build(model, options.image_bytes, coverage, &sites)
        });
        built.map(|(tests, diagnostics)| TestProgram { diagnostics, ..tests })
    })
}

fn on_own_stack<T: Send>(
    units: &[SourceUnit],
    work: impl FnOnce() -> Result<T, Vec<Diagnostic>> + Send,
) -> Result<T, Vec<Diagnostic>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("plc-compiler".to_owned()).stack_size(STACK_BYTES);
        match thread.spawn_scoped(scope, work) {
            Ok(handle) => handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => {
                let mut sink = Sink::default();
                let message = format!("no memory to compile: {error}");
                sink.report(Code::OutOfMemory, Span::default(), message);
                Err(sink.finish(units, &[]))
            }
        }
    })
}

/// Checks the sources and, if they have no errors, makes of them what `build` makes.
fn front<T>(
    units: &[SourceUnit],
    options: &Options,
    testing: bool,
    build: impl FnOnce(&Model<'_>, &config::Plan, &[LineIndex]) -> Result<T, (Code, Span, String)>,
) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut sink = Sink::default();
    let lines: Vec<LineIndex> = units.iter().map(|unit| LineIndex::new(&unit.text)).collect();
    let mut trees = Vec::with_capacity(units.len());
    for (index, unit) in units.iter().enumerate() {
        if unit.text.len() > MAX_SOURCE {
            let span = Span { unit: index as u32, start: 0, end: 0 };
            let message =
                format!("`{}` has {} bytes; at most {MAX_SOURCE} are allowed", unit.name, unit.text.len());
            sink.report(Code::SourceTooLong, span, message);
        } else {
            trees.push(parse::parse(&unit.text, index as u32, options.dialect, &mut sink));
        }
    }
    let standard_tree = standard::parse(units.len() as u32);
    let mut texts: Vec<&str> = units.iter().map(|unit| unit.text.as_str()).collect();
    texts.push(standard::TEXT);
    let names = standard::names(&standard_tree);
    let unit_names = units.iter().map(|unit| unit.name.as_str()).collect();
    let mut model = Model::new(&trees, texts, unit_names, names, options, &mut sink);
    model.resolve_initial_values();
    check_bodies(&mut model, testing);
    model.check_recursion();
    model.check_mock_recursion();
    let plan = config::plan(&mut model, options, testing);
    assemble::check_addresses(&mut model);
    let built = if model.sink.has_errors() { None } else { Some(build(&model, &plan, &lines)) };
    match built {
        Some(Ok(built)) => Ok((built, sink.finish(units, &lines))),
        Some(Err((code, span, message))) => {
            sink.report(code, span, message);
            Err(sink.finish(units, &lines))
        }
        None => Err(sink.finish(units, &lines)),
    }
}

/// Checks every body, also of what the bodies bring in.
fn check_bodies(model: &mut Model<'_>, testing: bool) {
    let mut pou = 0;
    while pou < model.pous.len() {
        let known = model.pous.len();
        let image = model.image_high;
        check::body(model, pou);
        if model.is_testing(Some(pou)) && !testing {
            // What only tests address is no part of the program's image.
            model.image_high = image;
        }
        // A body may have brought in function blocks of the standard library.
        for fresh in known..model.pous.len() {
            model.pou_initial_values(fresh);
        }
        pou += 1;
    }
}

/// Layout and code of a program without errors.
fn build(
    model: &Model<'_>,
    plan: &config::Plan,
    options: &Options,
    units: &[SourceUnit],
    lines: &[LineIndex],
) -> Result<Program, (Code, Span, String)> {
    let memory = Memory::new(model);
    let mut assembly = assemble::assemble(&memory, plan, options.image_bytes)?;
    let sites = lower::Sites { units, lines, standard_lines: LineIndex::new(standard::TEXT) };
    let (module, entries) = lower::lower(&memory, &mut assembly, plan, &sites)
        .map_err(|(span, message)| (Code::FrameTooLarge, span, message))?;
    debug_assert_eq!(ir::verify(&module), Ok(()), "lowering gives well-formed code");
    let instances = plan
        .instances
        .iter()
        .zip(entries)
        .zip(&assembly.instances)
        .map(|((instance, entry), offset)| Instance {
            name: instance.name.clone(),
            program: model.pou(instance.pou).name.text.to_string(),
            offset: *offset,
            entry,
        })
        .collect();
    let tasks = plan
        .tasks
        .iter()
        .map(|task| Task {
            name: task.name.clone(),
            trigger: match &task.trigger {
                config::TriggerPlan::Cyclic(interval_ns) => Trigger::Cyclic { interval_ns: *interval_ns },
                config::TriggerPlan::Event(place, interval_ns) => {
                    let (offset, bit) = assemble::fixed_place(&memory, &assembly, place);
                    Trigger::Event { offset, bit, interval_ns: *interval_ns }
                }
                config::TriggerPlan::Background => Trigger::Background,
            },
            priority: task.priority,
            instances: task.instances.clone(),
            outputs: task.outputs.clone(),
        })
        .collect();
    Ok(Program {
        module,
        layout: assembly.layout,
        initial: assembly.initial,
        tasks,
        instances,
        diagnostics: Vec::new(),
    })
}
