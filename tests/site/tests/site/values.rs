use std::net::SocketAddr;
use std::sync::Arc;

use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use lineshaft_crds::condition::find;
use lineshaft_crds::mesh_subscription::Transport;
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing, PlcRuntime};
use lineshaft_mesh::identity::Identity;
use lineshaft_mesh::link::{Endpoint, Hub, Target};
use lineshaft_mesh::tls::Door;
use lineshaft_mesh::trust::{Pin, Trust};
use lineshaft_test_fixture::{eventually, wait_for};
use serde_json::{Value, json};

use crate::plant::{Cluster, SOON};

fn entry(to: &str, variable: &str) -> Value {
    json!({"to": to, "from": {"runtimeRef": {"name": "plcb"}, "variable": variable}, "timeoutMilliseconds": 1000})
}

/// Good values of `plcb` are in `plca`, and a variable that is not published is named.
async fn received(cluster: &Cluster, transport: Transport) -> MeshSubscription {
    let mut first = entry("Main.remote", "Main.n");
    first["quality"] = json!("Main.quality");
    cluster.subscribe("remote", json!([first])).await;
    let fresh = cluster.subscribed("remote", "Ready", "AllFresh").await;
    let status = fresh.status.clone().unwrap();
    assert_eq!(status.entries.map(|entries| (entries.total, entries.good)), Some((1, 1)));
    let link = &status.links[0];
    assert!(link.connected && link.publisher == "runtime/plcb", "{link:?}");
    assert_eq!(link.transport, Some(transport));

    let subscribe = json!([first, entry("Main.other", "Main.hidden"), entry("Main.small", "Main.n")]);
    cluster.patch("remote", json!({"subscribe": subscribe})).await;
    let refused = cluster.subscribed("remote", "Compatible", "NotPublished").await.status.unwrap();
    let message = &find(&refused.conditions, "Compatible").unwrap().message;
    assert!(message.contains("plcb:Main.hidden"), "{message}");
    let subscribe = json!([first, entry("Main.small", "Main.n")]);
    cluster.patch("remote", json!({"subscribe": subscribe})).await;
    let refused = cluster.subscribed("remote", "Compatible", "TypeMismatch").await.status.unwrap();
    let message = &find(&refused.conditions, "Compatible").unwrap().message;
    assert!(message.contains("DINT") && message.contains("INT"), "{message}");
    cluster.patch("remote", json!({"subscribe": [first]})).await;
    cluster.subscribed("remote", "Ready", "AllFresh").await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_of_one_cluster_exchange_values_without_a_pairing() {
    let mut cluster = Cluster::start().await;
    let (a, mut b) = (cluster.agent("edge-a").await, cluster.agent("edge-b").await);
    let plca = cluster.runtime("plca", "edge-a").await;
    cluster.runtime("plcb", "edge-b").await;
    let status = received(&cluster, Transport::Quic).await.status.unwrap();
    assert_eq!(status.targets[0].node_name, "edge-b");
    assert_eq!(status.targets[0].endpoints, [b.listen.to_string()]);
    assert_eq!(status.links[0].address.as_deref(), Some(&*b.listen.to_string()));
    a.grows(&plca, "Main.remote").await;
    a.holds(&plca, "Main.quality", |quality| quality == 0).await;
    let pairings: Api<Pairing> = Api::all(cluster.admin.clone());
    let peers: Api<MeshPeer> = Api::all(cluster.admin.clone());
    assert!(pairings.list(&ListParams::default()).await.unwrap().items.is_empty());
    assert!(peers.list(&ListParams::default()).await.unwrap().items.is_empty(), "the own site is no peer");

    strangers_get_nothing(&b.identity(), b.listen).await;

    // The publisher's agent comes back with the certificate that it has on its disk.
    b.stop().await;
    cluster.subscribed("remote", "Fresh", "Stale").await;
    a.holds(&plca, "Main.quality", |quality| quality >= 0x80).await;
    b.start();
    cluster.subscribed("remote", "Ready", "AllFresh").await;
    a.grows(&plca, "Main.remote").await;

    // Nobody needs the API server for what runs.
    cluster.server = None;
    a.grows(&plca, "Main.remote").await;
    a.grows(&plca, "Main.remote").await;
    a.holds(&plca, "Main.quality", |quality| quality == 0).await;
    // Not even an agent that starts: its site, its certificate and its runtimes are on its disk.
    b.stop().await;
    a.holds(&plca, "Main.quality", |quality| quality >= 0x80).await;
    b.start();
    a.holds(&plca, "Main.quality", |quality| quality == 0).await;
    a.grows(&plca, "Main.remote").await;
}

/// Whoever knows the publisher's key and address and trusts it, and has a key of its own making.
async fn strangers_get_nothing(publisher: &Identity, at: SocketAddr) {
    let home = tempfile::tempdir().unwrap();
    let identity = Arc::new(Identity::open(home.path()).unwrap());
    let trust = Arc::new(Trust::open(&home.path().join("trust")).unwrap().0);
    let (agent, keys) = (publisher.agent(), vec![publisher.fingerprint()]);
    trust.pin(Pin { agent, name: "edge-b".to_owned(), keys, pairing: "uid".to_owned() }).unwrap();
    let hub = Arc::new(Hub::default());
    let own = SocketAddr::from(([127, 0, 0, 1], 0));
    let site = "plant".to_owned();
    let (endpoint, _) =
        Endpoint::bind(own, identity, site, trust, Arc::new(Door::default()), hub.clone()).unwrap();
    endpoint.set_targets(vec![Target { peer: agent, addresses: vec![at] }]);
    let refused = eventually(SOON, "the refusal", async || hub.links().get(&agent)?.last_error.clone()).await;
    assert!(!hub.links()[&agent].connected && hub.links()[&agent].runtimes.is_empty(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn runtimes_of_one_agent_exchange_values_by_the_same_rules() {
    let cluster = Cluster::start().await;
    let a = cluster.agent("edge-a").await;
    let plca = cluster.runtime("plca", "edge-a").await;
    let publisher = cluster.runtime("plcb", "edge-a").await;
    let status = received(&cluster, Transport::InProcess).await.status.unwrap();
    assert_eq!(status.links[0].address, None);
    a.grows(&plca, "Main.remote").await;

    // A publisher that stops is seen to stop, one that is gone is not found.
    let stop = Patch::Merge(json!({"spec": {"run": "Paused"}}));
    cluster.api::<PlcRuntime>().patch("plcb", &PatchParams::default(), &stop).await.unwrap();
    a.holds(&plca, "Main.quality", |quality| quality >= 0x80).await;
    wait_for(&cluster.api(), "remote", SOON, |object: &MeshSubscription| {
        let status = object.status.as_ref();
        status.and_then(|status| find(&status.conditions, "Fresh")).is_some_and(|fresh| !fresh.is_true())
    })
    .await;
    let run = Patch::Merge(json!({"spec": {"run": "Running"}}));
    cluster.api::<PlcRuntime>().patch("plcb", &PatchParams::default(), &run).await.unwrap();
    cluster.subscribed("remote", "Ready", "AllFresh").await;
    assert!(a.value(&publisher, "Main.n").is_some());
    cluster.api::<PlcRuntime>().delete("plcb", &DeleteParams::default()).await.unwrap();
    let gone = cluster.subscribed("remote", "ResolvedRefs", "RuntimeNotFound").await.status.unwrap();
    let message = &find(&gone.conditions, "ResolvedRefs").unwrap().message;
    assert!(message.contains("plcb"), "{message}");
}
