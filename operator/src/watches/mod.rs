//! One watch a kind, each feeding a store and waking the objects that it concerns.
//!
//! A status that the operator itself wrote wakes nothing: what is compared is everything but its own fields.

mod drive;
mod stores;
mod triggers;

use std::fmt::Debug;
use std::sync::Arc;

use futures::TryStreamExt;
use futures::channel::mpsc::{Receiver, Sender, channel};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, store::Writer};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::Reachability;
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, PlcRuntime};

use crate::controller::Guarded;
use crate::edge_node::EdgeNodes;
use crate::mesh::{MeshPeers, MeshSubscriptions};
use crate::metrics::Metrics;
use crate::options::{Options, Scope};
use crate::plc_runtime::PlcRuntimes;
use drive::{Change, Events, drive, events, listener};
pub(crate) use stores::{Stores, readable};
use triggers::hash;

/// References that may wait between a watch and its controller, which takes them at once into a set without repetition.
const QUEUE: usize = 256;
const PAGE: u32 = 500;

/// Where the controllers take their work from.
pub(crate) struct Queues {
    pub(crate) plc_runtimes: Receiver<ObjectRef<Guarded<PlcRuntime>>>,
    pub(crate) edge_nodes: Receiver<ObjectRef<Guarded<EdgeNode>>>,
    pub(crate) mesh_subscriptions: Receiver<ObjectRef<Guarded<MeshSubscription>>>,
    pub(crate) mesh_peers: Receiver<ObjectRef<Guarded<MeshPeer>>>,
}

/// Where the watches put what they wake.
struct Wakers {
    plc_runtimes: Sender<ObjectRef<Guarded<PlcRuntime>>>,
    edge_nodes: Sender<ObjectRef<Guarded<EdgeNode>>>,
    mesh_subscriptions: Sender<ObjectRef<Guarded<MeshSubscription>>>,
    mesh_peers: Sender<ObjectRef<Guarded<MeshPeer>>>,
}

/// Where the watches put what they see.
struct Writers {
    plc_runtimes: Writer<Guarded<PlcRuntime>>,
    edge_nodes: Writer<Guarded<EdgeNode>>,
    leases: Writer<Lease>,
    mesh_subscriptions: Writer<Guarded<MeshSubscription>>,
    mesh_peers: Writer<Guarded<MeshPeer>>,
}

/// The controllers, which are told what is gone.
pub(crate) struct Controllers<'a> {
    pub(crate) plc_runtimes: &'a PlcRuntimes,
    pub(crate) edge_nodes: &'a EdgeNodes,
    pub(crate) mesh_subscriptions: &'a MeshSubscriptions,
    pub(crate) mesh_peers: &'a MeshPeers,
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
    writers: Writers,
    wakers: Wakers,
}

pub(crate) fn prepare(client: &Client, options: &Options, metrics: &Metrics) -> (Watches, Stores, Queues) {
    let (plc_runtimes, plc_writer) = reflector::store();
    let (edge_nodes, node_writer) = reflector::store();
    let (leases, lease_writer) = reflector::store();
    let (mesh_subscriptions, subscription_writer) = reflector::store();
    let (mesh_peers, peer_writer) = reflector::store();
    let stores = Stores {
        plc_runtimes,
        edge_nodes,
        leases,
        mesh_subscriptions,
        mesh_peers,
        api: Reachability::default(),
        leases_interrupted: Arc::default(),
    };
    let (plc_waker, plc_runtimes) = channel(QUEUE);
    let (node_waker, edge_nodes) = channel(QUEUE);
    let (subscription_waker, mesh_subscriptions) = channel(QUEUE);
    let (peer_waker, mesh_peers) = channel(QUEUE);
    let watches = Watches {
        client: client.clone(),
        scope: options.scope.clone(),
        node_selector: options.node_selector.clone(),
        lease_namespace: options.lease_namespace.clone(),
        identity: options.identity.clone(),
        metrics: metrics.clone(),
        stores: stores.clone(),
        writers: Writers {
            plc_runtimes: plc_writer,
            edge_nodes: node_writer,
            leases: lease_writer,
            mesh_subscriptions: subscription_writer,
            mesh_peers: peer_writer,
        },
        wakers: Wakers {
            plc_runtimes: plc_waker,
            edge_nodes: node_waker,
            mesh_subscriptions: subscription_waker,
            mesh_peers: peer_waker,
        },
    };
    (watches, stores, Queues { plc_runtimes, edge_nodes, mesh_subscriptions, mesh_peers })
}

impl Watches {
    /// Runs all watches; ends only by being dropped.
    pub(crate) async fn run(self, controllers: &Controllers<'_>) {
        let Self {
            client,
            scope,
            node_selector,
            lease_namespace,
            identity,
            metrics,
            stores,
            writers,
            wakers,
        } = self;
        let config = watcher::Config::default().page_size(PAGE);
        let selected = match &node_selector {
            Some(selector) => config.clone().labels(selector),
            None => config.clone(),
        };
        let plc_runtimes = events(watcher(scoped(&client, &scope), config.clone()), &identity);
        let edge_nodes = events(watcher(Api::all(client.clone()), selected.clone()), &identity);
        let leases = Api::<Lease>::namespaced(client.clone(), &lease_namespace);
        let leases = events(watcher(leases, config.clone()), &identity);
        // Metadata only: the texts of a whole cluster's ConfigMaps have no place in memory.
        let config_maps = events(watcher(scoped(&client, &scope), config.clone()), &identity);
        let subscriptions = events(watcher(scoped(&client, &scope), config), &identity);
        let peers = events(watcher(Api::all(client.clone()), selected), &identity);
        let bells = Bells { stores: &stores, wakers: &wakers, controllers, metrics: &metrics };
        tokio::join!(
            bells.plc_runtimes(plc_runtimes.reflect(writers.plc_runtimes)),
            bells.edge_nodes(edge_nodes.reflect(writers.edge_nodes)),
            bells.leases(leases.inspect_err(|_| stores.interrupt_leases()).reflect(writers.leases)),
            bells.config_maps(config_maps),
            bells.mesh_subscriptions(subscriptions.reflect(writers.mesh_subscriptions)),
            bells.mesh_peers(peers.reflect(writers.mesh_peers)),
        );
    }
}

/// Whom a change of each kind wakes.
struct Bells<'a> {
    stores: &'a Stores,
    wakers: &'a Wakers,
    controllers: &'a Controllers<'a>,
    metrics: &'a Metrics,
}

impl Bells<'_> {
    async fn plc_runtimes(&self, events: impl Events<Guarded<PlcRuntime>>) {
        let own = |change: &Change<'_, Guarded<PlcRuntime>>| {
            if let Change::Gone(object) = change {
                self.controllers.plc_runtimes.forget(object.meta());
            }
            change.of_own_kind()
        };
        let subscriptions =
            |change: &Change<'_, _>| self.stores.subscriptions_concerned_by_runtime(change.object());
        let listeners = vec![
            listener(triggers::plc, own, &self.wakers.plc_runtimes),
            listener(triggers::received_and_published, subscriptions, &self.wakers.mesh_subscriptions),
            listener(triggers::announced, |_| self.stores.all_peers(), &self.wakers.mesh_peers),
        ];
        drive("PlcRuntime", events, listeners, &self.stores.api, self.metrics).await;
    }

    async fn edge_nodes(&self, events: impl Events<Guarded<EdgeNode>>) {
        let own = |change: &Change<'_, Guarded<EdgeNode>>| {
            if let Change::Gone(object) = change {
                self.controllers.edge_nodes.forget(object.meta());
            }
            change.of_own_kind()
        };
        let runtimes = |change: &Change<'_, Guarded<EdgeNode>>| {
            self.stores.runtimes_concerned_by_node(&change.object().name_any())
        };
        let subscriptions = |change: &Change<'_, Guarded<EdgeNode>>| {
            self.stores.subscriptions_concerned_by_node(&change.object().name_any())
        };
        let listeners = vec![
            listener(triggers::binding, runtimes, &self.wakers.plc_runtimes),
            listener(triggers::addresses, subscriptions, &self.wakers.mesh_subscriptions),
            listener(triggers::node, own, &self.wakers.edge_nodes),
        ];
        drive("EdgeNode", events, listeners, &self.stores.api, self.metrics).await;
    }

    async fn leases(&self, events: impl Events<Lease>) {
        let trigger = |lease: &Lease| hash(&lease.resource_version());
        let nodes = |change: &Change<'_, Lease>| self.stores.nodes_woken_by(change.object());
        let listeners = vec![listener(trigger, nodes, &self.wakers.edge_nodes)];
        drive("Lease", events, listeners, &self.stores.api, self.metrics).await;
    }

    async fn config_maps(&self, events: impl Events<PartialObjectMeta<ConfigMap>>) {
        let trigger = |map: &PartialObjectMeta<ConfigMap>| hash(&map.resource_version());
        let runtimes = |change: &Change<'_, PartialObjectMeta<ConfigMap>>| {
            self.stores.runtimes_concerned_by_config_map(change.object())
        };
        let listeners = vec![listener(trigger, runtimes, &self.wakers.plc_runtimes)];
        drive("ConfigMap", events, listeners, &self.stores.api, self.metrics).await;
    }

    async fn mesh_subscriptions(&self, events: impl Events<Guarded<MeshSubscription>>) {
        let beside = |change: &Change<'_, Guarded<MeshSubscription>>| {
            if let Change::Gone(object) = change {
                self.controllers.mesh_subscriptions.forget(object.meta());
            }
            self.stores.subscriptions_beside(change.object())
        };
        let listeners = vec![listener(triggers::subscription, beside, &self.wakers.mesh_subscriptions)];
        drive("MeshSubscription", events, listeners, &self.stores.api, self.metrics).await;
    }

    async fn mesh_peers(&self, events: impl Events<Guarded<MeshPeer>>) {
        let own = |change: &Change<'_, Guarded<MeshPeer>>| {
            if let Change::Gone(object) = change {
                self.controllers.mesh_peers.forget(object.meta());
            }
            change.of_own_kind()
        };
        let listeners = vec![
            listener(triggers::peer, own, &self.wakers.mesh_peers),
            listener(triggers::peer_identity, |_| self.stores.all_peers(), &self.wakers.mesh_peers),
        ];
        drive("MeshPeer", events, listeners, &self.stores.api, self.metrics).await;
    }
}

fn scoped<K>(client: &Client, scope: &Scope) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + Debug,
{
    match scope {
        Scope::All => Api::all(client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
    }
}
