//! Lineshaft's Kubernetes API: the kinds of group `lineshaft.dev`, their schemas, and the checks that need no cluster.
//!
//! Knows nothing of clients, controllers or how anything is executed. Start reading at [`plc_runtime`].

#![allow(unreachable_pub, reason = "KubeSchema repeats each struct, with its `pub`, inside a function")]
#![allow(
    clippy::duplicated_attributes,
    reason = "it takes the parts of one printer column for those of another"
)]

pub mod condition;
pub mod edge_node;
pub mod manifest;
pub mod mesh_peer;
pub mod mesh_site;
pub mod mesh_subscription;
pub mod pairing;
mod patterns;
pub mod plc_runtime;
mod program_hash;
pub mod reference;
pub mod story;
pub mod validate;

use std::path::PathBuf;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

pub use condition::{Condition, ConditionStatus};
pub use edge_node::{EdgeNode, EdgeNodeSpec, EdgeNodeStatus};
pub use mesh_peer::{MeshPeer, MeshPeerSpec, MeshPeerStatus};
pub use mesh_subscription::{MeshSubscription, MeshSubscriptionSpec, MeshSubscriptionStatus};
pub use pairing::{Pairing, PairingSpec, PairingStatus};
pub use plc_runtime::{PlcRuntime, PlcRuntimeSpec, PlcRuntimeStatus};
pub use program_hash::{program_hash, short_version};

/// API group of all kinds.
pub const GROUP: &str = "lineshaft.dev";
/// Namespace of Lineshaft's own objects, such as Leases.
pub const SYSTEM_NAMESPACE: &str = "lineshaft-system";

/// Every file that `crdgen` writes, by its path from the root of the repository.
pub fn generated_files() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for crd in all() {
        let yaml = serde_saphyr::to_string(&crd).expect("a CRD can be written as YAML");
        let name = &crd.spec.names;
        files.push((
            format!("crds/generated/{}.yaml", name.plural).into(),
            format!("# Written by `make generate` from the types in crds/src.\n{yaml}"),
        ));
        let page = format!("docs/reference/{}.md", name.kind.to_lowercase());
        files.push((page.into(), reference::page(&crd)));
    }
    files.push(("docs/reference/conditions.md".into(), story::page()));
    files
}

/// The definitions of all kinds, in the order in which they are installed.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![EdgeNode::crd(), PlcRuntime::crd(), MeshPeer::crd(), Pairing::crd(), MeshSubscription::crd()]
}
