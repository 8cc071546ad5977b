//! The site's authority: its key in a Secret, its certificates in a ConfigMap that agents read.
//!
//! Whoever deletes the Secret gets a new key, signed for by a new certificate that comes first in the ConfigMap. Those
//! before it stay there, and count, until somebody takes them out.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use lineshaft_crds::mesh_site::{AUTHORITIES_KEY, AUTHORITY, SITE_KEY, name_of};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, PublicKey, SanType,
};

/// Field manager of the ConfigMap.
const MANAGER: &str = "lineshaft-operator/mesh-authority";
const KEY: &str = "tls.key";
const CERTIFICATE: &str = "tls.crt";
/// Authorities in the ConfigMap; the oldest of any more goes.
const KEPT: usize = 4;
/// Agents take no notice of how long an authority holds: it counts as long as it is in the ConfigMap.
const AUTHORITY_HOLDS: Duration = Duration::from_hours(3_650 * 24);
/// How long the certificate of an agent holds.
pub(super) const CERTIFICATE_HOLDS: Duration = Duration::from_hours(90 * 24);
/// Clocks differ.
const BEFORE_NOW: Duration = Duration::from_mins(5);

/// Why there is no authority, or no signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read or write the authority of the mesh")]
    Api(#[source] Box<kube::Error>),
    #[error(
        "the Secret {AUTHORITY} holds no key and certificate of an authority; delete it to get a new one, which agents \
         take over as they renew their certificates"
    )]
    Damaged,
    #[error("cannot make a certificate")]
    Make(#[source] Box<rcgen::Error>),
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

impl From<rcgen::Error> for Error {
    fn from(error: rcgen::Error) -> Self {
        Self::Make(Box::new(error))
    }
}

/// The authority of this site.
pub(super) struct Authority {
    pub(super) site: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// As it stands in the Secret and the ConfigMap of a namespace; what is missing is made.
    pub(super) async fn ensure(client: &Client, namespace: &str) -> Result<Self, Error> {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
        let published = maps.get_opt(AUTHORITY).await?;
        let secret = match secrets.get_opt(AUTHORITY).await? {
            Some(secret) => secret,
            None => create(&secrets, site_of(published.as_ref())).await?,
        };
        let text = |key: &str| {
            let value = secret.data.as_ref()?.get(key)?;
            String::from_utf8(value.0.clone()).ok()
        };
        let (Some(site), Some(certificate), Some(key)) = (text(SITE_KEY), text(CERTIFICATE), text(KEY))
        else {
            return Err(Error::Damaged);
        };
        let key = KeyPair::from_pem(&key).map_err(|_| Error::Damaged)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(|_| Error::Damaged)?;
        publish(&maps, published.as_ref(), &site, &certificate).await?;
        Ok(Self { site, issuer })
    }

    /// The certificate of a node's agent: its key and its node, whatever else it asked for.
    pub(super) fn sign(&self, node: &str, key: &PublicKey, holds: Duration) -> Result<String, Error> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        let name = name_of(&self.site, node);
        parameters.subject_alt_names = vec![SanType::URI(name.as_str().try_into()?)];
        parameters.distinguished_name = called(node);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let now = SystemTime::now();
        parameters.not_before = (now - BEFORE_NOW).into();
        parameters.not_after = (now + holds.min(CERTIFICATE_HOLDS)).into();
        parameters.use_authority_key_identifier_extension = true;
        Ok(parameters.signed_by(key, &self.issuer)?.pem())
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

/// The name that the site had, so that a new key makes no new site; a random one for a new site.
fn site_of(published: Option<&ConfigMap>) -> String {
    let known = published.and_then(|map| map.data.as_ref()?.get(SITE_KEY).cloned());
    known.unwrap_or_else(|| uuid::Uuid::new_v4().to_string())
}

/// A new authority, unless somebody else was faster.
async fn create(secrets: &Api<Secret>, site: String) -> Result<Secret, Error> {
    let (certificate, key) = make(&site)?;
    let data = [(CERTIFICATE, certificate), (KEY, key), (SITE_KEY, site)];
    let secret = Secret {
        metadata: kube::core::ObjectMeta { name: Some(AUTHORITY.to_owned()), ..Default::default() },
        data: Some(
            data.into_iter().map(|(key, text)| (key.to_owned(), ByteString(text.into_bytes()))).collect(),
        ),
        type_: Some("kubernetes.io/tls".to_owned()),
        ..Secret::default()
    };
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(secret) => Ok(secret),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(secrets.get(AUTHORITY).await?),
        Err(error) => Err(error.into()),
    }
}

/// Certificate and key of a new authority, in PEM.
fn make(site: &str) -> Result<(String, String), Error> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name = called(&format!("lineshaft mesh {site}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let now = SystemTime::now();
    parameters.not_before = (now - BEFORE_NOW).into();
    parameters.not_after = (now + AUTHORITY_HOLDS).into();
    Ok((parameters.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// Makes the ConfigMap name this authority first.
async fn publish(
    maps: &Api<ConfigMap>,
    published: Option<&ConfigMap>,
    site: &str,
    newest: &str,
) -> Result<(), Error> {
    let data = published.and_then(|map| map.data.as_ref());
    let wanted = BTreeMap::from([
        (SITE_KEY.to_owned(), site.to_owned()),
        (AUTHORITIES_KEY.to_owned(), newest_first(newest, data.and_then(|data| data.get(AUTHORITIES_KEY)))),
    ]);
    if data == Some(&wanted) {
        return Ok(());
    }
    let map = ConfigMap {
        metadata: kube::core::ObjectMeta { name: Some(AUTHORITY.to_owned()), ..Default::default() },
        data: Some(wanted),
        ..ConfigMap::default()
    };
    maps.patch(AUTHORITY, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&map)).await?;
    tracing::info!(site, "the authority of the mesh is published");
    Ok(())
}

/// Certificates in PEM, the newest first, each once.
fn newest_first(newest: &str, before: Option<&String>) -> String {
    const END: &str = "-----END CERTIFICATE-----";
    let normal = |pem: &str| pem.replace('\r', "").trim().to_owned();
    let newest = normal(newest);
    let older = before.map(String::as_str).unwrap_or_default().split_inclusive(END).map(normal);
    let older = older.filter(|pem| pem.ends_with(END) && *pem != newest);
    let all: Vec<String> = std::iter::once(newest.clone()).chain(older).take(KEPT).collect();
    format!("{}\n", all.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An authority that no server knows of.
    pub(crate) fn authority(site: &str) -> Authority {
        let (certificate, key) = make(site).unwrap();
        let key = KeyPair::from_pem(&key).unwrap();
        Authority { site: site.to_owned(), issuer: Issuer::from_ca_cert_pem(&certificate, key).unwrap() }
    }

    #[test]
    fn the_newest_comes_first_and_the_oldest_goes() {
        let pem = |name: &str| format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----");
        let first = newest_first(&pem("a"), None);
        assert_eq!(first, format!("{}\n", pem("a")));
        assert_eq!(newest_first(&pem("a"), Some(&first)), first, "nothing changes without a change");
        let mut all = first;
        for name in ["b", "c", "d", "e"] {
            all = newest_first(&pem(name), Some(&all));
        }
        assert_eq!(all, format!("{}\n", [pem("e"), pem("d"), pem("c"), pem("b")].join("\n")));
        assert_eq!(newest_first(&pem("a"), Some(&"no certificate".to_owned())), format!("{}\n", pem("a")));
    }

    #[test]
    fn a_certificate_is_made_for_its_key() {
        let authority = authority("plant");
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let request = CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
        let request = rcgen::CertificateSigningRequestParams::from_der(request.der()).unwrap();
        let pem = authority.sign("edge-a", &request.public_key, CERTIFICATE_HOLDS).unwrap();
        assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"), "{pem}");
    }

    #[test]
    fn a_new_key_makes_no_new_site() {
        let data = BTreeMap::from([(SITE_KEY.to_owned(), "plant".to_owned())]);
        assert_eq!(site_of(Some(&ConfigMap { data: Some(data), ..ConfigMap::default() })), "plant");
        assert_ne!(site_of(None), site_of(None));
    }
}
