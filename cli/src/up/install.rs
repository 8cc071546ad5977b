//! Puts Lineshaft's own objects on the API server: namespace, CRDs, roles, admission policies.
//!
//! What is served as it should be is left alone: a second start writes nothing.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams, WatchParams};
use kube::core::GroupVersionKind;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client};
use lineshaft_api_client::sentence;
use lineshaft_operator::install as operator;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::outage::Outage;
use super::resource::{self, Served};

/// Owner of the fields of what is installed.
const MANAGER: &str = "lineshaft-install";
/// An API server establishes a CRD within seconds.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);
/// Between two looks whether a new kind can be watched, which takes some milliseconds.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// Why something could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("cannot install {object}: {cause}")]
pub(crate) struct InstallError {
    object: String,
    cause: Cause,
}

#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{}", sentence(.0.as_ref()))]
    Access(#[from] Box<kube::Error>),
    #[error("{}", sentence(.0.as_ref()))]
    Watch(Box<kube::runtime::wait::Error>),
    #[error("the API server does not serve it within {} s", ESTABLISHED_WITHIN.as_secs())]
    NotEstablished,
}

impl Outage for InstallError {
    fn is_outage(&self) -> bool {
        match &self.cause {
            Cause::Access(error) => error.is_outage(),
            // A watch ends by itself only when its server goes away.
            Cause::Watch(_) => true,
            Cause::NotEstablished => false,
        }
    }
}

/// How many objects there are, and how many had to be written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Installed {
    /// All.
    pub(crate) total: usize,
    /// Those that were missing or different.
    pub(crate) written: usize,
}

/// Everything that has to be there: kinds, namespace, roles, policies.
pub(crate) fn wanted() -> Result<Vec<Value>, InstallError> {
    let json = |object: serde_json::Result<Value>| {
        object.map_err(|error| InstallError {
            object: "what this program carries".to_owned(),
            cause: Cause::Access(Box::new(kube::Error::SerdeError(error))),
        })
    };
    let crds = operator::crds().into_iter().map(|crd| json(serde_json::to_value(crd)));
    let others = operator::rbac().into_iter().chain(operator::admission());
    crds.chain(others.map(|object| json(serde_json::to_value(object)))).collect()
}

/// Installs what is missing or different.
pub(crate) async fn install(client: &Client, objects: &[Value]) -> Result<Installed, InstallError> {
    let total = objects.len();
    // Roles live in the namespace, so it comes first.
    let (first, rest): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| object["kind"] == "Namespace");
    let mut written = try_join_all(first.into_iter().map(|object| ensure(client, object))).await?;
    written.extend(try_join_all(rest.into_iter().map(|object| ensure(client, object))).await?);
    Ok(Installed { total, written: written.into_iter().filter(|written| *written).count() })
}

/// Writes an object unless it is served as wanted. A CRD is waited for until its kind is served.
async fn ensure(client: &Client, wanted: &Value) -> Result<bool, InstallError> {
    let text = |pointer: &str| wanted.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let failed = |cause| InstallError { object: format!("{kind} {name}"), cause };
    let access = |error| failed(Cause::Access(Box::new(error)));

    let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
    let namespace = wanted.pointer("/metadata/namespace").and_then(Value::as_str);
    let served = Served::builtin(&GroupVersionKind::gvk(group, version, kind), namespace.is_some());
    let api = served.api(client, namespace);
    if let Some(found) = api.get_opt(name).await.map_err(access)? {
        let found = serde_json::to_value(found).map_err(|error| access(kube::Error::SerdeError(error)))?;
        if contains(&found, wanted) {
            return Ok(false);
        }
    }
    tracing::info!(kind, name, "installing what is missing or different");
    api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(wanted)).await.map_err(access)?;
    if kind == "CustomResourceDefinition" {
        established(client, name).await.map_err(failed)?;
    }
    Ok(true)
}

async fn established(client: &Client, name: &str) -> Result<(), Cause> {
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let served = async {
        let condition = await_condition(api, name, conditions::is_crd_established());
        condition.await.map_err(|error| Cause::Watch(Box::new(error)))?;
        watchable(client, name).await
    };
    timeout(ESTABLISHED_WITHIN, served).await.unwrap_or(Err(Cause::NotEstablished))
}

/// The first watch of a new kind makes the server fill a cache, and is told to come back in a second. Whoever watches
/// after this is served at once.
async fn watchable(client: &Client, crd: &str) -> Result<(), Cause> {
    let own = resource::own().into_iter().map(|(resource, _)| resource);
    for kind in own.filter(|kind| format!("{}.{}", kind.plural, kind.group) == crd) {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        loop {
            match api.watch(&WatchParams::default().timeout(1), "0").await {
                Ok(_) => break,
                Err(error) if error.is_outage() => sleep(LOOK_AGAIN_AFTER).await,
                Err(error) => return Err(Cause::Access(Box::new(error))),
            }
        }
    }
    Ok(())
}

/// Whether everything wanted is there; the server adds defaults and metadata of its own.
fn contains(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| match found.get(key) {
                Some(found) => contains(found, wanted),
                // The server leaves out what is empty.
                None => is_empty(wanted),
            })
        }
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| contains(found, wanted))
        }
        // 65535 and 65535.0 are the same limit.
        (Value::Number(found), Value::Number(wanted)) => found.as_f64() == wanted.as_f64(),
        _ => found == wanted,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn defaults_of_the_server_do_not_count_as_a_difference() {
        let found = json!({"metadata": {"name": "a", "uid": "1"}, "rules": [{"verbs": ["get"], "x": 1}]});
        assert!(contains(
            &found,
            &json!({"metadata": {"name": "a", "labels": {}}, "rules": [{"verbs": ["get"]}]})
        ));
        assert!(!contains(&found, &json!({"rules": [{"verbs": ["get", "list"]}]})));
        assert!(!contains(&found, &json!({"rules": []})));
        assert!(!contains(&found, &json!({"metadata": {"labels": {"a": "b"}}})));
    }
}
