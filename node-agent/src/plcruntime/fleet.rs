//! All runtimes of this node: one watch, one map of what is wanted, one worker for each object.
//!
//! Disk first, API later: what is stored starts before anybody is asked. Only a complete list, or a deletion seen on
//! the watch, ever ends something; an API server that cannot be reached ends nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::WatchBackoff;
use lineshaft_crds::PlcRuntime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::record::Record;
use super::worker::{self, Desired, Shared, Start};
use crate::error::Unconfirmed;
use crate::mesh::Runtimes;
use crate::options::Scope;
use crate::store::Contents;

type Guarded = DeserializeGuard<PlcRuntime>;
type Events = BoxStream<'static, watcher::Result<watcher::Event<Guarded>>>;

/// Runs everything until `shutdown`; gives the outputs that nobody confirmed.
pub(crate) async fn run(
    shared: Arc<Shared>,
    contents: Contents<Record>,
    shutdown: CancellationToken,
) -> Vec<Unconfirmed> {
    let mut client = shared.client.clone();
    let mut fleet = Fleet {
        shared,
        shutdown: shutdown.clone(),
        wanted: BTreeMap::new(),
        workers: JoinSet::new(),
        uids: HashMap::new(),
        listing: None,
        unconfirmed: Vec::new(),
    };
    fleet.start_stored(contents);
    let mut events: Events = stream::pending().boxed();
    if let Some(client) = client.borrow_and_update().clone() {
        events = fleet.watch(client);
    }
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            changed = client.changed() => {
                // An error means that no other client will ever come.
                let newest = client.borrow_and_update().clone();
                match newest {
                    Some(newest) if changed.is_ok() => events = fleet.watch(newest),
                    _ => std::future::pending().await,
                }
            }
            Some(event) = events.next() => fleet.handle(event),
            Some(ended) = fleet.workers.join_next_with_id() => fleet.worker_ended(ended),
        }
    }
    while let Some(ended) = fleet.workers.join_next_with_id().await {
        fleet.worker_ended(ended);
    }
    fleet.unconfirmed
}

struct Fleet {
    shared: Arc<Shared>,
    shutdown: CancellationToken,
    /// What is wanted of each object, by uid.
    wanted: BTreeMap<String, watch::Sender<Desired>>,
    workers: JoinSet<Vec<Unconfirmed>>,
    uids: HashMap<tokio::task::Id, String>,
    /// The uids of a list that has begun.
    listing: Option<BTreeSet<String>>,
    unconfirmed: Vec<Unconfirmed>,
}

impl Fleet {
    fn start_stored(&mut self, contents: Contents<Record>) {
        for (uid, record) in contents.records {
            let start = Start { record: Some(record), ..Start::default() };
            self.spawn(&uid, Desired::Stored, start);
        }
        for damaged in contents.damaged {
            self.shared.metrics.record_damaged();
            let note = format!(
                "the stored program is damaged and does not run: {}; kept as {}",
                damaged.damage,
                damaged.path.display()
            );
            tracing::error!(uid = damaged.uid, "{note}");
            self.spawn(&damaged.uid, Desired::Stored, Start { damage: Some(note), ..Start::default() });
        }
        for uid in contents.others {
            self.spawn(&uid, Desired::Stored, Start::default());
        }
    }

    fn watch(&mut self, client: Client) -> Events {
        let options = &self.shared.options;
        let api: Api<Guarded> = match &options.scope {
            Scope::Cluster => Api::all(client),
            Scope::Namespace(namespace) => Api::namespaced(client, namespace),
        };
        let bound_here = format!("status.nodeName={}", options.node_name);
        options.readiness.wait_for("the list of PlcRuntimes that are bound to this node");
        watcher(api, watcher::Config::default().fields(&bound_here))
            .backoff(WatchBackoff::new(&options.node_name))
            .boxed()
    }

    fn handle(&mut self, event: watcher::Result<watcher::Event<Guarded>>) {
        use watcher::Event;
        let metrics = &self.shared.metrics;
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.shared.api.failed("PlcRuntime", &error);
                metrics.watch_event("PlcRuntime", "error");
                metrics.api_reachable(false);
                return;
            }
        };
        // A list that begins is a question, no answer.
        if !matches!(event, Event::Init) {
            metrics.api_reachable(true);
            self.shared.api.answered("PlcRuntime");
        }
        match event {
            Event::Init => {
                metrics.watch_event("PlcRuntime", "init");
                self.listing = Some(BTreeSet::new());
            }
            Event::InitApply(object) => {
                metrics.watch_event("PlcRuntime", "list");
                if let Some(uid) = self.want(object)
                    && let Some(listing) = &mut self.listing
                {
                    listing.insert(uid);
                }
            }
            Event::InitDone => {
                metrics.watch_event("PlcRuntime", "listed");
                // Complete now: whatever is not in it is deleted, or bound to another node.
                if let Some(listed) = self.listing.take() {
                    for (_, wanted) in self.wanted.iter().filter(|(uid, _)| !listed.contains(*uid)) {
                        wanted.send_replace(Desired::Gone);
                    }
                    self.tell_mesh(|runtimes| runtimes.retain(|uid, _| listed.contains(uid)));
                }
                self.shared.options.readiness.ready();
            }
            Event::Apply(object) => {
                metrics.watch_event("PlcRuntime", "apply");
                self.want(object);
            }
            Event::Delete(DeserializeGuard(object)) => {
                metrics.watch_event("PlcRuntime", "delete");
                let metadata = match object {
                    Ok(object) => object.metadata,
                    Err(invalid) => invalid.metadata,
                };
                let uid = metadata.uid.unwrap_or_default();
                if let Some(wanted) = self.wanted.get(&uid) {
                    wanted.send_replace(Desired::Gone);
                }
                self.tell_mesh(|runtimes| {
                    runtimes.remove(&uid);
                });
            }
        }
    }

    /// Tells the object's worker, which is started if there is none.
    fn want(&mut self, DeserializeGuard(object): Guarded) -> Option<String> {
        let (uid, desired) = match object {
            Ok(object) => {
                let (uid, object) = (object.uid()?, Arc::new(object));
                self.tell_mesh(|runtimes| {
                    runtimes.insert(uid.clone(), object.clone());
                });
                (uid, Desired::Bound(object))
            }
            Err(invalid) => {
                let name = invalid.metadata.name.as_deref().unwrap_or_default();
                tracing::warn!(name, error = invalid.error, "a PlcRuntime cannot be read; what runs goes on");
                (invalid.metadata.uid?, Desired::Stored)
            }
        };
        match self.wanted.get(&uid) {
            Some(wanted) => {
                wanted.send_replace(desired);
            }
            None => self.spawn(&uid, desired, Start::default()),
        }
        Some(uid)
    }

    fn tell_mesh(&self, change: impl FnOnce(&mut Runtimes)) {
        self.shared.runtimes.send_modify(|runtimes| change(Arc::make_mut(runtimes)));
    }

    fn spawn(&mut self, uid: &str, desired: Desired, start: Start) {
        let (sender, receiver) = watch::channel(desired);
        self.wanted.insert(uid.to_owned(), sender);
        let work =
            worker::run(Arc::clone(&self.shared), uid.to_owned(), receiver, start, self.shutdown.clone());
        let task = self.workers.spawn(work);
        self.uids.insert(task.id(), uid.to_owned());
    }

    fn worker_ended(&mut self, ended: Result<(tokio::task::Id, Vec<Unconfirmed>), tokio::task::JoinError>) {
        let (id, unconfirmed) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                // Not started again at once, or a defect would spin; the next event does it.
                tracing::error!(%error, "a worker broke off");
                if let Some(uid) = self.uids.remove(&error.id()) {
                    self.wanted.remove(&uid);
                }
                return;
            }
        };
        self.unconfirmed.extend(unconfirmed);
        let Some(uid) = self.uids.remove(&id) else { return };
        let Some(wanted) = self.wanted.remove(&uid) else { return };
        // Something new may have come for it while it was ending.
        let newest = wanted.borrow().clone();
        if !matches!(newest, Desired::Gone) && !self.shutdown.is_cancelled() {
            self.spawn(&uid, newest, Start::default());
        }
    }
}
