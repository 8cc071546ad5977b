//! Two agents, each a site of its own, on one network: they find each other, pair, and part again.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::condition::find;
use lineshaft_crds::mesh_peer::Trust;
use lineshaft_crds::mesh_subscription::Link;
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing, PlcRuntime, program_hash};
use lineshaft_node_agent::{Error, Lifeline, MeshOptions, Options, Scope, default_exe, run};
use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_test_fixture::{Namespace, eventually, namespace, wait_for, wait_gone};
use prometheus::{Encoder, Registry, TextEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::plant::SOON;

/// An agent with one runtime that takes part in the mesh.
struct Site {
    namespace: Namespace,
    node: String,
    service: &'static str,
    mdns_port: u16,
    listen: SocketAddr,
    state: TempDir,
    registry: Registry,
    runtime: Option<PlcRuntime>,
    agent: Option<(CancellationToken, JoinHandle<Result<(), Error>>)>,
}

/// Counts its scans and shows what it receives.
const PROGRAM: &str = "\
PROGRAM Main
VAR n, hidden : DINT; remote, other : DINT; small : INT; quality : BYTE; END_VAR
n := n + 1;
END_PROGRAM
";

/// Free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

impl Site {
    async fn new(service: &'static str, mdns_port: u16) -> Self {
        let namespace = namespace().await;
        let mut site = Self {
            node: namespace.unique("edge"),
            namespace,
            service,
            mdns_port,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
            state: tempfile::tempdir().unwrap(),
            registry: Registry::new(),
            runtime: None,
            agent: None,
        };
        site.start();
        site.runtime = Some(site.create_runtime().await);
        site
    }

    fn start(&mut self) {
        self.start_with(std::future::ready(self.namespace.client()));
    }

    /// As on a day on which the API server is away.
    fn start_offline(&mut self) {
        self.start_with(std::future::pending());
    }

    fn start_with(&mut self, client: impl Future<Output = Client> + Send + 'static) {
        let state = self.state.path().join("state");
        let exe = default_exe().expect("cargo build -p lineshaft-plc-runtime makes lineshaft-plc");
        let mut options = Options::new(self.node.clone(), state, exe);
        options.lifeline = Lifeline::WithParent;
        options.scope = Scope::Namespace(self.namespace.name().to_owned());
        self.namespace.name().clone_into(&mut options.lease_namespace);
        options.mesh = MeshOptions { mdns_port: self.mdns_port, ..MeshOptions::default() };
        self.registry = options.registry.clone();
        let shutdown = CancellationToken::new();
        self.agent = Some((shutdown.clone(), tokio::spawn(run(client, options, shutdown))));
    }

    fn metrics(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    async fn stop(&mut self) {
        let (shutdown, agent) = self.agent.take().unwrap();
        shutdown.cancel();
        tokio::time::timeout(SOON, agent).await.expect("an agent ends in time").unwrap().unwrap();
    }

    async fn create_runtime(&self) -> PlcRuntime {
        let runtimes: Api<PlcRuntime> = self.namespace.api();
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1",
            "kind": "PlcRuntime",
            "metadata": {"name": "plc", "namespace": self.namespace.name()},
            "spec": {
                "program": {"sources": [{"name": "main.st", "inline": PROGRAM}]},
                "discovery": {"serviceName": self.service},
                "mesh": {"listen": self.listen.to_string(), "publish": [{"variable": "Main.n"}]},
            },
        }))
        .unwrap();
        runtimes.create(&PostParams::default(), &object).await.unwrap();
        let bound = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": "plc"},
            "status": {
                "nodeName": self.node,
                "accepted": {"generation": 1, "sourcesHash": program_hash([("main.st", PROGRAM)].into_iter())},
            },
        });
        let params = PatchParams::apply("test-operator").force();
        runtimes.patch_status("plc", &params, &Patch::Apply(&bound)).await.unwrap()
    }

    /// The object that others make of this site's runtime.
    fn peer_name(&self) -> String {
        let uid = self.runtime.as_ref().unwrap().uid().unwrap();
        format!("{}-{}", self.service.to_lowercase(), &uid[..8])
    }

    async fn pair(&self, name: &str, spec: Value) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = self.namespace.unique(&format!("{name}{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
        let mut object = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "Pairing",
            "metadata": {"name": name}, "spec": {"nodeName": self.node},
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        let object: Pairing = serde_json::from_value(object).unwrap();
        self.pairings().create(&PostParams::default(), &object).await.unwrap();
        name
    }

    fn pairings(&self) -> Api<Pairing> {
        self.namespace.cluster_api()
    }

    /// Waits until a pairing has this reason.
    async fn paired(&self, name: &str, reason: &str) -> Pairing {
        wait_for(&self.pairings(), name, SOON, |object: &Pairing| {
            let status = object.status.as_ref();
            status
                .and_then(|status| find(&status.conditions, "Paired"))
                .is_some_and(|found| found.reason == reason)
        })
        .await
    }

    /// The code of a new offer, and its name.
    async fn offer(&self) -> (String, String) {
        let name = self.pair("offer", json!({"offer": {"ttlSeconds": 300}})).await;
        let code = self.paired(&name, "AwaitingClaim").await.status.unwrap().code.unwrap();
        (name, code)
    }

    async fn claim(&self, of: &Self, code: &str) -> String {
        self.pair("claim", json!({"claim": {"peerRef": {"name": of.peer_name()}, "code": code}})).await
    }

    /// Waits until this node sees the other one like this.
    async fn sees(&self, other: &Self, what: impl Fn(&MeshPeer) -> bool) -> MeshPeer {
        let peers: Api<MeshPeer> = self.namespace.cluster_api();
        let node = self.node.clone();
        wait_for(&peers, &other.peer_name(), SOON, |peer: &MeshPeer| {
            let observers =
                peer.status.as_ref().map(|status| status.observers.as_slice()).unwrap_or_default();
            observers.iter().any(|observer| observer.node_name == node) && what(peer)
        })
        .await
    }

    /// Receives a variable of a peer, accepted as the operator does it.
    async fn subscribe(&self, name: &str, entry: Value) {
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
            "metadata": {"name": name, "namespace": self.namespace.name()},
            "spec": {"runtimeRef": {"name": "plc"}, "subscribe": [entry]},
        }))
        .unwrap();
        self.subscriptions().create(&PostParams::default(), &object).await.unwrap();
        let accepted = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription", "metadata": {"name": name},
            "status": {"nodeName": self.node, "conditions": [{
                "type": "Accepted", "status": "True", "reason": "Accepted", "message": "",
                "lastTransitionTime": "2026-11-21T08:00:00Z", "observedGeneration": 1,
            }]},
        });
        let params = PatchParams::apply("test-operator").force();
        self.subscriptions().patch_status(name, &params, &Patch::Apply(&accepted)).await.unwrap();
    }

    fn subscriptions(&self) -> Api<MeshSubscription> {
        self.namespace.api()
    }

    async fn subscribed(&self, name: &str, type_: &str, reason: &str) -> MeshSubscription {
        wait_for(&self.subscriptions(), name, SOON, |object: &MeshSubscription| {
            let status = object.status.as_ref();
            status
                .and_then(|status| find(&status.conditions, type_))
                .is_some_and(|found| found.reason == reason)
        })
        .await
    }

    /// What the program has in a variable.
    fn value(&self, path: &str) -> Option<Value> {
        let uid = self.runtime.as_ref()?.uid()?;
        let mut keeper = KeeperClient::connect(&self.state.path().join("state/plc").join(uid)).ok()?;
        keeper.read(vec![path.to_owned()]).ok()?.values.remove(0).value.ok()
    }

    async fn event(&self, about: &str, reason: &str) -> String {
        let events: Api<Event> = Api::all(self.namespace.client());
        eventually(SOON, &format!("event {reason}"), async || {
            let list = events.list(&ListParams::default()).await.unwrap();
            let found = list.items.into_iter().find(|event| {
                event.reason.as_deref() == Some(reason)
                    && event.regarding.as_ref().and_then(|object| object.name.as_deref()) == Some(about)
            })?;
            Some(found.note.unwrap_or_default())
        })
        .await
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some((shutdown, _)) = &self.agent {
            shutdown.cancel();
        }
    }
}

fn trust(peer: &MeshPeer) -> Option<Trust> {
    peer.status.as_ref()?.trust
}

/// Another code with a check digit that fits.
fn wrong(code: &str) -> String {
    let alternatives = (0..10_000_000_u32)
        .map(|number| format!("{number:07}"))
        .flat_map(|seven| (0..10).map(move |digit| format!("{}-{}{digit}", &seven[..4], &seven[4..])));
    alternatives
        .into_iter()
        .find(|other| other != code && other.parse::<lineshaft_mesh::pairing::Code>().is_ok())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sites_find_each_other_pair_and_part() {
    let mdns_port = free_port();
    let mut a = Site::new("LineA", mdns_port).await;
    let mut b = Site::new("LineB", mdns_port).await;
    let peer = a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    b.sees(&a, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let status = peer.status.unwrap();
    assert_eq!((status.service_name.as_deref(), status.published_variables), (Some("LineB"), Some(1)));
    assert_eq!(status.observers[0].addresses, [b.listen.to_string()]);

    // A slip of the finger costs nothing, a wrong code one attempt.
    let (offer, code) = b.offer().await;
    let slip = if code.ends_with('0') { format!("{}1", &code[..8]) } else { format!("{}0", &code[..8]) };
    let claim = a.claim(&b, &slip).await;
    a.paired(&claim, "BadCheckDigit").await;
    let claim = a.claim(&b, &wrong(&code)).await;
    a.paired(&claim, "WrongCode").await;
    let note = b.event(&offer, "PairingFailed").await;
    assert!(note.contains("127.0.0.1"), "{note}");
    let left = |object: &Pairing| object.status.as_ref().and_then(|status| status.attempts_left);
    wait_for(&b.pairings(), &offer, SOON, |object: &Pairing| left(object) == Some(2)).await;

    // Guesses begin a second apart.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let claim = a.claim(&b, &code).await;
    let on_a = a.paired(&claim, "Paired").await;
    let on_b = b.paired(&offer, "Paired").await;
    assert_eq!(on_b.status.clone().unwrap().code, None, "a code that was used is not shown");
    let (peer_of_a, peer_of_b) =
        (on_a.status.clone().unwrap().peer.unwrap(), on_b.status.unwrap().peer.unwrap());
    assert_eq!((peer_of_a.name.as_deref(), peer_of_b.name.as_deref()), (Some(&*b.node), Some(&*a.node)));
    a.sees(&b, |peer| trust(peer) == Some(Trust::Paired)).await;
    b.sees(&a, |peer| trust(peer) == Some(Trust::Paired)).await;

    // Trust outlives a restart, an open offer does not.
    let (open, _) = b.offer().await;
    b.stop().await;
    b.start();
    b.paired(&open, "AgentRestarted").await;
    b.paired(&offer, "Paired").await;
    b.sees(&a, |peer| trust(peer) == Some(Trust::Paired)).await;

    // Whoever deletes the pairing ends the trust.
    a.pairings().delete(&claim, &DeleteParams::default()).await.unwrap();
    wait_gone(&a.pairings(), &on_a, SOON).await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let pins = a.state.path().join("state/mesh/trust");
    assert_eq!(std::fs::read_dir(pins).unwrap().count(), 0);

    // Who goes is seen to go.
    b.stop().await;
    let peers: Api<MeshPeer> = a.namespace.cluster_api();
    wait_for(&peers, &b.peer_name(), SOON, |peer: &MeshPeer| {
        let status = peer.status.clone().unwrap_or_default();
        status.observers.is_empty()
            && find(&status.conditions, "Reachable").is_some_and(|found| found.reason == "NotSeen")
    })
    .await;
    a.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_of_one_site_is_in_the_program_of_the_other() {
    let mdns_port = free_port();
    let a = Site::new("LineC", mdns_port).await;
    let mut b = Site::new("LineD", mdns_port).await;
    let entry = |to: &str| json!({"to": to, "from": {"peer": "LineD", "variable": "Main.n"}, "timeoutMilliseconds": 1000});
    let mut first = entry("Main.remote");
    first["quality"] = json!("Main.quality");
    a.subscribe("remote", first).await;
    a.subscribe("small", entry("Main.small")).await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    a.subscribed("remote", "ResolvedRefs", "PeerNotTrusted").await;

    let (offer, code) = b.offer().await;
    let claim = a.claim(&b, &code).await;
    a.paired(&claim, "Paired").await;
    b.paired(&offer, "Paired").await;
    let fresh = a.subscribed("remote", "Fresh", "AllFresh").await.status.unwrap();
    assert_eq!(fresh.entries.map(|entries| (entries.total, entries.good)), Some((1, 1)));
    assert!(fresh.links[0].connected && fresh.links[0].publisher == "LineD", "{:?}", fresh.links);
    let first =
        eventually(SOON, "a value", async || a.value("Main.remote").filter(|value| value.as_i64() > Some(0)));
    let first = first.await.as_i64();
    eventually(SOON, "a newer one", async || (a.value("Main.remote")?.as_i64() > first).then_some(())).await;
    assert_eq!(a.value("Main.quality").and_then(|quality| quality.as_i64()), Some(0));

    // What has arrived is counted: soon in the status, at once in the metrics.
    let subscriptions: Api<MeshSubscription> = a.namespace.api();
    let counted = |object: &MeshSubscription| {
        let links = object.status.as_ref().map(|status| status.links.as_slice()).unwrap_or_default();
        let counts = |link: &Link| (link.messages_received, link.messages_per_second, link.messages_lost);
        links.first().is_some_and(|link| matches!(counts(link), (Some(1..), Some(1..), Some(0..))))
    };
    wait_for(&subscriptions, "remote", SOON, counted).await;
    let labels =
        format!("namespace=\"{}\",name=\"remote\",runtime=\"plc\",peer=\"LineD\"", a.namespace.name());
    let line = format!("lineshaft_agent_mesh_link_up{{{labels}}} 1");
    assert!(a.metrics().contains(&line), "{line} is not in:\n{}", a.metrics());

    // A wrong type is a condition with both types, and stops nobody else.
    let wrong = a.subscribed("small", "Compatible", "TypeMismatch").await.status.unwrap();
    let message = &find(&wrong.conditions, "Compatible").unwrap().message;
    assert!(message.contains("DINT") && message.contains("INT"), "{message}");

    // Without its publisher the value stays and says so.
    b.stop().await;
    a.subscribed("remote", "Fresh", "Stale").await;
    let stale = async || (a.value("Main.quality")?.as_i64() >= Some(0x80)).then_some(());
    eventually(SOON, "the program sees that it is stale", stale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_changes_keeps_the_values_of_what_stays() {
    let mdns_port = free_port();
    let a = Site::new("LineE", mdns_port).await;
    let b = Site::new("LineF", mdns_port).await;
    let entry = |to: &str, variable: &str| json!({"to": to, "from": {"peer": "LineF", "variable": variable}});
    a.subscribe("remote", entry("Main.remote", "Main.n")).await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let (_, code) = b.offer().await;
    a.claim(&b, &code).await;
    a.subscribed("remote", "Fresh", "AllFresh").await;

    // An entry that is refused is a condition, and the other goes on.
    let change = |subscribe: Value| Patch::Merge(json!({"spec": {"subscribe": subscribe}}));
    let refused = change(json!([entry("Main.remote", "Main.n"), entry("Main.other", "Main.hidden")]));
    a.subscriptions().patch("remote", &PatchParams::default(), &refused).await.unwrap();
    let status = a.subscribed("remote", "Compatible", "NotPublished").await.status.unwrap();
    let message = &find(&status.conditions, "Compatible").unwrap().message;
    assert!(message.contains("Main.hidden"), "{message}");
    wait_for(&a.subscriptions(), "remote", SOON, |object: &MeshSubscription| {
        let entries = object.status.as_ref().and_then(|status| status.entries.as_ref());
        entries.is_some_and(|entries| (entries.total, entries.good) == (2, 1))
    })
    .await;
    let now = a.value("Main.remote").and_then(|value| value.as_i64());
    eventually(SOON, "newer", async || (a.value("Main.remote")?.as_i64() > now).then_some(())).await;

    // Without it all is well again.
    let sound = change(json!([entry("Main.remote", "Main.n"), entry("Main.other", "Main.n")]));
    a.subscriptions().patch("remote", &PatchParams::default(), &sound).await.unwrap();
    a.subscribed("remote", "Compatible", "Compatible").await;
    eventually(SOON, "both", async || (a.value("Main.other")?.as_i64() > now).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_start_without_the_api_server_go_on_with_what_it_said_last() {
    let mdns_port = free_port();
    let mut a = Site::new("LineG", mdns_port).await;
    let mut b = Site::new("LineH", mdns_port).await;
    a.subscribe(
        "remote",
        json!({
            "to": "Main.remote", "from": {"peer": "LineH", "variable": "Main.n"},
            "timeoutMilliseconds": 1000, "quality": "Main.quality",
        }),
    )
    .await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let (_, code) = b.offer().await;
    a.claim(&b, &code).await;
    a.subscribed("remote", "Fresh", "AllFresh").await;
    a.stop().await;
    b.stop().await;

    b.start_offline();
    a.start_offline();
    let arrives = async || (a.value("Main.remote")?.as_i64() > Some(0)).then_some(());
    eventually(SOON, "a value of the peer", arrives).await;
    let is_good = async || (a.value("Main.quality")?.as_i64() == Some(0)).then_some(());
    eventually(SOON, "a good quality", is_good).await;
    let now = a.value("Main.remote").and_then(|value| value.as_i64());
    eventually(SOON, "newer", async || (a.value("Main.remote")?.as_i64() > now).then_some(())).await;

    // What was deleted meanwhile ends when the API server is back.
    a.stop().await;
    a.subscriptions().delete("remote", &DeleteParams::default()).await.unwrap();
    a.start();
    let now = async || {
        let before = a.value("Main.remote")?;
        let scans = a.value("Main.n")?.as_i64();
        eventually(SOON, "ten more scans", async || {
            (a.value("Main.n")?.as_i64() > scans.map(|n| n + 10)).then_some(())
        })
        .await;
        (a.value("Main.remote")? == before).then_some(())
    };
    eventually(SOON, "no value of the peer any more", now).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_another_key_is_none_until_it_is_paired_again() {
    let mdns_port = free_port();
    let a = Site::new("LineI", mdns_port).await;
    let mut b = Site::new("LineJ", mdns_port).await;
    a.subscribe("remote", json!({"to": "Main.remote", "from": {"peer": "LineJ", "variable": "Main.n"}}))
        .await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let (_, code) = b.offer().await;
    let claim = a.claim(&b, &code).await;
    let claimed = a.paired(&claim, "Paired").await;
    a.subscribed("remote", "Fresh", "AllFresh").await;

    // Somebody sets B up anew, or has taken its address.
    b.stop().await;
    let key = b.state.path().join("state/mesh/identity.key");
    std::fs::remove_file(key).unwrap();
    b.start();
    let peer = a.sees(&b, |peer| trust(peer) == Some(Trust::KeyMismatch)).await;
    let trusted = find(&peer.status.as_ref().unwrap().conditions, "Trusted").unwrap().clone();
    assert_eq!(trusted.reason, "KeyMismatch");
    assert!(trusted.message.contains("pair again"), "{}", trusted.message);
    a.subscribed("remote", "Fresh", "Stale").await;

    a.pairings().delete(&claim, &DeleteParams::default()).await.unwrap();
    wait_gone(&a.pairings(), &claimed, SOON).await;
    let (_, code) = b.offer().await;
    let claim = a.pair("claim", json!({"claim": {"address": b.listen.to_string(), "code": code}})).await;
    a.paired(&claim, "Paired").await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Paired)).await;
    a.subscribed("remote", "Fresh", "AllFresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_changes_its_key_while_values_flow() {
    let mdns_port = free_port();
    let a = Site::new("LineK", mdns_port).await;
    let b = Site::new("LineL", mdns_port).await;
    a.subscribe("remote", json!({"to": "Main.remote", "from": {"peer": "LineL", "variable": "Main.n"}}))
        .await;
    a.sees(&b, |peer| trust(peer) == Some(Trust::Unpaired)).await;
    let (_, code) = b.offer().await;
    let claim = a.claim(&b, &code).await;
    a.paired(&claim, "Paired").await;
    let settled = async || (a.value("Main.remote")?.as_i64() > Some(200)).then_some(());
    eventually(SOON, "two hundred scans", settled).await;
    let before = a.subscribed("remote", "Fresh", "AllFresh").await;
    let mesh = b.state.path().join("state/mesh");
    std::fs::write(mesh.join("rotate"), b"").unwrap();
    let known = async || {
        let record: Value = serde_json::from_slice(&std::fs::read(mesh.join("rotation.json")).ok()?).ok()?;
        (record["acknowledged"].as_object()?.len() == 1).then_some(())
    };
    eventually(SOON, "the peer knows the new key", known).await;
    // Neither the connection nor a value was lost: it has been fresh since then.
    let after = a.subscribed("remote", "Fresh", "AllFresh").await;
    let since = |object: &MeshSubscription| {
        find(&object.status.as_ref().unwrap().conditions, "Fresh").unwrap().last_transition_time.clone()
    };
    assert_eq!(since(&before), since(&after));
    a.sees(&b, |peer| trust(peer) == Some(Trust::Paired)).await;
}
