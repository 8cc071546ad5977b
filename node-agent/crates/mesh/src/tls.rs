//! TLS of the mesh: version 1.3, both sides with a certificate. Two kinds of peers are told apart by the protocol.
//!
//! [`MESH_ALPN`] is for paired peers: the certificate is judged by its key alone. Names and dates in it count for
//! nothing: an edge box may boot in 1970, and a pin ends with its pairing, not with a date. Who holds the private key of
//! a pinned fingerprint is the peer. [`SITE_ALPN`] is for agents of one site, whose certificates
//! [`crate::membership`] judges. Everybody else fails in the handshake. While a pairing is offered, a stranger may finish the handshake too, and then speak
//! [`PAIRING_ALPN`] alone; [`crate::link`] sees to that before any stream is read.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::clock::Clock;
use crate::identity::{AgentId, Fingerprint, Identity, OwnKey, certificate_key};
use crate::membership::Membership;
use crate::trust::Trust;

/// Application protocol of values.
pub const MESH_ALPN: &[u8] = b"lineshaft-mesh/1";
/// Application protocol of values between agents of one site; the same but for who is trusted.
pub const SITE_ALPN: &[u8] = b"lineshaft-site/1";
/// Application protocol of pairings.
pub const PAIRING_ALPN: &[u8] = crate::pairing::handshake::PROTOCOL.as_bytes();

/// Whether strangers may finish a handshake: while a pairing is offered, and no longer.
#[derive(Debug, Default)]
pub struct Door {
    clock: Clock,
    open_until_ns: AtomicU64,
}

impl Door {
    /// A closed one.
    pub fn new(clock: Clock) -> Self {
        Self { clock, open_until_ns: AtomicU64::new(0) }
    }

    /// Opens it until a time of its clock.
    pub fn open_until(&self, time_ns: u64) {
        self.open_until_ns.store(time_ns, Ordering::Release);
    }

    /// Closes it.
    pub fn close(&self) {
        self.open_until(0);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.clock.now_ns() < self.open_until_ns.load(Ordering::Acquire)
    }
}

/// Which key a dialler accepts.
#[derive(Debug, Clone)]
pub enum Expected {
    /// One of a pinned peer's.
    Keys(Vec<Fingerprint>),
    /// That of an agent of the own site.
    Member(Arc<Membership>, AgentId),
    /// Any: the pairing that follows decides.
    Stranger,
}

/// The TLS of the accepting side.
pub fn server(
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    door: Arc<Door>,
) -> Result<rustls::ServerConfig, Error> {
    let provider = provider();
    let verifier = Arc::new(Callers { trust: trust.clone(), door, provider: provider.clone() });
    let answer = Arc::new(Answer { identity, trust, provider: provider.clone() });
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(answer);
    config.alpn_protocols = vec![MESH_ALPN.to_vec(), SITE_ALPN.to_vec(), PAIRING_ALPN.to_vec()];
    // No resumption: every connection proves its key anew, so a revoked one cannot come back on a ticket.
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// The key of a server that was not the expected one.
pub type OtherKey = Arc<OnceLock<Fingerprint>>;

/// The TLS of the dialling side. A server that is refused for its key leaves it in `shown`.
pub fn client(own: &OwnKey, expected: Expected, shown: OtherKey) -> Result<rustls::ClientConfig, Error> {
    let (alpn, certificate) = match &expected {
        Expected::Keys(_) => (MESH_ALPN, own.certificate()),
        Expected::Member(site, _) => {
            (SITE_ALPN, site.certificate(own.fingerprint).ok_or_else(refused)?.clone())
        }
        Expected::Stranger => (PAIRING_ALPN, own.certificate()),
    };
    let provider = provider();
    let verifier = Arc::new(Callee { expected, shown, provider: provider.clone() });
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![certificate], own.private_key())?;
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Shows the key that the caller expects, while there are two; callers of the own site are shown the certificate that the
/// site's authority made.
struct Answer {
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    provider: Arc<CryptoProvider>,
}

impl ResolvesServerCert for Answer {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut offered| offered.any(|protocol| protocol == SITE_ALPN)) {
            let (own, site) = (self.identity.own(), self.trust.membership()?);
            let certificate = site.certificate(own.fingerprint)?.clone();
            let private = self.provider.key_provider.load_private_key(own.private_key()).ok()?;
            return Some(Arc::new(CertifiedKey::new(vec![certificate], private)));
        }
        let key = self.identity.key_named(expected_key(hello.server_name().unwrap_or_default()));
        let private = self.provider.key_provider.load_private_key(key.private_key()).ok()?;
        Some(Arc::new(CertifiedKey::new(vec![key.certificate()], private)))
    }
}

/// The name of a server, as a dialler writes it, says which key it expects.
pub(crate) fn expected_key(server_name: &str) -> &str {
    server_name.split('.').next().unwrap_or_default()
}

/// Judges clients.
struct Callers {
    trust: Arc<Trust>,
    door: Arc<Door>,
    provider: Arc<CryptoProvider>,
}

/// Judges a server.
struct Callee {
    expected: Expected,
    shown: OtherKey,
    provider: Arc<CryptoProvider>,
}

fn key_of(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
    certificate_key(certificate).ok_or(CertificateError::BadEncoding.into())
}

fn refused() -> Error {
    CertificateError::ApplicationVerificationFailure.into()
}

impl ClientCertVerifier for Callers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let of_site = || self.trust.membership().and_then(|site| site.judge(certificate)).is_some();
        let known = self.trust.owner(key_of(certificate)?).is_some() || of_site();
        if known || self.door.is_open() { Ok(ClientCertVerified::assertion()) } else { Err(refused()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for Callee {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = key_of(certificate)?;
        match &self.expected {
            Expected::Keys(keys) if !keys.contains(&key) => {
                // Of several the first one will do.
                let _ = self.shown.set(key);
                Err(refused())
            }
            Expected::Member(site, agent) if site.judge(certificate) != Some(*agent) => Err(refused()),
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers").field("door", &self.door).finish_non_exhaustive()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callee").field("expected", &self.expected).finish_non_exhaustive()
    }
}
