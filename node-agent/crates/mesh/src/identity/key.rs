//! The agent's own key and certificate.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ED25519, SanType};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use tokio::sync::watch;

use super::rotation::{NEXT_FILE, Rotation};
use super::{AgentId, FileError, Fingerprint, make_directory, read, replace};

pub(super) const KEY_FILE: &str = "identity.key";
const ID_FILE: &str = "agent-id";

/// Who this agent is, with the key that proves it; with two while it changes them.
pub struct Identity {
    agent: AgentId,
    pub(super) directory: PathBuf,
    pub(super) keys: RwLock<Keys>,
    pub(super) changes: watch::Sender<u64>,
}

pub(super) struct Keys {
    pub(super) own: Arc<OwnKey>,
    /// Takes the place of the other one when peers know it.
    pub(super) next: Option<Arc<OwnKey>>,
    pub(super) rotation: Rotation,
}

/// A key of this agent and its certificate.
pub struct OwnKey {
    pair: KeyPair,
    certificate: CertificateDer<'static>,
    pub(crate) fingerprint: Fingerprint,
}

impl OwnKey {
    /// Another one, for a file.
    pub(super) fn generate(path: &Path) -> Result<Self, FileError> {
        let pair = KeyPair::generate_for(&PKCS_ED25519)
            .map_err(|_| FileError::io("make a key for", path)(std::io::Error::other("no randomness")))?;
        Self::new(pair).map_err(|error| FileError::damaged(path, error))
    }

    /// The one in a file that only its owner may read; `None` if there is no such file.
    fn read(path: &Path) -> Result<Option<Self>, FileError> {
        let Some(bytes) = read(path)? else { return Ok(None) };
        let mode = std::fs::metadata(path).map_err(FileError::io("read", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            let problem = format!("mode {:o} lets others read it, 600 is right", mode & 0o777);
            return Err(FileError::damaged(path, problem));
        }
        let key = KeyPair::try_from(bytes).and_then(Self::new);
        key.map(Some).map_err(|error| FileError::damaged(path, error))
    }

    fn new(pair: KeyPair) -> Result<Self, rcgen::Error> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "lineshaft");
        let certificate = parameters.self_signed(&pair)?.der().clone();
        let fingerprint = certificate_key(&certificate).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Self { pair, certificate, fingerprint })
    }

    pub(super) fn der(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    pub(crate) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.der()).into()
    }
}

impl Identity {
    /// The identity in `directory`; on first use it is made. The key is an Ed25519 key in PKCS #8, mode 0600. A
    /// key that others may read is refused.
    pub fn open(directory: &Path) -> Result<Self, FileError> {
        make_directory(directory)?;
        let agent = agent_id(&directory.join(ID_FILE))?;
        let path = directory.join(KEY_FILE);
        let own = if let Some(key) = OwnKey::read(&path)? {
            key
        } else {
            let key = OwnKey::generate(&path)?;
            replace(&path, &key.der())?;
            key
        };
        let next = OwnKey::read(&directory.join(NEXT_FILE))?;
        let next = next.filter(|next| next.fingerprint != own.fingerprint).map(Arc::new);
        let rotation = if next.is_some() { Self::recorded(directory)? } else { Rotation::default() };
        let over = next.is_none();
        let keys = RwLock::new(Keys { own: Arc::new(own), next, rotation });
        let (directory, changes) = (directory.to_owned(), watch::Sender::new(0));
        let identity = Self { agent, directory, keys, changes };
        if over {
            identity.tidy()?;
        }
        Ok(identity)
    }

    /// Of this agent.
    pub fn agent(&self) -> AgentId {
        self.agent
    }

    /// Names the key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.own().fingerprint
    }

    /// Whether there is one in `directory`.
    pub fn exists(directory: &Path) -> bool {
        directory.join(ID_FILE).exists()
    }

    /// A request in PEM for a certificate of this name, signed by the key; `None` for a name that is no URI.
    pub fn certificate_request(&self, name: &str) -> Option<String> {
        let mut parameters = CertificateParams::new(Vec::new()).ok()?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.subject_alt_names = vec![SanType::URI(name.try_into().ok()?)];
        parameters.serialize_request(&self.own().pair).ok()?.pem().ok()
    }

    /// The key that pairings are made with, and that peers see who know no newer one.
    pub(crate) fn own(&self) -> Arc<OwnKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).own.clone()
    }

    /// A secret for one purpose, which tells nothing about the key.
    pub(crate) fn derived(&self, purpose: &str) -> [u8; 32] {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.own().der());
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
