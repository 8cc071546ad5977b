//! A victim: identity, trust, offers and endpoint of an agent, as the agent puts them together, with one runtime that
//! scans every ten milliseconds.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lineshaft_exchange::monotonic_ns;
use lineshaft_mesh::clock::Clock;
use lineshaft_mesh::control::{Catalogue, Entry, Offered, RunState};
use lineshaft_mesh::discovery::{Discovery, Settings};
use lineshaft_mesh::identity::{AgentId, Identity};
use lineshaft_mesh::link::{
    Delivery, Endpoint, EntryProblem, Hub, LinkStatus, Publisher, Runtime, ScanImage, Sink, Target, Wish,
    WishEntry,
};
use lineshaft_mesh::pairing::{Code, Offers, Paired, PairingError, claim};
use lineshaft_mesh::schema::Schema;
use lineshaft_mesh::tls::Door;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};

use crate::lan::enter;

pub(crate) const SCAN: Duration = Duration::from_millis(10);
/// Of what A receives.
const TIMEOUT: Duration = Duration::from_millis(300);
/// A link's timeout, with room for a machine that does other things as well.
pub(crate) const STALE: Duration = Duration::from_secs(1);
/// Longer than any pause of a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// What the victims publish: variable, type, to whom.
const PUBLISHED: [(&str, &str, &[&str]); 3] = [
    ("Status.n", "DINT", &[]),
    ("Status.long", "ARRAY[0..999] OF DINT", &[]),
    ("Status.others", "DINT", &["LineA"]),
];

type Outcomes = Arc<Mutex<Vec<Result<Paired, PairingError>>>>;

pub(crate) struct Site {
    pub(crate) identity: Arc<Identity>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) offers: Arc<Offers>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) address: SocketAddr,
    /// Nanoseconds that its clock for pairings is ahead.
    pub(crate) ahead_ns: Arc<AtomicU64>,
    outcomes: Outcomes,
    name: &'static str,
    host: String,
    home: PathBuf,
    runtime: tokio::runtime::Runtime,
    watched: Arc<Watched>,
}

/// What a site receives.
#[derive(Default)]
pub(crate) struct Watched {
    alive_ns: AtomicU64,
    problems: Mutex<Vec<EntryProblem>>,
}

impl Sink for Watched {
    fn deliver(&self, delivery: &Delivery<'_>) {
        if let Some(alive) = delivery.subscription.last_alive_ns() {
            self.alive_ns.store(alive, Relaxed);
        }
    }

    fn problem(&self, _: u32, problem: EntryProblem) {
        self.problems.lock().unwrap().push(problem);
    }
}

impl Site {
    /// Starts an agent on a host, with what it left there.
    pub(crate) fn start(name: &'static str, host: &str, address: &str, home: &Path) -> Self {
        Self::start_at(name, host, address, home, 0)
    }

    fn start_at(name: &'static str, host: &str, address: &str, home: &Path, ahead_ns: u64) -> Self {
        let place = host.to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(move || enter(&place))
            .enable_all()
            .build()
            .unwrap();
        let identity = Arc::new(Identity::open(home).unwrap());
        let trust = Arc::new(Trust::open(&home.join("trust")).unwrap().0);
        let hub = Arc::new(Hub::default());
        let ahead_ns = Arc::new(AtomicU64::new(ahead_ns));
        let ahead = ahead_ns.clone();
        let clock = Clock::from(move || now_ns() + ahead.load(Relaxed));
        let door = Arc::new(Door::new(clock.clone()));
        let record = home.join("guard.json");
        let offers = Offers::open(&record, identity.clone(), name.into(), trust.clone(), door.clone(), clock);
        let offers = Arc::new(offers.unwrap());
        let address: SocketAddr = address.parse().unwrap();
        let parts = (identity.clone(), name.to_owned(), trust.clone(), door, hub.clone());
        let bound = runtime.spawn(async move {
            let (identity, site, trust, door, hub) = parts;
            Endpoint::bind(address, identity, site, trust, door, hub).unwrap()
        });
        let (endpoint, mut strangers) = runtime.block_on(bound).unwrap();
        let outcomes = Outcomes::default();
        let (served, serving) = (outcomes.clone(), offers.clone());
        runtime.spawn(async move {
            while let Some((connection, key)) = strangers.recv().await {
                let (served, serving) = (served.clone(), serving.clone());
                tokio::spawn(async move {
                    let outcome = serving.serve(&connection, key).await;
                    served.lock().unwrap().push(outcome);
                });
            }
        });
        publish(&hub, name, &runtime);
        let (host, home, endpoint) = (host.to_owned(), home.to_owned(), Arc::new(endpoint));
        let watched = Arc::default();
        Self {
            identity,
            trust,
            hub,
            offers,
            endpoint,
            address,
            ahead_ns,
            outcomes,
            name,
            host,
            home,
            runtime,
            watched,
        }
    }

    /// Ends it without a word and starts it anew. The clock of the host goes on.
    pub(crate) fn restart(self) -> Self {
        let (name, host, address, home) = (self.name, self.host, self.address, self.home);
        let ahead = self.ahead_ns.load(Relaxed);
        drop(self.endpoint);
        self.runtime.shutdown_timeout(SOON);
        Self::start_at(name, &host, &address.to_string(), &home, ahead)
    }

    /// Lets time pass for pairings.
    pub(crate) fn advance(&self, seconds: u64) {
        self.ahead_ns.fetch_add(seconds * 1_000_000_000, Relaxed);
    }

    pub(crate) fn agent(&self) -> AgentId {
        self.identity.agent()
    }

    pub(crate) fn trusts(&self, identity: &Identity) {
        let pin = Pin {
            agent: identity.agent(),
            name: "peer".to_owned(),
            keys: vec![identity.fingerprint()],
            pairing: "uid".to_owned(),
        };
        self.trust.pin(pin).unwrap();
    }

    /// Wants `Status.n` of a runtime of a peer, and dials it where it may be.
    pub(crate) fn subscribes(&self, peer: AgentId, publisher: &str, addresses: Vec<SocketAddr>) {
        let schema = schema("DINT");
        let entry = Entry {
            i: 0,
            variable: "Status.n".to_owned(),
            ty: schema.text().to_owned(),
            hash: schema.hash(),
            deadband: None,
            min_interval_us: 0,
            timeout_us: TIMEOUT.as_micros() as u64,
        };
        self.hub.set_wishes(vec![Wish {
            revision: 1,
            peer,
            subscriber: format!("id-{}", self.name),
            subscriber_name: self.name.to_owned(),
            publisher: Publisher::Named(publisher.to_owned()),
            entries: vec![WishEntry { entry, codec: schema.codec().clone() }],
            sink: self.watched.clone(),
        }]);
        if !addresses.is_empty() {
            let endpoint = self.endpoint.clone();
            endpoint.set_targets(vec![Target { peer, addresses }]);
        }
    }

    /// Claims the offer of whoever answers at an address.
    pub(crate) fn claim(&self, at: SocketAddr, code: Code) -> Result<Pin, PairingError> {
        let (endpoint, identity, trust) = (self.endpoint.clone(), self.identity.clone(), self.trust.clone());
        let name = self.name;
        let claimed = self.runtime.spawn(async move {
            let connection = endpoint.connect_to_pair(at).await?;
            claim(&connection, code, &identity, name, &trust, "uid-claim").await
        });
        self.runtime.block_on(claimed).unwrap()
    }

    /// Claims of its offers that are over, as soon as there are so many.
    pub(crate) fn outcomes(&self, count: usize) -> Vec<Result<Paired, PairingError>> {
        wait("the outcomes of claims", || self.outcomes.lock().unwrap().len() >= count);
        std::mem::take(&mut *self.outcomes.lock().unwrap())
    }

    /// Where an agent is that multicast DNS tells of, as soon as it does.
    pub(crate) fn hears_of(&self, agent: AgentId) -> Vec<SocketAddr> {
        let settings = Settings::new(self.name.parse().unwrap());
        let started = self.runtime.spawn(Discovery::start(settings, self.trust.clone()));
        let discovery = self.runtime.block_on(started).unwrap().unwrap();
        wait("an advert", || !discovery.addresses_of(agent).is_empty());
        discovery.addresses_of(agent)
    }

    pub(crate) fn link(&self, peer: AgentId) -> LinkStatus {
        self.hub.links().remove(&peer).unwrap_or_default()
    }

    /// How long its values have been without a sign of life.
    pub(crate) fn age(&self) -> Duration {
        Duration::from_nanos(now_ns().saturating_sub(self.watched.alive_ns.load(Relaxed)))
    }

    pub(crate) fn wait_fresh(&self) {
        wait("values", || self.age() < 10 * SCAN);
    }

    /// The part of the time without fresh values while something happens, percent.
    pub(crate) fn stale_percent<T>(&self, during: impl FnOnce() -> T) -> (u64, T) {
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let (mut stale, mut all) = (0, 0);
                while !over.load(Relaxed) {
                    stale += u64::from(self.age() >= TIMEOUT);
                    all += 1;
                    std::thread::park_timeout(Duration::from_millis(2));
                }
                100 * stale / all.max(1)
            });
            let result = during();
            over.store(true, Relaxed);
            (watch.join().unwrap(), result)
        })
    }

    /// The longest time without a sign of life while something happens.
    pub(crate) fn longest_silence<T>(&self, during: impl FnOnce() -> T) -> (Duration, T) {
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let mut longest = Duration::ZERO;
                while !over.load(Relaxed) {
                    longest = longest.max(self.age());
                    std::thread::park_timeout(Duration::from_millis(2));
                }
                longest
            });
            let result = during();
            over.store(true, Relaxed);
            (watch.join().unwrap(), result)
        })
    }

    /// Why it got no values, so far.
    pub(crate) fn problems(&self) -> Vec<EntryProblem> {
        self.watched.problems.lock().unwrap().clone()
    }
}

/// Publishes, and scans every ten milliseconds.
fn publish(hub: &Arc<Hub>, name: &str, runtime: &tokio::runtime::Runtime) {
    let mut catalogue = Catalogue::new(SCAN.as_micros() as u64);
    let mut end = 0;
    for (path, ty, to) in PUBLISHED {
        let schema = schema(ty);
        let image = end..end + schema.codec().memory_len() as usize;
        end = image.end;
        let to = to.iter().map(|&name| name.to_owned()).collect();
        catalogue.publish(path, Offered { schema, number: None, image, to, min_interval_us: 0 });
    }
    let id = format!("id-{name}");
    let image = ScanImage { values: vec![0; end].into(), ..ScanImage::default() };
    let (state, name) = (RunState::Run, name.to_owned());
    hub.set_runtime(Runtime { id: id.clone(), name, catalogue, state, layout: 1, image });
    let hub = hub.clone();
    runtime.spawn(async move {
        let mut ticks = tokio::time::interval(SCAN);
        let mut values = vec![0; end];
        for number in 1_u32.. {
            ticks.tick().await;
            values[..4].copy_from_slice(&number.to_le_bytes());
            let image = ScanImage {
                values: values.as_slice().into(),
                number: number.into(),
                time_ns: 0,
                synchronised: false,
            };
            hub.scanned(&id, image, RunState::Run);
        }
    });
}

/// Until something is so.
pub(crate) fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

fn schema(ty: &str) -> Schema {
    let text = format!("PROGRAM Main VAR v : {ty}; END_VAR END_PROGRAM");
    let layout = compile(&[SourceUnit { name: "main.st".into(), text }], &Options::default()).unwrap().layout;
    Schema::of(&layout, layout.find("Main.v").unwrap().ty).unwrap()
}

fn now_ns() -> u64 {
    monotonic_ns().max(0) as u64
}

/// Two honest agents that trust each other; A receives from B.
pub(crate) fn plant(lan: &crate::lan::Lan, homes: &BTreeMap<char, tempfile::TempDir>) -> (Site, Site) {
    let a = Site::start("LineA", &lan.a, "10.9.0.1:5210", homes[&'a'].path());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    a.trusts(&b.identity);
    b.trusts(&a.identity);
    a.subscribes(b.agent(), "LineB", vec![b.address]);
    a.wait_fresh();
    (a, b)
}

/// Disks of A, B and the attacker.
pub(crate) fn homes() -> BTreeMap<char, tempfile::TempDir> {
    ['a', 'b', 'm'].into_iter().map(|host| (host, tempfile::tempdir().unwrap())).collect()
}
