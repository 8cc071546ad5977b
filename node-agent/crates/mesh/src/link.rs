//! Connections between agents: QUIC, one for each pair of them, and what goes over it.
//!
//! [`Hub`] is what the agent shares with its connections: its runtimes, what they publish, what they wish. An
//! [`Endpoint`] accepts connections and keeps those up that wishes need. Who is on the other side is settled before
//! any stream is read.

mod backoff;
mod endpoint;
mod error;
mod hall;
mod hub;
mod keys;
mod meter;
mod own;
mod receiving;
mod sending;
mod session;
mod transport;

pub use endpoint::{Endpoint, Target};
pub use error::{Close, LinkError};
pub use hub::{
    Delivery, EntryProblem, Hub, LinkStatus, Publisher, Runtime, ScanImage, Sink, Wish, WishEntry,
};
pub use own::run as between_own_runtimes;

use quinn::Connection;
use quinn::crypto::rustls::HandshakeData;
use rustls::pki_types::CertificateDer;

use crate::identity::{AgentId, Fingerprint, certificate_key};
use crate::tls::{MESH_ALPN, PAIRING_ALPN, SITE_ALPN};
use crate::trust::Trust;

/// Who is on the other side of a finished handshake, and what it may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remote {
    /// A pinned peer that wants to exchange values.
    Peer { agent: AgentId },
    /// An agent of the own site that wants to exchange values.
    Member { agent: AgentId },
    /// Anybody that wants to pair.
    Pairing { key: Fingerprint },
}

/// Reads key and protocol off the connection, not off what the other side says.
fn authenticate(connection: &Connection, trust: &Trust) -> Result<Remote, LinkError> {
    let certificates = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .ok_or(LinkError::Untrusted)?;
    let certificate = certificates.first().ok_or(LinkError::Untrusted)?;
    let key = certificate_key(certificate).ok_or(LinkError::Untrusted)?;
    let protocol = connection
        .handshake_data()
        .and_then(|data| data.downcast::<HandshakeData>().ok())
        .and_then(|data| data.protocol)
        .ok_or(LinkError::Version)?;
    if protocol == PAIRING_ALPN {
        Ok(Remote::Pairing { key })
    } else if protocol == MESH_ALPN {
        let agent = trust.owner(key).ok_or(LinkError::Untrusted)?;
        Ok(Remote::Peer { agent })
    } else if protocol == SITE_ALPN {
        let agent =
            trust.membership().and_then(|site| site.judge(certificate)).ok_or(LinkError::Untrusted)?;
        Ok(Remote::Member { agent })
    } else {
        Err(LinkError::Version)
    }
}

#[cfg(test)]
mod lossy;
#[cfg(test)]
mod tests;
