//! `PlcRuntime`: judged, bound to a node, summed up. Five steps, a module each:
//!
//! 1. `dereference`: reads what the spec refers to.
//! 2. `validate`: judges it, purely; `judgements` keeps what was judged.
//! 3. `build`: the operator's part of the status, purely, with the node that `binding` chooses.
//! 4. and 5. `update_status`: writes it, if it differs. The operator has no objects of its own to apply.

mod binding;
mod build;
mod dereference;
mod judgements;
mod update_status;
pub(crate) mod validate;

use std::sync::Arc;

use jiff::Timestamp;
use kube::core::ObjectMeta;
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Written, sentence};
use lineshaft_crds::{PlcRuntime, condition, plc_runtime};

use crate::backoff::Backoff;
use crate::controller::{Done, Outcome, Reconcile};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::story::{Chapter, Storyteller};
use crate::watches::Stores;
use judgements::Judgements;

pub(crate) use build::without_own_fields;
pub(crate) use dereference::sources;

/// Why a runtime could not be reconciled. What is wrong with its spec is no error but a condition.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read ConfigMap {name:?}")]
    ReadConfigMap { name: String, source: Box<kube::Error> },
    #[error("the compiler failed; please report the program that it failed on")]
    CompilerFailed,
    #[error("cannot write the status")]
    UpdateStatus(#[source] Box<kube::Error>),
    #[error("cannot remove the finalizer")]
    RemoveFinalizer(#[source] Box<kube::Error>),
}

/// The controller.
pub(crate) struct PlcRuntimes {
    client: Client,
    stores: Stores,
    metrics: Metrics,
    story: Storyteller,
    backoff: Backoff,
    judgements: Judgements,
}

impl PlcRuntimes {
    pub(crate) fn new(client: &Client, options: &Options, metrics: &Metrics, stores: &Stores) -> Self {
        Self {
            client: client.clone(),
            stores: stores.clone(),
            metrics: metrics.clone(),
            story: Storyteller::new(client.clone(), &options.identity, stores.api.clone()),
            backoff: Backoff::default(),
            judgements: Judgements::default(),
        }
    }

    /// Forgets a runtime that is gone.
    pub(crate) fn forget(&self, metadata: &ObjectMeta) {
        self.backoff.reset(metadata.uid.as_deref().unwrap_or_default());
        self.story.forget(metadata);
    }
}

impl Reconcile for PlcRuntimes {
    type Object = PlcRuntime;
    type Error = Error;
    const NAME: &'static str = "plcruntime";

    async fn reconcile(&self, plc: Arc<PlcRuntime>) -> Result<Done, Error> {
        self.stores.ready().await;
        let api: Api<PlcRuntime> = Api::namespaced(self.client.clone(), &plc.namespace().unwrap_or_default());
        if plc.metadata.deletion_timestamp.is_some() {
            let nodes = crate::watches::readable(&self.stores.edge_nodes);
            if !update_status::is_released(&plc, &nodes) {
                return Ok(Outcome::Skipped.into());
            }
            return Ok(outcome(update_status::remove_finalizer(&api, &plc).await?).into());
        }

        let found = dereference::dereference(&self.client, &self.stores, &plc).await?;
        let judgement = match &found.sources {
            Ok(sources) => {
                let judged = self.judgements.judge(&plc.spec, sources.clone(), &self.metrics).await;
                Some(judged.ok_or(Error::CompilerFailed)?)
            }
            Err(_) => None,
        };
        let status = build::status(&plc, &found, judgement.as_deref(), Timestamp::now());
        let old = build::owned(plc.status.clone().unwrap_or_default());
        if old == status {
            return Ok(Outcome::Skipped.into());
        }
        let written = update_status::update_status(&api, &plc, &status, &self.metrics).await?;
        if written == Written::Applied {
            let accepted = condition::find(&status.conditions, plc_runtime::conditions::ACCEPTED);
            tracing::info!(
                name = plc.name_any(),
                namespace = plc.namespace(),
                node = status.node_name,
                accepted = accepted.map(|accepted| accepted.reason.as_str()),
                "status written"
            );
            self.story.tell(&*plc, build::story(&old, &status)).await;
        }
        Ok(outcome(written).into())
    }

    async fn failed(&self, plc: &PlcRuntime, error: &Error) {
        self.story.tell(plc, vec![Chapter::warning(Self::reason(error), "Reconcile", sentence(error))]).await;
    }

    fn reason(error: &Error) -> &'static str {
        match error {
            Error::ReadConfigMap { .. } => "ReadConfigMap",
            Error::CompilerFailed => "CompilerFailed",
            Error::UpdateStatus(_) => "UpdateStatus",
            Error::RemoveFinalizer(_) => "RemoveFinalizer",
        }
    }

    fn backoff(&self) -> &Backoff {
        &self.backoff
    }
}

fn outcome(written: Written) -> Outcome {
    match written {
        Written::Applied => Outcome::Applied,
        Written::Conflict => Outcome::Waiting,
        Written::Gone => Outcome::Skipped,
    }
}
