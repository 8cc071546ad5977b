//! What the attacker is told to do, and what it tells: one JSON line each.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An attack.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Order {
    /// Opens a connection in some way that an honest peer does not, and waits for its end.
    Knock {
        /// The victim.
        at: SocketAddr,
        /// In which way.
        knock: Knock,
    },
    /// Claims an offer with a code.
    Guess {
        /// The victim.
        at: SocketAddr,
        /// The guess.
        code: String,
        /// Otherwise it breaks off once the victim has answered.
        finish: bool,
    },
    /// Pairs with the code that is right and records what it says; waits for a line; says all of it again.
    Replay {
        /// The victim.
        at: SocketAddr,
        /// The right one.
        code: String,
    },
    /// Stands between one that claims and one that offers, and passes everything on.
    Relay {
        /// Where the claimer is led to.
        listen: SocketAddr,
        /// The one that offers.
        to: SocketAddr,
    },
    /// Does harm as a peer that was paired.
    Harm {
        /// The victim.
        at: SocketAddr,
        /// Directory with the identity that the victim trusts.
        home: PathBuf,
        /// What it does.
        harm: Harm,
    },
    /// Answers at an address in the place of another, with a key of its own.
    Impersonate {
        /// The address.
        listen: SocketAddr,
        /// The TXT record of the other's advert, announced with this address as well.
        record: Vec<(String, String)>,
        /// UDP port of multicast DNS.
        port: u16,
    },
    /// Sends packets as fast as it can, among them openings of connections, from addresses that are not its own.
    Flood {
        /// The victim.
        at: SocketAddr,
        /// How many.
        packets: u32,
        /// A peer of the victim, in whose name some are sent.
        from: SocketAddr,
    },
}

/// A way to open a connection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Knock {
    /// Application protocol.
    pub protocol: String,
    /// Shows a certificate, of a key that nobody knows.
    pub certificate: bool,
    /// Offers no TLS newer than 1.2.
    pub old_tls: bool,
}

/// What a paired peer does against the protocol.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub enum Harm {
    /// Values of a flow that was never agreed on.
    UnknownFlow,
    /// A control frame that is no JSON.
    MalformedFrame,
    /// A control frame that announces two gigabytes.
    OversizeFrame,
    /// A message before the greeting.
    NoGreeting,
    /// The name of another agent.
    FalseName,
    /// More runtimes than an agent has.
    ManyRuntimes,
    /// A stream of values that is none.
    WrongStream,
    /// More streams than are allowed; tells how many it got.
    ManyStreams,
    /// 10^5 entries of one published variable; tells how many it was given.
    ManyEntries,
    /// Variables that are not published, or not to it; tells the answers.
    Unpublished,
    /// As a publisher: a value of a slot outside of the flow.
    WrongSlot,
    /// As a publisher: a value that is shorter than its type.
    WrongType,
    /// As a publisher: gives an entry twice.
    TwoFlows,
    /// Asks for everything anew, again and again, and reads none of it; tells how often.
    Greedy,
    /// Reads nothing of the answers to its questions; stays.
    Deaf,
    /// Small frames of no meaning, as fast as it can.
    Chatter,
    /// Values of a flow that was agreed on, as fast as it can.
    Torrent,
}

/// What the attacker has to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It listens, it has recorded, it has its connection: what the test waits for.
    Ready,
    /// Names of the messages that it got.
    Got(Vec<String>),
    /// A number that the attack asks for.
    Count(u64),
    /// Its connection has ended.
    Ended(End),
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The victim's TLS refused: the number of the alert.
    Alert(u8),
    /// The victim closed with this code of the protocol.
    Closed(u64),
    /// The victim refused before TLS.
    Refused,
    /// The attacker itself refused the victim, or a reset.
    Other(String),
    /// It has not ended.
    Open,
}

impl From<quinn::ConnectionError> for End {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError::{ApplicationClosed, ConnectionClosed};
        match error {
            ApplicationClosed(close) => Self::Closed(close.error_code.into_inner()),
            ConnectionClosed(close) => match u64::from(close.error_code) {
                0x2 => Self::Refused,
                code @ 0x100..0x200 => Self::Alert((code - 0x100) as u8),
                code => {
                    Self::Other(format!("{code:#x} {error}", error = String::from_utf8_lossy(&close.reason)))
                }
            },
            error => Self::Other(error.to_string()),
        }
    }
}
