//! Input that a peer, a network or a broken disk makes up: never a panic, never half a message, valid input comes back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use lineshaft_mesh::clock::Clock;
use lineshaft_mesh::control::{self, Entry, FrameReader, Message, Resync, RunState, RuntimeInfo, Subscribe};
use lineshaft_mesh::control::{FlowName, Hello};
use lineshaft_mesh::flow::{
    Publication, PublicationConfig, PublishedSlot, ReceivedSlot, Scan, Subscription, SubscriptionConfig,
};
use lineshaft_mesh::identity::{AgentId, Identity, certificate_key};
use lineshaft_mesh::pairing::{Code, Offers};
use lineshaft_mesh::schema::Schema;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rustls::pki_types::CertificateDer;

/// Where a byte changes, and into what.
type Changes = Vec<(Index, u8)>;

fn changes() -> impl Strategy<Value = Changes> {
    vec((any::<Index>(), any::<u8>()), 0..6)
}

fn changed(mut bytes: Vec<u8>, changes: &Changes, cut: Option<Index>) -> Vec<u8> {
    for (at, byte) in changes {
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len() + 1));
    }
    bytes
}

const TYPES: [&str; 5] = ["BOOL", "LREAL", "STRING[5]", "INT(0..9)", "ARRAY[1..2000] OF BYTE"];

static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    let declared: Vec<String> = TYPES.iter().enumerate().map(|(n, ty)| format!("v{n} : {ty};")).collect();
    let declared = declared.join(" ");
    let text = format!("PROGRAM Main VAR {declared} END_VAR END_PROGRAM");
    let layout = compile(&[SourceUnit { name: "main.st".into(), text }], &Options::default()).unwrap().layout;
    let schema = |n| Schema::of(&layout, layout.find(&format!("Main.v{n}")).unwrap().ty).unwrap();
    (0..TYPES.len()).map(schema).collect()
});

/// Both ends of a flow, and a scan that has something to say.
struct Flow {
    publication: Publication,
    subscription: Subscription,
    image: Vec<u8>,
}

impl Flow {
    fn new() -> Self {
        let mut end = 0;
        let places: Vec<_> = SCHEMAS
            .iter()
            .map(|schema| {
                let start = end;
                end += schema.codec().memory_len() as usize;
                (start..end, schema.codec().clone())
            })
            .collect();
        let image = vec![1; end];
        let config = PublicationConfig { flow: 7, epoch: 3, every_scans: 1, beat_after_ns: 1_000_000 };
        let published = places.iter().cloned();
        let published = published.map(|(image, codec)| PublishedSlot { image, codec, deadband: None });
        let zeros = vec![0; end];
        let publication = Publication::new(config, published.collect(), &scan(&zeros, 0));
        let config = SubscriptionConfig { flow: 7, epoch: 3, interval_ns: 1_000_000 };
        let received = places.into_iter().map(|(image, codec)| ReceivedSlot { image, codec });
        Self { publication, subscription: Subscription::new(config, received.collect()), image }
    }
}

fn scan(image: &[u8], number: u64) -> Scan<'_> {
    Scan { image, quality: &[], number, time_ns: 1, running: true, synchronised: false }
}

fn messages() -> Vec<Message> {
    let name = FlowName { flow: 7, epoch: 3 };
    let runtime =
        RuntimeInfo { id: "u".to_owned(), name: "LineB".to_owned(), scan_us: 10_000, state: RunState::Run };
    let entry = Entry {
        i: 0,
        variable: "Status.n".to_owned(),
        ty: SCHEMAS[1].text().to_owned(),
        hash: SCHEMAS[1].hash(),
        deadband: Some("0.5".to_owned()),
        min_interval_us: 0,
        timeout_us: 300_000,
    };
    let agent = AgentId::from_bytes([7; 16]);
    vec![
        Message::Hello(Hello { minor: 0, agent, site: "plant".to_owned(), runtimes: vec![runtime.clone()] }),
        Message::Runtimes(vec![runtime]),
        Message::Subscribe(Subscribe {
            subscriber: "a".to_owned(),
            subscriber_name: "LineA".to_owned(),
            publisher: "b".to_owned(),
            entries: vec![entry],
        }),
        Message::Ready(name),
        Message::Resync(Resync { name, have: 5 }),
        Message::Unsubscribe(name),
    ]
}

fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    std::fs::remove_file(path).unwrap();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o600)).unwrap();
}

proptest! {
    /// A message that was changed on its way is taken whole or not at all.
    #[test]
    fn fuzz_changed_values(changes in changes(), cut in any::<Option<Index>>(), number in 1u64..4) {
        let mut flow = Flow::new();
        let image = flow.image.clone();
        let genuine = flow.publication.scan(&scan(&image, number), 1, 200);
        for datagram in &genuine {
            let before = flow.subscription.image().to_vec();
            if flow.subscription.datagram(&changed(datagram.clone(), &changes, cut), 1).is_err() {
                prop_assert_eq!(flow.subscription.image(), &before[..]);
            }
        }
        let snapshot = changed(flow.publication.snapshot(None), &changes, cut);
        let before = flow.subscription.image().to_vec();
        if flow.subscription.snapshot(&snapshot, 1).is_err() {
            prop_assert_eq!(flow.subscription.image(), &before[..]);
        }
        let (_, bulk) = flow.publication.bulk(&scan(&image, number), |_| true).unwrap();
        let before = flow.subscription.image().to_vec();
        if flow.subscription.bulk(&changed(bulk, &changes, cut)).is_err() {
            prop_assert_eq!(flow.subscription.image(), &before[..]);
        }
        let _ = flow.subscription.due(u64::MAX / 2, 1);
    }

    /// What was not changed comes back as it was; what was is a message or an error.
    #[test]
    fn fuzz_changed_frames(which in any::<Index>(), changes in changes(), cut in any::<Option<Index>>()) {
        let all = messages();
        let message = which.get(&all);
        let frame = control::encode(message);
        let mut reader = FrameReader::default();
        reader.push(&frame);
        let read = reader.next_message().unwrap();
        prop_assert_eq!(read.as_ref(), Some(message));
        let mut reader = FrameReader::default();
        reader.push(&changed(frame, &changes, cut));
        if let Ok(Some(read)) = reader.next_message() {
            let mut again = FrameReader::default();
            again.push(&control::encode(&read));
            prop_assert_eq!(again.next_message().unwrap(), Some(read));
        }
    }

    /// Key and id of an agent on a broken disk: read as they were, or told and left alone.
    #[test]
    fn fuzz_identity_files(key in any::<bool>(), changes in changes(), cut in any::<Option<Index>>()) {
        let home = tempfile::tempdir().unwrap();
        let genuine = Identity::open(home.path()).unwrap();
        let path = home.path().join(if key { "identity.key" } else { "agent-id" });
        let bytes = std::fs::read(&path).unwrap();
        let spoilt = changed(bytes.clone(), &changes, cut);
        write(&path, &spoilt);
        match Identity::open(home.path()) {
            Ok(read) if spoilt == bytes => prop_assert_eq!(read.fingerprint(), genuine.fingerprint()),
            Ok(_) => {}
            Err(_) => prop_assert_eq!(std::fs::read(&path).unwrap(), spoilt),
        }
    }

    /// A pin of which any byte is another one trusts nobody else under this agent's name.
    #[test]
    fn fuzz_trust_files(changes in changes(), cut in any::<Option<Index>>(), noise in vec(any::<u8>(), 0..80)) {
        let home = tempfile::tempdir().unwrap();
        let identity = Identity::open(&home.path().join("peer")).unwrap();
        let (trust, _) = Trust::open(&home.path().join("trust")).unwrap();
        let pin = Pin {
            agent: identity.agent(),
            name: "LineB".to_owned(),
            keys: vec![identity.fingerprint()],
            pairing: "uid".to_owned(),
        };
        trust.pin(pin.clone()).unwrap();
        let path = home.path().join(format!("trust/{}.json", pin.agent));
        let spoilt = changed(std::fs::read(&path).unwrap(), &changes, cut);
        for bytes in [spoilt, noise] {
            write(&path, &bytes);
            let (read, damaged) = Trust::open(&home.path().join("trust")).unwrap();
            prop_assert_eq!(read.pins().len() + damaged.len(), 1);
            prop_assert!(read.pins().iter().all(|read| read.agent == pin.agent));
            prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    /// The counters of guesses: damaged ones are told, since forgetting them would forgive.
    #[test]
    fn fuzz_guard_file(bytes in vec(any::<u8>(), 0..100), json in "\\{\"[a-zA-Z]{0,12}\":[0-9]{0,25}\\}") {
        static PARTS: LazyLock<(tempfile::TempDir, Arc<Identity>, Arc<Trust>)> = LazyLock::new(|| {
            let home = tempfile::tempdir().unwrap();
            let identity = Arc::new(Identity::open(home.path()).unwrap());
            let trust = Arc::new(Trust::open(&home.path().join("trust")).unwrap().0);
            (home, identity, trust)
        });
        let (home, identity, trust) = &*PARTS;
        let record = home.path().join("guard.json");
        for content in [bytes, json.into_bytes()] {
            std::fs::write(&record, &content).unwrap();
            let (name, door, clock) = ("n".to_owned(), Arc::default(), Clock::default());
            let opened = Offers::open(&record, identity.clone(), name, trust.clone(), door, clock);
            if serde_json::from_slice::<serde_json::Value>(&content).is_err() {
                prop_assert!(opened.is_err());
            }
        }
    }

    /// Certificates come before any trust.
    #[test]
    fn fuzz_certificates(changes in changes(), cut in any::<Option<Index>>(), noise in vec(any::<u8>(), 0..300)) {
        static GENUINE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
            rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap().der().to_vec()
        });
        let own = certificate_key(&CertificateDer::from(GENUINE.clone()));
        prop_assert!(own.is_some());
        let _ = certificate_key(&CertificateDer::from(changed(GENUINE.clone(), &changes, cut)));
        let _ = certificate_key(&CertificateDer::from(noise));
    }

    /// What a person types as a code.
    #[test]
    fn fuzz_codes(text in "\\PC{0,20}", digits in "[0-9]{4}-?[0-9]{4}") {
        for text in [text, digits] {
            if let Ok(code) = text.parse::<Code>() {
                prop_assert_eq!(code.to_string().parse::<Code>().unwrap().to_string(), code.to_string());
            }
        }
    }
}
