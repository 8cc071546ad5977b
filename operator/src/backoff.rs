//! How long to wait before an object that failed is tried again.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(5);

/// Failures in a row of each object, by UID: an object of the same name is another one.
#[derive(Default)]
pub(crate) struct Backoff {
    failures: Mutex<HashMap<String, u32>>,
}

impl Backoff {
    /// Counts a failure, and says how long to wait: 1 s, doubled each time up to 5 min, give or take a tenth.
    pub(crate) fn after_failure(&self, uid: &str) -> Duration {
        let mut failures = self.lock();
        let count = failures.entry(uid.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        delay(uid, *count)
    }

    /// Forgets the failures of an object that succeeded or is gone.
    pub(crate) fn reset(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        // A map of counters is whole after every statement.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The tenth comes from a hash, so that objects which failed together are not tried together, and tests repeat.
fn delay(uid: &str, count: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << (count - 1).min(16)).min(LONGEST);
    let mut hasher = DefaultHasher::new();
    (uid, count).hash(&mut hasher);
    let permille = u32::try_from(hasher.finish() % 201).expect("a remainder below 201 fits");
    whole * (900 + permille) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit_and_start_anew_after_a_success() {
        let backoff = Backoff::default();
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            let seconds = backoff.after_failure("a").as_secs_f64();
            assert!((seconds / f64::from(expected) - 1.0).abs() <= 0.1, "{seconds} instead of {expected}");
        }
        for _ in 0..100 {
            backoff.after_failure("b");
        }
        assert!(backoff.after_failure("b") <= LONGEST * 11 / 10);
        backoff.reset("a");
        assert!(backoff.after_failure("a") < Duration::from_secs(2));
    }

    #[test]
    fn objects_that_failed_together_are_not_tried_together() {
        let delays: std::collections::BTreeSet<Duration> =
            (0..20).map(|object| Backoff::default().after_failure(&format!("uid-{object}"))).collect();
        assert!(delays.len() > 15);
    }
}
