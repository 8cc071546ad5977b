//! What is known of the cluster, and which objects a change of another concerns.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use lineshaft_api_client::Reachability;
use lineshaft_crds::edge_node::{self, lease_name};
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, PlcRuntime, condition, plc_runtime};

use crate::controller::Guarded;
use crate::readiness::Readiness;

/// What is known of the cluster.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) plc_runtimes: Store<Guarded<PlcRuntime>>,
    pub(crate) edge_nodes: Store<Guarded<EdgeNode>>,
    pub(crate) leases: Store<Lease>,
    pub(crate) mesh_subscriptions: Store<Guarded<MeshSubscription>>,
    pub(crate) mesh_peers: Store<Guarded<MeshPeer>>,
    /// Whether the API server answers.
    pub(crate) api: Reachability,
    /// When the watch of Leases was last interrupted: a Lease may have been renewed meanwhile.
    pub(super) leases_interrupted: Arc<Mutex<Option<Instant>>>,
}

impl Stores {
    /// Waits until the first list of each kind has arrived: a decision on half a cluster would be wrong.
    pub(crate) async fn ready(&self) {
        // An error means that the watches were dropped, and with them whoever waits here.
        let (plc_runtimes, edge_nodes, leases, subscriptions, peers) = tokio::join!(
            self.plc_runtimes.wait_until_ready(),
            self.edge_nodes.wait_until_ready(),
            self.leases.wait_until_ready(),
            self.mesh_subscriptions.wait_until_ready(),
            self.mesh_peers.wait_until_ready()
        );
        if plc_runtimes.and(edge_nodes).and(leases).and(subscriptions).and(peers).is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn report_readiness(&self, readiness: &Readiness) {
        readiness.replace(["first lists".to_owned()]);
        self.ready().await;
        readiness.replace([]);
    }

    /// When the watch of Leases was last interrupted.
    pub(crate) fn leases_interrupted(&self) -> Option<Instant> {
        *self.leases_interrupted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn interrupt_leases(&self) {
        *self.leases_interrupted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Runtimes whose binding may depend on a node, or that have none.
    pub(super) fn runtimes_concerned_by_node(&self, node: &str) -> Vec<ObjectRef<Guarded<PlcRuntime>>> {
        references(&self.plc_runtimes, |plc| {
            let Some(status) = &plc.status else { return true };
            let mentions = [&status.node_name, &status.holder].into_iter().flatten().any(|name| name == node);
            let accepted = condition::is_true(&status.conditions, plc_runtime::conditions::ACCEPTED);
            mentions || status.node_name.is_none() || status.transfer.is_some() || !accepted
        })
    }

    pub(super) fn runtimes_concerned_by_config_map(
        &self,
        map: &PartialObjectMeta<ConfigMap>,
    ) -> Vec<ObjectRef<Guarded<PlcRuntime>>> {
        let name = map.name_any();
        references(&self.plc_runtimes, |plc| {
            plc.namespace() == map.namespace() && plc.spec.program.config_maps().contains(name.as_str())
        })
    }

    /// Subscriptions that receive from a runtime on this node.
    pub(super) fn subscriptions_concerned_by_node(
        &self,
        node: &str,
    ) -> Vec<ObjectRef<Guarded<MeshSubscription>>> {
        references(&self.mesh_subscriptions, |subscription| {
            let targets = subscription.status.as_ref().map_or(&[][..], |status| &status.targets);
            targets.iter().any(|target| target.node_name == node)
        })
    }

    /// Subscriptions that a runtime receives by, or that receive from it.
    pub(super) fn subscriptions_concerned_by_runtime(
        &self,
        plc: &Guarded<PlcRuntime>,
    ) -> Vec<ObjectRef<Guarded<MeshSubscription>>> {
        let (name, namespace) = (plc.name_any(), plc.namespace());
        references(&self.mesh_subscriptions, |subscription| {
            let spec = &subscription.spec;
            let published = spec.subscribe.iter().filter_map(|entry| entry.from.runtime_ref.as_ref());
            subscription.namespace() == namespace
                && published.chain([&spec.runtime_ref]).any(|reference| reference.name == name)
        })
    }

    /// The subscriptions of the same runtime: where two write one target, the older has it.
    pub(super) fn subscriptions_beside(
        &self,
        changed: &Guarded<MeshSubscription>,
    ) -> Vec<ObjectRef<Guarded<MeshSubscription>>> {
        let Ok(changed) = &changed.0 else { return Vec::new() };
        references(&self.mesh_subscriptions, |other| {
            other.namespace() == changed.namespace() && other.spec.runtime_ref == changed.spec.runtime_ref
        })
    }

    /// Every peer: names are few, and change seldom.
    pub(super) fn all_peers(&self) -> Vec<ObjectRef<Guarded<MeshPeer>>> {
        references(&self.mesh_peers, |_| true)
    }

    /// A renewed Lease matters only to a node that does not count as alive: the others look at it when it should lapse.
    pub(super) fn nodes_woken_by(&self, lease: &Lease) -> Vec<ObjectRef<Guarded<EdgeNode>>> {
        let name = lease.name_any();
        references(&self.edge_nodes, |node| lease_name(&node.name_any()) == name && !edge_node_is_ready(node))
    }
}

pub(super) fn edge_node_is_ready(node: &EdgeNode) -> bool {
    node.status
        .as_ref()
        .is_some_and(|status| condition::is_true(&status.conditions, edge_node::conditions::READY))
}

fn references<K: Resource<DynamicType = ()> + Clone + 'static>(
    store: &Store<Guarded<K>>,
    concerned: impl Fn(&K) -> bool,
) -> Vec<ObjectRef<Guarded<K>>> {
    let mut references = Vec::new();
    for guarded in store.state() {
        if guarded.0.as_ref().is_ok_and(&concerned) {
            references.push(ObjectRef::from_obj(&*guarded));
        }
    }
    references
}

/// The objects of a store that could be read.
pub(crate) fn readable<K: Resource<DynamicType = ()> + Clone + 'static>(store: &Store<Guarded<K>>) -> Vec<K> {
    store.state().into_iter().filter_map(|guarded| Arc::unwrap_or_clone(guarded).0.ok()).collect()
}
