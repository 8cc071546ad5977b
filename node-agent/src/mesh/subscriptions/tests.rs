use lineshaft_crds::condition::find;
use lineshaft_mesh::discovery::RuntimeId;
use lineshaft_mesh::identity::AgentId;
use serde_json::json;

use super::*;

fn subscription() -> MeshSubscription {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
        "metadata": {"name": "plca-remote", "namespace": "line-a", "uid": "sub", "generation": 2},
        "spec": {
            "runtimeRef": {"name": "plca"},
            "subscribe": [
                {"to": "Status.A", "from": {"peer": "LineB", "variable": "Status.A"}},
                {"to": "Status.B", "from": {"peer": "LineB", "variable": "Status.B"}},
            ],
        },
    }))
    .unwrap()
}

fn said(
    route: Result<Route, Unresolved>,
    link: Option<LinkStatus>,
    report: Report,
) -> MeshSubscriptionStatus {
    told(&subscription(), route, link, report).unwrap()
}

fn told(
    object: &MeshSubscription,
    route: Result<Route, Unresolved>,
    link: Option<LinkStatus>,
    report: Report,
) -> Option<MeshSubscriptionStatus> {
    let binding: Binding = ("sub".to_owned(), Publisher::Peer("LineB".to_owned()));
    let plan = Plan { routes: BTreeMap::from([(binding.clone(), route)]), ..Plan::default() };
    let links = link.into_iter().map(|link| (agent(), link)).collect();
    let seen = Seen { links, ..Seen::default() };
    let figures =
        Figures { messages: 12, lost: 1, per_second: Some(10), age_ms: Some(41), stale: 0, refused: 0 };
    let figures = BTreeMap::from([(binding.clone(), figures)]);
    let reports = BTreeMap::from([(binding, report)]);
    let now = Timestamp::from_second(100).unwrap();
    news(object, &Knowledge { plan: &plan, seen: &seen, reports: &reports, figures: &figures, now })
}

fn agent() -> AgentId {
    AgentId::from_bytes([1; 16])
}

fn bound() -> Route {
    Route { agent: agent(), runtime: RuntimeId::from_bytes([1; 16]) }
}

fn up() -> LinkStatus {
    LinkStatus { connected: true, rtt_us: 210, ..LinkStatus::default() }
}

fn value(quality: u8, stale: bool) -> EntryState {
    EntryState::Value { quality, stale }
}

fn reasons(status: &MeshSubscriptionStatus) -> Vec<&str> {
    OWN.into_iter().map(|type_| find(&status.conditions, type_).unwrap().reason.as_str()).collect()
}

#[test]
fn all_is_well() {
    let status = said(Ok(bound()), Some(up()), vec![value(0, false), value(4, false)]);
    assert_eq!(reasons(&status), ["ResolvedRefs", "Compatible", "Connected", "AllFresh"]);
    assert_eq!(status.entries, Some(EntryCounts { total: 2, good: 2, uncertain: 0, bad: 0 }));
    let [link] = status.links.as_slice() else { unreachable!("there is one publisher") };
    assert_eq!(
        (link.publisher.as_str(), link.connected, link.staleness),
        ("LineB", true, Some(Staleness::Fresh))
    );
    assert_eq!(link.rtt_microseconds, Some(210));
    let counts = (link.messages_received, link.messages_lost, link.messages_per_second);
    assert_eq!((counts, link.last_received_age_milliseconds), ((Some(12), Some(1), Some(10)), Some(41)));
    let gone = said(Ok(bound()), Some(LinkStatus::default()), vec![value(0, true), value(0, true)]);
    assert_eq!((gone.links[0].messages_received, gone.links[0].messages_per_second), (Some(12), None));
}

#[test]
fn what_is_true_is_not_written_again() {
    let mut object = subscription();
    let report = vec![value(0, false), value(0, false)];
    object.status = told(&object, Ok(bound()), Some(up()), report.clone());
    assert_eq!(told(&object, Ok(bound()), Some(up()), report.clone()), None);
    let with_rtt = |rtt_us| Some(LinkStatus { rtt_us, ..up() });
    for rtt_us in [105, 420] {
        assert_eq!(told(&object, Ok(bound()), with_rtt(rtt_us), report.clone()), None, "about the same");
    }
    for rtt_us in [104, 421] {
        let told = told(&object, Ok(bound()), with_rtt(rtt_us), report.clone()).unwrap();
        assert_eq!(told.links[0].rtt_microseconds, i64::try_from(rtt_us).ok());
    }
}

#[test]
fn each_trouble_has_its_reason() {
    let refused = EntryState::Refused { reason: "TypeMismatch", message: "DINT, INT".to_owned() };
    let gone = Some(LinkStatus { last_error: Some("timed out".to_owned()), ..LinkStatus::default() });
    let revoked = Some(LinkStatus { revoked: true, ..LinkStatus::default() });
    let unpaired = Err(Unresolved { reason: "PeerNotTrusted", message: "LineB is not paired".to_owned() });
    for (route, link, report, expected) in [
        (unpaired, None, vec![], ["PeerNotTrusted", "NotNegotiated", "Dialing", "NeverReceived"]),
        (Ok(bound()), Some(up()), vec![], ["ResolvedRefs", "NotNegotiated", "Connected", "NeverReceived"]),
        (Ok(bound()), revoked, vec![], ["ResolvedRefs", "NotNegotiated", "RevokedByPeer", "NeverReceived"]),
        (
            Ok(bound()),
            Some(up()),
            vec![value(0, false), refused],
            ["ResolvedRefs", "TypeMismatch", "Connected", "NeverReceived"],
        ),
        (
            Ok(bound()),
            gone,
            vec![value(0x81, true), value(0x81, true)],
            ["ResolvedRefs", "Compatible", "Dialing", "Stale"],
        ),
        (
            Ok(bound()),
            Some(up()),
            vec![value(0x84, false), value(0x84, false)],
            ["ResolvedRefs", "Compatible", "Connected", "PublisherStopped"],
        ),
    ] {
        assert_eq!(reasons(&said(route, link, report)), expected);
    }
}

#[test]
fn entries_are_counted_by_what_they_are_worth() {
    let status = said(Ok(bound()), Some(up()), vec![value(0x40, false), value(0, true)]);
    assert_eq!(status.entries, Some(EntryCounts { total: 2, good: 0, uncertain: 1, bad: 1 }));
    let status = said(Ok(bound()), Some(up()), vec![]);
    assert_eq!(status.entries, Some(EntryCounts { total: 2, good: 0, uncertain: 0, bad: 2 }));
}

#[test]
fn figures_alone_are_news_once_a_minute() {
    let binding: Binding = ("sub".to_owned(), Publisher::Peer("LineB".to_owned()));
    let mut told = Told::default();
    let mut at = |seconds: u64, per_second| {
        let figures = Figures { messages: seconds, per_second, ..Figures::default() };
        let newest = BTreeMap::from([(binding.clone(), figures)]);
        told.renew(newest, Duration::from_secs(seconds)).get(&binding).map(|one| one.messages)
    };
    assert_eq!(at(100, None), None, "no rate yet");
    assert_eq!(at(103, Some(10)), Some(103));
    for later in [104, 150, 162] {
        assert_eq!(at(later, Some(10)), Some(103), "after {later}");
    }
    assert_eq!(at(163, Some(10)), Some(163));
    assert_eq!(at(200, None), Some(163));
    assert!(told.renew(BTreeMap::new(), Duration::from_secs(201)).is_empty(), "it is not received any more");
}
