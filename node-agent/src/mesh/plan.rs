//! What the mesh of this agent should look like, from what is wanted and what is known. Pure.
//!
//! Names lead to keys, never the other way round: of several runtimes with one name the one whose agent is paired is
//! meant, and of several of those the one that was bound before, or the one that its agent itself has named over a
//! connection that its key has proven. So whoever announces a name takes nothing and blocks nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use lineshaft_mesh::discovery::{Advert, Announcement, Label, Peer, RuntimeId, VersionText};
use lineshaft_mesh::identity::{AgentId, Fingerprint};
use lineshaft_mesh::link::{LinkStatus, Target};
use lineshaft_mesh::membership::id_of;
use lineshaft_mesh::trust::Pin;

use super::local::{KnownPeer, LocalRuntime, LocalSubscription, LocalTarget, Publisher};

/// Who this agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Me {
    pub(crate) agent: AgentId,
    pub(crate) key: Fingerprint,
    pub(crate) site: Label,
    pub(crate) node: String,
    pub(crate) version: VersionText,
    /// Where it listens unless a runtime has an endpoint of its own.
    pub(crate) listen: SocketAddr,
}

/// What the network and the disk say.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Seen {
    /// Runtimes that are or were announced.
    pub(crate) peers: BTreeMap<RuntimeId, Peer>,
    /// Where to dial paired agents, the most promising address first.
    pub(crate) addresses: BTreeMap<AgentId, Vec<SocketAddr>>,
    /// How connections fare.
    pub(crate) links: BTreeMap<AgentId, LinkStatus>,
    /// Who is trusted.
    pub(crate) pins: Vec<Pin>,
    /// Those of them that have to learn of this agent's next key.
    pub(crate) unaware: Vec<AgentId>,
}

/// What is wanted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// Runtimes of this node.
    pub(crate) runtimes: Vec<LocalRuntime>,
    /// What they receive.
    pub(crate) subscriptions: Vec<LocalSubscription>,
    /// Peers that have an object.
    pub(crate) peers: Vec<KnownPeer>,
    /// An offer is open.
    pub(crate) offering: bool,
    /// A pairing waits to be carried out.
    pub(crate) pairing: bool,
    /// A runtime of this node asks for real-time abilities.
    pub(crate) realtime: bool,
    /// Why other agents of the site cannot know this one; `None`: they can.
    pub(crate) uncertified: Option<String>,
}

/// A publisher of a subscription: UID and whom it wants.
pub(crate) type Binding = (String, Publisher);

/// What the mesh should look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// Values come before ordinary work.
    pub(crate) prompt: bool,
    /// Where to listen.
    pub(crate) listen: BTreeSet<SocketAddr>,
    /// What to announce, once its endpoint listens.
    pub(crate) announcements: Vec<Announcement>,
    /// Whom to dial from which endpoint.
    pub(crate) targets: BTreeMap<SocketAddr, Vec<Target>>,
    /// Who each publisher of a subscription is.
    pub(crate) routes: BTreeMap<Binding, Result<Route, Unresolved>>,
}

/// Who a publisher is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Its agent.
    pub(crate) agent: AgentId,
    /// Which runtime.
    pub(crate) runtime: RuntimeId,
}

/// Why a publisher is nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    /// Of the condition `ResolvedRefs`.
    pub(crate) reason: &'static str,
    /// For people.
    pub(crate) message: String,
}

/// A runtime that may be the one that is meant.
#[derive(Clone, Debug)]
struct Candidate {
    runtime: RuntimeId,
    agent: AgentId,
    trusted: bool,
    /// Its agent named it over a connection.
    proven: bool,
    /// Namespaces that may use it; none: all.
    namespaces: Vec<String>,
}

/// Makes the plan; `before` is the last one, whose bindings are kept where they can be.
pub(crate) fn plan(me: &Me, wanted: &Wanted, seen: &Seen, before: &Plan) -> Plan {
    let mut routes = BTreeMap::new();
    let mut agents: BTreeSet<AgentId> = BTreeSet::new();
    for subscription in &wanted.subscriptions {
        for publisher in &subscription.publishers {
            let binding = (subscription.uid.clone(), publisher.clone());
            let bound = before.routes.get(&binding).and_then(|route| route.as_ref().ok());
            let route = match publisher {
                Publisher::Peer(name) => {
                    let found = candidates(name, wanted, seen);
                    // Those that may be meant as well: who they are is known when they were asked.
                    agents.extend(found.iter().filter(|found| found.trusted).map(|found| found.agent));
                    resolve(name, &subscription.namespace, &found, bound)
                }
                Publisher::Runtime(name) => within_site(me, name, subscription.targets.get(name), wanted),
            };
            routes.insert(binding, route);
        }
    }
    // Who was added by a person says its name over the first connection.
    agents.extend(wanted.peers.iter().filter(|peer| peer.manual).filter_map(|peer| peer.agent));
    // A key that is about to change is told to all, whether they exchange values or not.
    agents.extend(&seen.unaware);
    agents
        .retain(|agent| is_trusted(seen, *agent) && !seen.links.get(agent).is_some_and(|link| link.revoked));
    let targets: Vec<Target> = agents
        .into_iter()
        .map(|peer| Target { peer, addresses: addresses(peer, wanted, seen) })
        .chain(members(me, wanted))
        .filter(|target| !target.addresses.is_empty())
        .collect();
    let listen = listeners(me, wanted, &targets);
    Plan {
        prompt: wanted.realtime,
        announcements: announcements(me, wanted),
        targets: assign(&listen, targets),
        listen,
        routes,
    }
}

fn is_trusted(seen: &Seen, agent: AgentId) -> bool {
    seen.pins.iter().any(|pin| pin.agent == agent)
}

/// Who a runtime of the own site is.
fn within_site(
    me: &Me,
    name: &str,
    target: Option<&LocalTarget>,
    wanted: &Wanted,
) -> Result<Route, Unresolved> {
    let unresolved = |reason, message| Err(Unresolved { reason, message });
    let Some(target) = target else {
        let message = format!("there is no PlcRuntime {name} in this namespace that is on a node");
        return unresolved("RuntimeNotFound", message);
    };
    if target.node == me.node {
        return Ok(Route { agent: me.agent, runtime: target.runtime });
    }
    if let Some(why) = &wanted.uncertified {
        let message =
            format!("{name} is on node {}, and this node has no certificate yet: {why}", target.node);
        return unresolved("PeerNotTrusted", message);
    }
    Ok(Route { agent: id_of(&me.site.to_string(), &target.node), runtime: target.runtime })
}

/// Other agents of the site that have something for this one.
fn members(me: &Me, wanted: &Wanted) -> Vec<Target> {
    let mut members: BTreeMap<AgentId, Vec<SocketAddr>> = BTreeMap::new();
    if wanted.uncertified.is_some() {
        return Vec::new();
    }
    let targets = wanted.subscriptions.iter().flat_map(|subscription| subscription.targets.values());
    for target in targets.filter(|target| target.node != me.node) {
        let known = members.entry(id_of(&me.site.to_string(), &target.node)).or_default();
        for address in &target.addresses {
            if !known.contains(address) {
                known.push(*address);
            }
        }
    }
    members.into_iter().map(|(peer, addresses)| Target { peer, addresses }).collect()
}

/// Every runtime of another site with this name.
fn candidates(name: &str, wanted: &Wanted, seen: &Seen) -> Vec<Candidate> {
    let announced = seen
        .peers
        .iter()
        .filter(|(_, peer)| peer.advert.name.to_string() == name)
        .map(|(&runtime, peer)| (runtime, peer.advert.agent));
    let told = wanted
        .peers
        .iter()
        .filter(|peer| peer.name.as_deref() == Some(name))
        .filter_map(|peer| peer.runtime.zip(peer.agent));
    // Runtimes of the own site are no peers, whatever they are called.
    let paired = seen.links.iter().filter(|(agent, _)| is_trusted(seen, **agent));
    let said = paired.flat_map(|(&agent, link)| {
        let named = link.runtimes.iter().filter(|runtime| runtime.name == name);
        named.filter_map(move |runtime| Some((runtime.id.parse().ok()?, agent)))
    });
    let all: BTreeMap<RuntimeId, AgentId> = announced.chain(told).chain(said).collect();
    let candidate = |(runtime, agent): (RuntimeId, AgentId)| {
        let named = seen.links.get(&agent).map_or(&[][..], |link| &link.runtimes);
        let proven = named.iter().any(|info| info.id == runtime.to_string() && info.name == name);
        let object = wanted.peers.iter().find(|peer| peer.runtime == Some(runtime));
        Candidate {
            runtime,
            agent,
            trusted: is_trusted(seen, agent),
            proven,
            namespaces: object.map(|object| object.namespaces.clone()).unwrap_or_default(),
        }
    };
    all.into_iter().map(candidate).collect()
}

fn resolve(
    name: &str,
    namespace: &str,
    candidates: &[Candidate],
    bound: Option<&Route>,
) -> Result<Route, Unresolved> {
    let unresolved = |reason, message| Err(Unresolved { reason, message });
    if candidates.is_empty() {
        return unresolved("PeerNotFound", format!("no peer is called {name}"));
    }
    let trusted: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.trusted).collect();
    if trusted.is_empty() {
        return unresolved("PeerNotTrusted", format!("{name} is not paired with the agent of this node"));
    }
    let proven: Vec<&Candidate> = trusted.iter().copied().filter(|candidate| candidate.proven).collect();
    let may_be_meant = if proven.is_empty() { trusted } else { proven };
    let before = bound.and_then(|bound| may_be_meant.iter().find(|found| found.runtime == bound.runtime));
    let chosen = match (before, may_be_meant.as_slice()) {
        (Some(before), _) => before,
        (None, [only]) => only,
        (None, several) => {
            let message = format!("{} runtimes of paired agents are called {name}", several.len());
            return unresolved("AmbiguousPeer", message);
        }
    };
    if !chosen.namespaces.is_empty() && !chosen.namespaces.iter().any(|allowed| allowed == namespace) {
        let message = format!("{name} may not be used in namespace {namespace}");
        return unresolved("NamespaceNotAllowed", message);
    }
    Ok(Route { agent: chosen.agent, runtime: chosen.runtime })
}

/// Where a paired agent may be found: where it was seen, and where people said that it is.
fn addresses(agent: AgentId, wanted: &Wanted, seen: &Seen) -> Vec<SocketAddr> {
    let mut addresses = seen.addresses.get(&agent).cloned().unwrap_or_default();
    let told = wanted.peers.iter().filter(|peer| peer.agent == Some(agent));
    for address in told.flat_map(|peer| &peer.addresses) {
        if !addresses.contains(address) {
            addresses.push(*address);
        }
    }
    addresses
}

/// The agent's own endpoint opens only if something needs it.
fn listeners(me: &Me, wanted: &Wanted, targets: &[Target]) -> BTreeSet<SocketAddr> {
    let mut listen: BTreeSet<SocketAddr> =
        wanted.runtimes.iter().map(|runtime| runtime.listen.unwrap_or(me.listen)).collect();
    let leads_nowhere = |target: &Target| listener_for(&listen, &target.addresses).is_none();
    let pairs = (wanted.offering || wanted.pairing) && listen.is_empty();
    if pairs || targets.iter().any(leads_nowhere) {
        listen.insert(me.listen);
    }
    listen
}

/// The endpoint from which one of the addresses can be dialled.
pub(crate) fn listener_for(listen: &BTreeSet<SocketAddr>, addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let reaches = |listen: &SocketAddr, to: &SocketAddr| {
        if listen.ip().is_unspecified() {
            listen.is_ipv6() || to.is_ipv4()
        } else {
            listen.is_ipv4() == to.is_ipv4() && listen.ip().is_loopback() == to.ip().is_loopback()
        }
    };
    addresses.iter().find_map(|to| listen.iter().find(|listen| reaches(listen, to)).copied())
}

fn assign(listen: &BTreeSet<SocketAddr>, targets: Vec<Target>) -> BTreeMap<SocketAddr, Vec<Target>> {
    let mut assigned: BTreeMap<SocketAddr, Vec<Target>> = BTreeMap::new();
    for target in targets {
        if let Some(from) = listener_for(listen, &target.addresses) {
            assigned.entry(from).or_default().push(target);
        }
    }
    assigned
}

fn announcements(me: &Me, wanted: &Wanted) -> Vec<Announcement> {
    let advertised = wanted.runtimes.iter().filter(|runtime| runtime.advertise);
    advertised
        .map(|runtime| Announcement {
            advert: Advert {
                runtime: runtime.id,
                name: runtime.name.clone(),
                agent: me.agent,
                site: me.site.clone(),
                key: me.key,
                version: me.version.clone(),
                published: runtime.published,
                console_port: 0,
                pairing: wanted.offering,
            },
            listen: runtime.listen.unwrap_or(me.listen),
            interfaces: runtime.interfaces.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
