//! The messages of a pairing: a `u32` length and JSON, at most [`MAX_MESSAGE`] bytes, on the only stream of a
//! connection that speaks nothing else.

use quinn::{ReadExactError, RecvStream, SendStream};
use serde::{Deserialize, Serialize};

use super::handshake::HandshakeError;
use crate::hex::Hex;
use crate::identity::{AgentId, FileError};
use crate::link::LinkError;

/// Longest JSON of a message, bytes.
const MAX_MESSAGE: usize = 4 * 1024;

/// What the two sides say, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Message {
    Claim {
        agent: AgentId,
        name: String,
        ke1: Hex<96>,
    },
    Challenge {
        agent: AgentId,
        name: String,
        ke2: Box<Hex<320>>,
    },
    Proof {
        ke3: Hex<64>,
    },
    Accept {
        tag: Hex<32>,
    },
    Done {
        tag: Hex<32>,
    },
    /// In place of any answer.
    Refused {
        reason: Reason,
    },
}

/// Why the offerer refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Reason {
    NoOffer,
    Expired,
    Busy,
    Locked,
    WrongCode,
}

/// Why a pairing did not come about.
#[derive(Debug, thiserror::Error)]
pub enum PairingError {
    /// The code is not the one that was shown; or the connection is intercepted.
    #[error("the code is wrong, or somebody intercepts the connection; an attempt was used up")]
    WrongCode,
    /// No offer is open.
    #[error("the other side does not offer to pair; make an offer there first")]
    NoOffer,
    /// The offer's time has run off.
    #[error("the offer has expired; make a new one")]
    Expired,
    /// Another claim is under way.
    #[error("another claim is under way; try again in a second")]
    Busy,
    /// Wrong codes have locked the other side.
    #[error("the other side is locked after wrong codes; wait, then make a new offer there")]
    Locked,
    /// This agent's own address.
    #[error("that is this agent itself")]
    Oneself,
    /// Not what the protocol says.
    #[error("the other side sent a message that does not belong to a pairing")]
    Protocol,
    /// Too slow.
    #[error("the other side took longer than five seconds")]
    TimedOut,
    /// The connection.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The trust could not be stored; nothing was paired.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<Reason> for PairingError {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::NoOffer => Self::NoOffer,
            Reason::Expired => Self::Expired,
            Reason::Busy => Self::Busy,
            Reason::Locked => Self::Locked,
            Reason::WrongCode => Self::WrongCode,
        }
    }
}

impl From<HandshakeError> for PairingError {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::WrongCode => Self::WrongCode,
            HandshakeError::Malformed => Self::Protocol,
        }
    }
}

impl From<quinn::ConnectionError> for PairingError {
    fn from(error: quinn::ConnectionError) -> Self {
        LinkError::from(error).into()
    }
}

pub(super) async fn send(stream: &mut SendStream, message: &Message) -> Result<(), PairingError> {
    let json = serde_json::to_vec(message).expect("pairing messages have string keys only");
    let mut frame = (json.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&json);
    stream.write_all(&frame).await.map_err(LinkError::from)?;
    Ok(())
}

pub(super) async fn receive(stream: &mut RecvStream) -> Result<Message, PairingError> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(broken)?;
    let len = u32::from_le_bytes(head) as usize;
    if len > MAX_MESSAGE {
        return Err(PairingError::Protocol);
    }
    let mut json = vec![0; len];
    stream.read_exact(&mut json).await.map_err(broken)?;
    match serde_json::from_slice(&json).map_err(|_| PairingError::Protocol)? {
        Message::Refused { reason } => Err(reason.into()),
        message => Ok(message),
    }
}

/// A name that may be shown: no control characters, of bounded length.
pub(super) fn shown(name: &str) -> String {
    name.chars().filter(|character| !character.is_control()).take(63).collect()
}

fn broken(error: ReadExactError) -> PairingError {
    match error {
        ReadExactError::ReadError(error) => LinkError::from(error).into(),
        ReadExactError::FinishedEarly(_) => PairingError::Protocol,
    }
}
