//! Namespaces: which names a place in the sources sees.

use super::{Item, Model};
use crate::ast::Name;
use crate::diagnostic::Code;
use crate::span::Span;
use std::rc::Rc;

/// A region of the sources in which names are looked up alike. Space 0 is the global one.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    /// As declared; empty outside of every namespace.
    pub(crate) path: Name,
    /// The space around it.
    parent: usize,
    /// What USING opens.
    usings: Vec<Name>,
}

/// The key of a name in a namespace.
fn joined(path: &str, key: &str) -> Rc<str> {
    if path.is_empty() { key.into() } else { format!("{path}.{key}").into() }
}

impl Model<'_> {
    pub(super) fn global_space() -> Space {
        Space { path: Name::new("", Span::default()), parent: 0, usings: Vec::new() }
    }

    /// The space around, with more USING.
    pub(super) fn open_space(&mut self, parent: usize, usings: &[Name]) -> usize {
        let path = self.spaces[parent].path.clone();
        self.spaces.push(Space { path, parent, usings: usings.to_vec() });
        self.spaces.len() - 1
    }

    /// The space of a namespace in another; `A.B` lies in `A`. A namespace may be opened again.
    pub(super) fn open_namespace(&mut self, parent: usize, name: &Name) -> usize {
        let mut space = parent;
        for part in name.text.split('.') {
            let outer = &self.spaces[space].path.text;
            let text = if outer.is_empty() { part.to_owned() } else { format!("{outer}.{part}") };
            let path = Name::new(&text, name.span);
            self.declare_namespace(&path);
            self.spaces.push(Space { path, parent: space, usings: Vec::new() });
            space = self.spaces.len() - 1;
        }
        space
    }

    fn declare_namespace(&mut self, path: &Name) {
        match self.names.get(&path.key) {
            Some((Item::Namespace, _)) => {}
            None => {
                self.names.insert(Rc::clone(&path.key), (Item::Namespace, path.span));
            }
            Some((_, first)) => {
                let first = *first;
                let message = format!("`{}` is declared twice", path.text);
                self.sink
                    .report(Code::DuplicateName, path.span, message)
                    .related(first, "first declared here");
            }
        }
    }

    /// The full key of a name that is declared in a space.
    pub(super) fn full_key(&self, space: usize, name: &Name) -> Rc<str> {
        joined(&self.spaces[space].path.key, &name.key)
    }

    /// Every USING must open something.
    pub(super) fn check_usings(&mut self) {
        for space in 0..self.spaces.len() {
            for name in self.spaces[space].usings.clone() {
                if !matches!(self.names.get(&name.key), Some((Item::Namespace, _))) {
                    let message = format!("no NAMESPACE `{}` is declared", name.text);
                    self.sink.report(Code::UnknownNamespace, name.span, message);
                }
            }
        }
    }

    /// The space in which a POU is written; without one, that of the declaration being resolved.
    fn space_of(&self, scope: Option<usize>) -> usize {
        scope.map_or(self.space, |pou| self.pous[pou].space)
    }

    /// The full key of what a name means where it is written; the key itself if nothing has that name.
    pub(crate) fn visible(&mut self, name: &Name, scope: Option<usize>) -> Rc<str> {
        let mut at = self.space_of(scope);
        loop {
            let space = &self.spaces[at];
            let own = joined(&space.path.key, &name.key);
            if self.names.contains_key(&own) {
                return own;
            }
            let mut opened: Vec<Rc<str>> =
                space.usings.iter().map(|using| joined(&using.key, &name.key)).collect();
            opened.retain(|key| self.names.contains_key(key) && !self.hidden_globals.contains(key));
            opened.sort();
            opened.dedup();
            match opened.as_slice() {
                [] if at == 0 => return Rc::clone(&name.key),
                [] => at = space.parent,
                [one] => return Rc::clone(one),
                [first, second, ..] => {
                    let message = format!("`{}` is `{first}` and `{second}`", name.text);
                    let first = Rc::clone(first);
                    self.sink
                        .report(Code::AmbiguousName, name.span, message)
                        .help("write the namespace before it");
                    return first;
                }
            }
        }
    }

    /// What a name means where it is written.
    pub(crate) fn find(&mut self, name: &Name, scope: Option<usize>) -> Option<Item> {
        let key = self.visible(name, scope);
        self.names.get(&key).map(|(item, _)| *item)
    }

    /// Whether two places belong to one namespace.
    pub(crate) fn same_namespace(&self, a: usize, b: usize) -> bool {
        self.spaces[a].path.key == self.spaces[b].path.key
    }
}
