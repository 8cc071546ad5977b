//! The data directory: one owner at a time, and a version that says who may read it.
//!
//! ```text
//! DATA_DIR/
//!   lock                  held by the `lineshaft up` that uses it; holds its process id
//!   version               version of everything below
//!   kubeconfig            for people and kubectl
//!   operator.kubeconfig   for the operator
//!   agent.kubeconfig      for the node agent
//!   apiserver/            etcd and certificates
//!   apiserver.log         what the API server says
//!   node/                 accepted programs, keepers' state
//! ```

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

/// Version of the layout that this program writes. A higher one is refused.
const VERSION: u32 = 1;
const LOCK: &str = "lock";
const VERSION_FILE: &str = "version";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirectoryError {
    /// Another process has it.
    #[error("the data directory {} is in use by process {owner}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// Its owner's process id, as far as it can be read.
        owner: String,
    },
    /// Written by a later version of this program.
    #[error(
        "the data directory {} was written by a newer Lineshaft (its version is {found}, this program reads up to \
         {VERSION}): use that program, or another --data-dir",
        path.display()
    )]
    Newer {
        /// The directory.
        path: PathBuf,
        /// What its version file says.
        found: u32,
    },
    /// Has other things in it.
    #[error(
        "{} is not empty and no data directory of Lineshaft (it has no file `version`): use another --data-dir",
        .0.display()
    )]
    Foreign(PathBuf),
    /// The version file holds something else.
    #[error("{}: `{found}` is no version", path.display())]
    Damaged {
        /// The version file.
        path: PathBuf,
        /// What it holds.
        found: String,
    },
    /// The file system refuses.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A data directory that belongs to this process until the value is dropped, or the process ends in any way.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    /// The kernel gives the lock back with the descriptor.
    _lock: File,
    /// Whether it was there before.
    pub(crate) existed: bool,
}

impl DataDirectory {
    /// Takes a directory; makes it where it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
        // Everything below is given to other processes, which may have another working directory.
        let path = path.canonicalize().map_err(failed(path))?;
        let version_path = path.join(VERSION_FILE);
        // Looked at before the lock file is made: a directory of somebody else's stays as it is.
        if !version_path.exists() && has_foreign_entries(&path)? {
            return Err(DataDirectoryError::Foreign(path));
        }
        let lock = lock(&path)?;
        let existed = match std::fs::read_to_string(&version_path) {
            Ok(text) => {
                check_version(&path, &version_path, &text)?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                write_atomically(&version_path, format!("{VERSION}\n").as_bytes())
                    .map_err(failed(&version_path))?;
                false
            }
            Err(error) => return Err(failed(&version_path)(error)),
        };
        Ok(Self { path, _lock: lock, existed })
    }

    /// The directory, as an absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A file or directory in it.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

fn has_foreign_entries(path: &Path) -> Result<bool, DataDirectoryError> {
    for entry in std::fs::read_dir(path).map_err(failed(path))? {
        if entry.map_err(failed(path))?.file_name() != LOCK {
            return Ok(true);
        }
    }
    Ok(false)
}

fn lock(directory: &Path) -> Result<File, DataDirectoryError> {
    let path = directory.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed(&path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).map_err(failed(&path))?;
            let owner = owner.trim();
            let owner = if owner.is_empty() { "that has just started".to_owned() } else { owner.to_owned() };
            return Err(DataDirectoryError::InUse { path: directory.to_owned(), owner });
        }
        Err(error) => return Err(failed(&path)(error.into())),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .map_err(failed(&path))?;
    Ok(file)
}

fn check_version(directory: &Path, path: &Path, text: &str) -> Result<(), DataDirectoryError> {
    let found = text
        .trim()
        .parse()
        .map_err(|_| DataDirectoryError::Damaged { path: path.to_owned(), found: text.trim().to_owned() })?;
    if found > VERSION {
        return Err(DataDirectoryError::Newer { path: directory.to_owned(), found });
    }
    Ok(())
}

/// A file that is there whole or not at all, also after a power cut.
fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&temporary, path)?;
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> DataDirectoryError {
    let path = path.to_owned();
    move |source| DataDirectoryError::Io { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_and_is_found_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = DataDirectory::open(&path).unwrap();
        assert!(!first.existed);
        let second = DataDirectory::open(&path).unwrap_err();
        assert!(
            second.to_string().ends_with(&format!("in use by process {}", std::process::id())),
            "{second}"
        );
        drop(first);
        assert!(DataDirectory::open(&path).unwrap().existed);
    }

    #[test]
    fn a_newer_a_damaged_and_a_foreign_directory_are_left_alone() {
        let newer = tempfile::tempdir().unwrap();
        std::fs::write(newer.path().join(VERSION_FILE), "99\n").unwrap();
        let error = DataDirectory::open(newer.path()).unwrap_err();
        assert!(matches!(error, DataDirectoryError::Newer { found: 99, .. }), "{error}");

        let damaged = tempfile::tempdir().unwrap();
        std::fs::write(damaged.path().join(VERSION_FILE), "one\n").unwrap();
        let error = DataDirectory::open(damaged.path()).unwrap_err();
        assert!(error.to_string().ends_with("version: `one` is no version"), "{error}");

        let foreign = tempfile::tempdir().unwrap();
        std::fs::write(foreign.path().join("holiday.jpg"), "").unwrap();
        let error = DataDirectory::open(foreign.path()).unwrap_err();
        assert!(matches!(error, DataDirectoryError::Foreign(_)), "{error}");
        assert!(!foreign.path().join(LOCK).exists());
    }
}
