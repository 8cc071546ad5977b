//! The peers that have been seen, without sockets and clocks.
//!
//! Nothing in an advert is proven. So what a stranger says never changes what is known of a trusted peer, and what
//! strangers can take up is bounded. A peer that says it is trusted can only lead a dial astray, which fails at the
//! key.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use super::advert::{Advert, AdvertError, Label, RuntimeId};
use crate::identity::{AgentId, Fingerprint};

#[cfg(test)]
mod tests;

const SECOND_NS: u64 = 1_000_000_000;
const MINUTE_NS: u64 = 60 * SECOND_NS;
/// Addresses of one peer that are kept.
const MAX_ADDRESSES: usize = 16;
/// Runtimes of one trusted agent: its id and key can be copied by anyone.
const MAX_PER_AGENT: usize = 64;

/// Where a peer was announced: addresses by the interface of this host that they were received on.
pub type Addresses = BTreeMap<String, BTreeSet<SocketAddr>>;

/// How much is kept, and for how long without news.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Runtimes of agents that are not paired.
    pub strangers: usize,
    /// New ones of them within a minute.
    pub new_per_minute: usize,
    /// After so long without news a peer is asked whether it is there.
    pub verify_after_ns: u64,
    /// A peer that is asked and has not been withdrawn after this has answered.
    pub answer_within_ns: u64,
}

/// An advert and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// What was said.
    pub advert: Advert,
    /// Never empty.
    pub addresses: Addresses,
}

/// A runtime of another site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What it last said.
    pub advert: Advert,
    /// Where it said so.
    pub addresses: Addresses,
    /// Monotonic clock, ns.
    pub last_seen_ns: u64,
    /// It names a paired agent and its key. A connection proves whether that is true.
    pub trusted: bool,
    /// It is announced at present. Those that are not are kept while they are trusted.
    pub present: bool,
    /// Another runtime that is present has the same name.
    pub name_conflict: bool,
}

/// What has changed in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A runtime is announced that was not.
    Appeared(RuntimeId),
    /// It says something else, has other addresses, or is trusted now or no more.
    Changed(RuntimeId),
    /// It is announced no more.
    Vanished(RuntimeId),
    /// Another runtime has the same name.
    ConflictBegan(RuntimeId),
    /// Its name is its own again.
    ConflictEnded(RuntimeId),
    /// Somebody announces a runtime of a paired agent with another key.
    Impostor {
        /// The paired agent.
        agent: AgentId,
        /// Where the advert would lead.
        addresses: Addresses,
    },
}

/// Why an advert was not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rejection {
    /// It is malformed.
    Advert(AdvertError),
    /// It names no port, or no address that its interface leads to directly.
    OffLink,
    /// It is of a paired peer, with another key.
    ForeignKey,
    /// There are too many strangers.
    TooMany,
    /// There were too many new strangers within a minute.
    TooFast,
}

/// All peers that have been seen.
#[derive(Debug)]
pub struct Table {
    site: Label,
    limits: Limits,
    peers: BTreeMap<RuntimeId, Entry>,
    own: BTreeMap<RuntimeId, Label>,
    pins: BTreeMap<AgentId, Vec<Fingerprint>>,
    conflicts: BTreeSet<RuntimeId>,
    newcomers_ns: VecDeque<u64>,
    impostors_ns: BTreeMap<AgentId, u64>,
    proven: BTreeMap<AgentId, SocketAddr>,
    rejected: BTreeMap<Rejection, u64>,
}

#[derive(Debug)]
struct Entry {
    peer: Peer,
    instance: String,
    proof: Proof,
}

/// What speaks for the presence of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// It was seen.
    Seen,
    /// It was asked; if it is gone, its withdrawal will come.
    Asked { since_ns: u64 },
    /// Those who would notice its going have been replaced; it must be seen anew.
    Lost { since_ns: u64 },
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            strangers: 256,
            new_per_minute: 32,
            verify_after_ns: 30 * SECOND_NS,
            answer_within_ns: 3 * SECOND_NS,
        }
    }
}

impl Rejection {
    /// For a metric: the same text for the same reason, whatever the advert.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Advert(AdvertError::TooLong) => "too_long",
            Self::Advert(AdvertError::Version) => "version",
            Self::Advert(AdvertError::Missing(_)) => "missing",
            Self::Advert(AdvertError::Malformed(_)) => "malformed",
            Self::Advert(AdvertError::Instance) => "instance",
            Self::OffLink => "off_link",
            Self::ForeignKey => "foreign_key",
            Self::TooMany => "too_many",
            Self::TooFast => "too_fast",
        }
    }
}

impl Table {
    /// Nobody is seen. Adverts of `site` are one's own.
    pub fn new(site: Label, limits: Limits) -> Self {
        Self {
            site,
            limits,
            peers: BTreeMap::new(),
            own: BTreeMap::new(),
            pins: BTreeMap::new(),
            conflicts: BTreeSet::new(),
            newcomers_ns: VecDeque::new(),
            impostors_ns: BTreeMap::new(),
            proven: BTreeMap::new(),
            rejected: BTreeMap::new(),
        }
    }

    /// The peers, those included that are trusted and absent.
    pub fn peers(&self) -> impl Iterator<Item = (RuntimeId, &Peer)> {
        self.peers.iter().map(|(&id, entry)| (id, &entry.peer))
    }

    /// Where to dial a paired agent, the most promising first. An address that has led to it stays, whatever others
    /// announce in its name.
    pub fn addresses_of(&self, agent: AgentId) -> Vec<SocketAddr> {
        let of_agent =
            || self.peers.values().map(|entry| &entry.peer).filter(|p| p.trusted && p.advert.agent == agent);
        let announced =
            [true, false].into_iter().flat_map(|present| of_agent().filter(move |p| p.present == present));
        let mut addresses: Vec<SocketAddr> = self.proven.get(&agent).copied().into_iter().collect();
        for &address in announced.flat_map(|peer| peer.addresses.values().flatten()) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// A connection to `address` has been made with a key of a paired agent.
    pub fn prove(&mut self, agent: AgentId, address: SocketAddr) {
        if self.pins.contains_key(&agent) {
            self.proven.insert(agent, address);
        }
    }

    /// The runtimes, of this agent too, whose name others have as well.
    pub fn conflicts(&self) -> &BTreeSet<RuntimeId> {
        &self.conflicts
    }

    /// How many adverts were not taken in.
    pub fn rejected(&self) -> &BTreeMap<Rejection, u64> {
        &self.rejected
    }

    /// Counts an advert that did not get as far as this table.
    pub fn reject(&mut self, why: Rejection) {
        *self.rejected.entry(why).or_default() += 1;
    }

    /// The runtimes that this agent announces, by name.
    pub fn set_own(&mut self, own: BTreeMap<RuntimeId, Label>) -> Vec<Change> {
        self.own = own;
        self.compare_names()
    }

    /// The keys of all paired agents.
    pub fn set_pins(&mut self, pins: BTreeMap<AgentId, Vec<Fingerprint>>) -> Vec<Change> {
        self.pins = pins;
        self.impostors_ns.retain(|agent, _| self.pins.contains_key(agent));
        self.proven.retain(|agent, _| self.pins.contains_key(agent));
        let mut changes = Vec::new();
        let pins = &self.pins;
        self.peers.retain(|&id, Entry { peer, .. }| {
            let (before, announced) = (peer.trusted, peer.present);
            peer.trusted = is_pinned(pins, &peer.advert);
            // A stranger who used the id of an agent that has been paired since.
            let foreign = !peer.trusted && pins.contains_key(&peer.advert.agent);
            let kept = !foreign && (peer.trusted || announced);
            match (kept, announced) {
                (false, true) => changes.push(Change::Vanished(id)),
                (true, _) if before != peer.trusted => changes.push(Change::Changed(id)),
                _ => {}
            }
            kept
        });
        changes.extend(self.compare_names());
        changes
    }

    /// An advert was received, or the cache has one. A repetition is no news: caches repeat what they were told
    /// long ago.
    pub fn sighted(&mut self, sighting: Sighting, now_ns: u64) -> Vec<Change> {
        let Sighting { advert, mut addresses } = sighting;
        if advert.site == self.site {
            return Vec::new();
        }
        curtail(&mut addresses);
        let id = advert.runtime;
        let trusted = is_pinned(&self.pins, &advert);
        let known_of =
            self.peers.get(&id).filter(|known| known.peer.trusted).map(|known| known.peer.advert.agent);
        if let Some(victim) = self.victim(&advert, trusted, known_of) {
            self.reject(Rejection::ForeignKey);
            return self.report_impostor(victim, addresses, now_ns);
        }
        if !self.peers.contains_key(&id)
            && let Err(why) = self.make_room(&advert, trusted, now_ns)
        {
            self.reject(why);
            return Vec::new();
        }
        let instance = advert.instance();
        let peer = Peer {
            advert,
            addresses,
            last_seen_ns: now_ns,
            trusted,
            present: true,
            name_conflict: self.conflicts.contains(&id),
        };
        let change = match self.peers.get_mut(&id) {
            Some(entry) if entry.peer.present => {
                let said = (&entry.peer.advert, &entry.peer.addresses, entry.peer.trusted);
                let same = said == (&peer.advert, &peer.addresses, trusted);
                if same && !matches!(entry.proof, Proof::Lost { .. }) {
                    return Vec::new();
                }
                *entry = Entry { peer, instance, proof: Proof::Seen };
                (!same).then_some(Change::Changed(id))
            }
            _ => {
                self.peers.insert(id, Entry { peer, instance, proof: Proof::Seen });
                Some(Change::Appeared(id))
            }
        };
        change.into_iter().chain(self.compare_names()).collect()
    }

    /// An instance was withdrawn, by its owner or because nobody answers for it.
    pub fn withdrawn(&mut self, instance: &str) -> Vec<Change> {
        self.remove_if(|entry| entry.instance == instance)
    }

    /// The instances that are to be asked now whether they are there.
    pub fn due(&mut self, now_ns: u64) -> Vec<String> {
        let verify_after_ns = self.limits.verify_after_ns;
        let silent = self.peers.values_mut().filter(|entry| {
            let quiet_ns = now_ns.saturating_sub(entry.peer.last_seen_ns);
            entry.peer.present && entry.proof == Proof::Seen && quiet_ns >= verify_after_ns
        });
        silent
            .map(|entry| {
                entry.proof = Proof::Asked { since_ns: now_ns };
                entry.instance.clone()
            })
            .collect()
    }

    /// Time has passed: those who were asked and not withdrawn are there, those who had to be seen anew and were not
    /// are gone.
    pub fn settle(&mut self, now_ns: u64) -> Vec<Change> {
        let within_ns = self.limits.answer_within_ns;
        for entry in self.peers.values_mut() {
            if let Proof::Asked { since_ns } = entry.proof
                && now_ns >= since_ns + within_ns
            {
                entry.peer.last_seen_ns = since_ns;
                entry.proof = Proof::Seen;
            }
        }
        self.remove_if(
            |entry| matches!(entry.proof, Proof::Lost { since_ns } if now_ns >= since_ns + within_ns),
        )
    }

    /// Whoever would notice that a peer goes has lost its memory: all peers have to be seen anew.
    pub fn doubt_all(&mut self, now_ns: u64) {
        for entry in self.peers.values_mut() {
            entry.proof = Proof::Lost { since_ns: now_ns };
        }
    }

    /// The paired agent that an advert does harm to, if it is taken in.
    fn victim(&self, advert: &Advert, trusted: bool, known_of: Option<AgentId>) -> Option<AgentId> {
        if trusted {
            return known_of.filter(|&agent| agent != advert.agent);
        }
        let pinned = self.pins.contains_key(&advert.agent).then_some(advert.agent);
        known_of.or(pinned)
    }

    /// One report a minute for each paired agent: the flood of an attacker does not become a flood of reports.
    fn report_impostor(&mut self, agent: AgentId, addresses: Addresses, now_ns: u64) -> Vec<Change> {
        let last_ns = self.impostors_ns.get(&agent);
        if last_ns.is_some_and(|&last_ns| now_ns < last_ns + MINUTE_NS) {
            return Vec::new();
        }
        self.impostors_ns.insert(agent, now_ns);
        vec![Change::Impostor { agent, addresses }]
    }

    fn make_room(&mut self, advert: &Advert, trusted: bool, now_ns: u64) -> Result<(), Rejection> {
        if trusted {
            let of_agent = || self.peers.iter().filter(|(_, entry)| entry.peer.advert.agent == advert.agent);
            if of_agent().count() >= MAX_PER_AGENT {
                let absent = of_agent().find(|(_, entry)| !entry.peer.present).map(|(&id, _)| id);
                self.peers.remove(&absent.ok_or(Rejection::TooMany)?);
            }
            return Ok(());
        }
        if self.peers.values().filter(|entry| !entry.peer.trusted).count() >= self.limits.strangers {
            return Err(Rejection::TooMany);
        }
        while self.newcomers_ns.front().is_some_and(|&came_ns| now_ns >= came_ns + MINUTE_NS) {
            self.newcomers_ns.pop_front();
        }
        if self.newcomers_ns.len() >= self.limits.new_per_minute {
            return Err(Rejection::TooFast);
        }
        self.newcomers_ns.push_back(now_ns);
        Ok(())
    }

    /// Strangers go for good. Trusted peers stay, absent: anybody can say goodbye in their name.
    fn remove_if(&mut self, gone: impl Fn(&Entry) -> bool) -> Vec<Change> {
        let mut changes = Vec::new();
        self.peers.retain(|&id, entry| {
            if !entry.peer.present || !gone(entry) {
                return true;
            }
            changes.push(Change::Vanished(id));
            entry.peer.present = false;
            entry.proof = Proof::Seen;
            entry.peer.trusted
        });
        if !changes.is_empty() {
            changes.extend(self.compare_names());
        }
        changes
    }

    /// Finds out which names are used twice, and what is new about it.
    fn compare_names(&mut self) -> Vec<Change> {
        let present = self.peers.iter().filter(|(_, entry)| entry.peer.present);
        let named = self.own.iter().chain(present.map(|(id, entry)| (id, &entry.peer.advert.name)));
        let mut owners: BTreeMap<&Label, BTreeSet<RuntimeId>> = BTreeMap::new();
        for (&id, name) in named {
            owners.entry(name).or_default().insert(id);
        }
        let conflicts: BTreeSet<RuntimeId> =
            owners.into_values().filter(|ids| ids.len() > 1).flatten().collect();
        let ended = self.conflicts.difference(&conflicts).map(|&id| Change::ConflictEnded(id));
        let began = conflicts.difference(&self.conflicts).map(|&id| Change::ConflictBegan(id));
        let changes = ended.chain(began).collect();
        for (id, entry) in &mut self.peers {
            entry.peer.name_conflict = conflicts.contains(id);
        }
        self.conflicts = conflicts;
        changes
    }
}

fn is_pinned(pins: &BTreeMap<AgentId, Vec<Fingerprint>>, advert: &Advert) -> bool {
    pins.get(&advert.agent).is_some_and(|keys| keys.contains(&advert.key))
}

fn curtail(addresses: &mut Addresses) {
    let mut left = MAX_ADDRESSES;
    addresses.retain(|_, of_interface| {
        while of_interface.len() > left {
            of_interface.pop_last();
        }
        left -= of_interface.len();
        !of_interface.is_empty()
    });
}
