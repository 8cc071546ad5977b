//! Manifests as people give them: files and directories of YAML documents, each with its place.

pub(crate) mod load;

use std::fmt;
use std::rc::Rc;

use kube::core::GroupVersionKind;
use lineshaft_crds::manifest::{Document, Position};
use serde_json::Value;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct File {
    /// As given on the command line, or below the given directory.
    pub(crate) name: String,
    /// Its text.
    pub(crate) text: String,
}

/// One object of a file.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// Where it stands.
    pub(crate) file: Rc<File>,
    /// The document that it is, or is an item of.
    document: Rc<Document>,
    /// Path of the object in the document: empty, or `items[3]` of a `List`.
    prefix: String,
    /// What it says.
    pub(crate) value: Value,
    /// Group, version, kind, namespace and name.
    pub(crate) identity: Identity,
}

/// What makes an object the same object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// Empty for the core group.
    pub(crate) group: String,
    /// `v1`.
    pub(crate) version: String,
    /// `ConfigMap`.
    pub(crate) kind: String,
    /// As written; absent means `default` for kinds that live in namespaces.
    pub(crate) namespace: Option<String>,
    /// `metadata.name`.
    pub(crate) name: String,
}

impl Manifest {
    /// Where the field of a path stands, or what there is of the way to it.
    pub(crate) fn position(&self, path: &str) -> (u32, u32) {
        let path = path.trim_start_matches('.');
        let dot = if self.prefix.is_empty() || path.is_empty() || path.starts_with('[') { "" } else { "." };
        counted(self.document.position(&format!("{}{dot}{path}", self.prefix)))
    }

    /// `manifests/filler.yaml:12`
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file.name, self.position("").0)
    }
}

/// Line and column as diagnostics count them.
fn counted(position: Option<Position>) -> (u32, u32) {
    let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).max(1);
    position.map_or((1, 1), |position| (number(position.line), number(position.column)))
}

impl Identity {
    /// Group, version and kind.
    pub(crate) fn gvk(&self) -> GroupVersionKind {
        GroupVersionKind::gvk(&self.group, &self.version, &self.kind)
    }

    /// The namespace of an object of a namespaced kind.
    pub(crate) fn namespace_or_default(&self) -> &str {
        self.namespace.as_deref().unwrap_or("default")
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}
