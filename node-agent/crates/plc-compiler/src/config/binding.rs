//! What VAR_CONFIG and the manifest say of single variables: addresses and initial values.

use super::{ImageCopy, Initial, Planner};
use crate::ast::{Address, ConfigBinding};
use crate::check;
use crate::diagnostic::Code;
use crate::model::{Item, VarKind};
use crate::parse;
use crate::program::Options;
use crate::span::Span;
use crate::types::Type;

impl<'a> Planner<'_, 'a> {
    /// Addresses from VAR_CONFIG and from the manifest.
    pub(super) fn bindings(&mut self, options: &Options) {
        let configurations = self.model.configurations.clone();
        let from_source: Vec<&'a ConfigBinding> = configurations.iter().flat_map(|c| &c.bindings).collect();
        for binding in from_source {
            if let Some((address, span)) = binding.address {
                // A path may begin with the resource: `Res.Main.Start`.
                self.bind(&binding.path, address, binding.span, span);
            }
            if let Some(init) = &binding.init {
                self.initialise(&binding.path, init, binding.span);
            }
        }
        for binding in &options.bindings {
            if let Some(address) = parse::address(&binding.address).filter(|address| address.at.is_some()) {
                self.bind(&binding.variable, address, self.nowhere, self.nowhere);
            } else {
                let message = format!("`{}` is not an address for `{}`", binding.address, binding.variable);
                self.model.sink.report(Code::BadAddress, self.nowhere, message);
            }
        }
    }

    /// The parts of a path in upper case, without the name of the resource.
    fn parts(&self, path: &str) -> Vec<String> {
        let mut parts: Vec<String> = path.split('.').map(str::to_ascii_uppercase).collect();
        if parts.len() > 1 && self.is_resource(&parts[0]) {
            parts.remove(0);
        }
        parts
    }

    /// Whether no other instance runs the same program.
    fn is_alone(&self, instance: usize) -> bool {
        let pou = self.plan.instances[instance].pou;
        self.plan.instances.iter().filter(|other| other.pou == pou).count() == 1
    }

    /// An initial value from VAR_CONFIG.
    fn initialise(&mut self, path: &str, init: &'a crate::ast::Expr, span: Span) {
        let parts = self.parts(path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let Some(global) = self.find_global(&parts) {
            let ty = self.model.globals[global].ty;
            self.model.globals[global].initial = check::initial_value(self.model, None, init, ty);
            return;
        }
        let found = self.find_variable(&parts);
        let Some((instance, (pou, var), steps)) =
            found.and_then(|(instance, steps)| Some((instance, *steps.last()?, steps)))
        else {
            let message = format!("`{path}` names no variable that could have an initial value");
            self.model.sink.report(Code::UnknownBinding, span, message);
            return;
        };
        let ty = self.model.pou(pou).vars[var].ty;
        let Some(init) = check::initial_value(self.model, None, init, ty) else { return };
        if steps.len() == 1 && self.is_alone(instance) {
            self.model.pous[pou].vars[var].initial = Some(init);
        } else {
            self.plan.instances[instance].initials.push(Initial { path: steps, ty, init });
        }
    }

    fn bind(&mut self, path: &str, address: Address, span: Span, address_span: Span) {
        let parts = self.parts(path);
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        if let Some(global) = self.find_global(&parts) {
            let var = &self.model.globals[global];
            if self.refused(path, var.address, address, span) {
                return;
            }
            self.model.globals[global].address = Some((address, address_span));
            return;
        }
        let Some((instance, steps)) = self.find_variable(&parts) else {
            let message = format!("`{path}` names no variable that could have an address");
            self.model.sink.report(Code::UnknownBinding, span, message);
            return;
        };
        let Some((pou, var)) = steps.last().copied() else { return };
        let variable = &self.model.pou(pou).vars[var];
        let (declared, ty) = (variable.address, variable.ty);
        let again = self.plan.instances[instance].images.iter().any(|image| image.path == steps);
        if again {
            self.model.sink.report(Code::BoundTwice, span, format!("`{path}` has an address already"));
            return;
        }
        if self.refused(path, declared, address, span) {
            return;
        }
        if !self.model.is_plain(ty) {
            let message = format!("`{path}` cannot lie in the process image: it is no plain data");
            self.model.sink.report(Code::BadOverlap, span, message);
            return;
        }
        if steps.len() == 1 && self.is_alone(instance) {
            // The code of this program serves one instance: the variable can be image bytes itself.
            self.model.pous[pou].vars[var].address = Some((address, address_span));
        } else if !self.plan.tasks.iter().any(|task| task.instances.contains(&instance)) {
            let message = format!("an address for `{path}`, inside of a program that no task runs,");
            self.model.sink.report(Code::NotSupportedYet, span, format!("{message} is not supported yet"));
        } else {
            self.model.image_fills |= self.model.types.storage(ty).is_none();
            self.plan.instances[instance].images.push(ImageCopy { path: steps, ty, address });
        }
    }

    pub(super) fn is_resource(&self, key: &str) -> bool {
        let resources = self.model.configurations.iter().flat_map(|c| &c.resources);
        resources.filter_map(|r| r.name.as_ref()).any(|name| name.key.as_ref() == key)
    }

    /// Whether a variable cannot take the address.
    fn refused(
        &mut self,
        path: &str,
        declared: Option<(Address, Span)>,
        address: Address,
        span: Span,
    ) -> bool {
        match declared {
            Some((declared, _)) if declared.at.is_some() => {
                self.model.sink.report(Code::BoundTwice, span, format!("`{path}` has an address already"));
                true
            }
            Some((declared, _)) if declared.area != address.area => {
                let message = format!("`{path}` is declared in another area than its address");
                self.model.sink.report(Code::AddressTypeMismatch, span, message);
                true
            }
            _ => false,
        }
    }

    fn find_global(&self, parts: &[&str]) -> Option<usize> {
        match self.model.names.get(parts.join(".").as_str()) {
            Some((Item::Global(global), _)) => Some(*global),
            _ => None,
        }
    }

    fn find_variable(&self, parts: &[&str]) -> Option<(usize, Vec<(usize, usize)>)> {
        let (first, rest) = parts.split_first()?;
        let instance = self.instance(first)?;
        let mut pou = self.plan.instances[instance].pou;
        let mut steps = Vec::new();
        for (position, part) in rest.iter().enumerate() {
            let var = self.model.pou(pou).scope.get(*part).copied()?;
            let kind = self.model.pou(pou).vars[var].kind;
            if !matches!(kind, VarKind::Local | VarKind::Input | VarKind::Output) {
                return None;
            }
            steps.push((pou, var));
            if position + 1 < rest.len() {
                let Type::Instance(inner) = *self.model.types.get(self.model.pou(pou).vars[var].ty) else {
                    return None;
                };
                pou = inner;
            }
        }
        (!steps.is_empty()).then_some((instance, steps))
    }

    /// Every `AT %I*` must have been completed.
    pub(super) fn incomplete_addresses(&mut self) {
        for global in 0..self.model.globals.len() {
            let var = &self.model.globals[global];
            if let Some((Address { at: None, .. }, span)) = var.address {
                let path = self.model.global_path(global);
                self.incomplete(&path, span);
            }
        }
        let mut memo = vec![None; self.model.pous.len()];
        for instance in 0..self.plan.instances.len() {
            let pou = self.plan.instances[instance].pou;
            let path = self.plan.instances[instance].name.clone();
            self.incomplete_in(instance, pou, &path, &mut Vec::new(), &mut memo);
        }
    }

    fn incomplete(&mut self, path: &str, span: Span) {
        let message = format!("`{path}` has an incomplete address and no binding completes it");
        self.model
            .sink
            .report(Code::IncompleteAddress, span, message)
            .help(format!("add `{{variable: {path}, address: \"…\"}}` to `spec.io.bindings`"));
    }

    fn incomplete_in(
        &mut self,
        instance: usize,
        pou: usize,
        path: &str,
        steps: &mut Vec<(usize, usize)>,
        memo: &mut Vec<Option<bool>>,
    ) {
        if steps.len() > 256 || !self.has_incomplete(pou, memo, 0) {
            return;
        }
        for var in 0..self.model.pou(pou).vars.len() {
            let variable = &self.model.pou(pou).vars[var];
            let (ty, address) = (variable.ty, variable.address);
            let inner_path = format!("{path}.{}", variable.name.text);
            steps.push((pou, var));
            if let Some((Address { at: None, .. }, span)) = address {
                let bound = self.plan.instances[instance].images.iter().any(|image| image.path == *steps);
                if !bound {
                    self.incomplete(&inner_path, span);
                }
            }
            if let Type::Instance(inner) = *self.model.types.get(ty) {
                self.incomplete_in(instance, inner, &inner_path, steps, memo);
            }
            steps.pop();
        }
    }

    fn has_incomplete(&self, pou: usize, memo: &mut Vec<Option<bool>>, depth: usize) -> bool {
        if let Some(known) = memo[pou] {
            return known;
        }
        memo[pou] = Some(false);
        let found = depth < 256
            && self.model.pou(pou).vars.iter().any(|var| {
                matches!(var.address, Some((Address { at: None, .. }, _)))
                    || matches!(*self.model.types.get(var.ty), Type::Instance(inner)
                        if self.has_incomplete(inner, memo, depth + 1))
            });
        memo[pou] = Some(found);
        found
    }
}
