//! Whether a request for a certificate is granted. Pure.
//!
//! A certificate says "this key is the agent of that node", so it is given only to who can speak for the node: the
//! agents' service account, whose requests the API server stamps with the node of their Pod, or a client certificate
//! that names the node. An administrator speaks for no node: what is approved by hand is judged all the same.

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use lineshaft_crds::SYSTEM_NAMESPACE;
use lineshaft_crds::mesh_site::{SIGNER, USAGES, name_of};
use rcgen::{
    CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PKCS_ED25519, PublicKey,
    SanType,
};

/// Service account of the agents on a cluster.
const ACCOUNT: &str = "lineshaft-agent";
/// What the API server adds to requests with the token of a Pod.
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
/// Begin of the user name, and group, of an agent with a client certificate.
const NODE_USER: &str = "lineshaft:node:";
const AGENTS: &str = "lineshaft:agents";
const PEM_LABEL: &str = "CERTIFICATE REQUEST";

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The certificate is made for this node and key.
    Grant { node: String, key: Box<PublicKey> },
    /// It never is.
    Refuse(Refusal),
    /// Another site's authority may know it; this one does not.
    OtherSite,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("{0} speaks for no node: only agents may ask for certificates of the mesh")]
    Requester(String),
    #[error("the usages must be digital signature, client auth and server auth, and no others")]
    Usages,
    #[error("the request is no single PEM block with a PKCS #10 request that is signed by its own key: {0}")]
    Unreadable(String),
    #[error("the key must be an Ed25519 key")]
    KeyType,
    #[error("the request asks for more than a certificate of an agent: {0}")]
    Asks(&'static str),
    #[error("the one subject alternative name must be the URI {0}")]
    Name(String),
    #[error("the request is for {asked}, and its requester speaks for node {speaks}")]
    OtherNode { asked: String, speaks: String },
}

impl Refusal {
    /// Of the condition Denied.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Requester(_) => "NotAnAgent",
            Self::OtherNode { .. } => "OtherNode",
            Self::Unreadable(_) => "Unreadable",
            Self::KeyType => "KeyType",
            Self::Usages | Self::Asks(_) | Self::Name(_) => "NotAnAgentCertificate",
        }
    }
}

/// Judges a request that names our signer.
pub(super) fn judge(request: &CertificateSigningRequest, site: &str) -> Verdict {
    let spec = &request.spec;
    match asked(spec).and_then(|asked| granted(spec, asked, site)) {
        Ok(verdict) => verdict,
        Err(refusal) => Verdict::Refuse(refusal),
    }
}

fn granted(
    spec: &CertificateSigningRequestSpec,
    asked: CertificateSigningRequestParams,
    site: &str,
) -> Result<Verdict, Refusal> {
    let CertificateSigningRequestParams { params, public_key } = asked;
    let of_site = name_of(site, "");
    let name = match params.subject_alt_names.as_slice() {
        [SanType::URI(name)] => name.as_str(),
        _ => return Err(Refusal::Name(format!("{of_site}NODE"))),
    };
    let Some(node) = name.strip_prefix(of_site.as_str()) else {
        return if name.starts_with("lineshaft://") {
            Ok(Verdict::OtherSite)
        } else {
            Err(Refusal::Name(format!("{of_site}NODE")))
        };
    };
    let speaks = speaks_for(spec)
        .ok_or_else(|| Refusal::Requester(spec.username.clone().unwrap_or_else(|| "who asks".to_owned())))?;
    if node != speaks {
        return Err(Refusal::OtherNode { asked: name.to_owned(), speaks: speaks.to_owned() });
    }
    Ok(Verdict::Grant { node: node.to_owned(), key: Box::new(public_key) })
}

/// What a request asks for, if an agent may ask for it.
fn asked(spec: &CertificateSigningRequestSpec) -> Result<CertificateSigningRequestParams, Refusal> {
    let usages = spec.usages.as_deref().unwrap_or_default();
    let complete = USAGES.iter().all(|usage| usages.iter().any(|asked| asked == usage));
    if spec.signer_name != SIGNER || !complete || usages.len() != USAGES.len() {
        return Err(Refusal::Usages);
    }
    let unreadable = |why: String| Refusal::Unreadable(why);
    let blocks = pem::parse_many(&spec.request.0).map_err(|error| unreadable(error.to_string()))?;
    let [block] = blocks.as_slice() else { return Err(unreadable(format!("{} blocks", blocks.len()))) };
    if block.tag() != PEM_LABEL {
        return Err(unreadable(format!("a block {}", block.tag())));
    }
    let asked = CertificateSigningRequestParams::from_der(&block.contents().into())
        .map_err(|error| unreadable(error.to_string()))?;
    let params = &asked.params;
    if asked.public_key.algorithm() != &PKCS_ED25519 {
        return Err(Refusal::KeyType);
    }
    if matches!(params.is_ca, IsCa::Ca(_)) {
        return Err(Refusal::Asks("an authority"));
    }
    if params.key_usages.iter().any(|usage| *usage != KeyUsagePurpose::DigitalSignature) {
        return Err(Refusal::Asks("a key usage other than digital signature"));
    }
    let agents = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    if params.extended_key_usages.iter().any(|usage| !agents.contains(usage)) {
        return Err(Refusal::Asks("an extended key usage other than client and server authentication"));
    }
    Ok(asked)
}

/// The node that a requester may speak for, as the API server says who it is: nothing of this is the requester's word.
fn speaks_for(spec: &CertificateSigningRequestSpec) -> Option<&str> {
    let user = spec.username.as_deref()?;
    if let Some(node) = user.strip_prefix(NODE_USER) {
        let agent = spec.groups.as_ref().is_some_and(|groups| groups.iter().any(|group| group == AGENTS));
        return Some(node).filter(|node| agent && !node.is_empty());
    }
    if user != format!("system:serviceaccount:{SYSTEM_NAMESPACE}:{ACCOUNT}") {
        return None;
    }
    match spec.extra.as_ref()?.get(NODE_NAME)?.as_slice() {
        [node] if !node.is_empty() => Some(node),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
