//! `EdgeNode`: says whether the agent of each host lives.

mod build;
mod liveness;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::core::ObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Written, sentence};
use lineshaft_crds::edge_node::{conditions, lease_name};
use lineshaft_crds::{EdgeNode, condition};

use crate::apply::apply_status;
use crate::backoff::Backoff;
use crate::controller::{Done, Outcome, Reconcile};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::story::{Chapter, Storyteller};
use crate::watches::Stores;
use liveness::{Liveness, Observation};

const STATUS_MANAGER: &str = "lineshaft-operator/edgenode-ready";

/// Why a host could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot write the status")]
    UpdateStatus(#[source] Box<kube::Error>),
}

/// The controller.
pub(crate) struct EdgeNodes {
    client: Client,
    stores: Stores,
    leases: Store<Lease>,
    lease_namespace: String,
    timeout: Duration,
    metrics: Metrics,
    story: Storyteller,
    backoff: Backoff,
    /// When each Lease was last seen to change, on our own clock: those of the hosts may differ.
    observations: Mutex<HashMap<String, Observation>>,
}

impl EdgeNodes {
    pub(crate) fn new(client: &Client, options: &Options, metrics: &Metrics, stores: &Stores) -> Self {
        Self {
            client: client.clone(),
            stores: stores.clone(),
            leases: stores.leases.clone(),
            lease_namespace: options.lease_namespace.clone(),
            timeout: options.node_lease_timeout,
            metrics: metrics.clone(),
            story: Storyteller::new(client.clone(), &options.identity, stores.api.clone()),
            backoff: Backoff::default(),
            observations: Mutex::default(),
        }
    }

    /// Forgets a host that is gone.
    pub(crate) fn forget(&self, metadata: &ObjectMeta) {
        self.backoff.reset(metadata.uid.as_deref().unwrap_or_default());
        self.story.forget(metadata);
        let name = metadata.name.as_deref().unwrap_or_default();
        self.observations.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    fn liveness(&self, node: &EdgeNode, lease: Option<&Lease>) -> Liveness {
        let was_ready = node
            .status
            .as_ref()
            .is_some_and(|status| condition::is_true(&status.conditions, conditions::READY));
        let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.as_ref()).map(|time| time.0);
        let interrupted = self.stores.leases_interrupted();
        let mut observations = self.observations.lock().unwrap_or_else(PoisonError::into_inner);
        let observation = observations.get(&node.name_any()).copied();
        let (observation, liveness) = liveness::judge(
            observation,
            renewed,
            was_ready,
            interrupted,
            Instant::now(),
            Timestamp::now(),
            self.timeout,
        );
        match observation {
            Some(observation) => observations.insert(node.name_any(), observation),
            None => observations.remove(&node.name_any()),
        };
        liveness
    }
}

impl Reconcile for EdgeNodes {
    type Object = EdgeNode;
    type Error = Error;
    const NAME: &'static str = "edgenode";

    async fn reconcile(&self, node: Arc<EdgeNode>) -> Result<Done, Error> {
        self.stores.ready().await;
        // Dereference: the Lease of the host's agent.
        let lease = ObjectRef::new(&lease_name(&node.name_any())).within(&self.lease_namespace);
        let lease = self.leases.get(&lease);
        // Validate: does it live?
        let liveness = self.liveness(&node, lease.as_deref());
        // Build and update the status; there is nothing else to apply.
        let again = match liveness {
            Liveness::Alive { lapses_in } => Some(lapses_in),
            Liveness::Lapsed | Liveness::NeverSeen => None,
        };
        let intent = build::ready(&node, liveness, self.timeout, Timestamp::now());
        let old = node.status.as_ref().map_or(&[][..], |status| &status.conditions);
        if condition::find(old, conditions::READY) == Some(intent.condition()) {
            return Ok(Done { outcome: Outcome::Skipped, again });
        }
        let api: Api<EdgeNode> = Api::all(self.client.clone());
        let written = apply_status(&api, &node.name_any(), STATUS_MANAGER, &intent, &self.metrics)
            .await
            .map_err(|error| Error::UpdateStatus(Box::new(error)))?;
        match written {
            Written::Applied => {
                self.story.tell(&*node, build::story(old, intent.condition())).await;
                Ok(Done { outcome: Outcome::Applied, again })
            }
            Written::Conflict => Ok(Outcome::Waiting.into()),
            Written::Gone => Ok(Outcome::Skipped.into()),
        }
    }

    async fn failed(&self, node: &EdgeNode, error: &Error) {
        self.story
            .tell(node, vec![Chapter::warning(Self::reason(error), "Reconcile", sentence(error))])
            .await;
    }

    fn reason(error: &Error) -> &'static str {
        match error {
            Error::UpdateStatus(_) => "UpdateStatus",
        }
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}
