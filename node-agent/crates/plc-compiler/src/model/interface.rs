//! The variables of globals lists and POUs.

use super::list::List;
use super::{ConstantState, Item, Model, Var, VarKind, object};
use crate::ast::{Access, Name, PouKind, Section, VarGroup, VarSection};
use crate::diagnostic::Code;
use crate::layout::Elementary;
use crate::span::Span;
use crate::types::{Type, TypeId, Types};
use std::rc::Rc;

impl<'a> Model<'a> {
    pub(super) fn global_section(&mut self, space: usize, section: &'a VarSection) {
        let list = self.global_list(space, section);
        let space = if let Some(List::Only(list)) = list { list } else { space };
        let outer = std::mem::replace(&mut self.space, space);
        for group in &section.groups {
            self.check_places(group);
            let resolved = self.resolve_type(&group.ty, None, None);
            for (name, address) in &group.names {
                let index = self.globals.len();
                if !self.declare(space, name, Item::Global(index)) {
                    continue;
                }
                self.check_edge(group, VarKind::Global, resolved.ty, None);
                self.check_abstract(name, resolved.ty);
                let ty = if self.refused_open(resolved.ty, name.span) { Types::POISON } else { resolved.ty };
                let mut var = Self::var(name, ty, VarKind::Global, section);
                var.address = *address;
                var.init = group.init.as_ref();
                var.default = resolved.init;
                var.space = space;
                self.check_constant(&var, name);
                self.globals.push(var);
                match list {
                    Some(List::Also(list)) => self.add_name_in_list(list, name, index),
                    _ if section.qualified.is_some() => self.note_qualified(space, name),
                    _ => {}
                }
            }
        }
        self.space = outer;
    }

    /// Places without an area are for members of structures.
    fn check_places(&mut self, group: &VarGroup) {
        if let Some((_, _, span)) = group.places.first() {
            let message = "only a member of a structure has a place without an area";
            self.sink.report(Code::BadAddress, *span, message).help("write `%MB4`");
        }
    }

    /// With the vendors the name of a program is that of its one instance: the global that stands for it.
    pub(crate) fn named_program(&mut self, pou: usize) -> Option<usize> {
        if !self.types.vendor || self.pous[pou].kind != PouKind::Program {
            return None;
        }
        if let Some(global) = self.named_programs.get(&pou) {
            return Some(*global);
        }
        let ty = self.types.intern(Type::Instance(pou));
        let name = self.pous[pou].name.clone();
        let section = Self::own_section(name.span);
        let mut var = Self::var(&name, ty, VarKind::Global, &section);
        var.space = self.pous[pou].space;
        self.globals.push(var);
        self.named_programs.insert(pou, self.globals.len() - 1);
        Some(self.globals.len() - 1)
    }

    /// The path of a global: its name behind that of its namespace.
    pub(crate) fn global_path(&self, global: usize) -> String {
        let var = &self.globals[global];
        match self.spaces[var.space].path.text.as_ref() {
            "" => var.name.text.to_string(),
            space => format!("{space}.{}", var.name.text),
        }
    }

    pub(super) fn var(name: &Name, ty: TypeId, kind: VarKind, section: &VarSection) -> Var<'a> {
        let public = matches!(kind, VarKind::Input | VarKind::Output | VarKind::InOut);
        Var {
            name: name.clone(),
            ty,
            kind,
            constant: section.constant,
            retain: section.retain,
            persistent: section.persistent,
            hidden: name.text.starts_with("__"),
            edge: None,
            address: None,
            init: None,
            default: None,
            initial: None,
            value: ConstantState::Open,
            access: section.access.unwrap_or(if public { Access::Public } else { Access::Protected }),
            inherited: false,
            open_output: false,
            space: 0,
        }
    }

    /// A section for what the compiler adds.
    fn own_section(span: Span) -> VarSection {
        VarSection {
            section: Section::Local,
            constant: false,
            retain: false,
            persistent: false,
            access: None,
            groups: Vec::new(),
            span,
            qualified: None,
        }
    }

    fn check_constant(&mut self, var: &Var<'a>, name: &Name) {
        if var.constant && var.init.is_none() && var.default.is_none() && var.ty != Types::POISON {
            let message = format!("constant `{}` has no value", name.text);
            self.sink.report(Code::ConstantWithoutValue, name.span, message);
        }
    }

    fn check_edge(&mut self, group: &VarGroup, kind: VarKind, ty: TypeId, pou: Option<usize>) {
        let Some((name, _)) = group.names.first() else { return };
        let in_block = pou.is_some_and(|pou| !self.pous[pou].is_on_frame());
        let legal = kind == VarKind::Input && in_block && (ty == Types::BOOL || ty == Types::POISON);
        if group.edge.is_some() && !legal {
            let message = format!("`{}`: edge detection is for BOOL inputs of function blocks", name.text);
            self.sink.report(Code::EdgeNeedsBool, name.span, message);
        }
    }

    /// Resolves the variables of all POUs that are known, and of those that they bring in.
    pub(crate) fn resolve_interfaces(&mut self) {
        while let Some(pou) = self.open_interfaces.pop() {
            self.interface(pou);
        }
    }

    fn interface(&mut self, pou: usize) {
        if std::mem::replace(&mut self.pous[pou].resolved, true) {
            return;
        }
        let decl = self.pous[pou].decl;
        match self.pous[pou].base {
            Some(base) => self.inherit(pou, base),
            None if self.has_class_member(pou) => {
                let name = Name::new(object::CLASS_MEMBER, decl.name.span);
                let section = Self::own_section(decl.name.span);
                let ty = Types::elementary(Elementary::Udint);
                self.add_var(pou, Self::var(&name, ty, VarKind::Local, &section));
            }
            None => {}
        }
        if let Some(result) = &decl.result {
            let resolved = self.resolve_type(result, Some(pou), None);
            let section = Self::own_section(result.span);
            // The result of a property has the property's name.
            let name = Name::new(&decl.name.text, decl.name.span);
            let mut var = Self::var(&name, resolved.ty, VarKind::Result, &section);
            var.default = resolved.init;
            self.pous[pou].result = Some(resolved.ty);
            self.pous[pou].result_var = Some(0);
            self.add_var(pou, var);
        }
        for section in self.setup_sections(pou).iter().chain(&decl.sections) {
            self.section(pou, section);
        }
        self.kept_variables(pou);
        let edges: Vec<usize> = (0..self.pous[pou].vars.len())
            .filter(|v| self.pous[pou].vars[*v].edge.is_some() && !self.pous[pou].vars[*v].inherited)
            .collect();
        for input in edges {
            let name = self.pous[pou].vars[input].name.clone();
            let hidden = |text: String| Name::new(&text, name.span);
            let section = Self::own_section(name.span);
            let memory = hidden(format!("__memory_{}", name.text));
            let pulse = hidden(format!("__pulse_{}", name.text));
            let memory = self.add_var(pou, Self::var(&memory, Types::BOOL, VarKind::Local, &section));
            let pulse = self.add_var(pou, Self::var(&pulse, Types::BOOL, VarKind::Local, &section));
            if let (Some(memory), Some(pulse)) = (memory, pulse) {
                self.pous[pou].edges.push((input, memory, pulse));
            }
        }
    }

    /// Variables of the base come first and at the same places, so that its code works on the derived object.
    fn inherit(&mut self, pou: usize, base: usize) {
        self.interface(base);
        for index in 0..self.pous[base].vars.len() {
            let var = Var { inherited: true, ..self.pous[base].vars[index].clone() };
            if !matches!(var.kind, VarKind::Temp) {
                self.pous[pou].scope.insert(Rc::clone(&var.name.key), index);
            }
            self.pous[pou].vars.push(var);
        }
        self.pous[pou].edges = self.pous[base].edges.clone();
    }

    /// What the variables of a section are. `None`: they are global, or must not stand here.
    fn section_kind(&mut self, pou: usize, section: &'a VarSection) -> Option<VarKind> {
        if let Some(kind) = self.test_section(pou, section) {
            return Some(kind);
        }
        let pou_kind = self.pous[pou].kind;
        let legal = match pou_kind {
            PouKind::Class => matches!(section.section, Section::Local | Section::External),
            PouKind::Interface => false,
            PouKind::Method => section.section != Section::Global,
            _ => section.section != Section::Instance,
        };
        if !legal {
            let message = format!("a {} has no such section", pou_kind.text());
            self.sink.report(Code::SectionNotAllowed, section.span, message);
            return None;
        }
        Some(match section.section {
            Section::Local if self.pous[pou].is_on_frame() => VarKind::Temp,
            Section::Local => VarKind::Local,
            Section::Input => VarKind::Input,
            Section::Output => VarKind::Output,
            Section::InOut => VarKind::InOut,
            Section::Temp => VarKind::Temp,
            Section::External => VarKind::External(usize::MAX),
            Section::Instance => VarKind::Kept(usize::MAX),
            Section::Global if pou_kind == PouKind::Program => {
                self.global_section(0, section);
                return None;
            }
            Section::Global => {
                let message = format!("VAR_GLOBAL is not allowed in a {}", pou_kind.text());
                self.sink
                    .report(Code::SectionNotAllowed, section.span, message)
                    .help("move it to the top of the file or into a CONFIGURATION");
                return None;
            }
        })
    }

    pub(super) fn section(&mut self, pou: usize, section: &'a VarSection) {
        let Some(kind) = self.section_kind(pou, section) else { return };
        for group in &section.groups {
            self.check_places(group);
            let resolved = self.resolve_type(&group.ty, Some(pou), None);
            self.check_edge(group, kind, resolved.ty, Some(pou));
            for (name, address) in &group.names {
                let mut var = Self::var(name, resolved.ty, kind, section);
                if kind == VarKind::External(usize::MAX) {
                    match self.external(pou, name, resolved.ty) {
                        Some(global) => var.kind = VarKind::External(global),
                        None => var.ty = Types::POISON,
                    }
                    self.add_var(pou, var);
                    continue;
                }
                if kind == VarKind::Kept(usize::MAX) {
                    let owner = self.pous[pou].owner.unwrap_or(pou);
                    self.interface(owner);
                    let kept = self.kept_name(pou, name);
                    match self.pous[owner].scope.get(&kept.key) {
                        Some(at) => var.kind = VarKind::Kept(*at),
                        None => var.ty = Types::POISON,
                    }
                    self.add_var(pou, var);
                    continue;
                }
                if self.types.open_dimensions(resolved.ty).is_some() {
                    self.open_array(pou, var, kind);
                    continue;
                }
                self.check_member(pou, name, resolved.ty, kind);
                if let Some((_, span)) = address {
                    let legal = !self.pous[pou].is_on_frame()
                        && !self.is_testing(Some(pou))
                        && matches!(kind, VarKind::Local | VarKind::Input | VarKind::Output);
                    if !legal {
                        let message = format!("`{}` cannot have an address here", name.text);
                        self.sink.report(Code::LocatedNotAllowed, *span, message);
                    }
                }
                var.edge = group.edge.filter(|_| kind == VarKind::Input && resolved.ty == Types::BOOL);
                var.address = *address;
                var.init = group.init.as_ref();
                var.default = resolved.init;
                self.check_constant(&var, name);
                self.add_var(pou, var);
            }
        }
    }

    /// A parameter whose bounds come with it: always by its address, as a VAR_IN_OUT; an input is read only.
    fn open_array(&mut self, pou: usize, mut var: Var<'a>, kind: VarKind) {
        let legal = matches!(kind, VarKind::Input | VarKind::Output | VarKind::InOut)
            && self.pous[pou].kind != PouKind::Program
            && !self.is_testing(Some(pou));
        if legal {
            var.constant = kind == VarKind::Input;
            var.open_output = kind == VarKind::Output;
            var.kind = VarKind::InOut;
        } else {
            self.refused_open(var.ty, var.name.span);
            var.ty = Types::POISON;
        }
        self.add_var(pou, var);
    }

    /// Instances live in programs and function blocks only.
    pub(super) fn check_member(&mut self, pou: usize, name: &Name, ty: TypeId, kind: VarKind) {
        let Some(inner) = self.instance_in(ty) else { return };
        if kind != VarKind::InOut {
            self.check_abstract(name, ty);
        }
        let text = &self.pous[inner].name.text;
        if self.pous[inner].kind == PouKind::Program {
            // A test makes instances of its own.
            if self.is_testing(Some(pou)) {
                return;
            }
            let message =
                format!("`{text}` is a program: it is instantiated in a CONFIGURATION, not as a variable");
            self.sink.report(Code::VariableKind, name.span, message);
        } else if kind == VarKind::Temp || self.pous[pou].is_on_frame() && kind != VarKind::InOut {
            let message =
                format!("`{}` is an instance of `{text}` and needs memory between calls", name.text);
            self.sink
                .report(Code::InstanceInFunction, name.span, message)
                .help("declare it in VAR of a program or function block");
        }
    }

    /// The function block of which a variable of the type holds instances.
    pub(super) fn instance_in(&self, ty: TypeId) -> Option<usize> {
        match self.types.get(ty) {
            Type::Instance(pou) => Some(*pou),
            Type::Array { element, .. } => self.instance_in(*element),
            Type::Struct(index) => {
                self.types.structs[*index].fields.iter().find_map(|field| self.instance_in(field.ty))
            }
            _ => None,
        }
    }

    fn external(&mut self, pou: usize, name: &Name, ty: TypeId) -> Option<usize> {
        let Some(Item::Global(global)) = self.find(name, Some(pou)) else {
            let message = format!("no VAR_GLOBAL `{}` is declared", name.text);
            self.sink.report(Code::ExternalMismatch, name.span, message);
            return None;
        };
        let declared = self.globals[global].ty;
        if declared != ty && ty != Types::POISON && declared != Types::POISON {
            let (want, have) = (self.types.name(declared), self.types.name(ty));
            let message = format!("`{}` is {want} as VAR_GLOBAL, but {have} here", name.text);
            let span = self.globals[global].name.span;
            self.sink.report(Code::ExternalMismatch, name.span, message).related(span, "declared here");
        }
        Some(global)
    }

    pub(super) fn add_var(&mut self, pou: usize, var: Var<'a>) -> Option<usize> {
        let index = self.pous[pou].vars.len();
        if let Some(first) = self.pous[pou].scope.get(&var.name.key) {
            let first = self.pous[pou].vars[*first].name.span;
            self.sink
                .report(Code::DuplicateName, var.name.span, format!("`{}` is declared twice", var.name.text))
                .related(first, "first declared here");
            return None;
        }
        self.pous[pou].scope.insert(Rc::clone(&var.name.key), index);
        self.pous[pou].vars.push(var);
        Some(index)
    }
}
