//! The site that this agent belongs to: who says so, and the certificate by which others of it know this agent.
//!
//! The operator publishes the site's name and its authorities; this agent makes a request for its own key and waits
//! for what becomes of it. Everything that was learned is on the disk: an agent that starts without its API server
//! knows its site and is known in it.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Backoff, sentence};
use lineshaft_crds::mesh_site::{AUTHORITIES_KEY, SIGNER, SITE_KEY, USAGES, name_of};
use lineshaft_mesh::identity::Identity;
use lineshaft_mesh::membership::Membership;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::thread::Mesh;

/// How long a certificate is asked to hold.
const HOLDS_SECONDS: i32 = 90 * 24 * 3_600;
/// An answer takes the operator a moment.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const LAST_LOOK: Duration = Duration::from_secs(5);
/// Whoever should answer does not.
const ANSWER_MAX: Duration = Duration::from_mins(1);
/// The time is written down so often: a clock that goes back does not go back behind it.
const SAVE_EVERY: Duration = Duration::from_hours(24);

/// A certificate in PEM, or why there is none.
type Asked = Result<String, String>;

/// What this agent knows of its site.
pub(crate) struct Site {
    node: String,
    directory: PathBuf,
    membership: Option<Membership>,
    /// Somebody has answered the question which site it is, or cannot be asked.
    settled: bool,
    requests: JoinSet<Asked>,
    backoff: Backoff,
    again: Instant,
    /// Why there is no certificate.
    problem: Option<String>,
    /// What was published and cannot be used, told once.
    unusable: Option<(String, String)>,
    saved: Instant,
}

impl Site {
    /// As far as it is on the disk.
    pub(crate) fn open(node: &str, directory: PathBuf) -> Self {
        let membership = match Membership::open(&directory, node) {
            Ok(membership) => membership,
            Err(error) => {
                tracing::error!(%error, "the site must be learned anew");
                None
            }
        };
        // An agent that was in a mesh goes on as it was, without waiting for the API server.
        let known = membership.is_some() || Identity::exists(&directory);
        Self {
            node: node.to_owned(),
            directory,
            settled: known,
            membership,
            requests: JoinSet::new(),
            backoff: Backoff::new(node),
            again: Instant::now(),
            problem: None,
            unusable: None,
            saved: Instant::now(),
        }
    }

    /// The API server has said something of the site, or cannot.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }

    /// Whether it is known which site this is, or that nobody says so.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Its name, if it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.membership.as_ref().map(Membership::site)
    }

    /// How others of it are known.
    pub(crate) fn membership(&self) -> Option<&Membership> {
        self.membership.as_ref()
    }

    /// Why others of the site cannot know this agent; `None`: they can.
    pub(crate) fn problem(&self, mesh: &Mesh) -> Option<String> {
        let Some(membership) = &self.membership else {
            return Some("no operator has said yet which site this is".to_owned());
        };
        if membership.certificate(mesh.me().key).is_some() {
            return None;
        }
        Some(self.problem.clone().unwrap_or_else(|| "it has been asked for".to_owned()))
    }

    /// Takes over what is published. The certificate stays as long as it counts.
    pub(crate) fn learn(&mut self, published: &ConfigMap) {
        let value = |key: &str| published.data.as_ref()?.get(key).cloned();
        let (Some(site), Some(authorities)) = (value(SITE_KEY), value(AUTHORITIES_KEY)) else { return };
        let known = self.membership.as_ref();
        if known.is_some_and(|known| known.site() == site && known.authorities() == authorities) {
            return;
        }
        let learned = match known {
            Some(known) => known.with_authorities(&site, &authorities),
            None => Membership::new(&site, &self.node, &authorities),
        };
        match learned {
            Ok(membership) => {
                tracing::info!(site, "the site is known");
                self.keep(membership);
                self.again = Instant::now();
            }
            Err(error) => {
                let told = (authorities, error.to_string());
                if self.unusable.as_ref() != Some(&told) {
                    tracing::error!(%error, "what is published of the site");
                    self.unusable = Some(told);
                }
            }
        }
    }

    /// Makes the mesh trust the site, and asks for a certificate when one is needed.
    pub(crate) fn pass(&mut self, mesh: &Mesh, client: Option<Client>) {
        let Some(membership) = self.membership.clone() else { return };
        if self.saved.elapsed() >= SAVE_EVERY {
            self.keep(membership.clone());
        }
        if mesh.trust.membership().as_deref() != Some(&membership) {
            mesh.trust.join(membership.clone());
        }
        let due = self.requests.is_empty() && Instant::now() >= self.again;
        let Some(client) = client.filter(|_| due && membership.needs_certificate(mesh.me().key)) else {
            return;
        };
        let name = name_of(membership.site(), &self.node);
        match mesh.certificate_request(&name) {
            Some(request) => {
                self.requests.spawn(ask(client, self.node.clone(), request));
            }
            None => self.fail(format!("{name} is no name that can stand in a certificate")),
        }
    }

    /// Until a request has been answered.
    pub(crate) async fn asked(&mut self) -> Asked {
        match self.requests.join_next().await {
            Some(Ok(asked)) => asked,
            Some(Err(error)) => Err(error.to_string()),
            None => std::future::pending().await,
        }
    }

    /// Takes the answer to a request.
    pub(crate) fn answered(&mut self, mesh: &Mesh, asked: Asked) {
        let certified = asked.and_then(|pem| {
            let membership = self.membership.as_ref().ok_or("the site is no longer known")?;
            membership.with_certificate(&pem, mesh.me().key).map_err(|error| error.to_string())
        });
        match certified {
            Ok(membership) => {
                tracing::info!(site = membership.site(), "this agent has a certificate of its site");
                self.keep(membership);
                self.backoff.succeed();
                self.problem = None;
            }
            Err(why) => self.fail(why),
        }
    }

    fn fail(&mut self, why: String) {
        if self.problem.as_ref() != Some(&why) {
            tracing::warn!(why, "this agent gets no certificate of its site");
        }
        self.problem = Some(why);
        self.again = Instant::now() + self.backoff.fail();
    }

    fn keep(&mut self, membership: Membership) {
        if let Err(error) = membership.save(&self.directory) {
            tracing::error!(%error, "what is known of the site is lost when this agent ends");
        }
        self.saved = Instant::now();
        self.membership = Some(membership);
    }
}

/// Asks the operator and waits for its answer.
async fn ask(client: Client, node: String, request: String) -> Asked {
    let api: Api<CertificateSigningRequest> = Api::all(client);
    let object = CertificateSigningRequest {
        metadata: ObjectMeta {
            generate_name: Some(format!("lineshaft-mesh-{node}-")),
            ..ObjectMeta::default()
        },
        spec: CertificateSigningRequestSpec {
            request: ByteString(request.into_bytes()),
            signer_name: SIGNER.to_owned(),
            usages: Some(USAGES.map(str::to_owned).to_vec()),
            expiration_seconds: Some(HOLDS_SECONDS),
            ..CertificateSigningRequestSpec::default()
        },
        status: None,
    };
    let created = timeout(ANSWER_MAX, api.create(&PostParams::default(), &object)).await;
    let created = created.map_err(|_| "the API server does not answer")?;
    let name = created.map_err(|error| sentence(&error))?.name_any();
    match timeout(ANSWER_MAX, answer(&api, &name)).await {
        Ok(answer) => answer,
        Err(_) => {
            Err(format!("nobody has answered CertificateSigningRequest {name}: does the operator run?"))
        }
    }
}

async fn answer(api: &Api<CertificateSigningRequest>, name: &str) -> Asked {
    let mut pause = FIRST_LOOK;
    loop {
        let request = api.get(name).await.map_err(|error| sentence(&error))?;
        if let Some(answer) = answer_in(&request) {
            return answer;
        }
        tokio::time::sleep(pause).await;
        pause = (2 * pause).min(LAST_LOOK);
    }
}

fn answer_in(request: &CertificateSigningRequest) -> Option<Asked> {
    let status = request.status.as_ref()?;
    if let Some(ByteString(pem)) = &status.certificate {
        return Some(String::from_utf8(pem.clone()).map_err(|_| "the certificate is no text".to_owned()));
    }
    let refused =
        status.conditions.iter().flatten().find(|one| ["Denied", "Failed"].contains(&one.type_.as_str()))?;
    let why = refused.message.as_deref().unwrap_or_default();
    Some(Err(format!("CertificateSigningRequest {} was refused: {why}", request.name_any())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn operator_and_agents_mean_the_same_name() {
        assert_eq!(name_of("plant", "edge-a"), lineshaft_mesh::membership::name_of("plant", "edge-a"));
    }

    #[test]
    fn an_answer_is_a_certificate_or_a_refusal() {
        let request = |status: serde_json::Value| {
            let object = json!({
                "metadata": {"name": "r"}, "spec": {"request": "", "signerName": SIGNER}, "status": status,
            });
            serde_json::from_value::<CertificateSigningRequest>(object).unwrap()
        };
        let condition = |type_: &str| json!({"type": type_, "status": "True", "message": "no"});
        assert_eq!(answer_in(&request(json!({}))), None);
        assert_eq!(answer_in(&request(json!({"conditions": [condition("Approved")]}))), None);
        let denied = answer_in(&request(json!({"conditions": [condition("Denied")]})));
        assert_eq!(denied, Some(Err("CertificateSigningRequest r was refused: no".to_owned())));
        let pem = answer_in(&request(json!({"conditions": [condition("Approved")], "certificate": "UEVN"})));
        assert_eq!(pem, Some(Ok("PEM".to_owned())));
    }
}
