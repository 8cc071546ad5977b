//! Lists of global variables with a name: that of their file in the dialect Codesys, else that of their
//! namespace; and what the attribute `qualified_only` does to them.

use super::{Item, Model};
use crate::Dialect;
use crate::ast::{Name, VarSection};
use crate::diagnostic::Code;
use crate::span::Span;
use std::rc::Rc;

/// How the variables of a list are found besides, or instead of, by their bare names.
#[derive(Clone, Copy)]
pub(super) enum List {
    /// Also behind the name of the list, which is that of this unit.
    Also(usize),
    /// Behind that name only: the list is a namespace.
    Only(usize),
}

/// The name that a file gives to a list: up to its first dot, if that is an identifier.
fn list_name(unit: &str) -> Option<&str> {
    let file = unit.rsplit(['/', '\\']).next()?;
    let stem = file.split('.').next()?;
    let first = stem.bytes().next()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let fits = !first.is_ascii_digit() && !stem.starts_with("__") && stem.bytes().all(plain);
    fits.then_some(stem)
}

impl Model<'_> {
    /// The list of a section; `None` for one whose variables have their plain names.
    pub(super) fn global_list(&mut self, space: usize, section: &VarSection) -> Option<List> {
        let in_namespace = !self.spaces[space].path.text.is_empty();
        let unit = section.span.unit as usize;
        let file = self.unit_names.get(unit).copied().and_then(list_name);
        let named_after_file = self.options.dialect == Dialect::Codesys && !in_namespace;
        let name = file.filter(|_| named_after_file);
        match (section.qualified, name) {
            (Some(_), Some(name)) => {
                let name = Name::new(name, section.span);
                Some(List::Only(self.open_namespace(space, &name)))
            }
            // Inside its namespace everything has its plain name; only USING must not bring it.
            (Some(span), None) if !in_namespace => {
                self.unnamed_list(span);
                None
            }
            (None, Some(_)) => Some(List::Also(unit)),
            _ => None,
        }
    }

    fn unnamed_list(&mut self, span: Span) {
        let message = "attribute qualified_only has no effect here: the list has no name";
        let help = "put the VAR_GLOBAL into a NAMESPACE";
        self.sink.report(Code::UnknownPragma, span, message).help(help);
    }

    /// `List.name` for a variable that its bare name finds too. Anything else of the list's name goes before it.
    pub(super) fn add_name_in_list(&mut self, unit: usize, name: &Name, global: usize) {
        let Some(list) = self.unit_names.get(unit).copied().and_then(list_name) else { return };
        let list = Name::new(list, name.span);
        if !self.names.contains_key(&list.key) {
            self.names.insert(Rc::clone(&list.key), (Item::Namespace, name.span));
            self.file_lists.insert(Rc::clone(&list.key));
        }
        if matches!(self.names.get(&list.key), Some((Item::Namespace, _))) {
            let full = format!("{}.{}", list.key, name.key).into();
            self.names.entry(full).or_insert((Item::Global(global), name.span));
        }
    }

    /// Whether a name is only that of a file with variables, which bare names find too: it hides nothing.
    pub(crate) fn is_file_list(&self, name: &Name) -> bool {
        self.file_lists.contains(&name.key)
    }

    /// Remembers how a hidden variable is written.
    pub(super) fn note_qualified(&mut self, space: usize, name: &Name) {
        let path = &self.spaces[space].path;
        if path.text.is_empty() {
            return;
        }
        self.qualified.insert(Rc::clone(&name.key), format!("{}.{}", path.text, name.text));
        self.hidden_globals.insert(self.full_key(space, name));
    }
}

#[cfg(test)]
mod tests {
    use super::list_name;

    #[test]
    fn a_list_has_the_name_of_its_file() {
        assert_eq!(list_name("plant/GVL_Io.st"), Some("GVL_Io"));
        assert_eq!(list_name("GVL.gvl.st"), Some("GVL"));
        for unit in ["my-list.st", "1st.st", "", ".st", "__x.st"] {
            assert_eq!(list_name(unit), None, "{unit}");
        }
    }
}
