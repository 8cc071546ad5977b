//! Connections that the attacker opens: with any key, to anybody, whatever certificate is shown.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lineshaft_mesh::tls::MESH_ALPN;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, Endpoint};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};

use crate::downgrade::NoNewerThan12;
use crate::{Answer, End, Failure, Knock, say};

/// A victim that has not ended a connection by then keeps it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A key with a certificate.
pub(crate) struct Key {
    pub(crate) certificate: CertificateDer<'static>,
    pair: KeyPair,
}

impl Key {
    /// One that nobody knows.
    pub(crate) fn new() -> Result<Self, Failure> {
        Self::of(KeyPair::generate_for(&PKCS_ED25519)?)
    }

    /// An agent's: whoever has its disk has it.
    pub(crate) fn stolen(home: &Path) -> Result<Self, Failure> {
        Self::of(KeyPair::try_from(std::fs::read(home.join("identity.key"))?)?)
    }

    fn of(pair: KeyPair) -> Result<Self, Failure> {
        let certificate = CertificateParams::new(Vec::new())?.self_signed(&pair)?.der().clone();
        Ok(Self { certificate, pair })
    }

    pub(crate) fn private(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.pair.serialize_der()).into()
    }
}

/// Dials, with a key or without one.
pub(crate) async fn dial(
    at: SocketAddr,
    protocol: &[u8],
    key: Option<&Key>,
    old_tls: bool,
) -> Result<Result<Connection, ConnectionError>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Anybody(provider.clone()));
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut tls = match key {
        Some(key) => builder.with_client_auth_cert(vec![key.certificate.clone()], key.private())?,
        None => builder.with_no_client_auth(),
    };
    tls.alpn_protocols = vec![protocol.to_vec()];
    let tls = Arc::new(QuicClientConfig::try_from(tls)?);
    let config = if old_tls {
        quinn::ClientConfig::new(Arc::new(NoNewerThan12(tls)))
    } else {
        quinn::ClientConfig::new(tls)
    };
    let quic = Endpoint::client((Ipv4Addr::UNSPECIFIED, 0).into())?;
    Ok(quic.connect_with(config, at, "00.mesh")?.await)
}

/// As a peer that is trusted.
pub(crate) async fn dial_as(home: &Path, at: SocketAddr) -> Result<Connection, Failure> {
    Ok(dial(at, MESH_ALPN, Some(&Key::stolen(home)?), false).await??)
}

pub(crate) async fn knock(at: SocketAddr, knock: &Knock) -> Result<(), Failure> {
    let key = if knock.certificate { Some(Key::new()?) } else { None };
    let end = match dial(at, knock.protocol.as_bytes(), key.as_ref(), knock.old_tls).await? {
        Ok(connection) => end_of(&connection).await,
        Err(error) => error.into(),
    };
    say(&Answer::Ended(end))
}

/// The victim judges a client's certificate after the client's own handshake is done.
pub(crate) async fn end_of(connection: &Connection) -> End {
    tokio::time::timeout(PATIENCE, connection.closed()).await.map_or(End::Open, End::from)
}

/// Takes whoever answers.
#[derive(Debug)]
pub(crate) struct Anybody(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
