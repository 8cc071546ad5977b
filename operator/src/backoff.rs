//! How long to wait before an object that failed is tried again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lineshaft_api_client as api;

/// Failures in a row of each object, by UID: an object of the same name is another one.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, api::Backoff>>,
}

impl Backoff {
    /// Counts a failure, and says how long to wait.
    pub(crate) fn after_failure(&self, uid: &str) -> Duration {
        self.lock().entry(uid.to_owned()).or_insert_with(|| api::Backoff::new(uid)).fail()
    }

    /// Forgets the failures of an object that succeeded or is gone.
    pub(crate) fn reset(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, api::Backoff>> {
        // A map of counters is whole after every statement.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_has_failures_of_its_own() {
        let backoff = Backoff::default();
        for _ in 0..5 {
            backoff.after_failure("a");
        }
        assert!(backoff.after_failure("a") > Duration::from_secs(20));
        assert!(backoff.after_failure("b") < Duration::from_secs(2));
        backoff.reset("a");
        assert!(backoff.after_failure("a") < Duration::from_secs(2));
    }
}
