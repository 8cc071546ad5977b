use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use rcgen::{
    BasicConstraints, CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};

use super::*;

const ACCOUNT_USER: &str = "system:serviceaccount:lineshaft-system:lineshaft-agent";

/// A request that is granted, and what a case makes of it.
struct Asks {
    names: Vec<SanType>,
    algorithm: &'static SignatureAlgorithm,
    change: fn(&mut CertificateParams),
    spec: CertificateSigningRequestSpec,
}

fn uri(name: &str) -> SanType {
    SanType::URI(name.try_into().unwrap())
}

/// Of the agent of edge-a, on a cluster.
fn agent() -> Asks {
    Asks {
        names: vec![uri("lineshaft://plant/node/edge-a")],
        algorithm: &PKCS_ED25519,
        change: |_| {},
        spec: CertificateSigningRequestSpec {
            signer_name: SIGNER.to_owned(),
            username: Some(ACCOUNT_USER.to_owned()),
            groups: Some(vec!["system:serviceaccounts".to_owned()]),
            extra: Some(BTreeMap::from([(NODE_NAME.to_owned(), vec!["edge-a".to_owned()])])),
            usages: Some(USAGES.map(str::to_owned).to_vec()),
            ..CertificateSigningRequestSpec::default()
        },
    }
}

/// The same on one box, where a client certificate says who it is.
fn box_agent() -> Asks {
    let mut asks = agent();
    asks.spec.username = Some("lineshaft:node:edge-a".to_owned());
    asks.spec.groups = Some(vec!["lineshaft:agents".to_owned(), "system:authenticated".to_owned()]);
    asks.spec.extra = None;
    asks
}

impl Asks {
    fn of(mut self, change: impl FnOnce(&mut CertificateSigningRequestSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    fn named(mut self, names: Vec<SanType>) -> Self {
        self.names = names;
        self
    }

    fn asking(mut self, change: fn(&mut CertificateParams)) -> Self {
        self.change = change;
        self
    }

    fn pem(&self) -> (String, KeyPair) {
        let key = KeyPair::generate_for(self.algorithm).unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names.clone_from(&self.names);
        (self.change)(&mut parameters);
        (parameters.serialize_request(&key).unwrap().pem().unwrap(), key)
    }

    fn verdict(self) -> Verdict {
        let (pem, _) = self.pem();
        self.verdict_of(&pem)
    }

    fn verdict_of(self, pem: &str) -> Verdict {
        let request = ByteString(pem.as_bytes().to_vec());
        let spec = CertificateSigningRequestSpec { request, ..self.spec };
        judge(&CertificateSigningRequest { spec, ..CertificateSigningRequest::default() }, "plant")
    }
}

#[test]
fn the_agent_of_a_node_gets_a_certificate_of_that_node_for_its_key() {
    for asks in [
        agent(),
        box_agent(),
        agent().asking(|params| {
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }),
    ] {
        let (pem, own) = asks.pem();
        let Verdict::Grant { node, key } = asks.verdict_of(&pem) else { panic!("an agent is refused") };
        assert_eq!((node.as_str(), key.der_bytes()), ("edge-a", own.public_key_raw()));
    }
}

#[test]
fn whoever_else_asks_or_asks_for_more_is_refused() {
    type Change = fn(&mut CertificateSigningRequestSpec);
    let from = |change: Change| agent().of(change);
    let node = |name: &str| uri(&format!("lineshaft://plant/node/{name}"));
    for (why, asks, reason) in [
        // Who asks.
        ("an administrator", from(|spec| spec.username = Some("kubernetes-admin".to_owned())), "NotAnAgent"),
        ("nobody", from(|spec| spec.username = None), "NotAnAgent"),
        ("a token of no Pod", from(|spec| spec.extra = None), "NotAnAgent"),
        (
            "two nodes at once",
            from(|spec| {
                let nodes = vec!["edge-a".to_owned(), "edge-b".to_owned()];
                spec.extra = Some(BTreeMap::from([(NODE_NAME.to_owned(), nodes)]));
            }),
            "NotAnAgent",
        ),
        (
            "another service account with the stamp of the node",
            from(|spec| spec.username = Some("system:serviceaccount:default:lineshaft-agent".to_owned())),
            "NotAnAgent",
        ),
        (
            "another user who calls himself a node without being an agent",
            box_agent().of(|spec| spec.groups = Some(vec!["system:authenticated".to_owned()])),
            "NotAnAgent",
        ),
        (
            "a node without a name",
            box_agent().of(|spec| spec.username = Some("lineshaft:node:".to_owned())),
            "NotAnAgent",
        ),
        // For whom.
        ("another node, on a cluster", agent().named(vec![node("edge-b")]), "OtherNode"),
        ("another node, on one box", box_agent().named(vec![node("edge-b")]), "OtherNode"),
        ("a longer name", agent().named(vec![node("edge-a/x")]), "OtherNode"),
        (
            "a stamp that the requester forged beside its name",
            box_agent().named(vec![node("edge-b")]).of(|spec| {
                spec.extra = Some(BTreeMap::from([(NODE_NAME.to_owned(), vec!["edge-b".to_owned()])]));
            }),
            "OtherNode",
        ),
        // For what.
        ("no name", agent().named(Vec::new()), "NotAnAgentCertificate"),
        ("two names", agent().named(vec![node("edge-a"), node("edge-b")]), "NotAnAgentCertificate"),
        ("its name twice", agent().named(vec![node("edge-a"), node("edge-a")]), "NotAnAgentCertificate"),
        (
            "a host name besides",
            agent().named(vec![node("edge-a"), SanType::DnsName("edge-a".try_into().unwrap())]),
            "NotAnAgentCertificate",
        ),
        (
            "another kind of name",
            agent().named(vec![uri("spiffe://plant/node/edge-a")]),
            "NotAnAgentCertificate",
        ),
        (
            "an authority",
            agent().asking(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)),
            "NotAnAgentCertificate",
        ),
        (
            "signing certificates",
            agent().asking(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]),
            "NotAnAgentCertificate",
        ),
        (
            "signing code",
            agent().asking(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning]),
            "NotAnAgentCertificate",
        ),
        (
            "another usage",
            from(|spec| spec.usages.as_mut().unwrap().push("cert sign".to_owned())),
            "NotAnAgentCertificate",
        ),
        ("too few usages", from(|spec| drop(spec.usages.as_mut().unwrap().pop())), "NotAnAgentCertificate"),
        (
            "another signer",
            from(|spec| spec.signer_name = "kubernetes.io/kube-apiserver-client".to_owned()),
            "NotAnAgentCertificate",
        ),
        ("another kind of key", Asks { algorithm: &PKCS_ECDSA_P256_SHA256, ..agent() }, "KeyType"),
    ] {
        match asks.verdict() {
            Verdict::Refuse(refusal) => assert_eq!(refusal.reason(), reason, "{why}: {refusal}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}

#[test]
fn another_sites_request_is_not_ours() {
    let asks = agent().named(vec![uri("lineshaft://plant2/node/edge-a")]);
    assert_eq!(asks.verdict(), Verdict::OtherSite);
}

#[test]
fn what_is_no_request_signed_by_its_own_key_is_refused() {
    let (pem, _) = agent().pem();
    let mut forged = pem::parse(&pem).unwrap().into_contents();
    *forged.last_mut().unwrap() ^= 1;
    let forged = pem::encode(&pem::Pem::new(PEM_LABEL, forged));
    for (why, pem) in [
        ("nothing", String::new()),
        ("no PEM", "hello".to_owned()),
        ("two", format!("{pem}{pem}")),
        ("something else", pem.replace(PEM_LABEL, "CERTIFICATE")),
        ("not signed by its key", forged),
    ] {
        match agent().verdict_of(&pem) {
            Verdict::Refuse(refusal) => assert_eq!(refusal.reason(), "Unreadable", "{why}"),
            other => panic!("{why}: {other:?}"),
        }
    }
}
