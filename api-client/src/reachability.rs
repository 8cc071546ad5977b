//! Whether the API server answers, as the log tells it: once when it goes, once when it is back.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sentence;

/// Whoever says nothing for longer has an answer: a watch that goes on where it was says nothing until something
/// changes, and one that still fails would have said so.
const SAID_WITHIN: Duration = Duration::from_secs(5);

/// What one part of Lineshaft knows of its API server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Reachability {
    outage: Arc<Mutex<Option<Outage>>>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    /// The last failure.
    until: Instant,
    /// Whoever had no answer, and none since, with the time when they last said so.
    waiting: BTreeMap<&'static str, Instant>,
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
            let now = Instant::now();
            Outage { since: now, until: now, waiting: BTreeMap::new() }
        });
        waiting.until = Instant::now();
        waiting.waiting.insert(what, waiting.until);
        tracing::debug!(error, "no answer from the API server for {what}");
    }

    /// `what` had an answer.
    pub fn answered(&self, what: &'static str) {
        let mut outage = self.lock();
        let Some(waiting) = &mut *outage else { return };
        waiting.waiting.remove(what);
        waiting.waiting.retain(|_, said| said.elapsed() < SAID_WITHIN);
        if waiting.waiting.is_empty() {
            let seconds = waiting.until.duration_since(waiting.since).as_secs_f32();
            *outage = None;
            tracing::info!("the API server answers again; it did not for {seconds:.1} s");
        }
    }

    /// Whether an outage has been told of and has not ended: what fails because of it need not be told.
    pub fn is_away(&self) -> bool {
        self.lock()
            .as_ref()
            .is_some_and(|outage| outage.waiting.values().any(|said| said.elapsed() < SAID_WITHIN))
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
