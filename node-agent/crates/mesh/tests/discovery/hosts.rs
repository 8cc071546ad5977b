//! Hosts in network namespaces, and agents that look for each other on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lineshaft_mesh::discovery::{
    Advert, Announcement, Change, Discovery, Label, Peer, Rejection, RuntimeId, Settings,
};
use lineshaft_mesh::identity::{AgentId, Fingerprint};
use lineshaft_mesh::trust::{Pin, Trust};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Runtime};

/// Two hosts, joined by one cable: `va`, 10.9.0.1 and `vb`, 10.9.0.2. Gone when dropped.
pub(crate) struct Lan {
    pub(crate) a: String,
    pub(crate) b: String,
}

/// An agent's discovery on some host.
pub(crate) struct Node {
    pub(crate) discovery: Option<Discovery>,
    pub(crate) trust: Arc<Trust>,
    runtime: Runtime,
    _home: tempfile::TempDir,
}

impl Lan {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |host| format!("lsd-{}-{number}{host}", std::process::id());
        let lan = Self { a: name('a'), b: name('b') };
        for host in [&lan.a, &lan.b] {
            ip(&format!("netns add {host}"));
            ip(&format!("-n {host} link set lo up"));
        }
        ip(&format!("link add va netns {} type veth peer name vb netns {}", lan.a, lan.b));
        for (host, link, address) in [(&lan.a, "va", "10.9.0.1/24"), (&lan.b, "vb", "10.9.0.2/24")] {
            ip(&format!("-n {host} addr add {address} dev {link}"));
            ip(&format!("-n {host} link set {link} up"));
            ip(&format!("-n {host} route add 224.0.0.0/4 dev {link}"));
        }
        lan
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in [&self.a, &self.b] {
            let _ = Command::new("ip").args(["netns", "del", host]).status();
        }
    }
}

/// Runs `ip`.
pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {problem} (network namespaces need root)");
}

/// Moves this thread, and those that it starts from now on, to a host.
pub(crate) fn enter(host: &str) {
    let namespace = File::open(format!("/var/run/netns/{host}")).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// What runtime `number` of site `number` says.
pub(crate) fn advert(number: u8, name: &str) -> Advert {
    Advert {
        runtime: id(number),
        name: name.parse().unwrap(),
        agent: AgentId::from_bytes([number; 16]),
        site: site(number),
        key: Fingerprint::of_public_key(&[number]),
        version: "0.1.0".parse().unwrap(),
        published: 1,
        console_port: 0,
        pairing: false,
    }
}

pub(crate) fn announcement(number: u8, name: &str, listen: &str) -> Announcement {
    Announcement { advert: advert(number, name), listen: listen.parse().unwrap(), interfaces: Vec::new() }
}

pub(crate) fn id(number: u8) -> RuntimeId {
    RuntimeId::from_bytes([number; 16])
}

pub(crate) fn site(number: u8) -> Label {
    format!("site-{number}").parse().unwrap()
}

impl Node {
    /// Starts discovery on a host, or where the test runs.
    pub(crate) fn start(host: Option<&str>, settings: Settings) -> Self {
        let home = tempfile::tempdir().unwrap();
        let trust = Arc::new(Trust::open(home.path()).unwrap().0);
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all();
        if let Some(host) = host.map(str::to_owned) {
            builder.on_thread_start(move || enter(&host));
        }
        let runtime = builder.build().unwrap();
        let pins = Arc::clone(&trust);
        let started = runtime.spawn(async move { Discovery::start(settings, pins).await });
        let discovery = runtime.block_on(started).unwrap().unwrap();
        Self { discovery: Some(discovery), trust, runtime, _home: home }
    }

    pub(crate) fn discovery(&self) -> &Discovery {
        self.discovery.as_ref().unwrap()
    }

    pub(crate) fn pair_with(&self, number: u8) {
        let keys = vec![Fingerprint::of_public_key(&[number])];
        let agent = AgentId::from_bytes([number; 16]);
        self.trust.pin(Pin { agent, name: String::new(), keys, pairing: String::new() }).unwrap();
    }

    /// Waits until the peers are as they should be, and says how long it took.
    pub(crate) fn wait(
        &self,
        within: Duration,
        what: &str,
        mut good: impl FnMut(&BTreeMap<RuntimeId, Peer>) -> bool,
    ) -> Duration {
        let begin = Instant::now();
        let mut changes = self.discovery().changes();
        self.runtime.block_on(async {
            loop {
                let peers = self.discovery().peers();
                if good(&peers) {
                    return begin.elapsed();
                }
                let left = within.saturating_sub(begin.elapsed());
                // A reader that is too slow reads everything again, as one that has read a change.
                assert!(tokio::time::timeout(left, changes.recv()).await.is_ok(), "{what}: {peers:#?}");
            }
        })
    }

    /// Waits until one change is told.
    pub(crate) fn wait_for_change(
        &self,
        within: Duration,
        begin: impl FnOnce(),
        good: impl Fn(&Change) -> bool,
    ) {
        let mut changes = self.discovery().changes();
        begin();
        let search = async { while !good(&changes.recv().await.unwrap()) {} };
        self.runtime.block_on(async { tokio::time::timeout(within, search).await.unwrap() });
    }

    /// Waits, and no change may be told.
    pub(crate) fn hears_nothing_for(&self, time: Duration) {
        let mut changes = self.discovery().changes();
        let heard = self.runtime.block_on(async { tokio::time::timeout(time, changes.recv()).await });
        assert!(heard.is_err(), "{heard:?}");
    }

    pub(crate) fn addresses(&self, number: u8) -> Vec<String> {
        self.discovery().peers().get(&id(number)).map(addresses).unwrap_or_default()
    }

    pub(crate) fn rejected(&self, why: &str) -> u64 {
        let rejected = self.discovery().rejected();
        rejected.iter().filter(|(reason, _)| Rejection::reason(**reason) == why).map(|(_, count)| count).sum()
    }

    pub(crate) fn close(mut self) {
        self.runtime.block_on(self.discovery.take().unwrap().close());
    }
}

/// Each as `interface address`.
fn addresses(peer: &Peer) -> Vec<String> {
    let of = |(interface, all): (&String, &BTreeSet<SocketAddr>)| {
        all.iter().map(|address| format!("{interface} {address}")).collect::<Vec<_>>()
    };
    peer.addresses.iter().flat_map(of).collect()
}
