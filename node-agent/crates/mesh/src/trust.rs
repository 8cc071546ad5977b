//! Whom this agent trusts: the keys that pairings have pinned, on disk and in memory, and the agents of its own site.
//!
//! One file for each peer, `trust/<agent>.json`. A file that is damaged is reported and left alone: its peer is not
//! trusted, and nobody takes it for "no pins". Trust ends with the file: at once for connections that are to be
//! made, and [`Trust::changed`] tells those that exist.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::identity::{
    AgentId, FileError, Fingerprint, LONGEST_OVERLAP, make_directory, read, remove, replace, to_json,
};
use crate::membership::Membership;

/// A peer whose key is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pin {
    /// The peer.
    pub agent: AgentId,
    /// Its name when it was paired.
    pub name: String,
    /// Its keys, the newest last; two while it changes them.
    pub keys: Vec<Fingerprint>,
    /// UID of the Pairing that made it.
    pub pairing: String,
}

/// The pins of an agent.
#[derive(Debug)]
pub struct Trust {
    directory: PathBuf,
    pins: RwLock<BTreeMap<AgentId, Pin>>,
    membership: RwLock<Option<Arc<Membership>>>,
    revision: watch::Sender<u64>,
}

impl Trust {
    /// The pins in `directory`, and what could not be read.
    pub fn open(directory: &Path) -> Result<(Self, Vec<FileError>), FileError> {
        make_directory(directory)?;
        let mut pins = BTreeMap::new();
        let mut damaged = Vec::new();
        let entries = std::fs::read_dir(directory).map_err(FileError::io("read", directory))?;
        for entry in entries {
            let path = entry.map_err(FileError::io("read", directory))?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                match load(&path) {
                    Ok(pin) => {
                        pins.insert(pin.agent, pin);
                    }
                    Err(error) => damaged.push(error),
                }
            }
        }
        let trust = Self {
            directory: directory.to_owned(),
            pins: RwLock::new(pins),
            membership: RwLock::default(),
            revision: watch::Sender::new(0),
        };
        Ok((trust, damaged))
    }

    /// Trusts a peer from now on. It is on the disk when this returns.
    pub fn pin(&self, pin: Pin) -> Result<(), FileError> {
        let json = to_json(&pin);
        replace(&self.path(pin.agent), &json)?;
        self.pins.write().unwrap_or_else(PoisonError::into_inner).insert(pin.agent, pin);
        self.revision.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// Trusts a peer no more. Memory first: even a disk that refuses ends the trust until the next start.
    pub fn unpin(&self, agent: AgentId) -> Result<(), FileError> {
        self.pins.write().unwrap_or_else(PoisonError::into_inner).remove(&agent);
        self.revision.send_modify(|revision| *revision += 1);
        remove(&self.path(agent))
    }

    /// The peer that a key belongs to.
    pub fn owner(&self, key: Fingerprint) -> Option<AgentId> {
        let pins = self.pins.read().unwrap_or_else(PoisonError::into_inner);
        pins.values().find(|pin| pin.keys.contains(&key)).map(|pin| pin.agent)
    }

    /// What is pinned for a peer.
    pub fn pin_of(&self, agent: AgentId) -> Option<Pin> {
        self.pins.read().unwrap_or_else(PoisonError::into_inner).get(&agent).cloned()
    }

    /// All pins.
    pub fn pins(&self) -> Vec<Pin> {
        self.pins.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// A paired peer has shown, over a connection that these keys of its have proven, that it has another one: it is
    /// trusted beside the present one, and on the disk when this returns. Only the newest key may name its successor.
    /// Whether the new one is trusted.
    pub fn learn(&self, agent: AgentId, proven: &[Fingerprint], new: Fingerprint) -> Result<bool, FileError> {
        let Some(mut pin) = self.pin_of(agent) else { return Ok(false) };
        if pin.keys.contains(&new) {
            return Ok(true);
        }
        let Some(newest) = pin.keys.last().copied().filter(|newest| proven.contains(newest)) else {
            return Ok(false);
        };
        pin.keys = vec![newest, new];
        self.pin(pin).map(|()| true)
    }

    /// A paired peer that has proven this key says that it has no older one any more.
    pub fn forget_before(
        &self,
        agent: AgentId,
        proven: &[Fingerprint],
        key: Fingerprint,
    ) -> Result<(), FileError> {
        let Some(mut pin) = self.pin_of(agent) else { return Ok(()) };
        let place = pin.keys.iter().position(|known| *known == key).filter(|_| proven.contains(&key));
        match place {
            Some(place @ 1..) => {
                pin.keys.drain(..place);
                self.pin(pin)
            }
            _ => Ok(()),
        }
    }

    /// Keys that were replaced so long ago that nobody has them any more; `now` in seconds since 1970.
    pub fn forget_old(&self, now: u64) -> Result<(), FileError> {
        for mut pin in self.pins().into_iter().filter(|pin| pin.keys.len() > 1) {
            let path = self.path(pin.agent);
            let written = std::fs::metadata(&path).and_then(|file| file.modified());
            let written = written.map_err(FileError::io("read", &path))?;
            let since = written.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            if now >= since.saturating_add(LONGEST_OVERLAP) {
                pin.keys.drain(..pin.keys.len() - 1);
                self.pin(pin)?;
            }
        }
        Ok(())
    }

    /// Trusts the agents of this agent's own site, by these authorities, in place of those before.
    pub fn join(&self, membership: Membership) {
        *self.membership.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(membership));
        self.revision.send_modify(|revision| *revision += 1);
    }

    /// The site that this agent belongs to, once it is known.
    pub fn membership(&self) -> Option<Arc<Membership>> {
        self.membership.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Moves when a pin comes or goes, or the site's authorities change.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    fn path(&self, agent: AgentId) -> PathBuf {
        self.directory.join(format!("{agent}.json"))
    }
}

fn load(path: &Path) -> Result<Pin, FileError> {
    let bytes = read(path)?.ok_or_else(|| FileError::damaged(path, "it has just been removed"))?;
    let pin: Pin = serde_json::from_slice(&bytes).map_err(|error| FileError::damaged(path, error))?;
    let named = path.file_stem().and_then(|stem| stem.to_str()) == Some(pin.agent.to_string().as_str());
    if named { Ok(pin) } else { Err(FileError::damaged(path, "it is named after another agent")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(number: u8) -> Pin {
        Pin {
            agent: AgentId::from_bytes([number; 16]),
            name: format!("Line{number}"),
            keys: vec![Fingerprint::of_public_key(&[number])],
            pairing: "uid".to_owned(),
        }
    }

    #[test]
    fn pins_outlive_restarts_until_they_are_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let (trust, _) = Trust::open(directory.path()).unwrap();
        let mut changed = trust.changed();
        trust.pin(pin(1)).unwrap();
        trust.pin(pin(2)).unwrap();
        assert!(changed.has_changed().unwrap());
        changed.mark_unchanged();
        let (again, damaged) = Trust::open(directory.path()).unwrap();
        assert!(damaged.is_empty());
        assert_eq!(again.pins(), [pin(1), pin(2)]);
        assert_eq!(again.owner(pin(2).keys[0]), Some(pin(2).agent));
        trust.unpin(pin(1).agent).unwrap();
        trust.unpin(pin(1).agent).unwrap();
        assert!(changed.has_changed().unwrap());
        assert_eq!(trust.owner(pin(1).keys[0]), None);
        assert_eq!(Trust::open(directory.path()).unwrap().0.pins(), [pin(2)]);
    }

    #[test]
    fn only_the_newest_key_names_its_successor() {
        let directory = tempfile::tempdir().unwrap();
        let (trust, _) = Trust::open(directory.path()).unwrap();
        let key = |number: u8| Fingerprint::of_public_key(&[number]);
        let (agent, keys) = (pin(1).agent, || trust.pin_of(pin(1).agent).unwrap().keys);
        assert!(!trust.learn(agent, &[key(1)], key(2)).unwrap(), "nobody is paired");
        trust.pin(pin(1)).unwrap();
        assert!(!trust.learn(agent, &[key(9)], key(2)).unwrap());
        assert!(trust.learn(agent, &[key(1)], key(2)).unwrap());
        assert_eq!(keys(), [key(1), key(2)]);
        // Whoever has the old one only, a thief maybe, can neither replace nor remove the new one.
        assert!(!trust.learn(agent, &[key(1)], key(3)).unwrap());
        assert!(trust.learn(agent, &[key(1)], key(2)).unwrap(), "said once more");
        trust.forget_before(agent, &[key(1)], key(1)).unwrap();
        trust.forget_before(agent, &[key(1)], key(2)).unwrap();
        assert_eq!(keys(), [key(1), key(2)]);
        assert_eq!(Trust::open(directory.path()).unwrap().0.pin_of(agent).unwrap().keys, keys());
        trust.forget_before(agent, &[key(1), key(2)], key(2)).unwrap();
        assert_eq!(keys(), [key(2)]);
        assert_eq!(trust.owner(key(1)), None);
        // Who never says so is believed for a month.
        trust.learn(agent, &[key(2)], key(3)).unwrap();
        let now = crate::identity::calendar();
        trust.forget_old(now + LONGEST_OVERLAP - 60).unwrap();
        assert_eq!(keys().len(), 2);
        trust.forget_old(now + LONGEST_OVERLAP + 60).unwrap();
        assert_eq!(keys(), [key(3)]);
    }

    #[test]
    fn a_damaged_pin_is_reported_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (trust, _) = Trust::open(directory.path()).unwrap();
        trust.pin(pin(1)).unwrap();
        trust.pin(pin(2)).unwrap();
        let first = trust.path(pin(1).agent);
        std::fs::write(&first, b"{").unwrap();
        std::fs::copy(trust.path(pin(2).agent), trust.path(pin(3).agent)).unwrap();
        let (again, damaged) = Trust::open(directory.path()).unwrap();
        assert_eq!(damaged.len(), 2, "{damaged:?}");
        assert_eq!(again.pins(), [pin(2)]);
        assert_eq!(std::fs::read(&first).unwrap(), b"{");
    }
}
