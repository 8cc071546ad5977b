//! The controller of subscriptions: reads what they refer to, writes their status if it differs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use lineshaft_api_client::{Written, sentence};
use lineshaft_crds::plc_runtime::sources_hash;
use lineshaft_crds::{MeshSubscription, MeshSubscriptionStatus, PlcRuntime};
use lineshaft_plc_compiler::layout::Layout;
use serde::Serialize;

use super::build::{self, Found};
use crate::apply::apply_status;
use crate::backoff::Backoff;
use crate::controller::{Done, Outcome, Reconcile};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::plc_runtime::{self, sources};
use crate::story::{Chapter, Storyteller};
use crate::watches::{Stores, readable};

const STATUS_MANAGER: &str = "lineshaft-operator/meshsubscription-status";
/// Programs whose layouts are kept; of any more, some are compiled again.
const LAYOUTS_KEPT: usize = 256;

/// Why a subscription could not be reconciled. What is wrong with its spec is no error but a condition.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read the program of the runtime")]
    ReadProgram(#[source] Box<plc_runtime::Error>),
    #[error("the compiler failed; please report the program that it failed on")]
    CompilerFailed,
    #[error("cannot write the status")]
    UpdateStatus(#[source] Box<kube::Error>),
}

/// What a layout was made of: the runtime, the generation of its spec, the hash of its sources.
type Key = (String, i64, String);

/// The controller.
pub(crate) struct MeshSubscriptions {
    client: Client,
    stores: Stores,
    metrics: Metrics,
    story: Storyteller,
    backoff: Backoff,
    layouts: Mutex<HashMap<Key, Option<Arc<Layout>>>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Intent<'a> {
    api_version: String,
    kind: String,
    metadata: IntentMetadata,
    status: &'a MeshSubscriptionStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntentMetadata {
    name: String,
    namespace: Option<String>,
    resource_version: Option<String>,
}

impl MeshSubscriptions {
    pub(crate) fn new(client: &Client, options: &Options, metrics: &Metrics, stores: &Stores) -> Self {
        Self {
            client: client.clone(),
            stores: stores.clone(),
            metrics: metrics.clone(),
            story: Storyteller::new(client.clone(), &options.identity, stores.api.clone()),
            backoff: Backoff::default(),
            layouts: Mutex::default(),
        }
    }

    /// Forgets a subscription that is gone.
    pub(crate) fn forget(&self, metadata: &ObjectMeta) {
        self.backoff.reset(metadata.uid.as_deref().unwrap_or_default());
        self.story.forget(metadata);
    }

    async fn found(&self, subscription: &MeshSubscription) -> Result<Found, Error> {
        let namespace = subscription.namespace();
        let mut beside = readable(&self.stores.plc_runtimes);
        beside.retain(|runtime| runtime.namespace() == namespace);
        let name = &subscription.spec.runtime_ref.name;
        let runtime = beside.iter().find(|runtime| runtime.name_any() == *name).cloned();
        let layout = match &runtime {
            Some(runtime) => self.layout(runtime).await?,
            None => None,
        };
        let mut earlier = readable(&self.stores.mesh_subscriptions);
        // Times are of whole seconds; within one, the name decides, as people can see it.
        let age = |one: &MeshSubscription| {
            (one.metadata.creation_timestamp.as_ref().map(|time| time.0), one.name_any())
        };
        earlier.retain(|other| {
            other.namespace() == namespace
                && other.spec.runtime_ref == subscription.spec.runtime_ref
                && age(other) < age(subscription)
        });
        earlier.sort_by_key(age);
        Ok(Found { runtime, layout, earlier, beside, nodes: readable(&self.stores.edge_nodes) })
    }

    /// The layout of a program, compiled once for each of its versions.
    async fn layout(&self, runtime: &PlcRuntime) -> Result<Option<Arc<Layout>>, Error> {
        let sources = sources(&self.client, runtime).await;
        let Ok(sources) = sources.map_err(|error| Error::ReadProgram(Box::new(error)))? else {
            return Ok(None);
        };
        let generation = runtime.metadata.generation.unwrap_or_default();
        let key: Key = (runtime.uid().unwrap_or_default(), generation, sources_hash(&sources));
        if let Some(layout) = self.layouts.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(layout.clone());
        }
        let spec = runtime.spec.clone();
        let compiled = move || plc_runtime::validate::compiled(&spec, &sources).map(|program| program.layout);
        let layout = tokio::task::spawn_blocking(compiled).await.map_err(|_panic| Error::CompilerFailed)?;
        let layout = layout.map(Arc::new);
        let mut layouts = self.layouts.lock().unwrap_or_else(PoisonError::into_inner);
        layouts.retain(|(uid, ..), _| *uid != key.0);
        if layouts.len() >= LAYOUTS_KEPT {
            layouts.clear();
        }
        layouts.insert(key, layout.clone());
        Ok(layout)
    }
}

impl Reconcile for MeshSubscriptions {
    type Object = MeshSubscription;
    type Error = Error;
    const NAME: &'static str = "meshsubscription";

    async fn reconcile(&self, subscription: Arc<MeshSubscription>) -> Result<Done, Error> {
        self.stores.ready().await;
        if subscription.metadata.deletion_timestamp.is_some() {
            return Ok(Outcome::Skipped.into());
        }
        let found = self.found(&subscription).await?;
        let status = build::status(&subscription, &found, Timestamp::now());
        let old = build::owned(subscription.status.clone().unwrap_or_default());
        if old == status {
            return Ok(Outcome::Skipped.into());
        }
        let intent = Intent {
            api_version: MeshSubscription::api_version(&()).into_owned(),
            kind: MeshSubscription::kind(&()).into_owned(),
            metadata: IntentMetadata {
                name: subscription.name_any(),
                namespace: subscription.namespace(),
                resource_version: subscription.resource_version(),
            },
            status: &status,
        };
        let api: Api<MeshSubscription> =
            Api::namespaced(self.client.clone(), &subscription.namespace().unwrap_or_default());
        let written = apply_status(&api, &subscription.name_any(), STATUS_MANAGER, &intent, &self.metrics)
            .await
            .map_err(|error| Error::UpdateStatus(Box::new(error)))?;
        match written {
            Written::Applied => {
                self.story.tell(&*subscription, build::story(&old, &status)).await;
                Ok(Outcome::Applied.into())
            }
            Written::Conflict => Ok(Outcome::Waiting.into()),
            Written::Gone => Ok(Outcome::Skipped.into()),
        }
    }

    async fn failed(&self, subscription: &MeshSubscription, error: &Error) {
        let chapter = Chapter::warning(Self::reason(error), "Reconcile", sentence(error));
        self.story.tell(subscription, vec![chapter]).await;
    }

    fn reason(error: &Error) -> &'static str {
        match error {
            Error::ReadProgram(_) => "ReadConfigMap",
            Error::CompilerFailed => "CompilerFailed",
            Error::UpdateStatus(_) => "UpdateStatus",
        }
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}
