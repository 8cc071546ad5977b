//! Whether a schema only grew: every object that was valid is valid still, and means the same.

use serde_json::{Map, Value};

/// Everything in which `new` breaks what `old` promised, by path.
pub(crate) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut breaks = Vec::new();
    for field in ["group", "scope"] {
        if old["spec"][field] != new["spec"][field] {
            breaks.push(format!("spec.{field} changed"));
        }
    }
    for field in ["kind", "plural"] {
        if old["spec"]["names"][field] != new["spec"]["names"][field] {
            breaks.push(format!("spec.names.{field} changed"));
        }
    }
    missing(
        "short name",
        &old["spec"]["names"]["shortNames"],
        &new["spec"]["names"]["shortNames"],
        &mut breaks,
    );
    let versions = |crd: &Value| crd["spec"]["versions"].as_array().cloned().unwrap_or_default();
    for old in versions(old).iter().filter(|version| version["served"] == true) {
        match versions(new).iter().find(|new| new["name"] == old["name"] && new["served"] == true) {
            None => breaks.push(format!("version {} is gone", old["name"])),
            Some(new) => {
                missing("field selector", &old["selectableFields"], &new["selectableFields"], &mut breaks);
                let schema = |version: &Value| version["schema"]["openAPIV3Schema"].clone();
                walk("", &schema(old), &schema(new), &mut breaks);
            }
        }
    }
    breaks
}

fn missing(what: &str, old: &Value, new: &Value, breaks: &mut Vec<String>) {
    let new = new.as_array().cloned().unwrap_or_default();
    for item in old.as_array().into_iter().flatten().filter(|item| !new.contains(item)) {
        breaks.push(format!("{what} {item} is gone"));
    }
}

fn walk(path: &str, old: &Value, new: &Value, breaks: &mut Vec<String>) {
    let mut add = |what: &str| breaks.push(format!("{path}: {what}"));
    for field in ["type", "format", "default", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"] {
        if old[field] != new[field] {
            add(&format!("{field} changed"));
        }
    }
    if old["nullable"] == true && new["nullable"] != true {
        add("must not be null any more");
    }
    if new["pattern"].is_string() && new["pattern"] != old["pattern"] {
        add("pattern changed");
    }
    for limit in ["maximum", "maxLength", "maxItems", "maxProperties"] {
        if tighter(&old[limit], &new[limit], |old, new| new < old) {
            add(&format!("{limit} is tighter"));
        }
    }
    for limit in ["minimum", "minLength", "minItems"] {
        if tighter(&old[limit], &new[limit], |old, new| new > old) {
            add(&format!("{limit} is tighter"));
        }
    }
    match (old["enum"].as_array(), new["enum"].as_array()) {
        (Some(old), Some(new)) => {
            old.iter()
                .filter(|value| !new.contains(value))
                .for_each(|value| add(&format!("value {value} is gone")));
        }
        (None, Some(_)) => add("has an enumeration now"),
        _ => {}
    }
    let rules = |schema: &Value| -> Vec<Value> {
        let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        rules.map(|rule| rule["rule"].clone()).collect()
    };
    let old_rules = rules(old);
    rules(new)
        .iter()
        .filter(|rule| !old_rules.contains(rule))
        .for_each(|rule| add(&format!("has a new rule {rule}")));
    let required = |schema: &Value| schema["required"].as_array().cloned().unwrap_or_default();
    let old_required = required(old);
    required(new)
        .iter()
        .filter(|name| !old_required.contains(name))
        .for_each(|name| add(&format!("{name} is required now")));

    let properties = |schema: &Value| -> Map<String, Value> {
        schema["properties"].as_object().cloned().unwrap_or_default()
    };
    let new_properties = properties(new);
    for (name, old) in properties(old) {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        match new_properties.get(&name) {
            Some(new) => walk(&path, &old, new, breaks),
            None => breaks.push(format!("{path}: is gone")),
        }
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if old[inner].is_object() {
            walk(&format!("{path}{mark}"), &old[inner], &new[inner], breaks);
        }
    }
}

/// A limit that is new, or nearer.
fn tighter(old: &Value, new: &Value, nearer: fn(f64, f64) -> bool) -> bool {
    match (old.as_f64(), new.as_f64()) {
        (Some(old), Some(new)) => nearer(old, new),
        (None, new) => new.is_some(),
        (Some(_), None) => false,
    }
}
