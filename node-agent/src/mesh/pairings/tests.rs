use std::collections::BTreeMap;

use lineshaft_mesh::identity::{AgentId, Fingerprint};
use lineshaft_mesh::link::LinkStatus;
use serde_json::{Value, json};

use super::*;

const UID: &str = "11111111-1111-1111-1111-111111111111";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn pairing(spec: &Value, metadata: &Value, status: &Value) -> Pairing {
    let mut object = json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "Pairing",
        "metadata": {"name": "p", "uid": UID, "generation": 1, "finalizers": [FINALIZER]},
        "spec": {"nodeName": "edge-b"},
        "status": status,
    });
    for (part, more) in [("spec", spec), ("metadata", metadata)] {
        for (key, value) in more.as_object().unwrap() {
            object[part][key] = value.clone();
        }
    }
    serde_json::from_value(object).unwrap()
}

fn offer() -> Value {
    json!({"offer": {"ttlSeconds": 300}})
}

fn claim() -> Value {
    json!({"claim": {"address": "10.9.0.2:5210", "code": "4821-7730"}})
}

fn said(reason: &str) -> Value {
    json!({"conditions": [{
        "type": "Paired", "status": "False", "reason": reason, "message": "m",
        "lastTransitionTime": "2026-11-21T08:00:00Z",
    }]})
}

fn pinned(connected: bool) -> Seen {
    let agent = AgentId::from_bytes([1; 16]);
    let pin = Pin {
        agent,
        name: "edge-a".to_owned(),
        keys: vec![Fingerprint::of_public_key(b"a")],
        pairing: UID.to_owned(),
    };
    let link = LinkStatus { connected, ..LinkStatus::default() };
    Seen { pins: vec![pin], links: BTreeMap::from([(agent, link)]), ..Seen::default() }
}

fn next(object: &Pairing, stage: impl Into<Option<Stage>>, seen: &Seen) -> Step {
    step(object, stage.into().as_ref(), seen, at(100))
}

fn reason_of(step: Step) -> String {
    match step {
        Step::Enter(Stage::Over { reason, .. }) => reason.to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_new_pairing_is_protected_first_and_then_carried_out() {
    let nobody = Seen::default();
    let bare = json!({"finalizers": []});
    assert_eq!(next(&pairing(&offer(), &bare, &json!({})), None, &nobody), Step::Protect);
    let object = pairing(&offer(), &json!({}), &json!({}));
    assert_eq!(next(&object, None, &nobody), Step::Offer(Duration::from_mins(5)));
    let object = pairing(&claim(), &json!({}), &json!({}));
    assert!(matches!(next(&object, None, &nobody), Step::Claim(claim) if claim.code == "4821-7730"));
}

#[test]
fn nothing_happens_before_somebody_approves() {
    let mut spec = offer();
    spec["approval"] = json!("Pending");
    let object = pairing(&spec, &json!({}), &json!({}));
    assert_eq!(next(&object, None, &Seen::default()), Step::Wait);
    let status = news(&object, None, &Seen::default(), at(100)).unwrap();
    assert_eq!(status.conditions.len(), 1);
    assert_eq!(status.conditions[0].reason, "AwaitingApproval");
}

#[test]
fn an_offer_ends_by_time_and_by_wrong_codes() {
    let object = pairing(&offer(), &json!({}), &json!({}));
    let open =
        |expires, left| Some(Stage::Offering { code: "4821-7730".to_owned(), expires: at(expires), left });
    assert_eq!(next(&object, open(101, 3), &Seen::default()), Step::Wait);
    assert_eq!(reason_of(next(&object, open(100, 3), &Seen::default())), "Expired");
    assert_eq!(reason_of(next(&object, open(101, 0), &Seen::default())), "TooManyAttempts");
    let status = news(&object, open(101, 2).as_ref(), &Seen::default(), at(100)).unwrap();
    assert_eq!((status.code.as_deref(), status.attempts_left), (Some("4821-7730"), Some(2)));
    let over = Stage::over("Expired", "");
    assert_eq!(news(&object, Some(&over), &Seen::default(), at(100)).unwrap().code, None);
}

#[test]
fn what_outlives_a_restart_is_the_pin_alone() {
    let nobody = Seen::default();
    for (spec, reason, expected) in [
        (offer(), "AwaitingClaim", "AgentRestarted"),
        (offer(), "Expired", "Expired"),
        (offer(), "TooManyAttempts", "TooManyAttempts"),
        (claim(), "WrongCode", "WrongCode"),
        (claim(), "BadCheckDigit", "BadCheckDigit"),
        (claim(), "NoOffer", "NoOffer"),
        (claim(), "Paired", "AgentRestarted"),
    ] {
        let object = pairing(&spec, &json!({}), &said(reason));
        assert_eq!(reason_of(next(&object, None, &nobody)), expected, "{reason}");
        let kept = Step::Enter(Stage::Paired { one_sided: false });
        assert_eq!(next(&object, None, &pinned(false)), kept, "{reason}");
    }
    for reason in ["PeerUnreachable", "Claiming"] {
        let object = pairing(&claim(), &json!({}), &said(reason));
        assert!(matches!(next(&object, None, &nobody), Step::Claim(_)), "{reason}");
    }
}

#[test]
fn a_one_sided_pairing_is_whole_once_it_is_connected() {
    let object = pairing(&offer(), &json!({}), &said("OneSided"));
    let stage = Some(Stage::Paired { one_sided: true });
    assert_eq!(next(&object, None, &pinned(false)), Step::Enter(Stage::Paired { one_sided: true }));
    assert_eq!(next(&object, stage.clone(), &pinned(false)), Step::Wait);
    assert_eq!(next(&object, stage, &pinned(true)), Step::Enter(Stage::Paired { one_sided: false }));
}

#[test]
fn a_deleted_pairing_is_released_whatever_it_was() {
    let deleted = json!({"deletionTimestamp": "2026-11-21T08:00:00Z"});
    for stage in [None, Some(Stage::Claiming), Some(Stage::Paired { one_sided: false })] {
        assert_eq!(next(&pairing(&claim(), &deleted, &json!({})), stage, &pinned(true)), Step::Release);
    }
    let done = json!({"deletionTimestamp": "2026-11-21T08:00:00Z", "finalizers": ["others.example/x"]});
    assert_eq!(next(&pairing(&claim(), &done, &json!({})), None, &Seen::default()), Step::Wait);
}

#[test]
fn who_does_not_answer_is_asked_again() {
    let object = pairing(&claim(), &json!({}), &json!({}));
    let later = Stage::failed(&PairingError::TimedOut, at(100));
    assert_eq!(next(&object, Some(later.clone()), &Seen::default()), Step::Wait);
    assert!(matches!(step(&object, Some(&later), &Seen::default(), at(105)), Step::Claim(_)));
    for (error, reason) in [
        (PairingError::WrongCode, "WrongCode"),
        (PairingError::NoOffer, "NoOffer"),
        (PairingError::Expired, "Expired"),
        (PairingError::Locked, "Locked"),
    ] {
        let stage = Stage::failed(&error, at(100));
        assert_eq!(next(&object, Some(stage.clone()), &Seen::default()), Step::Wait, "{reason}");
        let status = news(&object, Some(&stage), &Seen::default(), at(100)).unwrap();
        assert_eq!(find(&status.conditions, PAIRED).unwrap().reason, reason);
    }
}

#[test]
fn a_status_that_is_true_is_not_written_again() {
    let mut object = pairing(&claim(), &json!({}), &json!({}));
    let stage = Stage::Paired { one_sided: false };
    let status = news(&object, Some(&stage), &pinned(true), at(100)).unwrap();
    let peer = status.peer.clone().unwrap();
    assert_eq!(
        (peer.name.as_deref(), status.conditions[1].message.as_str()),
        (Some("edge-a"), "with edge-a")
    );
    object.status = Some(status);
    assert_eq!(news(&object, Some(&stage), &pinned(true), at(200)), None);
}
