//! What a control plane must have before operator and agents can work: kinds, roles, the fence around each node.
//!
//! The manifests are files, so that people can read them, `kubectl apply` them and a chart can carry them.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, Client, ResourceExt};

/// Field manager of installed objects.
const MANAGER: &str = "lineshaft-install";
/// How long the kinds may take to be served.
const ESTABLISHED_WITHIN: Duration = Duration::from_secs(30);

/// Why the installation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused an object.
    #[error("cannot install {kind} {name}")]
    Refused {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// A kind is not served in time.
    #[error("the kind {name} is not served after {} s", ESTABLISHED_WITHIN.as_secs())]
    NotEstablished {
        /// Name of its definition.
        name: String,
    },
    /// The definitions cannot be watched.
    #[error("cannot watch the definition of {name}")]
    Watch {
        /// Name of the definition.
        name: String,
        /// Why.
        source: Box<kube::runtime::wait::Error>,
    },
}

/// The definitions of all kinds.
pub fn crds() -> Vec<CustomResourceDefinition> {
    lineshaft_crds::all()
}

/// The namespace of Lineshaft's own objects, and the roles and bindings of operator, agents and people.
pub fn rbac() -> Vec<DynamicObject> {
    let mut objects = documents(include_str!("../install/namespace.yaml"));
    objects.extend(documents(include_str!("../install/rbac.yaml")));
    objects
}

/// The admission policies that fence each agent in and guard approvals, and their bindings.
pub fn admission() -> Vec<DynamicObject> {
    let mut objects = documents(include_str!("../install/admission.yaml"));
    objects.extend(documents(include_str!("../install/admission-mesh.yaml")));
    objects
}

/// Applies everything above and waits until the kinds are served. May be repeated.
pub async fn install(client: &Client) -> Result<(), Error> {
    let params = PatchParams::apply(MANAGER).force();
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crds = crds();
    for crd in &crds {
        let name = crd.name_any();
        definitions.patch(&name, &params, &Patch::Apply(crd)).await.map_err(|source| Error::Refused {
            kind: "CustomResourceDefinition".to_owned(),
            name,
            source: Box::new(source),
        })?;
    }
    for object in rbac().iter().chain(&admission()) {
        let (kind, name) = (object.types.as_ref().map_or("", |types| &types.kind), object.name_any());
        api_of(client, object)
            .patch(&name, &params, &Patch::Apply(object))
            .await
            .map_err(|source| Error::Refused { kind: kind.to_owned(), name, source: Box::new(source) })?;
    }
    for crd in &crds {
        let name = crd.name_any();
        let established = await_condition(definitions.clone(), &name, conditions::is_crd_established());
        match tokio::time::timeout(ESTABLISHED_WITHIN, established).await {
            Ok(Ok(_)) => {}
            Ok(Err(source)) => return Err(Error::Watch { name, source: Box::new(source) }),
            Err(_elapsed) => return Err(Error::NotEstablished { name }),
        }
    }
    Ok(())
}

fn api_of(client: &Client, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.as_ref().expect("a test checks that every document has a kind");
    let gvk = GroupVersionKind::try_from(types).expect("a test checks that every document has an apiVersion");
    let resource = ApiResource::from_gvk(&gvk);
    match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

fn documents(text: &str) -> Vec<DynamicObject> {
    serde_saphyr::from_multiple(text).expect("a test reads every document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_an_object_of_a_kind() {
        assert_eq!(crds().len(), 5);
        assert_eq!(rbac().len(), 12);
        assert_eq!(admission().len(), 6);
        for object in rbac().iter().chain(&admission()) {
            let types = object.types.as_ref().unwrap();
            assert!(!object.name_any().is_empty());
            let plural = ApiResource::from_gvk(&GroupVersionKind::try_from(types).unwrap()).plural;
            assert!(
                [
                    "namespaces",
                    "clusterroles",
                    "clusterrolebindings",
                    "roles",
                    "rolebindings",
                    "validatingadmissionpolicies",
                    "validatingadmissionpolicybindings"
                ]
                .contains(&plural.as_str()),
                "{plural}"
            );
        }
    }

    #[test]
    fn no_rule_has_a_wildcard() {
        for object in rbac() {
            assert!(!object.data["rules"].to_string().contains('*'), "{}", object.name_any());
        }
    }
}
