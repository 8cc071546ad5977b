//! Agents of one site know each other by certificates of the site's own authority: no pairing is needed.
//!
//! Who an agent is within its site is the node that its certificate names, and nothing that it says of itself. The
//! authority looks who asks before it signs; here a certificate counts if one of the site's authorities has signed it
//! and it names a node of this site. Dates are judged leniently: an edge box may boot in 1970, and a plant may run for
//! months without whoever renews certificates. So nothing is "not yet valid", and what has expired counts for
//! [`EXPIRED_KEPT`] more.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::identity::{AgentId, FileError, Fingerprint, certificate_key, read, replace, to_json};

/// How long a certificate counts after its end.
pub const EXPIRED_KEPT: Duration = Duration::from_hours(180 * 24);
/// A certificate is renewed when it ends so soon.
pub const RENEWED_BEFORE: Duration = Duration::from_hours(30 * 24);
/// Authorities of one site at a time: the present one and those before it.
const MAX_AUTHORITIES: usize = 8;
/// No clock is right that shows an earlier time: 2026-11-01.
const EARLIEST: Duration = Duration::from_hours(498_192);
/// The end of the calendar of certificates: whatever there is has expired by then.
const LATEST: Duration = Duration::from_secs(253_402_300_799);
const FILE: &str = "site.json";

/// Something that makes no membership.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// The authorities of the site cannot be read.
    #[error("the certificates of the site's authority cannot be read: {0}")]
    Authorities(String),
    /// The certificate of this agent cannot be used.
    #[error("the certificate of this agent cannot be used: {0}")]
    Certificate(&'static str),
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Record {
    site: String,
    node: String,
    /// PEM.
    authorities: String,
    /// PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    /// Seconds since 1970 when this was written: the clock may have gone back since.
    written: u64,
}

/// That this agent belongs to a site, and how it knows others that do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    record: Record,
    me: AgentId,
    authorities: Vec<CertificateDer<'static>>,
    certificate: Option<CertificateDer<'static>>,
}

/// The name of a node in certificates: `lineshaft://<site>/node/<node>`.
pub fn name_of(site: &str, node: &str) -> String {
    format!("{}{node}", names_begin(site))
}

fn names_begin(site: &str) -> String {
    format!("lineshaft://{site}/node/")
}

/// Who the agent of a node is to others of its site.
pub fn id_of(site: &str, node: &str) -> AgentId {
    let digest: [u8; 32] = Sha256::digest(name_of(site, node)).into();
    let (id, _) = digest.split_first_chunk::<16>().expect("a digest has 32 bytes");
    AgentId::from_bytes(*id)
}

impl Membership {
    /// Of a site, whose authorities are given in PEM, the newest first.
    pub fn new(site: &str, node: &str, authorities: &str) -> Result<Self, MembershipError> {
        let written = now().as_secs();
        let (site, node, authorities) = (site.to_owned(), node.to_owned(), authorities.to_owned());
        Self::of(Record { site, node, authorities, certificate: None, written })
    }

    fn of(record: Record) -> Result<Self, MembershipError> {
        let refused = |why: String| MembershipError::Authorities(why);
        let authorities: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(record.authorities.as_bytes())
                .collect::<Result<_, _>>()
                .map_err(|error| refused(error.to_string()))?;
        if authorities.is_empty() || authorities.len() > MAX_AUTHORITIES {
            return Err(refused(format!(
                "{} of them, 1 to {MAX_AUTHORITIES} are possible",
                authorities.len()
            )));
        }
        for authority in &authorities {
            anchor_from_trusted_cert(authority).map_err(|error| refused(error.to_string()))?;
        }
        let certificate = record.certificate.as_ref().map(|pem| {
            CertificateDer::from_pem_slice(pem.as_bytes())
                .map_err(|_| MembershipError::Certificate("it is no PEM"))
        });
        let (me, certificate) = (id_of(&record.site, &record.node), certificate.transpose()?);
        Ok(Self { record, me, authorities, certificate })
    }

    /// The membership that was saved in `directory`, if it is of this node.
    pub fn open(directory: &Path, node: &str) -> Result<Option<Self>, FileError> {
        let path = file(directory);
        let Some(bytes) = read(&path)? else { return Ok(None) };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| FileError::damaged(&path, error))?;
        if record.node != node {
            return Ok(None);
        }
        Self::of(record).map(Some).map_err(|error| FileError::damaged(&path, error))
    }

    /// Keeps it for the next start.
    pub fn save(&self, directory: &Path) -> Result<(), FileError> {
        let record = Record { written: now().as_secs().max(self.record.written), ..self.record.clone() };
        replace(&file(directory), &to_json(&record))
    }

    /// The same with the certificate in PEM that the authority has made for the key of this agent.
    pub fn with_certificate(&self, pem: &str, key: Fingerprint) -> Result<Self, MembershipError> {
        let record = Record { certificate: Some(pem.to_owned()), ..self.record.clone() };
        let with = Self::of(record)?;
        match &with.certificate {
            Some(certificate) if certificate_key(certificate) != Some(key) => {
                Err(MembershipError::Certificate("it is of another key"))
            }
            Some(certificate) if with.node_of(certificate).as_deref() != Some(self.node()) => Err(
                MembershipError::Certificate("it names another node, or nobody of the site has signed it"),
            ),
            _ => Ok(with),
        }
    }

    /// The same with other authorities; the certificate stays as long as one of them has signed it.
    pub fn with_authorities(&self, site: &str, authorities: &str) -> Result<Self, MembershipError> {
        let with = Self::new(site, self.node(), authorities)?;
        let certificate =
            self.certificate.as_ref().filter(|own| with.node_of(own).as_deref() == Some(self.node()));
        let record =
            Record { certificate: certificate.and(self.record.certificate.clone()), ..with.record.clone() };
        Self::of(record)
    }

    /// Name of the site.
    pub fn site(&self) -> &str {
        &self.record.site
    }

    /// Name of this agent's node.
    pub fn node(&self) -> &str {
        &self.record.node
    }

    /// The authorities in PEM, as they were given.
    pub fn authorities(&self) -> &str {
        &self.record.authorities
    }

    /// Who this agent is to others of its site.
    pub fn me(&self) -> AgentId {
        self.me
    }

    /// Who the agent of a node of this site is.
    pub fn member(&self, node: &str) -> AgentId {
        id_of(self.site(), node)
    }

    /// The certificate to show, if it is of this key.
    pub fn certificate(&self, key: Fingerprint) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref().filter(|certificate| certificate_key(certificate) == Some(key))
    }

    /// Whether a certificate is to be asked for: there is none of this key, or it ends soon.
    pub fn needs_certificate(&self, key: Fingerprint) -> bool {
        self.certificate(key)
            .and_then(|certificate| self.end_of(certificate))
            .is_none_or(|end| self.time() + RENEWED_BEFORE >= end)
    }

    /// Which other agent of this site a certificate is of.
    pub fn judge(&self, certificate: &CertificateDer<'_>) -> Option<AgentId> {
        let node = self.node_of(certificate)?;
        (node != self.node()).then(|| self.member(&node))
    }

    /// The node of this site that a certificate is of.
    fn node_of(&self, certificate: &CertificateDer<'_>) -> Option<String> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        let mut names = parsed.valid_uri_names();
        let node = names.next()?.strip_prefix(&names_begin(self.site()))?.to_owned();
        let alone = names.next().is_none() && parsed.valid_dns_names().next().is_none();
        if !alone || node.is_empty() || node.contains('/') {
            return None;
        }
        let end = self.end_of(certificate)?;
        (self.time() <= end + EXPIRED_KEPT).then_some(node)
    }

    /// When a certificate of one of the authorities ends; `None` for one that none of them has signed.
    fn end_of(&self, certificate: &CertificateDer<'_>) -> Option<Duration> {
        let parsed = EndEntityCert::try_from(certificate).ok()?;
        let anchors: Vec<_> =
            self.authorities.iter().filter_map(|one| anchor_from_trusted_cert(one).ok()).collect();
        let verify = |time: UnixTime| {
            let algorithms = [webpki::ring::ED25519];
            parsed
                .verify_for_usage(&algorithms, &anchors, &[], time, KeyUsage::client_auth(), None, None)
                .map(drop)
        };
        // Its dates are judged by the caller, so it is verified at a time at which they are right.
        let Err(webpki::Error::CertExpired { not_after, .. }) = verify(UnixTime::since_unix_epoch(LATEST))
        else {
            return None;
        };
        verify(not_after).ok()?;
        Some(Duration::from_secs(not_after.as_secs()))
    }

    /// The time by which certificates are judged: never before what is known to have been.
    fn time(&self) -> Duration {
        now().max(EARLIEST).max(Duration::from_secs(self.record.written))
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn file(directory: &Path) -> PathBuf {
    directory.join(FILE)
}

#[cfg(test)]
pub(crate) mod tests;
