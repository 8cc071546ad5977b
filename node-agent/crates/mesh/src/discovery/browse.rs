//! Keeps the table of peers in step with the network, and the network with the own runtimes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::advert::{Advert, Label, RuntimeId};
use super::daemon::{Daemon, DiscoveryError, Heard};
use super::table::{Change, Limits, Peer, Rejection, Table};
use crate::identity::AgentId;
use crate::trust::Trust;

const TICK: Duration = Duration::from_millis(500);
/// Multicast gets lost; nobody stays unknown for longer.
const BROWSE_EVERY: Duration = Duration::from_mins(1);
/// A goodbye is repeated after 120 ms, and must not hit an announcement that came after it.
const AFTER_GOODBYE: Duration = Duration::from_millis(300);
/// mdns-sd finds new addresses within 2 s and announces them once. Who has heard the old ones less than a second
/// before keeps them, so all is said again when that has passed.
const AFTER_NEW_ADDRESSES: Duration = Duration::from_millis(3_500);
/// Changes that a reader may be behind before it has to read the whole table.
const CHANGES: usize = 256;

/// A runtime that is to be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// What it says.
    pub advert: Advert,
    /// Where its QUIC endpoint listens.
    pub listen: SocketAddr,
    /// The interfaces that a listener on all addresses is announced on; none: all but the loopback.
    pub interfaces: Vec<String>,
}

/// How to look for peers.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The own site, whose adverts are no peers.
    pub site: Label,
    /// What is kept of others.
    pub limits: Limits,
    /// The UDP port of multicast DNS.
    pub port: u16,
    /// Records that may be cached before the cache is thrown away: its keeper has no limit of its own.
    pub cached_records: u64,
}

/// Announces the own runtimes and finds those of others.
#[derive(Debug)]
pub struct Discovery {
    shared: Arc<Shared>,
    wanted: watch::Sender<Vec<Announcement>>,
    close: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changes: broadcast::Sender<Change>,
    started: Instant,
}

struct Worker {
    shared: Arc<Shared>,
    settings: Settings,
    daemon: Daemon,
    wanted: watch::Receiver<Vec<Announcement>>,
    trust: Arc<Trust>,
    /// What is announced, by instance.
    announced: BTreeMap<String, Announcement>,
    /// Instances that a goodbye was sent for.
    goodbyes: BTreeMap<String, Instant>,
    /// When all is to be announced once more.
    repeat: Option<Instant>,
    browsed: Instant,
    browse_again: bool,
    /// Why the daemon has to be replaced.
    broken: Option<&'static str>,
}

impl Settings {
    /// The settings of an agent of `site`.
    pub fn new(site: Label) -> Self {
        Self { site, limits: Limits::default(), port: mdns_sd::MDNS_PORT, cached_records: 4_096 }
    }
}

impl Discovery {
    /// Listens from when it returns.
    pub async fn start(settings: Settings, trust: Arc<Trust>) -> Result<Self, DiscoveryError> {
        let daemon = Daemon::open(settings.port).await?;
        let shared = Arc::new(Shared {
            table: Mutex::new(Table::new(settings.site.clone(), settings.limits)),
            changes: broadcast::Sender::new(CHANGES),
            started: Instant::now(),
        });
        let wanted = watch::Sender::new(Vec::new());
        let (close, closed) = oneshot::channel();
        let worker = Worker {
            shared: Arc::clone(&shared),
            settings,
            daemon,
            wanted: wanted.subscribe(),
            trust,
            announced: BTreeMap::new(),
            goodbyes: BTreeMap::new(),
            repeat: None,
            browsed: Instant::now(),
            browse_again: false,
            broken: None,
        };
        let task = tokio::spawn(worker.run(closed));
        Ok(Self { shared, wanted, close, task })
    }

    /// Announces these runtimes and no others.
    pub fn announce(&self, announcements: Vec<Announcement>) {
        self.wanted.send_if_modified(|wanted| {
            let changed = *wanted != announcements;
            *wanted = announcements;
            changed
        });
    }

    /// Changes from now on. A reader that is too slow is told so, and reads [`peers`](Self::peers) instead.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// All peers.
    pub fn peers(&self) -> BTreeMap<RuntimeId, Peer> {
        self.shared.table().peers().map(|(id, peer)| (id, peer.clone())).collect()
    }

    /// Where to dial a paired agent, the most promising first.
    pub fn addresses_of(&self, agent: AgentId) -> Vec<SocketAddr> {
        self.shared.table().addresses_of(agent)
    }

    /// A connection to `address` has been made with a key of a paired agent: it stays the first to be dialled.
    pub fn prove(&self, agent: AgentId, address: SocketAddr) {
        self.shared.table().prove(agent, address);
    }

    /// Whether the name of a runtime, of this agent or another, is used by others as well.
    pub fn in_conflict(&self, runtime: RuntimeId) -> bool {
        self.shared.table().conflicts().contains(&runtime)
    }

    /// How many adverts were not taken in.
    pub fn rejected(&self) -> BTreeMap<Rejection, u64> {
        self.shared.table().rejected().clone()
    }

    /// The clock of [`Peer::last_seen_ns`].
    pub fn now_ns(&self) -> u64 {
        self.shared.now_ns()
    }

    /// Says goodbye and ends. Without it others find out within 35 seconds.
    pub async fn close(self) {
        let _ = self.close.send(());
        let _ = self.task.await;
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Changes the table and tells of it.
    fn update(&self, change: impl FnOnce(&mut Table, u64) -> Vec<Change>) {
        let changes = change(&mut self.table(), self.now_ns());
        for change in changes {
            tracing::debug!(?change, "discovery");
            // Without a reader there is nobody to tell.
            let _ = self.changes.send(change);
        }
    }
}

impl Worker {
    async fn run(mut self, mut closed: oneshot::Receiver<()>) {
        let mut pins = self.trust.changed();
        self.take_pins();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // First: a flood of adverts keeps nothing else from being done.
                biased;
                _ = &mut closed => break,
                _ = ticks.tick() => self.tick().await,
                Ok(()) = self.wanted.changed() => self.announce(),
                Ok(()) = pins.changed() => self.take_pins(),
                heard = self.daemon.next(), if self.broken.is_none() => self.hear(heard),
            }
        }
        self.daemon.close().await;
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Advert(Ok(sighting)) => {
                self.shared.update(|table, now_ns| table.sighted(sighting, now_ns));
            }
            Heard::Advert(Err(why)) => self.shared.table().reject(why),
            Heard::Gone { instance } => {
                self.shared.update(|table, _| table.withdrawn(&instance));
                // Anybody can say goodbye for others: those who are there will answer.
                self.browse_again = true;
            }
            Heard::Overrun => self.broken = Some("more adverts than can be read"),
        }
    }

    fn take_pins(&mut self) {
        let pins = self.trust.pins().into_iter().map(|pin| (pin.agent, pin.keys)).collect();
        self.shared.update(|table, _| table.set_pins(pins));
    }

    async fn tick(&mut self) {
        self.shared.update(Table::settle);
        let due = self.shared.table().due(self.shared.now_ns());
        for instance in due {
            report(&self.daemon.ask(&instance));
        }
        match self.daemon.cached().await {
            None => self.broken = Some("its thread has ended"),
            Some(records) if records > self.settings.cached_records => {
                self.broken = Some("its cache is full");
            }
            Some(_) => {}
        }
        if let Some(why) = self.broken {
            self.replace_daemon(why).await;
        }
        if self.browse_again || self.browsed.elapsed() >= BROWSE_EVERY {
            self.browse_again = false;
            self.browsed = Instant::now();
            report(&self.daemon.browse_again());
        }
        if self.daemon.addresses_changed() {
            self.repeat = Some(Instant::now() + AFTER_NEW_ADDRESSES);
        }
        if self.repeat.is_some_and(|at| Instant::now() >= at) {
            self.repeat = None;
            self.announced.values().for_each(|one| {
                report(&self.daemon.announce(one));
            });
        }
        self.goodbyes.retain(|_, said| said.elapsed() < AFTER_GOODBYE);
        self.announce();
    }

    /// Makes what is announced what is wanted. What fails, or has to wait, is tried again with the next tick.
    fn announce(&mut self) {
        let wanted: BTreeMap<String, Announcement> =
            self.wanted.borrow_and_update().iter().map(|one| (one.advert.instance(), one.clone())).collect();
        let own = wanted.values().map(|one| (one.advert.runtime, one.advert.name.clone())).collect();
        self.shared.update(|table, _| table.set_own(own));
        self.announced.retain(|instance, old| {
            // An announcement replaces the same one with other contents, but takes no addresses away.
            let stays = wanted
                .get(instance)
                .is_some_and(|new| new.listen.ip() == old.listen.ip() && new.interfaces == old.interfaces);
            if stays || !report(&self.daemon.withdraw(instance)) {
                return true;
            }
            self.goodbyes.insert(instance.clone(), Instant::now());
            false
        });
        for (instance, new) in wanted {
            let news = self.announced.get(&instance) != Some(&new) && !self.goodbyes.contains_key(&instance);
            if news && report(&self.daemon.announce(&new)) {
                self.announced.insert(instance, new);
            }
        }
    }

    /// With a tick at most: what breaks one may break the next.
    async fn replace_daemon(&mut self, why: &str) {
        tracing::warn!(why, "multicast DNS starts anew");
        // First, or its goodbyes would follow the announcements of the next.
        self.daemon.close().await;
        match Daemon::open(self.settings.port).await {
            Ok(daemon) => {
                self.daemon = daemon;
                self.broken = None;
                self.announced.clear();
                self.shared.update(|table, now_ns| {
                    table.doubt_all(now_ns);
                    Vec::new()
                });
            }
            Err(error) => tracing::error!(%error, "cannot discover peers"),
        }
    }
}

fn report(outcome: &Result<(), DiscoveryError>) -> bool {
    if let Err(error) = outcome {
        tracing::warn!(%error, "discovery");
    }
    outcome.is_ok()
}
