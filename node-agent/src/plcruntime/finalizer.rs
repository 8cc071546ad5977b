//! The finalizer that keeps an object until its outputs are safe.

use std::time::Duration;

use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Written, sentence, set_finalizers};
use lineshaft_crds::PlcRuntime;
use lineshaft_crds::plc_runtime::FINALIZER;
use tokio::time::timeout;

/// Longest wait for the API server.
const PATCH_MAX: Duration = Duration::from_secs(10);

/// Whether the object has it.
pub(crate) fn is_set(object: &PlcRuntime) -> bool {
    object.finalizers().iter().any(|name| name == FINALIZER)
}

/// Whether it is there now. Added if it was not, unless the object has changed since it was read: then its next
/// event, which is on its way, leads here again.
pub(crate) async fn add(client: &Client, object: &PlcRuntime) -> Result<bool, String> {
    if is_set(object) {
        return Ok(true);
    }
    let mut finalizers = object.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    Ok(set(client, object, &finalizers).await? == Written::Applied)
}

/// Removes it, if it is there; the object may be gone then. As with [`add`], a changed object is left for its next
/// event.
pub(crate) async fn remove(client: &Client, object: &PlcRuntime) -> Result<(), String> {
    if is_set(object) {
        let others = object.finalizers().iter().filter(|name| *name != FINALIZER).cloned();
        set(client, object, &others.collect::<Vec<_>>()).await?;
    }
    Ok(())
}

async fn set(client: &Client, object: &PlcRuntime, finalizers: &[String]) -> Result<Written, String> {
    let api: Api<PlcRuntime> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    match timeout(PATCH_MAX, set_finalizers(&api, object, finalizers)).await {
        Ok(written) => written.map_err(|error| sentence(&error)),
        Err(_) => Err("the API server did not answer".to_owned()),
    }
}
