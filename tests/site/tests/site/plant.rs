//! One cluster in one process: an API server of its own, the operator, and agents, each with the rights of its role.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::condition::find;
use lineshaft_crds::{MeshSubscription, PlcRuntime};
use lineshaft_mesh::identity::Identity;
use lineshaft_node_agent::{Lifeline, MeshOptions, default_exe};
use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_test_fixture::{ApiServer, eventually, wait_for};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine; a hang is found all the same.
pub(crate) const SOON: Duration = Duration::from_mins(1);
pub(crate) const NAMESPACE: &str = "default";

/// Counts its scans and shows what it receives.
const PROGRAM: &str = "\
PROGRAM Main
VAR n, hidden : DINT; remote, other : DINT; small : INT; quality : BYTE; END_VAR
n := n + 1;
END_PROGRAM
";

/// A cluster.
pub(crate) struct Cluster {
    pub(crate) server: Option<ApiServer>,
    pub(crate) admin: Client,
    shutdown: CancellationToken,
    mdns_port: u16,
}

/// An agent.
pub(crate) struct Agent {
    pub(crate) node: String,
    pub(crate) client: Client,
    pub(crate) listen: SocketAddr,
    state: TempDir,
    shutdown: CancellationToken,
    running: Option<JoinHandle<Result<(), lineshaft_node_agent::Error>>>,
    mdns_port: u16,
}

/// Free a moment ago.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let server = ApiServer::empty();
        let admin = server.client().await;
        lineshaft_operator::install::install(&admin).await.unwrap();
        let shutdown = CancellationToken::new();
        let client = server.client_as("lineshaft:operator", &["system:authenticated"]).await;
        let options = lineshaft_operator::Options::new("test");
        tokio::spawn(lineshaft_operator::run(client, options, shutdown.clone()));
        Self { server: Some(server), admin, shutdown, mdns_port: free_port() }
    }

    pub(crate) async fn agent(&self, node: &str) -> Agent {
        let groups = ["lineshaft:agents", "system:authenticated"];
        let server = self.server.as_ref().unwrap();
        let client = server.client_as(&format!("lineshaft:node:{node}"), &groups).await;
        let mut agent = Agent {
            node: node.to_owned(),
            client,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())),
            state: tempfile::tempdir().unwrap(),
            shutdown: CancellationToken::new(),
            running: None,
            mdns_port: self.mdns_port,
        };
        agent.start();
        agent
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.admin.clone(), NAMESPACE)
    }

    /// A runtime that publishes `Main.n`, on a node.
    pub(crate) async fn runtime(&self, name: &str, node: &str) -> String {
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": name},
            "spec": {
                "nodeName": node,
                "program": {"sources": [{"name": "main.st", "inline": PROGRAM}]},
                "mesh": {"publish": [{"variable": "Main.n"}]},
            },
        }))
        .unwrap();
        let created = self.api::<PlcRuntime>().create(&PostParams::default(), &object).await.unwrap();
        created.uid().unwrap()
    }

    /// `plca` receives this.
    pub(crate) async fn subscribe(&self, name: &str, entries: Value) {
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription", "metadata": {"name": name},
            "spec": {"runtimeRef": {"name": "plca"}, "subscribe": entries},
        }))
        .unwrap();
        self.api::<MeshSubscription>().create(&PostParams::default(), &object).await.unwrap();
    }

    pub(crate) async fn patch(&self, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.api::<MeshSubscription>().patch(name, &PatchParams::default(), &patch).await.unwrap();
    }

    pub(crate) async fn subscribed(&self, name: &str, type_: &str, reason: &str) -> MeshSubscription {
        wait_for(&self.api(), name, SOON, |object: &MeshSubscription| {
            let status = object.status.as_ref();
            status
                .and_then(|status| find(&status.conditions, type_))
                .is_some_and(|found| found.reason == reason)
        })
        .await
    }
}

impl Agent {
    pub(crate) fn start(&mut self) {
        let exe = default_exe().expect("cargo build -p lineshaft-plc-runtime makes lineshaft-plc");
        let state = self.state.path().join("state");
        let mut options = lineshaft_node_agent::Options::new(self.node.clone(), state, exe);
        options.lifeline = Lifeline::WithParent;
        options.mesh = MeshOptions { listen: self.listen, mdns_port: self.mdns_port, site: None };
        self.shutdown = CancellationToken::new();
        let client = std::future::ready(self.client.clone());
        self.running = Some(tokio::spawn(lineshaft_node_agent::run(client, options, self.shutdown.clone())));
    }

    pub(crate) async fn stop(&mut self) {
        self.shutdown.cancel();
        let running = self.running.take().unwrap();
        tokio::time::timeout(SOON, running).await.expect("an agent ends in time").unwrap().unwrap();
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::open(&self.state.path().join("state/mesh")).unwrap()
    }

    /// What a program has in a variable.
    pub(crate) fn value(&self, runtime: &str, path: &str) -> Option<i64> {
        let mut keeper = KeeperClient::connect(&self.state.path().join("state/plc").join(runtime)).ok()?;
        keeper.read(vec![path.to_owned()]).ok()?.values.remove(0).value.ok()?.as_i64()
    }

    /// Waits until a variable is greater than it was.
    pub(crate) async fn grows(&self, runtime: &str, path: &str) {
        let before = eventually(SOON, path, async || self.value(runtime, path)).await;
        let more = async || self.value(runtime, path).filter(|now| *now > before);
        eventually(SOON, &format!("{path} beyond {before}"), more).await;
    }

    /// Waits until a variable of the program holds.
    pub(crate) async fn holds(&self, runtime: &str, path: &str, what: impl Fn(i64) -> bool) {
        let holds = async || self.value(runtime, path).filter(|value| what(*value));
        eventually(SOON, path, holds).await;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}
