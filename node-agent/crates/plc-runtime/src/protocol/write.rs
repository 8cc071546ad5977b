//! Values that are written from outside, once: by a person who tries something, or sets a machine right.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One value to be written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// Path of the variable. Compared without regard to case.
    pub path: String,
    /// As it would stand in a program: `5`, `TRUE`, `T#1s`, `'text'`, the name of an enumeration's value.
    pub literal: String,
}

/// What a write did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Written {
    /// Number of the last scan before it; the next one works with the new values. `None`: it was only checked.
    pub after_scan: Option<u64>,
    /// One for each value, in the order asked.
    pub changes: Vec<ValueChange>,
}

/// One value, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueChange {
    /// As asked.
    pub path: String,
    /// Name of its type.
    pub ty: String,
    /// In its JSON form, as of the last scan.
    pub before: Value,
    /// The same, of what was given.
    pub after: Value,
}

/// A variable of the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// As declared. An array is one variable.
    pub path: String,
    /// Name of its type; of an enumeration with its values.
    pub ty: String,
    /// Why it cannot be written; `None`: it can, an array by its elements.
    pub obstacle: Option<String>,
}
