//! The last good specs on the node's disk: what runs when the API is away, also after a power cut.
//!
//! One directory for each object, named by its uid: `plc/<uid>/bundle.cbor`, beside the files of its keeper. A
//! record is replaced whole (temporary file, fsync, rename, fsync of the directory), so that a crash leaves the
//! old one or the new one. A damaged record is reported and kept aside; it never runs and never stops the others.

mod format;

pub use format::Damage;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::marker::PhantomData;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name of the record in an object's directory.
const RECORD: &str = "bundle.cbor";
/// Where it is written before it takes that name.
const TEMPORARY: &str = "bundle.cbor.new";
/// Where a damaged record is kept for whoever wants to know what happened.
const ASIDE: &str = "bundle.cbor.damaged";

/// The last annotation that acknowledged a halt, as text.
const ACKNOWLEDGED: &str = "acknowledged";
/// Where it is written before it takes that name.
const ACKNOWLEDGED_TEMPORARY: &str = "acknowledged.new";

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or its permissions.
    #[error("{action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The content has no CBOR form.
    #[error("cannot encode the program of {uid}: {reason}")]
    Encode {
        /// Of the object.
        uid: String,
        /// Why.
        reason: String,
    },
    /// Names a path outside the store.
    #[error("{0:?} is not a uid")]
    Uid(String),
}

/// A record that cannot be used.
#[derive(Debug)]
pub(crate) struct Damaged {
    /// Of the object, as its directory says.
    pub(crate) uid: String,
    /// Where the damaged bytes are now.
    pub(crate) path: PathBuf,
    /// What is wrong.
    pub(crate) damage: Damage,
}

/// What the disk holds.
#[derive(Debug)]
pub(crate) struct Contents<T> {
    /// Usable records by uid, in the order of the uids.
    pub(crate) records: Vec<(String, T)>,
    /// Records set aside just now.
    pub(crate) damaged: Vec<Damaged>,
    /// Directories without a usable record: of keepers that may still run.
    pub(crate) others: Vec<String>,
}

/// Records of type `T`, one for each uid.
#[derive(Debug)]
pub(crate) struct Store<T> {
    root: PathBuf,
    content: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Store<T> {
    /// Makes the directory if need be.
    pub(crate) fn open(root: PathBuf) -> Result<Self, StoreError> {
        make_directory(&root)?;
        Ok(Self { root, content: PhantomData })
    }

    /// The directory of an object: its record, and what its keeper keeps.
    pub(crate) fn directory(&self, uid: &str) -> Result<PathBuf, StoreError> {
        let harmless = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if uid.is_empty() || !uid.chars().all(harmless) {
            return Err(StoreError::Uid(uid.to_owned()));
        }
        Ok(self.root.join(uid))
    }

    /// Reads every record; sets damaged ones aside.
    pub(crate) fn load(&self) -> Result<Contents<T>, StoreError> {
        let mut contents = Contents { records: Vec::new(), damaged: Vec::new(), others: Vec::new() };
        let entries = fs::read_dir(&self.root).map_err(failed("read", &self.root))?;
        let mut uids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed("read", &self.root))?;
            if entry.path().is_dir()
                && let Ok(uid) = entry.file_name().into_string()
            {
                uids.push(uid);
            }
        }
        uids.sort_unstable();
        for uid in uids {
            let directory = self.root.join(&uid);
            let path = directory.join(RECORD);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    contents.others.push(uid);
                    continue;
                }
                // One unreadable file is that object's trouble only.
                Err(error) => {
                    let damage = Damage::Content(error.to_string());
                    contents.damaged.push(Damaged { uid, path, damage });
                    continue;
                }
            };
            match format::decode(&bytes) {
                Ok(record) => contents.records.push((uid, record)),
                Err(damage) => {
                    let aside = directory.join(ASIDE);
                    // A record that cannot be renamed stays where it is, and is refused again next time.
                    let path = if fs::rename(&path, &aside).is_ok() { aside } else { path };
                    contents.damaged.push(Damaged { uid, path, damage });
                }
            }
        }
        Ok(contents)
    }

    /// Replaces the record; when this returns it survives a power cut.
    pub(crate) fn save(&self, uid: &str, record: &T) -> Result<(), StoreError> {
        let directory = self.directory(uid)?;
        make_directory(&directory)?;
        let bytes =
            format::encode(record).map_err(|reason| StoreError::Encode { uid: uid.to_owned(), reason })?;
        replace(&directory, TEMPORARY, RECORD, &bytes)
    }

    /// The word that was acted upon last.
    pub(crate) fn acknowledged(&self, uid: &str) -> Result<Option<String>, StoreError> {
        let path = self.directory(uid)?.join(ACKNOWLEDGED);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Replaces that word; when this returns it survives a power cut.
    pub(crate) fn save_acknowledged(&self, uid: &str, word: &str) -> Result<(), StoreError> {
        let directory = self.directory(uid)?;
        make_directory(&directory)?;
        replace(&directory, ACKNOWLEDGED_TEMPORARY, ACKNOWLEDGED, word.as_bytes())
    }

    /// Forgets the record; what is beside it stays.
    pub(crate) fn discard(&self, uid: &str) -> Result<(), StoreError> {
        let directory = self.directory(uid)?;
        let path = directory.join(RECORD);
        match fs::remove_file(&path) {
            Ok(()) => sync_directory(&directory),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", &path)(error)),
        }
    }

    /// Forgets the object with everything in its directory.
    pub(crate) fn remove(&self, uid: &str) -> Result<(), StoreError> {
        // The record first, and surely: a crash amid the rest must not leave something that starts again.
        self.discard(uid)?;
        let directory = self.directory(uid)?;
        match fs::remove_dir_all(&directory) {
            Ok(()) => sync_directory(&self.root),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("remove", &directory)(error)),
        }
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

/// Puts the bytes in place of a file, all or nothing.
fn replace(directory: &Path, temporary: &str, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = directory.join(temporary);
    // What a crash left behind may have other permissions; a fresh file has ours.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(failed("remove", &temporary)(error));
        }
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(failed("create", &temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &temporary))?;
    fs::rename(&temporary, directory.join(name)).map_err(failed("rename", &temporary))?;
    sync_directory(directory)
}

/// With its parents, readable by the agent's user only, and on the disk.
fn make_directory(path: &Path) -> Result<(), StoreError> {
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => Ok(()),
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(failed("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> (tempfile::TempDir, Store<String>) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("plc")).unwrap();
        (directory, store)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keeps_the_last_record_of_each_object() {
        let (_directory, store) = store();
        store.save("b", &"second".to_owned()).unwrap();
        store.save("a", &"old".to_owned()).unwrap();
        store.save("a", &"new".to_owned()).unwrap();
        let contents = store.load().unwrap();
        assert_eq!(
            contents.records,
            [("a".to_owned(), "new".to_owned()), ("b".to_owned(), "second".to_owned())]
        );
        assert!(contents.damaged.is_empty() && contents.others.is_empty());
        assert_eq!(mode(&store.root), 0o700);
        assert_eq!(mode(&store.root.join("a")), 0o700);
        assert_eq!(mode(&store.root.join("a").join(RECORD)), 0o600);
    }

    #[test]
    fn a_damaged_record_is_kept_aside_and_stops_no_other() {
        let (_directory, store) = store();
        store.save("a", &"good".to_owned()).unwrap();
        store.save("b", &"bad".to_owned()).unwrap();
        let path = store.root.join("b").join(RECORD);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();

        let contents = store.load().unwrap();
        assert_eq!(contents.records, [("a".to_owned(), "good".to_owned())]);
        assert_eq!(contents.damaged.len(), 1);
        assert_eq!(contents.damaged[0].uid, "b");
        assert!(matches!(contents.damaged[0].damage, Damage::Checksum { .. }));
        assert!(
            contents.damaged[0].path.ends_with("b/bundle.cbor.damaged") && contents.damaged[0].path.exists()
        );

        let again = store.load().unwrap();
        assert_eq!(again.others, ["b"], "reported once, then only a directory whose keeper may live");
        store.save("b", &"new".to_owned()).unwrap();
        assert_eq!(store.load().unwrap().records.len(), 2);
    }

    #[test]
    fn a_write_that_was_cut_short_changes_nothing() {
        let (_directory, store) = store();
        store.save("a", &"good".to_owned()).unwrap();
        fs::write(store.root.join("a").join(TEMPORARY), b"LSHA").unwrap();
        assert_eq!(store.load().unwrap().records, [("a".to_owned(), "good".to_owned())]);
        store.save("a", &"newer".to_owned()).unwrap();
        assert_eq!(store.load().unwrap().records, [("a".to_owned(), "newer".to_owned())]);
    }

    #[test]
    fn keeps_the_last_word_of_each_object() {
        let (_directory, store) = store();
        assert_eq!(store.acknowledged("a").unwrap(), None);
        store.save_acknowledged("a", "first").unwrap();
        store.save_acknowledged("a", "second").unwrap();
        assert_eq!(store.acknowledged("a").unwrap().as_deref(), Some("second"));
        assert_eq!(store.load().unwrap().others, ["a"], "it is no record");
        store.remove("a").unwrap();
        assert_eq!(store.acknowledged("a").unwrap(), None);
    }

    #[test]
    fn forgets_with_everything_beside_the_record() {
        let (_directory, store) = store();
        store.save("a", &"x".to_owned()).unwrap();
        fs::write(store.root.join("a").join("retain.a"), b"1").unwrap();
        store.remove("a").unwrap();
        store.remove("a").unwrap();
        assert!(!store.root.join("a").exists());
    }

    #[test]
    fn a_uid_never_leaves_the_directory() {
        let (_directory, store) = store();
        for uid in ["", "..", "a/b", "../x", "a\0"] {
            assert!(matches!(store.save(uid, &String::new()), Err(StoreError::Uid(_))), "{uid:?}");
        }
    }
}
