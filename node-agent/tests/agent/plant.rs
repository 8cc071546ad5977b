//! A small plant for a test: a field device, a namespace, and an agent on a directory of its own.
//!
//! The test plays the operator: it binds objects and says what it accepted.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::events::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::condition::find;
use lineshaft_crds::{PlcRuntime, program_hash};
use lineshaft_fieldbus::modbus::{Server, Table, Tables};
use lineshaft_node_agent::{Error, Lifeline, Options, Scope, default_exe, run};
use lineshaft_plc_runtime::client::KeeperClient;
use lineshaft_plc_runtime::protocol::Status;
use lineshaft_test_fixture::{Namespace, eventually, namespace, wait_for};
use prometheus::{Encoder, Registry, TextEncoder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for a busy machine; a hang is found all the same.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Name of the runtime.
pub(crate) const NAME: &str = "filler";
/// The value that the device's register must have whenever the program does not run.
pub(crate) const SAFE: u16 = 99;
/// Registers and coils as the manifest maps them.
const BEATS: u16 = 0;
const RESULT: u16 = 1;

/// Counts its scans; counts up to 7 and shows that.
pub(crate) const COUNTS_TO_SEVEN: &str = "\
PROGRAM Main
VAR
    count : INT;
    beats AT %QW2 : UINT;
    result AT %QW3 : INT;
    valve AT %QX0.0 : BOOL;
END_VAR
beats := beats + UINT#1;
IF count < 7 THEN count := count + 1; END_IF;
result := count;
valve := TRUE;
END_PROGRAM
";

/// The same variables, shown tenfold: 70 only if the count was kept.
pub(crate) fn shows_tenfold() -> String {
    COUNTS_TO_SEVEN
        .replace("IF count < 7 THEN count := count + 1; END_IF;\nresult := count;", "result := count * 10;")
}

/// Everything that a test needs; gone with it.
pub(crate) struct Plant {
    pub(crate) namespace: Namespace,
    pub(crate) node: String,
    pub(crate) registry: Registry,
    state: TempDir,
    tables: Arc<Tables>,
    server: Option<Server>,
    device: SocketAddr,
    agent: Option<(CancellationToken, JoinHandle<Result<(), Error>>)>,
}

impl Plant {
    pub(crate) async fn new() -> Self {
        // Only the first of several tests can set it; the output of a test that fails shows what the agent did.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter("lineshaft_node_agent=debug")
            .try_init();
        let namespace = namespace().await;
        let node = namespace.unique("edge");
        let tables = Arc::new(Tables::new(1, 64));
        let server = Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), tables.clone()).unwrap();
        let device = server.addr();
        let state = tempfile::tempdir().unwrap();
        let registry = Registry::new();
        Self { namespace, node, registry, state, tables, server: Some(server), device, agent: None }
    }

    pub(crate) fn options(&self, lifeline: Lifeline) -> Options {
        let exe = default_exe().expect("cargo build -p lineshaft-plc-runtime makes lineshaft-plc");
        let mut options = Options::new(self.node.clone(), self.state.path().join("state"), exe);
        options.lifeline = lifeline;
        options.registry = self.registry.clone();
        options.scope = Scope::Namespace(self.namespace.name().to_owned());
        self.namespace.name().clone_into(&mut options.lease_namespace);
        options.safe_deadline = Duration::from_secs(2);
        options
    }

    pub(crate) fn start_agent(&mut self, lifeline: Lifeline) {
        let client = self.namespace.client();
        self.start_agent_with(std::future::ready(client), lifeline);
    }

    /// An agent whose API server may come later.
    pub(crate) fn start_agent_with(
        &mut self,
        client: impl Future<Output = Client> + Send + 'static,
        lifeline: Lifeline,
    ) {
        // A registry is for one agent's life.
        self.registry = Registry::new();
        let options = self.options(lifeline);
        let shutdown = CancellationToken::new();
        let agent = tokio::spawn(run(client, options, shutdown.clone()));
        self.agent = Some((shutdown, agent));
    }

    pub(crate) async fn stop_agent(&mut self) -> Result<(), Error> {
        let (shutdown, agent) = self.agent.take().expect("the agent was started");
        shutdown.cancel();
        tokio::time::timeout(SOON, agent)
            .await
            .expect("an agent ends in time")
            .expect("an agent never panics")
    }

    pub(crate) fn runtimes(&self) -> Api<PlcRuntime> {
        self.namespace.api()
    }

    /// The object with this source, not bound yet.
    pub(crate) async fn create(&self, source: &str) -> PlcRuntime {
        let object = serde_json::from_value(json!({
            "apiVersion": "lineshaft.dev/v1alpha1",
            "kind": "PlcRuntime",
            "metadata": {"name": NAME, "namespace": self.namespace.name()},
            "spec": self.spec(source),
        }))
        .unwrap();
        self.runtimes().create(&PostParams::default(), &object).await.unwrap()
    }

    fn spec(&self, source: &str) -> Value {
        json!({
            "program": {"sources": [{"name": "main.st", "inline": source}]},
            "io": {
                "drivers": [{"name": "press", "modbusMaster": {
                    "tcp": {"endpoint": self.device.to_string()},
                    "timeoutMilliseconds": 500,
                    "maps": [
                        {"area": "Holding", "start": 0, "count": 2, "address": "%QW2", "pollMilliseconds": 20},
                        {"area": "Coil", "start": 0, "count": 8, "address": "%QX0.0", "pollMilliseconds": 20},
                    ],
                }}],
                "safeState": [{"address": "%QW3", "value": SAFE.to_string()}],
            },
        })
    }

    /// Binds it to this plant's node and accepts what it says, as the operator does.
    pub(crate) async fn accept(&self, object: &PlcRuntime) {
        let sources = &object.spec.program.sources;
        let pairs = sources.iter().map(|source| {
            (source.name.as_deref().unwrap_or_default(), source.inline.as_deref().unwrap_or_default())
        });
        self.accept_hash(object, &program_hash(pairs)).await;
    }

    pub(crate) async fn accept_hash(&self, object: &PlcRuntime, hash: &str) {
        let generation = object.metadata.generation;
        self.operator_says(&json!({
            "observedGeneration": generation,
            "nodeName": self.node,
            "accepted": {"generation": generation, "sourcesHash": hash},
        }))
        .await;
    }

    /// The operator's part of the status, whole.
    pub(crate) async fn operator_says(&self, status: &Value) {
        let body = json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": NAME}, "status": status});
        let params = PatchParams::apply("test-operator").force();
        self.runtimes().patch_status(NAME, &params, &Patch::Apply(&body)).await.unwrap();
    }

    /// Changes the source; accepts nothing.
    pub(crate) async fn change(&self, source: &str) -> PlcRuntime {
        self.merge(&json!({"spec": self.spec(source)})).await
    }

    pub(crate) async fn merge(&self, patch: &Value) -> PlcRuntime {
        self.runtimes().patch(NAME, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// An accepted program that runs.
    pub(crate) async fn running(&mut self, lifeline: Lifeline) -> PlcRuntime {
        self.start_agent(lifeline);
        let object = self.create(COUNTS_TO_SEVEN).await;
        self.accept(&object).await;
        self.device_shows("the count", |plant| plant.result() == 7 && plant.valve()).await;
        self.condition("Running", "True", "Scanning").await
    }

    pub(crate) async fn delete(&self) {
        self.runtimes().delete(NAME, &DeleteParams::default()).await.unwrap();
    }

    /// Waits for a condition with this status and reason.
    pub(crate) async fn condition(&self, type_: &str, status: &str, reason: &str) -> PlcRuntime {
        wait_for(&self.runtimes(), NAME, SOON, |object| {
            let conditions = object.status.as_ref().map(|status| status.conditions.as_slice());
            find(conditions.unwrap_or_default(), type_).is_some_and(|condition| {
                format!("{:?}", condition.status) == status && condition.reason == reason
            })
        })
        .await
    }

    /// Waits for an event with this reason and gives its note.
    pub(crate) async fn event(&self, reason: &str) -> String {
        let events: Api<Event> = self.namespace.api();
        eventually(SOON, &format!("event {reason}"), async || {
            let list = events.list(&ListParams::default()).await.unwrap();
            let event = list.items.into_iter().find(|event| event.reason.as_deref() == Some(reason))?;
            assert_eq!(event.reporting_controller.as_deref(), Some("lineshaft-agent"));
            Some(event.note.unwrap_or_default())
        })
        .await
    }

    pub(crate) async fn device_shows(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        eventually(SOON, &format!("the device shows {what}"), async || holds(self).then_some(())).await;
    }

    /// What the program showed last.
    pub(crate) fn result(&self) -> u16 {
        self.tables.get(Table::HoldingRegisters, RESULT, 1)[0]
    }

    /// How many scans the program has done.
    pub(crate) fn beats(&self) -> u16 {
        self.tables.get(Table::HoldingRegisters, BEATS, 1)[0]
    }

    pub(crate) fn valve(&self) -> bool {
        self.tables.get(Table::Coils, 0, 1)[0] == 1
    }

    pub(crate) fn is_safe(&self) -> bool {
        self.result() == SAFE && self.beats() == 0 && !self.valve()
    }

    /// Nothing answers at the device's address any more.
    pub(crate) fn device_vanishes(&mut self) {
        self.server.take().expect("the device is there").stop();
    }

    pub(crate) async fn device_returns(&mut self) {
        let (device, tables) = (self.device, &self.tables);
        let server = eventually(SOON, "the device's port is free again", async || {
            Server::start(device, tables.clone()).ok()
        });
        self.server = Some(server.await);
    }

    pub(crate) fn keeper_directory(&self, object: &PlcRuntime) -> PathBuf {
        self.state.path().join("state/plc").join(object.uid().unwrap())
    }

    pub(crate) fn keeper_status(&self, object: &PlcRuntime) -> Option<Status> {
        KeeperClient::connect(&self.keeper_directory(object)).ok()?.status().ok()
    }

    pub(crate) fn metrics(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }
}

impl Drop for Plant {
    fn drop(&mut self) {
        // The agent first, or it would start again what is ended below.
        if let Some((shutdown, agent)) = self.agent.take() {
            shutdown.cancel();
            tokio::task::block_in_place(|| {
                let _ = tokio::runtime::Handle::current().block_on(tokio::time::timeout(SOON, agent));
            });
        }
        // Independent keepers outlive their agent on purpose, not their test.
        let Ok(directories) = std::fs::read_dir(self.state.path().join("state/plc")) else { return };
        for directory in directories.flatten() {
            if let Ok(mut keeper) = KeeperClient::connect(&directory.path()) {
                let _ = keeper.shutdown(Duration::ZERO);
            }
        }
    }
}
