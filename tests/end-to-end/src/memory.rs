//! What a program has in its memory, asked of its keeper.

use crate::wait::wait_until;
use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_plc_runtime::protocol::Status;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than any pause of a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The variables of a runtime of a plant.
#[derive(Clone, Debug)]
pub struct Memory {
    directory: PathBuf,
}

impl Memory {
    /// Of the runtime with this UID, below the data directory of its plant.
    pub fn of(data: &Path, uid: &str) -> Self {
        Self { directory: data.join("node/plc").join(uid.trim()) }
    }

    /// Values of one scan; none while the keeper is not there, or has no such variable.
    pub fn read(&self, paths: &[&str]) -> Option<Vec<Value>> {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        let values = KeeperClient::connect(&self.directory).ok()?.read(paths).ok()?.values;
        values.into_iter().map(|value| value.value.ok()).collect()
    }

    /// A number.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.read(&[path])?.first()?.as_i64()
    }

    /// Waits until a variable has a value.
    ///
    /// # Panics
    /// When it never has.
    pub fn wait(&self, path: &str, wanted: impl Fn(i64) -> bool) -> i64 {
        wait_until(PATIENCE, path, || self.number(path).filter(|number| wanted(*number)))
    }

    /// What its keeper says.
    pub fn status(&self) -> Option<Status> {
        KeeperClient::connect(&self.directory).ok()?.status().ok()
    }
}
