//! What the API server last said of the mesh, on the disk: with it the mesh runs when the agent starts and the server is away.
//!
//! Only what the mesh acts on is kept, so that figures in a status do not wear out a disk. Nothing secret is in it: keys
//! and pins have files of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use lineshaft_crds::mesh_subscription::conditions::ACCEPTED;
use lineshaft_crds::{MeshPeer, MeshSubscription, PlcRuntime};
use serde::{Deserialize, Serialize};
use tokio::task::{JoinHandle, spawn_blocking};

use super::controller::Runtimes;
use crate::store::{Store, StoreError};

/// Name of the one record.
const RECORD: &str = "objects";

/// The objects that the mesh acts on.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// Runtimes of this node that take part.
    pub(crate) runtimes: Vec<PlcRuntime>,
    /// Who is known.
    pub(crate) peers: Vec<MeshPeer>,
    /// What runtimes of this node receive.
    pub(crate) subscriptions: Vec<MeshSubscription>,
}

impl Remembered {
    /// What is worth to be remembered of objects that are there.
    pub(crate) fn of<'a>(
        runtimes: &Runtimes,
        peers: impl Iterator<Item = &'a Arc<MeshPeer>>,
        subscriptions: impl Iterator<Item = &'a Arc<MeshSubscription>>,
    ) -> Self {
        Self {
            runtimes: runtimes.values().map(|runtime| essence_of_runtime(runtime)).collect(),
            peers: peers.map(|peer| essence_of_peer(peer)).collect(),
            subscriptions: subscriptions.map(|one| essence_of_subscription(one)).collect(),
        }
    }

    /// The runtimes by UID.
    pub(crate) fn take_runtimes(&mut self) -> Runtimes {
        by_uid(std::mem::take(&mut self.runtimes))
    }
}

/// Objects by UID.
pub(crate) fn by_uid<K: Resource>(objects: Vec<K>) -> BTreeMap<String, Arc<K>> {
    objects.into_iter().map(|object| (object.uid().unwrap_or_default(), Arc::new(object))).collect()
}

fn essence_of_runtime(runtime: &PlcRuntime) -> PlcRuntime {
    PlcRuntime { metadata: identity(&runtime.metadata), spec: runtime.spec.clone(), status: None }
}

fn essence_of_peer(peer: &MeshPeer) -> MeshPeer {
    let mut status = peer.status.clone();
    if let Some(status) = &mut status {
        status.observers.clear();
        status.conditions.clear();
    }
    MeshPeer { metadata: identity(&peer.metadata), spec: peer.spec.clone(), status }
}

fn essence_of_subscription(subscription: &MeshSubscription) -> MeshSubscription {
    let mut status = subscription.status.clone();
    if let Some(status) = &mut status {
        status.entries = None;
        status.links.clear();
        status.conditions.retain(|condition| condition.type_ == ACCEPTED);
    }
    MeshSubscription { metadata: identity(&subscription.metadata), spec: subscription.spec.clone(), status }
}

fn identity(metadata: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name.clone(),
        namespace: metadata.namespace.clone(),
        uid: metadata.uid.clone(),
        generation: metadata.generation,
        ..ObjectMeta::default()
    }
}

/// Which state of the mirrors something was made of.
pub(crate) type Revision = (Arc<Runtimes>, u64, u64);

/// The disk's side of it.
pub(crate) struct Memory {
    store: Arc<Store<String>>,
    /// What the disk holds, as text.
    written: String,
    /// What that was made of.
    revision: Option<Revision>,
    writing: Option<JoinHandle<Result<String, StoreError>>>,
    /// Why the last writing failed, told once.
    broken: Option<String>,
}

impl Memory {
    /// Reads what is in `directory`. A damaged record is set aside and told in the log: the API server says it all again.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Remembered), StoreError> {
        let store: Store<String> = Store::open(directory.to_owned())?;
        let contents = store.load()?;
        for damaged in contents.damaged {
            tracing::error!(
                path = %damaged.path.display(),
                damage = %damaged.damage,
                "what the mesh remembers is damaged; it waits for the API server"
            );
        }
        let written = contents.records.into_iter().next().map(|(_, text)| text).unwrap_or_default();
        let remembered =
            if written.is_empty() { Ok(Remembered::default()) } else { serde_json::from_str(&written) };
        let remembered = remembered.unwrap_or_else(|error| {
            tracing::error!(%error, "what the mesh remembers is of another release; it waits for the API server");
            Remembered::default()
        });
        let memory = Self { store: Arc::new(store), written, revision: None, writing: None, broken: None };
        Ok((memory, remembered))
    }

    /// Brings the disk up to date with `remember`, unless that is done or under way: the next pass comes within a second.
    pub(crate) async fn keep(&mut self, revision: Revision, remember: impl FnOnce() -> Remembered) {
        if let Some(writing) = self.writing.take_if(|writing| writing.is_finished()) {
            self.finish(writing).await;
        }
        if self.writing.is_some() || self.revision.as_ref().is_some_and(|known| is_same(known, &revision)) {
            return;
        }
        self.revision = Some(revision);
        match serde_json::to_string(&remember()) {
            Ok(text) if text == self.written => {}
            Ok(text) => {
                let store = self.store.clone();
                self.writing = Some(spawn_blocking(move || store.save(RECORD, &text).map(|()| text)));
            }
            Err(error) => tracing::error!(%error, "the objects of the mesh have no JSON form"),
        }
    }

    async fn finish(&mut self, writing: JoinHandle<Result<String, StoreError>>) {
        let why = match writing.await {
            Ok(Ok(text)) => {
                self.written = text;
                self.broken = None;
                return;
            }
            Ok(Err(error)) => lineshaft_api_client::sentence(&error),
            Err(error) => error.to_string(),
        };
        if self.broken.as_ref() != Some(&why) {
            tracing::warn!(error = why, "what the mesh should remember cannot be written; it is tried again");
            self.broken = Some(why);
        }
        self.revision = None;
    }
}

fn is_same(one: &Revision, other: &Revision) -> bool {
    Arc::ptr_eq(&one.0, &other.0) && (one.1, one.2) == (other.1, other.2)
}

#[cfg(test)]
mod tests;
