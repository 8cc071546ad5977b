//! Mesh connections: the links of each subscription, and what becomes of its entries.

use kube::ResourceExt;
use lineshaft_crds::MeshSubscription;
use lineshaft_crds::condition::{Condition, find};
use lineshaft_crds::mesh_subscription::{Link, Staleness, Transport, conditions};

use crate::mesh::Posted;

use super::{Cell, Part, Row, Table, Tone};

/// In the order in which a subscription comes to life: the first that does not hold is what is wrong.
const STEPS: [&str; 5] = [
    conditions::ACCEPTED,
    conditions::RESOLVED_REFS,
    conditions::COMPATIBLE,
    conditions::CONNECTED,
    conditions::FRESH,
];

/// The page.
pub(crate) fn parts(subscriptions: &[impl AsRef<MeshSubscription>], board: &Posted) -> Vec<Part> {
    let links = Table {
        id: "links",
        title: "Links".to_owned(),
        columns: &[
            "Publisher",
            "Receiver",
            "State",
            "Last message",
            "Round trip",
            "Rate",
            "Messages",
            "Lost",
            "Address",
        ],
        rows: subscriptions.iter().flat_map(|object| links(object.as_ref(), board)).collect(),
        empty: "No publisher has been looked for yet.",
    };
    let entries = Table {
        id: "subscriptions",
        title: "Subscriptions".to_owned(),
        columns: &["Subscription", "Receiver", "State", "Good", "Uncertain", "Bad", "Variables"],
        rows: subscriptions.iter().map(|object| subscription(object.as_ref())).collect(),
        empty: "Nothing is subscribed. Subscribe below, or apply a MeshSubscription.",
    };
    vec![links.part(), entries.part()]
}

fn links(object: &MeshSubscription, board: &Posted) -> Vec<Row> {
    let status = object.status.clone().unwrap_or_default();
    let newest = status.links.iter().map(|link| newest(object, link, board));
    newest.map(|link| self::link(object, &link)).collect()
}

/// A link with the figures of this moment, where the agent of this console has it: those of the status may be a minute
/// old.
fn newest(object: &MeshSubscription, link: &Link, board: &Posted) -> Link {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    let flow = board.flows.iter().find(|flow| {
        flow.namespace == namespace && flow.subscription == name && flow.publisher == link.publisher
    });
    let Some(flow) = flow else { return link.clone() };
    let figures = flow.flow.figures();
    let number = |count: u64| i64::try_from(count).ok();
    let rtt = board.links.get(&flow.peer).filter(|link| link.connected).and_then(|link| number(link.rtt_us));
    Link {
        last_received_age_milliseconds: figures.age_ms.and_then(number),
        messages_received: number(figures.messages),
        messages_lost: number(figures.lost),
        messages_per_second: figures.per_second.and_then(|rate| i32::try_from(rate).ok()),
        rtt_microseconds: rtt.or(link.rtt_microseconds),
        ..link.clone()
    }
}

fn link(object: &MeshSubscription, link: &Link) -> Row {
    let (state, tone) = match (link.connected, link.staleness) {
        (false, _) => ("not connected", Tone::Bad),
        (true, Some(Staleness::Fresh)) => ("connected, fresh", Tone::Good),
        (true, Some(Staleness::Stale)) => ("connected, stale", Tone::Bad),
        (true, Some(Staleness::NeverReceived) | None) => ("connected, nothing received", Tone::Doubtful),
    };
    let transport = match link.transport {
        Some(Transport::Quic) => "QUIC",
        Some(Transport::InProcess) => "same host",
        None => "",
    };
    Row {
        id: format!("link-{}", link.publisher),
        cells: vec![
            Cell::new(link.publisher.clone()),
            receiver(object),
            Cell::new(state).tone(tone),
            Cell::maybe(link.last_received_age_milliseconds.map(|age| format!("{age} ms ago"))),
            Cell::maybe(link.rtt_microseconds.map(|rtt| format!("{rtt} µs"))),
            Cell::maybe(link.messages_per_second.map(|rate| format!("{rate}/s"))),
            Cell::maybe(link.messages_received),
            lost(link.messages_lost),
            Cell::maybe(link.address.as_ref()).note(transport),
        ],
    }
}

fn lost(lost: Option<i64>) -> Cell {
    let tone = if lost.is_some_and(|lost| lost > 0) { Tone::Doubtful } else { Tone::Plain };
    Cell::maybe(lost).tone(tone)
}

fn subscription(object: &MeshSubscription) -> Row {
    let status = object.status.clone().unwrap_or_default();
    let entries = status.entries.as_ref();
    let count = |count: Option<i32>, tone| {
        let tone = if count.is_some_and(|count| count > 0) { tone } else { Tone::Plain };
        Cell::maybe(count).tone(tone)
    };
    let total = entries.map(|entries| entries.total);
    Row {
        id: format!("subscription-{}.{}", object.namespace().unwrap_or_default(), object.name_any()),
        cells: vec![
            Cell::new(object.name_any()).note(object.namespace().unwrap_or_default()),
            receiver(object),
            state(&status.conditions),
            count(entries.map(|entries| entries.good), Tone::Good),
            count(entries.map(|entries| entries.uncertain), Tone::Doubtful),
            count(entries.map(|entries| entries.bad), Tone::Bad),
            Cell::maybe(total).note(mapping(object)),
        ],
    }
}

/// The first step that does not hold, with its whole message: that of Compatible names both types.
fn state(conditions: &[Condition]) -> Cell {
    let broken =
        STEPS.iter().filter_map(|step| find(conditions, step)).find(|condition| !condition.is_true());
    match (broken, find(conditions, conditions::READY)) {
        (Some(broken), _) => {
            Cell::new(broken.reason.clone()).tone(Tone::of(broken.status)).note(broken.message.clone())
        }
        (None, Some(_)) => Cell::condition(conditions, conditions::READY),
        (None, None) => Cell::new("–"),
    }
}

fn receiver(object: &MeshSubscription) -> Cell {
    let (namespace, runtime) = (object.namespace().unwrap_or_default(), &object.spec.runtime_ref.name);
    Cell::new(runtime.clone()).href(format!("/runtimes/{namespace}.{runtime}/variables"))
}

/// `LineB:Status.PLCState → Status.RemoteState`, of the first few entries.
fn mapping(object: &MeshSubscription) -> String {
    const SHOWN: usize = 3;
    let entries = object.spec.subscribe.iter().take(SHOWN).map(|entry| {
        let runtime = entry.from.runtime_ref.as_ref().map(|runtime| runtime.name.as_str());
        let publisher = entry.from.peer.as_deref().or(runtime).unwrap_or_default();
        format!("{publisher}:{} → {}", entry.from.variable, entry.to)
    });
    let mut text = entries.collect::<Vec<_>>().join(", ");
    if object.spec.subscribe.len() > SHOWN {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::super::tests::object;
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "`json!` reads best where it is passed")]
    fn msub(status: Value) -> Arc<MeshSubscription> {
        object(json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
            "metadata": {"name": "remote", "namespace": "line-a"},
            "spec": {"runtimeRef": {"name": "plca"}, "subscribe": [
                {"to": "Status.RemoteState", "from": {"peer": "LineB", "variable": "Status.PLCState"}}]},
            "status": status}))
    }

    fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-11-21T08:00:00Z"})
    }

    #[test]
    fn a_healthy_link() {
        let parts = parts(
            &[msub(json!({
                "entries": {"total": 1, "good": 1, "uncertain": 0, "bad": 0},
                "links": [{"publisher": "LineB", "address": "192.168.10.12:5210", "transport": "Quic", "connected": true,
                    "staleness": "Fresh", "lastReceivedAgeMilliseconds": 41, "rttMicroseconds": 210, "messagesReceived": 5312, "messagesLost": 4, "messagesPerSecond": 10}],
                "conditions": [condition("Ready", "True", "AllFresh", "")],
            }))],
            &Posted::default(),
        );
        for text in [
            "id=\"link-LineB\"",
            "connected, fresh",
            "41 ms ago",
            "210 µs",
            "10/s",
            "5312",
            ">4<",
            "192.168.10.12:5210",
            "QUIC",
        ] {
            assert!(parts[0].html.contains(text), "{text}: {}", parts[0].html);
        }
        for text in
            ["AllFresh", "LineB:Status.PLCState → Status.RemoteState", "/runtimes/line-a.plca/variables"]
        {
            assert!(parts[1].html.contains(text), "{text}: {}", parts[1].html);
        }
    }

    #[test]
    fn the_first_step_that_fails_is_what_is_wrong() {
        let html = parts(&[msub(json!({"conditions": [
            condition("Accepted", "True", "Accepted", ""),
            condition("Fresh", "False", "NeverReceived", ""),
            condition("Compatible", "False", "TypeMismatch", "Status.RemoteState is INT, LineB publishes DINT"),
            condition("Ready", "False", "NotCompatible", ""),
        ]}))], &Posted::default())[1].html.clone();
        assert!(html.contains("TypeMismatch") && html.contains("is INT, LineB publishes DINT"), "{html}");
        assert!(!html.contains("NeverReceived"), "{html}");
    }

    #[test]
    fn states_of_a_link() {
        for (connected, staleness, text) in [
            (false, json!("Fresh"), "not connected"),
            (true, json!("Stale"), "connected, stale"),
            (true, json!("NeverReceived"), "nothing received"),
            (true, json!(null), "nothing received"),
        ] {
            let link = json!({"publisher": "LineB", "connected": connected, "staleness": staleness});
            let html = parts(&[msub(json!({"links": [link]}))], &Posted::default())[0].html.clone();
            assert!(html.contains(text), "{text}: {html}");
        }
    }
    #[test]
    fn figures_of_the_moment_come_before_those_of_the_status() {
        let mut object: MeshSubscription = (*msub(json!({"links": [
            {"publisher": "LineB", "connected": true, "staleness": "Fresh", "lastReceivedAgeMilliseconds": 60_000, "messagesReceived": 1},
            {"publisher": "LineC", "connected": true, "staleness": "Fresh", "lastReceivedAgeMilliseconds": 777},
        ]}))).clone();
        object.metadata.name = Some("plca-remote".to_owned());
        let html = parts(&[Arc::new(object)], &crate::mesh::sample())[0].html.clone();
        for text in [">41 ms ago<", ">10/s<", ">12<", ">210 µs<", ">777 ms ago<"] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(!html.contains("60000"), "{html}");
    }
}
