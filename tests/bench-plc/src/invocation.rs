//! A command line: run as it is shown.

use crate::Error;
use std::fmt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A program and its arguments.
#[derive(Debug)]
pub(crate) struct Invocation(Vec<String>);

impl Invocation {
    /// Paths are UTF-8 and shown from the present directory where they are below it.
    pub(crate) fn new<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let arguments = arguments.into_iter().map(str::to_owned);
        Self(std::iter::once(shown(program)).chain(arguments).collect())
    }

    /// Runs it to its end, which must be a good one: what it has written.
    pub(crate) fn output(&self) -> Result<Vec<u8>, Error> {
        let output = self.command().output().map_err(|source| self.cannot_start(source))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        let said = format!("{}\n{}", output.status, String::from_utf8_lossy(&said));
        Err(Error::Failed { command: self.to_string(), code: output.status.code(), said })
    }

    /// Starts it, to be watched; nobody reads what it writes.
    pub(crate) fn start(&self) -> Result<Child, Error> {
        self.command().stdout(Stdio::null()).spawn().map_err(|source| self.cannot_start(source))
    }

    fn command(&self) -> Command {
        let (program, arguments) = self.0.split_first().expect("made with a program");
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn cannot_start(&self, source: std::io::Error) -> Error {
        Error::Start { command: self.to_string(), source }
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// A path as one types it here.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).display().to_string()
}
