//! The agent's own `EdgeNode`: made if it is missing, its status kept true, nothing written that has not changed.

mod facts;
mod realtime;

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{Backoff, Reachability, WatchBackoff, sentence};
use lineshaft_crds::edge_node::{Fencing, NodeAddress, NodeAddressType};
use lineshaft_crds::{EdgeNode, EdgeNodeStatus};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, timeout};

pub use facts::host_name;

use crate::metrics::Metrics;
use crate::options::Options;
use facts::Facts;

/// How often the host is asked whether something changed; costs no request unless something did.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// What the log calls its watch.
const WATCH: &str = "EdgeNode";
/// Longest wait for the API server.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// Keeps the object true for as long as it is polled.
pub(crate) async fn keep(client: Client, options: Options, reachability: Reachability, metrics: Metrics) {
    let api: Api<EdgeNode> = Api::all(client);
    let guarded: Api<DeserializeGuard<EdgeNode>> = Api::all(api.clone().into_client());
    let selector = format!("metadata.name={}", options.node_name);
    let events = watcher(guarded, watcher::Config::default().fields(&selector))
        .backoff(WatchBackoff::new(&options.node_name));
    let mut events = std::pin::pin!(events);
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut backoff = Backoff::new(&options.node_name);
    let mut known = Known::Unlisted;
    loop {
        let mut retry = None;
        if let Err(error) = settle(&api, &options, &metrics, &known).await {
            if reachability.is_away() {
                tracing::debug!(node = options.node_name, error, "the EdgeNode was not written");
            } else {
                tracing::warn!(node = options.node_name, error, "the EdgeNode was not written");
            }
            retry = Some(backoff.fail());
        } else {
            backoff.succeed();
        }
        let again = async {
            match retry {
                Some(delay) => tokio::time::sleep(delay).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(event)) => {
                    // A list that begins is a question, no answer.
                    if !matches!(event, watcher::Event::Init) {
                        reachability.answered(WATCH);
                    }
                    known.see(event, &metrics);
                }
                Some(Err(error)) => {
                    reachability.failed(WATCH, &error);
                    metrics.watch_event("EdgeNode", "error");
                }
                None => return,
            },
            _ = ticks.tick() => {}
            () = again => {}
        }
    }
}

/// What the watch said of the object.
enum Known {
    /// Nothing yet.
    Unlisted,
    /// It is not there.
    Missing,
    /// It is there.
    Present(Box<EdgeNode>),
    /// It is there and cannot be read: nothing can be compared, so nothing is written.
    Unreadable,
}

impl Known {
    fn see(&mut self, event: watcher::Event<DeserializeGuard<EdgeNode>>, metrics: &Metrics) {
        use watcher::Event;
        let (type_, known) = match event {
            Event::Init => ("init", None),
            Event::InitApply(DeserializeGuard(node)) => ("list", Some(Self::read(node))),
            // Nothing came between `Init` and this.
            Event::InitDone if matches!(self, Self::Unlisted) => ("listed", Some(Self::Missing)),
            Event::InitDone => ("listed", None),
            Event::Apply(DeserializeGuard(node)) => ("apply", Some(Self::read(node))),
            Event::Delete(_) => ("delete", Some(Self::Missing)),
        };
        metrics.watch_event("EdgeNode", type_);
        if type_ == "init" {
            *self = Self::Unlisted;
        }
        if let Some(known) = known {
            *self = known;
        }
    }

    fn read(node: Result<EdgeNode, kube::core::error_boundary::InvalidObject>) -> Self {
        match node {
            Ok(node) => {
                if node.spec.fencing == Fencing::Fenced {
                    tracing::warn!("this node is declared fenced, and its agent is alive");
                }
                Self::Present(Box::new(node))
            }
            Err(error) => {
                tracing::warn!(%error, "the EdgeNode cannot be read");
                Self::Unreadable
            }
        }
    }
}

/// Makes the object, or writes its status, or finds that there is nothing to do.
async fn settle(
    api: &Api<EdgeNode>,
    options: &Options,
    metrics: &Metrics,
    known: &Known,
) -> Result<(), String> {
    let name = &options.node_name;
    let node = match known {
        Known::Unlisted | Known::Unreadable => return Ok(()),
        Known::Present(node) => (**node).clone(),
        Known::Missing => {
            // Not by POST: an API server keeps whoever creates an object of a kind that is younger than two seconds
            // waiting for two seconds more, as on every first start on one box. An apply is answered at once.
            let manager = format!("{}/edge-node", options.field_manager());
            request(api.patch(name, &PatchParams::apply(&manager), &Patch::Apply(new(name)))).await?
        }
    };
    let status = status(&facts::read(), options.mesh.listen);
    if node.status.as_ref().map(own_part).as_ref() == Some(&status) {
        return Ok(());
    }
    let body = json!({
        "apiVersion": "lineshaft.dev/v1alpha1",
        "kind": "EdgeNode",
        "metadata": {"name": name, "uid": node.uid()},
        "status": status,
    });
    let params = PatchParams::apply(&options.field_manager()).force();
    let written = request(api.patch_status(name, &params, &Patch::Apply(&body))).await;
    metrics.status_patch("EdgeNode", if written.is_ok() { "written" } else { "failed" });
    written.map(drop)
}

async fn request<T>(answer: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match timeout(REQUEST_MAX, answer).await {
        Ok(answer) => answer.map_err(|error| sentence(&error)),
        Err(_) => Err("the API server did not answer".to_owned()),
    }
}

/// Nothing of the spec: it is for people, and whoever applies a field owns it.
fn new(name: &str) -> serde_json::Value {
    let facts = facts::read();
    json!({
        "apiVersion": "lineshaft.dev/v1alpha1",
        "kind": "EdgeNode",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name,
            "kubernetes.io/arch": facts.architecture,
            "kubernetes.io/os": "linux",
        }},
        "spec": {},
    })
}

fn status(facts: &Facts, mesh: SocketAddr) -> EdgeNodeStatus {
    let mut addresses: Vec<NodeAddress> = facts
        .addresses
        .iter()
        .map(|address| NodeAddress { type_: NodeAddressType::InternalIp, address: address.to_string() })
        .collect();
    if !facts.host_name.is_empty() {
        let address = facts.host_name.clone();
        addresses.push(NodeAddress { type_: NodeAddressType::Hostname, address });
    }
    EdgeNodeStatus {
        addresses,
        mesh_endpoints: endpoints(facts, mesh).iter().map(SocketAddr::to_string).collect(),
        agent_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        operating_system: facts.operating_system.clone(),
        kernel: Some(facts.kernel.clone()),
        architecture: Some(facts.architecture.clone()),
        cores: facts.cores,
        memory_bytes: facts.memory_bytes,
        realtime: Some(realtime::abilities(facts.preemption.clone())),
        ..EdgeNodeStatus::default()
    }
}

/// Where others reach whoever listens at this address.
fn endpoints(facts: &Facts, listen: SocketAddr) -> Vec<SocketAddr> {
    if !listen.ip().is_unspecified() {
        return vec![listen];
    }
    let reached = facts.addresses.iter().filter(|address| listen.is_ipv6() || address.is_ipv4());
    reached.map(|address| SocketAddr::new(*address, listen.port())).collect()
}

/// What the agent writes; the rest is the operator's.
fn own_part(status: &EdgeNodeStatus) -> EdgeNodeStatus {
    EdgeNodeStatus { observed_generation: None, conditions: Vec::new(), ..status.clone() }
}
