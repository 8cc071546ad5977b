//! 64 agents on one machine: one of them has a connection with each of the others, and values go both ways.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use lineshaft_mesh::control::{Catalogue, Entry, Offered, RunState};
use lineshaft_mesh::identity::{AgentId, Identity};
use lineshaft_mesh::link::{
    Delivery, Endpoint, EntryProblem, Hub, Runtime, ScanImage, Sink, Target, Wish, WishEntry,
};
use lineshaft_mesh::schema::Schema;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use tokio::sync::Notify;

const PEERS: usize = 64;
/// A machine with a hundred other things to do needs so long.
const DEADLINE: Duration = Duration::from_secs(90);

static DINT: LazyLock<Schema> = LazyLock::new(|| {
    let text = "PROGRAM Main VAR v : DINT; END_VAR END_PROGRAM".to_owned();
    let layout = compile(&[SourceUnit { name: "main.st".into(), text }], &Options::default()).unwrap().layout;
    Schema::of(&layout, layout.find("Main.v").unwrap().ty).unwrap()
});

/// Newest good value of each publisher, by its receiver.
#[derive(Default)]
struct Seen {
    values: Mutex<BTreeMap<(String, String), i32>>,
    news: Notify,
}

struct Receiver {
    seen: Arc<Seen>,
    of: (String, String),
}

impl Sink for Receiver {
    fn deliver(&self, delivery: &Delivery<'_>) {
        if delivery.subscription.quality(0).is_good() {
            let value = i32::from_le_bytes(delivery.subscription.image()[..4].try_into().unwrap());
            self.seen.values.lock().unwrap().insert(self.of.clone(), value);
            self.seen.news.notify_one();
        }
    }

    fn problem(&self, _entry: u32, problem: EntryProblem) {
        // Before the first connection, and never again.
        assert_eq!(problem, EntryProblem::NotConnected);
    }
}

struct Agent {
    name: String,
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    hub: Arc<Hub>,
    endpoint: Endpoint,
    scans: u64,
    _home: tempfile::TempDir,
}

impl Agent {
    fn new(number: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let identity = Arc::new(Identity::open(home.path()).unwrap());
        let trust = Arc::new(Trust::open(&home.path().join("trust")).unwrap().0);
        let hub = Arc::new(Hub::default());
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let (endpoint, _) = Endpoint::bind(
            listen,
            identity.clone(),
            "plant".to_owned(),
            trust.clone(),
            Arc::default(),
            hub.clone(),
        )
        .unwrap();
        let name = format!("Line{number}");
        let mut catalogue = Catalogue::new(10_000);
        let schema = DINT.clone();
        catalogue.publish(
            "Main.v",
            Offered { schema, number: None, image: 0..4, to: Vec::new(), min_interval_us: 0 },
        );
        let image = ScanImage { values: vec![0; 4].into(), ..ScanImage::default() };
        let (state, id) = (RunState::Run, format!("id-{number}"));
        hub.set_runtime(Runtime { id, name: name.clone(), catalogue, state, layout: 1, image });
        Self { name, identity, trust, hub, endpoint, scans: 0, _home: home }
    }

    fn trusts(&self, other: &Self) {
        let keys = vec![other.identity.fingerprint()];
        let agent = other.identity.agent();
        self.trust.pin(Pin { agent, name: other.name.clone(), keys, pairing: "uid".to_owned() }).unwrap();
    }

    fn wish(&self, publisher: &Self, seen: &Arc<Seen>) -> Wish {
        let entry = Entry {
            i: 0,
            variable: "Main.v".to_owned(),
            ty: DINT.text().to_owned(),
            hash: DINT.hash(),
            deadband: None,
            min_interval_us: 0,
            timeout_us: 1_000_000,
        };
        let of = (self.name.clone(), publisher.name.clone());
        Wish {
            revision: 1,
            peer: publisher.identity.agent(),
            subscriber: self.name.clone(),
            subscriber_name: self.name.clone(),
            publisher: lineshaft_mesh::link::Publisher::Named(publisher.name.clone()),
            entries: vec![WishEntry { entry, codec: DINT.codec().clone() }],
            sink: Arc::new(Receiver { seen: seen.clone(), of }),
        }
    }

    fn scan(&mut self, id: usize, value: i32) {
        self.scans += 1;
        let values = value.to_le_bytes().to_vec().into();
        let image = ScanImage { values, number: self.scans, time_ns: 1, synchronised: false };
        self.hub.scanned(&format!("id-{id}"), image, RunState::Run);
    }

    fn target(&self) -> Target {
        Target { peer: self.identity.agent(), addresses: vec![self.endpoint.local_address()] }
    }
}

/// Everybody scans until everybody shows what was published.
async fn until_all_show(agents: &mut [Agent], seen: &Seen, value_of: impl Fn(usize) -> i32) {
    let end = Instant::now() + DEADLINE;
    let mut expected = BTreeMap::new();
    for leaf in 1..agents.len() {
        let (hub, leaf_name) = (agents[0].name.clone(), agents[leaf].name.clone());
        expected.insert((hub.clone(), leaf_name.clone()), value_of(leaf));
        expected.insert((leaf_name, hub), value_of(0));
    }
    let mut tick = tokio::time::interval(Duration::from_millis(10));
    loop {
        tokio::select! {
            _ = tick.tick() => {
                for (number, agent) in agents.iter_mut().enumerate() {
                    agent.scan(number, value_of(number));
                }
            }
            () = seen.news.notified() => if *seen.values.lock().unwrap() == expected { return },
        }
        let shown =
            seen.values.lock().unwrap().iter().filter(|(of, value)| expected.get(*of) == Some(value)).count();
        assert!(Instant::now() < end, "{shown} of {} values in time", expected.len());
    }
}

#[tokio::test]
async fn a_hub_of_64_agents_shows_every_value_both_ways() {
    let mut agents: Vec<Agent> = (0..PEERS).map(Agent::new).collect();
    let seen = Arc::new(Seen::default());
    let mut wishes = Vec::new();
    for leaf in &agents[1..] {
        agents[0].trusts(leaf);
        leaf.trusts(&agents[0]);
        leaf.hub.set_wishes(vec![leaf.wish(&agents[0], &seen)]);
        wishes.push(agents[0].wish(leaf, &seen));
    }
    agents[0].hub.set_wishes(wishes);
    agents[0].endpoint.set_targets(agents[1..].iter().map(Agent::target).collect());
    until_all_show(&mut agents, &seen, |number| number as i32 + 1_000).await;
    until_all_show(&mut agents, &seen, |number| -(number as i32)).await;
    let links = agents[0].hub.links();
    let up: Vec<AgentId> = links.iter().filter(|(_, link)| link.connected).map(|(&peer, _)| peer).collect();
    assert_eq!(up.len(), PEERS - 1, "every connection is up");
}
