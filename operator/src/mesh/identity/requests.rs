//! The controller of requests for certificates: approves or denies, then signs.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::{Action, Controller, Error as ControllerError};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Backoff, Reachability, bounded, sentence};
use lineshaft_crds::mesh_site::SIGNER;
use serde_json::{Value, json};

use super::authority::{Authority, CERTIFICATE_HOLDS, Error};
use super::judge::{Verdict, judge};
use crate::metrics::Metrics;
use crate::options::{Options, Scope};

/// Field manager of what this writes.
const MANAGER: &str = "lineshaft-operator/mesh-certificates";
/// The authority is looked at so often: somebody may have deleted its Secret.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// After a failure.
const RETRY: Duration = Duration::from_secs(5);
const LONGEST_MESSAGE_BYTES: usize = 1024;
const NAME: &str = "certificate";

struct Signer {
    requests: Api<CertificateSigningRequest>,
    client: Client,
    namespace: String,
    /// It takes care of one namespace only, and may not be the only one of the cluster.
    beside_others: bool,
    api: Reachability,
    metrics: Metrics,
}

/// Keeps the authority and signs what it should. Ends only by being dropped.
pub(crate) async fn run(client: &Client, options: &Options, api: &Reachability, metrics: &Metrics) {
    let requests: Api<CertificateSigningRequest> = Api::all(client.clone());
    let signer = Arc::new(Signer {
        requests: requests.clone(),
        client: client.clone(),
        namespace: options.lease_namespace.clone(),
        beside_others: matches!(options.scope, Scope::Namespace(_)),
        api: api.clone(),
        metrics: metrics.clone(),
    });
    let ours = watcher::Config::default().fields(&format!("spec.signerName={SIGNER}"));
    let signing = Controller::new(requests, ours)
        .run(
            |request, signer: Arc<Signer>| async move { signer.reconcile(&request).await },
            |_, error, signer| {
                signer.failed(error);
                Action::requeue(RETRY)
            },
            signer.clone(),
        )
        .for_each(|result| {
            // Its own failures are told where they happen.
            if let Err(error) = result
                && !matches!(
                    error,
                    ControllerError::ReconcilerFailed(..) | ControllerError::ObjectNotFound(_)
                )
            {
                tracing::debug!(%error, "the watch of requests for certificates");
            }
            std::future::ready(())
        });
    tokio::join!(signing, signer.keep(&options.identity));
}

impl Signer {
    /// Agents learn from what is published which site they are of, before they ask for anything.
    async fn keep(&self, identity: &str) {
        let mut backoff = Backoff::new(identity);
        loop {
            let pause = match Authority::ensure(&self.client, &self.namespace).await {
                Ok(_) => {
                    backoff.succeed();
                    LOOK_EVERY
                }
                Err(error) => {
                    self.failed(&error);
                    backoff.fail()
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn failed(&self, error: &Error) {
        self.metrics.reconciliations.with_label_values(&[NAME, "failed"]).inc();
        if self.api.is_away() {
            tracing::debug!(error = sentence(error), "the authority of the mesh");
        } else {
            tracing::warn!(error = sentence(error), "the authority of the mesh");
        }
    }

    async fn reconcile(&self, request: &CertificateSigningRequest) -> Result<Action, Error> {
        let status = request.status.clone().unwrap_or_default();
        let has = |type_: &str| status.conditions.iter().flatten().any(|one| one.type_ == type_);
        if status.certificate.is_some() || has("Denied") || has("Failed") {
            return Ok(Action::await_change());
        }
        let authority = Authority::ensure(&self.client, &self.namespace).await?;
        let name = request.name_any();
        match judge(request, &authority.site) {
            // What a person has approved is judged like any other.
            Verdict::Grant { node, key } => {
                if !has("Approved") {
                    let message = format!("the requester is the agent of node {node}");
                    self.decide(&name, "Approved", "AgentOfNode", &message).await?;
                }
                let asked = request.spec.expiration_seconds.and_then(|asked| u64::try_from(asked).ok());
                let pem =
                    authority.sign(&node, &key, asked.map_or(CERTIFICATE_HOLDS, Duration::from_secs))?;
                let says = json!({"certificate": ByteString(pem.into_bytes())});
                self.requests
                    .patch_status(&name, &params("status"), &Patch::Apply(body(&name, &says)))
                    .await?;
                tracing::info!(request = name, node, "a certificate of the mesh is made");
                self.metrics.reconciliations.with_label_values(&[NAME, "applied"]).inc();
            }
            Verdict::OtherSite if self.beside_others => {}
            verdict if has("Approved") => {
                tracing::warn!(request = name, ?verdict, "approved by somebody, and not signed");
            }
            Verdict::OtherSite => {
                self.decide(&name, "Denied", "OtherSite", &format!("this site is {}", authority.site))
                    .await?;
            }
            Verdict::Refuse(refusal) => {
                self.decide(&name, "Denied", refusal.reason(), &refusal.to_string()).await?;
                tracing::warn!(request = name, why = %refusal, "a certificate of the mesh is refused");
            }
        }
        Ok(Action::await_change())
    }

    async fn decide(&self, name: &str, type_: &str, reason: &str, message: &str) -> Result<(), Error> {
        let message = bounded(message, LONGEST_MESSAGE_BYTES);
        let condition = json!({"type": type_, "status": "True", "reason": reason, "message": message});
        let decided = body(name, &json!({"conditions": [condition]}));
        self.requests.patch_approval(name, &params("approval"), &Patch::Apply(decided)).await?;
        Ok(())
    }
}

fn params(part: &str) -> PatchParams {
    PatchParams::apply(&format!("{MANAGER}-{part}")).force()
}

fn body(name: &str, status: &Value) -> Value {
    json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": name}, "status": status,
    })
}
