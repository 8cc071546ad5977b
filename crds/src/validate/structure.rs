//! A value against a structural schema, as the API server checks it with `--validate=strict`.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use regex::Regex;
use serde_json::{Map, Value};

use super::{Check, Finding, spelling};
use crate::manifest::member;

/// Fields of every object that a CRD's schema does not name.
const OBJECT_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn check(schema: &Value, object: &Value) -> Vec<Finding> {
    let mut walk = Walk { findings: Vec::new() };
    let mut own = object.clone();
    if let Some(map) = own.as_object_mut() {
        map.retain(|name, _| !OBJECT_FIELDS.contains(&name.as_str()));
    }
    walk.value(schema, &own, "");
    walk.findings
}

struct Walk {
    findings: Vec<Finding>,
}

impl Walk {
    fn add(&mut self, path: &str, message: impl Into<String>) {
        self.findings.push(Finding::new(Check::Structure, path, message));
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() {
            // A null is dropped where the field has a default or says that it may be null.
            if schema["nullable"] != Value::Bool(true) && schema.get("default").is_none() {
                self.add(path, format!("must be {}, not null", article(schema)));
            }
            return;
        }
        match (schema["type"].as_str().unwrap_or_default(), value) {
            ("object", Value::Object(map)) => self.object(schema, map, path),
            ("array", Value::Array(items)) => self.list(schema, items, path),
            ("string", Value::String(text)) => self.text(schema, text, path),
            ("integer", Value::Number(_)) if is_integer(value) => self.number(schema, value, path),
            ("number", Value::Number(_)) => self.number(schema, value, path),
            ("boolean", Value::Bool(_)) => {}
            ("string", Value::Bool(_)) => {
                self.add(path, "must be a string: without quotes this word is a boolean");
            }
            ("string", Value::Number(_)) => self.add(path, "must be a string: put the number in quotes"),
            _ => self.add(path, format!("must be {}", article(schema))),
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
            let hint = value.as_str().map(|word| spelling::suggestion(word, names.iter().copied()));
            self.add(path, format!("must be one of {}{}", names.join(", "), hint.unwrap_or_default()));
        }
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, path: &str) {
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let additional = &schema["additionalProperties"];
        for (name, value) in map {
            let at = member(path, name);
            if let Some(property) = properties.get(name) {
                self.value(property, value, &at);
            } else if additional.is_object() {
                self.value(additional, value, &at);
            } else {
                let hint = spelling::suggestion(name, properties.keys().map(String::as_str));
                let message = format!("unknown field {at:?}{hint}");
                self.findings.push(Finding::new(Check::UnknownField, at, message));
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !map.contains_key(name) {
                self.add(&member(path, name), "must be given");
            }
        }
        if let Some(most) = schema["maxProperties"].as_u64()
            && map.len() as u64 > most
        {
            self.add(path, format!("must have at most {most} entries"));
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &str) {
        for (index, item) in items.iter().enumerate() {
            self.value(&schema["items"], item, &format!("{path}[{index}]"));
        }
        let length = items.len() as u64;
        if schema["minItems"].as_u64().is_some_and(|least| length < least) {
            self.add(path, format!("must have at least {} items", schema["minItems"]));
        }
        if schema["maxItems"].as_u64().is_some_and(|most| length > most) {
            self.add(path, format!("must have at most {} items", schema["maxItems"]));
        }
        match schema["x-kubernetes-list-type"].as_str() {
            Some("set") => self.unique(items, path, Clone::clone, "must not repeat another item"),
            Some("map") => {
                let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                let message = format!("must not have the {} of another item", keys.join(" and "));
                let key = |item: &Value| keys.iter().map(|&key| item[key].clone()).collect::<Value>();
                self.unique(items, path, key, &message);
            }
            _ => {}
        }
    }

    fn unique(&mut self, items: &[Value], path: &str, key: impl Fn(&Value) -> Value, message: &str) {
        let keys: Vec<Value> = items.iter().map(key).collect();
        for (index, own) in keys.iter().enumerate() {
            if keys[..index].contains(own) {
                self.add(&format!("{path}[{index}]"), message);
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count() as u64;
        if schema["minLength"].as_u64().is_some_and(|least| length < least) {
            let message = match schema["minLength"].as_u64() {
                Some(1) => "must not be empty".to_owned(),
                _ => format!("must have at least {} characters", schema["minLength"]),
            };
            self.add(path, message);
        } else if let Some(pattern) = schema["pattern"].as_str()
            && !matches(pattern, text)
        {
            self.add(path, format!("must match {pattern}"));
        }
        if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
            self.add(path, format!("must have at most {} characters", schema["maxLength"]));
        }
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.add(path, "must be a time such as 2026-11-21T08:00:00Z");
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let number = value.as_f64().unwrap_or_default();
        if schema["minimum"].as_f64().is_some_and(|least| number < least) {
            self.add(path, format!("must be at least {}", plain(&schema["minimum"])));
        }
        if schema["maximum"].as_f64().is_some_and(|most| number > most) {
            self.add(path, format!("must be at most {}", plain(&schema["maximum"])));
        }
    }
}

/// The API server takes `1.0` for an integer too.
fn is_integer(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

/// A limit without the fraction that the schema's JSON writes.
pub(crate) fn plain(limit: &Value) -> String {
    limit.as_f64().map_or_else(|| limit.to_string(), |number| number.to_string())
}

fn article(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("object") => "an object",
        Some("array") => "a list",
        Some("string") => "a string",
        Some("integer") => "an integer",
        Some("number") => "a number",
        _ => "true or false",
    }
}

/// Patterns are few and compiled once.
fn matches(pattern: &str, text: &str) -> bool {
    static COMPILED: OnceLock<Mutex<HashMap<String, Regex>>> = OnceLock::new();
    let mut compiled =
        COMPILED.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    compiled
        .entry(pattern.to_owned())
        .or_insert_with(|| Regex::new(pattern).expect("a test compiles every pattern of every schema"))
        .is_match(text)
}
