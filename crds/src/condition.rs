//! Conditions: the JSON of `metav1.Condition`, with the limits that the Go type has and the generated Rust type lacks.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One aspect of an object's state, as `kubectl wait --for=condition=TYPE` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Name of the aspect, in CamelCase; unique in the list.
    #[schemars(
        length(min = 1, max = 316),
        regex(
            pattern = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
        )
    )]
    #[serde(rename = "type")]
    pub type_: String,
    /// Whether the aspect holds: True, False or Unknown.
    pub status: ConditionStatus,
    /// Why, in one CamelCase word that programs may compare.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, in a sentence for people; empty where the reason says it all.
    #[schemars(length(max = 32768))]
    pub message: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// Generation of the spec that this condition speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
}

/// The three values of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// The aspect holds.
    True,
    /// The aspect does not hold.
    False,
    /// Nobody can say at present.
    Unknown,
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Condition {
    /// A condition that changed just now; see [`Condition::keeping_time_of`] for one that may not have.
    pub fn new(
        type_: &str,
        status: impl Into<ConditionStatus>,
        reason: &str,
        message: impl Into<String>,
        generation: Option<i64>,
        now: Timestamp,
    ) -> Self {
        Self {
            type_: type_.to_owned(),
            status: status.into(),
            reason: reason.to_owned(),
            message: message.into(),
            last_transition_time: Time(now),
            observed_generation: generation,
        }
    }

    /// Keeps the transition time of the condition of this type in `old`, if its status is the same: a time that
    /// changes on each write would make every comparison differ, and every write cause the next one.
    #[must_use]
    pub fn keeping_time_of(mut self, old: &[Self]) -> Self {
        if let Some(previous) = find(old, &self.type_)
            && previous.status == self.status
        {
            self.last_transition_time = previous.last_transition_time.clone();
        }
        self
    }

    /// Whether the status is True.
    pub fn is_true(&self) -> bool {
        self.status == ConditionStatus::True
    }
}

/// The condition of a type, if the list has it.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the list has the condition with status True.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(Condition::is_true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let old = [Condition::new("Ready", true, "Running", "", Some(1), at(1))];
        let same = Condition::new("Ready", true, "StillRunning", "", Some(2), at(2)).keeping_time_of(&old);
        assert_eq!(same.last_transition_time, Time(at(1)));
        let changed = Condition::new("Ready", false, "Faulted", "", Some(2), at(2)).keeping_time_of(&old);
        assert_eq!(changed.last_transition_time, Time(at(2)));
    }

    #[test]
    fn json_is_that_of_metav1() {
        let json =
            serde_json::to_value(Condition::new("Ready", true, "Running", "", Some(3), at(0))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"type": "Ready", "status": "True", "reason": "Running", "message": "",
                "lastTransitionTime": "1970-01-01T00:00:00Z", "observedGeneration": 3})
        );
    }
}
