//! What a runtime shows to others: mesh, discovery, web page, debugger, history.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// Variables published to other runtimes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mesh {
    /// An endpoint of the runtime's own, such as `127.0.0.1:5212`; absent: that of the node's agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260), regex(pattern = patterns::ENDPOINT))]
    pub listen: Option<String>,
    /// Published variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["variable".into()]))]
    pub publish: Vec<Publication>,
}

/// One published variable.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Publication {
    /// Path of the variable.
    #[schemars(length(min = 1, max = 512), regex(pattern = patterns::PATH))]
    pub variable: String,
    /// Names of the peers that may read it; absent: all trusted ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub to: Vec<String>,
    /// Shortest time between two sends, in milliseconds; 0: with every change.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3_600_000))]
    pub min_interval_milliseconds: i32,
}

/// How the runtime announces itself on the local network.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Whether it is announced.
    #[serde(default = "Discovery::default_advertise")]
    pub advertise: bool,
    /// Name in the announcement; absent: the object's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([-_ A-Za-z0-9]*[A-Za-z0-9])?$"))]
    pub service_name: Option<String>,
    /// Network interfaces to announce on; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 15)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub interfaces: Vec<String>,
}

impl Discovery {
    fn default_advertise() -> bool {
        true
    }
}

/// The runtime's own web page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Web {
    /// Whether it is served.
    #[serde(default)]
    pub enabled: bool,
    /// Endpoint that it is served at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 260), regex(pattern = patterns::ENDPOINT))]
    pub listen: Option<String>,
}

/// Breakpoints and stepping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Debug {
    /// Whether a debugger may attach.
    #[serde(default)]
    pub enabled: bool,
    /// What outputs do while the program stands at a breakpoint.
    #[serde(default)]
    pub on_break: OnBreak,
}

/// What outputs do while the program stands at a breakpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnBreak {
    /// They go to their safe values.
    #[default]
    SafeState,
    /// They stay.
    Hold,
}

/// Variables whose changes the node records.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Paths of the recorded variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024), inner(length(min = 1, max = 512), regex(pattern = patterns::PATH)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub variables: Vec<String>,
    /// Number of changes kept for each variable.
    #[serde(default = "History::default_max_entries")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_entries: i32,
}

impl History {
    fn default_max_entries() -> i32 {
        20_000
    }
}
