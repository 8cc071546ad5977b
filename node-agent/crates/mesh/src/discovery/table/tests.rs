use proptest::prelude::*;

use super::super::advert::tests::advert;
use super::*;

const S: u64 = SECOND_NS;

fn table() -> Table {
    Table::new("here".parse().unwrap(), Limits::default())
}

fn at(advert: Advert, address: &str) -> Sighting {
    let addresses = BTreeMap::from([("eth0".to_owned(), BTreeSet::from([address.parse().unwrap()]))]);
    Sighting { advert, addresses }
}

fn seen(number: u8, name: &str) -> Sighting {
    at(advert(number, name), &format!("10.0.0.{number}:5210"))
}

fn id(number: u8) -> RuntimeId {
    RuntimeId::from_bytes([number; 16])
}

fn pins(numbers: &[u8]) -> BTreeMap<AgentId, Vec<Fingerprint>> {
    numbers.iter().map(|&n| (AgentId::from_bytes([n; 16]), vec![Fingerprint::of_public_key(&[n])])).collect()
}

fn peer(table: &Table, number: u8) -> Option<Peer> {
    table.peers().find(|(runtime, _)| *runtime == id(number)).map(|(_, peer)| peer.clone())
}

/// The `number`th of many strangers.
fn stranger(number: u16) -> Sighting {
    let mut advert = advert(9, &format!("stranger-{number}"));
    let mut bytes = [9; 16];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    advert.runtime = RuntimeId::from_bytes(bytes);
    at(advert, "10.0.0.9:5210")
}

#[test]
fn a_peer_appears_changes_and_vanishes() {
    let mut table = table();
    assert_eq!(table.sighted(seen(2, "LineB"), S), [Change::Appeared(id(2))]);
    assert_eq!(table.sighted(seen(2, "LineB"), 2 * S), []);
    assert_eq!(peer(&table, 2).unwrap().last_seen_ns, S, "a repetition out of a cache is no news");
    assert_eq!(table.sighted(at(advert(2, "LineB"), "10.0.0.7:5210"), 3 * S), [Change::Changed(id(2))]);
    assert_eq!(peer(&table, 2).unwrap().last_seen_ns, 3 * S);
    assert_eq!(table.withdrawn("other-02020202"), []);
    assert_eq!(table.withdrawn("lineb-02020202"), [Change::Vanished(id(2))]);
    assert_eq!(table.peers().count(), 0);
}

#[test]
fn ones_own_site_is_no_peer() {
    let mut table = table();
    let mut own = advert(2, "LineB");
    own.site = "here".parse().unwrap();
    assert_eq!(table.sighted(at(own, "10.0.0.2:5210"), S), []);
    assert_eq!(table.peers().count(), 0);
    assert!(table.rejected().is_empty());
}

#[test]
fn the_silent_are_asked_and_the_dead_are_withdrawn() {
    let mut table = table();
    table.sighted(seen(2, "LineB"), 0);
    table.sighted(seen(3, "LineC"), 10 * S);
    assert_eq!(table.due(30 * S - 1), Vec::<String>::new());
    assert_eq!(table.due(30 * S), ["lineb-02020202"]);
    assert_eq!(table.due(31 * S), Vec::<String>::new(), "asked once");
    assert_eq!(table.settle(32 * S), []);
    assert_eq!(peer(&table, 2).unwrap().last_seen_ns, 0);
    assert_eq!(table.settle(33 * S), []);
    assert_eq!(peer(&table, 2).unwrap().last_seen_ns, 30 * S, "not withdrawn: it answered");
    assert_eq!(table.due(60 * S - 1), ["linec-03030303"]);
    assert_eq!(table.withdrawn("linec-03030303"), [Change::Vanished(id(3))]);
    assert_eq!(table.due(60 * S), ["lineb-02020202"]);
}

#[test]
fn who_is_doubted_must_be_seen_anew() {
    let mut table = table();
    table.sighted(seen(2, "LineB"), 0);
    table.sighted(seen(3, "LineC"), 0);
    table.doubt_all(10 * S);
    assert_eq!(table.sighted(seen(2, "LineB"), 11 * S), [], "nothing has changed");
    assert_eq!(peer(&table, 2).unwrap().last_seen_ns, 11 * S);
    assert_eq!(table.settle(13 * S - 1), []);
    assert_eq!(table.settle(13 * S), [Change::Vanished(id(3))]);
    assert!(peer(&table, 2).unwrap().present);
}

#[test]
fn two_with_one_name_are_in_conflict() {
    let mut table = table();
    table.sighted(seen(2, "LineB"), 0);
    assert_eq!(
        table.sighted(seen(3, "LineB"), 0),
        [Change::Appeared(id(3)), Change::ConflictBegan(id(2)), Change::ConflictBegan(id(3))]
    );
    assert!(peer(&table, 2).unwrap().name_conflict && peer(&table, 3).unwrap().name_conflict);
    assert_eq!(table.sighted(seen(4, "LineB"), 0), [Change::Appeared(id(4)), Change::ConflictBegan(id(4))]);
    assert_eq!(table.withdrawn("lineb-04040404"), [Change::Vanished(id(4)), Change::ConflictEnded(id(4))]);
    assert_eq!(
        table.sighted(seen(3, "LineC"), 0),
        [Change::Changed(id(3)), Change::ConflictEnded(id(2)), Change::ConflictEnded(id(3))]
    );
    assert!(!peer(&table, 2).unwrap().name_conflict);
}

#[test]
fn ones_own_name_can_be_in_conflict() {
    let mut table = table();
    table.sighted(seen(2, "LineB"), 0);
    let own = BTreeMap::from([(id(1), "LineB".parse().unwrap())]);
    assert_eq!(table.set_own(own), [Change::ConflictBegan(id(1)), Change::ConflictBegan(id(2))]);
    assert!(table.conflicts().contains(&id(1)));
    assert_eq!(
        table.withdrawn("lineb-02020202"),
        [Change::Vanished(id(2)), Change::ConflictEnded(id(1)), Change::ConflictEnded(id(2))]
    );
}

#[test]
fn a_stranger_cannot_pose_as_a_paired_peer() {
    let mut table = table();
    table.set_pins(pins(&[2]));
    table.sighted(seen(2, "LineB"), 0);
    let genuine = peer(&table, 2).unwrap();
    assert!(genuine.trusted);

    // Its agent with another key, for its runtime and for one that nobody knows.
    let mut other_key = advert(2, "LineB");
    other_key.key = Fingerprint::of_public_key(b"mallory");
    let mut other_runtime = other_key.clone();
    other_runtime.runtime = id(7);
    // Its runtime under another agent.
    let mut other_agent = advert(6, "LineB");
    other_agent.runtime = id(2);
    let changes: Vec<Change> = [other_key, other_runtime, other_agent]
        .into_iter()
        .flat_map(|forged| table.sighted(at(forged, "10.0.0.66:1"), S))
        .collect();
    let addresses = at(advert(2, "LineB"), "10.0.0.66:1").addresses;
    assert_eq!(changes, [Change::Impostor { agent: genuine.advert.agent, addresses }], "one report a minute");
    assert_eq!(table.rejected(), &BTreeMap::from([(Rejection::ForeignKey, 3)]));
    assert_eq!(peer(&table, 2), Some(genuine), "nothing is changed");
    assert_eq!(table.peers().count(), 1);

    // Its name under another id: a conflict that is shown, and the binding to the trusted one stays possible.
    assert_eq!(
        table.sighted(seen(5, "LineB"), S),
        [Change::Appeared(id(5)), Change::ConflictBegan(id(2)), Change::ConflictBegan(id(5))]
    );
    assert!(!peer(&table, 5).unwrap().trusted);
}

#[test]
fn one_paired_agent_cannot_take_the_runtime_of_another() {
    let mut table = table();
    table.set_pins(pins(&[2, 3]));
    table.sighted(seen(2, "LineB"), 0);
    let mut taken = advert(3, "LineB");
    taken.runtime = id(2);
    let victim = AgentId::from_bytes([2; 16]);
    let changes = table.sighted(at(taken, "10.0.0.3:5210"), S);
    assert!(
        matches!(changes.as_slice(), [Change::Impostor { agent, .. }] if *agent == victim),
        "{changes:?}"
    );
    assert_eq!(peer(&table, 2).unwrap().advert.agent, victim);
}

#[test]
fn a_forged_goodbye_leaves_the_addresses_of_a_paired_peer() {
    let mut table = table();
    table.set_pins(pins(&[2]));
    table.sighted(seen(2, "LineB"), 0);
    assert_eq!(table.withdrawn("lineb-02020202"), [Change::Vanished(id(2))]);
    let absent = peer(&table, 2).unwrap();
    assert!(!absent.present && absent.trusted);
    assert_eq!(absent.addresses, seen(2, "LineB").addresses);
    assert_eq!(table.due(100 * S), Vec::<String>::new(), "who is absent is not asked");
    assert_eq!(table.sighted(seen(2, "LineB"), S), [Change::Appeared(id(2))]);
    table.withdrawn("lineb-02020202");
    assert_eq!(table.set_pins(BTreeMap::new()), [], "absent and a stranger: forgotten");
    assert_eq!(table.peers().count(), 0);
}

#[test]
fn pairing_ends_what_strangers_said() {
    let mut table = table();
    let mut forged = advert(2, "LineB");
    forged.key = Fingerprint::of_public_key(b"mallory");
    table.sighted(at(forged, "10.0.0.66:1"), 0);
    table.sighted(seen(3, "LineC"), 0);
    assert_eq!(table.set_pins(pins(&[2, 3])), [Change::Vanished(id(2)), Change::Changed(id(3))]);
    assert!(peer(&table, 3).unwrap().trusted);
    assert_eq!(
        table.sighted(seen(2, "LineB"), S),
        [Change::Appeared(id(2))],
        "the genuine one finds its place"
    );
    assert_eq!(table.set_pins(pins(&[2])), [Change::Changed(id(3))]);
}

#[test]
fn a_flood_is_bounded_and_counted() {
    let mut table = table();
    table.set_pins(pins(&[2]));
    table.sighted(seen(2, "LineB"), 0);
    for number in 0..100 {
        table.sighted(stranger(number), 0);
    }
    assert_eq!(table.peers().count(), 1 + 32);
    assert_eq!(table.rejected(), &BTreeMap::from([(Rejection::TooFast, 68)]));
    assert_eq!(table.sighted(stranger(0), S), [], "who is known is not new");
    for number in 0..1_000 {
        table.sighted(stranger(number), u64::from(number / 32 + 1) * MINUTE_NS);
    }
    assert_eq!(table.peers().count(), 1 + 256);
    assert!(table.rejected()[&Rejection::TooMany] > 600, "{:?}", table.rejected());
    assert!(peer(&table, 2).unwrap().trusted, "paired peers are never evicted");
    // A peer that is paired has room, whatever strangers do.
    table.set_pins(pins(&[2, 3]));
    assert_eq!(table.sighted(seen(3, "LineC"), 0), [Change::Appeared(id(3))]);
}

#[test]
fn a_copied_advert_leads_astray_only_after_the_proven_address() {
    let mut table = table();
    let agent = AgentId::from_bytes([2; 16]);
    let parse = |text: &str| text.parse::<SocketAddr>().unwrap();
    table.prove(agent, parse("10.0.0.2:5210"));
    assert_eq!(table.addresses_of(agent), [], "nobody that is not paired is dialled");
    table.set_pins(pins(&[2]));
    table.sighted(seen(2, "LineB"), 0);
    table.prove(agent, parse("10.0.0.2:5210"));
    assert_eq!(table.addresses_of(agent), [parse("10.0.0.2:5210")]);
    // Somebody repeats the advert word for word, with another address.
    table.sighted(at(advert(2, "LineB"), "10.0.0.66:1"), S);
    assert_eq!(table.addresses_of(agent), [parse("10.0.0.2:5210"), parse("10.0.0.66:1")]);
    let mut second = advert(2, "LineB2");
    second.runtime = id(3);
    table.sighted(at(second, "10.0.0.2:5211"), S);
    table.withdrawn("lineb-02020202");
    assert_eq!(
        table.addresses_of(agent),
        [parse("10.0.0.2:5210"), parse("10.0.0.2:5211"), parse("10.0.0.66:1")],
        "the absent last"
    );
    table.set_pins(BTreeMap::new());
    assert_eq!(table.addresses_of(agent), []);
}

#[test]
fn a_copied_key_fills_no_memory() {
    let mut table = table();
    table.set_pins(pins(&[9]));
    for number in 0..1_000 {
        table.sighted(stranger(number), 0);
    }
    assert_eq!(table.peers().count(), MAX_PER_AGENT);
    assert_eq!(table.rejected()[&Rejection::TooMany], 1_000 - MAX_PER_AGENT as u64);
    // The absent make room.
    assert_eq!(table.withdrawn(&stranger(5).advert.instance()).len(), 1);
    assert_eq!(table.sighted(stranger(2_000), 0).len(), 1);
    assert_eq!(table.peers().count(), MAX_PER_AGENT);
}

#[test]
fn addresses_are_bounded() {
    let mut many = seen(2, "LineB");
    for port in 1..100_u16 {
        let address = SocketAddr::from(([10, 0, 0, 2], port));
        many.addresses.entry(format!("eth{}", port % 4)).or_default().insert(address);
    }
    let mut table = table();
    table.sighted(many, 0);
    let kept = peer(&table, 2).unwrap().addresses;
    assert_eq!(kept.values().map(BTreeSet::len).sum::<usize>(), MAX_ADDRESSES);
    assert!(kept.values().all(|of_interface| !of_interface.is_empty()));
}

#[derive(Debug, Clone)]
enum Step {
    Sighted { runtime: u8, agent: u8, key: u8, name: u8 },
    Withdrawn { runtime: u8, name: u8 },
    Pins(Vec<u8>),
    Pass,
    Doubt,
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..6_u8;
    prop_oneof![
        6 => (small.clone(), small.clone(), small.clone(), 0..3_u8)
            .prop_map(|(runtime, agent, key, name)| Step::Sighted { runtime, agent, key, name }),
        2 => (small.clone(), 0..3_u8).prop_map(|(runtime, name)| Step::Withdrawn { runtime, name }),
        1 => prop::collection::vec(small, 0..3).prop_map(Step::Pins),
        2 => Just(Step::Pass),
        1 => Just(Step::Doubt),
    ]
}

fn crafted(runtime: u8, agent: u8, key: u8, name: u8) -> Advert {
    let mut advert = advert(runtime, &format!("Line{name}"));
    advert.agent = AgentId::from_bytes([agent; 16]);
    advert.key = Fingerprint::of_public_key(&[key]);
    advert
}

proptest! {
    /// Whatever is heard in whatever order: the changes that were told add up to the table, and a stranger is never
    /// in the place of a paired agent.
    #[test]
    fn changes_add_up(steps in prop::collection::vec(step(), 0..60)) {
        let mut table = table();
        let mut pinned = BTreeMap::new();
        let (mut present, mut conflicting) = (BTreeSet::new(), BTreeSet::new());
        for (number, step) in steps.into_iter().enumerate() {
            let now = number as u64 * 2 * S;
            let changes = match step {
                Step::Sighted { runtime, agent, key, name } =>
                    table.sighted(at(crafted(runtime, agent, key, name), "10.0.0.1:1"), now),
                Step::Withdrawn { runtime, name } => table.withdrawn(&crafted(runtime, 0, 0, name).instance()),
                Step::Pins(numbers) => {
                    pinned = pins(&numbers);
                    table.set_pins(pinned.clone())
                }
                Step::Pass => {
                    table.due(now);
                    table.settle(now)
                }
                Step::Doubt => {
                    table.doubt_all(now);
                    Vec::new()
                }
            };
            for change in changes {
                match change {
                    Change::Appeared(id) => prop_assert!(present.insert(id)),
                    Change::Vanished(id) => prop_assert!(present.remove(&id)),
                    Change::ConflictBegan(id) => prop_assert!(conflicting.insert(id)),
                    Change::ConflictEnded(id) => prop_assert!(conflicting.remove(&id)),
                    Change::Changed(id) => prop_assert!(table.peers().any(|(known, _)| known == id)),
                    Change::Impostor { agent, .. } => prop_assert!(pinned.contains_key(&agent)),
                }
            }
            let there: BTreeSet<_> = table.peers().filter(|(_, peer)| peer.present).map(|(id, _)| id).collect();
            prop_assert_eq!(&present, &there);
            prop_assert_eq!(&conflicting, table.conflicts());
            for (id, peer) in table.peers() {
                let pins_of = pinned.get(&peer.advert.agent);
                prop_assert!(pins_of.is_none_or(|keys| keys.contains(&peer.advert.key)), "{} is forged", id);
                prop_assert_eq!(peer.trusted, pins_of.is_some());
                prop_assert!(peer.trusted || peer.present);
                prop_assert_eq!(peer.name_conflict, conflicting.contains(&id));
            }
        }
    }
}
