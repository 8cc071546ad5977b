//! Everything that the mesh of this agent writes to the API server, by one task.
//!
//! Each pass of the controller says anew what is to be written, so nothing queues: what did not get through stands in
//! the next list, unless it is true by then. An object is written at once, and no more often than its pace over a while.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ClusterResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::{Reachability, Written, sentence, set_finalizers};
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::metrics::Metrics;

/// Longest wait for the API server with one write.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// What was written shows on the watch by then; if it does not, it is written again.
const SHOWS_WITHIN: Duration = Duration::from_secs(5);
/// Time over which a pace holds.
const WHILE: Duration = Duration::from_mins(1);
/// No change waits longer for its pace.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// A peer that was seen and has no object.
    Create(Box<MeshPeer>),
    /// Part of the status of a peer.
    Peer(Status),
    /// The status of a pairing.
    Pairing(Status),
    /// Part of the status of a subscription.
    Subscription(Status),
    /// The finalizers of a pairing.
    Finalizers(Arc<Pairing>, Vec<String>),
}

/// What a status should say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    namespace: Option<String>,
    name: String,
    uid: Option<String>,
    generation: Option<i64>,
    says: Value,
}

impl Status {
    /// Of this object.
    pub(crate) fn of<K: Resource>(object: &K, status: &impl Serialize) -> Self {
        Self {
            namespace: object.namespace(),
            name: object.name_any(),
            // With the uid, a new object of the same name is never given the old one's status.
            uid: object.uid(),
            generation: object.meta().generation,
            says: serde_json::to_value(status).expect("a status is JSON"),
        }
    }
}

impl Write {
    /// Same object, same field owner.
    fn key(&self) -> (&'static str, String) {
        match self {
            Self::Create(peer) => ("create", peer.name_any()),
            Self::Peer(status) => ("peer", status.name.clone()),
            Self::Pairing(status) => ("pairing", status.name.clone()),
            Self::Subscription(status) => (
                "subscription",
                format!("{}/{}", status.namespace.as_deref().unwrap_or_default(), status.name),
            ),
            Self::Finalizers(pairing, _) => ("finalizers", pairing.name_any()),
        }
    }

    /// Which object it is of, and which version of its spec.
    fn version(&self) -> Option<(&str, i64)> {
        match self {
            Self::Peer(status) | Self::Pairing(status) | Self::Subscription(status) => {
                Some((status.uid.as_deref()?, status.generation?))
            }
            Self::Create(_) | Self::Finalizers(..) => None,
        }
    }

    /// How many may be written within [`WHILE`]; what comes more often waits for up to [`WAIT_MAX`].
    fn pace(&self) -> usize {
        match self {
            Self::Peer(_) | Self::Subscription(_) => 12,
            // A person waits for it.
            Self::Create(_) | Self::Pairing(_) | Self::Finalizers(..) => usize::MAX,
        }
    }
}

/// What has become of the writes of one key.
struct Last {
    write: Write,
    failed: bool,
    /// When it was written within [`WHILE`]; at least once.
    times: Vec<Instant>,
}

/// Writes.
pub(crate) struct Writer {
    pub(crate) client: watch::Receiver<Option<Client>>,
    pub(crate) field_manager: String,
    pub(crate) api: Reachability,
    pub(crate) metrics: Metrics,
    pub(crate) wanted: watch::Receiver<Vec<Write>>,
}

impl Writer {
    /// Until the controller is gone.
    pub(crate) async fn run(mut self) {
        let mut last: HashMap<(&'static str, String), Last> = HashMap::new();
        while self.wanted.changed().await.is_ok() {
            let writes = self.wanted.borrow_and_update().clone();
            last.retain(|_, last| {
                last.times.retain(|time| time.elapsed() < WHILE);
                !last.times.is_empty()
            });
            let Some(client) = self.client.borrow().clone() else { continue };
            for write in writes {
                let key = write.key();
                if last.get(&key).is_some_and(|last| !last.is_due(&write)) {
                    continue;
                }
                let failed = match self.write(&client, &write).await {
                    Ok(()) => false,
                    Err(error) if self.api.is_away() => {
                        tracing::debug!(kind = key.0, object = key.1, error, "the mesh has not written");
                        true
                    }
                    Err(error) => {
                        tracing::warn!(kind = key.0, object = key.1, error, "the mesh has not written");
                        true
                    }
                };
                let before = last.remove(&key).filter(|last| last.write.version() == write.version());
                let mut times = before.map(|last| last.times).unwrap_or_default();
                times.push(Instant::now());
                last.insert(key, Last { write, failed, times });
            }
        }
    }

    async fn write(&self, client: &Client, write: &Write) -> Result<(), String> {
        let written = async {
            match write {
                Write::Create(peer) => {
                    let api: Api<MeshPeer> = Api::all(client.clone());
                    // Another agent may have been faster.
                    Written::from_answer(api.create(&PostParams::default(), peer).await)
                }
                Write::Peer(status) => self.apply(&cluster::<MeshPeer>(client), status).await,
                Write::Pairing(status) => self.apply(&cluster::<Pairing>(client), status).await,
                Write::Subscription(status) => {
                    let namespace = status.namespace.as_deref().unwrap_or_default();
                    let api: Api<MeshSubscription> = Api::namespaced(client.clone(), namespace);
                    self.apply(&api, status).await
                }
                Write::Finalizers(pairing, finalizers) => {
                    set_finalizers(&cluster::<Pairing>(client), &**pairing, finalizers).await
                }
            }
        };
        let (result, error) = match timeout(WRITE_MAX, written).await {
            Ok(Ok(Written::Applied)) => ("written", None),
            // Its next event, which is on its way, leads here again.
            Ok(Ok(Written::Conflict)) => ("conflict", None),
            Ok(Ok(Written::Gone)) => ("gone", None),
            Ok(Err(error)) => ("failed", Some(sentence(&error))),
            Err(_) => ("timeout", Some("the API server did not answer".to_owned())),
        };
        let kind = match write {
            Write::Create(_) | Write::Peer(_) => "MeshPeer",
            Write::Pairing(_) | Write::Finalizers(..) => "Pairing",
            Write::Subscription(_) => "MeshSubscription",
        };
        self.metrics.status_patch(kind, result);
        error.map_or(Ok(()), Err)
    }

    async fn apply<K>(&self, api: &Api<K>, status: &Status) -> Result<Written, kube::Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": status.name, "uid": status.uid},
            "status": status.says,
        });
        let params = PatchParams::apply(&self.field_manager).force();
        Written::from_answer(api.patch_status(&status.name, &params, &Patch::Apply(&body)).await)
    }
}

impl Last {
    fn age(&self) -> Duration {
        self.times.last().map_or(Duration::MAX, Instant::elapsed)
    }

    fn is_due(&self, write: &Write) -> bool {
        if self.failed {
            return self.age() >= RETRY;
        }
        // Whoever has just changed the spec waits for what becomes of it.
        let changed = self.write.version() != write.version();
        let may = changed || self.times.len() < write.pace() || self.age() >= WAIT_MAX;
        may && (self.write != *write || self.age() >= SHOWS_WITHIN)
    }
}

fn cluster<K: Resource<DynamicType = (), Scope = ClusterResourceScope>>(client: &Client) -> Api<K> {
    Api::all(client.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(says: &str, generation: i64) -> Status {
        let (name, uid) = ("lineb".to_owned(), Some("1".to_owned()));
        Status { namespace: None, name, uid, generation: Some(generation), says: json!(says) }
    }

    fn peer(says: &str) -> Write {
        Write::Peer(status(says, 1))
    }

    fn pairing(says: &str) -> Write {
        Write::Pairing(status(says, 1))
    }

    /// Written so many seconds ago, the oldest first.
    fn last(write: Write, failed: bool, ages: &[u64]) -> Last {
        let now = Instant::now();
        let times = ages.iter().map(|age| now.checked_sub(Duration::from_secs(*age)).unwrap()).collect();
        Last { write, failed, times }
    }

    #[test]
    fn a_change_is_written_at_once_and_many_changes_now_and_then() {
        for (write, failed, ages, next, due) in [
            (peer("a"), false, &[1][..], peer("b"), true),
            (peer("a"), false, &[9; 11], peer("b"), true),
            (peer("a"), false, &[9; 12], peer("b"), false),
            (peer("a"), false, &[10; 12], peer("b"), true),
            // What somebody has just changed is told, however much was told before.
            (peer("a"), false, &[1; 12], Write::Peer(status("b", 2)), true),
            // What was just written is on its way back; what never came is written again.
            (peer("a"), false, &[1], peer("a"), false),
            (peer("a"), false, &[5], peer("a"), true),
            (peer("a"), true, &[1], peer("b"), false),
            (peer("a"), true, &[5], peer("a"), true),
            // A person waits for a pairing.
            (pairing("a"), false, &[1; 100], pairing("b"), true),
        ] {
            assert_eq!(
                last(write.clone(), failed, ages).is_due(&next),
                due,
                "{write:?} {failed} {ages:?} {next:?}"
            );
        }
    }
}
