//! Many agents of one machine: one of them has a connection with each of the others, and values go both ways.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lineshaft_exchange::Mailbox;
use lineshaft_mesh::identity::Identity;
use lineshaft_mesh::link::Wish;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_mesh::wire::Quality;
use serde::{Deserialize, Serialize};

use crate::agent::{Agent, MeshIo, acquaint, inbox};
use crate::child::Process;
use crate::clock::{Grid, monotonic_ns};
use crate::figures::percent;
use crate::{Error, Outcome};

const HUB: &str = "Hub";
const LEAF: &str = "Leaf";
/// Variables that the hub gives to each of the others; each of those gives one back.
const GIVEN: usize = 16;
const INTERVAL_US: u64 = 10_000;
const UP: Duration = Duration::from_mins(1);
/// The hub is watched for so long when all is up.
const WATCHED: Duration = Duration::from_secs(5);

/// How it went, at the hub.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) peers: usize,
    /// From the first dial until every value was there on both sides, ns.
    up_ns: u64,
    /// Of the thread with the sockets, while all published every 10 ms.
    hub_cpu_ns: u64,
    took_ns: u64,
    /// Resident memory of the hub's process: before, and with all connections.
    before_kb: u64,
    with_all_kb: u64,
    missed: u64,
}

/// Both processes.
pub(crate) fn measure(peers: usize) -> Outcome<Figures> {
    let home = tempfile::tempdir().map_err(Error::Io)?;
    let word = home.path().display().to_string();
    let hub = home.path().join("hub");
    for leaf in 0..peers - 1 {
        acquaint_with_hub(&hub, &home.path().join(leaf.to_string()))?;
    }
    let count = (peers - 1).to_string();
    let mut leaves = Process::own(&["leaves".to_owned(), word.clone(), count.clone()])?;
    let addresses: Vec<SocketAddr> = leaves.said()?;
    let addresses = addresses.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let mut hub = Process::own(&["hub".to_owned(), word, addresses])?;
    let began_ns: u64 = hub.said()?;
    let leaves_up_ns: u64 = leaves.said()?;
    let mut figures: Figures = hub.said()?;
    leaves.stop();
    figures.up_ns = figures.up_ns.max(leaves_up_ns) - began_ns;
    figures.peers = peers;
    Ok(figures)
}

pub(crate) fn print(figures: &Figures) {
    println!(
        "\npeers: one agent connected with {} others, {GIVEN} values to each and one back every 10 ms\n    \
         all values there after {:.0} ms; the hub: {:.1} % of a core, {:.1} MB more than alone ({:.1} MB in all)\n    \
         repeat with: target/release/bench-mesh peers",
        figures.peers - 1,
        figures.up_ns as f64 / 1e6,
        percent(figures.hub_cpu_ns, figures.took_ns),
        figures.with_all_kb.saturating_sub(figures.before_kb) as f64 / 1e3,
        figures.with_all_kb as f64 / 1e3,
    );
}

/// Pins of the hub stay open for the next one.
fn acquaint_with_hub(hub: &Path, leaf: &Path) -> Outcome<()> {
    let identity = Identity::open(leaf)?;
    if !hub.exists() {
        return acquaint(hub, leaf);
    }
    let (own, known) = (Identity::open(hub)?, Trust::open(&hub.join("trust"))?.0);
    let pin = |agent, keys| Pin { agent, name: "bench".to_owned(), keys, pairing: "bench".to_owned() };
    known.pin(pin(identity.agent(), vec![identity.fingerprint()]))?;
    let (trust, _) = Trust::open(&leaf.join("trust"))?;
    Ok(trust.pin(pin(own.agent(), vec![own.fingerprint()]))?)
}

/// The agents around the hub, on one thread.
pub(crate) fn leaves(home: &Path, count: usize) -> Outcome<()> {
    let io = MeshIo::start()?;
    let (mut agents, mut outlets, mut boxes) = (Vec::new(), Vec::new(), Vec::new());
    for leaf in 0..count {
        let agent = Agent::open(&home.join(leaf.to_string()), &io)?;
        outlets.push(agent.publishes(LEAF, 2, INTERVAL_US)?);
        let (mailbox, inlet) = inbox(GIVEN)?;
        let hub = *agent.peers().first().ok_or(Error::Broken("the acquaintance"))?;
        agent.hub.set_wishes(vec![agent.wish(hub, HUB, GIVEN, Arc::new(inlet))]);
        boxes.push(mailbox);
        agents.push(agent);
    }
    let addresses: Vec<SocketAddr> = agents.iter().map(|agent| agent.endpoint.local_address()).collect();
    println!("{}", serde_json::json!(addresses));
    let mut grid = Grid::new(INTERVAL_US);
    let begin = Instant::now();
    let mut waiting = readers(&boxes)?;
    let over = std::thread::spawn(|| std::io::stdin().read_line(&mut String::new()));
    let mut up = false;
    while !over.is_finished() {
        grid.step();
        outlets.iter_mut().for_each(crate::agent::Outlet::scan);
        if !up {
            waiting.retain_mut(|reader| !reader.has_all());
            up = waiting.is_empty();
            if up {
                println!("{}", monotonic_ns());
            } else if begin.elapsed() > UP {
                return Err(Error::Wrong(format!("{} of {count} peers got no values", waiting.len())));
            }
        }
    }
    Ok(())
}

/// The one that has a connection with each of the others.
pub(crate) fn hub(home: &Path, addresses: &str) -> Outcome<()> {
    let io = MeshIo::start()?;
    let agent = Agent::open(&home.join("hub"), &io)?;
    let mut outlet = agent.publishes(HUB, GIVEN, INTERVAL_US)?;
    let before_kb = resident_kb();
    let addresses: Vec<SocketAddr> = addresses
        .split(',')
        .map(|address| address.parse().map_err(|_| Error::Wrong(format!("{address} is no address"))))
        .collect::<Outcome<_>>()?;
    // Who is at which address is known by the directory that it has its key in.
    let mut targets = Vec::new();
    for (leaf, address) in addresses.iter().enumerate() {
        targets.push((Identity::open(&home.join(leaf.to_string()))?.agent(), *address));
    }
    let (mut boxes, mut wishes) = (Vec::new(), Vec::new());
    for (peer, _) in &targets {
        let (mailbox, inlet) = inbox(2)?;
        wishes
            .push(Wish { revision: wishes.len() as u64 + 1, ..agent.wish(*peer, LEAF, 2, Arc::new(inlet)) });
        boxes.push(mailbox);
    }
    agent.hub.set_wishes(wishes);
    println!("{}", monotonic_ns());
    agent.dial(&targets);
    let mut grid = Grid::new(INTERVAL_US);
    let begin = Instant::now();
    let mut waiting = readers(&boxes)?;
    while !waiting.is_empty() {
        grid.step();
        outlet.scan();
        waiting.retain_mut(|reader| !reader.has_all());
        if begin.elapsed() > UP {
            return Err(Error::Wrong(format!("no values of {} of {} peers", waiting.len(), targets.len())));
        }
    }
    let up_ns = monotonic_ns();
    let (io_ns, begin) = (io.cpu_ns()?, Instant::now());
    while begin.elapsed() < WATCHED {
        grid.step();
        outlet.scan();
    }
    let links = agent.hub.links();
    if let Some((peer, link)) = links.iter().find(|(_, link)| !link.connected) {
        return Err(Error::Wrong(format!("the connection with {peer} is gone: {:?}", link.last_error)));
    }
    let figures = Figures {
        up_ns,
        hub_cpu_ns: io.cpu_ns()? - io_ns,
        took_ns: begin.elapsed().as_nanos() as u64,
        before_kb,
        with_all_kb: resident_kb(),
        missed: links.values().map(|link| link.resyncs + link.skipped_scans).sum(),
        ..Figures::default()
    };
    println!("{}", serde_json::json!(figures));
    Ok(())
}

struct Waiting {
    reader: lineshaft_exchange::InboxReader,
    count: usize,
}

fn readers(boxes: &[Mailbox]) -> Outcome<Vec<Waiting>> {
    let waiting = |mailbox: &Mailbox| {
        Ok(Waiting { reader: mailbox.inbox_reader()?, count: mailbox.plan().received.len() })
    };
    boxes.iter().map(waiting).collect()
}

impl Waiting {
    fn has_all(&mut self) -> bool {
        self.reader.latest();
        let good = |entry| self.reader.image().is_some_and(|i| i.head(entry).quality == Quality::Good as u8);
        (0..self.count).all(good)
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
