//! Which part of an object concerns whom: a hash for each, whose changes wake.

use std::hash::{DefaultHasher, Hash, Hasher};

use kube::ResourceExt;
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, PlcRuntime, edge_node};

use super::stores::edge_node_is_ready;
use crate::controller::Guarded;
use crate::mesh;

/// Everything of a runtime that a user or an agent writes.
pub(super) fn plc(guarded: &Guarded<PlcRuntime>) -> u64 {
    let Ok(plc) = &guarded.0 else { return unreadable(guarded) };
    let agents = plc.status.clone().map(crate::plc_runtime::without_own_fields);
    let text = serde_json::to_string(&agents).expect("a status is JSON");
    let meta = &plc.metadata;
    hash(&(meta.generation, meta.deletion_timestamp.is_some(), &meta.finalizers, text))
}

/// Everything of a runtime that bears on what it receives and publishes.
pub(super) fn received_and_published(guarded: &Guarded<PlcRuntime>) -> u64 {
    let Ok(plc) = &guarded.0 else { return unreadable(guarded) };
    let status = plc.status.as_ref();
    let node = status.and_then(|status| status.node_name.as_ref());
    let accepted = status.and_then(|status| status.accepted.as_ref());
    hash(&(plc.metadata.generation, node, accepted.map(|accepted| &accepted.sources_hash)))
}

/// The name by which a runtime announces itself.
pub(super) fn announced(guarded: &Guarded<PlcRuntime>) -> u64 {
    let Ok(plc) = &guarded.0 else { return unreadable(guarded) };
    hash(&mesh::peer_names::announced(plc))
}

/// Everything of a subscription that a user or an agent writes.
pub(super) fn subscription(guarded: &Guarded<MeshSubscription>) -> u64 {
    let Ok(subscription) = &guarded.0 else { return unreadable(guarded) };
    let agents = subscription.status.clone().map(mesh::build::without_own_fields);
    let text = serde_json::to_string(&agents.map(|status| status.conditions)).expect("conditions are JSON");
    let meta = &subscription.metadata;
    hash(&(meta.generation, meta.deletion_timestamp.is_some(), text))
}

/// Everything of a peer that a user or an agent writes.
pub(super) fn peer(guarded: &Guarded<MeshPeer>) -> u64 {
    let Ok(peer) = &guarded.0 else { return unreadable(guarded) };
    hash(&(peer.metadata.generation, mesh::peer::reported(peer)))
}

/// Who a peer says that it is.
pub(super) fn peer_identity(guarded: &Guarded<MeshPeer>) -> u64 {
    let Ok(peer) = &guarded.0 else { return unreadable(guarded) };
    let status = peer.status.as_ref();
    hash(&status.map(|status| (&status.service_name, &status.runtime_id)))
}

/// Everything of a host that a user or its agent writes.
pub(super) fn node(guarded: &Guarded<EdgeNode>) -> u64 {
    let Ok(node) = &guarded.0 else { return unreadable(guarded) };
    let mut status = node.status.clone().unwrap_or_default();
    status.conditions.retain(|condition| condition.type_ != edge_node::conditions::READY);
    hash(&(node.metadata.generation, serde_json::to_string(&status).expect("a status is JSON")))
}

/// Everything of a host that bears on what may be bound to it.
pub(super) fn binding(guarded: &Guarded<EdgeNode>) -> u64 {
    let Ok(node) = &guarded.0 else { return unreadable(guarded) };
    let status = node.status.as_ref();
    let fifo = status.and_then(|status| status.realtime.as_ref()).map(|realtime| realtime.fifo as u8);
    hash(&(node.metadata.generation, node.labels(), edge_node_is_ready(node), fifo))
}

/// Where a host is reached.
pub(super) fn addresses(guarded: &Guarded<EdgeNode>) -> u64 {
    let Ok(node) = &guarded.0 else { return unreadable(guarded) };
    let addresses = node.status.as_ref().map(|status| (&status.addresses, &status.mesh_endpoints));
    hash(&serde_json::to_string(&addresses).expect("addresses are JSON"))
}

fn unreadable<K: ResourceExt>(guarded: &K) -> u64 {
    hash(&guarded.resource_version())
}

pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
