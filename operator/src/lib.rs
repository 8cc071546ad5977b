//! The operator: judges manifests, compiles programs as a check, binds them to nodes, sums up their state.
//!
//! It starts no process, opens no device, and stands on no data path: a node goes on without it. Start reading at
//! [`run`], then at `plc_runtime`, whose modules are the five steps of a reconciliation.

mod apply;
mod backoff;
mod controller;
mod crd_gate;
mod edge_node;
pub mod install;
mod leadership;
pub mod mesh;
mod metrics;
mod options;
mod plc_runtime;
mod readiness;
mod story;
mod watches;

use std::sync::Arc;

use kube::Client;
use kube_lease_manager::LeaseManagerError;
use tokio_util::sync::CancellationToken;

pub use options::{Options, Scope};
pub use plc_runtime::validate::{Judgement, Refusal, compiled, judge};
pub use readiness::{Readiness, router};

use metrics::Metrics;

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server does not accept who we are.
    #[error("the API server refuses the operator's credentials")]
    Refused(#[source] Box<kube::Error>),
    /// Another replica acts now. This one must end: it may be about to write what it decided before.
    #[error("another replica holds the Lease now")]
    LeadershipLost,
    /// The Lease cannot be used.
    #[error("cannot use the Lease of the operator")]
    Lease(#[from] Box<LeaseManagerError>),
    /// A metric of the same name exists: two operators in one process need two registries.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}

/// Runs the operator until `shutdown`, or until it must not go on.
pub async fn run(client: Client, options: Options, shutdown: CancellationToken) -> Result<(), Error> {
    let metrics = Metrics::register(&options.registry)?;
    let work = async {
        crd_gate::wait_for_kinds(&client, &options.readiness, &metrics).await?;
        if !options.leader_election {
            metrics.leader.set(1);
            Box::pin(control(&client, &options, &metrics)).await;
            return Ok(());
        }
        options.readiness.replace([]);
        let mut leadership = leadership::Leadership::acquire(client.clone(), &options).await?;
        metrics.leader.set(1);
        tokio::select! {
            () = Box::pin(control(&client, &options, &metrics)) => Ok(()),
            () = leadership.lost() => {
                metrics.leader.set(0);
                Err(Error::LeadershipLost)
            }
            () = shutdown.cancelled() => {
                leadership.release().await;
                Ok(())
            }
        }
    };
    // Dropping the work is a clean end: every write is one request, and every decision is made again from the state.
    tokio::select! {
        result = work => result,
        () = shutdown.cancelled(), if !options.leader_election => Ok(()),
    }
}

/// All watches and controllers. Ends only by being dropped.
async fn control(client: &Client, options: &Options, metrics: &Metrics) {
    let (watches, stores, queues) = watches::prepare(client, options, metrics);
    let plc_runtimes = Arc::new(plc_runtime::PlcRuntimes::new(client, options, metrics, &stores));
    let edge_nodes = Arc::new(edge_node::EdgeNodes::new(client, options, metrics, &stores));
    let mesh_subscriptions = Arc::new(mesh::MeshSubscriptions::new(client, options, metrics, &stores));
    let mesh_peers = Arc::new(mesh::MeshPeers::new(client, options, metrics, &stores));
    let controllers = watches::Controllers {
        plc_runtimes: &plc_runtimes,
        edge_nodes: &edge_nodes,
        mesh_subscriptions: &mesh_subscriptions,
        mesh_peers: &mesh_peers,
    };
    tokio::join!(
        watches.run(&controllers),
        mesh::identity::run(client, options, &stores.api, metrics),
        stores.report_readiness(&options.readiness),
        controller::run(
            plc_runtimes.clone(),
            stores.plc_runtimes.clone(),
            queues.plc_runtimes,
            &stores.api,
            metrics,
            options
        ),
        controller::run(
            edge_nodes.clone(),
            stores.edge_nodes.clone(),
            queues.edge_nodes,
            &stores.api,
            metrics,
            options
        ),
        controller::run(
            mesh_subscriptions.clone(),
            stores.mesh_subscriptions.clone(),
            queues.mesh_subscriptions,
            &stores.api,
            metrics,
            options
        ),
        controller::run(
            mesh_peers.clone(),
            stores.mesh_peers.clone(),
            queues.mesh_peers,
            &stores.api,
            metrics,
            options
        ),
    );
}
