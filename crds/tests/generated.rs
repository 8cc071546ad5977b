//! The generated files are those of the types, and what they say is complete.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::path::Path;

use lineshaft_crds::reference::{Field, fields};
use regex::Regex;
use serde_json::Value;

#[test]
fn generated_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (path, expected) in lineshaft_crds::generated_files() {
        let found = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        let line = found.lines().zip(expected.lines()).position(|(a, b)| a != b);
        assert!(
            found == expected,
            "{} differs from the types (first at line {:?}): run `make generate`",
            path.display(),
            line.map(|line| line + 1)
        );
    }
}

#[test]
fn generated_yaml_reads_back_as_the_same_definition() {
    for (crd, (path, yaml)) in lineshaft_crds::all().iter().zip(
        lineshaft_crds::generated_files()
            .iter()
            .filter(|(path, _)| path.extension() == Some("yaml".as_ref())),
    ) {
        let documents = lineshaft_crds::manifest::parse(yaml).unwrap();
        assert_eq!(documents.len(), 1, "{}", path.display());
        assert_eq!(documents[0].value, serde_json::to_value(crd).unwrap(), "{}", path.display());
    }
}

#[test]
fn every_field_has_a_sentence() {
    for crd in lineshaft_crds::all() {
        let fields = fields(&crd);
        assert!(fields.len() > 20);
        let bad: Vec<&str> = fields
            .iter()
            .filter(|field| !field.sentence.ends_with('.') && !field.sentence.ends_with(')'))
            .map(|field| field.path.as_str())
            .collect();
        assert!(bad.is_empty(), "no sentence at {bad:?} of {}", crd.spec.names.kind);
    }
}

#[test]
fn every_string_and_list_is_bounded_and_every_pattern_compiles() {
    for crd in lineshaft_crds::all() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema);
        walk(&schema.unwrap(), &crd.spec.names.kind);
    }
}

fn walk(schema: &Value, path: &str) {
    match schema["type"].as_str() {
        Some("string") => {
            let bounded = schema["maxLength"].is_number() || schema["enum"].is_array();
            assert!(bounded || schema["format"] == "date-time", "{path} has no maxLength");
            if let Some(pattern) = schema["pattern"].as_str() {
                Regex::new(pattern).unwrap_or_else(|error| panic!("{path}: {error}"));
            }
        }
        Some("integer") => {
            assert!(
                matches!(schema["format"].as_str(), Some("int32" | "int64")),
                "{path}: {}",
                schema["format"]
            );
        }
        Some("array") => {
            assert!(schema["maxItems"].is_number(), "{path} has no maxItems");
            walk(&schema["items"], &format!("{path}[]"));
        }
        Some("object") => {
            let values = &schema["additionalProperties"];
            if values.is_object() {
                assert!(schema["maxProperties"].is_number(), "{path} has no maxProperties");
                walk(values, &format!("{path}{{}}"));
            }
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                walk(property, &format!("{path}.{name}"));
            }
        }
        Some("boolean") => {}
        other => panic!("{path} has type {other:?}"),
    }
}

#[test]
fn columns_and_field_selectors_point_at_fields_that_exist() {
    let filters = Regex::new(r"\[[^]]*\]").unwrap();
    for crd in lineshaft_crds::all() {
        let version = &crd.spec.versions[0];
        let fields: Vec<Field> = fields(&crd);
        let known = |path: &str| {
            let path = filters.replace_all(path, "[]");
            // An item of a list of words is no field of its own.
            let path = path.trim_end_matches("[]");
            path.starts_with(".metadata.") || fields.iter().any(|field| format!(".{}", field.path) == path)
        };
        let columns = version.additional_printer_columns.iter().flatten().map(|column| &column.json_path);
        let selectable = version.selectable_fields.iter().flatten().map(|field| &field.json_path);
        for path in columns.chain(selectable) {
            assert!(known(path), "{path} of {}", crd.spec.names.kind);
        }
    }
}
