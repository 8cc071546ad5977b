//! What the API server would refuse, found without one: structure, unknown fields, limits, CEL rules.
//!
//! References to other objects and programs are not looked at here: the operator's own checks do that.

mod cel;
mod metadata;
mod spelling;
mod structure;

use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use crate::GROUP;

pub(crate) use structure::plain;

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the field, such as `spec.tasks[0].name`.
    pub path: String,
    /// What is wrong with it, in a sentence that begins with "must", "may not" or the like.
    pub message: String,
    /// Which check found it.
    pub check: Check,
}

/// The checks, in the order in which the API server makes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// `apiVersion`, `kind` and `metadata`.
    Object,
    /// A field that the schema does not have.
    UnknownField,
    /// Types, limits and required fields.
    Structure,
    /// Rules over several fields.
    Rule,
}

impl Finding {
    fn new(check: Check, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), check }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            formatter.write_str(&self.message)
        } else {
            write!(formatter, "{}: {}", self.path, self.message)
        }
    }
}

/// Everything that is wrong with a manifest of one of our kinds; manifests of other groups give nothing.
pub fn manifest(object: &Value) -> Vec<Finding> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let Some(kind) = object["kind"].as_str() else {
        return vec![Finding::new(Check::Object, "kind", "must be given")];
    };
    if api_version.is_empty() {
        return vec![Finding::new(Check::Object, "apiVersion", "must be given")];
    }
    if api_version.split('/').next() != Some(GROUP) {
        return Vec::new();
    }
    let Some(definition) = definitions().iter().find(|definition| definition.kind == kind) else {
        let kinds = definitions().iter().map(|definition| definition.kind.as_str());
        let hint = spelling::suggestion(kind, kinds);
        return vec![Finding::new(Check::Object, "kind", format!("there is no kind {kind:?}{hint}"))];
    };
    if api_version != format!("{GROUP}/{}", definition.version) {
        let message = format!("must be {GROUP}/{}", definition.version);
        return vec![Finding::new(Check::Object, "apiVersion", message)];
    }

    let mut findings = metadata::check(object, definition.namespaced);
    findings.extend(structure::check(&definition.schema, object));
    // The rules read fields whose types they rely on.
    if findings.is_empty() {
        findings.extend(cel::check(&definition.schema, &with_defaults_of(definition, object)));
    }
    findings.sort_by(|a, b| (a.check, &a.path).cmp(&(b.check, &b.path)));
    findings
}

/// The manifest as the API server would store it: with the defaults of the schema.
pub fn with_defaults(object: &Value) -> Value {
    let kind = object["kind"].as_str();
    match definitions().iter().find(|definition| Some(definition.kind.as_str()) == kind) {
        Some(definition) => with_defaults_of(definition, object),
        None => object.clone(),
    }
}

fn with_defaults_of(definition: &Definition, object: &Value) -> Value {
    kube::core::cel::apply_defaults(&definition.schema, object)
}

/// What the checks need of a CRD.
struct Definition {
    kind: String,
    version: String,
    namespaced: bool,
    schema: Value,
}

impl Definition {
    fn of(crd: &CustomResourceDefinition) -> Self {
        let version = crd.spec.versions.first().expect("a derived CRD has one version");
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        Self {
            kind: crd.spec.names.kind.clone(),
            version: version.name.clone(),
            namespaced: crd.spec.scope == "Namespaced",
            schema: serde_json::to_value(schema).expect("a schema is JSON"),
        }
    }
}

fn definitions() -> &'static [Definition] {
    static DEFINITIONS: OnceLock<Vec<Definition>> = OnceLock::new();
    DEFINITIONS.get_or_init(|| crate::all().iter().map(Definition::of).collect())
}
