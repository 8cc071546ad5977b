//! Runs the real binary.
#![allow(dead_code, unreachable_pub, reason = "each suite uses what it needs")]

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// What a finished run left.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The command, without colours.
pub fn command(arguments: &[&str], directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lineshaft"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// Runs it to its end.
pub fn lineshaft(arguments: &[&str], directory: &Path) -> Done {
    let output = command(arguments, directory).output().unwrap();
    Done {
        code: output.status.code().expect("it was not killed"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A directory with files, removed at the end.
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    pub fn with(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(directory)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A run that goes on until it is told to end; killed when dropped.
pub struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, seen: Vec::new() }
    }

    /// Reads until a line contains the text, and returns that line.
    pub fn wait_line(&mut self, text: &str) -> String {
        loop {
            let Some(line) = self.lines.next() else {
                let mut stderr = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
                panic!("it ended without a line with {text:?}:\n{}\n{stderr}", self.seen.join("\n"));
            };
            let line = line.unwrap();
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().cast_signed()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; the rest of what it said.
    pub fn wait(mut self) -> (ExitStatus, String) {
        for line in self.lines.by_ref() {
            self.seen.push(line.unwrap());
        }
        let status = self.child.wait().unwrap();
        let mut said = self.seen.join("\n");
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
