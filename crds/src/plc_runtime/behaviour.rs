//! How a runtime behaves beside its program: real time, retain, watchdog, faults, log.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is asked of the node's real-time abilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Realtime {
    /// Required does not run without them, Preferred runs and says so, Disabled does not ask.
    #[serde(default)]
    pub mode: RealtimeMode,
}

/// How much real-time abilities matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RealtimeMode {
    /// Without them the program does not run.
    Required,
    /// Without them the program runs, with `RealtimeQualified=False`.
    #[default]
    Preferred,
    /// Ordinary threads. (Not `Off`, which YAML 1.1 reads as a boolean.)
    Disabled,
}

/// How RETAIN variables are kept over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retain {
    /// File keeps them on the node's disk, Disabled forgets them.
    #[serde(default)]
    pub mode: RetainMode,
    /// Shortest time between two saves, in milliseconds; a save happens only after a change.
    #[serde(default = "Retain::default_save_interval")]
    #[schemars(range(min = 10, max = 86_400_000))]
    pub save_interval_milliseconds: i32,
    /// Bytes written a day at most, to protect flash memory; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 4096))]
    pub max_bytes_per_day: Option<i64>,
}

impl Retain {
    fn default_save_interval() -> i32 {
        1000
    }
}

impl Default for Retain {
    fn default() -> Self {
        Self {
            mode: RetainMode::default(),
            save_interval_milliseconds: Self::default_save_interval(),
            max_bytes_per_day: None,
        }
    }
}

/// Where RETAIN variables are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetainMode {
    /// Nowhere.
    #[default]
    Disabled,
    /// In files on the node's disk.
    File,
}

/// Limit for the duration of a scan, and what happens beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Watchdog {
    /// Whether scans are watched.
    #[serde(default = "Watchdog::default_enabled")]
    pub enabled: bool,
    /// Longest duration of a scan, in milliseconds; absent: three intervals, at least 50.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_milliseconds: Option<i32>,
    /// Number of scans in a row that must be too long.
    #[serde(default = "Watchdog::default_sensitivity")]
    #[schemars(range(min = 1, max = 1000))]
    pub sensitivity: i32,
    /// What happens then.
    #[serde(default)]
    pub action: WatchdogAction,
}

impl Watchdog {
    fn default_enabled() -> bool {
        true
    }

    fn default_sensitivity() -> i32 {
        1
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        Self {
            enabled: Self::default_enabled(),
            timeout_milliseconds: None,
            sensitivity: Self::default_sensitivity(),
            action: WatchdogAction::default(),
        }
    }
}

/// What the watchdog does with a scan that takes too long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WatchdogAction {
    /// Outputs go safe; the program stays readable.
    Halt,
    /// As Halt, and it stays so over restarts until acknowledged.
    #[default]
    SafeHalt,
    /// Outputs go safe, then a warm restart with a growing delay.
    Restart,
}

/// What happens when the program faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Fault {
    /// What the runtime does.
    #[serde(default)]
    pub policy: FaultPolicy,
}

/// What a fault of the program does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FaultPolicy {
    /// Outputs go safe; the program stays readable.
    #[default]
    Halt,
    /// As Halt, and it stays so over restarts until acknowledged.
    SafeHalt,
    /// Outputs go safe, then a warm restart with a growing delay.
    Restart,
    /// The task's outputs go safe, and its next scan runs.
    ContinueSafe,
    /// The task's outputs stay, and its next scan runs.
    ContinueHold,
}

/// How much the runtime's processes log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Log {
    /// Least important level that is logged.
    #[serde(default)]
    pub level: LogLevel,
}

/// Levels of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogLevel {
    /// Only what failed.
    Error,
    /// Also what may fail soon.
    Warn,
    /// Also what changed.
    #[default]
    Info,
    /// Also what helps to find a mistake.
    Debug,
    /// Everything.
    Trace,
}
