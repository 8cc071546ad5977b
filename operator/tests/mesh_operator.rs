//! What the operator makes of subscriptions and peers, with its real rights.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod plant;

use std::time::Duration;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use lineshaft_crds::{Condition, MeshPeer, MeshSubscription, condition};
use lineshaft_test_fixture::{wait_for, wait_gone};
use plant::{BROKEN, Plant, SOON, bound_to, inline};
use serde_json::{Value, json};

const RECEIVER: &str = "PROGRAM Main\nVAR n, remote : DINT; END_VAR\nn := remote;\nEND_PROGRAM\n";
const WITHOUT_TARGET: &str = "PROGRAM Main\nVAR n : DINT; END_VAR\nn := n + 1;\nEND_PROGRAM\n";

struct Subscriptions(Api<MeshSubscription>);

impl Subscriptions {
    fn of(plant: &Plant) -> Self {
        Self(plant.namespace.api())
    }

    async fn create(&self, name: &str, entry: Value) -> MeshSubscription {
        let spec = json!({"runtimeRef": {"name": "plca"}, "subscribe": [entry]});
        let subscription = MeshSubscription::new(name, serde_json::from_value(spec).unwrap());
        self.0.create(&PostParams::default(), &subscription).await.unwrap()
    }

    async fn receive(&self, name: &str, to: &str, peer: &str) {
        self.create(name, json!({"to": to, "from": {"peer": peer, "variable": "C.d"}})).await;
    }

    async fn until(&self, name: &str, type_: &str, reason: &str) -> MeshSubscription {
        wait_for(&self.0, name, SOON, |found: &MeshSubscription| {
            has(found.status.as_ref().map_or(&[][..], |status| &status.conditions), type_, reason)
        })
        .await
    }
}

fn has(conditions: &[Condition], type_: &str, reason: &str) -> bool {
    condition::find(conditions, type_).is_some_and(|found| found.reason == reason)
}

#[tokio::test]
async fn a_subscription_comes_to_the_node_of_its_runtime_whichever_is_first() {
    let plant = Plant::start().await;
    let subscriptions = Subscriptions::of(&plant);
    subscriptions.receive("first", "Main.remote", "LineB").await;
    subscriptions.until("first", "Ready", "ProgramUnknown").await;
    subscriptions.until("first", "ResolvedRefs", "RuntimeNotFound").await;
    plant.create("plca", inline(RECEIVER)).await;
    let unbound = subscriptions.until("first", "Accepted", "Accepted").await;
    assert_eq!(unbound.status.unwrap().node_name, None);
    let node = plant.join("a").await.node;
    let bound = subscriptions.until("first", "Ready", "WaitingForAgent").await.status.unwrap();
    assert_eq!(bound.node_name.as_deref(), Some(node.as_str()));
    assert!(condition::find(&bound.conditions, "ResolvedRefs").is_none(), "the agent's now");
    plant.plcs().delete("plca", &DeleteParams::default()).await.unwrap();
    let alone = subscriptions.until("first", "ResolvedRefs", "RuntimeNotFound").await;
    assert_eq!(alone.status.unwrap().node_name, None);
}

#[tokio::test]
async fn the_subscription_that_was_there_first_has_the_target() {
    let plant = Plant::start().await;
    let subscriptions = Subscriptions::of(&plant);
    plant.create("plca", inline(RECEIVER)).await;
    subscriptions.receive("first", "Main.remote", "LineB").await;
    subscriptions.until("first", "Accepted", "Accepted").await;
    subscriptions.receive("second", "main.REMOTE", "LineB").await;
    subscriptions.until("second", "Accepted", "TargetConflict").await;
    subscriptions.until("first", "Accepted", "Accepted").await;
    subscriptions.0.delete("first", &DeleteParams::default()).await.unwrap();
    subscriptions.until("second", "Accepted", "Accepted").await;
    let told = plant.story("second").await;
    assert!(told.iter().any(|line| line.starts_with("TargetConflict: ")), "{told:?}");
}

#[tokio::test]
async fn targets_are_judged_against_the_program_that_runs() {
    let plant = Plant::start().await;
    let subscriptions = Subscriptions::of(&plant);
    plant.set_source("program", RECEIVER).await;
    plant.create("plca", plant::from_config_map("program")).await;
    subscriptions.receive("remote", "Main.remote", "LineB").await;
    subscriptions.until("remote", "Accepted", "Accepted").await;
    // What is refused replaces nothing, so it changes nothing here.
    plant.set_source("program", BROKEN).await;
    plant.until("plca", "Accepted", "False", "CompileError").await;
    let patch = json!({"metadata": {"labels": {"looked-at": "again"}}});
    subscriptions.0.patch("remote", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    subscriptions.until("remote", "Accepted", "Accepted").await;
    plant.set_source("program", WITHOUT_TARGET).await;
    subscriptions.until("remote", "Accepted", "TargetNotFound").await;
}

#[tokio::test]
async fn publishers_of_the_same_namespace_are_resolved() {
    let plant = Plant::start().await;
    let subscriptions = Subscriptions::of(&plant);
    plant.create("plca", inline(RECEIVER)).await;
    let from = json!({"to": "Main.remote", "from": {"runtimeRef": {"name": "plcb"}, "variable": "Main.n"}});
    subscriptions.create("remote", from).await;
    let lonely = json!({"to": "Main.n", "from": {"runtimeRef": {"name": "plca"}, "variable": "Main.n"}});
    subscriptions.create("own", lonely).await;
    subscriptions.until("own", "Accepted", "SelfSubscription").await;
    let publisher = plant.create("plcb", inline(WITHOUT_TARGET)).await;
    let node = plant.join("a").await.node;
    wait_for(&plant.plcs(), "plcb", SOON, |plc| bound_to(plc) == Some(&node)).await;
    let targets = |found: &MeshSubscription| found.status.clone().unwrap_or_default().targets;
    let found = wait_for(&subscriptions.0, "remote", SOON, |found| !targets(found).is_empty()).await;
    let target = &targets(&found)[0];
    assert_eq!((target.publisher.as_str(), &target.node_name), ("runtime/plcb", &node));
    assert_eq!(Some(&target.runtime_id), publisher.metadata.uid.as_ref());
    assert_eq!(target.address, None);
    // The agent says where its host is.
    let address = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode", "metadata": {"name": node},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.9.0.2"}]}});
    let params = PatchParams::apply("lineshaft-agent/status").force();
    plant.nodes().patch_status(&node, &params, &Patch::Apply(address)).await.unwrap();
    wait_for(&subscriptions.0, "remote", SOON, |found| {
        targets(found).first().is_some_and(|target| target.address.as_deref() == Some("10.9.0.2"))
    })
    .await;
}

struct Peers<'a> {
    plant: &'a Plant,
    api: Api<MeshPeer>,
}

impl<'a> Peers<'a> {
    fn of(plant: &'a Plant) -> Self {
        Self { plant, api: plant.namespace.cluster_api() }
    }

    async fn create(&self, name: &str, spec: Value) -> MeshPeer {
        let peer: MeshPeer = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer", "spec": spec,
            "metadata": {"name": self.plant.namespace.unique(name), "labels": self.plant.namespace.labels()}
        }))
        .unwrap();
        self.api.create(&PostParams::default(), &peer).await.unwrap()
    }

    /// Reports as an agent does.
    async fn report(&self, name: &str, status: Value) {
        let name = self.plant.namespace.unique(name);
        let report = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
            "metadata": {"name": name}, "status": status});
        let params = PatchParams::apply("lineshaft-agent/edge").force();
        self.api.patch_status(&name, &params, &Patch::Apply(report)).await.unwrap();
    }

    async fn until(&self, name: &str, type_: &str, reason: &str) -> MeshPeer {
        wait_for(&self.api, &self.plant.namespace.unique(name), SOON, |found: &MeshPeer| {
            has(found.status.as_ref().map_or(&[][..], |status| &status.conditions), type_, reason)
        })
        .await
    }
}

fn seen(name: &str, id: u8, trust: &str) -> Value {
    let reason = if trust == "Paired" { "Paired" } else { "NotPaired" };
    let one = |type_: &str, status: &str, reason: &str| {
        json!({"type": type_, "status": status, "reason": reason, "message": "",
            "lastTransitionTime": "2026-11-21T08:00:00Z"})
    };
    json!({
        "serviceName": name, "runtimeID": format!("6f1c2a9e-0000-4000-8000-00000000000{id}"), "trust": trust,
        "observers": [{"nodeName": "edge", "addresses": ["10.9.0.2:5210"]}],
        "conditions": [
            one("Trusted", if trust == "Paired" { "True" } else { "False" }, reason),
            one("Reachable", "True", "Seen")
        ]
    })
}

#[tokio::test]
async fn two_that_announce_one_name_are_both_told() {
    let plant = Plant::start().await;
    let peers = Peers::of(&plant);
    // Names are of a site, and the tests of this file are one.
    let name = plant.namespace.unique("LineB");
    peers.create("b-1", json!({"source": "Discovered"})).await;
    peers.until("b-1", "Ready", "WaitingForAgent").await;
    peers.report("b-1", seen(&name, 1, "Paired")).await;
    peers.until("b-1", "Ready", "Seen").await;
    let manual = json!({"source": "Manual", "addresses": ["10.9.0.66:5210"]});
    peers.create("b-2", manual).await;
    peers.report("b-2", seen(&name, 2, "Unpaired")).await;
    peers.until("b-2", "Ready", "NameConflict").await;
    peers.until("b-1", "NameUnique", "NameConflict").await;
    peers.api.delete(&plant.namespace.unique("b-2"), &DeleteParams::default()).await.unwrap();
    peers.until("b-1", "Ready", "Seen").await;
    let mut own = inline(RECEIVER);
    own["discovery"] = json!({"serviceName": name});
    plant.create("plca", own).await;
    peers.until("b-1", "NameUnique", "NameConflict").await;
    plant.patch("plca", json!({"spec": {"discovery": {"serviceName": "LineA"}}})).await;
    peers.until("b-1", "NameUnique", "NameUnique").await;
}

#[tokio::test]
async fn what_nobody_sees_or_needs_goes() {
    let mut plant = Plant::without_operator().await;
    plant.options.unseen_peer_kept_for = Duration::from_millis(500);
    let peers = Peers::of(&plant);
    for name in ["gone", "paired", "named", "manual", "seen"] {
        let spec = match name {
            "manual" => json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]}),
            _ => json!({"source": "Discovered"}),
        };
        peers.create(name, spec).await;
    }
    let (id, unseen) = (plant.namespace.unique("LineB"), |status: Value| {
        let mut status = status;
        status["observers"] = json!([]);
        status
    });
    peers.report("seen", seen("Seen", 1, "Unpaired")).await;
    peers.report("paired", unseen(seen("Paired", 2, "Paired"))).await;
    Subscriptions::of(&plant).receive("remote", "Main.remote", &id).await;
    peers.report("named", unseen(seen(&id, 3, "Unpaired"))).await;
    plant.start_operator().await;
    let peers = Peers::of(&plant);
    let gone = peers.api.get(&plant.namespace.unique("gone")).await;
    if let Ok(gone) = gone {
        wait_gone(&peers.api, &gone, SOON).await;
    }
    // Whoever was seen before goes when the last agent takes its word back.
    peers.report("seen", unseen(seen("Seen", 1, "Unpaired"))).await;
    let seen = peers.api.get(&plant.namespace.unique("seen")).await;
    if let Ok(seen) = seen {
        wait_gone(&peers.api, &seen, SOON).await;
    }
    for name in ["paired", "named", "manual"] {
        peers.api.get(&plant.namespace.unique(name)).await.unwrap();
    }
}
