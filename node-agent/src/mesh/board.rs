//! What the mesh knows at this moment, for those who show it: the console, the metrics.
//!
//! The controller pins up who receives what; whoever looks reads the newest figures from there, without a word to the
//! controller or the API server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::shown::Shown;

/// What is known of received values. Clones share it.
#[derive(Clone, Default)]
pub struct MeshBoard(Arc<Mutex<Vec<Receiving>>>);

impl std::fmt::Debug for MeshBoard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MeshBoard").field("flows", &self.flows().len()).finish()
    }
}

/// What one runtime receives of one publisher.
#[derive(Clone)]
pub(crate) struct Receiving {
    /// UID of the runtime.
    pub(crate) receiver: String,
    pub(crate) shown: Arc<Shown>,
}

/// What is known of a received value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// `LineB:Status.PLCState`.
    pub(crate) from: String,
    /// 0 to 255, as the program sees it.
    pub(crate) quality: u8,
    /// Nothing was heard of the publisher's scan within the timeout.
    pub(crate) stale: bool,
    /// Since its program was last known to scan; `None`: never.
    pub(crate) age_ms: Option<u64>,
}

impl MeshBoard {
    pub(crate) fn pin(&self, flows: Vec<Receiving>) {
        *self.flows() = flows;
    }

    /// What a runtime receives, by the path of the variable in lower case.
    pub(crate) fn received(&self, runtime: &str) -> BTreeMap<String, Received> {
        let flows = self.flows();
        let own = flows.iter().filter(|flow| flow.receiver == runtime);
        own.flat_map(|flow| flow.shown.received()).map(|(to, one)| (to.to_lowercase(), one)).collect()
    }

    fn flows(&self) -> MutexGuard<'_, Vec<Receiving>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
