//! Inheritance: bases, interfaces, methods, and who may use what.

use super::{Model, Var, VarKind};
use crate::Dialect;
use crate::ast::{Access, Name, PouKind};
use crate::diagnostic::Code;
use crate::span::Span;
use crate::types::{Type, TypeId};
use std::collections::HashSet;
use std::rc::Rc;

/// Bases above one another.
const MAX_LINEAGE: usize = 64;

/// The member that holds the class of an instance where that is known at run time only.
pub(crate) const CLASS_MEMBER: &str = "__CLASS";
/// The body of a function block among its methods.
pub(crate) const BODY: &str = "__BODY";

/// A call whose target depends on the class of the object.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    /// The class or interface that the caller sees.
    pub(crate) class: usize,
    /// Key of the method.
    pub(crate) method: Rc<str>,
    pub(crate) span: Span,
}

/// Result, and parameters by name.
type Signature = (Option<TypeId>, Vec<(Rc<str>, TypeId, VarKind)>);

impl Model<'_> {
    /// Finds what EXTENDS and IMPLEMENTS name, for all POUs.
    pub(super) fn link_inheritance(&mut self) {
        for pou in 0..self.pous.len() {
            let decl = self.pous[pou].decl;
            if matches!(self.pous[pou].kind, PouKind::Program | PouKind::Function) {
                continue;
            }
            if self.pous[pou].kind == PouKind::Interface {
                for name in &decl.extends {
                    self.implement(pou, name);
                }
                continue;
            }
            if let [_, second, ..] = decl.extends.as_slice() {
                let message = format!("a {} extends one other", self.pous[pou].kind.text());
                self.sink.report(Code::BadInheritance, second.span, message);
            }
            if let Some(name) = decl.extends.first() {
                self.extend(pou, name);
            }
            for name in &decl.implements {
                self.implement(pou, name);
            }
        }
        self.break_cycles();
        for pou in 0..self.pous.len() {
            if let Some(base) = self.pous[pou].base {
                self.pous[base].derived.push(pou);
            }
        }
    }

    fn extend(&mut self, pou: usize, name: &Name) {
        let kind = self.pous[pou].kind;
        let Some(base) = self.inherited(pou, name) else { return };
        let fits = match self.pous[base].kind {
            PouKind::Class => true,
            PouKind::FunctionBlock => kind == PouKind::FunctionBlock,
            _ => false,
        };
        if !fits {
            let what = self.pous[base].kind.text();
            let message = format!("a {} does not extend the {what} `{}`", kind.text(), name.text);
            self.sink.report(Code::BadInheritance, name.span, message);
        } else if self.pous[base].decl.modifiers.is_final {
            let message = format!("`{}` is FINAL", name.text);
            self.sink.report(Code::BadInheritance, name.span, message);
        } else {
            self.pous[pou].base = Some(base);
        }
    }

    fn implement(&mut self, pou: usize, name: &Name) {
        let Some(interface) = self.inherited(pou, name) else { return };
        if self.pous[interface].kind == PouKind::Interface {
            self.pous[pou].implements.push(interface);
        } else {
            let message = format!("`{}` is a {}, no interface", name.text, self.pous[interface].kind.text());
            self.sink.report(Code::BadInheritance, name.span, message);
        }
    }

    fn inherited(&mut self, pou: usize, name: &Name) -> Option<usize> {
        let found = self.find_pou(name, Some(pou));
        if found.is_none() {
            self.unknown_type(name);
        }
        found
    }

    /// Takes the bases and interfaces away from what inherits from itself.
    fn break_cycles(&mut self) {
        for pou in 0..self.pous.len() {
            let (mut at, mut steps) = (pou, 0);
            while let Some(base) = self.pous[at].base {
                steps += 1;
                if base == pou {
                    self.inherits_itself(pou);
                    self.pous[pou].base = None;
                    break;
                }
                if steps > MAX_LINEAGE {
                    let span = self.pous[pou].name.span;
                    let message = format!("a class has at most {MAX_LINEAGE} bases above one another");
                    self.sink.report(Code::TooDeep, span, message);
                    self.pous[pou].base = None;
                    break;
                }
                at = base;
            }
            let mut open = self.pous[pou].implements.clone();
            let mut seen = HashSet::new();
            while let Some(interface) = open.pop() {
                if interface == pou {
                    self.inherits_itself(pou);
                    self.pous[pou].implements.clear();
                    break;
                }
                if seen.insert(interface) {
                    open.extend(&self.pous[interface].implements);
                }
            }
        }
    }

    fn inherits_itself(&mut self, pou: usize) {
        let name = self.pous[pou].name.clone();
        let message = format!("`{}` inherits from itself", name.text);
        self.sink.report(Code::BadInheritance, name.span, message);
    }

    /// The class with its bases, the nearest first.
    pub(crate) fn lineage(&self, class: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(class), |class| self.pous[*class].base)
    }

    pub(crate) fn is_derived(&self, class: usize, base: usize) -> bool {
        self.lineage(class).any(|class| class == base)
    }

    /// Interfaces of a class or interface, inherited ones too.
    pub(crate) fn interfaces_of(&self, class: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open: Vec<usize> =
            self.lineage(class).flat_map(|class| self.pous[class].implements.clone()).collect();
        while let Some(interface) = open.pop() {
            if !found.contains(&interface) {
                found.push(interface);
                open.extend(&self.pous[interface].implements);
            }
        }
        found
    }

    /// Whether an object of the class can stand where `target`, a class or interface, is asked for.
    pub(crate) fn conforms(&self, class: usize, target: usize) -> bool {
        self.is_derived(class, target) || self.interfaces_of(class).contains(&target)
    }

    /// The class and all that derive from it.
    pub(crate) fn family(&self, class: usize) -> Vec<usize> {
        let mut family = vec![class];
        let mut at = 0;
        while at < family.len() {
            family.extend(&self.pous[family[at]].derived);
            at += 1;
        }
        family
    }

    /// Classes whose objects may stand behind a variable of the class or interface.
    pub(crate) fn possible_classes(&self, target: usize) -> Vec<usize> {
        if self.pous[target].kind != PouKind::Interface {
            return self.family(target);
        }
        (0..self.pous.len())
            .filter(|pou| self.is_class(*pou) && self.interfaces_of(*pou).contains(&target))
            .collect()
    }

    /// Has instances that are objects.
    pub(crate) fn is_class(&self, pou: usize) -> bool {
        matches!(self.pous[pou].kind, PouKind::Class | PouKind::FunctionBlock)
    }

    /// The method of that key that an object of the class has.
    pub(crate) fn find_method(&self, class: usize, key: &str) -> Option<usize> {
        if let Some(own) = self.lineage(class).find_map(|class| self.pous[class].methods.get(key)) {
            return Some(*own);
        }
        if self.pous[class].kind == PouKind::Interface {
            let interfaces = self.interfaces_of(class);
            return interfaces.iter().find_map(|i| self.pous[*i].methods.get(key)).copied();
        }
        None
    }

    /// What runs when an object of the class is asked for the method; for [`BODY`] the class itself.
    pub(crate) fn implementation(&self, class: usize, key: &str) -> Option<usize> {
        if key == BODY {
            return Some(class);
        }
        self.find_method(class, key).filter(|method| !self.pous[*method].decl.modifiers.is_abstract)
    }

    /// Everything that a dispatching call may run.
    pub(crate) fn targets(&self, dispatch: &Dispatch) -> Vec<usize> {
        let classes = self.possible_classes(dispatch.class);
        let concrete = classes.iter().filter(|class| !self.pous[**class].decl.modifiers.is_abstract);
        let mut targets: Vec<usize> =
            concrete.filter_map(|class| self.implementation(*class, &dispatch.method)).collect();
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// What a POU calls whatever the objects are: its direct calls, and dispatch on classes to one target.
    pub(crate) fn fixed_callees(&self, pou: usize) -> Vec<(usize, Span)> {
        let mut callees = self.pous[pou].uses.clone();
        for dispatch in &self.pous[pou].dispatches {
            if self.pous[dispatch.class].kind != PouKind::Interface
                && let [only] = *self.targets(dispatch)
            {
                callees.push((only, dispatch.span));
            }
        }
        callees
    }

    /// Everything that a POU may call.
    pub(crate) fn callees(&self, pou: usize) -> Vec<usize> {
        let fixed = self.pous[pou].uses.iter().map(|(callee, _)| *callee);
        let dispatched = self.pous[pou].dispatches.iter().flat_map(|dispatch| self.targets(dispatch));
        fixed.chain(dispatched).collect()
    }

    /// The class in a lineage that declares a variable.
    pub(crate) fn declarer(&self, class: usize, var: usize) -> usize {
        self.lineage(class).take_while(|class| var < self.pous[*class].vars.len()).last().unwrap_or(class)
    }

    /// Whether instances of the class carry the number of their class: others may stand in their place.
    pub(crate) fn has_class_member(&self, class: usize) -> bool {
        self.pous[class].base.is_some() || !self.pous[class].derived.is_empty()
    }

    /// Whether the class takes part in dispatch, and so has a number.
    pub(crate) fn is_dispatched(&self, class: usize) -> bool {
        self.is_class(class) && (self.has_class_member(class) || !self.pous[class].implements.is_empty())
    }

    /// The class whose members a place in the sources can name without an object: that of a method, or the POU.
    pub(crate) fn class_at(&self, scope: Option<usize>) -> Option<usize> {
        let pou = scope?;
        self.pous[pou].owner.or_else(|| (self.is_class(pou) || self.is_program(pou)).then_some(pou))
    }

    fn is_program(&self, pou: usize) -> bool {
        self.pous[pou].kind == PouKind::Program
    }

    /// Whether code in `scope` may use a member of that access that `owner` declares.
    pub(crate) fn accessible(&self, owner: usize, access: Access, scope: Option<usize>) -> bool {
        let here = self.class_at(scope);
        match access {
            Access::Public => true,
            Access::Private => here == Some(owner),
            Access::Protected => here.is_some_and(|here| self.is_derived(here, owner)),
            Access::Internal => {
                scope.is_some_and(|scope| self.same_namespace(self.pous[scope].space, self.pous[owner].space))
            }
        }
    }

    /// Access of a method, which an interface makes PUBLIC.
    pub(crate) fn method_access(&self, method: usize) -> Access {
        let in_interface =
            self.pous[method].owner.is_some_and(|owner| self.pous[owner].kind == PouKind::Interface);
        let default = match self.options.dialect {
            Dialect::Iec if !in_interface => Access::Protected,
            _ => Access::Public,
        };
        self.pous[method].decl.modifiers.access.unwrap_or(default)
    }

    /// Overrides, interfaces and abstract methods of all classes.
    pub(crate) fn check_objects(&mut self) {
        for class in 0..self.pous.len() {
            if self.pous[class].kind == PouKind::Interface || !self.is_class(class) {
                continue;
            }
            let mut own: Vec<usize> = self.pous[class].methods.values().copied().collect();
            own.sort_unstable();
            for method in own {
                self.check_name(class, method);
                self.check_override(class, method);
            }
            self.check_complete(class);
        }
    }

    /// Methods and variables of a class share their names.
    fn check_name(&mut self, class: usize, method: usize) {
        let name = Name::new(&self.pous[method].name.text, self.pous[method].decl.name.span);
        if let Some(var) = self.pous[class].scope.get(&name.key) {
            let first = self.pous[class].vars[*var].name.span;
            let message = format!("`{}` is declared twice", name.text);
            self.sink.report(Code::DuplicateName, name.span, message).related(first, "first declared here");
        }
    }

    fn check_override(&mut self, class: usize, method: usize) {
        let decl = self.pous[method].decl;
        let modifiers = decl.modifiers;
        if modifiers.is_abstract && !self.pous[class].decl.modifiers.is_abstract {
            let message =
                format!("`{}` is ABSTRACT, but `{}` is not", decl.name.text, self.pous[class].name.text);
            self.sink
                .report(Code::MissingMethod, decl.name.span, message)
                .help(format!("make it ABSTRACT: `{} ABSTRACT …`", keyword(self.pous[class].kind)));
        }
        let overridden = self.pous[class].base.and_then(|base| self.find_method(base, &decl.name.key));
        let Some(overridden) = overridden else {
            if modifiers.is_override {
                let message = format!("no base class has a method `{}`", decl.name.text);
                self.sink.report(Code::NothingOverridden, decl.name.span, message);
            }
            return;
        };
        let before = self.pous[overridden].decl;
        if before.modifiers.is_final || self.method_access(overridden) == Access::Private {
            let what = if before.modifiers.is_final { "FINAL" } else { "PRIVATE" };
            let message = format!("`{}` is {what} and cannot be overridden", decl.name.text);
            self.sink
                .report(Code::FinalOverridden, decl.name.span, message)
                .related(before.name.span, "declared here");
            return;
        }
        // The vendors' dialect has no such word.
        if !modifiers.is_override && self.options.dialect != Dialect::Codesys {
            let message = format!(
                "`{}` overrides the method of `{}`",
                decl.name.text,
                self.pous[overridden].owner.map_or("", |owner| &self.pous[owner].name.text)
            );
            self.sink
                .report(Code::OverrideMissing, decl.name.span, message)
                .help(format!("write `METHOD OVERRIDE {}`", decl.name.text));
        }
        self.check_signature(method, overridden);
    }

    fn check_complete(&mut self, class: usize) {
        for interface in self.interfaces_of(class) {
            let mut wanted: Vec<usize> = self.pous[interface].methods.values().copied().collect();
            wanted.sort_unstable();
            for method in wanted {
                let key = Rc::clone(&self.pous[method].name.key);
                match self.find_method(class, &key) {
                    Some(found) if self.pous[found].owner == Some(class) => {
                        self.check_signature(found, method);
                    }
                    Some(_) => {}
                    None if self.pous[class].decl.modifiers.is_abstract => {}
                    None => self.missing(class, method),
                }
            }
        }
        if self.pous[class].decl.modifiers.is_abstract {
            return;
        }
        let mut seen = HashSet::new();
        let inherited: Vec<usize> =
            self.lineage(class).skip(1).flat_map(|base| self.pous[base].methods.values().copied()).collect();
        let mut inherited: Vec<usize> = inherited.into_iter().filter(|method| seen.insert(*method)).collect();
        inherited.sort_unstable();
        for method in inherited {
            let key = Rc::clone(&self.pous[method].name.key);
            let found = self.find_method(class, &key);
            if self.pous[method].decl.modifiers.is_abstract && found == Some(method) {
                self.missing(class, method);
            }
        }
    }

    fn missing(&mut self, class: usize, method: usize) {
        let name = self.pous[class].name.clone();
        let owner = self.pous[method].owner.map_or("", |owner| &self.pous[owner].name.text);
        let message = format!("`{}` does not implement `{}` of `{owner}`", name.text, self.described(method));
        let span = self.pous[method].decl.name.span;
        self.sink.report(Code::MissingMethod, name.span, message).related(span, "declared here");
    }

    /// The method as messages name it.
    pub(crate) fn described(&self, method: usize) -> String {
        let decl = self.pous[method].decl;
        match decl.accessor {
            None => decl.name.text.to_string(),
            Some(crate::ast::Accessor::Get) => format!("GET of {}", decl.name.text),
            Some(crate::ast::Accessor::Set) => format!("SET of {}", decl.name.text),
        }
    }

    /// Parameters and result that a caller sees, as (name, type, kind).
    fn signature(&self, method: usize) -> Signature {
        let pou = &self.pous[method];
        let seen = |var: &&Var<'_>| {
            matches!(var.kind, VarKind::Input | VarKind::Output | VarKind::InOut) && !var.hidden
        };
        let parameters = pou.vars.iter().filter(seen);
        (pou.result, parameters.map(|var| (Rc::clone(&var.name.key), var.ty, var.kind)).collect())
    }

    fn check_signature(&mut self, method: usize, wanted: usize) {
        let same = self.signature(method) == self.signature(wanted);
        let access = self.method_access(method) == self.method_access(wanted);
        if same && access {
            return;
        }
        let owner = self.pous[wanted].owner.map_or("", |owner| &self.pous[owner].name.text).to_owned();
        let what = if same { "access" } else { "parameters and result" };
        let message = format!("`{}` has other {what} than in `{owner}`", self.described(method));
        let (span, related) = (self.pous[method].decl.name.span, self.pous[wanted].decl.name.span);
        self.sink.report(Code::SignatureMismatch, span, message).related(related, "declared here");
    }

    /// Refuses variables of abstract classes.
    pub(super) fn check_abstract(&mut self, name: &Name, ty: TypeId) {
        let Some(pou) = self.instance_in(ty) else { return };
        if !self.pous[pou].decl.modifiers.is_abstract {
            return;
        }
        let message = format!("`{}` is ABSTRACT and has no instances", self.pous[pou].name.text);
        self.sink.report(Code::AbstractInstance, name.span, message);
    }

    /// Whether anything but assignments may write the bytes of a BOOL or a string: pointers, members or variables in
    /// the same place, and the process image behind a structure.
    pub(crate) fn is_overlaid(&self) -> bool {
        let shares = |field: &crate::types::Field<'_>| field.at.is_some() && field.bit.is_none();
        let shared = self.types.structs.iter().any(|def| {
            (def.overlap || def.fields.iter().any(shares))
                && def.fields.iter().any(|field| field.bit.is_none() && self.is_delicate(field.ty))
        });
        let variables = self.globals.iter().chain(self.pous.iter().flat_map(|pou| &pou.vars));
        let mut located = variables.filter(|var| var.address.is_some()).map(|var| var.ty);
        let is_whole = |ty| self.types.storage(ty).is_none() && self.is_delicate(ty);
        self.types.has_pointers() || self.image_fills || shared || located.any(is_whole)
    }

    /// Whether some bytes are no value of the type: a BOOL is 0 or 1, a string no longer than its capacity.
    fn is_delicate(&self, ty: TypeId) -> bool {
        match self.types.get(ty) {
            Type::Array { element, .. } => self.is_delicate(*element),
            Type::Struct(index) => {
                let fields = &self.types.structs[*index].fields;
                fields.iter().any(|field| field.bit.is_none() && self.is_delicate(field.ty))
            }
            Type::Text { .. } => true,
            _ => self.types.storage(ty) == Some(crate::layout::Elementary::Bool),
        }
    }

    /// Whether a value of the type is plain data, without references, interfaces and instances.
    pub(crate) fn is_plain(&self, ty: TypeId) -> bool {
        match self.types.get(ty) {
            Type::Array { element, .. } => self.is_plain(*element),
            Type::Struct(index) => {
                self.types.structs[*index].fields.iter().all(|field| self.is_plain(field.ty))
            }
            Type::Instance(_) | Type::Interface(_) | Type::Reference { .. } => false,
            _ => true,
        }
    }
}

fn keyword(kind: PouKind) -> &'static str {
    if kind == PouKind::Class { "CLASS" } else { "FUNCTION_BLOCK" }
}
