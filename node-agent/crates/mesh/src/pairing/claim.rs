//! The side where the code is typed.

use quinn::Connection;
use rand_core::OsRng;

use super::Code;
use super::handshake::{Binding, Claim, Party};
use super::message::{Message, PairingError, receive, send, shown};
use super::offer::{SESSION, exporter};
use crate::hex::Hex;
use crate::identity::{Identity, certificate_key};
use crate::link::LinkError;
use crate::trust::{Pin, Trust};

/// Claims an offer over a connection that [`crate::link::Endpoint::connect_to_pair`] made. The peer is pinned when
/// this returns. `pairing` is the UID of the object that asks for it.
pub async fn claim(
    connection: &Connection,
    code: Code,
    identity: &Identity,
    name: &str,
    trust: &Trust,
    pairing: &str,
) -> Result<Pin, PairingError> {
    let session = converse(connection, code, identity, name, trust, pairing);
    let outcome = tokio::time::timeout(SESSION, session).await.unwrap_or(Err(PairingError::TimedOut));
    connection.close(quinn::VarInt::from_u32(0), b"");
    outcome
}

async fn converse(
    connection: &Connection,
    code: Code,
    identity: &Identity,
    name: &str,
    trust: &Trust,
    pairing: &str,
) -> Result<Pin, PairingError> {
    let key = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok())
        .and_then(|certificates| certificates.first().and_then(certificate_key))
        .ok_or(PairingError::Link(LinkError::Untrusted))?;
    if key == identity.fingerprint() {
        return Err(PairingError::Oneself);
    }
    let (mut writer, mut reader) = connection.open_bi().await?;
    let (ke1, started) = Claim::start(code, &mut OsRng);
    let ke1 = Hex(ke1.try_into().map_err(|_| PairingError::Protocol)?);
    send(&mut writer, &Message::Claim { agent: identity.agent(), name: name.to_owned(), ke1 }).await?;
    let Message::Challenge { agent, name, ke2 } = receive(&mut reader).await? else {
        return Err(PairingError::Protocol);
    };
    let mine = Party { agent: identity.agent(), key: identity.fingerprint() };
    let binding = Binding::new(&exporter(connection)?, &mine, &Party { agent, key });
    let (ke3, proved) = started.answer(&ke2.0, binding, &mut OsRng)?;
    let ke3 = Hex(ke3.try_into().map_err(|_| PairingError::Protocol)?);
    send(&mut writer, &Message::Proof { ke3 }).await?;
    let Message::Accept { tag } = receive(&mut reader).await? else { return Err(PairingError::Protocol) };
    let session = proved.accepted(&tag.0)?;
    let peer = Pin { agent, name: shown(&name), keys: vec![key], pairing: pairing.to_owned() };
    trust.pin(peer.clone())?;
    send(&mut writer, &Message::Done { tag: Hex(session.done()) }).await?;
    // The other side closes when it has read the last message; without it, it shows the pairing as one-sided.
    let _ = writer.finish();
    let _ = writer.stopped().await;
    Ok(peer)
}
