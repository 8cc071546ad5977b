//! Kinds that are not ours: what can be said without their schemas.
//!
//! Programs come in `ConfigMap`s, so these, and the namespaces and secrets beside them, are looked at more
//! closely: their fields are few and known. Any other kind is left to its API server.

use serde_json::Value;

use super::report::{Note, Report};
use crate::manifest::Manifest;
use crate::spelling;

/// Fields of the kinds of the core group that manifests for Lineshaft use.
const KNOWN: [(&str, &[&str]); 3] = [
    ("ConfigMap", &["data", "binaryData", "immutable"]),
    ("Secret", &["data", "stringData", "type", "immutable"]),
    ("Namespace", &["spec", "status"]),
];
/// Fields of every object.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];
/// The API server's limit for the data of a `ConfigMap` or `Secret`.
const MAX_DATA_BYTES: usize = 1024 * 1024;

/// Checks an object of another group.
pub(super) fn check(manifest: &Manifest, report: &mut Report) {
    let identity = &manifest.identity;
    let known = KNOWN.iter().find(|(kind, _)| *kind == identity.kind);
    let (true, Some((_, fields))) = (identity.group.is_empty(), known) else { return };
    if identity.version != "v1" {
        report.error(manifest, Note::new("manifest-object", "apiVersion", "apiVersion: must be v1"));
        return;
    }
    if identity.kind == "Namespace" && identity.namespace.is_some() {
        let message = "metadata.namespace: must not be given: a namespace belongs to the whole cluster";
        report.error(manifest, Note::new("manifest-object", "metadata.namespace", message));
    }
    let Some(object) = manifest.value.as_object() else { return };
    for field in object.keys().filter(|field| !COMMON.contains(&field.as_str())) {
        if !fields.contains(&field.as_str()) {
            let hint = spelling::hint(field, fields.iter().copied());
            let message = format!("unknown field {field:?}{hint}");
            report.error(manifest, Note::new("unknown-field", field.as_str(), message));
        }
    }
    if identity.kind != "Namespace" {
        check_data(manifest, report);
    }
}

/// Data must be text; its size is limited.
fn check_data(manifest: &Manifest, report: &mut Report) {
    let mut bytes = 0;
    for field in ["data", "stringData", "binaryData"] {
        match manifest.value.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(entries)) => {
                for (key, value) in entries {
                    if let Some(text) = value.as_str() {
                        bytes += text.len();
                    } else {
                        let path = member(field, key);
                        let message = format!("{path}: must be a string: put it in quotes");
                        report.error(manifest, Note::new("schema", path, message));
                    }
                }
            }
            Some(_) => {
                let message = format!("{field}: must be a mapping of strings");
                report.error(manifest, Note::new("schema", field, message));
            }
        }
    }
    if bytes > MAX_DATA_BYTES {
        let message =
            format!("holds {bytes} bytes, more than the {MAX_DATA_BYTES} that the API server takes");
        report.error(manifest, Note::new("schema", "data", message));
    }
}

/// The path of a member, written as the positions of a document know it.
pub(crate) fn member(parent: &str, key: &str) -> String {
    if key.contains(['.', '/']) { format!("{parent}[{key}]") } else { format!("{parent}.{key}") }
}
