//! Who brings a value from one thread to another.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::agent::acquaint;
use crate::child::Process;
use crate::figures::Times;
use crate::{Error, Outcome, Run, bare};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    Eventfd,
    Udp,
    Relay,
    Mesh,
    ZenohTcp,
    ZenohUdp,
}

impl Contender {
    pub(crate) const ALL: [Self; 6] =
        [Self::Eventfd, Self::Udp, Self::Relay, Self::Mesh, Self::ZenohTcp, Self::ZenohUdp];

    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Eventfd => "eventfd",
            Self::Udp => "udp",
            Self::Relay => "relay",
            Self::Mesh => "mesh",
            Self::ZenohTcp => "zenoh-tcp",
            Self::ZenohUdp => "zenoh-udp",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Eventfd => "bare eventfd",
            Self::Udp => "bare UDP",
            Self::Relay => "bare eventfd, then UDP",
            Self::Mesh => "lineshaft mesh",
            Self::ZenohTcp => "Zenoh 1.10, TCP",
            Self::ZenohUdp => "Zenoh 1.10, UDP",
        }
    }

    pub(crate) fn named(name: &str) -> Outcome<Self> {
        let found = Self::ALL.into_iter().find(|contender| contender.name() == name);
        found.ok_or_else(|| Error::Usage(format!("there is no contender {name:?}")))
    }

    /// One run: so many variables at each step of a grid, for so long.
    pub(crate) fn run(self, interval_us: u64, seconds: f64, variables: usize) -> Outcome<Run> {
        match self {
            Self::Eventfd => bare::eventfd(interval_us, seconds),
            Self::Udp => bare::udp(interval_us, seconds),
            Self::Relay => bare::relay(interval_us, seconds),
            Self::Mesh => mesh(interval_us, seconds, variables),
            Self::ZenohTcp => zenoh("tcp", interval_us, seconds, variables),
            Self::ZenohUdp => zenoh("udp", interval_us, seconds, variables),
        }
    }
}

fn mesh(interval_us: u64, seconds: f64, variables: usize) -> Outcome<Run> {
    let home = tempfile::tempdir().map_err(Error::Io)?;
    let (out, into) = (home.path().join("publisher"), home.path().join("subscriber"));
    acquaint(&out, &into)?;
    let word = |path: &Path| path.display().to_string();
    let figures = [variables.to_string(), interval_us.to_string()];
    let role = |role: &str, words: Vec<String>| Process::own(&[vec![role.to_owned()], words].concat());
    let mut publishing = role("publish", [vec![word(&out)], figures.to_vec()].concat())?;
    let address = publishing.line()?;
    let mut receiving =
        role("receive", [vec![word(&into), address], figures.to_vec(), vec![seconds.to_string()]].concat())?;
    receiving.line()?;
    publishing.tell()?;
    let received: Run = receiving.said()?;
    publishing.stop();
    let published: Run = publishing.said()?;
    Ok(Run {
        published: published.published,
        publishing_ns: scaled(published.publishing_ns, &published, &received),
        publisher_ns: scaled(published.publisher_ns, &published, &received),
        skipped: published.skipped,
        ..received
    })
}

/// Both sides stop a moment apart.
fn scaled(cpu_ns: u64, published: &Run, received: &Run) -> u64 {
    (cpu_ns as f64 * received.took_ns as f64 / published.took_ns.max(1) as f64) as u64
}

#[derive(Deserialize)]
struct Taken {
    shown: u64,
    missed: u64,
    wrong: u64,
    #[serde(flatten)]
    times: Times,
    cpu_ns: u64,
}

#[derive(Deserialize)]
struct Put {
    published: u64,
    took_ns: u64,
    cpu_ns: u64,
}

/// The peer is a package of its own, see `zenoh`. All variables are one payload there.
fn zenoh(over: &str, interval_us: u64, seconds: f64, variables: usize) -> Outcome<Run> {
    let program = zenoh_program();
    if !program.exists() {
        return Err(Error::Absent(program));
    }
    // Nobody else takes it in that moment, or Zenoh says so.
    let port =
        UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(Error::Io)?.port();
    let endpoint = format!("{over}/127.0.0.1:{port}");
    let words = ["subscribe", &endpoint, &seconds.to_string()].map(str::to_owned);
    let mut receiving = Process::start(&program, &words)?;
    receiving.line()?;
    let bytes = (variables * crate::agent::LREAL).max(16).to_string();
    let words = ["publish", &endpoint, &interval_us.to_string(), &bytes].map(str::to_owned);
    let mut publishing = Process::start(&program, &words)?;
    let taken: Taken = receiving.said()?;
    publishing.stop();
    let put: Put = publishing.said()?;
    if taken.wrong > 0 {
        return Err(Error::Wrong(format!("{} payloads were others than those that were put", taken.wrong)));
    }
    let took_ns = (seconds * 1e9) as u64;
    Ok(Run {
        published: put.published,
        shown: taken.shown,
        missed: taken.missed,
        times: taken.times,
        took_ns,
        publisher_ns: (put.cpu_ns as f64 * took_ns as f64 / put.took_ns.max(1) as f64) as u64,
        receiver_ns: taken.cpu_ns,
        ..Run::default()
    })
}

pub(crate) fn zenoh_program() -> PathBuf {
    let built =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/bench-mesh-zenoh/release/bench-mesh-zenoh");
    std::env::var_os("BENCH_MESH_ZENOH").map_or_else(|| built.into(), PathBuf::from)
}
