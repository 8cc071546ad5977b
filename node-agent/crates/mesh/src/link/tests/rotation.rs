//! A peer gets another key while values flow.

use super::*;
use crate::identity::{LONGEST_OVERLAP, calendar};

const WEEK: u64 = 7 * 24 * 3_600;

impl Agent {
    /// Does what is due at some time.
    fn rotates(&self, now: u64) -> bool {
        let peers: Vec<_> = self.trust.pins().iter().map(|pin| pin.agent).collect();
        self.identity.rotate(&peers, now).unwrap()
    }

    /// Gets another key, which its peers do not know yet.
    fn begins_rotation(&self) -> crate::identity::Fingerprint {
        std::fs::write(self.home.path().join("rotate"), b"").unwrap();
        assert!(self.rotates(calendar()));
        self.identity.next().unwrap()
    }

    fn keys_of(&self, other: &Self) -> Vec<crate::identity::Fingerprint> {
        self.trust.pin_of(other.identity.agent()).map(|pin| pin.keys).unwrap_or_default()
    }
}

/// Scans on until something is so. Every value that is shown meanwhile is good, and the link holds.
async fn scan_until(
    publisher: &Agent,
    scan: &mut u64,
    news: &mut mpsc::UnboundedReceiver<News>,
    so: impl Fn() -> bool,
) {
    let end = Instant::now() + DEADLINE;
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while !so() {
        assert!(Instant::now() < end, "it never came to that");
        tick.tick().await;
        *scan += 1;
        publisher.scan(*scan, &(*scan as u32).to_le_bytes());
        while let Ok(next) = news.try_recv() {
            let News::Values(shown) = next else { panic!("{next:?}") };
            assert!(shown.iter().all(|(_, _, quality)| quality.is_good()), "{shown:?}");
        }
    }
}

#[tokio::test]
async fn values_flow_on_while_the_publisher_changes_its_key() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let mut scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    let old = b.identity.fingerprint();
    let new = b.begins_rotation();
    scan_until(&b, &mut scan, &mut news, || b.identity.is_acknowledged(a.identity.agent())).await;
    assert_eq!(a.keys_of(&b), [old, new]);
    assert!(!b.rotates(calendar() + WEEK - 60));
    assert!(b.rotates(calendar() + WEEK + 60));
    assert_eq!(b.identity.fingerprint(), new);
    scan_until(&b, &mut scan, &mut news, || a.keys_of(&b) == [new]).await;
    let received = || a.hub.links()[&b.identity.agent()].received;
    let before = received();
    scan_until(&b, &mut scan, &mut news, || received() > before + 100).await;

    // Another connection is made with the new key alone.
    let home = tempfile::tempdir().unwrap();
    let mut copy = std::process::Command::new("cp");
    copy.arg("-a").arg(b.home.path().join(".")).arg(home.path());
    assert!(copy.status().unwrap().success());
    b.endpoint.shutdown().await;
    let b = Agent::start("LineB", home, "127.0.0.1:0".parse().unwrap());
    assert_eq!(b.identity.fingerprint(), new);
    b.publishes(1, N);
    a.dials(&b);
    until_shown(&b, scan, &[9, 0, 0, 0], &mut news).await;
}

/// Both are dialled and dialling, one after the other, over restarts.
#[tokio::test]
async fn a_peer_that_was_away_learns_of_the_key_when_it_is_back() {
    let (a, b) = pair();
    b.publishes(1, N);
    let new = b.begins_rotation();
    // A expects the old key, and is shown it.
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let mut scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    scan_until(&b, &mut scan, &mut news, || b.identity.is_acknowledged(a.identity.agent())).await;
    // B dials in its turn, and A knows the new key by now.
    a.endpoint.set_targets(Vec::new());
    b.endpoint.set_targets(Vec::new());
    let c = Agent::new("LineC");
    c.trusts(&b);
    b.trusts(&c);
    let mut at_b = b.wishes(1, &c, "LineC", N);
    c.publishes(1, N);
    b.dials(&c);
    until_shown(&c, 0, &[7, 0, 0, 0], &mut at_b).await;
    let deadline = Instant::now() + DEADLINE;
    while !b.identity.is_acknowledged(c.identity.agent()) {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(c.keys_of(&b).last(), Some(&new));
}

#[tokio::test]
async fn a_peer_that_missed_it_sees_another_key() {
    let (a, b) = pair();
    b.publishes(1, N);
    let new = b.begins_rotation();
    assert!(b.rotates(calendar() + LONGEST_OVERLAP + 60));
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let deadline = Instant::now() + DEADLINE;
    let shown = || a.hub.links().get(&b.identity.agent())?.key_mismatch;
    while shown().is_none() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(shown(), Some(new));
    assert!(!matches!(news.try_recv(), Ok(News::Values(_))));
    // Paired again, all is well.
    a.trusts(&b);
    until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    assert_eq!(shown(), None);
}

/// The subscriber's own key, over a connection that it has dialled.
#[tokio::test]
async fn values_flow_on_while_the_subscriber_changes_its_key() {
    let (a, b) = pair();
    b.publishes(1, N);
    let mut news = a.wishes(1, &b, "LineB", N);
    a.dials(&b);
    let mut scan = until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    let new = a.begins_rotation();
    scan_until(&b, &mut scan, &mut news, || a.identity.is_acknowledged(b.identity.agent())).await;
    assert!(a.rotates(calendar() + WEEK + 60));
    scan_until(&b, &mut scan, &mut news, || b.keys_of(&a) == [new]).await;
    let received = || a.hub.links()[&b.identity.agent()].received;
    let before = received();
    scan_until(&b, &mut scan, &mut news, || received() > before + 100).await;
}
