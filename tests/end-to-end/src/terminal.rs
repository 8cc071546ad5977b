//! A shell on a host, as somebody uses it who follows the documentation.

use crate::host::Host;
use crate::plant::collect;
use crate::processes::{MARK, Process, Role};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

/// A terminal: a directory, and what was exported in it.
#[derive(Clone, Debug)]
pub struct Terminal<'a> {
    host: &'a Host,
    directory: PathBuf,
    exports: String,
}

/// What a command that has ended printed.
#[derive(Clone, Debug)]
pub struct Printed {
    /// Whether it succeeded.
    pub success: bool,
    /// Both streams, standard output first.
    pub text: String,
}

/// A command that has a terminal for itself.
pub struct Running {
    child: Child,
    mark: String,
    printed: Arc<Mutex<Vec<String>>>,
}

impl<'a> Terminal<'a> {
    /// Opens one.
    pub fn open(host: &'a Host, directory: &Path) -> Self {
        Self { host, directory: directory.to_owned(), exports: String::new() }
    }

    /// Runs commands to their end. Exports stay.
    ///
    /// # Panics
    /// Without bash.
    pub fn run(&mut self, commands: &str) -> Printed {
        let output = self.bash(commands).stdin(Stdio::null()).output().unwrap();
        for line in commands.lines().filter(|line| line.starts_with("export ")) {
            self.exports.push_str(line);
            self.exports.push('\n');
        }
        let text =
            [&output.stdout, &output.stderr].map(|stream| String::from_utf8_lossy(stream).into_owned());
        Printed { success: output.status.success(), text: text.concat() }
    }

    /// What commands that must succeed print.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn ok(&mut self, commands: &str) -> String {
        let printed = self.run(commands);
        assert!(printed.success, "{commands}\n{}", printed.text);
        printed.text
    }

    /// Starts a command that goes on; `mark` finds its processes.
    ///
    /// # Panics
    /// Without bash.
    pub fn start(&self, command: &str, mark: &str) -> Running {
        let mark = format!("{}/{mark}", self.directory.display());
        let mut child = self
            .bash(&format!("exec {command}"))
            .env(MARK, &mark)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = Arc::<Mutex<Vec<String>>>::default();
        collect(child.stdout.take().unwrap(), Arc::clone(&printed));
        collect(child.stderr.take().unwrap(), Arc::clone(&printed));
        Running { child, mark, printed }
    }

    fn bash(&self, commands: &str) -> Command {
        let mut bash = self.host.command("bash");
        bash.args(["-euo", "pipefail", "-c", &format!("{}{commands}", self.exports)])
            .current_dir(&self.directory)
            // kubectl keeps what it has seen of a server there, by its address.
            .env("HOME", &self.directory);
        bash
    }
}

impl Running {
    /// What it has printed, line by line.
    ///
    /// # Panics
    /// Never in practice: the collecting threads do not panic.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// Its living processes.
    pub fn processes(&self) -> Vec<Process> {
        Process::all(&self.mark)
    }

    /// Ctrl-C, for `lineshaft up`.
    pub fn interrupt(&self) {
        for process in self.processes().iter().filter(|process| process.role == Role::Up) {
            process.signal(Signal::INT);
        }
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When it is no child.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} printed:\n{}", self.mark, self.printed().join("\n"));
        }
        for process in self.processes() {
            process.kill();
        }
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
