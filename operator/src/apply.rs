//! The one place that writes: server-side apply, with a field manager for each call site.
//!
//! Apply removes what a manager sent before and no longer sends. So two call sites must never share one, and each
//! sends everything that it owns, every time.

use std::fmt::Debug;

use kube::api::{Patch, PatchParams};
use kube::{Api, Resource};
use lineshaft_api_client::Written;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::metrics::Metrics;

/// Applies a status. `intent` carries the resource version that it was computed from: what was decided on an older
/// state, such as a binding, must not be written over a newer one.
pub(crate) async fn apply_status<K, I>(
    api: &Api<K>,
    name: &str,
    manager: &'static str,
    intent: &I,
    metrics: &Metrics,
) -> Result<Written, kube::Error>
where
    K: Resource + DeserializeOwned + Clone + Debug,
    I: Serialize + Debug,
{
    // Force: the fields are ours alone by design, and another manager's hold on them is an accident to be repaired.
    let params = PatchParams::apply(manager).force();
    let result = Written::from_answer(api.patch_status(name, &params, &Patch::Apply(intent)).await);
    let label = match &result {
        Ok(Written::Applied | Written::Gone) => "succeeded",
        Ok(Written::Conflict) => "conflict",
        Err(_) => "failed",
    };
    metrics.status_patches.with_label_values(&[label]).inc();
    result
}
