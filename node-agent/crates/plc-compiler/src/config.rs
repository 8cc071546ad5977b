//! What runs when, and which variable is at which address: CONFIGURATION, manifest, bindings.

mod access;
mod binding;

use crate::ast::{Address, Argument, Name, ProgramDecl, Resource, TaskDecl};
use crate::check::{self, Checker};
use crate::diagnostic::Code;
use crate::effects;
use crate::hir::{Expr, ExprKind, Init, Place, Root, Value};
use crate::layout::Elementary;
use crate::model::{Item, Model, VarKind};
use crate::program::Options;
use crate::span::Span;
use crate::types::{Type, TypeId, Types};
use std::collections::HashSet;

/// What will run.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) tasks: Vec<TaskPlan>,
    pub(crate) instances: Vec<InstancePlan>,
    pub(crate) accesses: Vec<AccessPlan>,
}

/// A name under which others find a variable.
#[derive(Debug)]
pub(crate) struct AccessPlan {
    /// With the instance where a program declares it.
    pub(crate) name: String,
    pub(crate) name_span: Span,
    /// Of the variable, without the resource.
    pub(crate) path: String,
    pub(crate) path_span: Span,
    pub(crate) ty: TypeId,
    pub(crate) writable: bool,
}

#[derive(Debug)]
pub(crate) struct TaskPlan {
    pub(crate) name: String,
    pub(crate) trigger: TriggerPlan,
    pub(crate) priority: u32,
    /// Indices into [`Plan::instances`].
    pub(crate) instances: Vec<usize>,
    /// Bits of `%Q` that its programs write: first, count.
    pub(crate) outputs: Vec<(u32, u32)>,
}

#[derive(Debug)]
pub(crate) enum TriggerPlan {
    Cyclic(u64),
    /// The BOOL that rises, and the interval while it is FALSE.
    Event(Place, Option<u64>),
    Background,
}

#[derive(Debug)]
pub(crate) struct InstancePlan {
    pub(crate) name: String,
    pub(crate) pou: usize,
    /// `(in := g)`: variable of the program and value.
    pub(crate) inputs: Vec<(usize, Expr)>,
    /// `(out => h)`
    pub(crate) outputs: Vec<(usize, Place)>,
    /// Variables deep inside that are copied from and to the process image around each scan.
    pub(crate) images: Vec<ImageCopy>,
    /// Variables deep inside that start with a value of their own.
    pub(crate) initials: Vec<Initial>,
}

/// A variable of a nested instance that starts with a value from VAR_CONFIG.
#[derive(Debug)]
pub(crate) struct Initial {
    /// Variables from the program instance inwards, each with its POU.
    pub(crate) path: Vec<(usize, usize)>,
    pub(crate) ty: TypeId,
    pub(crate) init: Init,
}

/// A variable of a nested instance that has got its address from outside.
#[derive(Debug)]
pub(crate) struct ImageCopy {
    /// Variables from the program instance inwards, each with its POU.
    pub(crate) path: Vec<(usize, usize)>,
    pub(crate) ty: TypeId,
    pub(crate) address: Address,
}

/// Priority of a task that says nothing.
const DEFAULT_PRIORITY: u32 = 1;

/// Makes the plan. Names that lead nowhere are reported.
///
/// Tests need neither a program nor complete addresses: a variable `AT %I*` is an ordinary one for them.
pub(crate) fn plan(model: &mut Model<'_>, options: &Options, testing: bool) -> Plan {
    let mut planner = Planner { model, plan: Plan::default(), nowhere: Span::default(), testing };
    planner.nowhere =
        planner.model.programs().first().map_or(Span::default(), |p| planner.model.pou(*p).name.span);
    planner.instances_and_tasks(options);
    planner.called_programs();
    planner.bindings(options);
    planner.accesses(options);
    if !testing {
        planner.incomplete_addresses();
    }
    let mut plan = planner.plan;
    effects::note_writers(model, &mut plan);
    plan.tasks.sort_by_key(|task| (matches!(task.trigger, TriggerPlan::Background), task.priority));
    plan
}

impl TriggerPlan {
    /// Another interval, from the manifest; an event that also runs on a grid keeps its event.
    fn set_interval(&mut self, ns: u64) {
        match self {
            Self::Event(_, Some(interval)) => *interval = ns,
            _ => *self = Self::Cyclic(ns),
        }
    }
}

struct Planner<'m, 'a> {
    model: &'m mut Model<'a>,
    plan: Plan,
    /// Where findings about the manifest are shown: it has no place in the sources.
    nowhere: Span,
    testing: bool,
}

impl<'a> Planner<'_, 'a> {
    fn instances_and_tasks(&mut self, options: &Options) {
        let configurations = self.model.configurations.clone();
        let resources: Vec<&'a Resource> = configurations.iter().flat_map(|c| &c.resources).collect();
        match self.choose_resource(&resources, options) {
            Some(resource) => self.take_resource(resource),
            None if resources.is_empty() => self.default_task(options),
            None => return,
        }
        for task in &options.tasks {
            let existing = self.plan.tasks.iter().position(|t| t.name.eq_ignore_ascii_case(&task.name));
            let index = existing.unwrap_or_else(|| {
                self.plan.tasks.push(TaskPlan {
                    name: task.name.clone(),
                    trigger: TriggerPlan::Cyclic(options.default_interval_ns.max(1)),
                    priority: DEFAULT_PRIORITY,
                    instances: Vec::new(),
                    outputs: Vec::new(),
                });
                self.plan.tasks.len() - 1
            });
            if let Some(interval) = task.interval_ns {
                if interval == 0 {
                    let message = format!("task `{}` has the interval 0", task.name);
                    self.model.sink.report(Code::BadTask, self.nowhere, message);
                }
                self.plan.tasks[index].trigger.set_interval(interval.max(1));
            }
            if let Some(priority) = task.priority {
                self.plan.tasks[index].priority = priority;
            }
            for wanted in &task.programs {
                let name = Name::new(&wanted.program, self.nowhere);
                let Some(pou) = self.program(&name) else { continue };
                let instance = match self.instance(&wanted.instance) {
                    Some(instance) => instance,
                    None => self.add_instance(&wanted.instance, pou),
                };
                for other in &mut self.plan.tasks {
                    other.instances.retain(|i| *i != instance);
                }
                self.plan.tasks[index].instances.push(instance);
            }
            if existing.is_none() && self.plan.tasks[index].instances.is_empty() {
                let known: Vec<String> =
                    self.plan.tasks.iter().map(|t| t.name.clone()).filter(|n| *n != task.name).collect();
                let message = format!("task `{}` is not in the source and runs no programs", task.name);
                let finding = self.model.sink.report(Code::NoTaskPrograms, self.nowhere, message);
                if !known.is_empty() {
                    finding.help(format!("the source's tasks are {}", known.join(", ")));
                }
            }
        }
        self.plan.tasks.retain(|task| !task.instances.is_empty());
        if self.plan.instances.is_empty() && !self.model.sink.has_errors() && !self.testing {
            self.model
                .sink
                .report(Code::NoProgram, self.nowhere, "the sources declare no PROGRAM")
                .help("write `PROGRAM Main … END_PROGRAM`");
        }
    }

    fn choose_resource(&mut self, resources: &[&'a Resource], options: &Options) -> Option<&'a Resource> {
        if let Some(wanted) = &options.resource {
            let found = resources
                .iter()
                .find(|r| r.name.as_ref().is_some_and(|n| n.text.eq_ignore_ascii_case(wanted)));
            if found.is_none() {
                let message = format!("no RESOURCE `{wanted}` is declared");
                self.model.sink.report(Code::UnknownResource, self.nowhere, message);
            }
            return found.copied();
        }
        if resources.len() > 1 {
            let names: Vec<String> =
                resources.iter().filter_map(|r| r.name.as_ref()).map(|n| n.text.to_string()).collect();
            let span = resources[1].name.as_ref().map_or(self.nowhere, |n| n.span);
            let message = format!("the source has {} resources and none is chosen", resources.len());
            self.model
                .sink
                .report(Code::UnknownResource, span, message)
                .help(format!("set `spec.program.resource` to one of {}", names.join(", ")));
            return None;
        }
        resources.first().copied()
    }

    /// Programs that others name and no task runs have their instance all the same.
    fn called_programs(&mut self) {
        let named: Vec<usize> = self.model.named_programs.keys().copied().collect();
        for pou in named {
            let name = self.model.pou(pou).name.text.clone();
            if self.instance(&name).is_none() {
                self.add_instance(&name, pou);
            }
        }
    }

    /// No CONFIGURATION: one task runs all programs that the manifest gives to no other task.
    fn default_task(&mut self, options: &Options) {
        let taken: HashSet<String> = options
            .tasks
            .iter()
            .flat_map(|task| &task.programs)
            .map(|wanted| wanted.program.to_ascii_uppercase())
            .collect();
        let mut instances = Vec::new();
        for pou in self.model.first_programs() {
            let name = self.model.pou(pou).name.clone();
            if !taken.contains(name.key.as_ref()) {
                instances.push(self.add_instance(&name.text, pou));
            }
        }
        self.plan.tasks.push(TaskPlan {
            name: "main".to_owned(),
            trigger: TriggerPlan::Cyclic(options.default_interval_ns.max(1)),
            priority: DEFAULT_PRIORITY,
            instances,
            outputs: Vec::new(),
        });
    }

    fn take_resource(&mut self, resource: &'a Resource) {
        for task in &resource.tasks {
            self.task(task);
        }
        for program in &resource.programs {
            self.program_instance(program);
        }
    }

    fn task(&mut self, task: &TaskDecl) {
        if self.plan.tasks.iter().any(|t| t.name.eq_ignore_ascii_case(&task.name.text)) {
            let message = format!("task `{}` is declared twice", task.name.text);
            self.model.sink.report(Code::DuplicateName, task.name.span, message);
            return;
        }
        let time = Types::elementary(Elementary::Time);
        let interval = task.interval.as_ref().and_then(|e| check::constant(self.model, None, e, Some(time)));
        let interval = match interval {
            Some((Value::Int(ns), _)) => Some(ns),
            _ => None,
        };
        let above_zero = interval.filter(|ns| *ns > 0).map(|ns| ns.min(i128::from(i64::MAX)) as u64);
        let trigger = match (above_zero, &task.single) {
            (Some(ns), None) => TriggerPlan::Cyclic(ns),
            (ns, Some(single)) if ns.is_some() || task.interval.is_none() => {
                let place = Checker::new(self.model, None).event(single);
                place.map_or(TriggerPlan::Background, |place| TriggerPlan::Event(place, ns))
            }
            // Reported already; the task exists, so that its programs are no second mistake.
            _ if task.interval.is_some() && interval.is_none() => TriggerPlan::Background,
            _ => {
                let message = format!("task `{}` needs an INTERVAL above zero or SINGLE", task.name.text);
                self.model.sink.report(Code::BadTask, task.name.span, message);
                TriggerPlan::Background
            }
        };
        let priority = task.priority.as_ref().and_then(|e| check::constant_integer(self.model, None, e));
        let priority = priority.and_then(|p| u32::try_from(p).ok()).unwrap_or(DEFAULT_PRIORITY);
        self.plan.tasks.push(TaskPlan {
            name: task.name.text.to_string(),
            trigger,
            priority,
            instances: Vec::new(),
            outputs: Vec::new(),
        });
    }

    fn program(&mut self, name: &Name) -> Option<usize> {
        if let Some(Item::Pou(pou)) = self.model.find(name, None)
            && self.model.pou(pou).kind == crate::ast::PouKind::Program
        {
            return Some(pou);
        }
        let programs = self.model.programs();
        let known: Vec<String> = programs.iter().map(|p| self.model.pou(*p).name.text.to_string()).collect();
        let message = format!("no PROGRAM `{}` is declared", name.text);
        let finding = self.model.sink.report(Code::UnknownProgram, name.span, message);
        if !known.is_empty() {
            finding.help(format!("the programs are {}", known.join(", ")));
        }
        None
    }

    fn instance(&self, name: &str) -> Option<usize> {
        self.plan.instances.iter().position(|i| i.name.eq_ignore_ascii_case(name))
    }

    fn add_instance(&mut self, name: &str, pou: usize) -> usize {
        self.plan.instances.push(InstancePlan {
            name: name.to_owned(),
            pou,
            inputs: Vec::new(),
            outputs: Vec::new(),
            images: Vec::new(),
            initials: Vec::new(),
        });
        self.plan.instances.len() - 1
    }

    fn program_instance(&mut self, decl: &'a ProgramDecl) {
        let Some(pou) = self.program(&decl.program) else { return };
        if self.instance(&decl.name.text).is_some() {
            let message = format!("instance `{}` is declared twice", decl.name.text);
            self.model.sink.report(Code::DuplicateName, decl.name.span, message);
            return;
        }
        if let Some(Item::Global(_) | Item::Namespace) = self.model.find(&decl.name, None)
            && !self.model.is_file_list(&decl.name)
        {
            let message = format!("`{}` is the name of a global too", decl.name.text);
            self.model.sink.report(Code::DuplicateName, decl.name.span, message);
        }
        let instance = self.add_instance(&decl.name.text, pou);
        self.connect(instance, &decl.connections);
        let task = match &decl.task {
            Some(name) => {
                if let Some(task) =
                    self.plan.tasks.iter().position(|t| t.name.eq_ignore_ascii_case(&name.text))
                {
                    task
                } else {
                    let message = format!("no TASK `{}` is declared", name.text);
                    self.model.sink.report(Code::UnknownTask, name.span, message);
                    return;
                }
            }
            None => self.background(),
        };
        self.plan.tasks[task].instances.push(instance);
    }

    /// Programs without task run whenever nothing else has to.
    fn background(&mut self) -> usize {
        let found = self.plan.tasks.iter().position(|t| matches!(t.trigger, TriggerPlan::Background));
        found.unwrap_or_else(|| {
            self.plan.tasks.push(TaskPlan {
                name: "background".to_owned(),
                trigger: TriggerPlan::Background,
                priority: u32::MAX,
                instances: Vec::new(),
                outputs: Vec::new(),
            });
            self.plan.tasks.len() - 1
        })
    }

    fn connect(&mut self, instance: usize, connections: &[Argument]) {
        let pou = self.plan.instances[instance].pou;
        for connection in connections {
            let (Some(name), Some(value)) = (&connection.name, &connection.value) else {
                let message = "connections of a program instance have the form `in := g` or `out => h`";
                self.model.sink.report(Code::MixedArguments, connection.span, message);
                continue;
            };
            let wanted = if connection.output { VarKind::Output } else { VarKind::Input };
            let var = self.model.pou(pou).scope.get(&name.key).copied();
            let Some(var) = var.filter(|var| self.model.pou(pou).vars[*var].kind == wanted) else {
                let program = self.model.pou(pou).name.text.clone();
                let what = if connection.output { "output" } else { "input" };
                let message = format!("`{program}` has no {what} `{}`", name.text);
                self.model.sink.report(Code::UnknownParameter, name.span, message);
                continue;
            };
            let ty = self.model.pou(pou).vars[var].ty;
            let mut checker = Checker::new(self.model, None);
            if connection.output {
                if let Some(place) = checker.connection_target(value, ty) {
                    self.plan.instances[instance].outputs.push((var, place));
                }
            } else if let Some(value) = checker.connection_value(value, ty) {
                self.plan.instances[instance].inputs.push((var, value));
            }
        }
    }
}

impl Checker<'_, '_> {
    /// A BOOL variable whose rising edge starts a task.
    fn event(&mut self, expr: &crate::ast::Expr) -> Option<Place> {
        let place = self.variable(expr)?;
        let fixed = place.steps.iter().all(|step| !matches!(step, crate::hir::Step::Index(..)));
        if place.ty == Types::BOOL && fixed && !matches!(place.root, Root::Local(_)) {
            return Some(place);
        }
        self.model.sink.report(Code::BadTask, expr.span, "SINGLE needs a global BOOL variable or an address");
        None
    }

    /// A direct address has no type but a width: it takes the type of the parameter if that is as wide.
    fn fits_address(&self, expr: &crate::ast::Expr, ty: TypeId) -> bool {
        let crate::ast::ExprKind::Address(address) = &expr.kind else { return false };
        let (Some(storage), Some(at)) = (self.model.types.storage(ty), address.at) else { return false };
        let is_enum = matches!(self.model.types.get(ty), Type::Enum(_));
        storage != Elementary::Bool && !is_enum && storage.size() * 8 == at.bits
    }

    fn connection_target(&mut self, expr: &crate::ast::Expr, from: TypeId) -> Option<Place> {
        let mut place = self.target(expr)?;
        if self.fits_address(expr, from) {
            place.ty = from;
        }
        if self.model.types.implicit(from, place.ty) {
            return Some(place);
        }
        let (have, want) = (self.model.types.name(from), self.model.types.name(place.ty));
        self.model.sink.report(Code::TypeMismatch, expr.span, format!("cannot assign {have} to {want}"));
        None
    }

    fn connection_value(&mut self, expr: &crate::ast::Expr, to: TypeId) -> Option<Expr> {
        let mut value = self.expr(expr, Some(to));
        if self.fits_address(expr, to)
            && let ExprKind::Load(place) = &mut value.kind
            && let Some(storage) = self.model.types.storage(to)
        {
            // A subrange is checked on the way in, as after any other assignment.
            place.ty = Types::elementary(storage);
            value.ty = place.ty;
        }
        let value = self.coerce(value, to);
        (!matches!(value.kind, ExprKind::Poison)).then_some(value)
    }
}
