//! `spec.program`: sources, language and the replacement of a running version.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// A program: its sources and how they are compiled and replaced.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Program {
    /// Language level; an extension outside of it is refused with a diagnostic.
    #[serde(default)]
    pub dialect: Dialect,
    /// Source files; their order does not matter.
    #[schemars(length(min = 1, max = 64))]
    pub sources: Vec<Source>,
    /// The RESOURCE that runs, where the sources configure several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = patterns::IDENTIFIER))]
    pub resource: Option<String>,
    /// What run-time conditions do that the standard leaves open.
    #[serde(default)]
    pub semantics: Semantics,
    /// Whether the TEST blocks of the sources must pass before the program is accepted.
    #[serde(default)]
    pub tests: TestPolicy,
    /// How a changed program replaces the running one.
    #[serde(default)]
    pub update: Update,
}

/// What the tests in the sources mean for the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TestPolicy {
    /// They are checked as the program is, and not run.
    #[default]
    Ignored,
    /// There must be tests, and all must pass; they run in virtual time, before the program is accepted.
    Required,
}

/// Levels of Structured Text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Dialect {
    /// IEC 61131-3 edition 3 to the letter.
    Iec,
    /// Edition 3 with Lineshaft's extensions.
    #[default]
    Lineshaft,
    /// Also what CODESYS adds.
    Codesys,
}

/// One source file, or the files of one `ConfigMap`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.inline) != has(self.configMap)").message("must have exactly one of inline, configMap"),
    validation = Rule::new("has(self.inline) == has(self.name)").message("name must be given with inline, and only with it")
)]
pub struct Source {
    /// File name of an inline source, as diagnostics print it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = patterns::FILE_NAME))]
    pub name: Option<String>,
    /// Text of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 524_288))]
    pub inline: Option<String>,
    /// A `ConfigMap` of the same namespace whose keys are source files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
}

/// Sources from a `ConfigMap` of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapSource {
    /// Name of the `ConfigMap`.
    #[schemars(length(min = 1, max = 253), regex(pattern = patterns::SUBDOMAIN))]
    pub name: String,
    /// Keys to take; absent: every key that ends in `.st`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = patterns::CONFIG_KEY)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keys: Vec<String>,
}

/// What run-time conditions do that the standard leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Semantics {
    /// What an integer operation beyond its type's range does.
    #[serde(default)]
    pub integer_overflow: IntegerOverflow,
    /// What a division of REAL or LREAL by zero does.
    #[serde(default)]
    pub real_divide_by_zero: RealDivideByZero,
    /// What a conversion beyond the target's range does.
    #[serde(default)]
    pub conversion_range: ConversionRange,
}

/// What an integer operation beyond its type's range does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IntegerOverflow {
    /// The result wraps.
    #[default]
    Wrap,
    /// The program faults.
    Fault,
}

/// What a division of REAL or LREAL by zero does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RealDivideByZero {
    /// The result is an infinity or NaN.
    #[default]
    Ieee,
    /// The program faults.
    Fault,
}

/// What a conversion beyond the target's range does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConversionRange {
    /// REAL to integer takes the nearest limit, integer to integer keeps the low bits.
    #[default]
    Saturate,
    /// The program faults.
    Fault,
}

/// How a changed program replaces the running one.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// `OnlineChange` swaps between two scans and keeps values, Restart stops with safe outputs and starts anew.
    #[serde(default)]
    pub mode: UpdateMode,
    /// What happens when an online change cannot keep the values: Keep the old program, or Restart with the new one.
    #[serde(default)]
    pub on_refused: OnRefused,
    /// Variables that were renamed, so that their values move along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["from".into()]))]
    pub renames: Vec<Rename>,
}

/// Ways to replace a running program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdateMode {
    /// Swap between two scans, values kept by path and type.
    #[default]
    OnlineChange,
    /// Stop with safe outputs, then start the new program.
    Restart,
}

/// What happens when an online change is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnRefused {
    /// The old program runs on.
    #[default]
    Keep,
    /// The new program starts anew.
    Restart,
}

/// A variable that was renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rename {
    /// Path in the old program.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub from: String,
    /// Path in the new program.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub to: String,
}
