//! What this node has to say of each peer. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use lineshaft_crds::mesh_peer::conditions::{REACHABLE, TRUSTED};
use lineshaft_crds::mesh_peer::{Observer, PeerSource, Trust};
use lineshaft_crds::{Condition, MeshPeer, MeshPeerSpec, MeshPeerStatus, story};
use lineshaft_mesh::discovery::{Peer, RuntimeId};
use lineshaft_mesh::identity::AgentId;
use lineshaft_mesh::link::LinkStatus;

use super::plan::Seen;

/// Addresses and interfaces of one observer.
const LISTED_MAX: usize = 16;
/// When a peer was last seen is written so often, unless there is other news.
const LAST_SEEN_EVERY: Duration = Duration::from_mins(5);

/// What a node knows when it speaks of peers.
pub(crate) struct Knowledge<'a> {
    /// This node.
    pub(crate) node: &'a str,
    pub(crate) seen: &'a Seen,
    /// The clock of `last_seen_ns`, now.
    pub(crate) clock_ns: u64,
    pub(crate) now: Timestamp,
    /// Agents that were paired through an object, by its name.
    pub(crate) claimed: &'a BTreeMap<String, AgentId>,
}

/// Objects for peers that are announced and have none.
pub(crate) fn missing<'a>(seen: &Seen, objects: impl Iterator<Item = &'a MeshPeer>) -> Vec<MeshPeer> {
    let (mut names, mut known) = (BTreeSet::new(), BTreeSet::new());
    for object in objects {
        names.insert(object.name_any());
        known.extend(runtime_of(object));
    }
    let unknown = seen.peers.iter().filter(|(runtime, peer)| peer.present && !known.contains(runtime));
    let new = unknown.map(|(_, peer)| object_name(peer)).filter(|name| !names.contains(name));
    let spec = || MeshPeerSpec {
        source: PeerSource::Discovered,
        addresses: Vec::new(),
        allowed_namespaces: Vec::new(),
    };
    new.map(|name| MeshPeer::new(&name, spec())).collect()
}

/// The object of a peer that was discovered: `lineb-6f1c2a9e`.
fn object_name(peer: &Peer) -> String {
    peer.advert.instance().replace('_', "-")
}

fn runtime_of(object: &MeshPeer) -> Option<RuntimeId> {
    object.status.as_ref()?.runtime_id.as_ref()?.parse().ok()
}

/// What the status should say, if this node has anything to say that is not there yet.
pub(crate) fn news(object: &MeshPeer, knowledge: &Knowledge<'_>) -> Option<MeshPeerStatus> {
    let known = object.status.clone().unwrap_or_default();
    let mut wanted = status(object, knowledge)?;
    let speaks = known.observers.iter().all(|other| other.node_name.as_str() >= knowledge.node);
    if !speaks {
        // One node speaks for all that see it, or they would write against each other. The others say only that
        // they see it.
        wanted = MeshPeerStatus { observers: wanted.observers, ..MeshPeerStatus::default() };
    }
    let own = own_part(&known, knowledge.node, speaks);
    keep_last_seen(&own, &mut wanted);
    wanted.conditions =
        wanted.conditions.into_iter().map(|one| one.keeping_time_of(&own.conditions)).collect();
    (own != wanted).then_some(wanted)
}

/// `None`: this node neither sees the peer nor ever did.
fn status(object: &MeshPeer, knowledge: &Knowledge<'_>) -> Option<MeshPeerStatus> {
    let seen = knowledge.seen;
    let known = object.status.clone().unwrap_or_default();
    let claimed = knowledge.claimed.get(&object.name_any()).copied();
    let agent_known = known.agent_id.clone().and_then(|agent| AgentId::try_from(agent).ok());
    let runtime = runtime_of(object)
        .or_else(|| {
            seen.peers.iter().find(|(_, peer)| object_name(peer) == object.name_any()).map(|(id, _)| *id)
        })
        .or_else(|| only_runtime(seen.links.get(&claimed.or(agent_known)?)?));
    let sighting = runtime.and_then(|runtime| seen.peers.get(&runtime));
    let agent = sighting.map(|peer| peer.advert.agent).or(claimed).or(agent_known);
    let pin = seen.pins.iter().find(|pin| Some(pin.agent) == agent);
    let link = agent.and_then(|agent| seen.links.get(&agent)).filter(|_| pin.is_some());
    let present = sighting.is_some_and(|peer| peer.present);
    let observes = present || pin.is_some();
    let did = known.observers.iter().any(|one| one.node_name == knowledge.node);
    if !observes && !did {
        return None;
    }
    let trust = match (pin, link) {
        (None, _) => Trust::Unpaired,
        (Some(_), Some(link)) if link.revoked => Trust::RevokedByPeer,
        (Some(_), Some(LinkStatus { connected: false, key_mismatch: Some(_), .. })) => Trust::KeyMismatch,
        (Some(_), _) => Trust::Paired,
    };
    let condition = |type_, status: bool, reason, message: String| {
        debug_assert!(story::is_condition("MeshPeer", type_, reason), "{type_}/{reason} is not documented");
        Condition::new(type_, status, reason, message, object.metadata.generation, knowledge.now)
    };
    let (trusted, why) = match trust {
        Trust::Paired => (true, "Paired"),
        Trust::Unpaired => (false, "NotPaired"),
        Trust::RevokedByPeer => (false, "RevokedByPeer"),
        Trust::KeyMismatch => (false, "KeyMismatch"),
    };
    let doubt = link.filter(|_| trust == Trust::KeyMismatch).map(key_mismatch).unwrap_or_default();
    let (reachable, how, message) = reachability(present, link);
    let advert = sighting.map(|peer| &peer.advert);
    let named = link.and_then(|link| link.runtimes.iter().find(|info| info.id.parse().ok() == runtime));
    let key = advert.map(|advert| advert.key).or_else(|| pin.and_then(|pin| pin.keys.last().copied()));
    Some(MeshPeerStatus {
        service_name: advert
            .map(|advert| advert.name.to_string())
            .or_else(|| named.map(|info| info.name.clone()))
            .or(known.service_name),
        runtime_id: runtime.map(|runtime| runtime.to_string()),
        agent_id: agent.map(|agent| agent.to_string()),
        fingerprint: key.map(|key| key.to_string()).or(known.fingerprint),
        site: advert.map(|advert| advert.site.to_string()).or(known.site),
        version: advert.map(|advert| advert.version.to_string()).or(known.version),
        published_variables: advert
            .map(|advert| i32::try_from(advert.published).unwrap_or(i32::MAX))
            .or(known.published_variables),
        console_port: advert.map(|advert| i32::from(advert.console_port)).filter(|port| *port > 0),
        trust: Some(trust),
        observers: observes.then(|| observer(object, knowledge, sighting, link)).into_iter().collect(),
        conditions: vec![
            condition(TRUSTED, trusted, why, doubt),
            condition(REACHABLE, reachable, how, message),
        ],
        ..MeshPeerStatus::default()
    })
}

/// Who was added by address says who it is over the connection; of several runtimes none is meant more than others.
fn only_runtime(link: &LinkStatus) -> Option<RuntimeId> {
    match link.runtimes.as_slice() {
        [only] => only.id.parse().ok(),
        _ => None,
    }
}

fn key_mismatch(link: &LinkStatus) -> String {
    let shown = link.key_mismatch.map(|key| key.to_string()).unwrap_or_default();
    format!(
        "whoever answers in its place has the key {shown}, which is not the one that was paired: if the peer was set up \
         anew or has changed its key meanwhile, delete the Pairing and pair again"
    )
}

fn reachability(present: bool, link: Option<&LinkStatus>) -> (bool, &'static str, String) {
    match link {
        Some(link) if link.connected => {
            (true, "Connected", link.address.map(|address| address.to_string()).unwrap_or_default())
        }
        Some(LinkStatus { last_error: Some(error), revoked: false, .. }) => {
            (false, "DialFailed", error.clone())
        }
        _ if present => (true, "Seen", String::new()),
        _ => (false, "NotSeen", String::new()),
    }
}

fn observer(
    object: &MeshPeer,
    knowledge: &Knowledge<'_>,
    sighting: Option<&Peer>,
    link: Option<&LinkStatus>,
) -> Observer {
    let connected = link.and_then(|link| link.address).into_iter().map(|address| address.to_string());
    let announced = sighting.map(|peer| &peer.addresses);
    let heard = announced.into_iter().flatten().flat_map(|(_, set)| set.iter().map(SocketAddr::to_string));
    let mut addresses: Vec<String> = Vec::new();
    for address in connected.chain(heard).chain(object.spec.addresses.iter().cloned()) {
        if !addresses.contains(&address) && addresses.len() < LISTED_MAX {
            addresses.push(address);
        }
    }
    let interfaces = announced.map(|announced| announced.keys().take(LISTED_MAX).cloned().collect());
    let last_seen = sighting.map(|peer| {
        let ago = Duration::from_nanos(knowledge.clock_ns.saturating_sub(peer.last_seen_ns));
        let at = knowledge.now.checked_sub(ago).unwrap_or(knowledge.now);
        // Seconds: what Kubernetes keeps of a time.
        Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
    });
    Observer {
        node_name: knowledge.node.to_owned(),
        addresses,
        interfaces: interfaces.unwrap_or_default(),
        last_seen,
    }
}

/// The fields that this node writes.
fn own_part(status: &MeshPeerStatus, node: &str, speaks: bool) -> MeshPeerStatus {
    let observers = status.observers.iter().filter(|one| one.node_name == node).cloned().collect();
    if !speaks {
        return MeshPeerStatus { observers, ..MeshPeerStatus::default() };
    }
    let own = |type_: &str| status.conditions.iter().find(|one| one.type_ == type_).cloned();
    MeshPeerStatus {
        observed_generation: None,
        observers,
        conditions: [TRUSTED, REACHABLE].into_iter().filter_map(own).collect(),
        ..status.clone()
    }
}

/// That a peer is still seen is no news.
fn keep_last_seen(known: &MeshPeerStatus, wanted: &mut MeshPeerStatus) {
    let (Some(before), Some(now)) = (known.observers.first(), wanted.observers.first_mut()) else { return };
    let (Some(then), Some(newest)) = (&before.last_seen, &now.last_seen) else { return };
    let age = newest.0.duration_since(then.0);
    if age < jiff::SignedDuration::try_from(LAST_SEEN_EVERY).unwrap_or_default() {
        now.last_seen.clone_from(&before.last_seen);
    }
}

/// For figures.
pub(crate) fn trust_word(trust: Option<Trust>) -> &'static str {
    match trust {
        None => "Unknown",
        Some(Trust::Unpaired) => "Unpaired",
        Some(Trust::Paired) => "Paired",
        Some(Trust::RevokedByPeer) => "RevokedByPeer",
        Some(Trust::KeyMismatch) => "KeyMismatch",
    }
}

#[cfg(test)]
mod tests;
