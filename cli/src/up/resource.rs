//! From `apiVersion` and `kind` to the API's paths.

use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use kube::{Api, Client};
use lineshaft_api_client::sentence;
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, Pairing, PlcRuntime};

/// A kind that the API server does not serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    /// It says so.
    #[error("the API server serves no kind {} of {}", .0.kind, .0.api_version())]
    Unknown(GroupVersionKind),
    /// It cannot be asked.
    #[error("cannot ask the API server for kind {}: {}", gvk.kind, sentence(source.as_ref()))]
    Ask {
        /// The kind.
        gvk: GroupVersionKind,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A kind as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Served {
    resource: ApiResource,
    /// Whether objects live in namespaces.
    pub(crate) namespaced: bool,
}

impl Served {
    /// A kind of Kubernetes itself, whose plural follows the rules of English.
    pub(crate) fn builtin(gvk: &GroupVersionKind, namespaced: bool) -> Self {
        Self { resource: ApiResource::from_gvk(gvk), namespaced }
    }

    /// The API of an object's place.
    pub(crate) fn api(&self, client: &Client, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) if self.namespaced => {
                Api::namespaced_with(client.clone(), namespace, &self.resource)
            }
            _ => Api::all_with(client.clone(), &self.resource),
        }
    }
}

/// Our own kinds are known; discovery may not list them yet right after their installation. Others are asked for.
pub(crate) async fn find(client: &Client, gvk: &GroupVersionKind) -> Result<Served, ResourceError> {
    if gvk.group == lineshaft_crds::GROUP {
        for (resource, namespaced) in own() {
            if resource.kind == gvk.kind && resource.version == gvk.version {
                return Ok(Served { resource, namespaced });
            }
        }
        return Err(ResourceError::Unknown(gvk.clone()));
    }
    match discovery::pinned_kind(client, gvk).await {
        Ok((resource, capabilities)) => {
            Ok(Served { resource, namespaced: capabilities.scope == Scope::Namespaced })
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(ResourceError::Unknown(gvk.clone())),
        Err(kube::Error::Discovery(_)) => Err(ResourceError::Unknown(gvk.clone())),
        Err(source) => Err(ResourceError::Ask { gvk: gvk.clone(), source: Box::new(source) }),
    }
}

/// Our kinds, and whether their objects live in namespaces.
pub(crate) fn own() -> [(ApiResource, bool); 5] {
    [
        (ApiResource::erase::<EdgeNode>(&()), false),
        (ApiResource::erase::<PlcRuntime>(&()), true),
        (ApiResource::erase::<MeshPeer>(&()), false),
        (ApiResource::erase::<Pairing>(&()), false),
        (ApiResource::erase::<MeshSubscription>(&()), true),
    ]
}

/// Those of them that `lineshaft up` waits for and shows: a peer that nobody paired is no reason to wait.
pub(crate) fn shown() -> impl Iterator<Item = ApiResource> {
    [ApiResource::erase::<EdgeNode>(&()), ApiResource::erase::<PlcRuntime>(&())].into_iter()
}
