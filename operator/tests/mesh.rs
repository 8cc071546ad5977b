//! The kinds of the mesh against a real API server: every rule with an object that keeps it and one that breaks it,
//! and what agents and those who may not approve can do.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod plant;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use kube::{Api, Client, CustomResourceExt, Resource, ResourceExt};
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing, pairing};
use lineshaft_test_fixture::{ApiServer, Namespace, eventually, namespace};
use plant::refusal;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const UID: &str = "6f1c2a9e-0000-4000-8000-000000000001";
const OTHER_UID: &str = "6f1c2a9e-0000-4000-8000-000000000002";

/// Objects of one kind as raw JSON: a rule must hold for what anybody may send.
struct Kind {
    api: Api<DynamicObject>,
    resource: ApiResource,
    namespace: Namespace,
    made: AtomicU32,
}

impl Kind {
    async fn of<K: CustomResourceExt>(namespaced: bool) -> Self {
        let namespace = namespace().await;
        let resource = K::api_resource();
        let api = if namespaced {
            Api::namespaced_with(namespace.client(), namespace.name(), &resource)
        } else {
            Api::all_with(namespace.client(), &resource)
        };
        Self { api, resource, namespace, made: AtomicU32::new(0) }
    }

    /// Creates an object with this spec, and a name of its own.
    async fn create(&self, spec: &Value) -> Result<DynamicObject, kube::Error> {
        let name = format!("row-{}", self.made.fetch_add(1, Ordering::Relaxed));
        let mut object = DynamicObject::new(&self.namespace.unique(&name), &self.resource);
        object.data = json!({"spec": spec});
        self.api.create(&PostParams::default(), &object).await
    }

    /// Changes a spec as JSON merge patch does.
    async fn change(&self, object: &DynamicObject, spec: &Value) -> Result<DynamicObject, kube::Error> {
        let patch = Patch::Merge(json!({"spec": spec}));
        self.api.patch(&object.name_any(), &PatchParams::default(), &patch).await
    }

    /// A table: each spec, and what the server says against it; empty where it takes it.
    async fn judge(&self, table: &[(Value, &str)]) {
        for (spec, refused) in table {
            let result = self.create(spec).await;
            if refused.is_empty() {
                assert!(result.is_ok(), "{spec}: {result:?}");
            } else {
                let (code, message) = refusal(result);
                assert!(code == 422 && message.contains(refused), "{spec}: {code} {message}");
            }
        }
    }

    /// A table of changes to one object.
    async fn judge_changes(&self, from: &Value, table: &[(Value, &str)]) {
        for (change, refused) in table {
            let object = self.create(from).await.unwrap();
            let result = self.change(&object, change).await;
            if refused.is_empty() {
                assert!(result.is_ok(), "{change}: {result:?}");
            } else {
                let (code, message) = refusal(result);
                assert!(code == 422 && message.contains(refused), "{change}: {code} {message}");
            }
        }
    }
}

#[tokio::test]
async fn rules_of_peers() {
    let peers = Kind::of::<MeshPeer>(false).await;
    let addresses = "addresses must be given with source Manual, and only with it";
    peers
        .judge(&[
            (json!({"source": "Discovered"}), ""),
            (json!({"source": "Discovered", "addresses": []}), ""),
            (json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]}), ""),
            (json!({"source": "Manual"}), addresses),
            (json!({"source": "Manual", "addresses": []}), addresses),
            (json!({"source": "Discovered", "addresses": ["10.9.0.2:5210"]}), addresses),
            (json!({"source": "Manual", "addresses": ["10.9.0.2"]}), "should match"),
            (json!({"source": "Guessed"}), "Unsupported value"),
            (
                json!({"source": "Manual", "addresses": ["a:1", "b:1", "c:1", "d:1", "e:1"]}),
                "at most 4 items",
            ),
        ])
        .await;
    let manual = json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]});
    peers
        .judge_changes(
            &manual,
            &[
                (json!({"addresses": ["10.9.0.3:5210"], "allowedNamespaces": ["line-a"]}), ""),
                (json!({"source": "Discovered", "addresses": null}), "source is immutable"),
            ],
        )
        .await;
}

#[tokio::test]
async fn rules_of_pairings() {
    let pairings = Kind::of::<Pairing>(false).await;
    let claim = |code: &str| json!({"nodeName": "a", "claim": {"address": "10.9.0.2:5210", "code": code}});
    let one = "must have exactly one of offer, claim";
    let origin = "must have exactly one of peerRef, address";
    pairings
        .judge(&[
            (json!({"nodeName": "a", "offer": {}}), ""),
            (claim("4821-7730"), ""),
            (claim("48217730"), ""),
            (json!({"nodeName": "a", "claim": {"peerRef": {"name": "b"}, "code": "4821-7730"}}), ""),
            (json!({"nodeName": "a"}), one),
            (json!({"nodeName": "a", "offer": {}, "claim": claim("4821-7730")["claim"]}), one),
            (json!({"nodeName": "a", "claim": {"code": "4821-7730"}}), origin),
            (
                json!({"nodeName": "a", "claim":
                    {"code": "4821-7730", "address": "b:1", "peerRef": {"name": "b"}}}),
                origin,
            ),
            (claim("4821-773"), "should match"),
            (claim("48-217730"), "should match"),
            (json!({"nodeName": "a", "offer": {"ttlSeconds": 29}}), "greater than or equal to 30"),
        ])
        .await;
    let offer = json!({"nodeName": "a", "approval": "Pending", "offer": {"ttlSeconds": 60}});
    pairings
        .judge_changes(
            &offer,
            &[
                (json!({"approval": "Approved"}), ""),
                (json!({"nodeName": "b"}), "nodeName is immutable"),
                (json!({"offer": {"ttlSeconds": 61}}), "offer is immutable"),
                (json!({"offer": null, "claim": claim("4821-7730")["claim"]}), "claim is immutable"),
            ],
        )
        .await;
    pairings
        .judge_changes(
            &claim("4821-7730"),
            &[
                (json!({"claim": {"code": "4821-7731"}}), "claim is immutable"),
                (json!({"approval": "Pending"}), "approval may not be taken back"),
            ],
        )
        .await;
}

#[tokio::test]
async fn rules_of_subscriptions() {
    let subscriptions = Kind::of::<MeshSubscription>(true).await;
    let spec = |entries: Value| json!({"runtimeRef": {"name": "plca"}, "subscribe": entries});
    let entry = |more: Value| {
        let mut entry = json!({"to": "Status.a", "from": {"peer": "LineB", "variable": "Status.b"}});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec(json!([entry]))
    };
    let origin = "must have exactly one of peer, runtimeRef";
    let substitute = "substitute must be given with onStale Substitute, and only with it";
    let all = "to and from.variable must both end with .*, or neither";
    subscriptions
        .judge(&[
            (entry(json!({})), ""),
            (entry(json!({"from": {"runtimeRef": {"name": "plcb"}, "variable": "Status.b"}})), ""),
            (entry(json!({"from": {"variable": "Status.b"}})), origin),
            (
                entry(json!({"from":
                    {"peer": "LineB", "runtimeRef": {"name": "plcb"}, "variable": "Status.b"}})),
                origin,
            ),
            (entry(json!({"onStale": "Substitute", "substitute": "0"})), ""),
            (entry(json!({"onStale": "Substitute"})), substitute),
            (entry(json!({"onStale": "Hold", "substitute": "0"})), substitute),
            (entry(json!({"to": "A.*", "from": {"peer": "LineB", "variable": "B.*"}})), ""),
            (entry(json!({"to": "A.*"})), all),
            (entry(json!({"from": {"peer": "LineB", "variable": "B.*"}})), all),
            (entry(json!({"deadband": "0.25"})), ""),
            (entry(json!({"deadband": "-1"})), "should match"),
            (entry(json!({"timeoutMilliseconds": 0})), "greater than or equal to 1"),
            (spec(json!([])), "at least 1 items"),
            (
                spec(json!([{"to": "A.b", "from": {"peer": "B", "variable": "C.d"}},
                    {"to": "A.b", "from": {"peer": "B", "variable": "C.e"}}])),
                "Duplicate value",
            ),
        ])
        .await;
    subscriptions
        .judge_changes(
            &entry(json!({})),
            &[
                (json!({"subscribe": [{"to": "A.b", "from": {"peer": "B", "variable": "C.d"}}]}), ""),
                (json!({"runtimeRef": {"name": "plcb"}}), "runtimeRef is immutable"),
            ],
        )
        .await;
}

#[tokio::test]
async fn agents_find_their_own_by_field() {
    let pairings = Kind::of::<Pairing>(false).await;
    let node = pairings.namespace.unique("edge");
    for name in [node.as_str(), "elsewhere"] {
        pairings.create(&json!({"nodeName": name, "offer": {}})).await.unwrap();
    }
    let own = kube::api::ListParams::default().fields(&format!("spec.nodeName={node}"));
    assert_eq!(pairings.api.list(&own).await.unwrap().items.len(), 1);
    let subscriptions = Kind::of::<MeshSubscription>(true).await;
    let own = kube::api::ListParams::default().fields(&format!("status.nodeName={node}"));
    assert_eq!(subscriptions.api.list(&own).await.unwrap().items.len(), 0);
}

/// A status as an agent applies it, with a manager of its own.
async fn report<K>(api: &Api<K>, name: &str, node: &str, status: Value) -> Result<K, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let object = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "status": status
    });
    let params = PatchParams::apply(&format!("lineshaft-agent/{node}")).force();
    api.patch_status(name, &params, &Patch::Apply(object)).await
}

/// Whether a refusal has these words.
fn says<T>(result: &Result<T, kube::Error>, words: &str) -> Option<()> {
    result.as_ref().is_err_and(|error| error.to_string().contains(words)).then_some(())
}

/// That the fence refused, with these words.
fn fenced<T: std::fmt::Debug>(result: Result<T, kube::Error>, words: &str) {
    let (code, message) = refusal(result);
    assert!(code == 422 && message.contains(words), "{code} {message}");
}

fn condition(type_: &str, status: &str) -> Value {
    json!({"type": type_, "status": status, "reason": "Reason", "message": "",
        "lastTransitionTime": "2026-11-21T08:00:00Z"})
}

struct Agents {
    namespace: Namespace,
    a: (String, Client),
    b: (String, Client),
}

/// Installs everything and waits until both policies bite: the API server takes them up a moment after it stored them.
async fn guarded() {
    static GUARDED: OnceCell<()> = OnceCell::const_new();
    GUARDED
        .get_or_init(|| async {
            plant::install().await;
            let namespace = namespace().await;
            let agents: Api<Pairing> = Api::all(namespace.agent_client("probe").await);
            let makers: Api<Pairing> = {
                let user = namespace.unique("probe");
                grant(&namespace.client(), &user, &["create"]).await;
                Api::all(ApiServer::shared().client_as(&user, &["system:authenticated"]).await)
            };
            let name = namespace.unique("probe");
            let spec = json!({"nodeName": "other", "offer": {}});
            let probe = Pairing::new(&name, serde_json::from_value(spec).unwrap());
            let admin = namespace.cluster_api::<Pairing>();
            admin.create(&PostParams::default(), &probe).await.unwrap();
            let dry_run = PatchParams { dry_run: true, ..PatchParams::default() };
            let finalizers = Patch::Merge(json!({"metadata": {"finalizers": [pairing::FINALIZER]}}));
            eventually(Duration::from_secs(10), "the fence", async || {
                says(&agents.patch(&name, &dry_run, &finalizers).await, "of its own")
            })
            .await;
            let dry_run = PostParams { dry_run: true, ..PostParams::default() };
            let other = Pairing::new(&namespace.unique("other"), probe.spec.clone());
            eventually(Duration::from_secs(10), "the guard of approvals", async || {
                says(&makers.create(&dry_run, &other).await, "verb approve")
            })
            .await;
        })
        .await;
}

impl Agents {
    async fn two() -> Self {
        guarded().await;
        let namespace = namespace().await;
        let (a, b) = (namespace.unique("a"), namespace.unique("b"));
        let (for_a, for_b) = (namespace.agent_client(&a).await, namespace.agent_client(&b).await);
        Self { namespace, a: (a, for_a), b: (b, for_b) }
    }
}

#[tokio::test]
async fn an_agent_introduces_what_it_discovered_and_nothing_else() {
    let agents = Agents::two().await;
    let peers: Api<MeshPeer> = Api::all(agents.a.1.clone());
    let peer = |name: &str, metadata: Value, spec: Value| -> MeshPeer {
        let mut all = json!({"name": agents.namespace.unique(name)});
        all.as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
        serde_json::from_value(json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
            "metadata": all, "spec": spec}))
        .unwrap()
    };
    let params = PostParams::default();
    let discovered = json!({"source": "Discovered"});
    let made = peers.create(&params, &peer("found", json!({}), discovered.clone())).await.unwrap();
    let manual = json!({"source": "Manual", "addresses": ["10.9.0.2:5210"]});
    let words = "may only create MeshPeers with source Discovered";
    fenced(peers.create(&params, &peer("made-up", json!({}), manual)).await, words);
    let allowed = json!({"source": "Discovered", "allowedNamespaces": ["line-a"]});
    fenced(peers.create(&params, &peer("made-up", json!({}), allowed)).await, words);
    for metadata in [json!({"labels": {"a": "b"}}), json!({"annotations": {"a": "b"}})] {
        fenced(peers.create(&params, &peer("made-up", metadata, discovered.clone())).await, "no labels");
    }
    let finalizers = json!({"finalizers": ["example.com/stay"]});
    fenced(peers.create(&params, &peer("made-up", finalizers, discovered)).await, "the finalizers of others");
    assert_eq!(refusal(peers.delete(&made.name_any(), &DeleteParams::default()).await).0, 403);
    let spec = Patch::Merge(json!({"spec": {"allowedNamespaces": ["line-a"]}}));
    assert_eq!(refusal(peers.patch(&made.name_any(), &PatchParams::default(), &spec).await).0, 403);
}

#[tokio::test]
async fn an_agent_changes_its_own_observation_of_a_peer() {
    let agents = Agents::two().await;
    let (a, b) = (&agents.a.0, &agents.b.0);
    let (by_a, by_b): (Api<MeshPeer>, Api<MeshPeer>) =
        (Api::all(agents.a.1.clone()), Api::all(agents.b.1.clone()));
    let name = agents.namespace.unique("found");
    let peer = MeshPeer::new(&name, serde_json::from_value(json!({"source": "Discovered"})).unwrap());
    by_a.create(&PostParams::default(), &peer).await.unwrap();
    let sees = |node: &str, id: &str| {
        json!({"serviceName": "LineB", "runtimeID": id, "trust": "Unpaired",
            "observers": [{"nodeName": node, "addresses": ["10.9.0.2:5210"]}]})
    };
    report(&by_a, &name, a, sees(a, UID)).await.unwrap();
    let both = report(&by_b, &name, b, sees(b, UID)).await.unwrap();
    assert_eq!(both.status.unwrap().observers.len(), 2, "each has its own manager");
    let mut forged = sees(a, UID);
    forged["observers"][0]["addresses"] = json!(["10.9.0.66:5210"]);
    fenced(report(&by_b, &name, b, forged).await, "may only change its own element");
    fenced(report(&by_b, &name, b, sees(b, OTHER_UID)).await, "identity of a MeshPeer that others observe");
    let mut forged = sees(b, UID);
    forged["conditions"] = json!([condition("Ready", "True")]);
    fenced(report(&by_b, &name, b, forged.clone()).await, "which are the operator's");
    forged["conditions"] = json!([condition("Reachable", "True")]);
    report(&by_b, &name, b, forged).await.unwrap();
    let left = report(&by_b, &name, b, json!({})).await.unwrap();
    assert_eq!(left.status.unwrap().observers[0].node_name, *a);
    fenced(report(&by_b, &name, b, json!({"trust": "Paired"})).await, "that it observes");
}

#[tokio::test]
async fn an_agent_serves_the_pairings_of_its_node() {
    let agents = Agents::two().await;
    let (a, b) = (&agents.a.0, &agents.b.0);
    let (by_a, by_b): (Api<Pairing>, Api<Pairing>) =
        (Api::all(agents.a.1.clone()), Api::all(agents.b.1.clone()));
    let name = agents.namespace.unique("offer");
    let spec = serde_json::from_value(json!({"nodeName": a, "offer": {}})).unwrap();
    let offer = Pairing::new(&name, spec);
    assert_eq!(refusal(by_a.create(&PostParams::default(), &offer).await).0, 403);
    agents.namespace.cluster_api::<Pairing>().create(&PostParams::default(), &offer).await.unwrap();
    let open = json!({"role": "Offer", "code": "4821-7730", "attemptsLeft": 3});
    report(&by_a, &name, a, open.clone()).await.unwrap();
    fenced(report(&by_b, &name, b, open).await, "may only change pairings of its own");
    let finalizers = |names: Value| Patch::Merge(json!({"metadata": {"finalizers": names}}));
    let params = PatchParams::default();
    by_a.patch(&name, &params, &finalizers(json!([pairing::FINALIZER]))).await.unwrap();
    fenced(by_b.patch(&name, &params, &finalizers(json!([]))).await, "may only change pairings of its own");
    let others = finalizers(json!([pairing::FINALIZER, "example.com/stay"]));
    fenced(by_a.patch(&name, &params, &others).await, "the finalizers of others");
    let approve = Patch::Merge(json!({"metadata": {"labels": {"a": "b"}}}));
    fenced(by_a.patch(&name, &params, &approve).await, "labels, annotations or owners");
    by_a.patch(&name, &params, &finalizers(json!([]))).await.unwrap();
}

#[tokio::test]
async fn an_agent_reports_on_the_subscriptions_of_its_node() {
    let agents = Agents::two().await;
    let (a, b) = (&agents.a.0, &agents.b.0);
    let scoped =
        |client: &Client| Api::<MeshSubscription>::namespaced(client.clone(), agents.namespace.name());
    let (by_a, by_b) = (scoped(&agents.a.1), scoped(&agents.b.1));
    let spec = json!({"runtimeRef": {"name": "plca"},
        "subscribe": [{"to": "A.b", "from": {"peer": "LineB", "variable": "C.d"}}]});
    let subscription = MeshSubscription::new("remote", serde_json::from_value(spec).unwrap());
    let admin = agents.namespace.api::<MeshSubscription>();
    admin.create(&PostParams::default(), &subscription).await.unwrap();
    let counts = json!({"entries": {"total": 1, "good": 0, "uncertain": 0, "bad": 1}});
    let words = "subscriptions of runtimes that are bound to it";
    fenced(report(&by_a, "remote", a, counts.clone()).await, words);
    report(&admin, "remote", "operator", json!({"nodeName": a})).await.unwrap();
    report(&by_a, "remote", a, counts.clone()).await.unwrap();
    fenced(report(&by_b, "remote", b, counts.clone()).await, words);
    fenced(report(&by_a, "remote", a, json!({"nodeName": b})).await, "status.nodeName or status.targets");
    let target = json!({"targets": [{"publisher": "runtime/x", "runtimeID": UID, "nodeName": b}]});
    fenced(report(&by_a, "remote", a, target).await, "status.nodeName or status.targets");
    fenced(
        report(&by_a, "remote", a, json!({"conditions": [condition("Accepted", "True")]})).await,
        "which are the operator's",
    );
    report(&by_a, "remote", a, json!({"conditions": [condition("Fresh", "True")]})).await.unwrap();
}

#[tokio::test]
async fn who_may_not_approve_makes_pairings_that_wait() {
    guarded().await;
    let namespace = namespace().await;
    let admin = ApiServer::shared().client().await;
    let (maker, approver) = (namespace.unique("maker"), namespace.unique("approver"));
    grant(&admin, &maker, &["create", "get", "patch"]).await;
    grant(&admin, &approver, &["get", "patch", "approve"]).await;
    let as_user = async |user: &str| -> Api<Pairing> {
        Api::all(ApiServer::shared().client_as(user, &["system:authenticated"]).await)
    };
    let (by_maker, by_approver) = (as_user(&maker).await, as_user(&approver).await);
    let offer = |name: &str, approval: &str| {
        let spec = json!({"nodeName": "edge", "approval": approval, "offer": {}});
        Pairing::new(&namespace.unique(name), serde_json::from_value(spec).unwrap())
    };
    let words = "only who has the verb approve";
    fenced(by_maker.create(&PostParams::default(), &offer("at-once", "Approved")).await, words);
    let waiting = by_maker.create(&PostParams::default(), &offer("later", "Pending")).await.unwrap();
    let approve = Patch::Merge(json!({"spec": {"approval": "Approved"}}));
    let params = PatchParams::default();
    fenced(by_maker.patch(&waiting.name_any(), &params, &approve).await, words);
    by_approver.patch(&waiting.name_any(), &params, &approve).await.unwrap();
    let label = Patch::Merge(json!({"metadata": {"labels": {"line": "a"}}}));
    by_maker.patch(&waiting.name_any(), &params, &label).await.unwrap();
}

/// Lets a user do this with pairings.
async fn grant(admin: &Client, user: &str, verbs: &[&str]) {
    use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
    let role: ClusterRole = serde_json::from_value(json!({"metadata": {"name": user},
        "rules": [{"apiGroups": ["lineshaft.dev"], "resources": ["pairings"], "verbs": verbs}]}))
    .unwrap();
    let binding: ClusterRoleBinding = serde_json::from_value(json!({"metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": user},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}]}))
    .unwrap();
    Api::all(admin.clone()).create(&PostParams::default(), &role).await.unwrap();
    Api::all(admin.clone()).create(&PostParams::default(), &binding).await.unwrap();
}
