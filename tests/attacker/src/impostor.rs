//! Somebody who answers in the place of another, and says in multicast DNS that he is that other.

use std::net::SocketAddr;
use std::sync::Arc;

use lineshaft_mesh::discovery::SERVICE_TYPE;
use lineshaft_mesh::tls::{MESH_ALPN, PAIRING_ALPN};
use mdns_sd::{ServiceDaemon, ServiceInfo};
use quinn::Endpoint;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};

use crate::dial::Key;
use crate::{Answer, Failure, say};

/// Tells of each connection attempt how it ended, until it is killed.
pub(crate) async fn impersonate(
    listen: SocketAddr,
    record: Vec<(String, String)>,
    port: u16,
) -> Result<(), Failure> {
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls(&Key::new()?)?)?));
    let quic = Endpoint::server(config, listen)?;
    let daemon = ServiceDaemon::new_with_port(port)?;
    if !record.is_empty() {
        daemon.register(service(listen, &record)?)?;
    }
    say(&Answer::Ready)?;
    while let Some(incoming) = quic.accept().await {
        let end = match incoming.await {
            Ok(connection) => crate::dial::end_of(&connection).await,
            Err(error) => error.into(),
        };
        say(&Answer::Ended(end))?;
    }
    Ok(())
}

/// The instance that the record belongs to, as its owner would announce it.
fn service(listen: SocketAddr, record: &[(String, String)]) -> Result<ServiceInfo, Failure> {
    let entry = |key: &str| record.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let (name, id) = (entry("n").ok_or("no name")?, entry("id").ok_or("no runtime")?);
    let instance = format!("{name}-{}", id.get(..8).ok_or("no runtime")?).to_lowercase();
    let mut service =
        ServiceInfo::new(SERVICE_TYPE, &instance, "forged.local.", listen.ip(), listen.port(), record)?;
    service.set_requires_probe(false);
    Ok(service)
}

/// TLS of somebody who lets everybody in.
pub(crate) fn tls(key: &Key) -> Result<rustls::ServerConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Everybody(provider)))
        .with_single_cert(vec![key.certificate.clone()], key.private())?;
    tls.alpn_protocols = vec![MESH_ALPN.to_vec(), PAIRING_ALPN.to_vec()];
    Ok(tls)
}

#[derive(Debug)]
struct Everybody(Arc<CryptoProvider>);

impl ClientCertVerifier for Everybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
