//! A new key in place of the old one, without a gap.
//!
//! The new key is made, then proven to each peer over a connection that the old one has authenticated; a peer that has
//! pinned both says so, and sees the new one from then on. When all have, and some days have passed, the old key goes.
//! A peer that was away for longer has to be paired again.
//!
//! On the disk each step is one file that is whole or not there: `next.key` is there as long as there are two keys,
//! `rotation.json` only adds when it began and who knows. Times are seconds since 1970; a clock that is not set stops
//! all of this, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use ring::signature::{ED25519, Ed25519KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::key::{Identity, OwnKey};
use super::{AgentId, FileError, Fingerprint, read, remove, replace, to_json};
use crate::hex::Hex;

const DAY: u64 = 24 * 3_600;
/// A key is replaced when it is so old.
const YEARLY: u64 = 365 * DAY;
/// After the last peer has said that it knows the new key.
const AFTER_LAST: u64 = 7 * DAY;
/// Whoever does not know it then has to be paired again.
pub const LONGEST_OVERLAP: u64 = 30 * DAY;
/// 2025-01-01: no clock that is set shows less.
const CLOCK_IS_SET: u64 = 1_735_689_600;

pub(super) const NEXT_FILE: &str = "next.key";
const RECORD_FILE: &str = "rotation.json";
const SINCE_FILE: &str = "key-since.json";
/// Made by a person who wants another key now.
const WANTED_FILE: &str = "rotate";
/// What a proof is for.
pub(crate) const PURPOSE: &[u8] = b"lineshaft-rotate/1";
/// An Ed25519 key in DER: this, then its 32 bytes.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// How far a change of the own key is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rotation {
    /// 0: the clock was not set.
    started_at: u64,
    /// Who knows the new key, and since when.
    acknowledged: BTreeMap<AgentId, u64>,
}

/// A new key, and the proof that its sender has it: made for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The public key.
    pub new: Hex<32>,
    /// By it, over the connection's secret and the agent's id.
    pub signature: Hex<64>,
}

impl Proof {
    /// The new key's name, if the proof holds for this connection of this agent.
    pub fn check(&self, exporter: &[u8; 32], agent: AgentId) -> Option<Fingerprint> {
        let message = message(exporter, &self.new, agent);
        UnparsedPublicKey::new(&ED25519, &self.new.0).verify(&message, &self.signature.0).ok()?;
        Some(Fingerprint::of_public_key(&[&ED25519_SPKI[..], &self.new.0].concat()))
    }
}

fn message(exporter: &[u8; 32], new: &Hex<32>, agent: AgentId) -> Vec<u8> {
    [PURPOSE, exporter, &new.0, agent.bytes()].concat()
}

impl Identity {
    /// Moves when a key comes or goes, or a peer knows the new one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The key that will take the place of the present one.
    pub fn next(&self) -> Option<Fingerprint> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).next.as_ref().map(|key| key.fingerprint)
    }

    /// Does what is due: makes a new key once a year or if somebody asks for it, and drops the old one when its time is
    /// over. `peers` are those that are paired. Whether anything has changed.
    pub fn rotate(&self, peers: &[AgentId], now: u64) -> Result<bool, FileError> {
        if now < CLOCK_IS_SET {
            return Ok(false);
        }
        if self.next().is_some() {
            return self.retire(peers, now);
        }
        let wanted = self.directory.join(WANTED_FILE);
        if !wanted.exists() && now.saturating_sub(self.key_since(now)?) < YEARLY {
            return Ok(false);
        }
        self.begin(now)?;
        remove(&wanted)?;
        Ok(true)
    }

    fn key_since(&self, now: u64) -> Result<u64, FileError> {
        let path = self.directory.join(SINCE_FILE);
        let known = read(&path)?.and_then(|json| serde_json::from_slice(&json).ok());
        match known {
            Some(since) => Ok(since),
            None => replace(&path, &to_json(&now)).map(|()| now),
        }
    }

    fn begin(&self, now: u64) -> Result<(), FileError> {
        let path = self.directory.join(NEXT_FILE);
        let next = OwnKey::generate(&path)?;
        replace(&path, &next.der())?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        keys.next = Some(Arc::new(next));
        keys.rotation = Rotation { started_at: now, ..Rotation::default() };
        replace(&self.directory.join(RECORD_FILE), &to_json(&keys.rotation))?;
        drop(keys);
        self.changes.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// The old key goes: the new one takes its file, which is the step that counts.
    fn retire(&self, peers: &[AgentId], now: u64) -> Result<bool, FileError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = keys.next.clone() else { return Ok(false) };
        let rotation = &mut keys.rotation;
        if rotation.started_at == 0 {
            rotation.started_at = now;
            replace(&self.directory.join(RECORD_FILE), &to_json(rotation))?;
        }
        let known = peers.iter().map(|peer| rotation.acknowledged.get(peer).copied());
        let last = known.collect::<Option<Vec<u64>>>().map(|times| times.into_iter().max());
        let over = match last {
            Some(None) => true,
            Some(Some(last)) if now >= last.saturating_add(AFTER_LAST) => true,
            _ => now >= rotation.started_at.saturating_add(LONGEST_OVERLAP),
        };
        if !over {
            return Ok(false);
        }
        replace(&self.directory.join(super::key::KEY_FILE), &next.der())?;
        keys.own = next;
        keys.next = None;
        keys.rotation = Rotation::default();
        drop(keys);
        replace(&self.directory.join(SINCE_FILE), &to_json(&now))?;
        self.tidy()?;
        self.changes.send_modify(|revision| *revision += 1);
        Ok(true)
    }

    /// Removes what is over.
    pub(super) fn tidy(&self) -> Result<(), FileError> {
        remove(&self.directory.join(NEXT_FILE))?;
        remove(&self.directory.join(RECORD_FILE))
    }

    pub(super) fn recorded(directory: &std::path::Path) -> Result<Rotation, FileError> {
        let path = directory.join(RECORD_FILE);
        match read(&path)? {
            Some(json) => serde_json::from_slice(&json).map_err(|error| FileError::damaged(&path, error)),
            None => Ok(Rotation::default()),
        }
    }

    /// Whether a peer sees the new key. Without one, there is nothing to know.
    pub fn is_acknowledged(&self, peer: AgentId) -> bool {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.next.is_none() || keys.rotation.acknowledged.contains_key(&peer)
    }

    /// A peer has pinned a key, which counts if it is the new one. It is on the disk before it sees that key.
    pub(crate) fn acknowledge(&self, peer: AgentId, key: Fingerprint, now: u64) -> Result<(), FileError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let new = keys.next.as_ref().is_some_and(|next| next.fingerprint == key);
        if !new || keys.rotation.acknowledged.contains_key(&peer) {
            return Ok(());
        }
        let mut rotation = keys.rotation.clone();
        rotation.acknowledged.insert(peer, now);
        replace(&self.directory.join(RECORD_FILE), &to_json(&rotation))?;
        keys.rotation = rotation;
        drop(keys);
        self.changes.send_modify(|revision| *revision += 1);
        Ok(())
    }

    /// The key to show to a peer.
    pub(crate) fn key_for(&self, peer: AgentId) -> Arc<OwnKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match &keys.next {
            Some(next) if keys.rotation.acknowledged.contains_key(&peer) => next.clone(),
            _ => keys.own.clone(),
        }
    }

    /// The key to show to a caller who expects the one whose name begins like this.
    pub(crate) fn key_named(&self, begin: &str) -> Arc<OwnKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        match &keys.next {
            Some(next) if next.fingerprint.short() == begin => next.clone(),
            _ => keys.own.clone(),
        }
    }

    /// The proof of the new key for one connection, if there is one.
    pub(crate) fn proof(&self, exporter: &[u8; 32]) -> Option<Proof> {
        let next = self.keys.read().unwrap_or_else(PoisonError::into_inner).next.clone()?;
        // Both are kept whole since they were made or read.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&next.der()).ok()?;
        let new = Hex::<32>(ring::signature::KeyPair::public_key(&pair).as_ref().try_into().ok()?);
        let signature = pair.sign(&message(exporter, &new, self.agent()));
        Some(Proof { new, signature: Hex(signature.as_ref().try_into().ok()?) })
    }
}

/// Seconds since 1970, of the calendar.
pub fn calendar() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
