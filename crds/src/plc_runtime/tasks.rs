//! `spec.tasks`: when programs run.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Whether a task may interrupt another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaskScheduling {
    /// A thread for each task, by priority.
    #[default]
    Preemptive,
    /// One thread for all tasks, in the order of priority.
    NonPreemptive,
}

/// One task: when it runs, and which programs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "!has(self.intervalMicroseconds) || !has(self.trigger) || !has(self.trigger.driver)"
).message("intervalMicroseconds must not be given with trigger.driver"))]
pub struct Task {
    /// Name of the task; that of a task in the source overrides it.
    #[schemars(length(min = 1, max = 64), regex(pattern = patterns::IDENTIFIER))]
    pub name: String,
    /// Time from one scan to the next, in microseconds; absent: as in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 3_600_000_000_i64))]
    pub interval_microseconds: Option<i64>,
    /// What else releases the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Priority, 0 the highest; absent: as in the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub priority: Option<i32>,
    /// Processor cores that the task is pinned to; absent: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(range(min = 0, max = 1023)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub cpus: Vec<i32>,
    /// Program instances that the task runs, in this order; absent: as in the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["instance".into()]))]
    pub programs: Vec<ProgramInstance>,
}

/// What releases a task besides its interval.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.event) != has(self.driver)").message("must have exactly one of event, driver"))]
pub struct Trigger {
    /// Path of a BOOL variable; each rising edge releases the task once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub event: Option<String>,
    /// Name of a driver; each of its cycles releases the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = patterns::LABEL))]
    pub driver: Option<String>,
}

/// One instance of a PROGRAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProgramInstance {
    /// Name of the instance: the first part of its variables' paths.
    #[schemars(length(min = 1, max = 128), regex(pattern = patterns::IDENTIFIER))]
    pub instance: String,
    /// Name of the PROGRAM type.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 256), regex(pattern = patterns::QUALIFIED))]
    pub type_: String,
}
