//! The first watchdog: a thread that sets the attention word when a scan takes too long.

use crate::clock::{monotonic_ns, sleep_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;

/// A scan this many timeouts long is stopped whatever the sensitivity is.
const HOPELESS: i64 = 10;
/// Longest and shortest pause between two looks at a scan thread that was idle.
const LOOK_NS: (i64, i64) = (1_000_000, 250_000_000);

/// Words between a scan thread and its watchdog. The scan thread only stores.
#[derive(Debug, Default)]
pub struct Watch {
    /// When the present scan must have ended; 0 between scans.
    deadline_ns: AtomicI64,
    /// Overlong scans in a row.
    hits: AtomicU32,
    /// Pause between two looks; 0 while the watchdog is off.
    look_ns: AtomicI64,
    /// Scans begun.
    begun: AtomicU64,
    busy: AtomicBool,
    ended: AtomicBool,
}

impl Watch {
    /// Chooses how often to look. `None` turns the watchdog off.
    pub fn configure(&self, shortest_timeout_ns: Option<i64>) {
        let look = shortest_timeout_ns.map_or(0, |timeout| (timeout / 4).clamp(LOOK_NS.0, LOOK_NS.1));
        self.look_ns.store(look, Ordering::Relaxed);
    }

    /// A scan begins: `(start, timeout, sensitivity)` while the watchdog is on.
    pub fn begin(&self, armed: Option<(i64, i64, u32)>, attention: &AtomicU32) {
        attention.store(0, Ordering::Relaxed);
        self.begun.store(self.begun.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        self.busy.store(true, Ordering::Release);
        let deadline = armed.map_or(0, |(start_ns, timeout_ns, sensitivity)| {
            let last = self.hits.load(Ordering::Relaxed) + 1 >= sensitivity;
            start_ns.saturating_add(if last { timeout_ns } else { timeout_ns.saturating_mul(HOPELESS) })
        });
        self.deadline_ns.store(deadline, Ordering::Release);
    }

    /// It ended after `took_ns`. Whether that was too long, too often in a row.
    pub fn end(&self, took_ns: i64, timeout_ns: i64, sensitivity: u32) -> bool {
        let armed = self.deadline_ns.swap(0, Ordering::AcqRel) != 0;
        self.busy.store(false, Ordering::Release);
        if !armed || took_ns <= timeout_ns {
            self.hits.store(0, Ordering::Relaxed);
            return false;
        }
        let hits = self.hits.load(Ordering::Relaxed) + 1;
        self.hits.store(hits, Ordering::Relaxed);
        hits >= sensitivity
    }

    /// Scans begun so far.
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether a scan is under way.
    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }

    /// Ends the watching thread.
    pub fn close(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Starts the watching thread, which first does `prepare`: whatever lets it run while a scan does not end.
    pub fn start(
        self: &Arc<Self>,
        attention: Arc<AtomicU32>,
        prepare: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Thread> {
        let watch = Arc::clone(self);
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            prepare();
            watch.work(&attention);
        })?;
        Ok(thread.thread().clone())
    }

    fn work(&self, attention: &AtomicU32) {
        while !self.ended.load(Ordering::Acquire) {
            let look = self.look_ns.load(Ordering::Relaxed);
            let deadline = self.deadline_ns.load(Ordering::Acquire);
            if deadline == 0 {
                // Off or between scans: a scan that begins now is seen in time, as a look is shorter than it may be.
                sleep_until(monotonic_ns() + if look == 0 { LOOK_NS.1 } else { look });
                continue;
            }
            let now = monotonic_ns();
            if now < deadline {
                sleep_until(deadline.min(now + LOOK_NS.1));
            } else if self.deadline_ns.load(Ordering::Acquire) == deadline {
                attention.store(1, Ordering::Relaxed);
                sleep_until(now + LOOK_NS.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitivity_counts_scans_in_a_row() {
        let (watch, attention) = (Watch::default(), AtomicU32::new(1));
        let scan = |took: i64| {
            watch.begin(Some((100, 50, 2)), &attention);
            watch.end(took, 50, 2)
        };
        assert!(!scan(60));
        assert_eq!(attention.load(Ordering::Relaxed), 0, "an old order must not end a new scan");
        assert!(!scan(40));
        assert!(!scan(60));
        assert!(scan(60));
        watch.begin(None, &attention);
        assert!(!watch.end(1_000_000, 50, 1), "off");
    }

    #[test]
    fn an_overdue_scan_gets_attention() {
        let (watch, attention) = (Arc::new(Watch::default()), Arc::new(AtomicU32::new(0)));
        watch.configure(Some(1_000_000));
        watch.start(Arc::clone(&attention), || {}).unwrap();
        watch.begin(Some((monotonic_ns(), 1_000_000, 1)), &attention);
        while attention.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        watch.close();
    }
}
