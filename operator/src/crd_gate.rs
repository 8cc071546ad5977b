//! A kind that is not served yet is waited for: the operator may be installed before its CRDs.

use std::time::Duration;

use kube::Client;
use kube::core::CustomResourceExt;
use lineshaft_api_client::sentence;
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, PlcRuntime};

use crate::Error;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Returns once every kind is served. Looks at discovery, which needs no rights of its own.
///
/// An API server that is away or busy is waited for too; one that refuses our identity is an error.
pub(crate) async fn wait_for_kinds(
    client: &Client,
    readiness: &Readiness,
    metrics: &Metrics,
) -> Result<(), Error> {
    let wanted = [
        EdgeNode::api_resource(),
        PlcRuntime::api_resource(),
        MeshSubscription::api_resource(),
        MeshPeer::api_resource(),
    ];
    let mut said = Vec::new();
    loop {
        let group_version = &wanted[0].api_version;
        let served: Vec<String> = match client.list_api_group_resources(group_version).await {
            Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
            Err(kube::Error::Api(status)) if status.code == 401 || status.code == 403 => {
                return Err(Error::Refused(Box::new(kube::Error::Api(status))));
            }
            Err(error) => {
                tracing::debug!(error = sentence(&error), "cannot list the served kinds");
                Vec::new()
            }
        };
        let mut missing = Vec::new();
        for resource in &wanted {
            let name = format!("{}.{}", resource.plural, resource.group);
            let absent = !served.contains(&resource.plural);
            metrics.crd_missing.with_label_values(&[&name]).set(i64::from(absent));
            if absent {
                missing.push(format!("kind {name}"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        if said != missing {
            tracing::info!(missing = missing.join(", "), "waiting for kinds");
            said.clone_from(&missing);
        }
        readiness.replace(missing);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
