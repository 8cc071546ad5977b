//! What an agent's connections share: its runtimes with their values, what they wish of others, how links fare.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::control::{Catalogue, Entry, Reason, RunState, RuntimeInfo};
use crate::flow::Subscription;
use crate::identity::{AgentId, Fingerprint};
use crate::schema::Codec;
use crate::wire::Quality;

/// The published values of a runtime after one scan.
#[derive(Debug, Clone, Default)]
pub struct ScanImage {
    /// Memory of all published variables.
    pub values: Arc<[u8]>,
    /// The scan counter.
    pub number: u64,
    /// Start of the scan, ns since 1970-01-01.
    pub time_ns: i64,
    /// The clock is synchronised.
    pub synchronised: bool,
}

/// A runtime behind this agent.
#[derive(Debug)]
pub struct Runtime {
    /// Never used twice.
    pub id: String,
    /// What peers call it.
    pub name: String,
    /// What it publishes.
    pub catalogue: Catalogue,
    /// What it does.
    pub state: RunState,
    /// Changes with the program: what was agreed on before is void.
    pub layout: u64,
    /// The newest values.
    pub image: ScanImage,
}

/// A wanted variable and where it goes.
#[derive(Debug, Clone)]
pub struct WishEntry {
    /// What is asked for; the connection puts its own number in.
    pub entry: Entry,
    /// Of the subscriber's variable.
    pub codec: Codec,
}

/// Which runtime of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// The one that calls itself so: all that is known of another site.
    Named(String),
    /// This one, whatever it is called: names are not unique within a site.
    Runtime(String),
}

impl Publisher {
    /// Finds it among those of an agent.
    pub fn among<'a>(&self, runtimes: &'a [RuntimeInfo]) -> Option<&'a RuntimeInfo> {
        runtimes.iter().find(|runtime| match self {
            Self::Named(name) => runtime.name == *name,
            Self::Runtime(id) => runtime.id == *id,
        })
    }
}

/// What one runtime of this agent wants of one runtime of a peer.
#[derive(Clone)]
pub struct Wish {
    /// Changes whenever anything in the wish does.
    pub revision: u64,
    /// The agent that has the publisher.
    pub peer: AgentId,
    /// Runtime of this agent.
    pub subscriber: String,
    /// Its name.
    pub subscriber_name: String,
    /// The peer's runtime.
    pub publisher: Publisher,
    /// The variables.
    pub entries: Vec<WishEntry>,
    /// Where values and news go.
    pub sink: Arc<dyn Sink>,
}

/// Values of a flow, all of one scan.
pub struct Delivery<'a> {
    /// The image, the qualities, the sign of life.
    pub subscription: &'a Subscription,
    /// Index in [`Wish::entries`] of each slot.
    pub entries: &'a [u32],
}

/// Why an entry has no values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryProblem {
    /// There is no connection.
    NotConnected,
    /// The peer has no runtime of that name.
    NoSuchRuntime,
    /// The publisher refuses; with a type mismatch, the type that it has.
    Refused(Reason, Option<String>),
}

impl EntryProblem {
    /// What the value of such an entry is worth.
    pub fn quality(&self) -> Quality {
        match self {
            Self::NotConnected | Self::NoSuchRuntime => Quality::NotConnected,
            Self::Refused(Reason::TypeMismatch, _) => Quality::TypeMismatch,
            Self::Refused(..) => Quality::Refused,
        }
    }
}

/// Takes what arrives for a wish. Called on the thread of the mesh: must not block.
pub trait Sink: Send + Sync {
    /// New values, or what the values of a flow are worth has changed.
    fn deliver(&self, delivery: &Delivery<'_>);
    /// The publisher lives; nothing else is new.
    fn alive(&self, delivery: &Delivery<'_>) {
        self.deliver(delivery);
    }
    /// Everything that came together has been told of; whether there were values among it.
    fn show(&self, _values: bool) {}
    /// An entry gets no values from now on.
    fn problem(&self, entry: u32, problem: EntryProblem);
}

/// How a connection fares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkStatus {
    /// A session with the peer is up.
    pub connected: bool,
    /// The peer is this agent itself.
    pub in_process: bool,
    /// Where it is.
    pub address: Option<std::net::SocketAddr>,
    /// Round trip.
    pub rtt_us: u64,
    /// Datagrams and streams with values that have arrived.
    pub received: u64,
    /// The same, sent.
    pub sent: u64,
    /// Scans that were not sent since the last one was still waiting.
    pub skipped_scans: u64,
    /// Requests for missing values.
    pub resyncs: u64,
    /// Runtimes of the peer, as it said last.
    pub runtimes: Vec<RuntimeInfo>,
    /// The peer has ended the last connection since it trusts this agent no more.
    pub revoked: bool,
    /// Whoever answers in its place has this key, which is not pinned.
    pub key_mismatch: Option<Fingerprint>,
    /// Why the last connection ended, or came to nothing.
    pub last_error: Option<String>,
}

/// The connection with a peer that values go over.
pub(super) struct Active {
    pub(super) connection: quinn::Connection,
    /// It stays if there are two.
    pub(super) preferred: bool,
}

/// Values promised to all peers, bytes a second.
const MAX_RATE: u64 = 20_000_000;

/// A part of the agent's rate. Given back when dropped.
pub(super) struct Promise {
    promised: Arc<AtomicU64>,
    rate: u64,
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.promised.fetch_sub(self.rate, Ordering::Relaxed);
    }
}

/// What an agent's connections share.
#[derive(Default)]
pub struct Hub {
    runtimes: Mutex<BTreeMap<String, Runtime>>,
    wishes: Mutex<Vec<Wish>>,
    links: Mutex<BTreeMap<AgentId, LinkStatus>>,
    /// One for each peer, over whichever endpoint.
    sessions: Mutex<HashMap<AgentId, Active>>,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
    /// Bytes a second that all flows that leave may take.
    promised: Arc<AtomicU64>,
    /// Moves when a connection comes, ends or cannot be made.
    link_changes: watch::Sender<u64>,
    /// Moves with each scan.
    pub(super) scans: watch::Sender<u64>,
    /// Moves when runtimes or their programs come and go.
    pub(super) plans: watch::Sender<u64>,
}

impl Hub {
    /// Puts a runtime in place, or another program in it.
    pub fn set_runtime(&self, runtime: Runtime) {
        self.runtimes().insert(runtime.id.clone(), runtime);
        self.plans.send_modify(|revision| *revision += 1);
    }

    /// Takes a runtime away.
    pub fn remove_runtime(&self, id: &str) {
        self.runtimes().remove(id);
        self.plans.send_modify(|revision| *revision += 1);
    }

    /// A scan of a runtime has ended.
    pub fn scanned(&self, id: &str, image: ScanImage, state: RunState) {
        if let Some(runtime) = self.runtimes().get_mut(id) {
            runtime.image = image;
            runtime.state = state;
        }
        self.scans.send_modify(|revision| *revision += 1);
    }

    /// Replaces all wishes.
    pub fn set_wishes(&self, wishes: Vec<Wish>) {
        *self.wishes.lock().unwrap_or_else(PoisonError::into_inner) = wishes;
        self.plans.send_modify(|revision| *revision += 1);
    }

    /// How links fare, by peer.
    pub fn links(&self) -> BTreeMap<AgentId, LinkStatus> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves when a connection comes, ends or cannot be made.
    pub fn link_changes(&self) -> watch::Receiver<u64> {
        self.link_changes.subscribe()
    }

    pub(super) fn link_changed(&self) {
        self.link_changes.send_modify(|revision| *revision += 1);
    }

    pub(super) fn sessions(&self) -> MutexGuard<'_, HashMap<AgentId, Active>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer has been paired anew: what its old pairing came to is over.
    pub fn paired(&self, peer: AgentId) {
        self.update_link(peer, |link| {
            link.revoked = false;
            link.key_mismatch = None;
        });
        self.link_changed();
    }

    pub(super) fn update_link(&self, peer: AgentId, update: impl FnOnce(&mut LinkStatus)) {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        update(links.entry(peer).or_default());
    }

    pub(super) fn runtimes(&self) -> MutexGuard<'_, BTreeMap<String, Runtime>> {
        self.runtimes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often somebody was turned away or thrown out, by reason.
    pub fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn refused(&self, reason: &'static str) {
        *self.refusals.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Whether a peer is or was connected from a host.
    pub(super) fn is_known(&self, host: IpAddr) -> bool {
        let links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.values().any(|link| link.address.is_some_and(|address| address.ip() == host))
    }

    /// Bytes a second that may still be promised.
    pub(super) fn rate_left(&self) -> u64 {
        MAX_RATE.saturating_sub(self.promised.load(Ordering::Relaxed))
    }

    pub(super) fn promise(&self, rate: u64) -> Promise {
        self.promised.fetch_add(rate, Ordering::Relaxed);
        Promise { promised: self.promised.clone(), rate }
    }

    pub(super) fn wishes_of(&self, peer: AgentId) -> Vec<Wish> {
        let wishes = self.wishes.lock().unwrap_or_else(PoisonError::into_inner);
        wishes.iter().filter(|wish| wish.peer == peer).cloned().collect()
    }
}
