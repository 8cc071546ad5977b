//! The node agent as a program of its own, for clusters; on one box `lineshaft up` runs it in its process.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lineshaft_api_client::LIBRARY_LOGS;
use lineshaft_node_agent::{Options, default_exe, host_name, router, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Runs the PLC programs that are bound to this node.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Name of this node [default: the host's name]
    #[arg(long, env = "NODE_NAME")]
    node_name: Option<String>,
    /// Directory for what outlives the agent
    #[arg(long, default_value = "/var/lib/lineshaft")]
    state_dir: PathBuf,
    /// Access to the API server [default: the Pod's service account]
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served
    #[arg(long, default_value = "127.0.0.1:9482")]
    metrics: SocketAddr,
    /// What is logged, such as `info` or `lineshaft_node_agent=debug`
    #[arg(long, default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(format!("{LIBRARY_LOGS},{}", arguments.log))
        .with_context(|| format!("--log {}", arguments.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let config = config(arguments.kubeconfig.as_deref()).await?;
    let client = Client::try_from(config).context("make a client of the API server")?;
    let node_name = arguments.node_name.unwrap_or_else(host_name);
    let options = Options::new(node_name, arguments.state_dir, default_exe()?);
    options
        .registry
        .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
        .context("register the metrics of this process")?;

    let listener = TcpListener::bind(arguments.metrics)
        .await
        .with_context(|| format!("listen at --metrics {}", arguments.metrics))?;
    let shutdown = CancellationToken::new();
    let serving = axum::serve(listener, router(options.registry.clone(), options.readiness.clone()))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned());
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "metrics and health are no longer served");
        }
    });

    let mut terminate = signal(SignalKind::terminate()).context("watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for SIGINT")?;
    let told = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        told.cancel();
    });
    run(std::future::ready(client), options, shutdown).await?;
    Ok(())
}

async fn config(kubeconfig: Option<&std::path::Path>) -> anyhow::Result<Config> {
    match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path)
                .with_context(|| format!("read --kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
                .await
                .with_context(|| format!("use --kubeconfig {}", path.display()))
        }
        None => Config::incluster().context("find the Pod's service account (or give --kubeconfig)"),
    }
}
