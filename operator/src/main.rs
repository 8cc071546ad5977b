//! `lineshaft-operator`: the operator on a cluster.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lineshaft_api_client::{LIBRARY_LOGS, sentence};
use lineshaft_operator::{Options, Scope, router};
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Judges and binds Lineshaft's PLC runtimes.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Kubeconfig of the cluster; without it, the service account of the Pod.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Address that metrics, health and readiness are served at.
    #[arg(long, default_value = "127.0.0.1:9481")]
    metrics: SocketAddr,
    /// Take care of one namespace only.
    #[arg(long)]
    namespace: Option<String>,
    /// Namespace of the Leases of nodes and of the operator.
    #[arg(long, default_value = lineshaft_crds::SYSTEM_NAMESPACE)]
    lease_namespace: String,
    /// Name of this replica; without it, the host name, which is the name of the Pod.
    #[arg(long)]
    identity: Option<String>,
    /// Act without asking other replicas: for a single one.
    #[arg(long)]
    alone: bool,
    /// Seconds without a renewed Lease after which a node counts as lost.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..))]
    node_lease_seconds: u64,
    /// What to log, such as `info` or `lineshaft_operator=debug`.
    #[arg(long, default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(format!("{LIBRARY_LOGS},{}", arguments.log))
        .with_writer(std::io::stderr)
        .init();
    let config = match &arguments.kubeconfig {
        Some(path) => {
            let kubeconfig =
                Kubeconfig::read_from(path).with_context(|| format!("cannot read {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None => Config::incluster().context("not in a Pod: give --kubeconfig")?,
    };
    let client = Client::try_from(config)?;

    let host_name = || std::env::var("HOSTNAME").ok();
    let identity = arguments.identity.or_else(host_name).unwrap_or_else(|| "lineshaft-operator".to_owned());
    let mut options = Options::new(identity);
    options.scope = arguments.namespace.map_or(Scope::All, Scope::Namespace);
    options.lease_namespace = arguments.lease_namespace;
    options.leader_election = !arguments.alone;
    options.node_lease_timeout = Duration::from_secs(arguments.node_lease_seconds);
    options.registry = Registry::new();
    options.registry.register(Box::new(ProcessCollector::for_self()))?;

    let listener = tokio::net::TcpListener::bind(arguments.metrics)
        .await
        .with_context(|| format!("cannot listen at {}", arguments.metrics))?;
    let router = router(options.registry.clone(), options.readiness.clone());
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone())?);
    tokio::select! {
        result = lineshaft_operator::run(client, options, shutdown) => {
            result.map_err(|error| anyhow::Error::msg(sentence(&error)))
        }
        served = axum::serve(listener, router) => served.context("cannot serve metrics"),
    }
}

fn cancel_on_signal(shutdown: CancellationToken) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    })
}
