//! What ends a command early, and the exit code that says so.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::manifest::load::LoadError;

/// The command line is wrong: what clap uses too.
const USAGE: u8 = 2;
/// Something failed.
const FAILED: u8 = 1;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// An argument names nothing, or has no sense.
    #[error("{0}")]
    Usage(String),
    /// A file or directory cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Standard output is gone or full.
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    /// The system gives no threads, signals or sockets.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was to be done.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The engine cannot run the program.
    #[error(transparent)]
    Engine(#[from] lineshaft_plc_runtime::Error),
    /// `sim` could not go on.
    #[error(transparent)]
    Sim(#[from] crate::sim::SimError),
    /// `peers`, `pair` or `mesh` could not do it.
    #[error(transparent)]
    Mesh(#[from] crate::mesh::MeshError),
    /// `up` could not go on.
    #[error(transparent)]
    Up(Box<crate::up::UpError>),
}

impl Failure {
    /// Says it on standard error.
    pub(crate) fn report(&self) -> ExitCode {
        // `lineshaft … | head` ends the reader first: that is no failure to speak of.
        if let Self::Output(error) = self
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            return ExitCode::from(FAILED);
        }
        // Without standard error there is nobody to tell.
        let _ = writeln!(io::stderr(), "error: {self}");
        ExitCode::from(match self {
            Self::Usage(_) | Self::Load(_) => USAGE,
            _ => FAILED,
        })
    }
}

impl From<crate::up::UpError> for Failure {
    fn from(error: crate::up::UpError) -> Self {
        Self::Up(Box::new(error))
    }
}
