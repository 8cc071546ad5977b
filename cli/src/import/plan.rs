//! What a `runtime.toml` says, in the words of manifests.

use crate::mapping::Mapping;

/// A runtime, and what it receives.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Name of the object.
    pub(super) name: String,
    pub(super) interval_microseconds: Option<i64>,
    pub(super) discovery: Discovery,
    pub(super) mesh: Mesh,
    pub(super) log_level: Option<&'static str>,
    pub(super) retain_mode: Option<&'static str>,
    pub(super) retain_save_interval_milliseconds: Option<i64>,
    pub(super) watchdog_enabled: Option<bool>,
    pub(super) watchdog_timeout_milliseconds: Option<i64>,
    pub(super) watchdog_action: Option<&'static str>,
    pub(super) fault_policy: Option<&'static str>,
    pub(super) debug_enabled: bool,
}

/// How the runtime announces itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Discovery {
    pub(super) enabled: bool,
    pub(super) service_name: Option<String>,
    pub(super) advertise: Option<bool>,
    pub(super) interfaces: Vec<String>,
}

/// What the runtime shares.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mesh {
    pub(super) enabled: bool,
    pub(super) listen: Option<String>,
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<Mapping>,
}
