//! The care of one object, by one task: nothing about it ever happens twice at a time.
//!
//! Each pass looks at what is wanted and what is there, does the next thing, and reports. A pass that fails is
//! repeated after a delay; whatever changes meanwhile starts the next one at once.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Client, Resource, ResourceExt};
use lineshaft_api_client::{Backoff, Reachability};
use lineshaft_crds::plc_runtime::{SourceFile, sources_hash};
use lineshaft_crds::{PlcRuntime, PlcRuntimeStatus};
use lineshaft_plc_compiler::SourceUnit;
use lineshaft_plc_runtime::protocol::{Identity, RealtimeMode, RunMode, Status};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::keeper::Keeper;
use super::observe::{self, View};
use super::record::{Record, Version};
use super::refusal::Refused;
use super::report::Reporter;
use super::supervise::Restarts;
use super::trouble::Trouble;
use super::{finalizer, sources, translate};
use crate::error::Unconfirmed;
use crate::events::{Happening, Teller};
use crate::mesh::{Keepers, Keeping, Runtimes};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::store::Store;

/// Name of this controller in metrics.
const CONTROLLER: &str = "plcruntime";
/// How often the figures of a keeper are fetched for the metrics.
const FIGURES_EVERY: Duration = Duration::from_secs(5);

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) store: Arc<Store<Record>>,
    pub(crate) client: watch::Receiver<Option<Client>>,
    /// Whether the API server answers.
    pub(crate) api: Reachability,
    pub(crate) teller: Teller,
    pub(crate) metrics: Metrics,
    /// What the API server says of the runtimes of this node, for the mesh.
    pub(crate) runtimes: watch::Sender<Arc<Runtimes>>,
    /// What keepers say of the mesh.
    pub(crate) keepers: watch::Sender<Arc<Keepers>>,
}

/// What is wanted of an object.
#[derive(Clone, Debug)]
pub(crate) enum Desired {
    /// Not known at present: what is stored runs on.
    Stored,
    /// What the API server says of an object that is bound to this node.
    Bound(Arc<PlcRuntime>),
    /// It was deleted, or bound to another node.
    Gone,
}

/// What a worker starts with.
#[derive(Debug, Default)]
pub(crate) struct Start {
    /// Its record on disk.
    pub(crate) record: Option<Record>,
    /// What to tell of a record that was damaged, once the object's name is known.
    pub(crate) damage: Option<String>,
}

/// What follows a pass that did all it could.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The next change.
    Wait,
    /// A pass at this time.
    At(Instant),
    /// Nothing, ever.
    Finished,
}

/// One object's state on this node.
pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) uid: String,
    /// Whose events are told; known once there is a record or an object.
    pub(super) about: Option<ObjectReference>,
    /// The last good version, as it is on disk.
    pub(super) record: Option<Record>,
    damage: Option<String>,
    /// The newest accepted version, if it was refused here.
    pub(super) refused: Option<Refused>,
    pub(super) keeper: Option<Keeper>,
    /// Why there is no keeper.
    pub(super) keeper_missing: String,
    /// The keeper's last status, told and reported.
    pub(super) seen: Option<Arc<Status>>,
    /// Whether the keeper has been given the record since it was started or adopted.
    pub(super) applied: bool,
    /// Whether the keeper has been asked to stand still for good.
    pub(super) stopped: bool,
    /// The value of the annotation that was dealt with last, if it is known.
    pub(super) acknowledged: Option<String>,
    /// Why outputs are being made safe for good, for the status.
    pub(super) releasing: Option<String>,
    /// Whether this node drives the outputs or may.
    pub(super) holding: bool,
    pub(super) restarts: Restarts,
    object: watch::Sender<Option<Arc<PlcRuntime>>>,
    pub(super) wanted: watch::Sender<Option<PlcRuntimeStatus>>,
}

/// Cares for an object until it is gone or the agent ends; gives the outputs that nobody confirmed.
pub(crate) async fn run(
    shared: Arc<Shared>,
    uid: String,
    mut desired: watch::Receiver<Desired>,
    start: Start,
    shutdown: CancellationToken,
) -> Vec<Unconfirmed> {
    let (object, object_seen) = watch::channel(None);
    let (wanted, wanted_seen) = watch::channel(None);
    let reporter = Reporter {
        uid: uid.clone(),
        field_manager: shared.options.field_manager(),
        client: shared.client.clone(),
        object: object_seen,
        wanted: wanted_seen,
        api: shared.api.clone(),
        metrics: shared.metrics.clone(),
    };
    // Ends when the worker, and with it the other ends of its channels, is gone.
    tokio::spawn(reporter.run());
    let mut worker = Worker {
        about: start.record.as_ref().map(|record| reference(&record.bundle.identity)),
        holding: start.record.is_some(),
        record: start.record,
        damage: start.damage,
        restarts: Restarts::new(&uid),
        shared,
        uid,
        refused: None,
        keeper: None,
        keeper_missing: "the keeper has not been started".to_owned(),
        seen: None,
        applied: false,
        stopped: false,
        acknowledged: None,
        releasing: None,
        object,
        wanted,
    };
    worker.work(&mut desired, &shutdown).await;
    worker.end().await
}

impl Worker {
    async fn work(&mut self, desired: &mut watch::Receiver<Desired>, shutdown: &CancellationToken) {
        let mut backoff = Backoff::new(&self.uid);
        let mut figures = interval(FIGURES_EVERY);
        figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut client = self.shared.client.clone();
        loop {
            let now = desired.borrow_and_update().clone();
            let began = Instant::now();
            let pass = tokio::select! {
                pass = self.pass(&now) => pass,
                () = shutdown.cancelled() => return,
            };
            let (outcome, again) = match pass {
                Ok(Next::Finished) => return,
                Ok(Next::Wait) => ("applied", None),
                Ok(Next::At(time)) => ("waiting", Some(time)),
                Err(trouble) => {
                    tracing::warn!(object = self.name(), error = %trouble, "will try again");
                    self.shared.metrics.reconcile_failed(CONTROLLER, trouble.reason());
                    ("failed", Some(Instant::now() + backoff.fail()))
                }
            };
            if outcome != "failed" {
                backoff.succeed();
            }
            self.shared.metrics.reconciled(CONTROLLER, began.elapsed(), outcome);
            self.publish(&now);
            self.tell_mesh();
            self.idle(desired, &mut client, &mut figures, again, shutdown).await;
            if shutdown.is_cancelled() {
                return;
            }
        }
    }

    /// Until there is a reason for another pass.
    async fn idle(
        &mut self,
        desired: &mut watch::Receiver<Desired>,
        client: &mut watch::Receiver<Option<Client>>,
        figures: &mut tokio::time::Interval,
        again: Option<Instant>,
        shutdown: &CancellationToken,
    ) {
        loop {
            let time = async {
                match again {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            let keeper = async {
                match &mut self.keeper {
                    Some(keeper) => keeper.changed().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                // The fleet keeps the sender for as long as the worker lives.
                _ = desired.changed() => return,
                () = keeper => return,
                () = time => return,
                changed = client.changed(), if changed_can_come(client) => if changed.is_ok() { return },
                _ = figures.tick() => if self.fetch_figures().await.is_err() { return },
            }
        }
    }

    async fn pass(&mut self, desired: &Desired) -> Result<Next, Trouble> {
        self.look();
        match desired {
            Desired::Stored => self.run_stored().await,
            Desired::Gone => self.let_go().await,
            Desired::Bound(object) => {
                self.object.send_replace(Some(Arc::clone(object)));
                self.about = Some(object.object_ref(&()));
                if let Some(damage) = self.damage.take() {
                    self.tell(Happening::warning("StoredProgramDamaged", "Loading", damage));
                }
                let moving = object.status.as_ref().and_then(|status| status.transfer.as_ref());
                if object.metadata.deletion_timestamp.is_some() {
                    self.release(object, "deleted: the program ends, outputs go to their safe values").await
                } else if let Some(transfer) = moving {
                    self.release(object, &format!("moving to node {}: {}", transfer.to, transfer.reason))
                        .await
                } else {
                    self.take(object).await
                }
            }
        }
    }

    /// Without the API server: what ran last.
    async fn run_stored(&mut self) -> Result<Next, Trouble> {
        if self.record.is_none() {
            return Ok(Next::Wait);
        }
        if let Some(time) = self.ensure_keeper().await? {
            return Ok(Next::At(time));
        }
        self.apply_record().await?;
        Ok(Next::Wait)
    }

    /// Runs what the operator accepted.
    async fn take(&mut self, object: &PlcRuntime) -> Result<Next, Trouble> {
        self.resume();
        // What runs is looked after before anything for which the API server is needed.
        if let Next::At(time) = self.run_stored().await? {
            return Ok(Next::At(time));
        }
        self.acknowledge(object).await?;
        let candidate = self.candidate(object).await?;
        if self.record.is_none() && candidate.is_none() {
            return Ok(Next::Wait);
        }
        let Some(client) = self.client() else { return Ok(Next::Wait) };
        let kept = finalizer::add(&client, object).await.map_err(Trouble::Finalizer)?;
        self.holding = true;
        let holder = object.status.as_ref().and_then(|status| status.holder.as_deref());
        let held = holder == Some(&self.shared.options.node_name);
        if self.record.is_none() && !(kept && held) {
            // Nothing starts before the API server has it on record that this node drives the outputs, and that
            // the object must not go before they are safe.
            return Ok(Next::Wait);
        }
        if let Some(candidate) = candidate {
            if let Some(time) = self.ensure_keeper().await? {
                return Ok(Next::At(time));
            }
            self.load(candidate).await?;
            // An old annotation is used up before this program can halt.
            self.acknowledge(object).await?;
        }
        Ok(Next::Wait)
    }

    /// The version that the operator accepted, if it is another one than what this worker has dealt with.
    async fn candidate(&mut self, object: &PlcRuntime) -> Result<Option<Record>, Trouble> {
        let Some(accepted) = object.status.as_ref().and_then(|status| status.accepted.as_ref()) else {
            return Ok(None);
        };
        if object.metadata.generation != Some(accepted.generation) {
            return Ok(None);
        }
        let version =
            Version { generation: accepted.generation, sources_hash: accepted.sources_hash.clone() };
        if self.refused.as_ref().is_some_and(|refused| refused.version == version) {
            return Ok(None);
        }
        if self.record.as_ref().is_some_and(|record| record.version() == version) {
            self.refused = None;
            return Ok(None);
        }
        let Some(client) = self.client() else { return Ok(None) };
        let namespace = object.namespace().unwrap_or_default();
        let files = sources::read(&client, &namespace, &object.spec.program).await?;
        if sources_hash(&files) != version.sources_hash {
            // A ConfigMap is newer than the operator's word on it, which will come.
            tracing::debug!(object = self.name(), "the sources are not the accepted ones yet");
            return Ok(None);
        }
        let identity = Identity { namespace, name: object.name_any(), uid: self.uid.clone() };
        let units = files.into_iter().map(|SourceFile { name, text }| SourceUnit { name, text }).collect();
        match translate::bundle(identity, &version, &object.spec, units) {
            Ok(bundle) => Ok(Some(Record { bundle })),
            Err(unsupported) => {
                self.refuse(Refused::unsupported(version, unsupported.to_string()));
                Ok(None)
            }
        }
    }

    /// Remembers and tells why the newest version does not run.
    pub(super) fn refuse(&mut self, refused: Refused) {
        let version = lineshaft_crds::short_version(&refused.version.sources_hash);
        let old = if self.record.is_some() { "; the version before it runs on" } else { "" };
        let note = format!("version {version} refused ({}){old}: {}", refused.reason, refused.message);
        self.tell(Happening::warning("ProgramRefused", "Loading", note));
        self.refused = Some(refused);
    }

    /// Says how it goes, to whoever writes the status.
    fn publish(&mut self, desired: &Desired) {
        let Desired::Bound(object) = desired else {
            self.wanted.send_replace(None);
            return;
        };
        let nothing = !self.holding && self.refused.is_none();
        let status = if nothing { PlcRuntimeStatus::default() } else { self.status(object) };
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.as_ref() != Some(&status);
            *wanted = Some(status);
            changed
        });
    }

    /// Tells the mesh of the keeper, unless it knows.
    fn tell_mesh(&self) {
        let seen = self.keeper.as_ref().and(self.seen.as_ref());
        let keeping = seen.map(|status| Keeping { pid: status.pid, mesh: status.mesh.clone() });
        self.shared.keepers.send_if_modified(|keepers| {
            let changed = keepers.get(&self.uid) != keeping.as_ref();
            if changed {
                let keepers = Arc::make_mut(keepers);
                match keeping {
                    Some(keeping) => drop(keepers.insert(self.uid.clone(), keeping)),
                    None => drop(keepers.remove(&self.uid)),
                }
            }
            changed
        });
    }

    fn status(&self, object: &PlcRuntime) -> PlcRuntimeStatus {
        let bundle = self.record.as_ref().map(|record| &record.bundle);
        observe::status(&View {
            object: object.metadata.namespace.as_deref().zip(object.metadata.name.as_deref()),
            holder: self.holding.then_some(self.shared.options.node_name.as_str()),
            generation: bundle.map(|bundle| bundle.generation).or(object.metadata.generation),
            run: bundle.map_or(RunMode::Running, |bundle| bundle.run),
            realtime: bundle.map_or(RealtimeMode::Preferred, |bundle| bundle.realtime),
            refused: self.refused.as_ref(),
            keeper: self.seen.as_deref().ok_or(self.keeper_missing.as_str()),
            releasing: self.releasing.as_deref(),
            now: Timestamp::now(),
        })
    }

    pub(super) fn client(&self) -> Option<Client> {
        self.shared.client.borrow().clone()
    }

    pub(super) fn tell(&self, happening: Happening) {
        if let Some(about) = &self.about {
            self.shared.teller.tell(about, happening);
        } else {
            tracing::info!(uid = self.uid, reason = happening.reason, "{}", happening.note);
        }
    }

    /// `namespace/name`, or the uid where those are not known.
    pub(super) fn name(&self) -> String {
        match &self.about {
            Some(ObjectReference { namespace: Some(namespace), name: Some(name), .. }) => {
                format!("{namespace}/{name}")
            }
            _ => self.uid.clone(),
        }
    }

    /// Work on the disk, beside the async tasks.
    pub(super) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store<Record>, &str) -> Result<T, crate::store::StoreError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let store = Arc::clone(&self.shared.store);
        let uid = self.uid.clone();
        match tokio::task::spawn_blocking(move || work(&store, &uid)).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(Trouble::Interrupted(error.to_string())),
        }
    }
}

/// Whether waiting for a change makes sense: once the sender is gone, it returns at once for ever.
fn changed_can_come(client: &watch::Receiver<Option<Client>>) -> bool {
    client.has_changed().is_ok()
}

fn reference(identity: &Identity) -> ObjectReference {
    ObjectReference {
        api_version: Some(PlcRuntime::api_version(&()).into_owned()),
        kind: Some(PlcRuntime::kind(&()).into_owned()),
        namespace: Some(identity.namespace.clone()),
        name: Some(identity.name.clone()),
        uid: Some(identity.uid.clone()),
        ..ObjectReference::default()
    }
}
