//! Why a connection ends, and what the other side is told.

use quinn::VarInt;

use crate::control::FrameError;
use crate::wire::WireError;

/// Application close codes of `lineshaft-mesh/1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Close {
    /// Nothing is left to exchange.
    Normal = 0,
    /// The key is not pinned.
    Untrusted = 1,
    /// The pairing was deleted.
    Revoked = 2,
    /// Another connection of the same pair stays.
    Duplicate = 3,
    /// Bytes that the protocol does not allow.
    Protocol = 4,
    /// The agent ends.
    Shutdown = 5,
    /// More than was agreed on.
    Overload = 6,
    /// No common version.
    Version = 7,
    /// The agent is not the one that its key belongs to.
    Identity = 8,
}

impl Close {
    pub(super) fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }

    /// What the other side meant.
    pub fn from_code(code: VarInt) -> Option<Self> {
        [
            Self::Normal,
            Self::Untrusted,
            Self::Revoked,
            Self::Duplicate,
            Self::Protocol,
            Self::Shutdown,
            Self::Overload,
            Self::Version,
            Self::Identity,
        ]
        .into_iter()
        .find(|close| close.code() == code)
    }
}

/// Why there is no connection, or no more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other side's key is not pinned, and it is of no agent of the own site.
    #[error("the peer's key is not trusted; pair with it, or see that both have a certificate of one site")]
    Untrusted,
    /// The pairing was deleted here.
    #[error("the pairing was revoked")]
    Revoked,
    /// Another connection to the same agent stays.
    #[error("another connection to the same agent stays")]
    Duplicate,
    /// The two sides have no protocol in common.
    #[error("the peer speaks another version of the protocol")]
    Version,
    /// The peer says that it is another agent than its key's.
    #[error("the peer says that it is agent {0}, which its key does not belong to")]
    Identity(crate::identity::AgentId),
    /// The peer at a known address has another key than the pinned ones.
    #[error(
        "whoever answers at {address} has the key {shown}, which is not the peer's; if the peer has a new one, pair with it again"
    )]
    KeyMismatch {
        /// Where.
        address: std::net::SocketAddr,
        /// Which key.
        shown: crate::identity::Fingerprint,
    },
    /// More than was agreed on.
    #[error("{0}")]
    Overload(&'static str),
    /// A datagram or a stream against the protocol.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// A control frame against the protocol.
    #[error("the peer broke the protocol: {0}")]
    Frame(#[from] FrameError),
    /// A message at the wrong time.
    #[error("the peer broke the protocol: {0}")]
    Unexpected(&'static str),
    /// The connection failed or was closed by the other side.
    #[error("the connection ended: {0}")]
    Connection(#[from] quinn::ConnectionError),
    /// The address cannot be dialled.
    #[error("cannot connect: {0}")]
    Connect(#[from] quinn::ConnectError),
    /// A stream ended.
    #[error("the connection ended while sending: {0}")]
    Write(#[from] quinn::WriteError),
    /// A stream ended.
    #[error("the control stream ended: {0}")]
    Read(#[from] quinn::ReadError),
    /// The identity cannot be used for TLS.
    #[error("TLS refuses the identity: {0}")]
    Tls(#[from] rustls::Error),
    /// The socket.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl LinkError {
    /// For a metric, if it is the other side's doing: the same text for the same reason.
    pub(super) fn refusal(&self) -> Option<&'static str> {
        Some(match self.close() {
            Close::Untrusted => "untrusted",
            Close::Protocol => "protocol",
            Close::Overload => "overload",
            Close::Version => "version",
            Close::Identity => "identity",
            _ => return None,
        })
    }

    /// What the other side is told.
    pub(super) fn close(&self) -> Close {
        match self {
            Self::Untrusted => Close::Untrusted,
            Self::Revoked => Close::Revoked,
            Self::Duplicate => Close::Duplicate,
            Self::Version => Close::Version,
            Self::Identity(_) => Close::Identity,
            Self::Overload(_) => Close::Overload,
            Self::Wire(_) | Self::Frame(_) | Self::Unexpected(_) => Close::Protocol,
            _ => Close::Normal,
        }
    }

    /// Why the peer closed, if it did and said so.
    pub fn closed_by_peer(&self) -> Option<Close> {
        match self {
            Self::Connection(quinn::ConnectionError::ApplicationClosed(close))
            | Self::Read(quinn::ReadError::ConnectionLost(quinn::ConnectionError::ApplicationClosed(
                close,
            )))
            | Self::Write(quinn::WriteError::ConnectionLost(quinn::ConnectionError::ApplicationClosed(
                close,
            ))) => Close::from_code(close.error_code),
            _ => None,
        }
    }
}
