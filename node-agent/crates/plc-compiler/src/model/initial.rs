//! Initial values of all variables and structure fields, once all types are known.

use super::Model;
use crate::ast::PouKind;
use crate::check;
use crate::diagnostic::Code;
use crate::hir::Init;
use crate::memory::reference::leads_to_member;
use crate::types::{Type, TypeId, Types};

impl<'a> Model<'a> {
    /// Computes every initial value. New POUs of the standard library may come in meanwhile.
    pub(crate) fn resolve_initial_values(&mut self) {
        for index in 0..self.types.structs.len() {
            for field in 0..self.types.structs[index].fields.len() {
                let (ty, init, default) = {
                    let field = &self.types.structs[index].fields[field];
                    (field.ty, field.init, field.default)
                };
                if let Some(init) = self.initial_of(None, ty, init, default) {
                    self.field_inits.insert((index, field), init);
                }
            }
        }
        for global in 0..self.globals.len() {
            let var = &self.globals[global];
            let (ty, init, default) = (var.ty, var.init, var.default);
            self.space = var.space;
            self.globals[global].initial = self.initial_of(None, ty, init, default);
            self.space = 0;
        }
        let mut pou = 0;
        while pou < self.pous.len() {
            self.resolve_interfaces();
            self.pou_initial_values(pou);
            pou += 1;
        }
    }

    /// Those of one POU; also for one that comes in later.
    pub(crate) fn pou_initial_values(&mut self, pou: usize) {
        if std::mem::replace(&mut self.pous[pou].initialised, true) {
            return;
        }
        // The base says it once, wherever it stands in the sources.
        if let Some(base) = self.pous[pou].base {
            self.pou_initial_values(base);
        }
        for index in 0..self.pous[pou].vars.len() {
            let var = &self.pous[pou].vars[index];
            if matches!(var.kind, super::VarKind::Enclosing(..)) {
                continue;
            }
            if var.inherited {
                let base = self.pous[pou].base.unwrap_or(pou);
                self.pous[pou].vars[index].initial = self.pous[base].vars[index].initial.clone();
                continue;
            }
            let (ty, init, default) = (var.ty, var.init, var.default);
            let (is_temporary, span) = (var.kind == super::VarKind::Temp, var.name.span);
            let initial = self.initial_of(Some(pou), ty, init, default);
            if is_temporary && initial.as_ref().is_some_and(leads_to_member) {
                let message = "a temporary cannot begin with a reference to a variable of the object";
                self.sink.report(Code::NotConstant, span, message).help("assign the reference in the body");
            }
            self.pous[pou].vars[index].initial = initial;
        }
    }

    fn initial_of(
        &mut self,
        pou: Option<usize>,
        ty: TypeId,
        init: Option<&'a crate::ast::Expr>,
        default: Option<usize>,
    ) -> Option<Init> {
        if let Some(init) = init {
            return check::initial_value(self, pou, init, ty);
        }
        default.map(|index| self.inits[index].clone()).or_else(|| self.type_default(ty))
    }

    /// Reports types and POUs that contain or call themselves.
    pub(crate) fn check_recursion(&mut self) {
        let mut done = vec![false; self.types.structs.len() + self.pous.len()];
        for pou in 0..self.pous.len() {
            self.contains_itself(pou, &mut Vec::new(), &mut done);
        }
        let mut state = vec![0u8; self.pous.len()];
        for pou in 0..self.pous.len() {
            self.calls_itself(pou, &mut state, 0);
        }
    }

    fn contains_itself(&mut self, pou: usize, path: &mut Vec<usize>, done: &mut [bool]) {
        if done[pou] {
            return;
        }
        if path.contains(&pou) || path.len() > 256 {
            let name = self.pous[pou].name.clone();
            let message = format!("`{}` contains an instance of itself", name.text);
            self.sink.report(Code::RecursiveType, name.span, message);
            done[pou] = true;
            return;
        }
        path.push(pou);
        for var in 0..self.pous[pou].vars.len() {
            let kind = self.pous[pou].vars[var].kind;
            if matches!(
                kind,
                super::VarKind::InOut | super::VarKind::External(_) | super::VarKind::Enclosing(..)
            ) {
                continue;
            }
            for inner in self.instances_in(self.pous[pou].vars[var].ty) {
                self.contains_itself(inner, path, done);
            }
        }
        path.pop();
        done[pou] = true;
    }

    /// The POUs of which a value of the type holds instances.
    fn instances_in(&self, ty: TypeId) -> Vec<usize> {
        match self.types.get(ty) {
            Type::Instance(pou) => vec![*pou],
            Type::Array { element, .. } => self.instances_in(*element),
            Type::Struct(index) => self.types.structs[*index]
                .fields
                .iter()
                .flat_map(|field| self.instances_in(field.ty))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Depth-first over the calls: 0 = new, 1 = on the path, 2 = done.
    fn calls_itself(&mut self, pou: usize, state: &mut [u8], depth: usize) {
        if state[pou] == 2 {
            return;
        }
        state[pou] = 1;
        for (callee, span) in self.fixed_callees(pou) {
            if state[callee] == 1 {
                let (caller, name) =
                    (self.types.pou_names[pou].clone(), self.types.pou_names[callee].clone());
                let message = if callee == pou {
                    format!("`{name}` calls itself")
                } else {
                    format!("`{caller}` calls `{name}`, which calls `{caller}` again")
                };
                self.sink.report(Code::RecursiveCall, span, message).help("use a loop");
            } else if depth > 256 {
                let message = "calls are nested more than 256 levels deep";
                self.sink.report(Code::TooDeep, span, message);
                break;
            } else {
                self.calls_itself(callee, state, depth + 1);
            }
        }
        state[pou] = 2;
    }

    /// Programs in order of declaration.
    pub(crate) fn programs(&self) -> Vec<usize> {
        (0..self.pous.len()).filter(|pou| self.pous[*pou].kind == PouKind::Program).collect()
    }

    /// Programs that no other runs by their name, in order of declaration.
    pub(crate) fn first_programs(&self) -> Vec<usize> {
        let called = |pou: &usize| {
            let callers = (0..self.pous.len()).filter(|caller| !self.is_testing(Some(*caller)));
            self.named_programs.contains_key(pou)
                && callers.flat_map(|caller| &self.pous[caller].uses).any(|(callee, _)| callee == pou)
        };
        self.programs().into_iter().filter(|pou| !called(pou)).collect()
    }

    /// Whether an instance of the POU holds the variable (others are on the frame, global or in the image).
    pub(crate) fn is_stored(&self, pou: usize, var: usize) -> bool {
        let var = &self.pous[pou].vars[var];
        let located = var.address.is_some_and(|(address, _)| address.at.is_some());
        let kept = matches!(
            var.kind,
            super::VarKind::Local | super::VarKind::Input | super::VarKind::Output | super::VarKind::InOut
        );
        kept && !located && var.ty != Types::POISON && !self.pous[pou].is_on_frame()
    }
}
