//! A console on a port of its own, and objects for it to show. The tests play operator and agents: they write statuses.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::KubeConfigOptions;
use kube::{Api, Config, Resource, ResourceExt};
use lineshaft_crds::{MeshPeer, MeshSubscription, Pairing};
use lineshaft_node_agent::MeshBoard;
use lineshaft_node_agent::console::{Access, Cluster, Range, Settings, TokenHash, console};
use lineshaft_test_fixture::{ApiServer, Namespace, eventually, namespace};
use prometheus::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::http::{Answer, Request};

/// Long enough for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// How people come in.
#[derive(Clone, Copy)]
enum Entrance {
    Local,
    Token,
    Cluster,
}

/// A console and its objects.
pub(crate) struct Site {
    pub(crate) namespace: Namespace,
    pub(crate) node: String,
    pub(crate) address: SocketAddr,
    /// Of a console with a login.
    pub(crate) token: String,
    /// The one to look only.
    pub(crate) look: String,
    pub(crate) state: TempDir,
    stop: CancellationToken,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Site {
    /// For whoever is at this machine.
    pub(crate) async fn local() -> Self {
        Self::start(Entrance::Local).await
    }

    /// With a login.
    pub(crate) async fn with_login() -> Self {
        Self::start(Entrance::Token).await
    }

    /// With tokens of Kubernetes, as the agent of a cluster serves it.
    pub(crate) async fn on_cluster() -> Self {
        Self::start(Entrance::Cluster).await
    }

    async fn start(entrance: Entrance) -> Self {
        let namespace = namespace().await;
        let node = namespace.unique("edge");
        let state = tempfile::tempdir().unwrap();
        let (all, token) = TokenHash::keep(&state.path().join("token")).unwrap();
        let (look, look_token) = TokenHash::keep(&state.path().join("look-token")).unwrap();
        let client = match entrance {
            Entrance::Local | Entrance::Token => namespace.client(),
            Entrance::Cluster => namespace.agent_client(&node).await,
        };
        let access = match entrance {
            Entrance::Local => Access::Local,
            Entrance::Token => Access::Token { all, look },
            Entrance::Cluster => {
                let kubeconfig = ApiServer::shared().kubeconfig().clone();
                let options = KubeConfigOptions::default();
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
                Access::Cluster(Box::new(Cluster::new(config, client.clone())))
            }
        };
        let (_, client) = watch::channel(Some(client));
        let settings = Settings {
            node_name: node.clone(),
            client,
            range: Range::Site,
            access,
            registry: Registry::new(),
            state_dir: state.path().to_owned(),
            mesh: MeshBoard::default(),
        };
        let stop = CancellationToken::new();
        let router = console(settings, stop.clone()).unwrap();
        let listener = TcpListener::bind((IpAddr::from([127, 0, 0, 1]), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await
        });
        Self { namespace, node, address, token: token.unwrap(), look: look_token.unwrap(), state, stop }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Request::get(path).send(self.address).await
    }

    /// A form of one of its pages, as a browser sends it.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        Request::form(path, self.address, fields)
    }

    /// Waits until a page contains a text.
    pub(crate) async fn shows(&self, path: &str, text: &str) -> Answer {
        eventually(SOON, &format!("{path} shows {text}"), async || {
            let answer = self.get(path).await;
            answer.body.contains(text).then_some(answer)
        })
        .await
    }

    /// A name for an object of this test.
    pub(crate) fn name(&self, name: &str) -> String {
        self.namespace.unique(name)
    }

    /// A peer that was discovered.
    pub(crate) async fn peer(&self, name: &str, status: Value) -> MeshPeer {
        let object = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshPeer",
            "metadata": {"name": name}, "spec": {"source": "Discovered"}});
        self.make(&self.namespace.cluster_api(), object, status).await
    }

    /// An object with a status.
    pub(crate) async fn make<K>(&self, api: &Api<K>, object: Value, status: Value) -> K
    where
        K: Resource<DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned
            + serde::Serialize,
    {
        let object: K = serde_json::from_value(object).unwrap();
        let made = api.create(&PostParams::default(), &object).await.unwrap();
        self.say(api, &made.name_any(), status).await
    }

    /// Writes a status.
    pub(crate) async fn say<K>(&self, api: &Api<K>, name: &str, status: Value) -> K
    where
        K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
    {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap()
    }

    /// A subscription of a runtime of this test.
    pub(crate) async fn subscription(&self, name: &str, status: Value) -> MeshSubscription {
        let object = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "MeshSubscription",
            "metadata": {"name": name, "namespace": self.namespace.name()},
            "spec": {"runtimeRef": {"name": "plca"}, "subscribe": [
                {"to": "Status.RemoteState", "from": {"peer": "LineB", "variable": "Status.PLCState"}}]}});
        self.make(&self.namespace.api(), object, status).await
    }

    /// The pairings of this test's node.
    pub(crate) async fn pairings(&self) -> Vec<Pairing> {
        let api: Api<Pairing> = self.namespace.cluster_api();
        let all = api.list(&kube::api::ListParams::default()).await.unwrap();
        all.items.into_iter().filter(|pairing| pairing.spec.node_name == self.node).collect()
    }

    /// The one pairing of this test's node, once it is there.
    pub(crate) async fn pairing(&self) -> Pairing {
        eventually(SOON, "a pairing is made", async || self.pairings().await.pop()).await
    }

    /// A runtime with a source; nobody runs it.
    pub(crate) async fn runtime(
        &self,
        name: &str,
        source: &str,
        status: Value,
    ) -> lineshaft_crds::PlcRuntime {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.name().to_owned()),
            ..ObjectMeta::default()
        };
        let object = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": metadata,
            "spec": {"program": {"sources": [{"name": "main.st", "inline": source}]}}});
        self.make(&self.namespace.api(), object, status).await
    }
}

/// A condition as agents and the operator write it.
pub(crate) fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": "2026-11-21T08:00:00Z"})
}
