//! Typed tree to IR. Cannot fail: what could be wrong has been reported before.

mod call;
mod error;
mod expression;
mod function;
mod place;
mod polls;
mod reference;
mod statement;
mod test;
mod text;

use crate::assemble::{self, Assembly};
use crate::config::Plan;
use crate::hir::Init;
use crate::ir::{FuncId, Module, Op, Site, SiteId};
use crate::memory::Memory;
use crate::model::object::Dispatch;
use crate::span::{LineIndex, Span};
use crate::types::TypeId;
use crate::{SourceUnit, standard};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

pub(crate) use test::{all_statements, lower_tests};

/// Sites that are remembered.
const RECENT_SITES: usize = 256;

/// Frames on one call path together.
pub(crate) const MAX_FRAMES: u64 = 1 << 20;

/// Calls on one path, the program's own not counted.
pub const MAX_CALL_DEPTH: usize = 256;

/// Calls on one path whose target depends on an object: where recursion is legal, it is bounded by them.
pub const MAX_DISPATCH_DEPTH: usize = 32;

/// Source places for faults.
pub(crate) struct Sites<'s> {
    pub(crate) units: &'s [SourceUnit],
    pub(crate) lines: &'s [LineIndex],
    pub(crate) standard_lines: LineIndex,
}

/// What a path of calls needs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Path {
    bytes: u64,
    calls: usize,
}

/// How far the walk over the calls has come with a function.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Walk {
    Not,
    Open,
    Done(Path),
    Recursive,
}

/// How much of a POU a function runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    /// Without the detection of edges, which is done once a call: `SUPER()`.
    Body,
}

/// Lowers every function that an instance can reach.
pub(crate) struct Lowerer<'l, 'm, 'a> {
    memory: &'l Memory<'m, 'a>,
    assembly: &'l mut Assembly,
    sites: &'l Sites<'l>,
    module: Module,
    functions: HashMap<(Version, Part), FuncId>,
    /// Slots of the dispatch table, by class or interface, method and test.
    slots: HashMap<(usize, Rc<str>, Option<usize>), u32>,
    /// Sites that were asked for lately: an expression asks for its own again and again.
    recent_sites: Box<[(Span, SiteId); RECENT_SITES]>,
    /// Names of the source units, and of the standard library behind them.
    files: Vec<Arc<str>>,
    /// Constants already in the block, by their bytes.
    pool: HashMap<Vec<u8>, u32>,
    /// Versions that have an id but no code yet.
    open: Vec<(Version, Part)>,
    /// Absent in a program that is no test.
    testing: Option<test::Testing>,
}

/// A POU, in a test that replaces what it calls.
type Version = (usize, Option<usize>);

/// Gives the module and the entry of each instance. `Err`: a function whose frame is too large.
pub(crate) fn lower(
    memory: &Memory<'_, '_>,
    assembly: &mut Assembly,
    plan: &Plan,
    sites: &Sites<'_>,
) -> Result<(Module, Vec<FuncId>), (Span, String)> {
    let mut lowerer = Lowerer::new(memory, assembly, sites, None);
    // Entries first: their bodies follow as they are reached.
    let entries: Vec<FuncId> = plan
        .instances
        .iter()
        .map(|instance| {
            let plain =
                instance.inputs.is_empty() && instance.outputs.is_empty() && instance.images.is_empty();
            if plain { lowerer.function(instance.pou, Part::Whole) } else { lowerer.wrapper(instance) }
        })
        .collect();
    lowerer.bodies()?;
    let runs = plan.instances.iter().map(|instance| instance.pou).zip(entries.iter().copied());
    lowerer.check_paths(runs)?;
    polls::add(&mut lowerer.module);
    Ok((lowerer.close().module, entries))
}

impl<'l, 'm, 'a> Lowerer<'l, 'm, 'a> {
    fn new(
        memory: &'l Memory<'m, 'a>,
        assembly: &'l mut Assembly,
        sites: &'l Sites<'l>,
        testing: Option<test::Testing>,
    ) -> Self {
        let names = sites.units.iter().map(|unit| unit.name.as_str()).chain([standard::FILE]);
        let files = names.map(Arc::from).collect();
        Self {
            memory,
            assembly,
            sites,
            module: Module::default(),
            functions: HashMap::new(),
            slots: HashMap::new(),
            recent_sites: Box::new([(Span::default(), SiteId(u32::MAX)); RECENT_SITES]),
            files,
            pool: HashMap::new(),
            open: Vec::new(),
            testing,
        }
    }

    /// Lowers what has been reached, and what that reaches.
    fn bodies(&mut self) -> Result<(), (Span, String)> {
        while let Some((version @ (pou, test), part)) = self.open.pop() {
            self.check_frame(pou)?;
            self.enter_test(test);
            let mut function = self.body(pou, part);
            function.object_bytes = self.object_bytes(pou);
            let id = self.functions[&(version, part)];
            self.module.functions[id.index()] = function;
        }
        Ok(())
    }

    /// Bytes that a body or method may access behind `this`, for a program in which pointers may lead it to a
    /// place that holds less; else 0.
    fn object_bytes(&self, pou: usize) -> u32 {
        let class = self.memory.model.pou(pou).owner.unwrap_or(pou);
        if !self.memory.has_pointers || !self.memory.model.is_class(class) {
            return 0;
        }
        u32::try_from(self.memory.pou(class).bytes).unwrap_or(u32::MAX)
    }

    /// The state block gets its final size.
    fn close(self) -> Self {
        let layout = &mut self.assembly.layout;
        layout.bytes = layout.bytes.next_multiple_of(64);
        self.assembly.initial.resize(layout.bytes as usize, 0);
        self
    }

    /// The id of a POU's code, which will be made.
    fn function(&mut self, pou: usize, part: Part) -> FuncId {
        let version = self.version(pou);
        let part = if self.memory.model.pou(version.0).edges.is_empty() { Part::Whole } else { part };
        if let Some(id) = self.functions.get(&(version, part)) {
            return *id;
        }
        let id = self.reserve(&self.memory.model.types.pou_names[version.0].clone());
        self.functions.insert((version, part), id);
        self.open.push((version, part));
        id
    }

    /// The row of the dispatch table for a method of a class or interface.
    fn slot(&mut self, class: usize, method: &Rc<str>) -> u32 {
        let key = (class, Rc::clone(method), self.current_test());
        if let Some(slot) = self.slots.get(&key) {
            return *slot;
        }
        let slot = self.module.dispatch.len() as u32;
        self.slots.insert(key, slot);
        self.module.dispatch.push(Vec::new());
        let model = self.memory.model;
        let mut row = vec![None; self.memory.class_count()];
        for class in model.possible_classes(class) {
            if model.pou(class).decl.modifiers.is_abstract {
                continue;
            }
            if let Some(target) = model.implementation(class, method) {
                row[self.memory.class_id(class) as usize] = Some(self.function(target, Part::Whole));
            }
        }
        self.module.dispatch[slot as usize] = row;
        slot
    }

    /// The one function that a dispatching call can only run, unless that would be plain recursion.
    fn only_target(&self, caller: usize, class: usize, method: &Rc<str>) -> Option<usize> {
        let model = self.memory.model;
        let span = Span::default();
        let [only] = *model.targets(&Dispatch { class, method: Rc::clone(method), span }) else {
            return None;
        };
        let mut seen = std::collections::HashSet::new();
        let mut open = vec![only];
        while let Some(pou) = open.pop() {
            if pou == caller {
                return None;
            }
            if seen.insert(pou) {
                open.extend(model.callees(pou));
            }
        }
        Some(only)
    }

    fn reserve(&mut self, name: &str) -> FuncId {
        let id = FuncId(self.module.functions.len() as u32);
        self.module.functions.push(function::empty(name));
        id
    }

    /// The frame of a function holds its locals and temporaries.
    fn check_frame(&self, pou: usize) -> Result<(), (Span, String)> {
        let model = self.memory.model;
        let pou = model.pou(pou);
        let on_frame = |kind| pou.is_on_frame() || kind == crate::model::VarKind::Temp;
        let bytes: u64 = pou
            .vars
            .iter()
            .filter(|var| on_frame(var.kind))
            .fold(0u64, |sum, var| sum.saturating_add(self.memory.size(var.ty).0));
        if bytes <= MAX_FRAMES {
            return Ok(());
        }
        Err((pou.name.span, format!("the local variables of `{}` take {bytes} bytes", pou.name.text)))
    }

    /// What runs at one time shares the arena and the stack of callers: temporaries count as well as locals.
    fn check_paths(&self, runs: impl Iterator<Item = (usize, FuncId)>) -> Result<(), (Span, String)> {
        let mut paths = vec![Walk::Not; self.module.functions.len() + 1];
        for (pou, entry) in runs {
            let mut path = self.path(entry, &mut paths);
            if paths.contains(&Walk::Recursive) {
                // Between two dispatching calls runs at most what runs without recursion.
                path.bytes = path.bytes.saturating_mul(MAX_DISPATCH_DEPTH as u64 + 1);
            }
            let name = &self.memory.model.pou(pou).name;
            let message = if path.bytes > MAX_FRAMES {
                format!("`{}` and what it calls take {} bytes of local variables", name.text, path.bytes)
            } else if path.calls > MAX_CALL_DEPTH {
                format!("calls from `{}` nest {} deep, more than {MAX_CALL_DEPTH}", name.text, path.calls)
            } else {
                continue;
            };
            return Err((name.span, message));
        }
        Ok(())
    }

    /// The longest path of calls that begins at a function. Recursion goes through dispatch only; it is marked
    /// behind the entries of the functions and not followed.
    fn path(&self, id: FuncId, paths: &mut [Walk]) -> Path {
        match paths[id.index()] {
            Walk::Done(path) => return path,
            Walk::Open => {
                if let Some(mark) = paths.last_mut() {
                    *mark = Walk::Recursive;
                }
                return Path::default();
            }
            Walk::Not | Walk::Recursive => paths[id.index()] = Walk::Open,
        }
        let function = &self.module.functions[id.index()];
        let mut below = Path::default();
        for inst in function.blocks.iter().flat_map(|block| &block.insts) {
            let callees: Vec<FuncId> = match &inst.op {
                Op::Call { func, .. } => vec![*func],
                Op::CallVirtual { slot, .. } => {
                    self.module.dispatch[*slot as usize].iter().flatten().copied().collect()
                }
                _ => continue,
            };
            for callee in callees {
                let path = self.path(callee, paths);
                below = Path { bytes: below.bytes.max(path.bytes), calls: below.calls.max(path.calls + 1) };
            }
        }
        let own = u64::from(function.frame_bytes.next_multiple_of(8));
        let path = Path { bytes: below.bytes + own, ..below };
        paths[id.index()] = Walk::Done(path);
        path
    }

    fn site(&mut self, span: Span) -> SiteId {
        let recent = (span.start ^ span.end << 3) as usize % RECENT_SITES;
        if let (known, site) = self.recent_sites[recent]
            && known == span
            && site != SiteId(u32::MAX)
        {
            return site;
        }
        let id = SiteId(self.module.sites.len() as u32);
        let unit = span.unit as usize;
        let site =
            if let (Some(source), Some(lines)) = (self.sites.units.get(unit), self.sites.lines.get(unit)) {
                let (line, column) = lines.position(&source.text, span.start);
                Site { file: Arc::clone(&self.files[unit]), line, column }
            } else {
                let (line, column) = self.sites.standard_lines.position(standard::TEXT, span.start);
                Site { file: Arc::clone(&self.files[self.sites.units.len()]), line, column }
            };
        self.module.sites.push(site);
        self.recent_sites[recent] = (span, id);
        id
    }

    /// The initial bytes of a variable that belongs to no instance.
    fn initial_bytes(&self, ty: TypeId, init: Option<&Init>) -> Vec<u8> {
        let mut bytes = self.memory.initial_bytes(ty, init);
        let origins = assemble::origins(&self.assembly.layout.sections, &self.assembly.globals);
        self.memory.write_references(ty, init, (0, 0), &origins, &mut bytes);
        bytes
    }

    /// Bytes that never change, once each, at the end of the state block.
    fn constant(&mut self, bytes: &[u8]) -> u32 {
        if let Some(offset) = self.pool.get(bytes) {
            return *offset;
        }
        let layout = &mut self.assembly.layout;
        let offset = layout.bytes.next_multiple_of(8);
        layout.bytes = offset + bytes.len() as u32;
        layout.sections.constants.end = layout.bytes;
        self.assembly.initial.resize(offset as usize, 0);
        self.assembly.initial.extend_from_slice(bytes);
        self.pool.insert(bytes.to_vec(), offset);
        offset
    }
}
