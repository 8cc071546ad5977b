//! Who an agent is to others: an id of its own and the key that proves it.

mod files;
mod key;
mod rotation;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::Hex;

pub use files::FileError;
pub(crate) use files::{make_directory, read, remove, replace, to_json};
pub use key::{Identity, OwnKey, certificate_key};
pub(crate) use rotation::PURPOSE as ROTATION;
pub use rotation::{LONGEST_OVERLAP, Proof, calendar};

/// Chosen at random when an agent starts for the first time. Written like a UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentId(Hex<16>);

/// SHA-256 of a certificate's SubjectPublicKeyInfo: names the key, whatever certificate it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(Hex<32>);

/// A text that is no identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// For [`AgentId`].
    #[error("an agent ID is a UUID in lower case, such as 6f1c2a9e-0b1d-4c3a-9e2f-5a6b7c8d9e0f")]
    AgentId,
    /// For [`Fingerprint`].
    #[error("a fingerprint is `sha256:` and 64 lower-case hexadecimal digits")]
    Fingerprint,
}

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

impl AgentId {
    /// From the bytes of a UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Hex(bytes))
    }

    /// The bytes of the UUID.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        for at in HYPHENS {
            text.insert(at, '-');
        }
        f.write_str(&text)
    }
}

impl TryFrom<String> for AgentId {
    type Error = IdentityError;

    fn try_from(mut text: String) -> Result<Self, IdentityError> {
        let hyphens = HYPHENS.iter().all(|&at| text.as_bytes().get(at) == Some(&b'-'));
        if text.len() != 36 || !text.is_ascii() || !hyphens {
            return Err(IdentityError::AgentId);
        }
        for at in HYPHENS.into_iter().rev() {
            text.remove(at);
        }
        text.parse().map(Self).map_err(|_| IdentityError::AgentId)
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.to_string()
    }
}

impl Fingerprint {
    /// Of a SubjectPublicKeyInfo in DER.
    pub fn of_public_key(spki: &[u8]) -> Self {
        Self(Hex(Sha256::digest(spki).into()))
    }

    /// How a dialler names the key that it expects.
    pub(crate) fn short(&self) -> String {
        let mut first = [0; 16];
        first.copy_from_slice(&self.bytes()[..16]);
        Hex(first).to_string()
    }

    /// The digest.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = IdentityError;

    fn try_from(text: String) -> Result<Self, IdentityError> {
        let digits = text.strip_prefix("sha256:").ok_or(IdentityError::Fingerprint)?;
        digits.parse().map(Self).map_err(|_| IdentityError::Fingerprint)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let id = AgentId::from_bytes(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233-3435-3637-3839-616263646566");
        assert_eq!(AgentId::try_from(id.to_string()), Ok(id));
        for bad in ["", "30313233-3435-3637-3839-61626364656", "30313233x3435-3637-3839-616263646566", "é"] {
            assert_eq!(AgentId::try_from(bad.to_owned()), Err(IdentityError::AgentId), "{bad}");
        }
        let key = Fingerprint::of_public_key(b"key");
        assert_eq!(Fingerprint::try_from(key.to_string()), Ok(key));
        assert!(Fingerprint::try_from("sha256:00".to_owned()).is_err());
    }
}
