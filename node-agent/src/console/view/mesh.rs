//! Mesh connections: the links of each subscription, and what becomes of its entries.

use kube::ResourceExt;
use lineshaft_crds::MeshSubscription;
use lineshaft_crds::condition::{Condition, find};
use lineshaft_crds::mesh_subscription::{Link, Staleness, Transport, conditions};

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
pub(crate) fn parts(subscriptions: &[impl AsRef<MeshSubscription>]) -> Vec<Part> {
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
            "Address",
        ],
        rows: subscriptions.iter().flat_map(|object| links(object.as_ref())).collect(),
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

fn links(object: &MeshSubscription) -> Vec<Row> {
    let status = object.status.clone().unwrap_or_default();
    status.links.iter().map(|link| self::link(object, link)).collect()
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
            Cell::maybe(link.address.as_ref()).note(transport),
        ],
    }
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
        let parts = parts(&[msub(json!({
            "entries": {"total": 1, "good": 1, "uncertain": 0, "bad": 0},
            "links": [{"publisher": "LineB", "address": "192.168.10.12:5210", "transport": "Quic", "connected": true,
                "staleness": "Fresh", "lastReceivedAgeMilliseconds": 41, "rttMicroseconds": 210, "messagesReceived": 5312, "messagesPerSecond": 10}],
            "conditions": [condition("Ready", "True", "AllFresh", "")],
        }))]);
        for text in [
            "id=\"link-LineB\"",
            "connected, fresh",
            "41 ms ago",
            "210 µs",
            "10/s",
            "5312",
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
        ]}))])[1].html.clone();
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
            let html = parts(&[msub(json!({"links": [link]}))])[0].html.clone();
            assert!(html.contains(text), "{text}: {html}");
        }
    }
}
