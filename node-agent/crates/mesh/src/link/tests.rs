use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use quinn::{Connection, Runtime as _};
use tokio::sync::mpsc;

use super::lossy::Lossy;
use super::*;
use crate::control::{Catalogue, Entry, Offered, Reason, RunState};
use crate::identity::Identity;
use crate::schema::{Codec, Schema};
use crate::tls::{Door, Expected};
use crate::trust::Pin;
use crate::wire::Quality;

mod rotation;
mod site;

const DEADLINE: Duration = Duration::from_secs(20);

/// An agent with one runtime, on a port of its own of the loopback.
struct Agent {
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    door: Arc<Door>,
    hub: Arc<Hub>,
    endpoint: Endpoint,
    strangers: mpsc::Receiver<(Connection, crate::identity::Fingerprint)>,
    home: tempfile::TempDir,
    name: &'static str,
    alive_ns: Arc<AtomicU64>,
}

#[derive(Debug, PartialEq)]
enum News {
    /// Entry, memory, quality.
    Values(Vec<(u32, Vec<u8>, Quality)>),
    Problem(u32, EntryProblem),
}

struct Collector {
    /// When the publisher was last seen to scan.
    alive_ns: Arc<AtomicU64>,
    news: mpsc::UnboundedSender<News>,
    sizes: Vec<u32>,
}

impl Sink for Collector {
    fn deliver(&self, delivery: &Delivery<'_>) {
        self.alive_ns.store(delivery.subscription.last_alive_ns().unwrap_or(0), Relaxed);
        let mut at = 0;
        let values =
            delivery.entries.iter().zip(delivery.subscription.qualities()).map(|(&entry, quality)| {
                let start = at;
                at += self.sizes[entry as usize] as usize;
                (entry, delivery.subscription.image()[start..at].to_vec(), quality)
            });
        let _ = self.news.send(News::Values(values.collect()));
    }

    fn problem(&self, entry: u32, problem: EntryProblem) {
        let _ = self.news.send(News::Problem(entry, problem));
    }
}

impl Agent {
    fn new(name: &'static str) -> Self {
        Self::start(name, tempfile::tempdir().unwrap(), "127.0.0.1:0".parse().unwrap())
    }

    fn start(name: &'static str, home: tempfile::TempDir, address: SocketAddr) -> Self {
        let socket = std::net::UdpSocket::bind(address).unwrap();
        Self::over(name, home, quinn::TokioRuntime.wrap_udp_socket(socket).unwrap())
    }

    fn over(name: &'static str, home: tempfile::TempDir, socket: Arc<dyn quinn::AsyncUdpSocket>) -> Self {
        let identity = Arc::new(Identity::open(home.path()).unwrap());
        let trust = Arc::new(Trust::open(&home.path().join("trust")).unwrap().0);
        let (door, hub) = (Arc::new(Door::default()), Arc::new(Hub::default()));
        let site = format!("site-{name}");
        let (endpoint, strangers) =
            Endpoint::over(socket, identity.clone(), site, trust.clone(), door.clone(), hub.clone()).unwrap();
        Self { identity, trust, door, hub, endpoint, strangers, home, name, alive_ns: Arc::default() }
    }

    fn trusts(&self, other: &Self) {
        let pin = Pin {
            agent: other.identity.agent(),
            name: other.name.to_owned(),
            keys: vec![other.identity.fingerprint()],
            pairing: "uid".to_owned(),
        };
        self.trust.pin(pin).unwrap();
    }

    fn dials(&self, other: &Self) {
        let target = Target { peer: other.identity.agent(), addresses: vec![other.endpoint.local_address()] };
        self.endpoint.set_targets(vec![target]);
    }

    /// Publishes `Status.n : DINT` and, if asked for, `Status.big`.
    fn publishes(&self, layout: u64, paths: &[(&str, &str)]) {
        let mut catalogue = Catalogue::new(1_000);
        let mut end = 0;
        for (path, ty) in paths {
            let schema = schema(ty);
            let start = end;
            end += schema.codec().memory_len() as usize;
            let image = start..end;
            let offered = Offered { schema, number: None, image, to: Vec::new(), min_interval_us: 0 };
            catalogue.publish(path, offered);
        }
        let image = ScanImage { values: vec![0; end].into(), ..ScanImage::default() };
        let (id, name) = (format!("id-{}", self.name), self.name.to_owned());
        self.hub.set_runtime(Runtime { id, name, catalogue, state: RunState::Run, layout, image });
    }

    fn scan(&self, number: u64, values: &[u8]) {
        let image = ScanImage { values: values.into(), number, time_ns: number as i64, synchronised: false };
        self.hub.scanned(&format!("id-{}", self.name), image, RunState::Run);
    }

    fn wishes(
        &self,
        revision: u64,
        other: &Self,
        publisher: &str,
        paths: &[(&str, &str)],
    ) -> mpsc::UnboundedReceiver<News> {
        let publisher = Publisher::Named(publisher.to_owned());
        self.wishes_of(revision, other.identity.agent(), publisher, paths)
    }

    fn wishes_of(
        &self,
        revision: u64,
        peer: AgentId,
        publisher: Publisher,
        paths: &[(&str, &str)],
    ) -> mpsc::UnboundedReceiver<News> {
        let (news, receiver) = mpsc::unbounded_channel();
        let entries: Vec<WishEntry> = paths.iter().map(|(path, ty)| wish_entry(path, ty)).collect();
        let sizes = entries.iter().map(|entry| entry.codec.memory_len()).collect();
        self.hub.set_wishes(vec![Wish {
            revision,
            peer,
            subscriber: format!("id-{}", self.name),
            subscriber_name: self.name.to_owned(),
            publisher,
            entries,
            sink: Arc::new(Collector { alive_ns: self.alive_ns.clone(), news, sizes }),
        }]);
        receiver
    }
}

fn schema(ty: &str) -> Schema {
    let text = format!("PROGRAM Main VAR v : {ty}; END_VAR END_PROGRAM");
    let unit = SourceUnit { name: "main.st".into(), text };
    let layout = compile(&[unit], &Options::default()).unwrap().layout;
    Schema::of(&layout, layout.find("Main.v").unwrap().ty).unwrap()
}

fn wish_entry(path: &str, ty: &str) -> WishEntry {
    let schema = schema(ty);
    let codec: Codec = schema.codec().clone();
    let entry = Entry {
        i: 0,
        variable: path.to_owned(),
        ty: schema.text().to_owned(),
        hash: schema.hash(),
        deadband: None,
        min_interval_us: 0,
        timeout_us: 300_000,
    };
    WishEntry { entry, codec }
}

/// A and B trust each other, A dials B.
fn pair() -> (Agent, Agent) {
    let (a, b) = (Agent::new("LineA"), Agent::new("LineB"));
    a.trusts(&b);
    b.trusts(&a);
    (a, b)
}

async fn next(news: &mut mpsc::UnboundedReceiver<News>) -> News {
    tokio::time::timeout(DEADLINE, news.recv()).await.expect("news in time").expect("the sink lives")
}

/// Scans on at the publisher until the subscriber shows these bytes, all good.
async fn until_shown(
    publisher: &Agent,
    from: u64,
    values: &[u8],
    news: &mut mpsc::UnboundedReceiver<News>,
) -> u64 {
    let end = Instant::now() + DEADLINE;
    let mut scan = from;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while Instant::now() < end {
        tokio::select! {
            _ = tick.tick() => {
                scan += 1;
                publisher.scan(scan, values);
            }
            Some(next) = news.recv() => {
                if let News::Values(shown) = next {
                    let bytes: Vec<u8> = shown.iter().flat_map(|(_, bytes, _)| bytes.clone()).collect();
                    if bytes == values && shown.iter().all(|(_, _, quality)| quality.is_good()) {
                        return scan;
                    }
                }
            }
        }
    }
    panic!("the values never came; links of the publisher: {:?}", publisher.hub.links())
}

const N: &[(&str, &str)] = &[("Status.n", "DINT")];

#[tokio::test]
async fn a_value_crosses_from_one_agent_to_the_other() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    until_shown(&b, scan, &[6, 0, 0, 0], &mut news).await;
    let link = a.hub.links()[&b.identity.agent()].clone();
    assert!(link.connected && link.received > 0, "{link:?}");
    assert!(b.hub.links()[&a.identity.agent()].sent > 0);
}

#[tokio::test]
async fn refusals_name_their_reason() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", &[("Status.n", "INT"), ("Status.secret", "DINT")]);
    a.dials(&b);
    let mut problems = [next(&mut news).await, next(&mut news).await];
    problems.sort_by_key(|news| matches!(news, News::Problem(1, _)));
    let mismatch = EntryProblem::Refused(Reason::TypeMismatch, Some("DINT".to_owned()));
    assert_eq!(problems[0], News::Problem(0, mismatch));
    assert_eq!(problems[1], News::Problem(1, EntryProblem::Refused(Reason::NotPublished, None)));
    let mut news = a.wishes(2, &b, "LineC", N);
    assert_eq!(next(&mut news).await, News::Problem(0, EntryProblem::NoSuchRuntime));
    let mut news = a.wishes(3, &b, "LineB", N);
    until_shown(&b, 0, &[1, 0, 0, 0], &mut news).await;
}

#[tokio::test]
async fn a_runtime_that_comes_later_or_publishes_more_is_asked_anew() {
    let (a, b) = pair();
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    assert_eq!(next(&mut news).await, News::Problem(0, EntryProblem::NoSuchRuntime));
    b.publishes(1, &[]);
    assert_eq!(next(&mut news).await, News::Problem(0, EntryProblem::Refused(Reason::NotPublished, None)));
    assert_eq!(a.hub.links()[&b.identity.agent()].runtimes[0].name, "LineB");
    b.publishes(2, N);
    let scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    b.hub.remove_runtime("id-LineB");
    while next(&mut news).await != News::Problem(0, EntryProblem::NoSuchRuntime) {}
    b.publishes(3, N);
    until_shown(&b, scan, &[6, 0, 0, 0], &mut news).await;
}

/// Not only after its timeout.
#[tokio::test]
async fn that_a_publisher_stopped_is_told_at_once() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    let image = ScanImage { values: vec![5, 0, 0, 0].into(), number: scan, ..ScanImage::default() };
    b.hub.scanned("id-LineB", image, RunState::Stop);
    let stopped = News::Values(vec![(0, vec![5, 0, 0, 0], Quality::PublisherStopped)]);
    while next(&mut news).await != stopped {}
}

#[tokio::test]
async fn a_new_program_is_asked_anew() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    b.publishes(2, &[("Status.other", "BOOL"), ("Status.n", "DINT")]);
    let end = Instant::now() + DEADLINE;
    let mut scan = scan;
    loop {
        assert!(Instant::now() < end, "the new place is never found");
        scan += 1;
        b.scan(scan, &[1, 0, 0, 0, 9, 0, 0, 0][..5]);
        if let Ok(Some(News::Values(shown))) =
            tokio::time::timeout(Duration::from_millis(1), news.recv()).await
            && shown == [(0, vec![0, 0, 0, 9], Quality::Good)]
        {
            break;
        }
    }
}

#[tokio::test]
async fn long_values_cross_too() {
    let (a, b) = pair();
    let big = &[("Status.big", "ARRAY[1..5000] OF BYTE"), ("Status.n", "INT")];
    b.publishes(1, big);
    let mut news = a.wishes(1, &b, "LineB", big);
    a.dials(&b);
    let mut values = vec![7; 5_002];
    let scan = until_shown(&b, 0, &values, &mut news).await;
    values[4_000] = 8;
    until_shown(&b, scan, &values, &mut news).await;
}

#[tokio::test]
async fn revoking_ends_open_connections_at_once() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    b.trust.unpin(a.identity.agent()).unwrap();
    let start = Instant::now();
    loop {
        if next(&mut news).await == News::Problem(0, EntryProblem::NotConnected) {
            break;
        }
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    // It dials on, and gets nowhere.
    let end = Instant::now() + Duration::from_millis(500);
    while Instant::now() < end {
        b.scan(u64::MAX / 2, &[6, 0, 0, 0]);
        tokio::task::yield_now().await;
        assert!(!matches!(news.try_recv(), Ok(News::Values(_))), "values for a revoked peer");
    }
}

/// The peer is gone without a word, as after a power cut: nothing of it runs on, its socket is closed.
#[tokio::test]
async fn a_peer_that_was_killed_is_back_within_a_second() {
    let process =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let first = process();
    let a = Agent::new("LineA");
    let (b, home, address) = {
        let _inside = first.enter();
        let b = Agent::new("LineB");
        a.trusts(&b);
        b.trusts(&a);
        b.publishes(1, N);
        let (home, address) = (b.home.path().to_owned(), b.endpoint.local_address());
        (b, home, address)
    };
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    until_shown(&b, 100, &[5, 0, 0, 0], &mut news).await;
    let kept = tempfile::tempdir().unwrap();
    let copy = std::process::Command::new("cp").arg("-a").arg(home.join(".")).arg(kept.path()).status();
    assert!(copy.unwrap().success());
    drop(b);
    first.shutdown_background();
    let end = Instant::now() + DEADLINE;
    while std::net::UdpSocket::bind(address).is_err() {
        assert!(Instant::now() < end, "the socket of the dead process stays");
        tokio::task::yield_now().await;
    }
    let second = process();
    let b = {
        let _inside = second.enter();
        let b = Agent::start("LineB", kept, address);
        b.publishes(2, N);
        b
    };
    let start = Instant::now();
    until_shown(&b, 0, &[9, 0, 0, 0], &mut news).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    drop(b);
    second.shutdown_background();
}

#[tokio::test]
async fn two_that_dial_each_other_share_one_connection() {
    let (a, b) = pair();
    a.publishes(1, N);
    b.publishes(1, N);
    let mut at_a = a.wishes(1, &b, "LineB", N);
    let mut at_b = b.wishes(1, &a, "LineA", N);
    a.dials(&b);
    b.dials(&a);
    until_shown(&b, 0, &[5, 0, 0, 0], &mut at_a).await;
    until_shown(&a, 0, &[6, 0, 0, 0], &mut at_b).await;
    until_shown(&b, 100_000, &[7, 0, 0, 0], &mut at_a).await;
}

/// A raw dial with another key: fails in the handshake, unless a pairing is offered, and then cannot speak of values.
#[tokio::test]
async fn a_stranger_gets_no_further_than_pairing() {
    let (_, mut b) = pair();
    let mallory = Agent::new("Mallory");
    let dial = |expected: Expected| {
        let tls =
            crate::tls::client(&mallory.identity.own(), expected, crate::tls::OtherKey::default()).unwrap();
        let config = transport::client(tls).unwrap();
        let quic = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = b.endpoint.local_address();
        async move {
            let connection = quic.connect_with(config, address, "x.mesh").unwrap().await?;
            // The server judges the client's certificate after the client's own handshake is done.
            let error = tokio::time::timeout(Duration::from_millis(300), connection.closed()).await;
            match error {
                Ok(error) => Err(error),
                Err(_) => Ok(connection),
            }
        }
    };
    let keys = || Expected::Keys(vec![b.identity.fingerprint()]);
    assert!(dial(keys()).await.is_err(), "closed door, values");
    assert!(dial(Expected::Stranger).await.is_err(), "closed door, pairing");
    b.door.open_until(u64::MAX);
    let error = dial(keys()).await.unwrap_err();
    assert_eq!(LinkError::from(error).closed_by_peer(), Some(Close::Untrusted), "open door, values");
    let _connection = dial(Expected::Stranger).await.unwrap();
    let (_, key) = b.strangers.try_recv().unwrap();
    assert_eq!(key, mallory.identity.fingerprint());
}

/// 30 % of all packets lost each way, others doubled or out of order, the handshake's included: the last values
/// arrive within half a second, and until then nothing old is shown as good (which the property tests of flows hold to).
/// QUIC repeats lost requests with growing pauses, so one of the ten may take longer.
#[tokio::test]
async fn heavy_loss_delays_the_last_values_and_no_more() {
    let (a, b, mut news) = lossy_pair();
    let mut scan = until_shown(&b, 0, &[1; 1_600], &mut news).await;
    let mut times = Vec::new();
    for burst in 1..=10u8 {
        for round in 0..20 {
            scan += 1;
            b.scan(scan, &[round; 1_600]);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        scan += 1;
        b.scan(scan, &[100 + burst; 1_600]);
        let start = Instant::now();
        scan = until_shown(&b, scan, &[100 + burst; 1_600], &mut news).await;
        times.push(start.elapsed());
    }
    times.sort();
    // Of ten the middle: a busy machine delays one or the other, and the figure of all is the benchmark's.
    assert!(times[4] <= Duration::from_millis(500) && times[9] <= Duration::from_secs(3), "{times:?}");
    assert!(a.hub.links()[&b.identity.agent()].resyncs > 0, "there was loss");
}

/// A program that hangs behind a connection that works is seen to hang, and one that scans behind loss is not.
#[tokio::test]
async fn the_sign_of_life_follows_the_scan_and_not_the_connection() {
    const TIMEOUT_NS: u64 = 300_000_000;
    let (a, b, mut news) = lossy_pair();
    let mut scan = until_shown(&b, 0, &[1; 1_600], &mut news).await;
    let age = || crate::now_ns().saturating_sub(a.alive_ns.load(Relaxed));
    for round in 0..100u8 {
        scan += 1;
        b.scan(scan, &[round; 1_600]);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(age() < TIMEOUT_NS, "stale in scan {scan}");
    }
    let alive = a.alive_ns.load(Relaxed);
    // What was held back leaves with the next packet, which is a quarter of a second away at most.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let last = a.alive_ns.load(Relaxed);
    assert!(last - alive < TIMEOUT_NS, "seen alive {} ns after its last scan", last - alive);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(a.hub.links()[&b.identity.agent()].connected);
    assert_eq!(a.alive_ns.load(Relaxed), last, "without a scan there is no sign of life");
    assert!(age() >= TIMEOUT_NS);
}

/// Two agents over sockets that lose, and 200 variables that one publishes and the other wants.
fn lossy_pair() -> (Agent, Agent, mpsc::UnboundedReceiver<News>) {
    let agent = |name, seed| Agent::over(name, tempfile::tempdir().unwrap(), Lossy::bind(seed));
    let (a, b) = (agent("LineA", 1), agent("LineB", 2));
    a.trusts(&b);
    b.trusts(&a);
    let paths: Vec<(String, &str)> = (0..200).map(|n| (format!("Status.n{n}"), "LINT")).collect();
    let paths: Vec<(&str, &str)> = paths.iter().map(|(path, ty)| (path.as_str(), *ty)).collect();
    b.publishes(1, &paths);
    let news = a.wishes(1, &b, "LineB", &paths);
    a.dials(&b);
    (a, b, news)
}
