//! One watch a kind, each feeding a store and waking the objects that it concerns.
//!
//! A status that the operator itself wrote wakes nothing: what is compared is everything but its own fields.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::{SinkExt, Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::{Reachability, WatchBackoff};
use lineshaft_crds::edge_node::{self, lease_name};
use lineshaft_crds::{EdgeNode, PlcRuntime, condition, plc_runtime};
use serde::de::DeserializeOwned;

use crate::controller::Guarded;
use crate::edge_node::EdgeNodes;
use crate::metrics::Metrics;
use crate::options::{Options, Scope};
use crate::plc_runtime::PlcRuntimes;
use crate::readiness::Readiness;

/// References that may wait between a watch and its controller, which takes them at once into a set without repetition.
const QUEUE: usize = 256;
const PAGE: u32 = 500;

/// What is known of the cluster.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) plc_runtimes: Store<Guarded<PlcRuntime>>,
    pub(crate) edge_nodes: Store<Guarded<EdgeNode>>,
    pub(crate) leases: Store<Lease>,
    /// Whether the API server answers.
    pub(crate) api: Reachability,
    /// When the watch of Leases was last interrupted: a Lease may have been renewed meanwhile.
    leases_interrupted: Arc<Mutex<Option<Instant>>>,
}

impl Stores {
    /// Waits until the first list of each kind has arrived: a decision on half a cluster would be wrong.
    pub(crate) async fn ready(&self) {
        // An error means that the watches were dropped, and with them whoever waits here.
        let (plc_runtimes, edge_nodes, leases) = tokio::join!(
            self.plc_runtimes.wait_until_ready(),
            self.edge_nodes.wait_until_ready(),
            self.leases.wait_until_ready()
        );
        if plc_runtimes.and(edge_nodes).and(leases).is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn report_readiness(&self, readiness: &Readiness) {
        readiness.replace(["first lists".to_owned()]);
        self.ready().await;
        readiness.replace([]);
    }

    /// Runtimes whose binding may depend on a node, or that have none.
    fn concerned_by_node(&self, node: &str) -> Vec<ObjectRef<Guarded<PlcRuntime>>> {
        self.references(|plc| {
            let Some(status) = &plc.status else { return true };
            let mentions = [&status.node_name, &status.holder].into_iter().flatten().any(|name| name == node);
            let accepted = condition::is_true(&status.conditions, plc_runtime::conditions::ACCEPTED);
            mentions || status.node_name.is_none() || status.transfer.is_some() || !accepted
        })
    }

    fn concerned_by_config_map(
        &self,
        map: &PartialObjectMeta<ConfigMap>,
    ) -> Vec<ObjectRef<Guarded<PlcRuntime>>> {
        let name = map.name_any();
        self.references(|plc| {
            plc.namespace() == map.namespace() && plc.spec.program.config_maps().contains(name.as_str())
        })
    }

    fn references(&self, concerned: impl Fn(&PlcRuntime) -> bool) -> Vec<ObjectRef<Guarded<PlcRuntime>>> {
        let mut references = Vec::new();
        for guarded in self.plc_runtimes.state() {
            if guarded.0.as_ref().is_ok_and(&concerned) {
                references.push(ObjectRef::from_obj(&*guarded));
            }
        }
        references
    }
}

/// Where the controllers take their work from.
pub(crate) struct Queues {
    pub(crate) plc_runtimes: Receiver<ObjectRef<Guarded<PlcRuntime>>>,
    pub(crate) edge_nodes: Receiver<ObjectRef<Guarded<EdgeNode>>>,
}

/// The watches, ready to run.
pub(crate) struct Watches {
    client: Client,
    scope: Scope,
    node_selector: Option<String>,
    lease_namespace: String,
    identity: String,
    metrics: Metrics,
    stores: Stores,
    plc_writer: Writer<Guarded<PlcRuntime>>,
    node_writer: Writer<Guarded<EdgeNode>>,
    lease_writer: Writer<Lease>,
    plc_queue: Sender<ObjectRef<Guarded<PlcRuntime>>>,
    node_queue: Sender<ObjectRef<Guarded<EdgeNode>>>,
}

pub(crate) fn prepare(client: &Client, options: &Options, metrics: &Metrics) -> (Watches, Stores, Queues) {
    let (plc_runtimes, plc_writer) = reflector::store();
    let (edge_nodes, node_writer) = reflector::store();
    let (leases, lease_writer) = reflector::store();
    let stores = Stores {
        plc_runtimes,
        edge_nodes,
        leases,
        api: Reachability::default(),
        leases_interrupted: Arc::default(),
    };
    let (plc_queue, plc_work) = channel(QUEUE);
    let (node_queue, node_work) = channel(QUEUE);
    let watches = Watches {
        client: client.clone(),
        scope: options.scope.clone(),
        node_selector: options.node_selector.clone(),
        lease_namespace: options.lease_namespace.clone(),
        identity: options.identity.clone(),
        metrics: metrics.clone(),
        stores: stores.clone(),
        plc_writer,
        node_writer,
        lease_writer,
        plc_queue,
        node_queue,
    };
    (watches, stores, Queues { plc_runtimes: plc_work, edge_nodes: node_work })
}

impl Watches {
    /// Runs all watches; ends only by being dropped.
    pub(crate) async fn run(self, plc_runtimes: &PlcRuntimes, edge_nodes: &EdgeNodes) {
        let Self {
            client,
            scope,
            node_selector,
            lease_namespace,
            identity,
            metrics,
            stores,
            plc_writer,
            node_writer,
            lease_writer,
            plc_queue,
            node_queue,
        } = self;
        let config = watcher::Config::default().page_size(PAGE);
        let node_config = match &node_selector {
            Some(selector) => config.clone().labels(selector),
            None => config.clone(),
        };
        let plcs = async {
            let events =
                events(watcher(scoped(&client, &scope), config.clone()), &identity).reflect(plc_writer);
            let queue = plc_queue.clone();
            let woken = |change: Change<Guarded<PlcRuntime>>| {
                if let Change::Gone(object) = &change {
                    plc_runtimes.forget(object.meta());
                }
                change.of_own_kind()
            };
            drive("PlcRuntime", events, plc_trigger, woken, queue, &stores.api, &metrics).await;
        };
        let nodes = async {
            let api = Api::<Guarded<EdgeNode>>::all(client.clone());
            let events = events(watcher(api, node_config), &identity).reflect(node_writer);
            let queue = plc_queue.clone();
            let mut node_queue = node_queue.clone();
            drive_both(events, &stores, edge_nodes, &mut node_queue, queue, &metrics).await;
        };
        let leases = async {
            let api = Api::<Lease>::namespaced(client.clone(), &lease_namespace);
            let events = events(watcher(api, config.clone()), &identity)
                .inspect_err(|_| stores.interrupt_leases())
                .reflect(lease_writer);
            let woken = |change: Change<Lease>| stores.nodes_woken_by(change.object());
            let queue = node_queue.clone();
            let trigger = |lease: &Lease| hash(&lease.resource_version());
            drive("Lease", events, trigger, woken, queue, &stores.api, &metrics).await;
        };
        let config_maps = async {
            // Metadata only: the texts of a whole cluster's ConfigMaps have no place in memory.
            let api = scoped::<PartialObjectMeta<ConfigMap>>(&client, &scope);
            let events = events(watcher(api, config.clone()), &identity);
            let trigger = |map: &PartialObjectMeta<ConfigMap>| hash(&map.resource_version());
            let woken = |change: Change<PartialObjectMeta<ConfigMap>>| {
                stores.concerned_by_config_map(change.object())
            };
            drive("ConfigMap", events, trigger, woken, plc_queue.clone(), &stores.api, &metrics).await;
        };
        tokio::join!(plcs, nodes, leases, config_maps);
    }
}

impl Stores {
    /// When the watch of Leases was last interrupted.
    pub(crate) fn leases_interrupted(&self) -> Option<Instant> {
        *self.leases_interrupted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn interrupt_leases(&self) {
        *self.leases_interrupted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// A renewed Lease matters only to a node that does not count as alive: the others look at it when it should lapse.
    fn nodes_woken_by(&self, lease: &Lease) -> Vec<ObjectRef<Guarded<EdgeNode>>> {
        let name = lease.name_any();
        let mut references = Vec::new();
        for guarded in self.edge_nodes.state() {
            if let Ok(node) = &guarded.0
                && lease_name(&node.name_any()) == name
                && !edge_node_is_ready(node)
            {
                references.push(ObjectRef::from_obj(&*guarded));
            }
        }
        references
    }
}

fn edge_node_is_ready(node: &EdgeNode) -> bool {
    node.status
        .as_ref()
        .is_some_and(|status| condition::is_true(&status.conditions, edge_node::conditions::READY))
}

/// What happened to an object.
enum Change<K> {
    Touched(K),
    Gone(K),
}

impl<K: Resource<DynamicType = ()>> Change<K> {
    fn object(&self) -> &K {
        match self {
            Self::Touched(object) | Self::Gone(object) => object,
        }
    }

    fn of_own_kind(&self) -> Vec<ObjectRef<K>> {
        match self {
            Self::Touched(object) => vec![ObjectRef::from_obj(object)],
            Self::Gone(_) => Vec::new(),
        }
    }
}

/// Objects whose trigger value changed since they were last seen.
struct Seen<K, F> {
    trigger: F,
    values: HashMap<String, u64>,
    kind: std::marker::PhantomData<K>,
}

impl<K: Resource, F: Fn(&K) -> u64> Seen<K, F> {
    fn new(trigger: F) -> Self {
        Self { trigger, values: HashMap::new(), kind: std::marker::PhantomData }
    }

    fn change(&mut self, event: Event<K>) -> Option<Change<K>> {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let value = (self.trigger)(&object);
                let uid = object.meta().uid.clone().unwrap_or_default();
                (self.values.insert(uid, value) != Some(value)).then_some(Change::Touched(object))
            }
            Event::Delete(object) => {
                self.values.remove(object.meta().uid.as_deref().unwrap_or_default());
                Some(Change::Gone(object))
            }
            Event::Init | Event::InitDone => None,
        }
    }
}

/// Retries for ever, and without what is of no use here.
fn events<K: Resource + Clone + DeserializeOwned + Debug + Send + 'static>(
    stream: impl Stream<Item = Result<Event<K>, watcher::Error>> + Send,
    seed: &str,
) -> impl Stream<Item = Result<Event<K>, watcher::Error>> + Send {
    stream.backoff(WatchBackoff::new(seed)).modify(|object| {
        object.meta_mut().managed_fields = None;
    })
}

async fn drive<K, W>(
    kind: &'static str,
    events: impl Stream<Item = Result<Event<K>, watcher::Error>>,
    trigger: impl Fn(&K) -> u64,
    woken: impl Fn(Change<K>) -> Vec<ObjectRef<W>>,
    mut queue: Sender<ObjectRef<W>>,
    api: &Reachability,
    metrics: &Metrics,
) where
    K: Resource,
    W: Resource<DynamicType = ()> + 'static,
{
    let mut seen = Seen::new(trigger);
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(event) = received(kind, event, api, metrics) else { continue };
        if let Some(change) = seen.change(event) {
            wake(&mut queue, woken(change)).await;
        }
    }
}

/// Hosts wake themselves by every change that is not ours, and runtimes by those that bear on a binding.
async fn drive_both(
    events: impl Stream<Item = Result<Event<Guarded<EdgeNode>>, watcher::Error>>,
    stores: &Stores,
    edge_nodes: &EdgeNodes,
    node_queue: &mut Sender<ObjectRef<Guarded<EdgeNode>>>,
    mut plc_queue: Sender<ObjectRef<Guarded<PlcRuntime>>>,
    metrics: &Metrics,
) {
    let mut own = Seen::new(node_trigger);
    let mut fits = Seen::new(binding_trigger);
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let Some(event) = received("EdgeNode", event, &stores.api, metrics) else { continue };
        if let Some(change) = fits.change(event.clone()) {
            wake(&mut plc_queue, stores.concerned_by_node(&change.object().name_any())).await;
        }
        if let Some(change) = own.change(event) {
            if let Change::Gone(object) = &change {
                edge_nodes.forget(object.meta());
            }
            wake(node_queue, change.of_own_kind()).await;
        }
    }
}

fn received<K>(
    kind: &'static str,
    event: Result<Event<K>, watcher::Error>,
    api: &Reachability,
    metrics: &Metrics,
) -> Option<Event<K>> {
    match event {
        // A list that begins is a question, no answer.
        Ok(Event::Init) => Some(Event::Init),
        Ok(event) => {
            api.answered(kind);
            if !matches!(event, Event::InitDone) {
                metrics.watch_events.with_label_values(&[kind]).inc();
            }
            Some(event)
        }
        Err(error) => {
            api.failed(kind, &error);
            None
        }
    }
}

async fn wake<W: Resource<DynamicType = ()> + 'static>(
    queue: &mut Sender<ObjectRef<W>>,
    references: Vec<ObjectRef<W>>,
) {
    for reference in references {
        // A closed queue means that the controller was dropped, and this with it.
        if queue.send(reference).await.is_err() {
            return;
        }
    }
}

/// Everything of a runtime that a user or an agent writes.
fn plc_trigger(guarded: &Guarded<PlcRuntime>) -> u64 {
    let Ok(plc) = &guarded.0 else { return hash(&guarded.resource_version()) };
    let agents = plc.status.clone().map(crate::plc_runtime::without_own_fields);
    let text = serde_json::to_string(&agents).expect("a status is JSON");
    let meta = &plc.metadata;
    hash(&(meta.generation, meta.deletion_timestamp.is_some(), &meta.finalizers, text))
}

/// Everything of a host that a user or its agent writes.
fn node_trigger(guarded: &Guarded<EdgeNode>) -> u64 {
    let Ok(node) = &guarded.0 else { return hash(&guarded.resource_version()) };
    let mut status = node.status.clone().unwrap_or_default();
    status.conditions.retain(|condition| condition.type_ != edge_node::conditions::READY);
    hash(&(node.metadata.generation, serde_json::to_string(&status).expect("a status is JSON")))
}

/// Everything of a host that bears on what may be bound to it.
fn binding_trigger(guarded: &Guarded<EdgeNode>) -> u64 {
    let Ok(node) = &guarded.0 else { return hash(&guarded.resource_version()) };
    let status = node.status.as_ref();
    let fifo = status.and_then(|status| status.realtime.as_ref()).map(|realtime| realtime.fifo as u8);
    hash(&(node.metadata.generation, node.labels(), edge_node_is_ready(node), fifo))
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn scoped<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    match scope {
        Scope::All => Api::all(client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}

/// The objects of a store that could be read.
pub(crate) fn readable<K: Resource<DynamicType = ()> + Clone + 'static>(store: &Store<Guarded<K>>) -> Vec<K> {
    store.state().into_iter().filter_map(|guarded| Arc::unwrap_or_clone(guarded).0.ok()).collect()
}
