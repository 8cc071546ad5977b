//! Waiting for a condition, with a bound and a name.

use std::time::{Duration, Instant};

/// How often a condition is looked at. It bounds how late a change is seen, never whether it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks at `condition` until it gives a value.
///
/// # Panics
/// When it has given none after `limit`.
pub fn wait_until<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
