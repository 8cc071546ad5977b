//! The agent's own key and certificate.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{AgentId, FileError, Fingerprint, make_directory, read, replace};

const KEY_FILE: &str = "identity.key";
const ID_FILE: &str = "agent-id";

/// Who this agent is, with the key that proves it.
pub struct Identity {
    agent: AgentId,
    key: KeyPair,
    certificate: CertificateDer<'static>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// The identity in `directory`; on first use it is made. The key is an Ed25519 key in PKCS #8, mode 0600. A
    /// key that others may read is refused.
    pub fn open(directory: &Path) -> Result<Self, FileError> {
        make_directory(directory)?;
        let agent = agent_id(&directory.join(ID_FILE))?;
        let path = directory.join(KEY_FILE);
        let key = if let Some(bytes) = read(&path)? {
            let mode = std::fs::metadata(&path).map_err(FileError::io("read", &path))?.permissions().mode();
            if mode & 0o077 != 0 {
                let problem = format!("mode {:o} lets others read it, 600 is right", mode & 0o777);
                return Err(FileError::damaged(&path, problem));
            }
            KeyPair::try_from(bytes).map_err(|error| FileError::damaged(&path, error))?
        } else {
            let key = KeyPair::generate_for(&PKCS_ED25519).map_err(|_| {
                FileError::io("make a key for", &path)(std::io::Error::other("no randomness"))
            })?;
            replace(&path, &key.serialize_der())?;
            key
        };
        Self::new(agent, key).map_err(|error| FileError::damaged(&path, error))
    }

    fn new(agent: AgentId, key: KeyPair) -> Result<Self, rcgen::Error> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, agent.to_string());
        let certificate = parameters.self_signed(&key)?.der().clone();
        let fingerprint = certificate_key(&certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { agent, key, certificate, fingerprint })
    }

    /// Of this agent.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// Names the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A secret for one purpose, which tells nothing about the key.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.key.serialize_der());
        let mut secret = [0; 32];
        secret.copy_from_slice(ring::hmac::sign(&key, purpose.as_bytes()).as_ref());
        secret
    }
}

/// The fingerprint of the key in a certificate; `None` if it is no X.509 certificate.
pub fn certificate_key(certificate: &CertificateDer<'_>) -> Option<Fingerprint> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(Fingerprint::of_public_key(&parsed.subject_public_key_info()))
}

fn agent_id(path: &Path) -> Result<AgentId, FileError> {
    if let Some(bytes) = read(path)? {
        let text = String::from_utf8(bytes).unwrap_or_default();
        return AgentId::try_from(text.trim().to_owned()).map_err(|error| FileError::damaged(path, error));
    }
    let agent = AgentId::from_bytes(*uuid::Uuid::new_v4().as_bytes());
    replace(path, format!("{agent}\n").as_bytes())?;
    Ok(agent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_identity_outlives_restarts() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().join("mesh");
        let first = Identity::open(&home).unwrap();
        let again = Identity::open(&home).unwrap();
        assert_eq!((first.agent(), first.fingerprint()), (again.agent(), again.fingerprint()));
        assert_eq!(first.derived("a"), again.derived("a"));
        assert_ne!(first.derived("a"), first.derived("b"));
        for name in [KEY_FILE, ID_FILE] {
            assert_eq!(fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
        }
        let other = Identity::open(&directory.path().join("other")).unwrap();
        assert_ne!(first.fingerprint(), other.fingerprint());
    }

    #[test]
    fn a_damaged_or_open_key_is_reported_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path();
        Identity::open(home).unwrap();
        let key = home.join(KEY_FILE);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Identity::open(home).err().unwrap();
        assert!(error.to_string().contains("mode 644"), "{error}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&key, b"no key").unwrap();
        assert!(matches!(Identity::open(home), Err(FileError::Damaged { .. })));
        assert_eq!(fs::read(&key).unwrap(), b"no key");
        fs::write(home.join(ID_FILE), b"me").unwrap();
        assert!(matches!(Identity::open(home), Err(FileError::Damaged { .. })));
    }
}
