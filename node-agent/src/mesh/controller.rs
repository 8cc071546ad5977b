//! Brings together what the API server says and what the network says: one task, one pass at a time.
//!
//! A pass reads values, decides with [`plan`], [`super::pairings`] and [`peers`], tells the thread what to do and the writer
//! what to write. It waits for nothing: whatever takes time comes back as an event that starts the next pass.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::{Reachability, WatchBackoff};
use lineshaft_crds::condition::find;
use lineshaft_crds::mesh_peer::conditions::NAME_UNIQUE;
use lineshaft_crds::mesh_site::AUTHORITY;
use lineshaft_crds::plc_runtime::RealtimeMode;
use lineshaft_crds::{ConditionStatus, MeshPeer, MeshSubscription, Pairing, PlcRuntime};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::board::Posted;
use super::local::{KnownPeer, LocalRuntime, LocalSubscription};
use super::mailboxes::{Around, Fetched, Keepers, Mailboxes};
use super::mirror::Mirror;
use super::pairer::{Pairer, claimed_peers};
use super::peers::{self, Knowledge};
use super::plan::{self, Plan, Seen, Wanted};
use super::remembered::{Memory, Remembered, Revision};
use super::site::Site;
use super::subscriptions;
use super::thread::{Claimed, Mesh, Outlet, Served, View};
use super::writer::{Status, Write, Writer};
use crate::events::{Happening, Teller};
use crate::metrics::Metrics;
use crate::options::{Options, Scope};

/// How often times and figures are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Runtimes that are bound to this node, by UID.
pub(crate) type Runtimes = BTreeMap<String, Arc<PlcRuntime>>;

type Event<K> = watcher::Result<watcher::Event<DeserializeGuard<K>>>;
type Events<K> = BoxStream<'static, Event<K>>;

/// What the mesh shares with the rest of the agent.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) client: watch::Receiver<Option<Client>>,
    pub(crate) api: Reachability,
    pub(crate) teller: Teller,
    pub(crate) metrics: Metrics,
}

/// Runs the mesh of this node until `shutdown`; until the API server says what there is, with what is remembered.
pub(crate) async fn run(
    context: Context,
    (mut memory, remembered): (Memory, Remembered),
    mut runtimes: watch::Receiver<Arc<Runtimes>>,
    mut keepers: watch::Receiver<Arc<Keepers>>,
    shutdown: CancellationToken,
) {
    let mut client = context.client.clone();
    let (writes, wanted) = watch::channel(Vec::new());
    let api_writer = Writer {
        client: context.client.clone(),
        field_manager: context.options.field_manager(),
        api: context.api.clone(),
        metrics: context.metrics.clone(),
        wanted,
    };
    let writing = tokio::spawn(api_writer.run());
    let mut controller = Controller::new(context, remembered, writes);
    let mut watches = Watches::none();
    if let Some(client) = client.borrow_and_update().clone() {
        watches = Watches::of(&controller.context.options, client);
    }
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        controller.runtimes = runtimes.borrow_and_update().clone();
        controller.keepers = keepers.borrow_and_update().clone();
        controller.follow_site().await;
        controller.pass();
        if controller.is_told() {
            memory.keep(controller.revision(), || controller.remember()).await;
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = client.changed(), if client.has_changed().is_ok() => {
                let newest = client.borrow_and_update().clone();
                if let (Ok(()), Some(newest)) = (changed, newest) {
                    watches = Watches::of(&controller.context.options, newest);
                }
            }
            happened = watches.next() => controller.see(happened),
            Ok(()) = runtimes.changed() => {}
            Ok(()) = keepers.changed() => {}
            Some(Ok(fetched)) = controller.requests.join_next() => controller.fetched(fetched),
            () = controller.network.news() => {}
            asked = controller.site.asked() => controller.certified(asked),
            Some(Ok((uid, claimed))) = controller.claims.join_next() => controller.claimed(&uid, claimed),
            _ = ticks.tick() => {}
        }
    }
    controller.end().await;
    writing.abort();
}

/// What the API server says of the mesh.
struct Watches {
    peers: Events<MeshPeer>,
    pairings: Events<Pairing>,
    subscriptions: Events<MeshSubscription>,
    authority: Events<ConfigMap>,
}

impl Watches {
    fn none() -> Self {
        Self {
            peers: stream::pending().boxed(),
            pairings: stream::pending().boxed(),
            subscriptions: stream::pending().boxed(),
            authority: stream::pending().boxed(),
        }
    }

    fn of(options: &Options, client: Client) -> Self {
        let node = &options.node_name;
        let subscriptions: Api<DeserializeGuard<MeshSubscription>> = match &options.scope {
            Scope::Cluster => Api::all(client.clone()),
            Scope::Namespace(namespace) => Api::namespaced(client.clone(), namespace),
        };
        let system = Api::namespaced(client.clone(), &options.lease_namespace);
        Self {
            authority: watched(system, &format!("metadata.name={AUTHORITY}"), node),
            peers: watched(Api::all(client.clone()), "", node),
            pairings: watched(Api::all(client), &format!("spec.nodeName={node}"), node),
            subscriptions: watched(subscriptions, &format!("status.nodeName={node}"), node),
        }
    }

    async fn next(&mut self) -> Happened {
        tokio::select! {
            Some(event) = self.peers.next() => Happened::Peer(event),
            Some(event) = self.pairings.next() => Happened::Pairing(event),
            Some(event) = self.subscriptions.next() => Happened::Subscription(event),
            Some(event) = self.authority.next() => Happened::Authority(event),
            else => std::future::pending().await,
        }
    }
}

/// Something that a watch has said.
enum Happened {
    Peer(Event<MeshPeer>),
    Pairing(Event<Pairing>),
    Subscription(Event<MeshSubscription>),
    Authority(Event<ConfigMap>),
}

fn watched<K>(api: Api<DeserializeGuard<K>>, fields: &str, node: &str) -> Events<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
{
    let config = watcher::Config::default();
    let config = if fields.is_empty() { config } else { config.fields(fields) };
    watcher(api, config).backoff(WatchBackoff::new(node)).boxed()
}

fn see<K: Resource>(mirror: &mut Mirror<K>, event: Event<K>, kind: &'static str, context: &Context) {
    match event {
        Ok(event) => {
            // A list that begins is a question, no answer.
            if !matches!(event, watcher::Event::Init) {
                context.api.answered(kind);
            }
            context.metrics.watch_event(kind, "event");
            mirror.see(event);
        }
        Err(error) => {
            context.api.failed(kind, &error);
            context.metrics.watch_event(kind, "error");
        }
    }
}

/// The thread of the mesh, once something needs it.
#[derive(Default)]
struct Network {
    running: Option<(Mesh, Outlet)>,
    /// Claims of the offer of this agent that are over.
    served: Vec<Served>,
}

impl Network {
    /// Until it has something to say.
    async fn news(&mut self) {
        let Some((mesh, outlet)) = &mut self.running else { return std::future::pending().await };
        tokio::select! {
            Ok(()) = mesh.view.changed() => {}
            Some(served) = outlet.served.recv() => self.served.push(served),
            // It has ended, which it never does by itself; the log says why.
            else => std::future::pending().await,
        }
    }
}

struct Controller {
    context: Context,
    runtimes: Arc<Runtimes>,
    keepers: Arc<Keepers>,
    mailboxes: Mailboxes,
    requests: JoinSet<Fetched>,
    peers: Mirror<MeshPeer>,
    pairings: Mirror<Pairing>,
    subscriptions: Mirror<MeshSubscription>,
    authority: Mirror<ConfigMap>,
    site: Site,
    network: Network,
    pairer: Pairer,
    claims: JoinSet<(String, Claimed)>,
    plan: Plan,
    writes: watch::Sender<Vec<Write>>,
    /// Why the thread did not start, told once.
    broken: Option<String>,
    /// Endpoints that do not listen.
    deaf: BTreeMap<SocketAddr, String>,
    /// Counts as the statuses have them.
    told: subscriptions::Told,
    begun: Instant,
}

impl Controller {
    fn new(context: Context, remembered: Remembered, writes: watch::Sender<Vec<Write>>) -> Self {
        let directory = context.options.state_dir.join("mesh");
        Self {
            site: Site::open(&context.options.node_name, directory),
            authority: Mirror::default(),
            pairer: Pairer::new(context.teller.clone()),
            context,
            runtimes: Arc::default(),
            keepers: Arc::default(),
            mailboxes: Mailboxes::default(),
            requests: JoinSet::new(),
            peers: Mirror::remembering(remembered.peers),
            pairings: Mirror::default(),
            subscriptions: Mirror::remembering(remembered.subscriptions),
            network: Network::default(),
            claims: JoinSet::new(),
            plan: Plan::default(),
            writes,
            broken: None,
            deaf: BTreeMap::new(),
            told: subscriptions::Told::default(),
            begun: Instant::now(),
        }
    }

    fn see(&mut self, happened: Happened) {
        match happened {
            Happened::Peer(event) => see(&mut self.peers, event, "MeshPeer", &self.context),
            Happened::Pairing(event) => see(&mut self.pairings, event, "Pairing", &self.context),
            Happened::Subscription(event) => {
                see(&mut self.subscriptions, event, "MeshSubscription", &self.context);
            }
            Happened::Authority(event) => {
                let listing = matches!(event, Ok(watcher::Event::Init | watcher::Event::InitApply(_)));
                see(&mut self.authority, event, "ConfigMap", &self.context);
                if !listing {
                    // Whoever may not or cannot ask is a site of its own, until there is an answer.
                    self.site.settle();
                }
                if let Some(published) = self.authority.all().next().cloned() {
                    self.site.learn(&published);
                }
            }
        }
    }

    /// Another site is another mesh: the one that runs ends.
    async fn follow_site(&mut self) {
        let running = self.network.running.as_ref().map(|(mesh, _)| mesh.me().site.to_string());
        let moved = running.is_some_and(|before| self.site.name().is_some_and(|site| site != before));
        if moved {
            self.claims = JoinSet::new();
            self.mailboxes = Mailboxes::default();
            self.plan = Plan::default();
            std::mem::take(&mut self.network).end().await;
        }
    }

    fn certified(&mut self, asked: Result<String, String>) {
        if let Some((mesh, _)) = &self.network.running {
            self.site.answered(mesh, asked);
        }
    }

    /// Whether the API server has said what there is.
    fn is_told(&self) -> bool {
        self.peers.is_listed() && self.subscriptions.is_listed()
    }

    fn revision(&self) -> Revision {
        (self.runtimes.clone(), self.peers.revision(), self.subscriptions.revision())
    }

    fn remember(&self) -> Remembered {
        let runtimes = taking_part(&self.runtimes, &self.subscriptions);
        Remembered::of(&runtimes, self.peers.all(), self.subscriptions.all())
    }

    /// Everything that can be done now.
    fn pass(&mut self) {
        let wanted = self.wanted();
        let Some(mesh) = self.mesh(&wanted) else { return };
        self.site.pass(&mesh, self.context.client.borrow().clone());
        let wanted = Wanted { uncertified: self.site.problem(&mesh), ..wanted };
        let View { mut seen, clock_ns, deaf } = mesh.view.borrow().clone();
        self.tell_of_endpoints(deaf);
        // The newest: what was pinned is pinned before anybody hears of it.
        seen.pins = mesh.trust.pins();
        for served in self.network.served.drain(..) {
            self.context.metrics.pairing_attempt("offer", served.outcome.is_ok());
            self.pairer.served(&served, &self.pairings);
        }
        let plan = plan::plan(&mesh.me(), &wanted, &seen, &self.plan);
        if plan != self.plan {
            mesh.follow(plan.clone());
            self.plan = plan;
        }
        let directory = self.context.options.state_dir.join("plc");
        let around = Around {
            mesh: &mesh,
            runtimes: &taking_part(&self.runtimes, &self.subscriptions),
            keepers: &self.keepers,
            subscriptions: &self.subscriptions,
            seen: &seen,
            plan: &self.plan,
        };
        self.mailboxes.pass(&around, &directory, &mut self.requests);
        let now = Timestamp::now();
        let mut writes = self.pairer.pass(&mesh, &self.pairings, &self.peers, &seen, now, &mut self.claims);
        writes.extend(self.say_of_peers(&seen, clock_ns, now));
        writes.extend(self.say_of_subscriptions(&seen, now));
        self.pin_up(&mesh, &seen);
        self.writes.send_replace(writes);
    }

    /// What is wanted, of what can be had.
    fn wanted(&self) -> Wanted {
        let mut runtimes = Vec::new();
        for runtime in self.runtimes.values() {
            match LocalRuntime::of(runtime) {
                Ok(local) => runtimes.extend(local),
                Err(error) => {
                    tracing::debug!(runtime = runtime.name_any(), %error, "takes no part in the mesh");
                }
            }
        }
        Wanted {
            runtimes,
            subscriptions: self.subscriptions.all().map(|one| LocalSubscription::of(one)).collect(),
            peers: self.peers.all().map(|one| KnownPeer::of(one)).collect(),
            offering: self.pairer.is_offering(),
            pairing: self.pairer.is_needed(&self.pairings),
            realtime: self.runtimes.values().any(|runtime| is_realtime(runtime)),
            uncertified: None,
        }
    }

    /// The thread, which starts when something needs it.
    fn mesh(&mut self, wanted: &Wanted) -> Option<Mesh> {
        if let Some((mesh, _)) = &self.network.running {
            return Some(mesh.clone());
        }
        let idle = wanted.runtimes.is_empty() && wanted.subscriptions.is_empty() && !wanted.pairing;
        if idle || !self.site.is_settled() {
            return None;
        }
        let options = &self.context.options;
        let directory = options.state_dir.join("mesh");
        match Mesh::start(&directory, &options.node_name, &options.mesh, self.site.membership()) {
            Ok((mesh, outlet)) => {
                self.network.running = Some((mesh.clone(), outlet));
                Some(mesh)
            }
            Err(error) => {
                let why = lineshaft_api_client::sentence(&error);
                if self.broken.as_ref() != Some(&why) {
                    tracing::error!(error = why, "the mesh does not start");
                    self.broken = Some(why);
                }
                None
            }
        }
    }

    fn claimed(&mut self, uid: &str, (address, outcome): Claimed) {
        self.context.metrics.pairing_attempt("claim", outcome.is_ok());
        self.pairer.claimed(uid, address, &outcome, &self.pairings);
    }

    /// An endpoint that does not listen is told once to the runtimes that it is of.
    fn tell_of_endpoints(&mut self, deaf: BTreeMap<SocketAddr, String>) {
        for (listen, error) in deaf.iter().filter(|(listen, error)| self.deaf.get(listen) != Some(error)) {
            for runtime in self.runtimes.values() {
                let local = LocalRuntime::of(runtime).ok().flatten();
                let own = local.is_some_and(|local| local.listen.is_none_or(|own| own == *listen));
                if own {
                    let happening = Happening::warning("ListenFailed", "Listening", error.clone());
                    self.context.teller.tell(&runtime.object_ref(&()), happening);
                }
            }
        }
        self.deaf = deaf;
    }

    fn fetched(&mut self, fetched: Fetched) {
        if let Some((mesh, _)) = &self.network.running {
            self.mailboxes.fetched(mesh, fetched);
        }
    }

    /// For those who show what is known at this moment.
    fn pin_up(&self, mesh: &Mesh, seen: &Seen) {
        let mut posted = Posted {
            flows: self.mailboxes.receiving(&self.subscriptions),
            links: seen.links.clone(),
            offering: self.pairer.is_offering(),
            locked: mesh.offers.is_locked(),
            ..Posted::default()
        };
        for peer in self.peers.all() {
            let status = peer.status.clone().unwrap_or_default();
            *posted.peers.entry(peers::trust_word(status.trust)).or_insert(0) += 1;
            let unique = find(&status.conditions, NAME_UNIQUE);
            posted.conflicts +=
                u64::from(unique.is_some_and(|unique| unique.status == ConditionStatus::False));
        }
        self.context.options.board.pin(posted);
    }

    fn say_of_subscriptions(&mut self, seen: &Seen, now: Timestamp) -> Vec<Write> {
        if !self.subscriptions.is_listed() {
            return Vec::new();
        }
        let reports = self.mailboxes.reports(&self.subscriptions);
        let figures = self.told.renew(self.mailboxes.figures(), self.begun.elapsed());
        let knowledge =
            subscriptions::Knowledge { plan: &self.plan, seen, reports: &reports, figures: &figures, now };
        let changed = self.subscriptions.all().filter_map(|object| {
            Some(Write::Subscription(Status::of(&**object, &subscriptions::news(object, &knowledge)?)))
        });
        changed.collect()
    }

    fn say_of_peers(&self, seen: &Seen, clock_ns: u64, now: Timestamp) -> Vec<Write> {
        if !self.peers.is_listed() {
            return Vec::new();
        }
        let claimed = claimed_peers(&self.pairings, seen);
        let node = &self.context.options.node_name;
        let knowledge = Knowledge { node, seen, clock_ns, now, claimed: &claimed };
        let new = peers::missing(seen, self.peers.all().map(|object| &**object));
        let create = new.into_iter().map(|object| Write::Create(Box::new(object)));
        let changed = self
            .peers
            .all()
            .filter_map(|object| Some(Write::Peer(Status::of(&**object, &peers::news(object, &knowledge)?))));
        create.chain(changed).collect()
    }

    async fn end(self) {
        drop(self.claims);
        self.network.end().await;
    }
}

impl Network {
    /// Whatever else has a part of the mesh must be gone: with the last one the thread ends.
    async fn end(self) {
        let Some((mesh, outlet)) = self.running else { return };
        drop(mesh);
        let joined = tokio::task::spawn_blocking(move || outlet.thread.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the thread of the mesh broke off");
        }
    }
}

fn is_realtime(runtime: &PlcRuntime) -> bool {
    runtime.spec.realtime.mode != RealtimeMode::Disabled
}

/// Runtimes that publish, are announced or receive.
fn taking_part(runtimes: &Runtimes, subscriptions: &Mirror<MeshSubscription>) -> Runtimes {
    let takes_part = |runtime: &PlcRuntime| {
        let spec = &runtime.spec;
        let receives = subscriptions.all().any(|one| {
            one.metadata.namespace == runtime.metadata.namespace
                && Some(&one.spec.runtime_ref.name) == runtime.metadata.name.as_ref()
        });
        spec.mesh.is_some() || spec.discovery.is_some() || receives
    };
    runtimes
        .iter()
        .filter(|(_, runtime)| takes_part(runtime))
        .map(|(uid, one)| (uid.clone(), one.clone()))
        .collect()
}
