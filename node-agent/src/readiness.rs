//! Whether the agent knows what it has to do, for `/readyz`.

use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the agent, which sets it, and whoever serves `/readyz`.
#[derive(Clone, Debug)]
pub struct Readiness {
    pending: Arc<Mutex<Option<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self { pending: Arc::new(Mutex::new(Some("the agent is starting".to_owned()))) }
    }
}

impl Readiness {
    /// What the agent still waits for; `None` once it is ready.
    pub fn pending(&self) -> Option<String> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn wait_for(&self, what: impl Into<String>) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(what.into());
    }

    pub(crate) fn ready(&self) {
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
