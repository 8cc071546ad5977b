//! `lineshaft peers`, `pair` and `mesh` on a real API server; the agent is played by the test.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{Done, Running, command};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use lineshaft_crds::{EdgeNode, MeshPeer, MeshSubscription, Pairing};
use lineshaft_mesh::pairing::Code;
use lineshaft_test_fixture::{Namespace, eventually, namespace};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

const SOON: Duration = Duration::from_secs(20);
const ID: &str = "0c9e1c2a-0000-4000-8000-000000000001";

struct Plant {
    namespace: Namespace,
    kubeconfig: PathBuf,
}

/// Peers, nodes and pairings are of the whole cluster: names are made unique, and there is one node.
async fn plant() -> Plant {
    static NODE: OnceCell<()> = OnceCell::const_new();
    let namespace = namespace().await;
    NODE.get_or_init(async || {
        let node = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode",
            "metadata": {"name": "box"}, "spec": {}});
        let nodes = namespace.cluster_api::<EdgeNode>();
        nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    })
    .await;
    let kubeconfig = namespace.admin_kubeconfig();
    Plant { namespace, kubeconfig }
}

impl Plant {
    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = command(arguments, self.kubeconfig.parent().unwrap());
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// Runs the program while the test goes on.
    fn start(&self, arguments: &[&str]) -> tokio::task::JoinHandle<Done> {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || {
            let output = command.output().unwrap();
            Done {
                code: output.status.code().unwrap(),
                stdout: String::from_utf8(output.stdout).unwrap(),
                stderr: String::from_utf8(output.stderr).unwrap(),
            }
        })
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        tokio::time::timeout(SOON, self.start(arguments)).await.unwrap().unwrap()
    }

    async fn peer(&self, name: &str, service: &str) -> String {
        let name = self.namespace.unique(name);
        let peers = self.namespace.cluster_api::<MeshPeer>();
        let peer = MeshPeer::new(&name, serde_json::from_value(json!({"source": "Discovered"})).unwrap());
        peers.create(&PostParams::default(), &peer).await.unwrap();
        let status = json!({"serviceName": service, "trust": "Unpaired", "publishedVariables": 1,
            "observers": [{"nodeName": "box", "addresses": ["10.9.0.2:5210"]}],
            "conditions": [condition("Ready", "False", "NotPaired", "pair them")]});
        report(&peers, &name, status).await;
        name
    }

    /// The pairing that the program just made: the one that fits.
    async fn made(&self, fits: impl Fn(&Pairing) -> bool) -> Pairing {
        let pairings = self.namespace.cluster_api::<Pairing>();
        eventually(SOON, "a pairing", async || {
            let all = pairings.list(&ListParams::default()).await.unwrap().items;
            all.into_iter().find(|one| one.status.is_none() && fits(one))
        })
        .await
    }

    async fn says(&self, pairing: &Pairing, status: Value) {
        report(&self.namespace.cluster_api::<Pairing>(), &pairing.name_any(), status).await;
    }
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T08:00:00Z"})
}

async fn report<K>(api: &Api<K>, name: &str, status: Value)
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + Serialize + DeserializeOwned,
{
    let object = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": {"name": name}, "status": status});
    api.patch_status(name, &PatchParams::apply("agent").force(), &Patch::Apply(object)).await.unwrap();
}

/// A code with the check digit that fits, and one with another.
fn codes() -> (String, String) {
    let fits = |digit: &u8| format!("4821-773{digit}").parse::<Code>().is_ok();
    let good = (0..10).find(fits).unwrap();
    (format!("4821-773{good}"), format!("4821-773{}", (good + 1) % 10))
}

fn paired() -> Value {
    json!({
        "peer": {"agentID": ID, "name": "box-b", "runtimes": ["LineB"],
            "fingerprint": format!("sha256:{}", "9f".repeat(32))},
        "conditions": [condition("Approved", "True", "Approved", ""), condition("Paired", "True", "Paired", "")]
    })
}

#[tokio::test]
async fn peers_are_listed_with_trust_and_address() {
    let plant = plant().await;
    let service = plant.namespace.unique("LineB");
    let name = plant.peer("lineb", &service).await;
    let done = plant.run(&["peers"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let line = done.stdout.lines().find(|line| line.contains(&name)).unwrap();
    let cells: Vec<&str> = line.split_whitespace().collect();
    let expected = [&service, &name, "Unpaired", "10.9.0.2:5210", "1", "False", "NotPaired"];
    assert_eq!(cells, expected, "{done:?}");
    assert!(done.stdout.starts_with("SERVICE "), "{done:?}");
}

#[tokio::test]
async fn an_offer_shows_its_code_and_waits() {
    let plant = plant().await;
    let running = plant.start(&["pair", "offer", "--wait", "--ttl", "61"]);
    let pairing = plant.made(|one| one.spec.offer.is_some_and(|offer| offer.ttl_seconds == 61)).await;
    assert_eq!(pairing.spec.node_name, "box");
    let (code, _) = codes();
    let open = json!({"code": code, "expiresAt": "2026-11-21T08:05:00Z",
        "conditions": [condition("Paired", "False", "AwaitingClaim", "")]});
    plant.says(&pairing, open).await;
    plant.says(&pairing, paired()).await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout
            .ends_with(&format!("paired with box-b, with LineB: Pairing {}, Paired\n", pairing.name_any())),
        "{done:?}"
    );
}

#[tokio::test]
async fn an_offer_without_wait_ends_with_the_code() {
    let plant = plant().await;
    let running = plant.start(&["pair", "offer", "--ttl", "62"]);
    let pairing = plant.made(|one| one.spec.offer.is_some_and(|offer| offer.ttl_seconds == 62)).await;
    let (code, _) = codes();
    plant.says(&pairing, json!({"code": code, "expiresAt": "2026-11-21T08:05:00Z"})).await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!((done.code, done.stdout.as_str()), (0, format!("{code}\n").as_str()), "{done:?}");
    assert!(
        done.stderr.contains(&format!("until 2026-11-21T08:05:00Z: lineshaft pair claim PEER {code}")),
        "{done:?}"
    );
    let listed = plant.run(&["pair", "list"]).await.stdout;
    assert!(listed.contains(&pairing.name_any()), "{listed}");
}

#[tokio::test]
async fn an_offer_that_ends_says_why() {
    let plant = plant().await;
    let running = plant.start(&["pair", "offer", "--wait", "--ttl", "63"]);
    let pairing = plant.made(|one| one.spec.offer.is_some_and(|offer| offer.ttl_seconds == 63)).await;
    let ended = json!({"conditions": [condition("Paired", "False", "TooManyAttempts", "from 10.9.0.66")]});
    plant.says(&pairing, ended).await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains(": TooManyAttempts: from 10.9.0.66"), "{done:?}");
}

#[tokio::test]
async fn a_claim_names_its_peer_and_ends_with_the_answer() {
    let plant = plant().await;
    let service = plant.namespace.unique("LineB");
    let name = plant.peer("lineb", &service).await;
    let (code, wrong) = codes();
    let running = plant.start(&["pair", "claim", &service.to_lowercase(), &code.replace('-', "")]);
    let of_peer = |one: &Pairing| {
        let claim = one.spec.claim.as_ref();
        claim.and_then(|claim| claim.peer_ref.as_ref()).is_some_and(|peer| peer.name == name)
    };
    let pairing = plant.made(of_peer).await;
    assert_eq!(pairing.spec.claim.as_ref().unwrap().code, code);
    plant.says(&pairing, json!({"conditions": [condition("Paired", "False", "Claiming", "")]})).await;
    plant.says(&pairing, paired()).await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(done.code == 0 && done.stdout.starts_with("paired with box-b"), "{done:?}");

    let running = plant.start(&["pair", "claim", &name, &code]);
    let pairing = plant.made(of_peer).await;
    plant
        .says(&pairing, json!({"conditions": [condition("Paired", "False", "WrongCode", "look again")]}))
        .await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(done.code == 1 && done.stderr.contains("WrongCode: look again"), "{done:?}");

    let done = plant.run(&["pair", "claim", &service, &wrong]).await;
    assert!(done.code == 2 && done.stderr.contains("the check digit does not fit"), "{done:?}");
    let done = plant.run(&["pair", "claim", &format!("{service}x"), &code]).await;
    assert!(done.code == 1 && done.stderr.contains(&format!("did you mean {service:?}?")), "{done:?}");
    let other = plant.peer("posing", &service).await;
    let done = plant.run(&["pair", "claim", &service, &code]).await;
    assert!(done.code == 1 && done.stderr.contains(&format!("name the object: {name}, {other}")), "{done:?}");
}

#[tokio::test]
async fn a_claim_that_takes_too_long_says_how_far_it_is() {
    let plant = plant().await;
    let (code, _) = codes();
    let running = plant.start(&["pair", "claim", "10.9.0.77:5210", &code, "--timeout", "6"]);
    let claimed = |one: &Pairing| {
        one.spec.claim.as_ref().is_some_and(|claim| claim.address.as_deref() == Some("10.9.0.77:5210"))
    };
    let pairing = plant.made(claimed).await;
    let status = json!({"conditions": [condition("Paired", "False", "PeerUnreachable", "no answer")]});
    plant.says(&pairing, status).await;
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert!(done.code == 1 && done.stderr.contains("PeerUnreachable: no answer"), "{done:?}");
}

#[tokio::test]
async fn revoking_waits_for_the_agent() {
    let plant = plant().await;
    let name = plant.namespace.unique("offer");
    let pairings = plant.namespace.cluster_api::<Pairing>();
    let spec = serde_json::from_value(json!({"nodeName": "box", "offer": {}})).unwrap();
    let mut pairing = Pairing::new(&name, spec);
    pairing.metadata.finalizers = Some(vec![lineshaft_crds::pairing::FINALIZER.to_owned()]);
    pairings.create(&PostParams::default(), &pairing).await.unwrap();
    let running = plant.start(&["pair", "revoke", &name]);
    eventually(SOON, "the mark", async || pairings.get(&name).await.unwrap().metadata.deletion_timestamp)
        .await;
    assert!(!running.is_finished());
    let released = Patch::Merge(json!({"metadata": {"finalizers": []}}));
    pairings.patch(&name, &PatchParams::default(), &released).await.unwrap();
    let done = tokio::time::timeout(SOON, running).await.unwrap().unwrap();
    assert_eq!((done.code, done.stdout), (0, format!("revoked {name}\n")));
    let done = plant.run(&["pair", "revoke", &name]).await;
    assert!(done.code == 1 && done.stderr.contains("there is no Pairing"), "{done:?}");
}

#[tokio::test]
async fn subscribing_makes_an_object_and_adds_to_it() {
    let plant = plant().await;
    let namespace = plant.namespace.name();
    let subscribe = async |mapping: &str| {
        let done = plant.run(&["mesh", "subscribe", "plca", mapping, "--namespace", namespace]).await;
        assert_eq!(done.code, 0, "{done:?}");
        done.stdout
    };
    let first = r#""LineB:Status.PLCState" = "Local.Status.RemoteState""#;
    assert_eq!(subscribe(first).await, "meshsubscription/plca-remote created\n");
    assert_eq!(subscribe(first).await, "meshsubscription/plca-remote unchanged\n");
    let api = plant.namespace.api::<MeshSubscription>();
    let tuned = json!({"spec": {"subscribe": [{"to": "Status.RemoteState", "timeoutMilliseconds": 300,
        "from": {"peer": "LineB", "variable": "Status.PLCState"}}]}});
    api.patch("plca-remote", &PatchParams::default(), &Patch::Merge(tuned)).await.unwrap();
    assert_eq!(
        subscribe("LineC:A.b = status.remotestate").await,
        "meshsubscription/plca-remote configured\n"
    );
    assert_eq!(subscribe("LineB:A.c = Other.c").await, "meshsubscription/plca-remote configured\n");
    let entries = api.get("plca-remote").await.unwrap().spec.subscribe;
    let said: Vec<_> = entries
        .iter()
        .map(|entry| (entry.to.as_str(), entry.from.peer.as_deref().unwrap(), entry.timeout_milliseconds))
        .collect();
    assert_eq!(said, [("Status.RemoteState", "LineC", Some(300)), ("Other.c", "LineB", None)]);
    let done = plant.run(&["mesh", "subscribe", "plca", "A.b = C.d", "-n", namespace]).await;
    assert!(done.code == 2 && done.stderr.contains("\"A.b\" names no peer"), "{done:?}");
    let done = plant.run(&["mesh", "subscribe", "plca", "LineB:1 = C.d", "-n", namespace]).await;
    assert!(done.code == 1 && done.stderr.contains("cannot write the subscription"), "{done:?}");
}

fn linked(good: i32, fresh: &str) -> Value {
    json!({
        "entries": {"total": 1, "good": good, "uncertain": 0, "bad": 1 - good},
        "links": [{"publisher": "LineB", "address": "10.9.0.2:5210", "transport": "Quic", "connected": true,
            "staleness": fresh, "rttMicroseconds": 210, "messagesPerSecond": 10, "messagesLost": 3}],
        "conditions": [condition("Ready", if good == 1 { "True" } else { "False" },
            if good == 1 { "AllFresh" } else { "Stale" }, "")]
    })
}

#[tokio::test]
async fn links_are_listed_and_followed() {
    let plant = plant().await;
    let namespace = plant.namespace.name();
    let done = plant.run(&["mesh", "links", "-n", namespace]).await;
    assert!(done.code == 0 && done.stderr.contains("no subscriptions"), "{done:?}");
    let mapping = "LineB:Status.PLCState = Status.RemoteState";
    plant.run(&["mesh", "subscribe", "plca", mapping, "-n", namespace]).await;
    let api = plant.namespace.api::<MeshSubscription>();
    report(&api, "plca-remote", linked(1, "Fresh")).await;
    let done = plant.run(&["mesh", "links", "-n", namespace]).await;
    let cells: Vec<&str> = done.stdout.lines().nth(1).unwrap().split_whitespace().collect();
    let expected = [
        "plca-remote",
        "plca",
        "LineB",
        "10.9.0.2:5210",
        "true",
        "Fresh",
        "1/1",
        "210µs",
        "10/s",
        "3",
        "AllFresh",
    ];
    assert_eq!(cells, expected);
    let all = plant.run(&["mesh", "links", "--all-namespaces"]).await;
    assert!(all.stdout.contains("plca-remote"), "{all:?}");

    let mut command = plant.command(&["mesh", "watch", "-n", namespace]);
    command.stderr(Stdio::null());
    let mut watch = Running::start(command);
    let mut watch = tokio::task::spawn_blocking(move || {
        watch.wait_line("plca-remote: LineB connected, Fresh, 1/1 good");
        watch.wait_line("plca-remote: Ready=True AllFresh");
        watch
    })
    .await
    .unwrap();
    report(&api, "plca-remote", linked(0, "Stale")).await;
    let mut watch = tokio::task::spawn_blocking(move || {
        watch.wait_line("plca-remote: LineB connected, Stale, 0/1 good");
        watch.wait_line("plca-remote: Ready=False Stale");
        watch
    })
    .await
    .unwrap();
    api.delete("plca-remote", &DeleteParams::default()).await.unwrap();
    tokio::task::spawn_blocking(move || watch.wait_line("plca-remote: deleted")).await.unwrap();
}

#[tokio::test]
async fn kubectl_runs_it_as_a_plugin() {
    let built = Path::new(env!("CARGO_BIN_EXE_lineshaft")).parent().unwrap().join("../go/kubectl");
    let kubectl = std::env::var_os("LINESHAFT_KUBECTL").map_or(built, PathBuf::from);
    let plant = plant().await;
    let service = plant.namespace.unique("LineB");
    plant.peer("lineb", &service).await;
    let path = plant.kubeconfig.parent().unwrap().to_owned();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lineshaft"), path.join("kubectl-lineshaft")).unwrap();
    let output = |arguments: &[&str]| {
        let mut command = std::process::Command::new(&kubectl);
        command.args(arguments).env("KUBECONFIG", &plant.kubeconfig).env("PATH", &path).output().unwrap()
    };
    let listed = String::from_utf8(output(&["lineshaft", "peers"]).stdout).unwrap();
    assert!(listed.contains(&service), "{listed}");
    let help = String::from_utf8(output(&["lineshaft", "pair", "--help"]).stdout).unwrap();
    assert!(help.contains("Usage: kubectl lineshaft pair"), "{help}");
}

#[tokio::test]
async fn what_is_wrong_with_the_server_is_one_line() {
    let plant = plant().await;
    let mut command = plant.command(&["peers"]);
    let output = command.env("KUBECONFIG", "/nowhere/kubeconfig").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && said.starts_with("error: cannot use the kubeconfig: "),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let done = plant.run(&["peers", "--kubeconfig", "missing"]).await;
    assert!(done.code == 1 && done.stderr.starts_with("error: cannot use the kubeconfig: "), "{done:?}");
}
