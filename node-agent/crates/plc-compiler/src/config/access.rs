//! VAR_ACCESS: names under which others find variables of the program.

use super::{AccessPlan, Planner};
use crate::ast::AccessDecl;
use crate::diagnostic::Code;
use crate::model::Model;
use crate::program::Options;
use crate::types::Types;
use std::collections::HashSet;

impl<'a> Planner<'_, 'a> {
    /// Those of the configuration that are about the chosen resource, then those of each program instance.
    pub(super) fn accesses(&mut self, options: &Options) {
        let configurations = self.model.configurations.clone();
        let configured: Vec<&'a AccessDecl> = configurations.iter().flat_map(|c| &c.accesses).collect();
        for access in configured {
            let (head, rest) = access.path.split_once('.').unwrap_or((&access.path, ""));
            if !self.is_resource(&head.to_ascii_uppercase()) {
                self.access("", access, None, &access.path);
            } else if options.resource.as_ref().is_none_or(|chosen| chosen.eq_ignore_ascii_case(head)) {
                self.access("", access, None, rest);
            }
        }
        for instance in 0..self.plan.instances.len() {
            let (name, pou) = (self.plan.instances[instance].name.clone(), self.plan.instances[instance].pou);
            for access in &self.model.pou(pou).decl.accesses {
                // A direct address is the same one in every program.
                let inside = !access.path.starts_with('%');
                let path = if inside { format!("{name}.{}", access.path) } else { access.path.clone() };
                self.access(&name, access, Some(pou), &path);
            }
        }
        self.names_once();
    }

    fn access(&mut self, instance: &str, decl: &'a AccessDecl, scope: Option<usize>, path: &str) {
        let ty = self.model.declared_type(&decl.ty, scope);
        if ty == Types::POISON {
            return;
        }
        let name = &decl.name.text;
        self.plan.accesses.push(AccessPlan {
            name: if instance.is_empty() { name.to_string() } else { format!("{instance}.{name}") },
            name_span: decl.name.span,
            path: path.to_owned(),
            path_span: decl.span,
            ty,
            writable: decl.writable,
        });
    }

    fn names_once(&mut self) {
        let mut seen = HashSet::new();
        for access in &self.plan.accesses {
            if !seen.insert(access.name.to_ascii_uppercase()) {
                let message = format!("`{}` is declared twice", access.name);
                self.model.sink.report(Code::DuplicateName, access.name_span, message);
            }
        }
    }
}

impl<'a> Model<'a> {
    /// The type that a declaration outside of every POU's variables names.
    fn declared_type(&mut self, ty: &'a crate::ast::TypeRef, scope: Option<usize>) -> crate::types::TypeId {
        let ty = self.resolve_type(ty, scope, None).ty;
        // It may have brought in a function block of the standard library.
        self.resolve_interfaces();
        ty
    }
}
