//! A peer that is trusted and means harm. Beside it an honest one, which must not notice.

use lineshaft_attacker::{Answer, End, Harm, Order};
use lineshaft_mesh::identity::Identity;
use lineshaft_mesh::link::EntryProblem;

use crate::lan::Lan;
use crate::site::{STALE, Site, homes, plant, wait};

/// Close codes of the mesh.
const REVOKED: u64 = 2;
const PROTOCOL: u64 = 4;
const OVERLOAD: u64 = 6;
const IDENTITY: u64 = 8;

struct Plant {
    lan: Lan,
    a: Site,
    b: Site,
    mallory: Identity,
    homes: std::collections::BTreeMap<char, tempfile::TempDir>,
}

impl Plant {
    fn new() -> Self {
        let (lan, homes) = (Lan::new(), homes());
        let (a, b) = plant(&lan, &homes);
        let mallory = Identity::open(homes[&'m'].path()).unwrap();
        b.trusts(&mallory);
        Self { lan, a, b, mallory, homes }
    }

    fn order(&self, harm: Harm) -> Order {
        Order::Harm { at: self.b.address, home: self.homes[&'m'].path().to_owned(), harm }
    }

    /// What the attack came to, while A noticed nothing.
    fn suffer(&self, harm: Harm) -> Vec<Answer> {
        let (silence, answers) = self.a.longest_silence(|| self.lan.attack(&self.order(harm)));
        assert!(silence < STALE, "{harm:?}: A was without values for {silence:?}");
        assert!(!self.a.problems().contains(&EntryProblem::NotConnected), "{harm:?}: A was cut off");
        answers
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_and_no_other() {
    let plant = Plant::new();
    for (harm, code) in [
        (Harm::NoGreeting, PROTOCOL),
        (Harm::FalseName, IDENTITY),
        (Harm::ManyRuntimes, PROTOCOL),
        (Harm::UnknownFlow, PROTOCOL),
        (Harm::MalformedFrame, PROTOCOL),
        (Harm::OversizeFrame, PROTOCOL),
        (Harm::WrongStream, PROTOCOL),
    ] {
        assert_eq!(plant.suffer(harm), [Answer::Ended(End::Closed(code))], "{harm:?}");
    }
    let refused = plant.b.hub.refusals();
    assert_eq!((refused["protocol"], refused["identity"]), (6, 1), "{refused:?}");
    // As a publisher of what B wants of it.
    plant.b.subscribes(plant.mallory.agent(), "Evil", Vec::new());
    for harm in [Harm::WrongSlot, Harm::WrongType, Harm::TwoFlows] {
        assert_eq!(plant.suffer(harm), [Answer::Ended(End::Closed(PROTOCOL))], "{harm:?}");
    }
}

#[test]
fn what_is_not_published_is_refused_without_a_reason_that_tells_anything() {
    let plant = Plant::new();
    let answers = plant.suffer(Harm::Unpublished);
    let refused = Answer::Got(vec!["NotPublished None".to_owned(); 4]);
    assert_eq!(answers, [refused, Answer::Ended(End::Open)]);
}

#[test]
fn what_a_peer_can_take_up_is_bounded() {
    let plant = Plant::new();
    let answers = plant.suffer(Harm::ManyStreams);
    assert!(matches!(answers[..], [Answer::Count(1..=64), _]), "{answers:?}");
    // 512 of each message, in 196 messages; the rest is refused, and the connection stays.
    let answers = plant.suffer(Harm::ManyEntries);
    let Answer::Count(granted) = answers[0] else { panic!("{answers:?}") };
    println!("{granted} of 100000 entries were given");
    assert!((1..=65_536).contains(&granted) && answers[1] == Answer::Ended(End::Open), "{answers:?}");
}

#[test]
fn what_is_too_much_ends_the_connection() {
    let plant = Plant::new();
    for harm in [Harm::Greedy, Harm::Chatter] {
        let answers = plant.suffer(harm);
        assert_eq!(answers.last(), Some(&Answer::Ended(End::Closed(OVERLOAD))), "{harm:?}: {answers:?}");
    }
    plant.b.subscribes(plant.mallory.agent(), "Evil", Vec::new());
    let answers = plant.suffer(Harm::Torrent);
    println!("{answers:?}");
    assert_eq!(answers.last(), Some(&Answer::Ended(End::Closed(OVERLOAD))), "{answers:?}");
}

#[test]
fn who_reads_no_answer_is_revoked_all_the_same() {
    let plant = Plant::new();
    let mut deaf = plant.lan.attacker(&plant.order(Harm::Deaf));
    assert_eq!(deaf.next(), Some(Answer::Ready));
    plant.b.trust.unpin(plant.mallory.agent()).unwrap();
    wait("the end of its connection", || !plant.b.link(plant.mallory.agent()).connected);
    assert_eq!(deaf.rest(), [Answer::Ended(End::Closed(REVOKED))]);
    assert!(plant.a.link(plant.b.agent()).connected);
}
