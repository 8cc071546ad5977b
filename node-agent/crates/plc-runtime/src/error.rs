//! What can go wrong around a running program.

use std::path::PathBuf;

/// Everything that this crate refuses or fails at. Faults of a program are no errors: they are
/// [`crate::fault::FaultRecord`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The peer closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The peer did not answer in time.
    #[error("no answer within {0} ms")]
    TimedOut(u64),
    /// A message is larger than the bound or not what the protocol says.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// The peer speaks another version of the protocol.
    #[error("protocol version {theirs} of the peer does not match {ours}")]
    Version {
        /// This side's.
        ours: u32,
        /// The other's.
        theirs: u32,
    },
    /// The keeper could not do what was asked.
    #[error("{0}")]
    Keeper(String),
    /// The keeper process ended before it was ready.
    #[error("the keeper did not start: {0}")]
    NotStarted(String),
    /// Another keeper owns the state directory.
    #[error("another keeper owns {}", .0.display())]
    Owned(PathBuf),
    /// A path that names no variable.
    #[error("no variable {0:?}")]
    UnknownVariable(String),
    /// A text that is no value of the variable's type.
    #[error("{text:?} is no {wanted}{detail}")]
    BadLiteral {
        /// What was given.
        text: String,
        /// What the variable takes.
        wanted: String,
        /// More, or empty.
        detail: String,
    },
    /// A variable that cannot be written from outside.
    #[error("{0:?} is a constant")]
    Constant(String),
    /// A name from VAR_ACCESS that is READ_ONLY.
    #[error("{0:?} is READ_ONLY in its VAR_ACCESS")]
    ReadOnly(String),
    /// The state block is larger than an engine can address.
    #[error("the program needs {0} bytes of state, more than {max}", max = crate::STATE_BYTES_MAX)]
    TooLarge(u64),
    /// The configuration of the process image is refused.
    #[error("{0}")]
    InvalidIo(String),
    /// Shared memory could not be made or mapped.
    #[error("shared memory: {0}")]
    Exchange(String),
}

impl Error {
    /// For `map_err` on a system call.
    pub(crate) fn io<E: Into<std::io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source: source.into() }
    }
}
