//! Reads manifests: which files, which documents in them, which object each of them is.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use lineshaft_crds::manifest::Document;
use lineshaft_plc_compiler::{Diagnostic, Severity};
use serde_json::Value;

use super::{File, Identity, Manifest, counted};
use crate::finding::{Finding, point};

/// Directories below directories are followed this deep; a deeper tree is a loop of links.
const MAX_DEPTH: usize = 16;

/// A file or directory that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// Missing, forbidden.
    #[error("{}: {source}", path.display())]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why it could not.
        source: io::Error,
    },
    /// Bytes that are no text.
    #[error("{}:{line}:{column}: byte 0x{byte:02X} is not UTF-8: save the file in UTF-8", path.display())]
    Encoding {
        /// What was read.
        path: PathBuf,
        /// Line of the first such byte, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
        /// What stands there.
        byte: u8,
    },
    /// A directory that was named but holds nothing to read.
    #[error("{}: no manifests (files ending in .yaml, .yml or .json) in this directory", .0.display())]
    Empty(PathBuf),
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// All files, also those that do not parse.
    pub(crate) files: Vec<Rc<File>>,
    /// Every object, in order of file and document.
    pub(crate) manifests: Vec<Manifest>,
    /// Syntax errors and documents that are no objects.
    pub(crate) findings: Vec<Finding>,
}

/// Reads files, and directories with all that is below them.
pub(crate) fn load(paths: &[PathBuf]) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    for path in paths {
        for path in files(path)? {
            let text = read_text(&path)?;
            loaded.add(File { name: path.display().to_string(), text });
        }
    }
    Ok(loaded)
}

/// Reads a file that must be text.
pub(crate) fn read_text(path: &Path) -> Result<String, LoadError> {
    let bytes = std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    String::from_utf8(bytes).map_err(|error| {
        let (text, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let text = String::from_utf8_lossy(text);
        let before = text.rsplit('\n').next().unwrap_or_default();
        LoadError::Encoding {
            path: path.to_owned(),
            line: text.matches('\n').count() + 1,
            column: before.chars().count() + 1,
            byte: rest.first().copied().unwrap_or_default(),
        }
    })
}

fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let metadata = path.metadata().map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    walk(path, MAX_DEPTH, &mut found)?;
    if found.is_empty() {
        return Err(LoadError::Empty(path.to_owned()));
    }
    Ok(found)
}

/// Adds the manifests below a directory, in order of name; hidden files and directories are left out.
fn walk(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let read = |source| LoadError::Read { path: directory.to_owned(), source };
    let mut entries =
        std::fs::read_dir(directory).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                walk(&path, depth - 1, found)?;
            }
        } else if path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
        }) {
            found.push(path);
        }
    }
    Ok(())
}

impl Loaded {
    /// Parses a file and takes what it holds.
    fn add(&mut self, file: File) {
        let file = Rc::new(file);
        self.files.push(Rc::clone(&file));
        match lineshaft_crds::manifest::parse(&file.text) {
            Ok(documents) => {
                for document in documents {
                    self.add_document(&file, document);
                }
            }
            Err(error) => {
                let message = bare(&error.message).to_owned();
                self.findings.push(finding(&file, counted(error.position), "manifest-syntax", message));
            }
        }
    }

    /// Takes an object, or each item of a `List`.
    fn add_document(&mut self, file: &Rc<File>, mut document: Document) {
        let is_list = document.value["kind"] == "List";
        let items = match document.value.get_mut("items") {
            Some(Value::Array(items)) if is_list => Some(std::mem::take(items)),
            _ => None,
        };
        let whole = items.is_none().then(|| document.value.take());
        let document = Rc::new(document);
        for (index, value) in items.into_iter().flatten().enumerate() {
            self.add_object(file, &document, format!("items[{index}]"), value);
        }
        if let Some(value) = whole {
            self.add_object(file, &document, String::new(), value);
        }
    }

    fn add_object(&mut self, file: &Rc<File>, document: &Rc<Document>, prefix: String, value: Value) {
        let identity = identity(&value);
        let mut manifest = Manifest {
            file: Rc::clone(file),
            document: Rc::clone(document),
            prefix,
            value,
            identity: Identity::default(),
        };
        match identity {
            Ok(identity) => {
                manifest.identity = identity;
                self.manifests.push(manifest);
            }
            Err((path, message)) => {
                self.findings.push(finding(file, manifest.position(path), "manifest-object", message));
            }
        }
    }
}

/// Which object a value is, or the path that is wrong with what is wrong.
fn identity(value: &Value) -> Result<Identity, (&'static str, String)> {
    if !value.is_object() {
        return Err(("", "a manifest must be a mapping with apiVersion, kind and metadata".to_owned()));
    }
    if value.pointer("/metadata/generateName").is_some() {
        let message = "generateName makes a new object on each apply: give metadata.name".to_owned();
        return Err(("metadata.generateName", message));
    }
    let api_version = text(value, "apiVersion", value.get("apiVersion"))?;
    let kind = text(value, "kind", value.get("kind"))?;
    let name = text(value, "metadata.name", value.pointer("/metadata/name"))?;
    let namespace = match value.pointer("/metadata/namespace") {
        Some(namespace) => Some(text(value, "metadata.namespace", Some(namespace))?),
        None => None,
    };
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    Ok(Identity { group: group.to_owned(), version: version.to_owned(), kind, namespace, name })
}

fn text(object: &Value, path: &'static str, found: Option<&Value>) -> Result<String, (&'static str, String)> {
    let wrong = match found {
        Some(Value::String(text)) if !text.is_empty() => return Ok(text.clone()),
        None | Some(Value::Null) => "must be given",
        Some(_) => "must be a string that is not empty",
    };
    let subject = object["kind"].as_str().map_or(String::new(), |kind| format!("{kind}: "));
    Err((path, format!("{subject}{path} {wrong}")))
}

/// The parser's message without the position that it appends: the finding says it already.
fn bare(message: &str) -> &str {
    message.rfind(" at line ").map_or(message, |end| &message[..end])
}

fn finding(file: &File, (line, column): (u32, u32), code: &str, message: String) -> Finding {
    Finding::from(Diagnostic {
        place: point(&file.name, line, column),
        code: code.to_owned(),
        severity: Severity::Error,
        message,
        help: None,
        related: Vec::new(),
    })
}
