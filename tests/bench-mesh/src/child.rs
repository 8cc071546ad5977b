//! Contenders as processes.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::{Error, Outcome};

/// A process that says lines. Ended when it is dropped.
pub(crate) struct Process {
    command: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    /// Starts this program in another role.
    pub(crate) fn own(words: &[String]) -> Outcome<Self> {
        Self::start(&std::env::current_exe().map_err(Error::Io)?, words)
    }

    pub(crate) fn start(program: &Path, words: &[String]) -> Outcome<Self> {
        let command = format!("{} {}", program.display(), words.join(" "));
        let start = |source| Error::Start { command: command.clone(), source };
        let mut child = Command::new(program)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(Error::Broken("a pipe"))?;
        Ok(Self { command, child, stdin, stdout: BufReader::new(stdout) })
    }

    pub(crate) fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.stdout.read_line(&mut line) {
            Ok(0) => Err(Error::Silent(self.command.clone())),
            Ok(_) => Ok(line.trim().to_owned()),
            Err(source) => Err(Error::Start { command: self.command.clone(), source }),
        }
    }

    /// The next line as a value.
    pub(crate) fn said<T: DeserializeOwned>(&mut self) -> Outcome<T> {
        let line = self.line()?;
        serde_json::from_str(&line)
            .map_err(|source| Error::Unreadable { command: self.command.clone(), source })
    }

    /// Says a line to it.
    pub(crate) fn tell(&mut self) -> Outcome<()> {
        let stdin = self.stdin.as_mut().ok_or(Error::Broken("a pipe"))?;
        stdin.write_all(b"go\n").map_err(Error::Io)
    }

    /// Ends its standard input: that is its sign to stop and to say what it has done.
    pub(crate) fn stop(&mut self) {
        self.stdin = None;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        // Has ended already, in the best case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
