//! Waits until an identity may do what it is about to do.
//!
//! An API server learns of a role some milliseconds after it was written. A client that comes too early is refused,
//! and tries again only after a second or more: asking first makes a start that much shorter.

use std::time::Duration;

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use lineshaft_api_client::sentence;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the server is asked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// After this long the identity starts anyway, and says itself what it lacks.
const PATIENCE: Duration = Duration::from_secs(3);

/// Something that an identity does first of all.
pub(crate) struct Deed {
    /// `list`
    pub(crate) verb: &'static str,
    /// API group.
    pub(crate) group: &'static str,
    /// `plcruntimes`
    pub(crate) resource: &'static str,
    /// Where; absent: everywhere.
    pub(crate) namespace: Option<&'static str>,
}

/// Waits until all of it is allowed.
pub(crate) async fn wait(client: &Client, deeds: &[Deed]) {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let end = Instant::now() + PATIENCE;
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for deed in deeds {
        while Instant::now() < end {
            ticks.tick().await;
            match reviews.create(&PostParams::default(), &review(deed)).await {
                Ok(review) if review.status.as_ref().is_some_and(|status| status.allowed) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(error = sentence(&error), "cannot ask what is allowed");
                    return;
                }
            }
        }
    }
}

fn review(deed: &Deed) -> SelfSubjectAccessReview {
    let attributes = ResourceAttributes {
        verb: Some(deed.verb.to_owned()),
        group: Some(deed.group.to_owned()),
        resource: Some(deed.resource.to_owned()),
        namespace: deed.namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
