use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use lineshaft_mesh::control::RuntimeInfo;
use lineshaft_mesh::identity::AgentId;
use lineshaft_mesh::link::LinkStatus;
use serde_json::{Value, json};

use super::*;

fn runtime() -> PlcRuntime {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
        "metadata": {"name": "plca", "namespace": "line-a", "uid": "u"},
        "spec": {"program": {"sources": [{"name": "main.st", "inline": ""}]}},
    }))
    .unwrap()
}

fn subscription(accepted: &str, entries: &Value) -> MeshSubscription {
    serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
        "metadata": {"name": "s", "namespace": "line-a", "uid": "sub"},
        "spec": {"runtimeRef": {"name": "plca"}, "subscribe": entries},
        "status": {"conditions": [{
            "type": "Accepted", "status": accepted, "reason": "Accepted", "message": "",
            "lastTransitionTime": "2026-11-21T08:00:00Z",
        }]},
    }))
    .unwrap()
}

fn mirror(subscription: MeshSubscription) -> Mirror<MeshSubscription> {
    let mut mirror = Mirror::default();
    mirror.see(Event::Apply(DeserializeGuard(Ok(subscription))));
    mirror
}

fn entry(more: &Value) -> Value {
    let mut entry = json!({"to": "Main.r", "from": {"peer": "LineB", "variable": "Main.n"}});
    for (key, value) in more.as_object().unwrap() {
        entry[key] = value.clone();
    }
    entry
}

fn asked(accepted: &str, more: &Value, seen: &Seen) -> Vec<protocol::Subscription> {
    wanted(&runtime(), &mirror(subscription(accepted, &json!([entry(more)]))), seen).0
}

#[test]
fn only_what_the_operator_accepted_is_received() {
    let nobody = Seen::default();
    assert!(asked("False", &json!({}), &nobody).is_empty());
    let [one] = &asked("True", &json!({"onStale": "Substitute", "substitute": "7"}), &nobody)[..] else {
        unreachable!("there is one entry")
    };
    assert_eq!((one.to.as_str(), one.from.as_str()), ("Main.r", "LineB:Main.n"));
    assert_eq!(one.on_stale, protocol::OnStale::Substitute("7".to_owned()));
    assert_eq!(one.startup_grace_ns, 5_000 * NS_PER_MS);
    let mut other = runtime();
    other.metadata.name = Some("plcb".to_owned());
    let accepted = mirror(subscription("True", &json!([entry(&json!({}))])));
    assert!(wanted(&other, &accepted, &nobody).0.is_empty());
}

#[test]
fn a_value_is_stale_after_three_intervals_unless_somebody_says_otherwise() {
    let scanning = |scan_us| {
        let info = RuntimeInfo { id: String::new(), name: "LineB".to_owned(), scan_us, state: RunState::Run };
        let link = LinkStatus { runtimes: vec![info], ..LinkStatus::default() };
        Seen { links: BTreeMap::from([(AgentId::from_bytes([1; 16]), link)]), ..Seen::default() }
    };
    for (more, scan_us, expected_ms) in [
        (json!({}), 10_000, 100),
        (json!({}), 200_000, 600),
        (json!({"minIntervalMilliseconds": 500}), 10_000, 1_500),
        (json!({"timeoutMilliseconds": 300}), 200_000, 300),
    ] {
        let timeout_ns = asked("True", &more, &scanning(scan_us))[0].timeout_ns;
        assert_eq!(timeout_ns, expected_ms * NS_PER_MS, "{more} {scan_us}");
    }
}

#[test]
fn what_the_own_program_cannot_take_is_told() {
    let entry: Entry = serde_json::from_value(entry(&json!({}))).unwrap();
    let problem = |reason| Problem { variable: "Main.r".to_owned(), reason, message: "why".to_owned() };
    let told = |reason| match refused_here(&entry, &[problem(reason)]) {
        Some(EntryState::Refused { reason, .. }) => reason,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(told(ProblemReason::LimitExceeded), "LimitExceeded");
    assert_eq!(told(ProblemReason::WrongType), "TypeMismatch");
    assert_eq!(refused_here(&entry, &[]), None);
}
