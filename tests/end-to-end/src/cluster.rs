//! A Kubernetes API server that belongs to nobody: what `--kubeconfig` leads to.

use crate::plant::repository;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running API server with an empty store.
pub struct Cluster {
    directory: tempfile::TempDir,
    server: Child,
}

impl Cluster {
    /// Starts one on a free port and waits until it is ready.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut server = Command::new(apiserver())
            .args(["--testing", "--exit-on-stdin-close", "--kubeconfig"])
            .arg(directory.path().join("kubeconfig"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.contains("\"ready\":true"), "{ready:?}");
        Self { directory, server }
    }

    /// Of its administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ended_already = self.server.kill();
        let _reaped = self.server.wait();
    }
}

/// The executable: as told, or where `make apiserver` puts it.
pub fn apiserver() -> PathBuf {
    std::env::var_os("LINESHAFT_APISERVER")
        .map_or_else(|| repository("target/go/lineshaft-apiserver"), PathBuf::from)
}
