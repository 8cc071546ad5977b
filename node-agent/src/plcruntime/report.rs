//! The agent's part of an object's status on its way to the API server.
//!
//! One task an object, so that a server that does not answer never holds up the one that looks after the keeper.
//! Nothing is written that the server has already.

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Backoff, Reachability, sentence};
use lineshaft_crds::plc_runtime::conditions;
use lineshaft_crds::{Condition, PlcRuntime, PlcRuntimeStatus};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// Longest wait for the API server with one status.
const PATCH_MAX: Duration = Duration::from_secs(10);
/// The conditions that the agent writes.
const OWN: [&str; 5] = [
    conditions::PROGRAM_LOADED,
    conditions::RUNNING,
    conditions::IO_HEALTHY,
    conditions::REALTIME_QUALIFIED,
    conditions::RETAIN_RESTORED,
];

/// What a reporter reads and where it writes.
pub(crate) struct Reporter {
    pub(crate) uid: String,
    pub(crate) field_manager: String,
    pub(crate) client: watch::Receiver<Option<Client>>,
    /// The object as the API server has it; `None` while that is not known.
    pub(crate) object: watch::Receiver<Option<Arc<PlcRuntime>>>,
    /// What it should say; `None` while there is nothing to say.
    pub(crate) wanted: watch::Receiver<Option<PlcRuntimeStatus>>,
    pub(crate) api: Reachability,
    pub(crate) metrics: Metrics,
}

impl Reporter {
    /// Until the worker that says what to report is gone.
    pub(crate) async fn run(mut self) {
        let mut backoff = Backoff::new(&self.uid);
        loop {
            let client = self.client.borrow_and_update().clone();
            let object = self.object.borrow_and_update().clone();
            let wanted = self.wanted.borrow_and_update().clone();
            let mut retry = None;
            if let (Some(client), Some(object), Some(wanted)) = (client, object, wanted)
                && let Some(status) = difference(object.status.as_ref(), wanted)
            {
                match self.patch(client, &object, &status).await {
                    Ok(()) => backoff.succeed(),
                    Err(error) => {
                        if self.api.is_away() {
                            tracing::debug!(object = object.name_any(), error, "the status was not written");
                        } else {
                            tracing::warn!(object = object.name_any(), error, "the status was not written");
                        }
                        retry = Some(backoff.fail());
                    }
                }
            }
            let again = async {
                match retry {
                    Some(delay) => sleep(delay).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.wanted.changed() => if changed.is_err() { return },
                changed = self.object.changed() => if changed.is_err() { return },
                changed = self.client.changed() => if changed.is_err() { return },
                () = again => {}
            }
        }
    }

    async fn patch(
        &self,
        client: Client,
        object: &PlcRuntime,
        status: &PlcRuntimeStatus,
    ) -> Result<(), String> {
        let api: Api<PlcRuntime> = Api::namespaced(client, &object.namespace().unwrap_or_default());
        let params = PatchParams::apply(&self.field_manager).force();
        let body = json!({
            "apiVersion": "lineshaft.dev/v1alpha1",
            "kind": "PlcRuntime",
            // With the uid, a new object of the same name is never given the old one's status.
            "metadata": {"name": object.name_any(), "uid": object.uid()},
            "status": status,
        });
        let patch = Patch::Apply(&body);
        let (result, error) =
            match timeout(PATCH_MAX, api.patch_status(&object.name_any(), &params, &patch)).await {
                Ok(Ok(_)) => ("written", None),
                // Gone, or replaced by another of its name: there is nobody left to tell.
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => ("gone", None),
                Ok(Err(error)) => ("failed", Some(sentence(&error))),
                Err(_) => ("timeout", Some("the API server did not answer".to_owned())),
            };
        self.metrics.status_patch("PlcRuntime", result);
        error.map_or(Ok(()), Err)
    }
}

/// What has to be written for the server to have `wanted`, with the times of what did not change; `None` if it has.
fn difference(known: Option<&PlcRuntimeStatus>, mut wanted: PlcRuntimeStatus) -> Option<PlcRuntimeStatus> {
    let known = known.map(own_part).unwrap_or_default();
    let times_kept = |condition: Condition| condition.keeping_time_of(&known.conditions);
    wanted.conditions = wanted.conditions.into_iter().map(times_kept).collect();
    if let (Some(known), Some(wanted)) = (&known.change, &mut wanted.change) {
        let time = std::mem::replace(&mut wanted.time, known.time.clone());
        if wanted != known {
            wanted.time = time;
        }
    }
    (known != wanted).then_some(wanted)
}

/// The fields that the agent writes, and none of the operator's.
fn own_part(status: &PlcRuntimeStatus) -> PlcRuntimeStatus {
    // Without `..`: a new field does not compile until it is known whose it is.
    let PlcRuntimeStatus {
        observed_generation: _,
        node_name: _,
        holder,
        transfer: _,
        accepted: _,
        diagnostics: _,
        program,
        engine,
        change,
        scan,
        tasks,
        drivers,
        forces,
        last_fault,
        conditions,
    } = status;
    let mut conditions: Vec<Condition> =
        conditions.iter().filter(|condition| OWN.contains(&condition.type_.as_str())).cloned().collect();
    // The server keeps its own order; ours is that of `OWN`.
    conditions.sort_by_key(|condition| OWN.iter().position(|own| *own == condition.type_));
    PlcRuntimeStatus {
        holder: holder.clone(),
        program: program.clone(),
        engine: engine.clone(),
        change: change.clone(),
        scan: scan.clone(),
        tasks: tasks.clone(),
        drivers: drivers.clone(),
        forces: *forces,
        last_fault: last_fault.clone(),
        conditions,
        ..PlcRuntimeStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use lineshaft_crds::plc_runtime::{Change, ChangeState};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn status(condition: &str, second: i64) -> PlcRuntimeStatus {
        PlcRuntimeStatus {
            holder: Some("edge-1".to_owned()),
            change: Some(Change {
                state: ChangeState::Applied,
                copied: 1,
                converted: 0,
                initialised: 0,
                dropped: 0,
                refused: Vec::new(),
                time: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(second))),
            }),
            conditions: vec![Condition::new(condition, true, "Scanning", "", Some(1), at(second))],
            ..PlcRuntimeStatus::default()
        }
    }

    #[test]
    fn the_same_at_another_time_is_not_written() {
        assert_eq!(difference(Some(&status("Running", 1)), status("Running", 2)), None);
    }

    #[test]
    fn what_the_operator_writes_makes_no_difference_and_is_never_sent() {
        let mut known = status("Running", 1);
        known.node_name = Some("edge-1".to_owned());
        known.observed_generation = Some(4);
        known.conditions.insert(0, Condition::new("Ready", true, "Running", "", Some(1), at(1)));
        assert_eq!(difference(Some(&known), status("Running", 2)), None);
        let mut wanted = status("Running", 2);
        wanted.forces = Some(0);
        let sent = difference(Some(&known), wanted).unwrap();
        assert_eq!((sent.node_name, sent.observed_generation), (None, None));
        assert_eq!(sent.conditions.len(), 1);
    }

    #[test]
    fn times_move_with_what_they_belong_to_only() {
        let known = status("Running", 1);
        let mut wanted = status("Running", 2);
        wanted.conditions[0].status = false.into();
        let sent = difference(Some(&known), wanted).unwrap();
        assert_eq!(sent.conditions[0].last_transition_time.0, at(2));
        assert_eq!(sent.change.unwrap().time.unwrap().0, at(1));
        let mut wanted = status("Running", 2);
        wanted.change.as_mut().unwrap().copied = 2;
        let sent = difference(Some(&known), wanted).unwrap();
        assert_eq!(sent.conditions[0].last_transition_time.0, at(1));
        assert_eq!(sent.change.unwrap().time.unwrap().0, at(2));
    }

    #[test]
    fn letting_go_sends_an_empty_status() {
        let sent = difference(Some(&status("Running", 1)), PlcRuntimeStatus::default()).unwrap();
        assert_eq!(sent, PlcRuntimeStatus::default());
    }
}
