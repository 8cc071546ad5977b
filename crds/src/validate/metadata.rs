//! `metadata`, which a CRD's schema leaves to the API server.

use regex::Regex;
use serde_json::Value;
use std::sync::OnceLock;

use super::{Check, Finding, spelling};
use crate::manifest::member;
use crate::patterns;

/// Fields of `ObjectMeta` that a manifest may carry.
const FIELDS: [&str; 14] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "finalizers",
    "ownerReferences",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

pub(super) fn check(object: &Value, namespaced: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add =
        |path: String, message: &str| findings.push(Finding::new(Check::Object, path, message.to_owned()));
    let Some(metadata) = object["metadata"].as_object() else {
        return vec![Finding::new(Check::Object, "metadata", "must be an object with a name")];
    };
    match metadata.get("name").map(Value::as_str) {
        Some(Some(name)) if !subdomain().is_match(name) || name.len() > 253 => {
            add(
                "metadata.name".into(),
                "must consist of lower-case letters, digits, '-' and '.', and begin and end with a letter or digit",
            );
        }
        Some(Some(_)) => {}
        Some(None) => add("metadata.name".into(), "must be a string"),
        None if metadata.contains_key("generateName") => {}
        None => add("metadata.name".into(), "must be given"),
    }
    match metadata.get("namespace") {
        Some(_) if !namespaced => {
            add("metadata.namespace".into(), "must not be given: the kind belongs to the whole cluster");
        }
        Some(namespace) if !namespace.is_string() => add("metadata.namespace".into(), "must be a string"),
        _ => {}
    }
    for field in ["labels", "annotations"] {
        let path = member("metadata", field);
        match metadata.get(field) {
            None | Some(Value::Null) => {}
            Some(Value::Object(map)) => {
                for (key, _) in map.iter().filter(|(_, value)| !value.is_string()) {
                    add(member(&path, key), "must be a string");
                }
            }
            Some(_) => add(path, "must be an object"),
        }
    }
    for name in metadata.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let hint = spelling::suggestion(name, FIELDS.into_iter());
        let path = member("metadata", name);
        let message = format!("unknown field {path:?}{hint}");
        findings.push(Finding::new(Check::UnknownField, path, message));
    }
    findings
}

fn subdomain() -> &'static Regex {
    static SUBDOMAIN: OnceLock<Regex> = OnceLock::new();
    SUBDOMAIN
        .get_or_init(|| Regex::new(patterns::SUBDOMAIN).expect("the pattern is a valid regular expression"))
}
