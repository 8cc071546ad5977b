//! One controller: takes references from a queue, reconciles objects, waits longer after each failure.

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::channel::mpsc::Receiver;
use futures::{FutureExt, StreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Action, Error as ApplierError};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use lineshaft_api_client::{Reachability, sentence};

use crate::backoff::Backoff;
use crate::metrics::Metrics;
use crate::options::Options;

/// An object that could not be read as its type is a value, not the end of its watch.
pub(crate) type Guarded<K> = DeserializeGuard<K>;

/// Every object is looked at again after this time, in case that a change was missed. Nothing is written then.
const RESYNC_EVERY: Duration = Duration::from_mins(5);
/// When an object changed while it was judged, its newer state is about to arrive.
const AFTER_CONFLICT: Duration = Duration::from_millis(100);

/// What a reconciliation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something was written.
    Applied,
    /// There was nothing to write.
    Skipped,
    /// The object changed meanwhile: once more.
    Waiting,
}

impl Outcome {
    fn label(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Skipped => "skipped",
            Self::Waiting => "waiting",
        }
    }
}

/// What a reconciliation did, and when to look again at the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    pub(crate) again: Option<Duration>,
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, again: None }
    }
}

/// The controller of one kind.
pub(crate) trait Reconcile: Send + Sync + 'static {
    /// The kind.
    type Object: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + 'static;
    /// What can go wrong.
    type Error: std::error::Error + Send + 'static;
    /// Name in logs and metrics.
    const NAME: &'static str;

    /// Brings one object's status, and nothing else, to what it should be.
    fn reconcile(&self, object: Arc<Self::Object>) -> impl Future<Output = Result<Done, Self::Error>> + Send;
    /// Tells the people who look at the object.
    fn failed(&self, object: &Self::Object, error: &Self::Error) -> impl Future<Output = ()> + Send;
    /// The variant of an error, for metrics.
    fn reason(error: &Self::Error) -> &'static str;
    /// Failures in a row.
    fn backoff(&self) -> &Backoff;
}

/// Works on the queue; ends when the queue does.
pub(crate) async fn run<C: Reconcile>(
    controller: Arc<C>,
    store: Store<Guarded<C::Object>>,
    queue: Receiver<ObjectRef<Guarded<C::Object>>>,
    api: &Reachability,
    metrics: &Metrics,
    options: &Options,
) where
    ObjectRef<Guarded<C::Object>>: Hash + Eq,
{
    let context = Arc::new(Context { controller, api: api.clone(), metrics: metrics.clone() });
    controller::applier(
        |object, context| reconcile(object, context).boxed(),
        |object, _error, context| after_failure(&object, &context),
        context,
        store,
        queue.map(Ok::<_, std::convert::Infallible>),
        controller::Config::default().concurrency(options.concurrency),
    )
    .for_each(|result| {
        // A reconciliation's own failure is reported where it happens.
        if let Err(error) = result
            && !matches!(error, ApplierError::ObjectNotFound(_) | ApplierError::ReconcilerFailed(..))
        {
            tracing::error!(%error, controller = C::NAME, "the controller's queue failed");
        }
        std::future::ready(())
    })
    .await;
}

struct Context<C> {
    controller: Arc<C>,
    api: Reachability,
    metrics: Metrics,
}

async fn reconcile<C: Reconcile>(
    object: Arc<Guarded<C::Object>>,
    context: Arc<Context<C>>,
) -> Result<Action, C::Error> {
    let Context { controller, api, metrics } = &*context;
    let object = match &object.0 {
        Ok(object) => Arc::new(object.clone()),
        Err(invalid) => {
            let name = invalid.metadata.name.as_deref().unwrap_or_default();
            tracing::warn!(name, error = %invalid.error, controller = C::NAME, "object cannot be read");
            return Ok(Action::await_change());
        }
    };
    let start = Instant::now();
    let result = controller.reconcile(object.clone()).await;
    metrics.reconcile_duration.with_label_values(&[C::NAME]).observe(start.elapsed().as_secs_f64());
    match result {
        Ok(Done { outcome, again }) => {
            metrics.reconciliations.with_label_values(&[C::NAME, outcome.label()]).inc();
            controller.backoff().reset(&object.uid().unwrap_or_default());
            let latest = if outcome == Outcome::Waiting { AFTER_CONFLICT } else { RESYNC_EVERY };
            Ok(Action::requeue(again.map_or(latest, |again| again.min(latest))))
        }
        Err(error) => {
            metrics.reconciliations.with_label_values(&[C::NAME, "failed"]).inc();
            metrics.reconcile_errors.with_label_values(&[C::NAME, C::reason(&error)]).inc();
            // What fails because the API server is away is not worth a line for each object.
            if api.is_away() {
                tracing::debug!(error = sentence(&error), controller = C::NAME, "reconciliation failed");
            } else {
                tracing::warn!(
                    name = object.name_any(),
                    namespace = object.namespace(),
                    error = sentence(&error),
                    controller = C::NAME,
                    "reconciliation failed"
                );
            }
            controller.failed(&object, &error).await;
            Err(error)
        }
    }
}

fn after_failure<C: Reconcile>(object: &Guarded<C::Object>, context: &Context<C>) -> Action {
    let uid = object.meta().uid.clone().unwrap_or_default();
    Action::requeue(context.controller.backoff().after_failure(&uid))
}
