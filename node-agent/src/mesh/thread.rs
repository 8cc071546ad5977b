//! The thread that has the sockets of the mesh: it follows plans, serves pairings, and says what it sees.
//!
//! One thread with a runtime of its own, so that nothing that the agent does besides delays a value. What it is told
//! and what it tells are values; whoever drops [`Mesh`] ends it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lineshaft_exchange::{OutboxReader, Wakeup};
use lineshaft_mesh::carry::publish;
use lineshaft_mesh::clock::Clock;
use lineshaft_mesh::discovery::{Change, Discovery, Label, Settings, VersionText};
use lineshaft_mesh::identity::{AgentId, FileError, Fingerprint, Identity, calendar};
use lineshaft_mesh::link::{Endpoint, Hub, between_own_runtimes};
use lineshaft_mesh::membership::Membership;
use lineshaft_mesh::pairing::{Code, Offers, Paired, PairingError, claim};
use lineshaft_mesh::tls::Door;
use lineshaft_mesh::trust::{Pin, Trust};
use quinn::Connection;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::plan::{Me, Plan, Seen};
use crate::options::MeshOptions;

/// How often figures are looked at, and what failed is tried again.
const TICK: Duration = Duration::from_secs(1);
/// How often keys are looked at.
const KEY_TIMES: Duration = Duration::from_secs(10);
/// Peers have learned of the end by then.
const FAREWELL: Duration = Duration::from_secs(1);
/// Multicast DNS that does not work is tried again so often.
const DISCOVERY_RETRY: Duration = Duration::from_secs(30);

/// The mesh of this agent does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeshError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the site {0:?} is no name: letters, digits, hyphens, dots, underscores")]
    Site(String),
    #[error("cannot start the thread of the mesh")]
    Thread(#[source] std::io::Error),
}

/// What the thread sees at one time.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    pub(crate) seen: Seen,
    /// The clock of `last_seen_ns`, at that time.
    pub(crate) clock_ns: u64,
    /// Endpoints that do not listen, and why.
    pub(crate) deaf: BTreeMap<SocketAddr, String>,
}

/// A claim that somebody has made of the offer of this agent.
#[derive(Debug)]
pub(crate) struct Served {
    /// From where.
    pub(crate) from: SocketAddr,
    pub(crate) outcome: Result<Paired, PairingError>,
}

enum Order {
    Follow(Box<Plan>),
    Read(String, OutboxReader, Wakeup),
    Forget(String),
    Claim { addresses: Vec<SocketAddr>, code: Code, pairing: String, reply: oneshot::Sender<Claimed> },
}

/// What became of a claim, and at which address.
pub(crate) type Claimed = (Option<SocketAddr>, Result<Pin, PairingError>);

/// The mesh of this agent. Ends with its last clone.
#[derive(Clone)]
pub(crate) struct Mesh {
    me: Me,
    identity: Arc<Identity>,
    pub(crate) trust: Arc<Trust>,
    pub(crate) offers: Arc<Offers>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) view: watch::Receiver<View>,
    orders: mpsc::UnboundedSender<Order>,
}

/// What ends and what comes out of the thread.
pub(crate) struct Outlet {
    pub(crate) served: mpsc::Receiver<Served>,
    pub(crate) thread: std::thread::JoinHandle<()>,
}

impl Mesh {
    /// Opens the identity, which is made on first use, and starts the thread.
    pub(crate) fn start(
        directory: &Path,
        node: &str,
        options: &MeshOptions,
        membership: Option<&Membership>,
    ) -> Result<(Self, Outlet), MeshError> {
        let identity = Arc::new(Identity::open(directory)?);
        let (trust, damaged) = Trust::open(&directory.join("trust"))?;
        for error in damaged {
            tracing::error!(%error, "a pairing is lost: its peer is not trusted until it is paired anew");
        }
        let (trust, door, hub) = (Arc::new(trust), Arc::new(Door::default()), Arc::new(Hub::default()));
        let record = directory.join("guard.json");
        let (name, clock) = (node.to_owned(), Clock::default());
        let offers = Offers::open(&record, identity.clone(), name, trust.clone(), door.clone(), clock)?;
        if let Some(membership) = membership {
            trust.join(membership.clone());
        }
        let of_cluster = membership.map(|membership| membership.site().to_owned());
        let site =
            of_cluster.or_else(|| options.site.clone()).unwrap_or_else(|| identity.agent().to_string());
        let me = Me {
            agent: identity.agent(),
            key: identity.fingerprint(),
            site: site.parse().map_err(|_| MeshError::Site(site))?,
            node: node.to_owned(),
            version: version(),
            listen: options.listen,
        };
        let offers = Arc::new(offers);
        let (orders, inbox) = mpsc::unbounded_channel();
        let (view_sender, view) = watch::channel(View::default());
        let (served_sender, served) = mpsc::channel(16);
        let (strangers_sender, strangers) = mpsc::channel(4);
        let worker = Worker {
            identity: identity.clone(),
            trust: trust.clone(),
            door,
            hub: hub.clone(),
            offers: offers.clone(),
            node: node.to_owned(),
            site: me.site.clone(),
            mdns_port: options.mdns_port,
            plan: Plan::default(),
            endpoints: BTreeMap::new(),
            readers: BTreeMap::new(),
            deaf: BTreeMap::new(),
            discovery: None,
            discovery_at: Instant::now(),
            view: view_sender,
            served: served_sender,
            strangers: strangers_sender,
            tasks: JoinSet::new(),
        };
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(MeshError::Thread)?;
        let thread = std::thread::Builder::new()
            .name("mesh-io".to_owned())
            .spawn(move || runtime.block_on(worker.run(inbox, strangers)))
            .map_err(MeshError::Thread)?;
        Ok((Self { me, identity, trust, offers, hub, view, orders }, Outlet { served, thread }))
    }

    /// Who this agent is at present.
    pub(crate) fn me(&self) -> Me {
        Me { key: self.identity.fingerprint(), ..self.me.clone() }
    }

    /// A request for a certificate of this name, for the key of this agent.
    pub(crate) fn certificate_request(&self, name: &str) -> Option<String> {
        self.identity.certificate_request(name)
    }

    /// Makes the mesh what the plan says.
    pub(crate) fn follow(&self, plan: Plan) {
        // Fails only when the thread has ended, which is logged.
        let _ = self.orders.send(Order::Follow(Box::new(plan)));
    }

    /// Takes what a runtime publishes out of this box from now on.
    pub(crate) fn read(&self, runtime: &str, outbox: OutboxReader, wakeup: Wakeup) {
        let _ = self.orders.send(Order::Read(runtime.to_owned(), outbox, wakeup));
    }

    /// A runtime is no more.
    pub(crate) fn forget(&self, runtime: &str) {
        let _ = self.orders.send(Order::Forget(runtime.to_owned()));
    }

    /// Claims the offer of whoever answers at one of the addresses.
    pub(crate) async fn claim(&self, addresses: Vec<SocketAddr>, code: Code, pairing: String) -> Claimed {
        let (reply, answer) = oneshot::channel();
        let _ = self.orders.send(Order::Claim { addresses, code, pairing, reply });
        answer.await.unwrap_or((None, Err(PairingError::TimedOut)))
    }
}

fn version() -> VersionText {
    env!("CARGO_PKG_VERSION").parse().expect("a version of Cargo has no characters but those of ours")
}

/// An endpoint and the task that passes on who wants to pair.
struct Open {
    endpoint: Arc<Endpoint>,
    doorman: AbortHandle,
}

struct Worker {
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    door: Arc<Door>,
    hub: Arc<Hub>,
    offers: Arc<Offers>,
    node: String,
    site: Label,
    mdns_port: u16,
    plan: Plan,
    endpoints: BTreeMap<SocketAddr, Open>,
    /// Tasks that read what runtimes publish.
    readers: BTreeMap<String, AbortHandle>,
    deaf: BTreeMap<SocketAddr, String>,
    discovery: Option<Discovery>,
    /// When multicast DNS is to be tried.
    discovery_at: Instant,
    view: watch::Sender<View>,
    served: mpsc::Sender<Served>,
    strangers: mpsc::Sender<(Connection, Fingerprint)>,
    tasks: JoinSet<()>,
}

impl Worker {
    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut strangers: mpsc::Receiver<(Connection, Fingerprint)>,
    ) {
        self.tasks.spawn(between_own_runtimes(self.hub.clone(), self.identity.agent()));
        let mut links = self.hub.link_changes();
        let mut pins = self.trust.changed();
        let mut own_keys = self.identity.changes();
        let mut key_times = interval(KEY_TIMES);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.discover().await;
        let mut changes = self.discovery.as_ref().map(Discovery::changes);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => break,
                },
                Some((connection, key)) = strangers.recv() => self.serve(connection, key),
                () = news(&mut changes) => {}
                Ok(()) = links.changed() => self.prove(),
                Ok(()) = pins.changed() => {}
                Ok(()) = own_keys.changed() => {}
                _ = key_times.tick() => self.change_keys(),
                Some(_) = self.tasks.join_next() => continue,
                _ = ticks.tick() => {
                    if self.discovery.is_none() && Instant::now() >= self.discovery_at {
                        self.discover().await;
                        changes = self.discovery.as_ref().map(Discovery::changes);
                    }
                    if !self.deaf.is_empty() {
                        self.listen().await;
                    }
                }
            }
            self.look();
        }
        self.end().await;
    }

    /// Own keys and those of peers whose time is over.
    fn change_keys(&self) {
        let (now, peers) = (calendar(), self.trust.pins().into_iter().map(|pin| pin.agent));
        match self.identity.rotate(&peers.collect::<Vec<_>>(), now) {
            Ok(false) => {}
            Ok(true) => match self.identity.next() {
                Some(next) => {
                    tracing::info!(key = %next, "a new key, which peers learn of from now on");
                }
                None => {
                    tracing::info!(key = %self.identity.fingerprint(), "the key before is no longer used");
                }
            },
            Err(error) => tracing::error!(%error, "the key of this agent cannot be changed"),
        }
        if let Err(error) = self.trust.forget_old(now) {
            tracing::error!(%error, "keys that peers had before stay trusted");
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Follow(plan) => {
                let before = std::mem::replace(&mut self.plan, *plan);
                if before.prompt != self.plan.prompt {
                    hurry(self.plan.prompt);
                }
                self.listen().await;
            }
            Order::Read(runtime, outbox, wakeup) => {
                let reader = self.tasks.spawn(publish(self.hub.clone(), runtime.clone(), outbox, wakeup));
                if let Some(before) = self.readers.insert(runtime, reader) {
                    before.abort();
                }
            }
            Order::Forget(runtime) => {
                if let Some(reader) = self.readers.remove(&runtime) {
                    reader.abort();
                }
                self.hub.remove_runtime(&runtime);
            }
            Order::Claim { addresses, code, pairing, reply } => self.claim(addresses, code, pairing, reply),
        }
    }

    /// Makes endpoints, targets and announcements those of the plan.
    async fn listen(&mut self) {
        let over: Vec<SocketAddr> =
            self.endpoints.keys().filter(|listen| !self.plan.listen.contains(listen)).copied().collect();
        for listen in over {
            if let Some(open) = self.endpoints.remove(&listen) {
                close(open).await;
            }
        }
        self.deaf.clear();
        for listen in self.plan.listen.clone() {
            if !self.endpoints.contains_key(&listen)
                && let Err(error) = self.bind(listen)
            {
                self.deaf.insert(listen, error);
            }
        }
        for (listen, open) in &self.endpoints {
            open.endpoint.set_targets(self.plan.targets.get(listen).cloned().unwrap_or_default());
        }
        if let Some(discovery) = &self.discovery {
            let heard = self.plan.announcements.iter();
            discovery
                .announce(heard.filter(|one| self.endpoints.contains_key(&one.listen)).cloned().collect());
        }
    }

    fn bind(&mut self, listen: SocketAddr) -> Result<(), String> {
        let (identity, site) = (self.identity.clone(), self.site.to_string());
        let (trust, door, hub) = (self.trust.clone(), self.door.clone(), self.hub.clone());
        let (endpoint, mut pairings) =
            Endpoint::bind(listen, identity, site, trust, door, hub).map_err(|error| {
                tracing::warn!(%error, "the mesh");
                error.to_string()
            })?;
        let strangers = self.strangers.clone();
        let doorman = self.tasks.spawn(async move {
            while let Some(stranger) = pairings.recv().await {
                if strangers.send(stranger).await.is_err() {
                    return;
                }
            }
        });
        self.endpoints.insert(listen, Open { endpoint: Arc::new(endpoint), doorman });
        Ok(())
    }

    async fn discover(&mut self) {
        let settings = Settings { port: self.mdns_port, ..Settings::new(self.site.clone()) };
        match Discovery::start(settings, self.trust.clone()).await {
            Ok(discovery) => {
                self.discovery = Some(discovery);
                self.listen().await;
            }
            Err(error) => {
                tracing::warn!(%error, "peers are not discovered; those with an address can be reached");
                self.discovery_at = Instant::now() + DISCOVERY_RETRY;
            }
        }
    }

    fn serve(&mut self, connection: Connection, key: Fingerprint) {
        let (offers, hub, served) = (self.offers.clone(), self.hub.clone(), self.served.clone());
        self.tasks.spawn(async move {
            let from = connection.remote_address();
            let outcome = offers.serve(&connection, key).await;
            if let Ok(paired) = &outcome {
                hub.paired(paired.peer.agent);
            }
            // Whoever reads this has ended, and the agent with it.
            let _ = served.send(Served { from, outcome }).await;
        });
    }

    fn claim(
        &mut self,
        addresses: Vec<SocketAddr>,
        code: Code,
        pairing: String,
        reply: oneshot::Sender<Claimed>,
    ) {
        let listen = self.endpoints.keys().copied().collect();
        let endpoint = |to: SocketAddr| {
            let from = super::plan::listener_for(&listen, &[to])?;
            Some((to, self.endpoints.get(&from)?.endpoint.clone()))
        };
        let ways: Vec<(SocketAddr, Arc<Endpoint>)> = addresses.into_iter().filter_map(endpoint).collect();
        let (identity, trust, hub) = (self.identity.clone(), self.trust.clone(), self.hub.clone());
        let node = self.node.clone();
        self.tasks.spawn(async move {
            let mut claimed: Claimed = (None, Err(PairingError::TimedOut));
            for (address, endpoint) in ways {
                match endpoint.connect_to_pair(address).await {
                    Ok(connection) => {
                        let outcome = claim(&connection, code, &identity, &node, &trust, &pairing).await;
                        if let Ok(pin) = &outcome {
                            hub.paired(pin.agent);
                        }
                        claimed = (Some(address), outcome);
                        break;
                    }
                    Err(error) => claimed = (Some(address), Err(error.into())),
                }
            }
            // Nobody waits any more if the pairing was deleted; the pin says which pairing it is of.
            let _ = reply.send(claimed);
        });
    }

    /// An address that has led to a paired agent stays the first to be dialled.
    fn prove(&self) {
        let Some(discovery) = &self.discovery else { return };
        for (agent, link) in self.hub.links() {
            if let (true, Some(address)) = (link.connected, link.address) {
                discovery.prove(agent, address);
            }
        }
    }

    fn look(&self) {
        let pins = self.trust.pins();
        let discovery = self.discovery.as_ref();
        let seen = Seen {
            peers: discovery.map(Discovery::peers).unwrap_or_default(),
            addresses: discovery
                .map(|discovery| {
                    pins.iter().map(|pin| (pin.agent, discovery.addresses_of(pin.agent))).collect()
                })
                .unwrap_or_default(),
            links: self.hub.links(),
            unaware: self.unaware(&pins),
            pins,
        };
        let clock_ns = discovery.map_or(0, Discovery::now_ns);
        self.view.send_replace(View { seen, clock_ns, deaf: self.deaf.clone() });
    }

    fn unaware(&self, pins: &[Pin]) -> Vec<AgentId> {
        pins.iter().map(|pin| pin.agent).filter(|agent| !self.identity.is_acknowledged(*agent)).collect()
    }

    async fn end(self) {
        if let Some(discovery) = self.discovery {
            discovery.close().await;
        }
        for open in self.endpoints.into_values() {
            close(open).await;
        }
    }
}

async fn close(open: Open) {
    open.doorman.abort();
    // A claim that is under way still has it; it ends with its connection.
    if let Some(endpoint) = Arc::into_inner(open.endpoint) {
        let _ = timeout(FAREWELL, endpoint.shutdown()).await;
    }
}

/// Puts this thread before ordinary work, or among it. Where the scans are refused their class, so is this.
fn hurry(prompt: bool) {
    match lineshaft_plc_runtime::carrier_class(prompt) {
        Ok(()) => tracing::debug!(prompt, "the class of the mesh's thread"),
        Err(error) => tracing::info!(%error, "the mesh's thread stays an ordinary one"),
    }
}

/// Until something has changed on the network.
async fn news(changes: &mut Option<broadcast::Receiver<Change>>) {
    match changes {
        Some(changes) => {
            // One look takes in all of them; a reader that was too slow looks as well.
            let first = changes.recv().await;
            while changes.try_recv().is_ok() {}
            if matches!(first, Err(broadcast::error::RecvError::Closed)) {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}
