//! Why a worker could not finish a step. It tries again after a while, or when something changed.

use super::sources::SourcesError;
use crate::store::StoreError;

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The sources cannot be read.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// The disk refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keeper could not be started, or does not answer.
    #[error("{0}")]
    Keeper(#[from] lineshaft_plc_runtime::Error),
    /// The runner died or hung while it prepared the program.
    #[error("the runner failed: {0}")]
    RunnerFailed(String),
    /// The API server refused a write without which the next step must not follow.
    #[error("cannot change the finalizers: {0}")]
    Finalizer(String),
    /// Devices did not confirm their safe values.
    #[error("{0}")]
    OutputsUnconfirmed(String),
    /// Work beside the async tasks ended without a result.
    #[error("interrupted: {0}")]
    Interrupted(String),
}

impl Trouble {
    /// The variant, for metrics.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Sources(_) => "Sources",
            Self::Store(_) => "Store",
            Self::Keeper(_) => "Keeper",
            Self::RunnerFailed(_) => "RunnerFailed",
            Self::Finalizer(_) => "Finalizer",
            Self::OutputsUnconfirmed(_) => "OutputsUnconfirmed",
            Self::Interrupted(_) => "Interrupted",
        }
    }
}
