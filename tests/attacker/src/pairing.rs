//! Attacks on pairings: guesses, a relay, a replay. The attacker has the protocol and no code.

use std::net::SocketAddr;
use std::sync::Arc;

use lineshaft_mesh::hex::Hex;
use lineshaft_mesh::identity::{AgentId, Fingerprint, certificate_key};
use lineshaft_mesh::pairing::Code;
use lineshaft_mesh::pairing::handshake::{Binding, Claim, PROTOCOL, Party};
use lineshaft_mesh::tls::PAIRING_ALPN;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rand_core::OsRng;
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};

use crate::dial::{Key, dial, end_of};
use crate::impostor::tls;
use crate::{Answer, Failure, say};

/// What the attacker says of itself.
const AGENT: [u8; 16] = [0xEE; 16];

pub(crate) async fn guess(at: SocketAddr, code: &str, finish: bool) -> Result<(), Failure> {
    let key = Key::new()?;
    let connection = match dial(at, PAIRING_ALPN, Some(&key), false).await? {
        Ok(connection) => connection,
        Err(error) => return say(&Answer::Ended(error.into())),
    };
    let Ok(mut talk) = Talk::on(&connection).await else {
        return say(&Answer::Ended(end_of(&connection).await));
    };
    let mut got = Vec::new();
    if talk.pair(&connection, &key, code, finish, &mut got).await.is_err() && got.is_empty() {
        return say(&Answer::Ended(end_of(&connection).await));
    }
    say(&Answer::Got(got))
}

pub(crate) async fn replay(at: SocketAddr, code: &str) -> Result<(), Failure> {
    let key = Key::new()?;
    let connection = dial(at, PAIRING_ALPN, Some(&key), false).await??;
    let mut talk = Talk::on(&connection).await?;
    let mut got = Vec::new();
    talk.pair(&connection, &key, code, true, &mut got).await?;
    say(&Answer::Got(got))?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    let connection = dial(at, PAIRING_ALPN, Some(&key), false).await??;
    let mut again = Talk::on(&connection).await?;
    let mut got = Vec::new();
    for message in talk.said {
        if again.say(&message).await.is_err() {
            break;
        }
        match again.hear().await {
            Ok(heard) => got.push(name_of(&heard)),
            Err(_) => break,
        }
    }
    say(&Answer::Got(got))
}

pub(crate) async fn relay(listen: SocketAddr, to: SocketAddr) -> Result<(), Failure> {
    let key = Key::new()?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls(&key)?)?));
    let quic = Endpoint::server(config, listen)?;
    say(&Answer::Ready)?;
    let from_claimer = quic.accept().await.ok_or("the socket is gone")?.await?;
    let to_offerer = dial(to, PAIRING_ALPN, Some(&key), false).await??;
    let (to_claimer, at_claimer) = from_claimer.accept_bi().await?;
    let (to_offerer, at_offerer) = to_offerer.open_bi().await?;
    let (forth, back) = tokio::join!(pass_on(at_claimer, to_offerer), pass_on(at_offerer, to_claimer));
    say(&Answer::Count(forth + back))
}

async fn pass_on(mut from: RecvStream, mut to: SendStream) -> u64 {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = from.read_chunk(4_096, true).await {
        bytes += chunk.bytes.len() as u64;
        if to.write_all(&chunk.bytes).await.is_err() {
            break;
        }
    }
    bytes
}

/// The stream of a pairing, and what was said on it.
struct Talk {
    writer: SendStream,
    reader: RecvStream,
    said: Vec<Value>,
}

impl Talk {
    async fn on(connection: &Connection) -> Result<Self, Failure> {
        let (writer, reader) = connection.open_bi().await?;
        Ok(Self { writer, reader, said: Vec::new() })
    }

    /// Claims with a code, as an honest claimer does.
    async fn pair(
        &mut self,
        connection: &Connection,
        key: &Key,
        code: &str,
        finish: bool,
        got: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let code: Code = code.parse()?;
        let (ke1, claim) = Claim::start(code, &mut OsRng);
        let ke1 = Hex::<96>(ke1.try_into().map_err(|_| "a first message of another length")?);
        self.say(&json!({"claim": {"agent": AgentId::from_bytes(AGENT), "name": "Mallory", "ke1": ke1}}))
            .await?;
        let challenge = self.hear().await?;
        got.push(name_of(&challenge));
        if !finish {
            return Ok(());
        }
        let ke2: Hex<320> = serde_json::from_value(challenge["challenge"]["ke2"].clone())?;
        let agent: AgentId = serde_json::from_value(challenge["challenge"]["agent"].clone())?;
        let me = Party { agent: AgentId::from_bytes(AGENT), key: fingerprint(&key.certificate)? };
        let victim = Party { agent, key: victim_key(connection)? };
        let mut exporter = [0; 32];
        connection
            .export_keying_material(&mut exporter, PROTOCOL.as_bytes(), b"")
            .map_err(|_| "no secret of the connection")?;
        let binding = Binding::new(&exporter, &me, &victim);
        let Ok((ke3, proved)) = claim.answer(&ke2.0, binding, &mut OsRng) else {
            // The attacker cannot make a proof: anything will do to use the attempt up.
            self.say(&json!({"proof": {"ke3": Hex([7; 64])}})).await?;
            got.push(name_of(&self.hear().await?));
            return Ok(());
        };
        let ke3 = Hex::<64>(ke3.try_into().map_err(|_| "a proof of another length")?);
        self.say(&json!({"proof": {"ke3": ke3}})).await?;
        let accept = self.hear().await?;
        got.push(name_of(&accept));
        let tag: Hex<32> = serde_json::from_value(accept["accept"]["tag"].clone())?;
        let session = proved.accepted(&tag.0)?;
        self.say(&json!({"done": {"tag": Hex(session.done())}})).await?;
        let _ = self.writer.finish();
        let _ = self.writer.stopped().await;
        Ok(())
    }

    async fn say(&mut self, message: &Value) -> Result<(), Failure> {
        let json = serde_json::to_vec(message)?;
        self.writer.write_all(&u32::try_from(json.len())?.to_le_bytes()).await?;
        self.writer.write_all(&json).await?;
        self.said.push(message.clone());
        Ok(())
    }

    async fn hear(&mut self) -> Result<Value, Failure> {
        let mut head = [0; 4];
        self.reader.read_exact(&mut head).await?;
        let mut json = vec![0; u32::from_le_bytes(head) as usize];
        self.reader.read_exact(&mut json).await?;
        Ok(serde_json::from_slice(&json)?)
    }
}

/// `challenge`, or `refused WrongCode`.
fn name_of(message: &Value) -> String {
    let name = message.as_object().and_then(|object| object.keys().next()).cloned().unwrap_or_default();
    match message["refused"]["reason"].as_str() {
        Some(reason) => format!("{name} {reason}"),
        None => name,
    }
}

fn victim_key(connection: &Connection) -> Result<Fingerprint, Failure> {
    let certificates = connection
        .peer_identity()
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .ok_or("the victim shows no certificate")?;
    fingerprint(certificates.first().ok_or("the victim shows no certificate")?)
}

fn fingerprint(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Failure> {
    Ok(certificate_key(certificate).ok_or("no certificate")?)
}
