//! What can go wrong when boxes are created or attached.

/// Why a shared-memory box cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The operating system refused a step.
    #[error("cannot {step}: {source}")]
    Os {
        /// What was tried, as it fits after "cannot".
        step: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The memory file could still change its size, so that reading it could kill this process.
    #[error("the shared memory is not sealed against changes of its size")]
    NotSealed,
    /// The file is not as long as it says, or as both sides agreed.
    #[error("the shared memory has {found} bytes where {expected} were expected")]
    WrongSize {
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The memory at this place holds something else, or nothing.
    #[error("no {what} at offset {offset} of the shared memory")]
    WrongMagic {
        /// What was looked for.
        what: &'static str,
        /// Where.
        offset: usize,
    },
    /// The other side was built with another layout.
    #[error("the {what} has layout version {found}, this program knows {expected}")]
    WrongVersion {
        /// What was looked at.
        what: &'static str,
        /// The version this program knows.
        expected: u32,
        /// The version found.
        found: u32,
    },
    /// A box would reach over the end of the region, or does not lie on its alignment.
    #[error("{len} bytes at offset {offset} do not fit a region of {region} bytes")]
    OutOfBounds {
        /// Start of the box.
        offset: usize,
        /// Its length.
        len: usize,
        /// Length of the region.
        region: usize,
    },
    /// A driver number that the layout does not have.
    #[error("no port {index}: the layout has {count}")]
    NoSuchPort {
        /// The number asked for.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

impl ExchangeError {
    /// Wraps a system error with the step that failed.
    pub(crate) fn os(step: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::Os { step, source: errno.into() }
    }
}
