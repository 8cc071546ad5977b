//! Applies the user's manifests by server-side apply, as the manager `lineshaft-up`.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::resource::{self, ResourceError, Served};
use crate::manifest::{Identity, Manifest};

/// Owner of the fields of applied manifests.
const MANAGER: &str = "lineshaft-up";

/// Why a manifest was not applied.
#[derive(Debug, thiserror::Error)]
#[error("{place}: cannot apply {identity}: {cause}")]
pub(crate) struct ApplyError {
    place: String,
    identity: Box<Identity>,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Kind(#[from] ResourceError),
    #[error("{}", message(.0))]
    Refused(Box<kube::Error>),
}

/// What applying did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there.
    Created,
    /// It was different.
    Changed,
    /// It was the same.
    Unchanged,
    /// Somebody else has changed fields of it since: it stays as that one wants it.
    Kept(String),
}

/// An object with what became of it.
pub(crate) struct Applied {
    /// Which.
    pub(crate) identity: Identity,
    /// What.
    pub(crate) outcome: Outcome,
}

/// Applies all, namespaces first, our own kinds last: what they refer to is there then.
pub(crate) async fn apply(client: &Client, manifests: &[Manifest]) -> Result<Vec<Applied>, ApplyError> {
    let mut ordered: Vec<&Manifest> = manifests.iter().collect();
    ordered.sort_by_key(|manifest| rank(&manifest.identity));
    let mut done = Vec::with_capacity(ordered.len());
    let mut namespaces_seen = Vec::new();
    for manifest in ordered {
        let failed = |cause| ApplyError {
            place: manifest.place(),
            identity: Box::new(manifest.identity.clone()),
            cause,
        };
        let served = find(client, &manifest.identity).await.map_err(|error| failed(error.into()))?;
        if served.namespaced {
            let namespace = manifest.identity.namespace_or_default();
            if !namespaces_seen.iter().any(|seen| seen == namespace) {
                namespaces_seen.push(namespace.to_owned());
                if let Some(applied) = ensure_namespace(client, namespace).await.map_err(failed)? {
                    done.push(applied);
                }
            }
        }
        let outcome = apply_one(client, &served, &manifest.identity, manifest.value.clone())
            .await
            .map_err(|error| failed(Cause::Refused(Box::new(error))))?;
        done.push(Applied { identity: manifest.identity.clone(), outcome });
    }
    Ok(done)
}

fn rank(identity: &Identity) -> u8 {
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", _) => 1,
        (lineshaft_crds::GROUP, _) => 3,
        _ => 2,
    }
}

async fn find(client: &Client, identity: &Identity) -> Result<Served, ResourceError> {
    let gvk = GroupVersionKind::gvk(&identity.group, &identity.version, &identity.kind);
    resource::find(client, &gvk).await
}

/// Creates a namespace that an object wants and nobody made.
async fn ensure_namespace(client: &Client, name: &str) -> Result<Option<Applied>, Cause> {
    let identity = Identity {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    let served = find(client, &identity).await?;
    let refused = |error| Cause::Refused(Box::new(error));
    if served.api(client, None).get_metadata_opt(name).await.map_err(refused)?.is_some() {
        return Ok(None);
    }
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    let outcome = apply_one(client, &served, &identity, object).await.map_err(refused)?;
    Ok(Some(Applied { identity, outcome }))
}

async fn apply_one(
    client: &Client,
    served: &Served,
    identity: &Identity,
    object: Value,
) -> Result<Outcome, kube::Error> {
    let api = served.api(client, Some(identity.namespace_or_default()));
    let before = api.get_metadata_opt(&identity.name).await?.map(|object| object.resource_version());
    let parameters = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply(MANAGER)
    };
    let applied: Result<DynamicObject, _> =
        api.patch(&identity.name, &parameters, &Patch::Apply(&object)).await;
    match (before, applied) {
        (None, Ok(_)) => Ok(Outcome::Created),
        (Some(before), Ok(object)) if object.resource_version() == before => Ok(Outcome::Unchanged),
        (Some(_), Ok(_)) => Ok(Outcome::Changed),
        (Some(_), Err(kube::Error::Api(status))) if status.code == 409 && status.reason == "Conflict" => {
            Ok(Outcome::Kept(status.message.clone()))
        }
        (_, Err(error)) => Err(error),
    }
}

/// What the server says, without the Rust around it.
fn message(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
