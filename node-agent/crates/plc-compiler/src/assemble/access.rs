//! VAR_ACCESS: other names of variables.

use super::LayoutBuilder;
use crate::config::AccessPlan;
use crate::diagnostic::Code;
use crate::layout::{Alias, Leaf};
use crate::span::Span;

impl LayoutBuilder<'_, '_, '_> {
    /// Another name of a variable that is laid out already.
    pub(super) fn access(&mut self, access: &AccessPlan) -> Result<(), (Code, Span, String)> {
        let AccessPlan { name, path, .. } = access;
        if self.layout.find(name).is_some() {
            let message = format!("`{name}` is the path of a variable too");
            return Err((Code::DuplicateName, access.name_span, message));
        }
        let wrong = |message: String| Err((Code::BadAccessPath, access.path_span, message));
        let Some(place) = self.layout.find(path) else {
            return wrong(format!("`{path}` names no variable of the program"));
        };
        let (declared, found) = (self.ty(access.ty), place.ty);
        if declared != found {
            let (declared, found) = (self.layout.type_name(declared), self.layout.type_name(found));
            return wrong(format!("`{path}` is {found}, not {declared}"));
        }
        let bytes = self.layout.size_of(place.ty).max(1);
        let inside = |leaf: &&Leaf| {
            leaf.offset < place.offset + bytes && place.offset < leaf.offset + leaf.bytes.max(1)
        };
        let constant = self.layout.leaves.iter().filter(inside).any(|leaf| leaf.flags.constant);
        let is_input = self.layout.sections.inputs.contains(&place.offset);
        if access.writable && (constant || is_input) {
            let what = if constant { "a constant" } else { "part of the input image" };
            return wrong(format!("`{path}` is {what}: it can be READ_ONLY only"));
        }
        let alias = Alias { path: name.clone(), place, writable: access.writable };
        self.layout.aliases.push(alias);
        Ok(())
    }
}
