//! On a cluster people log in with a token of Kubernetes, and may do here what its rules let them do there.
//!
//! What is read comes from the agent's own stores, so the console asks the API server whether the person may read it.
//! What is written, the person writes: with their token, so that the API server judges and its audit log names them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config};
use lineshaft_api_client::sentence;
use tokio::time::Instant;

/// How long an answer of the API server counts.
const ANSWER_LASTS: Duration = Duration::from_secs(10);

/// Somebody whom the API server knows.
#[derive(Clone)]
pub(crate) struct Person {
    user: UserInfo,
    client: Client,
    token: String,
    /// Until then the token counts as good without another question.
    good_until: Arc<Mutex<Instant>>,
    answers: Arc<Mutex<HashMap<Deed, (bool, Instant)>>>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Something that the API server is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Deed {
    /// `list`
    pub(crate) verb: &'static str,
    /// API group.
    pub(crate) group: &'static str,
    /// `pairings`, `plcruntimes/variables`
    pub(crate) resource: &'static str,
    /// Empty: in all of them, or outside of any.
    pub(crate) namespace: String,
}

/// The API server of a cluster, as the agent and as whoever logs in.
#[derive(Clone)]
pub struct Cluster {
    config: Config,
    agent: Client,
}

impl Cluster {
    /// `config` is the agent's own; `agent` its client.
    pub fn new(config: Config, agent: Client) -> Self {
        Self { config, agent }
    }

    /// Whose token this is; nobody's: a sentence.
    pub(crate) async fn person(&self, token: &str) -> Result<Person, String> {
        let user = self.review(token).await?;
        let mut config = self.config.clone();
        config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        let client = Client::try_from(config).map_err(|error| sentence(&error))?;
        let good_until = Arc::new(Mutex::new(Instant::now() + ANSWER_LASTS));
        Ok(Person { user, client, token: token.to_owned(), good_until, answers: Arc::default() })
    }

    async fn review(&self, token: &str) -> Result<UserInfo, String> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() },
            ..TokenReview::default()
        };
        let reviews: Api<TokenReview> = Api::all(self.agent.clone());
        let answer = reviews
            .create(&PostParams::default(), &review)
            .await
            .map_err(|error| format!("The API server could not be asked: {}", sentence(&error)))?;
        let status = answer.status.unwrap_or_default();
        let user = status.user.filter(|_| status.authenticated == Some(true));
        user.ok_or_else(|| "The API server does not know this token.".to_owned())
    }

    /// Whether a token is still what it was at the login: they end, and are taken back.
    async fn is_still_good(&self, person: &Person) -> bool {
        let good_until = || person.good_until.lock().unwrap_or_else(PoisonError::into_inner);
        if Instant::now() < *good_until() {
            return true;
        }
        match self.review(&person.token).await {
            Ok(user) if user.username == person.user.username && user.uid == person.user.uid => {
                *good_until() = Instant::now() + ANSWER_LASTS;
                true
            }
            Ok(_) => false,
            Err(why) => {
                tracing::warn!(person = person.name(), why, "a session of the console is refused");
                false
            }
        }
    }

    /// Whether a person may do something.
    pub(crate) async fn may(&self, person: &Person, deed: &Deed) -> bool {
        if !self.is_still_good(person).await {
            return false;
        }
        let now = Instant::now();
        let known = person.answers.lock().unwrap_or_else(PoisonError::into_inner).get(deed).copied();
        if let Some((allowed, until)) = known
            && now < until
        {
            return allowed;
        }
        let reviews: Api<SubjectAccessReview> = Api::all(self.agent.clone());
        let asked = reviews.create(&PostParams::default(), &question(&person.user, deed)).await;
        let allowed = match asked {
            Ok(answer) => answer.status.is_some_and(|status| status.allowed),
            Err(error) => {
                tracing::warn!(error = sentence(&error), "the API server does not say who may read what");
                return false;
            }
        };
        let mut answers = person.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(deed.clone(), (allowed, now + ANSWER_LASTS));
        allowed
    }
}

impl Person {
    /// As the API server names them.
    pub(crate) fn name(&self) -> &str {
        self.user.username.as_deref().unwrap_or_default()
    }

    /// A client with their own token.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }
}

fn question(user: &UserInfo, deed: &Deed) -> SubjectAccessReview {
    let (resource, subresource) = match deed.resource.split_once('/') {
        Some((resource, below)) => (resource, Some(below.to_owned())),
        None => (deed.resource, None),
    };
    SubjectAccessReview {
        spec: SubjectAccessReviewSpec {
            user: user.username.clone(),
            uid: user.uid.clone(),
            groups: user.groups.clone(),
            extra: user.extra.clone(),
            resource_attributes: Some(ResourceAttributes {
                verb: Some(deed.verb.to_owned()),
                group: Some(deed.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                namespace: Some(deed.namespace.clone()).filter(|namespace| !namespace.is_empty()),
                ..ResourceAttributes::default()
            }),
            ..SubjectAccessReviewSpec::default()
        },
        ..SubjectAccessReview::default()
    }
}
