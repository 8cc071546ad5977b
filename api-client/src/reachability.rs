//! Whether the API server answers, as the log tells it: once when it goes, once when it is back.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::sentence;

/// What one part of Lineshaft knows of its API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Reachability {
    outage: Arc<Mutex<Option<Outage>>>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    /// Whoever had no answer, and none since.
    waiting: BTreeSet<&'static str>,
}

impl Reachability {
    /// `what` had no answer, or none that it could use.
    pub fn failed(&self, what: &'static str, error: &(dyn Error + 'static)) {
        self.failed_with(what, &sentence(error));
    }

    /// As [`Reachability::failed`], for an error that is a sentence already.
    pub fn failed_with(&self, what: &'static str, error: &str) {
        let mut outage = self.lock();
        let waiting = outage.get_or_insert_with(|| {
            tracing::warn!(error, "no answer from the API server for {what}; trying again, programs run on");
            Outage { since: Instant::now(), waiting: BTreeSet::new() }
        });
        waiting.waiting.insert(what);
        tracing::debug!(error, "no answer from the API server for {what}");
    }

    /// `what` had an answer.
    pub fn answered(&self, what: &'static str) {
        let mut outage = self.lock();
        let Some(waiting) = &mut *outage else { return };
        waiting.waiting.remove(what);
        if waiting.waiting.is_empty() {
            let seconds = waiting.since.elapsed().as_secs_f32();
            *outage = None;
            tracing::info!("the API server answers again after {seconds:.1} s");
        }
    }

    /// Whether an outage has been told of and has not ended: what fails because of it need not be told.
    pub fn is_away(&self) -> bool {
        self.lock().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Outage>> {
        // Whole after every statement.
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_back_when_everybody_has_an_answer() {
        let api = Reachability::default();
        api.answered("a watch");
        assert!(!api.is_away());
        for _ in 0..3 {
            api.failed_with("a watch", "connection refused");
            api.failed_with("the Lease", "connection refused");
        }
        api.answered("a watch");
        assert!(api.is_away());
        api.clone().answered("the Lease");
        assert!(!api.is_away());
    }
}
