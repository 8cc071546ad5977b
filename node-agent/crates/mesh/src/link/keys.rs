//! The keys of both ends of a connection, while either changes its own.

use std::sync::{Arc, Mutex, PoisonError};

use quinn::Connection;
use quinn::crypto::rustls::HandshakeData;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use super::LinkError;
use super::session::Ends;
use crate::control::{Message, Rotate};
use crate::identity::{
    AgentId, FileError, Fingerprint, Identity, Proof, ROTATION, calendar, certificate_key,
};
use crate::tls::expected_key;
use crate::trust::Trust;

/// The keys that the peer has shown to have on this connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Proven(Arc<Mutex<Vec<Fingerprint>>>);

impl Proven {
    pub(super) fn any_of(&self, trusted: &[Fingerprint]) -> bool {
        self.all().iter().any(|key| trusted.contains(key))
    }

    fn all(&self) -> Vec<Fingerprint> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, key: Fingerprint) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(key);
    }
}

/// What a session says and hears of keys.
pub(super) struct Keys {
    identity: Arc<Identity>,
    pub(super) trust: Arc<Trust>,
    pub(super) proven: Proven,
    peer: AgentId,
    /// Keys are of no concern to agents of one site: certificates say who has which.
    paired: bool,
}

impl Keys {
    pub(super) fn of(
        connection: &Connection,
        ends: &Ends,
        identity: Arc<Identity>,
        trust: Arc<Trust>,
    ) -> Self {
        let paired = trust.pin_of(ends.peer).is_some();
        let keys = Self { identity, trust, proven: Proven::default(), peer: ends.peer, paired };
        let certificates = connection
            .peer_identity()
            .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
            .unwrap_or_default();
        if let Some(key) = certificates.first().and_then(certificate_key) {
            keys.proven.add(key);
        }
        // Who expects the new key has pinned it.
        let next = keys.identity.next().filter(|next| next.short() == expected(connection));
        if let Some(next) = next {
            keys.acknowledged(next);
        }
        keys
    }

    /// Moves when there is something to tell.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.identity.changes()
    }

    /// What the peer has to know of the own keys.
    pub(super) fn tell(&self, connection: &Connection) -> Option<Message> {
        if !self.paired {
            return None;
        }
        if self.identity.next().is_none() {
            return Some(Message::OnlyKey(self.identity.fingerprint()));
        }
        if self.identity.is_acknowledged(self.peer) {
            return None;
        }
        let Proof { new, signature } = self.identity.proof(&exporter(connection).ok()?)?;
        Some(Message::Rotate(Rotate { new, signature }))
    }

    /// The peer has another key.
    pub(super) fn learn(&self, connection: &Connection, rotate: &Rotate) -> Result<Message, LinkError> {
        let Rotate { new, signature } = *rotate;
        let new = Proof { new, signature }.check(&exporter(connection)?, self.peer);
        let new = new.ok_or(LinkError::Unexpected("a new key without its proof"))?;
        match self.trust.learn(self.peer, &self.proven.all(), new) {
            Ok(true) => {
                tracing::info!(peer = %self.peer, key = %new, "the peer has another key from now on");
                self.proven.add(new);
                Ok(Message::RotateAck(new))
            }
            Ok(false) => Err(LinkError::Unexpected("a new key from one that was replaced itself")),
            Err(error) => {
                tracing::error!(%error, "the new key of a peer cannot be stored");
                Err(LinkError::Unexpected("the new key cannot be stored"))
            }
        }
    }

    /// The peer has pinned a key of this agent.
    pub(super) fn acknowledged(&self, key: Fingerprint) {
        told(self.identity.acknowledge(self.peer, key, calendar()));
    }

    /// The peer has this key, and no older one.
    pub(super) fn forget_before(&self, key: Fingerprint) {
        told(self.trust.forget_before(self.peer, &self.proven.all(), key));
    }
}

/// What cannot be stored is tried again with the next connection.
fn told(stored: Result<(), FileError>) {
    if let Err(error) = stored {
        tracing::error!(%error, "a change of keys cannot be stored");
    }
}

/// The key that the caller expects, as it names it.
fn expected(connection: &Connection) -> String {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let name = data.and_then(|data| data.server_name).unwrap_or_default();
    expected_key(&name).to_owned()
}

/// What only the two ends of this connection know.
fn exporter(connection: &Connection) -> Result<[u8; 32], LinkError> {
    let mut bytes = [0; 32];
    connection.export_keying_material(&mut bytes, ROTATION, b"").map_err(|_| LinkError::Version)?;
    Ok(bytes)
}
