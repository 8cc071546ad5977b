//! The controller of peers: writes their status if it differs, and removes those that nobody sees or needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use kube::core::ObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::{Written, sentence};
use lineshaft_crds::{Condition, MeshPeer};
use serde::Serialize;

use super::peer;
use super::peer_names::others_of_that_name;
use super::unused::{Sighting, is_needed};
use crate::apply::apply_status;
use crate::backoff::Backoff;
use crate::controller::{Done, Outcome, Reconcile};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::story::{Chapter, Storyteller};
use crate::watches::{Stores, readable};

const STATUS_MANAGER: &str = "lineshaft-operator/meshpeer-status";

/// Why a peer could not be reconciled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot remove a peer that nobody sees")]
    Remove(#[source] Box<kube::Error>),
    #[error("cannot write the status")]
    UpdateStatus(#[source] Box<kube::Error>),
}

/// The controller.
pub(crate) struct MeshPeers {
    api: Api<MeshPeer>,
    stores: Stores,
    metrics: Metrics,
    story: Storyteller,
    backoff: Backoff,
    kept_for: Duration,
    /// What agents said of each peer, by its UID.
    sightings: Mutex<HashMap<String, Sighting>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Intent<'a> {
    api_version: String,
    kind: String,
    metadata: IntentMetadata,
    status: IntentStatus<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntentMetadata {
    name: String,
    resource_version: Option<String>,
}

#[derive(Debug, Serialize)]
struct IntentStatus<'a> {
    conditions: &'a [Condition],
}

impl MeshPeers {
    pub(crate) fn new(client: &Client, options: &Options, metrics: &Metrics, stores: &Stores) -> Self {
        Self {
            api: Api::all(client.clone()),
            stores: stores.clone(),
            metrics: metrics.clone(),
            story: Storyteller::new(client.clone(), &options.identity, stores.api.clone()),
            backoff: Backoff::default(),
            kept_for: options.unseen_peer_kept_for,
            sightings: Mutex::default(),
        }
    }

    /// Forgets a peer that is gone.
    pub(crate) fn forget(&self, metadata: &ObjectMeta) {
        let uid = metadata.uid.as_deref().unwrap_or_default();
        self.backoff.reset(uid);
        self.story.forget(metadata);
        self.sightings.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// How long the peer stays; absent: as long as it is needed.
    fn left(&self, peer: &MeshPeer) -> Option<Duration> {
        let (uid, now) = (peer.uid().unwrap_or_default(), Instant::now());
        let mut sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let sighting = Sighting::of(peer, sightings.get(&uid).copied(), now);
        sightings.insert(uid, sighting);
        drop(sightings);
        let needed = is_needed(peer, &readable(&self.stores.mesh_subscriptions));
        (!needed).then(|| sighting.left(peer, self.kept_for, now))
    }

    /// Removes a peer, unless somebody sees it again meanwhile.
    async fn remove(&self, peer: &MeshPeer) -> Result<Outcome, Error> {
        let preconditions = Preconditions { uid: peer.uid(), resource_version: peer.resource_version() };
        let params = DeleteParams::default().preconditions(preconditions);
        match self.api.delete(&peer.name_any(), &params).await {
            Ok(_) => {
                tracing::info!(name = peer.name_any(), "a peer that nobody sees or needs is removed");
                Ok(Outcome::Applied)
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(Outcome::Skipped),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Outcome::Waiting),
            Err(error) => Err(Error::Remove(Box::new(error))),
        }
    }

    async fn update_status(&self, peer: &MeshPeer) -> Result<Outcome, Error> {
        let others = others_of_that_name(
            peer,
            &readable(&self.stores.mesh_peers),
            &readable(&self.stores.plc_runtimes),
        );
        let conditions = peer::conditions(peer, others.as_deref(), Timestamp::now());
        let old = peer::owned(peer);
        if old == conditions {
            return Ok(Outcome::Skipped);
        }
        let intent = Intent {
            api_version: MeshPeer::api_version(&()).into_owned(),
            kind: MeshPeer::kind(&()).into_owned(),
            metadata: IntentMetadata { name: peer.name_any(), resource_version: peer.resource_version() },
            status: IntentStatus { conditions: &conditions },
        };
        let written = apply_status(&self.api, &peer.name_any(), STATUS_MANAGER, &intent, &self.metrics)
            .await
            .map_err(|error| Error::UpdateStatus(Box::new(error)))?;
        match written {
            Written::Applied => {
                self.story.tell(peer, peer::story(&old, &conditions)).await;
                Ok(Outcome::Applied)
            }
            Written::Conflict => Ok(Outcome::Waiting),
            Written::Gone => Ok(Outcome::Skipped),
        }
    }
}

impl Reconcile for MeshPeers {
    type Object = MeshPeer;
    type Error = Error;
    const NAME: &'static str = "meshpeer";

    async fn reconcile(&self, peer: Arc<MeshPeer>) -> Result<Done, Error> {
        self.stores.ready().await;
        if peer.metadata.deletion_timestamp.is_some() {
            return Ok(Outcome::Skipped.into());
        }
        let left = self.left(&peer);
        if left == Some(Duration::ZERO) {
            return Ok(self.remove(&peer).await?.into());
        }
        Ok(Done { outcome: self.update_status(&peer).await?, again: left })
    }

    async fn failed(&self, peer: &MeshPeer, error: &Error) {
        let chapter = Chapter::warning(Self::reason(error), "Reconcile", sentence(error));
        self.story.tell(peer, vec![chapter]).await;
    }

    fn reason(error: &Error) -> &'static str {
        match error {
            Error::Remove(_) => "RemovePeer",
            Error::UpdateStatus(_) => "UpdateStatus",
        }
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}
