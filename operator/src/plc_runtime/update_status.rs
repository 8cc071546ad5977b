//! Steps 4 and 5: the only writes. The operator has nothing to apply but a status, and a finalizer to remove when
//! nobody drives outputs any more.

use kube::{Api, Resource, ResourceExt};
use lineshaft_api_client::{Written, set_finalizers};
use lineshaft_crds::edge_node::Fencing;
use lineshaft_crds::plc_runtime::FINALIZER;
use lineshaft_crds::{EdgeNode, PlcRuntime, PlcRuntimeStatus};
use serde::Serialize;

use super::Error;
use crate::apply::apply_status;
use crate::metrics::Metrics;

const STATUS_MANAGER: &str = "lineshaft-operator/plcruntime-status";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Intent<'a> {
    api_version: String,
    kind: String,
    metadata: IntentMetadata,
    status: &'a PlcRuntimeStatus,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct IntentMetadata {
    name: String,
    namespace: Option<String>,
    resource_version: Option<String>,
}

/// Writes the operator's part of the status.
pub(super) async fn update_status(
    api: &Api<PlcRuntime>,
    plc: &PlcRuntime,
    status: &PlcRuntimeStatus,
    metrics: &Metrics,
) -> Result<Written, Error> {
    let intent = Intent {
        api_version: PlcRuntime::api_version(&()).into_owned(),
        kind: PlcRuntime::kind(&()).into_owned(),
        metadata: IntentMetadata {
            name: plc.name_any(),
            namespace: plc.namespace(),
            resource_version: plc.resource_version(),
        },
        status,
    };
    apply_status(api, &plc.name_any(), STATUS_MANAGER, &intent, metrics)
        .await
        .map_err(|error| Error::UpdateStatus(Box::new(error)))
}

/// Whether a runtime that is being deleted waits for an agent in vain.
pub(super) fn is_released(plc: &PlcRuntime, nodes: &[EdgeNode]) -> bool {
    let has_finalizer = plc.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    let holder = plc.status.as_ref().and_then(|status| status.holder.as_deref());
    let fenced =
        |name: &str| nodes.iter().any(|node| node.name_any() == name && node.spec.fencing == Fencing::Fenced);
    has_finalizer && holder.is_none_or(fenced)
}

/// Removes the finalizer, unless the object changed since: an agent may have become its holder.
pub(super) async fn remove_finalizer(api: &Api<PlcRuntime>, plc: &PlcRuntime) -> Result<Written, Error> {
    let others = plc.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).cloned();
    set_finalizers(api, plc, &others.collect::<Vec<_>>())
        .await
        .map_err(|error| Error::RemoveFinalizer(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deletion_waits_for_the_holder_unless_it_is_fenced() {
        let plc = |holder: Option<&str>, finalizers: &[&str]| -> PlcRuntime {
            serde_json::from_value(json!({
                "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
                "metadata": {"name": "a", "finalizers": finalizers},
                "spec": {"program": {"sources": []}}, "status": {"holder": holder}
            }))
            .unwrap()
        };
        let mut node = EdgeNode::new("edge", lineshaft_crds::EdgeNodeSpec::default());
        let alive = [node.clone()];
        node.spec.fencing = Fencing::Fenced;
        let fenced = [node];
        assert!(is_released(&plc(None, &[FINALIZER]), &alive));
        assert!(!is_released(&plc(Some("edge"), &[FINALIZER]), &alive));
        assert!(is_released(&plc(Some("edge"), &[FINALIZER]), &fenced));
        assert!(!is_released(&plc(None, &["someone/else"]), &alive));
    }
}
