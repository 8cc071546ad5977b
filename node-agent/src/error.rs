//! Why an agent ends with an error.

use crate::state_lock::LockError;
use crate::store::StoreError;

/// A keeper that ended although a device did not confirm its safe values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// `namespace/name` of the runtime.
    pub runtime: String,
    /// Its driver, or `keeper` where the keeper itself did not answer.
    pub driver: String,
    /// The driver's last error.
    pub reason: String,
}

impl std::fmt::Display for Unconfirmed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: driver {}: {}", self.runtime, self.driver, self.reason)
    }
}

/// Why an agent ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another agent works here, or the directory cannot be used.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The last good specs cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A metric's name is taken in the registry that was given.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The agent ended in order, but somebody should look at these outputs.
    #[error("these devices did not confirm their safe values: {}", list(.0))]
    OutputsUnconfirmed(Vec<Unconfirmed>),
}

fn list(unconfirmed: &[Unconfirmed]) -> String {
    unconfirmed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
