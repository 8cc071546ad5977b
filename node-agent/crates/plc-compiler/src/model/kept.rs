//! VAR_INST: variables of methods that last, as hidden-away members of the object.

use super::{Model, VarKind};
use crate::ast::{Name, Section};
use crate::types::Types;

impl Model<'_> {
    /// The name that a variable of a method has in its object.
    pub(super) fn kept_name(&self, method: usize, name: &Name) -> Name {
        let own = format!("{}.{}", self.pous[method].decl.name.text, name.text);
        let owner = self.pous[method].owner.unwrap_or(method);
        // The method of a base class may have a variable of the same name.
        let text = match self.pous[owner].base {
            Some(_) => format!("{}.{own}", self.pous[owner].name.text),
            None => own,
        };
        Name::new(&text, name.span)
    }

    /// Members for the VAR_INST of the methods that a class declares.
    pub(super) fn kept_variables(&mut self, class: usize) {
        let mut methods: Vec<usize> = self.pous[class].methods.values().copied().collect();
        methods.sort_unstable();
        for method in methods {
            let decl = self.pous[method].decl;
            for section in decl.sections.iter().filter(|section| section.section == Section::Instance) {
                for group in &section.groups {
                    let resolved = self.resolve_type(&group.ty, Some(class), None);
                    for (name, _) in &group.names {
                        if resolved.ty == Types::POISON || self.refused_open(resolved.ty, name.span) {
                            continue;
                        }
                        let kept = self.kept_name(method, name);
                        self.check_member(class, &kept, resolved.ty, VarKind::Local);
                        let mut var = Self::var(&kept, resolved.ty, VarKind::Local, section);
                        var.init = group.init.as_ref();
                        var.default = resolved.init;
                        self.add_var(class, var);
                    }
                }
            }
        }
    }
}
