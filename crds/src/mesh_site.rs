//! What operator and agents agree on for the identity of agents within one site: names, not types.
//!
//! The operator keeps the key of an authority in a Secret and publishes its certificates in a ConfigMap. An agent asks
//! for a certificate of its own by a `CertificateSigningRequest`.

/// Signer of the certificates of agents.
pub const SIGNER: &str = "lineshaft.dev/mesh";
/// Name of the ConfigMap with the authorities of the site, and of the Secret with the key of the newest.
pub const AUTHORITY: &str = "lineshaft-mesh-ca";
/// Key of the ConfigMap: certificates in PEM, the newest first; those before it count as long as they stand there.
pub const AUTHORITIES_KEY: &str = "ca.crt";
/// Key of the ConfigMap: name of the site.
pub const SITE_KEY: &str = "site";
/// What a certificate may be used for, in the words of Kubernetes.
pub const USAGES: [&str; 3] = ["digital signature", "client auth", "server auth"];

/// The one name in the certificate of a node's agent.
pub fn name_of(site: &str, node: &str) -> String {
    format!("lineshaft://{site}/node/{node}")
}
