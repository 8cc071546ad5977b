//! Agents of one site need no pairing; whoever is not of it gets nothing.

use rcgen::KeyPair;

use super::*;
use crate::membership::Membership;
use crate::membership::tests::Authority;

impl Agent {
    /// Has a certificate of the site's authority.
    fn joins(&self, authority: &Authority, site: &str, node: &str) {
        let pem = authority.certifies(&self.key(), site, node);
        let member = Membership::new(site, node, &authority.pem).unwrap();
        self.trust.join(member.with_certificate(&pem, self.identity.fingerprint()).unwrap());
    }

    fn key(&self) -> KeyPair {
        let bytes = std::fs::read(self.home.path().join("identity.key")).unwrap();
        KeyPair::try_from(bytes).unwrap()
    }

    fn dials_member(&self, peer: AgentId, at: &Self) {
        self.endpoint.set_targets(vec![Target { peer, addresses: vec![at.endpoint.local_address()] }]);
    }

    fn last_error(&self, peer: AgentId) -> Option<String> {
        self.hub.links().get(&peer)?.last_error.clone()
    }
}

async fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn id(node: &str) -> AgentId {
    crate::membership::id_of("plant", node)
}

#[tokio::test]
async fn values_cross_within_a_site_without_a_pairing() {
    let authority = Authority::new();
    let (a, b) = (Agent::new("LineA"), Agent::new("LineB"));
    a.joins(&authority, "plant", "edge-a");
    b.joins(&authority, "plant", "edge-b");
    b.publishes(1, N);
    let publisher = Publisher::Runtime("id-LineB".to_owned());
    let mut news = a.wishes_of(1, id("edge-b"), publisher, N);
    a.dials_member(id("edge-b"), &b);
    until_shown(&b, 0, &[5, 0, 0, 0], &mut news).await;
    assert!(a.hub.links()[&id("edge-b")].connected && b.hub.links()[&id("edge-a")].connected);

    // A name is no runtime of the own site: anybody in it may take any.
    let mut news = a.wishes_of(2, id("edge-b"), Publisher::Runtime("LineB".to_owned()), N);
    assert_eq!(next(&mut news).await, News::Problem(0, EntryProblem::NoSuchRuntime));
    // What is not published is refused as everywhere.
    let publisher = Publisher::Runtime("id-LineB".to_owned());
    let mut news = a.wishes_of(3, id("edge-b"), publisher, &[("Status.secret", "DINT")]);
    assert_eq!(next(&mut news).await, News::Problem(0, EntryProblem::Refused(Reason::NotPublished, None)));
}

#[tokio::test]
async fn who_is_not_of_the_site_fails_in_the_handshake() {
    let (authority, other) = (Authority::new(), Authority::new());
    let b = Agent::new("LineB");
    b.joins(&authority, "plant", "edge-b");
    b.publishes(1, N);
    // Each wants to be taken for edge-a, and has everything but a certificate of the authority that says so.
    let of_another_site = Agent::new("Other");
    of_another_site.joins(&other, "plant", "edge-a");
    let self_signed = Agent::new("Self");
    self_signed.dials_member(id("edge-b"), &b);
    let refused = until("it has no certificate", || self_signed.last_error(id("edge-b"))).await;
    assert!(refused.contains("not trusted"), "{refused}");
    of_another_site.dials_member(id("edge-b"), &b);
    until("the handshake fails", || of_another_site.last_error(id("edge-b"))).await;
    assert!(b.hub.links().is_empty(), "{:?}", b.hub.links());

    // It trusts b's authority, yet shows a certificate of its own making.
    let forger = Agent::new("Forger");
    let pem = other.certifies(&forger.key(), "plant", "edge-a");
    let both = format!("{}{}", authority.pem, other.pem);
    let member = Membership::new("plant", "edge-a", &both).unwrap();
    forger.trust.join(member.with_certificate(&pem, forger.identity.fingerprint()).unwrap());
    forger.dials_member(id("edge-b"), &b);
    until("the handshake fails", || forger.last_error(id("edge-b"))).await;
    assert!(b.hub.links().is_empty(), "{:?}", b.hub.links());
}

/// The node that is dialled is the one that must answer.
#[tokio::test]
async fn an_agent_of_the_site_cannot_stand_in_for_another() {
    let authority = Authority::new();
    let (a, c) = (Agent::new("LineA"), Agent::new("LineC"));
    a.joins(&authority, "plant", "edge-a");
    c.joins(&authority, "plant", "edge-c");
    a.dials_member(id("edge-b"), &c);
    until("the handshake fails", || a.last_error(id("edge-b"))).await;
    assert!(c.hub.links().values().all(|link| !link.connected));
}

#[tokio::test]
async fn a_paired_peer_may_not_speak_as_an_agent_of_the_site_nor_the_other_way_round() {
    let authority = Authority::new();
    let (a, b) = (Agent::new("LineA"), Agent::new("LineB"));
    a.joins(&authority, "plant", "edge-a");
    b.joins(&authority, "plant", "edge-b");
    // A pins B, B does not pin A: what A speaks then is the protocol of pairings.
    a.trusts(&b);
    a.dials(&b);
    until("it is refused", || a.last_error(b.identity.agent())).await;
    assert!(b.hub.links().is_empty());
}

#[tokio::test]
async fn an_authority_that_is_replaced_ends_the_connections_of_its_certificates() {
    let (authority, new) = (Authority::new(), Authority::new());
    let (a, b) = (Agent::new("LineA"), Agent::new("LineB"));
    a.joins(&authority, "plant", "edge-a");
    b.joins(&authority, "plant", "edge-b");
    a.dials_member(id("edge-b"), &b);
    until("a connection", || b.hub.links().get(&id("edge-a"))?.connected.then_some(())).await;
    let site = b.trust.membership().unwrap();
    b.trust.join(site.with_authorities("plant", &format!("{}{}", new.pem, authority.pem)).unwrap());
    assert!(b.hub.links()[&id("edge-a")].connected, "the old authority counts beside the new one");
    b.trust.join(Membership::new("plant", "edge-b", &new.pem).unwrap());
    until("the end", || (!b.hub.links()[&id("edge-a")].connected).then_some(())).await;
    assert!(!b.hub.links()[&id("edge-a")].revoked && !a.hub.links()[&id("edge-b")].revoked);
    // Once both have certificates of the new one, they meet again.
    a.joins(&new, "plant", "edge-a");
    b.joins(&new, "plant", "edge-b");
    until("a new connection", || b.hub.links()[&id("edge-a")].connected.then_some(())).await;
}
