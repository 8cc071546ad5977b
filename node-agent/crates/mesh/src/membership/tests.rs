use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ED25519, SanType,
};

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// A site's authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(parameters, key), pem }
    }

    /// For a key, with these names and dates.
    pub(crate) fn signs(
        &self,
        key: &KeyPair,
        names: &[String],
        from: SystemTime,
        until: SystemTime,
    ) -> String {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        let uri = |name: &String| SanType::URI(name.as_str().try_into().unwrap());
        parameters.subject_alt_names = names.iter().map(uri).collect();
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        parameters.not_before = from.into();
        parameters.not_after = until.into();
        parameters.signed_by(key, &self.issuer).unwrap().pem()
    }

    /// For a node of a site, for 90 days.
    pub(crate) fn certifies(&self, key: &KeyPair, site: &str, node: &str) -> String {
        self.signs(key, &[name_of(site, node)], SystemTime::now(), SystemTime::now() + 90 * DAY)
    }
}

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ED25519).unwrap()
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn fingerprint(pem: &str) -> Fingerprint {
    certificate_key(&der(pem)).unwrap()
}

#[test]
fn an_agent_of_the_site_is_who_its_certificate_names_and_nobody_else_is_any() {
    let (own, foreign) = (Authority::new(), Authority::new());
    let site = Membership::new("plant", "edge-a", &own.pem).unwrap();
    let (now, soon) = (SystemTime::now(), SystemTime::now() + 90 * DAY);
    let named = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        own.signs(&key(), &names, now, soon)
    };
    let good = site.judge(&der(&own.certifies(&key(), "plant", "edge-b")));
    assert_eq!(good, Some(id_of("plant", "edge-b")));
    assert_ne!(id_of("plant", "edge-b"), id_of("plant", "edge-c"));
    for (why, pem) in [
        ("another authority", foreign.certifies(&key(), "plant", "edge-b")),
        ("another site", own.certifies(&key(), "plant2", "edge-b")),
        ("this agent itself", own.certifies(&key(), "plant", "edge-a")),
        ("two names", named(&["lineshaft://plant/node/edge-b", "lineshaft://plant/node/edge-c"])),
        ("no node", named(&["lineshaft://plant/node/"])),
        ("something below a node", named(&["lineshaft://plant/node/edge-b/x"])),
        ("something else", named(&["lineshaft://plant/edge-b"])),
        ("the authority", own.pem.clone()),
    ] {
        assert_eq!(site.judge(&der(&pem)), None, "{why}");
    }
    // Signed by a key that is not that of the certificate which it shows.
    let mut forged = der(&own.certifies(&key(), "plant", "edge-b")).to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(site.judge(&CertificateDer::from(forged)), None);
}

#[test]
fn dates_are_judged_leniently_but_not_for_ever() {
    let authority = Authority::new();
    let site = Membership::new("plant", "edge-a", &authority.pem).unwrap();
    let names = [name_of("plant", "edge-b")];
    let now = SystemTime::now();
    for (why, from, until, counts) in [
        ("not valid yet", now + 10 * DAY, now + 90 * DAY, true),
        ("expired yesterday", now - 90 * DAY, now - DAY, true),
        ("expired 179 days ago", now - 300 * DAY, now - 179 * DAY, true),
        ("expired 181 days ago", now - 300 * DAY, now - 181 * DAY, false),
    ] {
        let pem = authority.signs(&key(), &names, from, until);
        assert_eq!(site.judge(&der(&pem)).is_some(), counts, "{why}");
    }
}

#[test]
fn the_time_of_the_last_start_counts_when_the_clock_has_gone_back() {
    let authority = Authority::new();
    let later = (now() + 400 * DAY).as_secs();
    let record = Record { written: later, ..Membership::new("plant", "a", &authority.pem).unwrap().record };
    let site = Membership::of(record).unwrap();
    assert_eq!(site.judge(&der(&authority.certifies(&key(), "plant", "b"))), None);
    assert!(Membership::new("plant", "a", &authority.pem).unwrap().time() >= EARLIEST);
}

#[test]
fn a_membership_outlives_restarts_and_a_damaged_one_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let (authority, own) = (Authority::new(), key());
    let pem = authority.certifies(&own, "plant", "edge-a");
    let site = Membership::new("plant", "edge-a", &authority.pem).unwrap();
    let site = site.with_certificate(&pem, fingerprint(&pem)).unwrap();
    assert!(!site.needs_certificate(fingerprint(&pem)));
    site.save(directory.path()).unwrap();
    let again = Membership::open(directory.path(), "edge-a").unwrap().unwrap();
    assert_eq!(again.certificate(fingerprint(&pem)), site.certificate(fingerprint(&pem)));
    // A disk that came to another host is no membership there.
    assert_eq!(Membership::open(directory.path(), "edge-b").unwrap(), None);
    std::fs::write(file(directory.path()), "{").unwrap();
    assert!(matches!(Membership::open(directory.path(), "edge-a"), Err(FileError::Damaged { .. })));
}

#[test]
fn a_certificate_is_asked_for_when_there_is_none_that_will_do() {
    let (authority, own) = (Authority::new(), key());
    let site = Membership::new("plant", "edge-a", &authority.pem).unwrap();
    let names = [name_of("plant", "edge-a")];
    let until = |days: u32| authority.signs(&own, &names, SystemTime::now(), SystemTime::now() + days * DAY);
    let (long, short) = (until(31), until(29));
    let mine = fingerprint(&long);
    assert!(site.needs_certificate(mine));
    let with = |pem: &str| site.with_certificate(pem, mine);
    assert!(!with(&long).unwrap().needs_certificate(mine));
    assert!(with(&short).unwrap().needs_certificate(mine));
    assert!(with(&long).unwrap().needs_certificate(Fingerprint::of_public_key(b"another key")));
    // What the authority did not make for this agent is not taken.
    let other = authority.certifies(&own, "plant", "edge-b");
    assert!(with(&other).is_err() && with(&authority.certifies(&key(), "plant", "edge-a")).is_err());
    assert!(with(&Authority::new().certifies(&own, "plant", "edge-a")).is_err());

    // An authority that comes beside the old one changes nothing, one that takes its place makes a new one necessary.
    let new = Authority::new();
    let overlap = with(&long).unwrap().with_authorities("plant", &format!("{}{}", new.pem, authority.pem));
    assert!(!overlap.unwrap().needs_certificate(mine));
    assert!(with(&long).unwrap().with_authorities("plant", &new.pem).unwrap().needs_certificate(mine));
}

#[test]
fn authorities_that_are_none_are_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert!(Membership::new("plant", "edge-a", pem).is_err(), "{pem}");
    }
    assert!(Membership::new("plant", "edge-a", &Authority::new().pem.repeat(MAX_AUTHORITIES + 1)).is_err());
}
