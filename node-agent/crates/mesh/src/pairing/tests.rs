use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;
use tokio::sync::mpsc;

use super::*;
use crate::clock::Clock;
use crate::identity::{Fingerprint, Identity};
use crate::link::{Endpoint, Hub};
use crate::tls::Door;
use crate::trust::Trust;

const TTL: Duration = Duration::from_mins(5);

struct Agent {
    identity: Arc<Identity>,
    trust: Arc<Trust>,
    offers: Arc<Offers>,
    endpoint: Endpoint,
    strangers: mpsc::Receiver<(Connection, Fingerprint)>,
    name: &'static str,
    home: PathBuf,
    _directory: tempfile::TempDir,
}

impl Agent {
    fn new(name: &'static str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_owned();
        let identity = Arc::new(Identity::open(&home).unwrap());
        let trust = Arc::new(Trust::open(&home.join("trust")).unwrap().0);
        let door = Arc::new(Door::default());
        let offers = Arc::new(
            Offers::open(
                &home.join("guard.json"),
                identity.clone(),
                name.into(),
                trust.clone(),
                door.clone(),
                Clock::default(),
            )
            .unwrap(),
        );
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let hub = Arc::new(Hub::default());
        let (endpoint, strangers) =
            Endpoint::bind(any, identity.clone(), name.into(), trust.clone(), door, hub).unwrap();
        Self { identity, trust, offers, endpoint, strangers, name, home, _directory: directory }
    }

    async fn claim(&self, other: SocketAddr, code: Code) -> Result<(), PairingError> {
        let connection = self.endpoint.connect_to_pair(other).await?;
        claim(&connection, code, &self.identity, self.name, &self.trust, "uid-a").await.map(|_| ())
    }

    fn trusts(&self, other: &Self) -> bool {
        self.trust.owner(other.identity.fingerprint()) == Some(other.identity.agent())
    }
}

/// A claims from B; what came of it on both sides.
async fn pair(
    a: &Agent,
    b: &mut Agent,
    code: Code,
) -> (Result<(), PairingError>, Option<Result<Paired, PairingError>>) {
    let address = b.endpoint.local_address();
    let offers = b.offers.clone();
    let strangers = &mut b.strangers;
    let serve = async {
        let (connection, key) = strangers.recv().await.unwrap();
        offers.serve(&connection, key).await
    };
    let claim = a.claim(address, code);
    tokio::pin!(serve, claim);
    tokio::select! {
        served = &mut serve => (claim.await, Some(served)),
        claimed = &mut claim => {
            let served = tokio::time::timeout(Duration::from_secs(6), serve).await.ok();
            (claimed, served)
        }
    }
}

fn other_than(code: &Code) -> Code {
    loop {
        let other = Code::draw(&mut rand_core::OsRng);
        if other != *code {
            return other;
        }
    }
}

#[tokio::test]
async fn two_agents_pair_by_a_code() {
    let (a, mut b) = (Agent::new("LineA"), Agent::new("LineB"));
    let code = b.offers.offer(TTL, "uid-b".into()).unwrap();
    assert_eq!(b.offers.attempts_left(), 3);
    let (claimed, served) = pair(&a, &mut b, code.clone()).await;
    claimed.unwrap();
    let paired = served.unwrap().unwrap();
    assert!(!paired.one_sided);
    assert_eq!((paired.peer.name.as_str(), paired.peer.pairing.as_str()), ("LineA", "uid-b"));
    assert!(a.trusts(&b) && b.trusts(&a));
    let (again, _) = Trust::open(&b.home.join("trust")).unwrap();
    assert_eq!(again.owner(a.identity.fingerprint()), Some(a.identity.agent()), "on the disk");
    assert_eq!(b.offers.attempts_left(), 0, "a code works once");
}

#[tokio::test]
async fn three_wrong_codes_end_the_offer_also_after_a_restart() {
    let (a, mut b) = (Agent::new("LineA"), Agent::new("LineB"));
    let code = b.offers.offer(TTL, "uid-b".into()).unwrap();
    for left in [2, 1, 0] {
        let (claimed, served) = loop {
            let outcome = pair(&a, &mut b, other_than(&code)).await;
            // Attempts are a second apart.
            if !matches!(outcome.0, Err(PairingError::Busy)) {
                break outcome;
            }
        };
        assert!(matches!(claimed, Err(PairingError::WrongCode)), "{claimed:?}");
        assert!(served.unwrap().is_err());
        assert_eq!(b.offers.attempts_left(), left);
    }
    assert!(!a.trusts(&b) && !b.trusts(&a));
    assert!(a.claim(b.endpoint.local_address(), code).await.is_err(), "the door is closed");
    assert!(matches!(b.offers.offer(TTL, "uid".into()), Err(Refusal::Locked { .. })));
    let door = Arc::new(Door::default());
    let again = Offers::open(
        &b.home.join("guard.json"),
        b.identity.clone(),
        "LineB".into(),
        b.trust.clone(),
        door,
        Clock::default(),
    );
    assert!(matches!(again.unwrap().offer(TTL, "uid".into()), Err(Refusal::Locked { .. })));
}

#[tokio::test]
async fn an_expired_offer_closes_the_door() {
    let (a, b) = (Agent::new("LineA"), Agent::new("LineB"));
    let code = b.offers.offer(Duration::ZERO, "uid-b".into()).unwrap();
    assert!(a.claim(b.endpoint.local_address(), code).await.is_err());
    assert!(!b.trusts(&a));
}

#[tokio::test]
async fn an_agent_does_not_pair_with_itself() {
    let mut a = Agent::new("LineA");
    let code = a.offers.offer(TTL, "uid".into()).unwrap();
    let address = a.endpoint.local_address();
    assert!(matches!(a.claim(address, code).await, Err(PairingError::Oneself)));
    assert!(a.strangers.try_recv().is_ok());
    assert_eq!(a.offers.attempts_left(), 3);
}

/// Mallory stands between A and B and passes every message on: each side sees Mallory's key and another TLS
/// connection, so neither accepts.
#[tokio::test]
async fn a_relay_in_the_middle_gets_nothing() {
    let (a, mut b, mut mallory) = (Agent::new("LineA"), Agent::new("LineB"), Agent::new("Mallory"));
    let code = b.offers.offer(TTL, "uid-b".into()).unwrap();
    mallory.offers.offer(TTL, "uid-m".into()).unwrap();
    let relay = async {
        let (from_a, _) = mallory.strangers.recv().await.unwrap();
        let to_b = mallory.endpoint.connect_to_pair(b.endpoint.local_address()).await.unwrap();
        let (mut to_a, mut at_a) = from_a.accept_bi().await.unwrap();
        let (mut to_b, mut at_b) = to_b.open_bi().await.unwrap();
        let forth = async {
            while let Ok(Some(chunk)) = at_a.read_chunk(4_096, true).await {
                if to_b.write_all(&chunk.bytes).await.is_err() {
                    break;
                }
            }
        };
        let back = async {
            while let Ok(Some(chunk)) = at_b.read_chunk(4_096, true).await {
                if to_a.write_all(&chunk.bytes).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(forth, back);
    };
    let serve = async {
        let (connection, key) = b.strangers.recv().await.unwrap();
        b.offers.serve(&connection, key).await
    };
    let claim = a.claim(mallory.endpoint.local_address(), code);
    let ((), served, claimed) = tokio::join!(relay, serve, claim);
    assert!(claimed.is_err() && served.is_err(), "{claimed:?} {served:?}");
    assert!(a.trust.pins().is_empty() && b.trust.pins().is_empty());
    assert_eq!(b.offers.attempts_left(), 2);
}
