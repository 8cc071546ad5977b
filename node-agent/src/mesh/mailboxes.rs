//! Between the scans of this node and the mesh: who publishes what, who wishes what, and the mailboxes that values lie in.
//!
//! A keeper has the mailbox of its runtime and says with its number when it is another one. Asking a keeper blocks, so it
//! is done beside the controller, and one request a runtime at a time.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kube::ResourceExt;
use lineshaft_crds::condition::is_true;
use lineshaft_crds::mesh_subscription::conditions::ACCEPTED;
use lineshaft_crds::mesh_subscription::{ALL_BELOW, OnStale, Subscription as Entry};
use lineshaft_crds::plc_runtime::Publication;
use lineshaft_crds::{MeshSubscription, PlcRuntime};
use lineshaft_mesh::carry::{self, Inbox};
use lineshaft_mesh::control::{self, Catalogue, Offered, RunState};
use lineshaft_mesh::link::{self, Hub, Runtime, ScanImage, Wish, WishEntry};
use lineshaft_mesh::schema::Schema;
use lineshaft_plc_compiler::layout::TypeDesc;
use lineshaft_plc_runtime::client::{KeeperClient, OpenMailbox};
use lineshaft_plc_runtime::protocol::{self, MailboxInfo, MeshStatus, Problem, ProblemReason};
use tokio::task::JoinSet;

use super::board::{Figures, Flow, Receiving};
use super::local::{Publisher, publisher_of, target_of};
use super::mirror::Mirror;
use super::plan::{Binding, Plan, Route, Seen};
use super::shown::{Place, Shown};
use super::subscriptions::{EntryState, Report};
use super::thread::Mesh;

/// Shortest default timeout: what a busy machine may pause.
const TIMEOUT_MIN_US: u64 = 100_000;
const NS_PER_MS: u64 = 1_000_000;

/// What a keeper says of its mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    /// Another process knows nothing of what its predecessor was told.
    pub(crate) pid: u32,
    pub(crate) mesh: MeshStatus,
}

/// The keepers of this node, by UID of the runtime.
pub(crate) type Keepers = BTreeMap<String, Keeping>;

type Asked = (u32, Vec<protocol::Subscription>);
type Answer = Result<(MeshStatus, Option<OpenMailbox>), lineshaft_plc_runtime::Error>;

/// An answer of a keeper: whose, to what.
pub(crate) struct Fetched {
    uid: String,
    asked: Asked,
    answer: Answer,
}

/// What is known of one runtime.
#[derive(Default)]
struct Carried {
    /// What its keeper was last asked for.
    asked: Option<Asked>,
    under_way: bool,
    open: Option<Open>,
    problems: Vec<Problem>,
    /// UIDs of its subscriptions.
    subscriptions: Vec<String>,
    /// Counts the versions of what is published.
    layouts: u64,
    /// What peers were last told that it publishes.
    told: Option<(Option<u64>, String, Vec<Publication>)>,
}

struct Open {
    info: MailboxInfo,
    inbox: Arc<Inbox>,
}

/// What a wish was made of: another wish only if one of these is another.
#[derive(PartialEq, Eq)]
struct Origin {
    mailbox: u64,
    route: Route,
    generation: Option<i64>,
    /// Default timeouts follow it.
    scan_us: u64,
}

/// A wish and what it was made of.
struct Wished {
    made_of: Origin,
    shown: Arc<Shown>,
    wish: Wish,
}

/// What the mailboxes are judged by.
pub(crate) struct Around<'a> {
    pub(crate) mesh: &'a Mesh,
    pub(crate) runtimes: &'a BTreeMap<String, Arc<PlcRuntime>>,
    pub(crate) keepers: &'a Keepers,
    pub(crate) subscriptions: &'a Mirror<MeshSubscription>,
    pub(crate) seen: &'a Seen,
    pub(crate) plan: &'a Plan,
}

/// The mailboxes of this node.
#[derive(Default)]
pub(crate) struct Mailboxes {
    carried: BTreeMap<String, Carried>,
    wished: BTreeMap<Binding, Wished>,
    /// Never used twice.
    revision: u64,
}

impl Mailboxes {
    /// Asks keepers for what has changed, tells peers what is published, and wishes what is received. `directory` is
    /// where keepers have theirs.
    pub(crate) fn pass(&mut self, around: &Around<'_>, directory: &Path, requests: &mut JoinSet<Fetched>) {
        self.carried.retain(|uid, _| {
            let stays = around.runtimes.contains_key(uid);
            if !stays {
                around.mesh.forget(uid);
            }
            stays
        });
        for (uid, runtime) in around.runtimes {
            let carried = self.carried.entry(uid.clone()).or_default();
            if let Some(keeping) = around.keepers.get(uid) {
                let (wanted, subscriptions) = wanted(runtime, around.subscriptions, around.seen);
                carried.subscriptions = subscriptions;
                carried.ask(uid, (keeping.pid, wanted), keeping, directory.join(uid), requests);
            }
            carried.publish(&around.mesh.hub, uid, runtime);
        }
        self.wish(around);
    }

    /// A keeper has answered.
    pub(crate) fn fetched(&mut self, mesh: &Mesh, fetched: Fetched) {
        let Fetched { uid, asked, answer } = fetched;
        let Some(carried) = self.carried.get_mut(&uid) else { return };
        carried.under_way = false;
        match answer {
            Ok((status, open)) => {
                carried.problems = status.problems;
                carried.asked = Some(asked);
                carried.open = open.and_then(|open| opened(mesh, &uid, open));
            }
            // The keeper has ended or is starting: its next word, or the next pass, leads here again.
            Err(error) => tracing::debug!(runtime = uid, %error, "the mailbox cannot be had"),
        }
    }

    /// What has become of every entry that is received.
    pub(crate) fn reports(&self, subscriptions: &Mirror<MeshSubscription>) -> BTreeMap<Binding, Report> {
        let mut reports: BTreeMap<Binding, Report> = BTreeMap::new();
        for subscription in subscriptions.all() {
            let uid = subscription.uid().unwrap_or_default();
            let carried = self.carried.values().find(|carried| carried.serves(&uid));
            let problems = carried.map(|carried| carried.problems.as_slice()).unwrap_or_default();
            for entry in &subscription.spec.subscribe {
                let Some(publisher) = publisher_of(&entry.from) else { continue };
                let binding = (uid.clone(), publisher);
                let state = self.wished.get(&binding).and_then(|wished| wished.shown.state_of(&entry.to));
                let state = state.or_else(|| refused_here(entry, problems)).unwrap_or(EntryState::Waiting);
                reports.entry(binding).or_default().push(state);
            }
        }
        reports
    }

    /// What is received, for those who show it.
    pub(crate) fn receiving(&self, subscriptions: &Mirror<MeshSubscription>) -> Vec<Receiving> {
        let receiving = self.wished.iter().filter_map(|((uid, publisher), wished)| {
            let object = subscriptions.all().find(|one| one.metadata.uid.as_ref() == Some(uid))?;
            Some(Receiving {
                receiver: wished.wish.subscriber.clone(),
                namespace: object.namespace().unwrap_or_default(),
                runtime: object.spec.runtime_ref.name.clone(),
                subscription: object.name_any(),
                publisher: publisher.label(),
                peer: wished.wish.peer,
                flow: wished.shown.clone(),
            })
        });
        receiving.collect()
    }

    /// What has arrived of each publisher.
    pub(crate) fn figures(&self) -> BTreeMap<Binding, Figures> {
        self.wished.iter().map(|(binding, wished)| (binding.clone(), wished.shown.figures())).collect()
    }

    fn wish(&mut self, around: &Around<'_>) {
        let mut before = std::mem::take(&mut self.wished);
        let revisions = |wished: &BTreeMap<Binding, Wished>| {
            wished.values().map(|one| one.wish.revision).collect::<Vec<_>>()
        };
        let known = revisions(&before);
        for ((uid, publisher), route) in &around.plan.routes {
            let binding = (uid.clone(), publisher.clone());
            let subscription = around.subscriptions.all().find(|one| one.metadata.uid.as_ref() == Some(uid));
            let (Some(subscription), Ok(route)) = (subscription, route) else { continue };
            let receiver = around.runtimes.iter().find(|(_, runtime)| receives(runtime, subscription));
            let Some((receiver, runtime)) = receiver else { continue };
            let Some(open) = self.carried.get_mut(receiver).and_then(|carried| carried.open.as_ref()) else {
                continue;
            };
            let made_of = Origin {
                mailbox: open.info.number,
                route: route.clone(),
                generation: subscription.metadata.generation,
                scan_us: scan_us(&wanted_of(publisher, route), around.seen),
            };
            let same = before.remove(&binding).filter(|known| known.made_of == made_of);
            let wished = same.unwrap_or_else(|| {
                let (entries, places) = entries(subscription, publisher, &open.info, around.seen);
                self.revision += 1;
                let shown = Arc::new(Shown::new(open.inbox.clone(), places));
                let wish = Wish {
                    revision: self.revision,
                    peer: route.agent,
                    subscriber: receiver.clone(),
                    subscriber_name: service_name(runtime),
                    publisher: wanted_of(publisher, route),
                    entries,
                    sink: shown.clone(),
                };
                Wished { made_of, shown, wish }
            });
            self.wished.insert(binding, wished);
        }
        if revisions(&self.wished) != known {
            let wishes = self.wished.values().map(|one| one.wish.clone());
            around.mesh.hub.set_wishes(wishes.filter(|wish| !wish.entries.is_empty()).collect());
        }
    }
}

impl Carried {
    /// Whether this is the runtime of a subscription.
    fn serves(&self, subscription: &str) -> bool {
        self.subscriptions.iter().any(|uid| uid == subscription)
    }

    fn ask(
        &mut self,
        uid: &str,
        asked: Asked,
        keeping: &Keeping,
        directory: PathBuf,
        requests: &mut JoinSet<Fetched>,
    ) {
        let told = self.asked.as_ref() == Some(&asked);
        let same_mailbox = keeping.mesh.mailbox == self.open.as_ref().map(|open| open.info.number);
        if self.under_way || (told && same_mailbox) {
            return;
        }
        self.under_way = true;
        let uid = uid.to_owned();
        requests.spawn_blocking(move || {
            let answer = fetch(&directory, (!told).then_some(&asked.1));
            Fetched { uid, asked, answer }
        });
    }

    /// Tells peers what the runtime publishes, unless they know.
    fn publish(&mut self, hub: &Hub, uid: &str, runtime: &PlcRuntime) {
        let publications = runtime.spec.mesh.as_ref().map(|mesh| mesh.publish.clone()).unwrap_or_default();
        let number = self.open.as_ref().map(|open| open.info.number);
        let told = (number, service_name(runtime), publications);
        if self.told.as_ref() == Some(&told) {
            return;
        }
        let info = self.open.as_ref().map(|open| &open.info);
        let catalogue = info.map(|info| catalogue(info, &told.2)).unwrap_or_default();
        self.layouts += 1;
        hub.set_runtime(Runtime {
            id: uid.to_owned(),
            name: told.1.clone(),
            catalogue,
            // Until the first scan has been read.
            state: RunState::Stop,
            layout: self.layouts,
            image: ScanImage {
                values: vec![0; info.map_or(0, |info| info.plan().published)].into(),
                ..ScanImage::default()
            },
        });
        self.told = Some(told);
    }
}

/// Blocks.
fn fetch(directory: &Path, wanted: Option<&Vec<protocol::Subscription>>) -> Answer {
    let mut keeper = KeeperClient::connect(directory)?;
    let status = match wanted {
        Some(wanted) => keeper.subscribe(wanted.clone())?,
        None => keeper.status()?.mesh,
    };
    Ok((status, keeper.mailbox()?))
}

/// Both ends of a mailbox that belong to the mesh.
fn opened(mesh: &Mesh, uid: &str, open: OpenMailbox) -> Option<Open> {
    let OpenMailbox { info, mailbox, wakeup } = open;
    match (mailbox.outbox_reader(), mailbox.inbox_writer()) {
        (Ok(outbox), Ok(inbox)) => {
            mesh.read(uid, outbox, wakeup);
            Some(Open { info, inbox: Arc::new(Inbox::new(inbox)) })
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(runtime = uid, %error, "the mailbox cannot be used");
            None
        }
    }
}

fn catalogue(info: &MailboxInfo, publications: &[Publication]) -> Catalogue {
    let mut catalogue = Catalogue::new(info.scan_ns / 1_000);
    for slot in &info.published {
        let said = publications.iter().find(|said| said.variable.eq_ignore_ascii_case(&slot.variable));
        let schema = match Schema::of(&info.types, slot.ty) {
            Ok(schema) => schema,
            Err(error) => {
                tracing::warn!(variable = slot.variable, %error, "not published");
                continue;
            }
        };
        let number = match info.types.types.get(slot.ty.0 as usize) {
            Some(TypeDesc::Elementary(number)) => Some(*number),
            _ => None,
        };
        let offered = Offered {
            schema,
            number,
            image: slot.place.start as usize..slot.place.end as usize,
            to: said.map(|said| said.to.clone()).unwrap_or_default(),
            min_interval_us: said
                .map_or(0, |said| u64::from(said.min_interval_milliseconds.unsigned_abs()) * 1_000),
        };
        catalogue.publish(&slot.variable, offered);
    }
    catalogue
}

fn service_name(runtime: &PlcRuntime) -> String {
    let said = runtime.spec.discovery.as_ref().and_then(|said| said.service_name.clone());
    said.unwrap_or_else(|| runtime.name_any())
}

fn receives(runtime: &PlcRuntime, subscription: &MeshSubscription) -> bool {
    runtime.metadata.namespace == subscription.metadata.namespace
        && runtime.metadata.name.as_ref() == Some(&subscription.spec.runtime_ref.name)
}

/// What a keeper should let the program receive, and of which subscriptions that is.
fn wanted(
    runtime: &PlcRuntime,
    subscriptions: &Mirror<MeshSubscription>,
    seen: &Seen,
) -> (Vec<protocol::Subscription>, Vec<String>) {
    let (mut wanted, mut uids) = (Vec::new(), Vec::new());
    for subscription in subscriptions.all().filter(|one| receives(runtime, one)) {
        uids.extend(subscription.uid());
        let conditions = subscription.status.as_ref().map(|status| status.conditions.as_slice());
        let going = subscription.metadata.deletion_timestamp.is_some();
        if going || !is_true(conditions.unwrap_or_default(), ACCEPTED) {
            continue;
        }
        let grace = u64::from(subscription.spec.startup_grace_milliseconds.unsigned_abs());
        for entry in subscription.spec.subscribe.iter().filter(|entry| !is_group(entry)) {
            wanted.push(protocol::Subscription {
                to: entry.to.clone(),
                from: from(entry),
                quality: entry.quality.clone(),
                age: entry.age.clone(),
                timeout_ns: timeout_us(subscription, entry, seen) * 1_000,
                on_stale: match entry.on_stale {
                    OnStale::Hold => protocol::OnStale::Hold,
                    OnStale::Substitute => {
                        protocol::OnStale::Substitute(entry.substitute.clone().unwrap_or_default())
                    }
                    OnStale::Fault => protocol::OnStale::Fault,
                },
                startup_grace_ns: grace * NS_PER_MS,
            });
        }
    }
    (wanted, uids)
}

/// `LineB:Status.PLCState`.
fn from(entry: &Entry) -> String {
    let publisher = match publisher_of(&entry.from) {
        Some(Publisher::Peer(name) | Publisher::Runtime(name)) => name,
        None => String::new(),
    };
    format!("{publisher}:{}", entry.from.variable)
}

fn is_group(entry: &Entry) -> bool {
    entry.to.ends_with(ALL_BELOW)
}

/// As said, or three intervals of the publisher, as far as it is known.
fn timeout_us(subscription: &MeshSubscription, entry: &Entry, seen: &Seen) -> u64 {
    if let Some(said) = entry.timeout_milliseconds {
        return u64::from(said.unsigned_abs()) * 1_000;
    }
    let publisher = match publisher_of(&entry.from) {
        Some(Publisher::Peer(name)) => Some(link::Publisher::Named(name)),
        Some(Publisher::Runtime(name)) => {
            target_of(subscription, &name).map(|target| link::Publisher::Runtime(target.runtime_id.clone()))
        }
        None => None,
    };
    let scan_us = publisher.map_or(0, |publisher| scan_us(&publisher, seen));
    let interval_us = scan_us.max(u64::from(entry.min_interval_milliseconds.unsigned_abs()) * 1_000);
    (3 * interval_us).max(TIMEOUT_MIN_US)
}

/// Interval of a publisher's scans; 0 until it was connected.
fn scan_us(publisher: &link::Publisher, seen: &Seen) -> u64 {
    let found = seen.links.values().find_map(|link| publisher.among(&link.runtimes));
    found.map_or(0, |runtime| runtime.scan_us)
}

/// A peer is known by its name, which may pass to another runtime; one of the own site by its identity.
fn wanted_of(publisher: &Publisher, route: &Route) -> link::Publisher {
    match publisher {
        Publisher::Peer(name) => link::Publisher::Named(name.clone()),
        Publisher::Runtime(_) => link::Publisher::Runtime(route.runtime.to_string()),
    }
}

/// What to ask a publisher for, and where it goes.
fn entries(
    subscription: &MeshSubscription,
    publisher: &Publisher,
    info: &MailboxInfo,
    seen: &Seen,
) -> (Vec<WishEntry>, Vec<Place>) {
    let of_publisher =
        |entry: &&Entry| publisher_of(&entry.from).as_ref() == Some(publisher) && !is_group(entry);
    let received = info.received.iter().enumerate();
    let numbers: HashMap<(&str, &str), usize> =
        received.map(|(number, slot)| ((slot.variable.as_str(), slot.from.as_str()), number)).collect();
    let wish = |entry: &Entry| {
        let inbox = *numbers.get(&(entry.to.as_str(), from(entry).as_str()))?;
        let schema = Schema::of(&info.types, info.received.get(inbox)?.ty).ok()?;
        let timeout_us = timeout_us(subscription, entry, seen);
        let asked = control::Entry {
            i: 0,
            variable: entry.from.variable.clone(),
            ty: schema.text().to_owned(),
            hash: schema.hash(),
            deadband: Some(entry.deadband.clone()).filter(|deadband| deadband != "0"),
            min_interval_us: u64::from(entry.min_interval_milliseconds.unsigned_abs()) * 1_000,
            timeout_us,
        };
        let place = Place {
            to: entry.to.clone(),
            values: carry::Place {
                inbox,
                size: schema.codec().memory_len() as usize,
                timeout_ns: timeout_us * 1_000,
            },
            ty: schema.text().to_owned(),
            from: from(entry),
        };
        Some((WishEntry { entry: asked, codec: schema.codec().clone() }, place))
    };
    subscription.spec.subscribe.iter().filter(of_publisher).filter_map(wish).unzip()
}

/// What the own program cannot take.
fn refused_here(entry: &Entry, problems: &[Problem]) -> Option<EntryState> {
    if is_group(entry) {
        let message = format!("{}: groups are not served yet, name each variable", entry.from.variable);
        return Some(EntryState::Refused { reason: "NotPublished", message });
    }
    let problem = problems.iter().find(|problem| problem.variable == entry.to)?;
    let reason =
        if problem.reason == ProblemReason::LimitExceeded { "LimitExceeded" } else { "TypeMismatch" };
    Some(EntryState::Refused { reason, message: problem.message.clone() })
}

#[cfg(test)]
mod tests;
