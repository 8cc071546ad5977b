//! The schemas of the last release may only grow.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod growth;

use std::path::Path;

use growth::breaks;
use serde_json::{Value, json};

/// Kinds that no release has yet: they may still change in any way.
const NOT_RELEASED: [&str; 3] =
    ["meshpeers.lineshaft.dev", "pairings.lineshaft.dev", "meshsubscriptions.lineshaft.dev"];

#[test]
fn released_schemas_only_grow() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("released");
    let current: Vec<Value> =
        lineshaft_crds::all().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect();
    let mut compared = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for document in lineshaft_crds::manifest::parse(&text).unwrap() {
            let name = &document.value["metadata"]["name"];
            let new = current.iter().find(|crd| crd["metadata"]["name"] == *name);
            let new = new.unwrap_or_else(|| panic!("{name} of {} is gone", path.display()));
            assert!(!NOT_RELEASED.iter().any(|kind| *name == *kind), "{name} is released");
            assert_eq!(breaks(&document.value, new), Vec::<String>::new(), "{}", path.display());
            compared += 1;
        }
    }
    assert_eq!(compared + NOT_RELEASED.len(), current.len(), "a kind is released, or listed as not");
}

fn crd(spec: &Value) -> Value {
    json!({"spec": {
        "group": "g", "scope": "Namespaced", "names": {"kind": "K", "plural": "ks", "shortNames": ["k"]},
        "versions": [{"name": "v1", "served": true, "selectableFields": [{"jsonPath": ".spec.a"}],
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}}]
    }})
}

fn old() -> Value {
    crd(&json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "enum": ["X", "Y"], "default": "X"},
        "n": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 10, "nullable": true},
        "l": {"type": "array", "maxItems": 4, "x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 8}},
        "m": {"type": "object", "additionalProperties": {"type": "string", "pattern": "^a"}}
    }}))
}

/// The old definition with one place changed.
fn changed(pointer: &str, value: Value) -> Value {
    let mut new = old();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = new.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match (parent, value) {
        (Value::Object(map), Value::Null) => drop(map.remove(key)),
        (parent, value) => parent[key] = value,
    }
    new
}

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";

#[test]
fn growth_is_allowed() {
    assert_eq!(breaks(&old(), &old()), Vec::<String>::new());
    for (place, value) in [
        ("properties/new", json!({"type": "string", "maxLength": 3})),
        ("properties/a/enum", json!(["X", "Y", "Z"])),
        ("properties/n/maximum", json!(11)),
        ("properties/n/minimum", Value::Null),
        ("properties/l/maxItems", json!(5)),
        ("properties/m/additionalProperties/pattern", Value::Null),
        ("required", json!([])),
        ("description", json!("better words")),
    ] {
        assert_eq!(
            breaks(&old(), &changed(&format!("{SCHEMA}/{place}"), value)),
            Vec::<String>::new(),
            "{place}"
        );
    }
}

#[test]
fn every_kind_of_break_is_found() {
    for (place, value, expected) in [
        ("properties/a", Value::Null, "spec.a: is gone"),
        ("properties/a/type", json!("integer"), "spec.a: type changed"),
        ("properties/a/default", json!("Y"), "spec.a: default changed"),
        ("properties/a/enum", json!(["X"]), "spec.a: value \"Y\" is gone"),
        ("properties/a/maxLength", json!(9), "spec.a: maxLength is tighter"),
        ("properties/a/pattern", json!("^X"), "spec.a: pattern changed"),
        ("properties/n/format", json!("int64"), "spec.n: format changed"),
        ("properties/n/maximum", json!(9), "spec.n: maximum is tighter"),
        ("properties/n/minimum", json!(2), "spec.n: minimum is tighter"),
        ("properties/n/nullable", Value::Null, "spec.n: must not be null any more"),
        ("properties/n/enum", json!([1]), "spec.n: has an enumeration now"),
        ("properties/l/maxItems", json!(3), "spec.l: maxItems is tighter"),
        ("properties/l/minItems", json!(1), "spec.l: minItems is tighter"),
        ("properties/l/x-kubernetes-list-type", json!("map"), "spec.l: x-kubernetes-list-type changed"),
        ("properties/l/items/maxLength", json!(7), "spec.l[]: maxLength is tighter"),
        ("properties/m/additionalProperties/pattern", json!("^b"), "spec.m{}: pattern changed"),
        ("required", json!(["a", "n"]), "spec: \"n\" is required now"),
        (
            "x-kubernetes-validations",
            json!([{"rule": "has(self.n)"}]),
            "spec: has a new rule \"has(self.n)\"",
        ),
    ] {
        assert_eq!(breaks(&old(), &changed(&format!("{SCHEMA}/{place}"), value)), [expected]);
    }
    for (pointer, value, expected) in [
        ("/spec/scope", json!("Cluster"), "spec.scope changed"),
        ("/spec/names/shortNames", json!([]), "short name \"k\" is gone"),
        ("/spec/versions/0/served", json!(false), "version \"v1\" is gone"),
        ("/spec/versions/0/selectableFields", json!([]), "field selector {\"jsonPath\":\".spec.a\"} is gone"),
    ] {
        assert_eq!(breaks(&old(), &changed(pointer, value)), [expected]);
    }
}
