//! A namespace with an operator that has its real rights, and agents that are played by hand.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it; a helper fails a test by panicking"
)]

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use lineshaft_crds::edge_node::lease_name;
use lineshaft_crds::{EdgeNode, EdgeNodeSpec, PlcRuntime, SYSTEM_NAMESPACE, condition};
use lineshaft_operator::{Error, Options, Scope};
use lineshaft_test_fixture::{ApiServer, Namespace, eventually, namespace, wait_for};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_secs(10);
pub(crate) const GOOD: &str = "PROGRAM Main\nVAR n : INT; END_VAR\nn := n + 1;\nEND_PROGRAM\n";
pub(crate) const ALSO_GOOD: &str = "PROGRAM Main\nVAR n : INT; m : INT; END_VAR\nn := n + 2;\nEND_PROGRAM\n";
pub(crate) const BROKEN: &str = "PROGRAM Main\nVAR n : INT; END_VAR\nn := broken;\nEND_PROGRAM\n";

pub(crate) struct Plant {
    pub(crate) namespace: Namespace,
    pub(crate) options: Options,
    shutdown: CancellationToken,
    operator: Option<JoinHandle<Result<(), Error>>>,
}

/// Roles and policies are installed once a test process. The API server takes them up a moment after it stored them, so
/// this waits until the fence around a node holds.
pub(crate) async fn install() {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(|| async {
            let client = ApiServer::shared().client().await;
            lineshaft_operator::install::install(&client).await.unwrap();
            let namespace = namespace().await;
            let agent: Api<EdgeNode> = Api::all(namespace.agent_client("probe").await);
            let dry_run = PostParams { dry_run: true, ..PostParams::default() };
            let other = EdgeNode::new(&namespace.unique("other"), EdgeNodeSpec::default());
            eventually(SOON, "the fence around a node", async || {
                matches!(agent.create(&dry_run, &other).await, Err(kube::Error::Api(status)) if status.code == 422)
                    .then_some(())
            })
            .await;
        })
        .await;
}

impl Plant {
    pub(crate) async fn start() -> Self {
        let mut plant = Self::without_operator().await;
        plant.start_operator().await;
        plant
    }

    pub(crate) async fn without_operator() -> Self {
        install().await;
        let namespace = namespace().await;
        let mut options = Options::new("test");
        options.scope = Scope::Namespace(namespace.name().to_owned());
        options.node_selector = Some(namespace.label_selector());
        options.node_lease_timeout = Duration::from_secs(2);
        Self { namespace, options, shutdown: CancellationToken::new(), operator: None }
    }

    pub(crate) async fn start_operator(&mut self) {
        let client = self.namespace.operator_client().await;
        self.operator =
            Some(tokio::spawn(lineshaft_operator::run(client, self.options.clone(), self.shutdown.clone())));
    }

    pub(crate) async fn stop_operator(&mut self) {
        self.shutdown.cancel();
        if let Some(operator) = self.operator.take() {
            tokio::time::timeout(SOON, operator).await.unwrap().unwrap().unwrap();
        }
    }

    pub(crate) fn plcs(&self) -> Api<PlcRuntime> {
        self.namespace.api()
    }

    pub(crate) fn nodes(&self) -> Api<EdgeNode> {
        self.namespace.cluster_api()
    }

    /// Creates an `EdgeNode` and its Lease as the node's agent does, and waits until it is ready.
    pub(crate) async fn join(&self, name: &str) -> Agent {
        let agent = self.join_unready(name).await;
        agent.renew().await;
        wait_for(&self.nodes(), &agent.node, SOON, |node| {
            node.status.as_ref().is_some_and(|status| condition::is_true(&status.conditions, "Ready"))
        })
        .await;
        agent
    }

    pub(crate) async fn join_unready(&self, name: &str) -> Agent {
        let node = self.namespace.unique(name);
        let client = self.namespace.agent_client(&node).await;
        let mut labels = self.namespace.labels();
        labels.insert("line".into(), name.into());
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode",
            "metadata": {"name": node, "labels": labels}, "spec": {}
        }));
        // Labels are given by people, not by agents.
        self.nodes().create(&PostParams::default(), &object.unwrap()).await.unwrap();
        Agent { node, client, namespace: self.namespace.name().to_owned() }
    }

    pub(crate) async fn create(&self, name: &str, spec: Value) -> PlcRuntime {
        let plc = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": name}, "spec": spec
        }));
        self.plcs().create(&PostParams::default(), &plc.unwrap()).await.unwrap()
    }

    pub(crate) async fn patch(&self, name: &str, patch: Value) -> PlcRuntime {
        self.plcs().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    pub(crate) async fn set_source(&self, config_map: &str, text: &str) {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": config_map}, "data": {"main.st": text}
        });
        self.namespace
            .api::<ConfigMap>()
            .patch(config_map, &PatchParams::apply("test").force(), &Patch::Apply(map))
            .await
            .unwrap();
    }

    /// Waits until a condition has a status and a reason.
    pub(crate) async fn until(&self, name: &str, type_: &str, status: &str, reason: &str) -> PlcRuntime {
        wait_for(&self.plcs(), name, SOON, |plc| has(plc, type_, status, reason)).await
    }

    /// `REASON: NOTE` of every event of an object, in their order.
    pub(crate) async fn story(&self, name: &str) -> Vec<String> {
        let mut events = self.namespace.api::<Event>().list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone());
        events
            .into_iter()
            .filter(|event| event.regarding.as_ref().is_some_and(|of| of.name.as_deref() == Some(name)))
            .map(|event| format!("{}: {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
            .collect()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

pub(crate) fn inline(text: &str) -> Value {
    json!({"program": {"sources": [{"name": "main.st", "inline": text}]}})
}

pub(crate) fn from_config_map(name: &str) -> Value {
    json!({"program": {"sources": [{"configMap": {"name": name}}]}})
}

pub(crate) fn has(plc: &PlcRuntime, type_: &str, status: &str, reason: &str) -> bool {
    let conditions = plc.status.as_ref().map_or(&[][..], |status| &status.conditions);
    condition::find(conditions, type_)
        .is_some_and(|found| format!("{:?}", found.status) == status && found.reason == reason)
}

pub(crate) fn bound_to(plc: &PlcRuntime) -> Option<&str> {
    plc.status.as_ref()?.node_name.as_deref()
}

/// An agent that does what the test says, with an agent's rights.
pub(crate) struct Agent {
    pub(crate) node: String,
    pub(crate) client: Client,
    namespace: String,
}

impl Agent {
    pub(crate) fn plcs(&self) -> Api<PlcRuntime> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) async fn renew(&self) {
        let name = lease_name(&self.node);
        self.try_renew(&name).await.unwrap();
    }

    pub(crate) async fn try_renew(&self, name: &str) -> Result<Lease, kube::Error> {
        // A Lease's times are fractions of a second in six digits.
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
            "spec": {"holderIdentity": self.node, "leaseDurationSeconds": 40, "renewTime": now}
        });
        Api::<Lease>::namespaced(self.client.clone(), SYSTEM_NAMESPACE)
            .patch(name, &PatchParams::apply("lineshaft-agent/lease").force(), &Patch::Apply(lease))
            .await
    }

    pub(crate) async fn try_report(&self, plc: &str, status: Value) -> Result<PlcRuntime, kube::Error> {
        let report = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": plc}, "status": status
        });
        let params = PatchParams::apply("lineshaft-agent/status").force();
        self.plcs().patch_status(plc, &params, &Patch::Apply(report)).await
    }

    /// Reports that the accepted program runs.
    pub(crate) async fn run(&self, plc: &str) {
        let object = self.plcs().get(plc).await.unwrap();
        let generation = object.metadata.generation;
        let hash = object.status.unwrap().accepted.unwrap().sources_hash;
        let condition = |type_: &str| {
            json!({"type": type_, "status": "True", "reason": "Running", "message": "",
                "lastTransitionTime": "2026-11-21T08:00:00Z", "observedGeneration": generation})
        };
        let status = json!({
            "holder": self.node,
            "program": {"hash": hash, "version": lineshaft_crds::short_version(&hash)},
            "conditions": [condition("ProgramLoaded"), condition("Running")]
        });
        self.try_report(plc, status).await.unwrap();
    }

    /// Reports that all outputs are safe and nothing runs.
    pub(crate) async fn let_go(&self, plc: &str) {
        self.try_report(plc, json!({})).await.unwrap();
    }

    pub(crate) async fn try_set_finalizers(
        &self,
        plc: &str,
        finalizers: Value,
    ) -> Result<PlcRuntime, kube::Error> {
        let patch = json!({"metadata": {"finalizers": finalizers}});
        self.plcs().patch(plc, &PatchParams::default(), &Patch::Merge(patch)).await
    }
}

/// The code of the API server's refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> (u16, String) {
    match result {
        Err(kube::Error::Api(status)) => (status.code, status.message),
        other => unreachable!("expected a refusal, got {other:?}"),
    }
}
