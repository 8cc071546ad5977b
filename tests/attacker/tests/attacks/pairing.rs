//! Attacks on pairings.

use std::time::Duration;

use lineshaft_attacker::{Answer, End, Order};
use lineshaft_mesh::pairing::{Code, PairingError, Refusal};

use crate::lan::Lan;
use crate::site::{Site, homes};

const TTL: Duration = Duration::from_mins(5);

fn got(messages: &[&str]) -> Vec<Answer> {
    vec![Answer::Got(messages.iter().map(|&name| name.to_owned()).collect())]
}

/// Codes that could be right and are not.
fn wrong(code: &Code) -> impl Iterator<Item = String> {
    let code = code.clone();
    let all = (0..10_000_000_u32).flat_map(|seven| {
        let seven = format!("{seven:07}");
        (0..10).map(move |digit| format!("{}-{}{digit}", &seven[..4], &seven[4..]))
    });
    all.filter(move |text| text.parse::<Code>().is_ok_and(|other| other != code))
}

#[test]
fn three_guesses_and_then_a_lock_that_grows() {
    let (lan, homes) = (Lan::new(), homes());
    let mut b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    let record = homes[&'b'].path().join("guard.json");
    let mut lock = 30;
    for round in 0..3 {
        let code = b.offers.offer(TTL, "uid".into()).unwrap();
        let mut guesses = wrong(&code);
        let mut guess = |b: &Site, finish| {
            let order = Order::Guess { at: b.address, code: guesses.next().unwrap(), finish };
            lan.attack(&order)
        };
        for left in [2, 1] {
            assert_eq!(guess(&b, true), got(&["challenge", "refused WrongCode"]));
            assert_eq!(b.offers.attempts_left(), left);
            assert_eq!(guess(&b, true), got(&["refused Busy"]), "guesses are a second apart");
            b.advance(1);
        }
        b.outcomes(4);
        // Breaking off is a guess too. It is on the disk before it is answered.
        let spoiled = round + 1;
        assert_eq!(guess(&b, false), got(&["challenge"]));
        let kept = std::fs::read_to_string(&record).unwrap();
        assert!(kept.contains(&format!("\"spoiledOffers\": {spoiled}")) && kept.contains("true"), "{kept}");
        b.outcomes(1);
        assert_eq!(guess(&b, true), vec![Answer::Ended(End::Alert(49))], "the door is closed");
        assert!(matches!(b.offers.offer(TTL, "uid".into()), Err(Refusal::Locked { .. })));
        // Neither a restart nor almost enough time helps; a lock begins anew with the agent.
        b = b.restart();
        b.advance(lock - 1);
        assert!(matches!(b.offers.offer(TTL, "uid".into()), Err(Refusal::Locked { .. })), "{lock} s");
        b.advance(2);
        lock *= 2;
    }
    // The right code still works after the lock.
    let code = b.offers.offer(TTL, "uid".into()).unwrap();
    let a = Site::start("LineA", &lan.a, "10.9.0.1:5210", homes[&'a'].path());
    a.claim(b.address, code).unwrap();
}

#[test]
fn an_offer_does_not_outlive_its_time_or_its_agent() {
    let (lan, homes) = (Lan::new(), homes());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    let code = b.offers.offer(TTL, "uid".into()).unwrap();
    let guess = |b: &Site, code: &Code| {
        lan.attack(&Order::Guess { at: b.address, code: code.to_string(), finish: true })
    };
    b.advance(300);
    assert_eq!(guess(&b, &code), vec![Answer::Ended(End::Alert(49))], "five minutes later");
    let code = b.offers.offer(TTL, "uid".into()).unwrap();
    let b = b.restart();
    assert_eq!(guess(&b, &code), vec![Answer::Ended(End::Alert(49))], "after a restart");
    assert!(b.trust.pins().is_empty());
}

#[test]
fn a_relay_costs_one_attempt_and_gets_nothing() {
    let (lan, homes) = (Lan::new(), homes());
    let a = Site::start("LineA", &lan.a, "10.9.0.1:5210", homes[&'a'].path());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    let code = b.offers.offer(TTL, "uid".into()).unwrap();
    let at = "10.9.0.66:5210".parse().unwrap();
    let mut relay = lan.attacker(&Order::Relay { listen: at, to: b.address });
    assert_eq!(relay.next(), Some(Answer::Ready));
    let claimed = a.claim(at, code.clone());
    assert!(matches!(claimed, Err(PairingError::WrongCode)), "{claimed:?}");
    let served = b.outcomes(1);
    assert!(served[0].is_err(), "{served:?}");
    assert!(matches!(relay.rest()[..], [Answer::Count(bytes)] if bytes > 800), "claim and challenge passed");
    assert!(a.trust.pins().is_empty() && b.trust.pins().is_empty());
    assert_eq!(b.offers.attempts_left(), 2);
    // Without the relay the same code works.
    b.advance(1);
    a.claim(b.address, code).unwrap();
}

#[test]
fn a_recorded_pairing_is_worth_nothing() {
    let (lan, homes) = (Lan::new(), homes());
    let b = Site::start("LineB", &lan.b, "10.9.0.2:5210", homes[&'b'].path());
    let code = b.offers.offer(TTL, "uid".into()).unwrap();
    let mut thief = lan.attacker(&Order::Replay { at: b.address, code: code.to_string() });
    assert_eq!(thief.next(), got(&["challenge", "accept"]).pop());
    let paired = b.outcomes(1).remove(0).unwrap();
    // It is found out and thrown out. It has its key, the code, and everything that was said.
    b.trust.unpin(paired.peer.agent).unwrap();
    b.offers.offer(TTL, "uid".into()).unwrap();
    thief.go_on();
    assert_eq!(thief.rest(), got(&["challenge", "refused WrongCode"]));
    assert!(b.trust.pins().is_empty());
    assert_eq!(b.offers.attempts_left(), 2);
}
