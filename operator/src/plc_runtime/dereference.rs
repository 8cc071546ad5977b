//! Step 1: everything that a runtime refers to. The only reads.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::plc_runtime::{ConfigMaps, SourceFile, Unresolved};
use lineshaft_crds::{EdgeNode, PlcRuntime};

use super::Error;
use crate::watches::{Stores, readable};

/// What a runtime refers to.
pub(super) struct Dereferenced {
    /// Its source files, or what of them is missing.
    pub(super) sources: Result<Vec<SourceFile>, Vec<Unresolved>>,
    /// Every host.
    pub(super) nodes: Vec<EdgeNode>,
    /// How many other runtimes are bound to each host.
    pub(super) load: BTreeMap<String, usize>,
}

pub(super) async fn dereference(
    client: &Client,
    stores: &Stores,
    plc: &PlcRuntime,
) -> Result<Dereferenced, Error> {
    let sources = sources(client, plc).await?;
    let mut load = BTreeMap::new();
    for other in readable(&stores.plc_runtimes) {
        let bound = other.status.as_ref().and_then(|status| status.node_name.clone());
        if let Some(node) = bound.filter(|_| other.uid() != plc.uid()) {
            *load.entry(node).or_default() += 1;
        }
    }
    // In a fixed order: what is said of them must not depend on the store's.
    let mut nodes = readable(&stores.edge_nodes);
    nodes.sort_by_key(ResourceExt::name_any);
    Ok(Dereferenced { sources, nodes, load })
}

/// The source files of a runtime, or what of them is missing.
pub(crate) async fn sources(
    client: &Client,
    plc: &PlcRuntime,
) -> Result<Result<Vec<SourceFile>, Vec<Unresolved>>, Error> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &plc.namespace().unwrap_or_default());
    let mut config_maps = ConfigMaps::new();
    for name in plc.spec.program.config_maps() {
        let map = api
            .get_opt(name)
            .await
            .map_err(|source| Error::ReadConfigMap { name: name.to_owned(), source: Box::new(source) })?;
        if let Some(map) = map {
            config_maps.insert(name.to_owned(), map.data.unwrap_or_default());
        }
    }
    Ok(plc.spec.program.resolve(&config_maps))
}
