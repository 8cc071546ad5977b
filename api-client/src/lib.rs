//! How operator, agent and `lineshaft up` behave towards an API server: what its errors say, when a request is
//! repeated, what the log says of an outage.

mod backoff;
mod bounded;
mod finalizers;
mod reachability;
mod sentence;
mod watch_backoff;

pub use backoff::Backoff;
pub use bounded::bounded;
pub use finalizers::{Written, set_finalizers};
pub use reachability::Reachability;
pub use sentence::sentence;
pub use watch_backoff::WatchBackoff;

/// Directives for a log filter, before the user's own. What the client library says of an API server that is away, as
/// Rust prints it for a debugger, ours says once and in our terms.
pub const LIBRARY_LOGS: &str = "kube_client=off,kube_runtime=off";
