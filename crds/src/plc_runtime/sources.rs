//! From `spec.program.sources` to files: the same for the operator that checks them and the agent that loads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::program::Program;
use crate::program_hash;

/// Ending of the keys that are taken where none are named.
const SOURCE_ENDING: &str = ".st";

/// Data of `ConfigMap`s by their names.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// One source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as diagnostics print it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Something that the sources refer to and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// There is no `ConfigMap` of this name.
    ConfigMap {
        /// Path of the field that names it.
        path: String,
        /// The name.
        name: String,
    },
    /// The `ConfigMap` has no such key.
    Key {
        /// Path of the field that names it.
        path: String,
        /// The `ConfigMap`.
        name: String,
        /// The key.
        key: String,
    },
    /// No keys are named, and the `ConfigMap` has none that ends in `.st`.
    NoSources {
        /// Path of the field that names it.
        path: String,
        /// The `ConfigMap`.
        name: String,
    },
}

impl Unresolved {
    /// The reason of a condition that reports it.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ConfigMap { .. } => "ConfigMapNotFound",
            Self::Key { .. } => "KeyNotFound",
            Self::NoSources { .. } => "NoSources",
        }
    }

    /// Path of the field that refers to it.
    pub fn path(&self) -> &str {
        match self {
            Self::ConfigMap { path, .. } | Self::Key { path, .. } | Self::NoSources { path, .. } => path,
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ConfigMap { path, name } => write!(formatter, "{path}: there is no ConfigMap {name:?}"),
            Self::Key { path, name, key } => {
                write!(formatter, "{path}: ConfigMap {name:?} has no key {key:?}")
            }
            Self::NoSources { path, name } => {
                write!(formatter, "{path}: ConfigMap {name:?} has no key that ends in .st")
            }
        }
    }
}

impl Program {
    /// Names of the `ConfigMap`s that the sources come from.
    pub fn config_maps(&self) -> BTreeSet<&str> {
        self.sources
            .iter()
            .filter_map(|source| source.config_map.as_ref())
            .map(|map| map.name.as_str())
            .collect()
    }

    /// The source files, in the order of the spec; or everything that is missing.
    pub fn resolve(&self, config_maps: &ConfigMaps) -> Result<Vec<SourceFile>, Vec<Unresolved>> {
        let mut files = Vec::new();
        let mut missing = Vec::new();
        for (index, source) in self.sources.iter().enumerate() {
            if let (Some(name), Some(text)) = (&source.name, &source.inline) {
                files.push(SourceFile { name: name.clone(), text: text.clone() });
            }
            let Some(reference) = &source.config_map else { continue };
            let path = format!("spec.program.sources[{index}].configMap");
            let name = reference.name.clone();
            let Some(data) = config_maps.get(&name) else {
                missing.push(Unresolved::ConfigMap { path: path + ".name", name });
                continue;
            };
            let file = |key: &String, text: &String| SourceFile { name: key.clone(), text: text.clone() };
            if reference.keys.is_empty() {
                let before = files.len();
                files.extend(
                    data.iter()
                        .filter(|(key, _)| key.ends_with(SOURCE_ENDING))
                        .map(|(key, text)| file(key, text)),
                );
                if files.len() == before {
                    missing.push(Unresolved::NoSources { path, name });
                }
                continue;
            }
            for (index, key) in reference.keys.iter().enumerate() {
                match data.get(key) {
                    Some(text) => files.push(file(key, text)),
                    None => missing.push(Unresolved::Key {
                        path: format!("{path}.keys[{index}]"),
                        name: name.clone(),
                        key: key.clone(),
                    }),
                }
            }
        }
        if missing.is_empty() { Ok(files) } else { Err(missing) }
    }
}

/// The hash of source files that goes into `status.accepted` and `status.program`.
pub fn sources_hash(files: &[SourceFile]) -> String {
    program_hash(files.iter().map(|file| (file.name.as_str(), file.text.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(sources: &serde_json::Value) -> Program {
        serde_json::from_value(serde_json::json!({"sources": sources})).unwrap()
    }

    fn lib() -> ConfigMaps {
        let data = [("b.st", "B"), ("a.st", "A"), ("notes.txt", "N")];
        ConfigMaps::from([("lib".into(), data.map(|(key, text)| (key.into(), text.into())).into())])
    }

    #[test]
    fn files_stand_in_the_order_of_the_spec_and_of_keys() {
        let program = program(&serde_json::json!([
            {"configMap": {"name": "lib"}},
            {"name": "main.st", "inline": "M"},
            {"configMap": {"name": "lib", "keys": ["notes.txt"]}}
        ]));
        let names: Vec<_> = program.resolve(&lib()).unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["a.st", "b.st", "main.st", "notes.txt"]);
        assert_eq!(program.config_maps(), BTreeSet::from(["lib"]));
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let program = program(&serde_json::json!([
            {"configMap": {"name": "lib", "keys": ["a.st", "c.st"]}},
            {"configMap": {"name": "gone"}}
        ]));
        let missing = program.resolve(&lib()).unwrap_err();
        assert_eq!(
            missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "spec.program.sources[0].configMap.keys[1]: ConfigMap \"lib\" has no key \"c.st\"",
                "spec.program.sources[1].configMap.name: there is no ConfigMap \"gone\""
            ]
        );
        let empty = ConfigMaps::from([("gone".into(), BTreeMap::new())]);
        assert_eq!(program.resolve(&empty).unwrap_err()[1].reason(), "NoSources");
    }
}
