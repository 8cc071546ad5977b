//! The real kubectl.

use crate::plant::{program_on, repository};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// kubectl with one plant's kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    host: Option<String>,
}

impl Kubectl {
    pub(crate) fn new(kubeconfig: &Path, host: Option<String>) -> Self {
        let program = kubectl();
        Self { program, kubeconfig: kubeconfig.to_owned(), host }
    }

    /// A command that the caller finishes.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = program_on(self.host.as_deref(), &self.program);
        command.arg("--cache-dir").arg(self.cache()).args(args).env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Asks anew which kinds there are: kubectl remembers for hours what it saw while they were being installed.
    pub(crate) fn forget_kinds(&self) {
        // It is missing until kubectl has run.
        let _ = std::fs::remove_dir_all(self.cache());
    }

    /// Discovery is cached by address, and plants share ports over time.
    fn cache(&self) -> PathBuf {
        self.kubeconfig.with_file_name("kubectl-cache")
    }

    /// Runs it and gives everything.
    pub fn output(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// Standard output of a command that must succeed.
    ///
    /// # Panics
    /// With both outputs when it does not.
    pub fn ok(&self, args: &[&str]) -> String {
        succeeded(args, &self.output(args))
    }

    /// Standard error of a command that must fail.
    ///
    /// # Panics
    /// With both outputs when it does not.
    pub fn refused(&self, args: &[&str]) -> String {
        failed(args, &self.output(args))
    }

    /// As [`Kubectl::ok`], with text on standard input.
    ///
    /// # Panics
    /// With both outputs when it fails.
    pub fn ok_with(&self, args: &[&str], input: &str) -> String {
        succeeded(args, &self.output_with(args, input))
    }

    /// As [`Kubectl::refused`], with text on standard input.
    ///
    /// # Panics
    /// With both outputs when it succeeds.
    pub fn refused_with(&self, args: &[&str], input: &str) -> String {
        failed(args, &self.output_with(args, input))
    }

    fn output_with(&self, args: &[&str], input: &str) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

/// The executable: as told, or where `make apiserver` puts it.
///
/// # Panics
/// When it was not built.
pub fn kubectl() -> PathBuf {
    let program =
        std::env::var_os("LINESHAFT_KUBECTL").map_or_else(|| repository("target/go/kubectl"), PathBuf::from);
    assert!(program.exists(), "{} is missing: run `make apiserver`", program.display());
    program
}

fn succeeded(args: &[&str], output: &Output) -> String {
    assert!(output.status.success(), "kubectl {args:?} failed:\n{}", both(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn failed(args: &[&str], output: &Output) -> String {
    assert!(!output.status.success(), "kubectl {args:?} should have failed:\n{}", both(output));
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn both(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
