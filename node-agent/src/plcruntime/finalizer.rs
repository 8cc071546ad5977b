//! The finalizer that keeps an object until its outputs are safe.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::PlcRuntime;
use lineshaft_crds::plc_runtime::FINALIZER;
use serde_json::{Value, json};
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
    patch(client, object, addition(object.finalizers())).await
}

/// Removes it, if it is there; the object may be gone then. As with [`add`], a changed object is left for its next
/// event.
pub(crate) async fn remove(client: &Client, object: &PlcRuntime) -> Result<(), String> {
    if let Some(operations) = removal(object.finalizers()) {
        patch(client, object, operations).await?;
    }
    Ok(())
}

/// JSON patch with a test of what was read: a list that somebody else changed meanwhile is never overwritten.
fn addition(present: &[String]) -> Value {
    if present.is_empty() {
        return json!([
            {"op": "test", "path": "/metadata/finalizers", "value": null},
            {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
        ]);
    }
    json!([
        {"op": "test", "path": "/metadata/finalizers", "value": present},
        {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER},
    ])
}

fn removal(present: &[String]) -> Option<Value> {
    let path = format!("/metadata/finalizers/{}", present.iter().position(|name| name == FINALIZER)?);
    Some(json!([
        {"op": "test", "path": path, "value": FINALIZER},
        {"op": "remove", "path": path},
    ]))
}

async fn patch(client: &Client, object: &PlcRuntime, mut operations: Value) -> Result<bool, String> {
    // A new object of the same name is another object.
    if let Some(operations) = operations.as_array_mut() {
        operations.insert(0, json!({"op": "test", "path": "/metadata/uid", "value": object.uid()}));
    }
    let operations = serde_json::from_value(operations).map_err(|error| error.to_string())?;
    let api: Api<PlcRuntime> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let name = object.name_any();
    let patch = Patch::Json::<()>(operations);
    match timeout(PATCH_MAX, api.patch(&name, &PatchParams::default(), &patch)).await {
        Ok(Ok(_)) => Ok(true),
        // Gone already, or a test of the patch failed.
        Ok(Err(kube::Error::Api(status))) if status.code == 404 || status.code == 422 => Ok(false),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the API server did not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ours_is_touched() {
        let present = ["a.example/x".to_owned(), FINALIZER.to_owned()];
        assert_eq!(removal(&present).unwrap()[1]["path"], "/metadata/finalizers/1");
        assert_eq!(removal(&present[..1]), None);
        assert_eq!(addition(&present[..1])[1]["path"], "/metadata/finalizers/-");
        assert_eq!(addition(&[])[1]["value"], json!([FINALIZER]));
    }
}
