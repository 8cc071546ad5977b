//! The side that shows a code.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::Connection;
use rand_core::OsRng;

use super::handshake::{Binding, Challenged, HandshakeError, Offer, PROTOCOL, Party};
use super::message::{Message, PairingError, Reason, receive, send, shown};
use super::{Code, Failure, Guard, GuardRecord, Refusal};
use crate::clock::Clock;
use crate::hex::Hex;
use crate::identity::{FileError, Fingerprint, Identity, read, replace, to_json};
use crate::link::LinkError;
use crate::tls::Door;
use crate::trust::{Pin, Trust};

/// A pairing that takes longer comes to nothing.
pub(super) const SESSION: Duration = Duration::from_secs(5);

/// The offers of an agent, one at a time.
pub struct Offers {
    identity: Arc<Identity>,
    name: String,
    trust: Arc<Trust>,
    door: Arc<Door>,
    record: PathBuf,
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    guard: Guard,
    offer: Option<Open>,
}

/// What is claimed while it is claimed: a new offer does not disturb the claims of the old one.
#[derive(Clone)]
struct Open {
    offer: Arc<Offer>,
    pairing: String,
}

/// A pairing that came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paired {
    /// Whom it made trusted.
    pub peer: Pin,
    /// The other side has not said that it knows.
    pub one_sided: bool,
}

impl Offers {
    /// `record` is the file with what a restart must not undo. The door has the same clock.
    pub fn open(
        record: &Path,
        identity: Arc<Identity>,
        name: String,
        trust: Arc<Trust>,
        door: Arc<Door>,
        clock: Clock,
    ) -> Result<Self, FileError> {
        let kept = match read(record)? {
            Some(json) => serde_json::from_slice(&json).map_err(|e| FileError::damaged(record, e))?,
            None => GuardRecord::default(),
        };
        let state = Mutex::new(State { guard: Guard::new(kept, clock.now_ns()), offer: None });
        Ok(Self { identity, name, trust, door, record: record.to_owned(), clock, state })
    }

    /// Makes an offer in place of the present one. `pairing` is the UID of the object that asks for it.
    pub fn offer(&self, ttl: Duration, pairing: String) -> Result<Code, Refusal> {
        let mut state = self.state();
        let now = self.clock.now_ns();
        let ttl_ns = ttl.as_nanos() as u64;
        state.guard.open(ttl_ns, now)?;
        let offer = Offer::new(&mut OsRng);
        let code = offer.code().clone();
        state.offer = Some(Open { offer: Arc::new(offer), pairing });
        self.door.open_until(now.saturating_add(ttl_ns));
        Ok(code)
    }

    /// Withdraws the offer.
    pub fn withdraw(&self) {
        let mut state = self.state();
        state.guard.close();
        state.offer = None;
        self.door.close();
    }

    /// Whether wrong codes have locked this agent for a while.
    pub fn is_locked(&self) -> bool {
        self.state().guard.is_locked(self.clock.now_ns())
    }

    /// Attempts left at the offer; 0 if none is open.
    pub fn attempts_left(&self) -> u32 {
        let state = self.state();
        if state.guard.is_open(self.clock.now_ns()) { state.guard.attempts_left() } else { 0 }
    }

    /// Runs a claim that has come in.
    pub async fn serve(&self, connection: &Connection, key: Fingerprint) -> Result<Paired, PairingError> {
        let session = async {
            let (mut writer, mut reader) = connection.accept_bi().await?;
            let outcome = self.converse(connection, key, &mut writer, &mut reader).await;
            if let Some(reason) = outcome.as_ref().err().and_then(reason_of) {
                // The claimer may be gone already.
                let _ = send(&mut writer, &Message::Refused { reason }).await;
                let _ = writer.finish();
                let _ = writer.stopped().await;
            }
            outcome
        };
        let outcome = tokio::time::timeout(SESSION, session).await.unwrap_or(Err(PairingError::TimedOut));
        connection.close(quinn::VarInt::from_u32(0), b"");
        outcome
    }

    async fn converse(
        &self,
        connection: &Connection,
        key: Fingerprint,
        writer: &mut quinn::SendStream,
        reader: &mut quinn::RecvStream,
    ) -> Result<Paired, PairingError> {
        let Message::Claim { agent, name, ke1 } = receive(reader).await? else {
            return Err(PairingError::Protocol);
        };
        if key == self.identity.fingerprint() || agent == self.identity.agent() {
            return Err(PairingError::Oneself);
        }
        let claimer = Party { agent, key };
        let mine = Party { agent: self.identity.agent(), key: self.identity.fingerprint() };
        let binding = Binding::new(&exporter(connection)?, &claimer, &mine);
        let open = self.count_attempt()?;
        let attempt = Attempt { offers: self, counted: true };
        let (ke2, challenged) = open.offer.challenge(&ke1.0, binding, &mut OsRng)?;
        let ke2 = Box::new(Hex(ke2.try_into().map_err(|_| PairingError::Protocol)?));
        let (agent, mine) = (self.identity.agent(), self.name.clone());
        send(writer, &Message::Challenge { agent, name: mine, ke2 }).await?;
        let session = prove(challenged, reader).await?;
        let peer = Pin { agent: claimer.agent, name: shown(&name), keys: vec![key], pairing: open.pairing };
        self.accept(attempt, &peer)?;
        send(writer, &Message::Accept { tag: Hex(session.accept()) }).await?;
        let done = receive(reader).await;
        let one_sided = !matches!(done, Ok(Message::Done { tag }) if session.check_done(&tag.0).is_ok());
        Ok(Paired { peer, one_sided })
    }

    /// Counts, and stores the count, before anything is answered.
    fn count_attempt(&self) -> Result<Open, PairingError> {
        let mut state = self.state();
        state.guard.attempt(self.clock.now_ns()).map_err(|refusal| match refusal {
            Refusal::Locked { .. } => PairingError::Locked,
            Refusal::NoOffer => PairingError::NoOffer,
            Refusal::Expired => PairingError::Expired,
            Refusal::Busy => PairingError::Busy,
        })?;
        self.store(&state)?;
        state.offer.clone().ok_or(PairingError::NoOffer)
    }

    /// The trust is on the disk before the other side hears of it.
    fn accept(&self, mut attempt: Attempt<'_>, peer: &Pin) -> Result<(), PairingError> {
        self.trust.pin(peer.clone())?;
        attempt.counted = false;
        let mut state = self.state();
        state.guard.succeeded();
        state.offer = None;
        self.door.close();
        self.store(&state)?;
        Ok(())
    }

    fn store(&self, state: &State) -> Result<(), FileError> {
        let json = to_json(&state.guard.record());
        replace(&self.record, &json)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An attempt that fails however it ends, unless it was accepted: also when its task is dropped.
struct Attempt<'a> {
    offers: &'a Offers,
    counted: bool,
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.counted {
            return;
        }
        let mut state = self.offers.state();
        if let Failure::Spoiled { .. } = state.guard.failed(self.offers.clock.now_ns()) {
            state.offer = None;
            self.offers.door.close();
        }
    }
}

async fn prove(
    challenged: Challenged,
    reader: &mut quinn::RecvStream,
) -> Result<super::handshake::Session, PairingError> {
    let Message::Proof { ke3 } = receive(reader).await? else { return Err(PairingError::Protocol) };
    challenged.verify(&ke3.0).map_err(|error| match error {
        HandshakeError::WrongCode | HandshakeError::Malformed => PairingError::WrongCode,
    })
}

/// What only the two ends of this TLS connection know.
pub(super) fn exporter(connection: &Connection) -> Result<[u8; 32], PairingError> {
    let mut bytes = [0; 32];
    connection
        .export_keying_material(&mut bytes, PROTOCOL.as_bytes(), b"")
        .map_err(|_| PairingError::Link(LinkError::Version))?;
    Ok(bytes)
}

fn reason_of(error: &PairingError) -> Option<Reason> {
    Some(match error {
        PairingError::WrongCode => Reason::WrongCode,
        PairingError::NoOffer => Reason::NoOffer,
        PairingError::Expired => Reason::Expired,
        PairingError::Busy => Reason::Busy,
        PairingError::Locked => Reason::Locked,
        _ => return None,
    })
}
