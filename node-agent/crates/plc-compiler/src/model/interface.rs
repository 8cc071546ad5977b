//! The variables of globals lists and POUs.

use super::{ConstantState, Item, Model, Var, VarKind};
use crate::ast::{Name, PouKind, Section, VarGroup, VarSection};
use crate::diagnostic::Code;
use crate::types::{Type, TypeId, Types};
use std::rc::Rc;

impl<'a> Model<'a> {
    pub(super) fn global_section(&mut self, list: Option<&'a Name>, section: &'a VarSection) {
        if let Some(list) = list {
            match self.names.get(&list.key) {
                None => {
                    self.names.insert(Rc::clone(&list.key), (Item::List, list.span));
                }
                Some((Item::List, _)) => {}
                Some(_) => {
                    self.declare(list, Item::List);
                    return;
                }
            }
        }
        for group in &section.groups {
            let resolved = self.resolve_type(&group.ty, None, None);
            for (name, address) in &group.names {
                let index = self.globals.len();
                let fresh = match list {
                    None => self.declare(name, Item::Global(index)),
                    Some(list) => {
                        let members = self.lists.entry(Rc::clone(&list.key)).or_default();
                        let fresh = !members.contains_key(&name.key);
                        members.entry(Rc::clone(&name.key)).or_insert(index);
                        if !fresh {
                            let message = format!("`{}.{}` is declared twice", list.text, name.text);
                            self.sink.report(Code::DuplicateName, name.span, message);
                        }
                        fresh
                    }
                };
                if !fresh {
                    continue;
                }
                self.check_edge(group, VarKind::Global, resolved.ty, None);
                let mut var = Self::var(name, resolved.ty, VarKind::Global, section);
                var.address = *address;
                var.init = group.init.as_ref();
                var.default = resolved.init;
                var.list = list.cloned();
                self.check_constant(&var, name);
                self.globals.push(var);
            }
        }
    }

    fn var(name: &Name, ty: TypeId, kind: VarKind, section: &VarSection) -> Var<'a> {
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
            list: None,
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
        let in_block = pou.is_some_and(|pou| self.pous[pou].kind != PouKind::Function);
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
        let decl = self.pous[pou].decl;
        if let Some(result) = &decl.result {
            let resolved = self.resolve_type(result, Some(pou), None);
            let section = VarSection {
                section: Section::Local,
                constant: false,
                retain: false,
                persistent: false,
                groups: Vec::new(),
                span: result.span,
            };
            let mut var = Self::var(&decl.name, resolved.ty, VarKind::Result, &section);
            var.default = resolved.init;
            self.pous[pou].result = Some(resolved.ty);
            self.pous[pou].result_var = Some(0);
            self.add_var(pou, var);
        }
        for section in self.setup_sections(pou).iter().chain(&decl.sections) {
            self.section(pou, section);
        }
        let edges: Vec<usize> =
            (0..self.pous[pou].vars.len()).filter(|v| self.pous[pou].vars[*v].edge.is_some()).collect();
        for input in edges {
            let name = self.pous[pou].vars[input].name.clone();
            let hidden = |text: String| Name::new(&text, name.span);
            let section = VarSection {
                section: Section::Local,
                constant: false,
                retain: false,
                persistent: false,
                groups: Vec::new(),
                span: name.span,
            };
            let memory = hidden(format!("__memory_{}", name.text));
            let pulse = hidden(format!("__pulse_{}", name.text));
            let memory = self.add_var(pou, Self::var(&memory, Types::BOOL, VarKind::Local, &section));
            let pulse = self.add_var(pou, Self::var(&pulse, Types::BOOL, VarKind::Local, &section));
            if let (Some(memory), Some(pulse)) = (memory, pulse) {
                self.pous[pou].edges.push((input, memory, pulse));
            }
        }
    }

    /// What the variables of a section are. `None`: they are global, or must not stand here.
    fn section_kind(&mut self, pou: usize, section: &'a VarSection) -> Option<VarKind> {
        if let Some(kind) = self.test_section(pou, section) {
            return Some(kind);
        }
        let pou_kind = self.pous[pou].kind;
        Some(match section.section {
            Section::Local if pou_kind == PouKind::Function => VarKind::Temp,
            Section::Local => VarKind::Local,
            Section::Input => VarKind::Input,
            Section::Output => VarKind::Output,
            Section::InOut => VarKind::InOut,
            Section::Temp => VarKind::Temp,
            Section::External => VarKind::External(usize::MAX),
            Section::Global if pou_kind == PouKind::Program => {
                self.global_section(None, section);
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
        let pou_kind = self.pous[pou].kind;
        let Some(kind) = self.section_kind(pou, section) else { return };
        for group in &section.groups {
            let resolved = self.resolve_type(&group.ty, Some(pou), None);
            self.check_edge(group, kind, resolved.ty, Some(pou));
            for (name, address) in &group.names {
                let mut var = Self::var(name, resolved.ty, kind, section);
                if kind == VarKind::External(usize::MAX) {
                    match self.external(name, resolved.ty) {
                        Some(global) => var.kind = VarKind::External(global),
                        None => var.ty = Types::POISON,
                    }
                    self.add_var(pou, var);
                    continue;
                }
                self.check_member(pou, name, resolved.ty, kind);
                if let Some((_, span)) = address {
                    let legal = pou_kind != PouKind::Function
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

    /// Instances live in programs and function blocks only.
    fn check_member(&mut self, pou: usize, name: &Name, ty: TypeId, kind: VarKind) {
        let Some(inner) = self.instance_in(ty) else { return };
        let text = &self.pous[inner].name.text;
        if self.pous[inner].kind == PouKind::Program {
            // A test makes instances of its own.
            if self.is_testing(Some(pou)) {
                return;
            }
            let message =
                format!("`{text}` is a program: it is instantiated in a CONFIGURATION, not as a variable");
            self.sink.report(Code::VariableKind, name.span, message);
        } else if kind == VarKind::Temp || self.pous[pou].kind == PouKind::Function && kind != VarKind::InOut
        {
            let message =
                format!("`{}` is an instance of `{text}` and needs memory between calls", name.text);
            self.sink
                .report(Code::InstanceInFunction, name.span, message)
                .help("declare it in VAR of a program or function block");
        }
    }

    /// The function block of which a variable of the type holds instances.
    fn instance_in(&self, ty: TypeId) -> Option<usize> {
        match self.types.get(ty) {
            Type::Instance(pou) => Some(*pou),
            Type::Array { element, .. } => self.instance_in(*element),
            Type::Struct(index) => {
                self.types.structs[*index].fields.iter().find_map(|field| self.instance_in(field.ty))
            }
            _ => None,
        }
    }

    fn external(&mut self, name: &Name, ty: TypeId) -> Option<usize> {
        let Some(Item::Global(global)) = self.item(&name.key) else {
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
