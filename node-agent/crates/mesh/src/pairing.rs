//! Pairing: two agents that have never met come to trust each other's keys by a code of eight digits, which one
//! of them shows and a person types at the other.
//!
//! The code is worth nothing to anybody who listens, and each guess at it must be made against the agent that
//! offers it: OPAQUE (RFC 9807), an asymmetric password-authenticated key exchange, with key confirmation both ways
//! and bound to the TLS connection and to both certificates. Who sits between two agents has two TLS connections,
//! so two bindings, and neither side accepts.
//!
//! [`Guard`] counts guesses, [`handshake`] holds the proof, [`Code`] is what the person types; [`Offers`] and
//! [`claim()`] carry the messages.

mod claim;
mod code;
mod guard;
pub mod handshake;
mod message;
mod offer;

pub use claim::claim;
pub use code::{Code, CodeError};
pub use guard::{Failure, Guard, GuardRecord, Refusal};
pub use message::PairingError;
pub use offer::{Offers, Paired};

#[cfg(test)]
mod tests;
