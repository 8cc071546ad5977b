//! What the console reads: one watch a kind, kept in memory.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::events::v1::Event;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{self, Store, reflector, store::Writer};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::WatchBackoff;
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, Pairing, PlcRuntime};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is watched, in words.
const KINDS: [&str; 6] = ["PlcRuntimes", "EdgeNodes", "MeshPeers", "Pairings", "MeshSubscriptions", "events"];

/// Which objects a console shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// Everything: the console of one box.
    Site,
    /// What is bound to a node, and what every node sees.
    Node(String),
}

/// The objects as they are now.
#[derive(Clone)]
pub(crate) struct Stores {
    runtimes: Store<DeserializeGuard<PlcRuntime>>,
    nodes: Store<DeserializeGuard<EdgeNode>>,
    peers: Store<DeserializeGuard<MeshPeer>>,
    pairings: Store<DeserializeGuard<Pairing>>,
    subscriptions: Store<DeserializeGuard<MeshSubscription>>,
    events: Store<Event>,
    interrupted: Arc<Mutex<HashMap<&'static str, String>>>,
    changes: watch::Receiver<u64>,
}

/// The writing ends, for the one task that follows the watches.
pub(crate) struct Feed {
    runtimes: Writer<DeserializeGuard<PlcRuntime>>,
    nodes: Writer<DeserializeGuard<EdgeNode>>,
    peers: Writer<DeserializeGuard<MeshPeer>>,
    pairings: Writer<DeserializeGuard<Pairing>>,
    subscriptions: Writer<DeserializeGuard<MeshSubscription>>,
    events: Writer<Event>,
    told: Told,
}

#[derive(Clone)]
struct Told {
    interrupted: Arc<Mutex<HashMap<&'static str, String>>>,
    changes: Arc<watch::Sender<u64>>,
}

/// Empty stores.
pub(crate) fn stores() -> (Stores, Feed) {
    let (sender, changes) = watch::channel(0);
    let unknown = KINDS.map(|kind| (kind, "The API server has not answered yet.".to_owned()));
    let interrupted = Arc::new(Mutex::new(HashMap::from(unknown)));
    let (runtimes, runtimes_feed) = reflector::store();
    let (nodes, nodes_feed) = reflector::store();
    let (peers, peers_feed) = reflector::store();
    let (pairings, pairings_feed) = reflector::store();
    let (subscriptions, subscriptions_feed) = reflector::store();
    let (events, events_feed) = reflector::store();
    let told = Told { interrupted: interrupted.clone(), changes: Arc::new(sender) };
    let feed = Feed {
        runtimes: runtimes_feed,
        nodes: nodes_feed,
        peers: peers_feed,
        pairings: pairings_feed,
        subscriptions: subscriptions_feed,
        events: events_feed,
        told,
    };
    (Stores { runtimes, nodes, peers, pairings, subscriptions, events, interrupted, changes }, feed)
}

impl Stores {
    pub(crate) fn runtimes(&self) -> Vec<Arc<PlcRuntime>> {
        sorted(&self.runtimes)
    }

    pub(crate) fn nodes(&self) -> Vec<Arc<EdgeNode>> {
        sorted(&self.nodes)
    }

    pub(crate) fn peers(&self) -> Vec<Arc<MeshPeer>> {
        sorted(&self.peers)
    }

    pub(crate) fn pairings(&self) -> Vec<Arc<Pairing>> {
        sorted(&self.pairings)
    }

    pub(crate) fn subscriptions(&self) -> Vec<Arc<MeshSubscription>> {
        sorted(&self.subscriptions)
    }

    pub(crate) fn events(&self) -> Vec<Arc<Event>> {
        self.events.state()
    }

    /// Why what is shown may be old, if it may.
    pub(crate) fn interrupted(&self) -> Option<String> {
        let interrupted = self.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        interrupted.values().min().cloned()
    }

    /// Counts changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

/// Objects that can be read, by namespace and name.
fn sorted<K>(store: &Store<DeserializeGuard<K>>) -> Vec<Arc<K>>
where
    K: Resource + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone + Default,
    DeserializeGuard<K>: Resource<DynamicType = K::DynamicType>,
{
    let state = store.state();
    let mut objects: Vec<Arc<K>> =
        state.iter().filter_map(|guarded| guarded.0.as_ref().ok().cloned().map(Arc::new)).collect();
    objects.sort_by_cached_key(|object| (object.namespace(), object.name_any()));
    objects
}

/// Follows the watches until it is stopped.
pub(crate) async fn follow(
    feed: Feed,
    mut client: watch::Receiver<Option<Client>>,
    range: Range,
    stop: CancellationToken,
) {
    let client = tokio::select! {
        () = stop.cancelled() => return,
        client = client.wait_for(Option::is_some) => client.ok().and_then(|client| client.clone()),
    };
    let Some(client) = client else { return };
    let (bound, named, own) = match &range {
        Range::Site => Default::default(),
        Range::Node(node) => (
            watcher::Config::default().fields(&format!("status.nodeName={node}")),
            watcher::Config::default().fields(&format!("spec.nodeName={node}")),
            watcher::Config::default().fields(&format!("metadata.name={node}")),
        ),
    };
    let all = watcher::Config::default;
    let Feed { runtimes, nodes, peers, pairings, subscriptions, events, told } = feed;
    let work = async {
        tokio::join!(
            keep(KINDS[0], &client, bound.clone(), runtimes, &told),
            keep(KINDS[1], &client, own, nodes, &told),
            keep(KINDS[2], &client, all(), peers, &told),
            keep(KINDS[3], &client, named, pairings, &told),
            keep(KINDS[4], &client, bound, subscriptions, &told),
            keep(KINDS[5], &client, all(), events, &told),
        )
    };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = work => {}
    }
}

async fn keep<K>(what: &'static str, client: &Client, config: watcher::Config, writer: Writer<K>, told: &Told)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    let events = watcher(api, config).backoff(WatchBackoff::new("lineshaft-console")).modify(|object| {
        // Nobody reads it, and it is most of what an object weighs.
        object.managed_fields_mut().clear();
    });
    let mut events = std::pin::pin!(reflector(writer, events));
    while let Some(event) = events.next().await {
        let mut interrupted = told.interrupted.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            // A list that has only begun is not shown yet.
            Ok(watcher::Event::Init | watcher::Event::InitApply(_)) => continue,
            Ok(_) => drop(interrupted.remove(what)),
            Err(error) => {
                tracing::debug!(
                    what,
                    error = lineshaft_api_client::sentence(&error),
                    "watch for the console"
                );
                interrupted.insert(what, format!("The API server does not answer for {what}."));
            }
        }
        drop(interrupted);
        told.changes.send_modify(|count| *count += 1);
    }
}
