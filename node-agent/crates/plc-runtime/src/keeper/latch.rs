//! A `SafeHalted` that outlives its keeper: one small file in the state directory, there for as long as nobody
//! has acknowledged.
//!
//! A file that cannot be read latches too: what is not known to be harmless is not.

use crate::Error;
use crate::fault::FaultRecord;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Name of the file.
const NAME: &str = "safe-halted.json";
/// Where it is written before it takes that name.
const TEMPORARY: &str = "safe-halted.json.new";
/// A file above this size is damaged.
const BYTES_MAX: u64 = 1024 * 1024;

/// Why a program stands still until somebody acknowledges it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Halt {
    /// As the status says it.
    pub(super) reason: String,
    /// The last fault, if there was one.
    pub(super) fault: Option<FaultRecord>,
}

/// Where the halt is kept.
#[derive(Debug)]
pub(super) struct Latch {
    directory: PathBuf,
}

impl Latch {
    /// In a state directory.
    pub(super) fn new(state_dir: &Path) -> Self {
        Self { directory: state_dir.to_owned() }
    }

    /// The halt that nobody has acknowledged.
    pub(super) fn read(&self) -> Option<Halt> {
        let path = self.directory.join(NAME);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(BYTES_MAX).read_to_end(&mut bytes));
        let why = match read.map(|_| serde_json::from_slice(&bytes)) {
            Ok(Ok(halt)) => return Some(halt),
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Ok(Err(_)) => "damaged".to_owned(),
            Err(error) => error.kind().to_string(),
        };
        let reason =
            format!("an earlier halt was not acknowledged; its cause is lost ({}: {why})", path.display());
        Some(Halt { reason, fault: None })
    }

    /// When this returns, the halt survives a power cut.
    pub(super) fn set(&self, halt: &Halt) -> Result<(), Error> {
        let (temporary, path) = (self.directory.join(TEMPORARY), self.directory.join(NAME));
        let failed = |path: &Path| Error::io(format!("write {}", path.display()));
        let bytes = serde_json::to_vec(halt).map_err(|e| Error::Malformed(e.to_string()))?;
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(failed(&temporary))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(failed(&temporary))?;
        std::fs::rename(&temporary, &path).map_err(failed(&path))?;
        self.sync()
    }

    /// When this returns, it will not come back.
    pub(super) fn clear(&self) -> Result<(), Error> {
        let path = self.directory.join(NAME);
        match rustix::fs::unlink(&path) {
            Ok(()) => self.sync(),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Error::io(format!("remove {}", path.display()))(error)),
        }
    }

    fn sync(&self) -> Result<(), Error> {
        let synced = File::open(&self.directory).and_then(|directory| directory.sync_all());
        synced.map_err(Error::io(format!("write {}", self.directory.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halt_is_there_until_it_is_cleared() {
        let dir = tempfile::tempdir().unwrap();
        let latch = Latch::new(dir.path());
        assert_eq!(latch.read(), None);
        let halt = Halt { reason: "DivideByZero at main.st:3:1".into(), fault: None };
        latch.set(&halt).unwrap();
        assert_eq!(Latch::new(dir.path()).read(), Some(halt));
        latch.clear().unwrap();
        latch.clear().unwrap();
        assert_eq!(latch.read(), None);
    }

    #[test]
    fn a_file_that_says_nothing_latches() {
        let dir = tempfile::tempdir().unwrap();
        let latch = Latch::new(dir.path());
        for bytes in [b"".as_slice(), b"{", b"\xff\xff", b"{\"reason\":3}"] {
            std::fs::write(dir.path().join(NAME), bytes).unwrap();
            assert!(latch.read().is_some_and(|halt| halt.reason.contains("damaged")), "{bytes:?}");
        }
        // A file cannot be opened below one that is none.
        assert!(Latch::new(&dir.path().join(NAME)).read().is_some());
    }

    #[test]
    fn a_write_that_was_cut_short_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(TEMPORARY), b"{").unwrap();
        assert_eq!(Latch::new(dir.path()).read(), None);
    }
}
