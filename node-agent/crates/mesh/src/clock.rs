//! Where time comes from, for what a test wants to see hours of.

use std::fmt;
use std::sync::Arc;

use crate::now_ns;

/// A monotonic clock, ns.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The time.
    pub fn now_ns(&self) -> u64 {
        (self.0)()
    }
}

impl Default for Clock {
    /// The clock that scans and shared memory use.
    fn default() -> Self {
        Self::from(now_ns)
    }
}

impl<F: Fn() -> u64 + Send + Sync + 'static> From<F> for Clock {
    fn from(now_ns: F) -> Self {
        Self(Arc::new(now_ns))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now_ns())
    }
}
