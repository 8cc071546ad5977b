//! The CEL rules of a schema, evaluated without a server.

use kube::core::cel::{ErrorKind, Validator};
use serde_json::Value;

use super::{Check, Finding};

/// `object` must have its defaults: a rule may read a field that has one without asking whether it is there.
pub(super) fn check(schema: &Value, object: &Value) -> Vec<Finding> {
    let Err(errors) = Validator::new().validate(schema, object, None) else { return Vec::new() };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            let message = match error.kind {
                ErrorKind::ValidationFailure => error.message,
                _ => format!("rule {:?} cannot be evaluated: {}", error.rule, error.message),
            };
            Finding::new(Check::Rule, error.field_path.trim_start_matches('.'), message)
        })
        .collect()
}
