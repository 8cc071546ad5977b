//! The source texts of an object, inline and from ConfigMaps.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use lineshaft_api_client::sentence;
use lineshaft_crds::plc_runtime::{ConfigMaps, Program, SourceFile, Unresolved};
use tokio::time::timeout;

/// Longest wait for the API server with one ConfigMap.
const READ_MAX: Duration = Duration::from_secs(10);

/// Why the sources cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourcesError {
    /// The API server refused or could not be reached.
    #[error("cannot read ConfigMap {name}: {why}")]
    Read { name: String, why: String },
    /// It did not answer.
    #[error("cannot read ConfigMap {name}: the API server did not answer")]
    Timeout { name: String },
    /// The object names what is not there.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unresolved(Vec<Unresolved>),
}

/// Reads the source files that a program names, in its order.
pub(crate) async fn read(
    client: &Client,
    namespace: &str,
    program: &Program,
) -> Result<Vec<SourceFile>, SourcesError> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut maps = ConfigMaps::new();
    for name in program.config_maps() {
        let name = name.to_owned();
        match timeout(READ_MAX, api.get_opt(&name)).await {
            Ok(Ok(Some(map))) => {
                maps.insert(name, map.data.unwrap_or_default());
            }
            // Reported together with whatever else is missing.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Err(SourcesError::Read { name, why: sentence(&error) }),
            Err(_) => return Err(SourcesError::Timeout { name }),
        }
    }
    program.resolve(&maps).map_err(SourcesError::Unresolved)
}
