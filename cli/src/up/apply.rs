//! Applies the user's manifests by server-side apply, as the manager `lineshaft-up`.

use std::collections::HashMap;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Client, ResourceExt};
use lineshaft_api_client::sentence;
use serde_json::{Value, json};

use super::outage::Outage;
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
    #[error("{}", sentence(.0.as_ref()))]
    Refused(Box<kube::Error>),
}

impl Outage for ApplyError {
    fn is_outage(&self) -> bool {
        match &self.cause {
            Cause::Kind(ResourceError::Ask { source, .. }) => source.is_outage(),
            Cause::Kind(ResourceError::Unknown(_)) => false,
            Cause::Refused(error) => error.is_outage(),
        }
    }
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
    let mut kinds: HashMap<GroupVersionKind, Served> = HashMap::new();
    for manifest in ordered {
        let failed = |cause| ApplyError {
            place: manifest.place(),
            identity: Box::new(manifest.identity.clone()),
            cause,
        };
        let gvk = manifest.identity.gvk();
        let served = match kinds.get(&gvk) {
            Some(served) => served.clone(),
            None => resource::find(client, &gvk).await.map_err(|error| failed(error.into()))?,
        };
        kinds.insert(gvk, served.clone());
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

/// Creates a namespace that an object wants and nobody made.
async fn ensure_namespace(client: &Client, name: &str) -> Result<Option<Applied>, Cause> {
    let identity = Identity {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Namespace".to_owned(),
        namespace: None,
        name: name.to_owned(),
    };
    let served = Served::builtin(&identity.gvk(), false);
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
    let before = api.get_metadata_opt(&identity.name).await?.map(|object| version(&object));
    let parameters = PatchParams {
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply(MANAGER)
    };
    let applied: Result<DynamicObject, _> =
        api.patch(&identity.name, &parameters, &Patch::Apply(&object)).await;
    match (before, applied) {
        (None, Ok(_)) => Ok(Outcome::Created),
        (Some(before), Ok(object)) if version(&object) == before => Ok(Outcome::Unchanged),
        (Some(_), Ok(_)) => Ok(Outcome::Changed),
        (Some(_), Err(kube::Error::Api(status))) if status.code == 409 && status.reason == "Conflict" => {
            Ok(Outcome::Kept(status.message.clone()))
        }
        (_, Err(error)) => Err(error),
    }
}

/// What moves when somebody changes what an object asks for. Where a kind counts generations, that is the
/// generation: its resource version moves with each status that a controller writes.
fn version(object: &impl ResourceExt) -> Option<String> {
    object.meta().generation.map(|generation| generation.to_string()).or_else(|| object.resource_version())
}
