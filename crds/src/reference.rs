//! Reference pages of the book, one a kind, made of the schemas.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;

use crate::validate::plain;

/// One field of a kind, as a reference page lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Path such as `spec.tasks[].name`.
    pub path: String,
    /// `string`, `integer`, `list of object`, ….
    pub type_name: String,
    /// Whether it must be given where its parent is.
    pub required: bool,
    /// What stands in for it when it is absent.
    pub default: Option<String>,
    /// Allowed values and limits.
    pub limits: String,
    /// Its sentence.
    pub sentence: String,
}

/// Every field of a CRD's schema, parents before their members.
pub fn fields(crd: &CustomResourceDefinition) -> Vec<Field> {
    let schema = crd.spec.versions.first().and_then(|version| version.schema.as_ref());
    let schema = serde_json::to_value(schema.and_then(|schema| schema.open_api_v3_schema.as_ref()));
    let mut fields = Vec::new();
    collect(&schema.expect("a schema is JSON"), "", &mut fields);
    fields
}

fn collect(schema: &Value, parent: &str, fields: &mut Vec<Field>) {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if parent.is_empty() { name.clone() } else { format!("{parent}.{name}") };
        fields.push(Field {
            path: path.clone(),
            type_name: type_name(property),
            required: required.contains(&name.as_str()),
            default: property.get("default").filter(|default| !default.is_object()).map(Value::to_string),
            limits: limits(property),
            sentence: property["description"].as_str().unwrap_or_default().to_owned(),
        });
        let (inner, path) =
            if property["type"] == "array" { (&property["items"], path + "[]") } else { (property, path) };
        collect(inner, &path, fields);
    }
}

fn type_name(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", type_name(&schema["items"])),
        Some("object") if schema["additionalProperties"].is_object() => {
            format!("map of {}", type_name(&schema["additionalProperties"]))
        }
        Some("string") if schema["format"] == "date-time" => "time".to_owned(),
        other => other.unwrap_or("any").to_owned(),
    }
}

fn limits(schema: &Value) -> String {
    let mut parts = Vec::new();
    let of = if schema["type"] == "array" { &schema["items"] } else { schema };
    if let Some(values) = of["enum"].as_array() {
        let names: Vec<_> = values.iter().filter_map(Value::as_str).map(|name| format!("`{name}`")).collect();
        parts.push(names.join(", "));
    }
    let range = |least: &Value, most: &Value, unit: &str| match (least.is_number(), most.is_number()) {
        (true, true) => Some(format!("{}–{}{unit}", plain(least), plain(most))),
        (true, false) => Some(format!("≥ {}{unit}", plain(least))),
        (false, true) => Some(format!("≤ {}{unit}", plain(most))),
        (false, false) => None,
    };
    parts.extend(range(&of["minimum"], &of["maximum"], ""));
    parts.extend(range(&of["minLength"], &of["maxLength"], " characters"));
    parts.extend(range(&schema["minItems"], &schema["maxItems"], " items"));
    parts.extend(range(&Value::Null, &schema["maxProperties"], " entries"));
    for rule in of["x-kubernetes-validations"].as_array().into_iter().flatten() {
        parts.extend(rule["message"].as_str().map(str::to_owned));
    }
    parts.join("; ")
}

/// The page of one kind.
pub fn page(crd: &CustomResourceDefinition) -> String {
    let names = &crd.spec.names;
    let mut page =
        format!("# {}\n\n<!-- Written by `make generate` from the types in crds/src. -->\n\n", names.kind);
    let version = crd.spec.versions.first();
    let description = version
        .and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref()?.description.clone())
        .unwrap_or_default();
    let versions = version.map(|version| version.name.as_str()).unwrap_or_default();
    let short: Vec<_> = names.short_names.iter().flatten().map(|name| format!("`{name}`")).collect();
    let lines = [
        description,
        format!(
            "`apiVersion: {}/{versions}`, {}, short name {}.",
            crd.spec.group,
            if crd.spec.scope == "Namespaced" { "in a namespace" } else { "for the whole cluster" },
            short.join(", ")
        ),
    ];
    for line in lines {
        writeln!(page, "{line}\n").expect("writing to a String cannot fail");
    }
    for (title, prefix) in [("Spec", "spec"), ("Status", "status")] {
        writeln!(
            page,
            "## {title}\n\n| field | type | default | limits | meaning |\n| --- | --- | --- | --- | --- |"
        )
        .expect("writing to a String cannot fail");
        let inside = format!("{prefix}.");
        for field in fields(crd).iter().filter(|field| field.path.starts_with(&inside)) {
            let default = match (&field.default, field.required) {
                (Some(default), _) => format!("`{}`", default.trim_matches('"')),
                (None, true) => "required".to_owned(),
                (None, false) => String::new(),
            };
            let cell = |text: &str| text.replace('|', "\\|");
            writeln!(
                page,
                "| `{}` | {} | {} | {} | {} |",
                field.path.trim_start_matches(&inside),
                field.type_name,
                cell(&default),
                cell(&field.limits),
                cell(&field.sentence)
            )
            .expect("writing to a String cannot fail");
        }
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}
