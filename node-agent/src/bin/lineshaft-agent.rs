//! The node agent as a program of its own, for clusters; on one box `lineshaft up` runs it in its process.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lineshaft_api_client::LIBRARY_LOGS;
use lineshaft_node_agent::console::{Access, Cluster, Range, Settings, console};
use lineshaft_node_agent::{Options, default_exe, host_name, router, run};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
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
    /// Where the console listens; without it there is none
    #[arg(long, value_name = "HOST:PORT")]
    console: Option<SocketAddr>,
    /// Who may use the console
    #[arg(long, value_enum, default_value_t)]
    console_auth: ConsoleAuth,
    /// Let other machines reach the console although it has no TLS: whoever reads along reads their tokens
    #[arg(long)]
    console_plain_http: bool,
    /// What is logged, such as `info` or `lineshaft_node_agent=debug`
    #[arg(long, default_value = "info")]
    log: String,
}

/// Who may use the console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum ConsoleAuth {
    /// Whoever has a token of the cluster, as far as the rules of the cluster let them
    #[default]
    Kubernetes,
    /// Whoever sits at this machine, without a login, with the rights of the agent; for loopback addresses only
    Local,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_new(format!("{LIBRARY_LOGS},{}", arguments.log))
        .with_context(|| format!("--log {}", arguments.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    let config = config(arguments.kubeconfig.as_deref()).await?;
    let client = Client::try_from(config.clone()).context("make a client of the API server")?;
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

    let pages = Console {
        auth: arguments.console_auth,
        plain_http: arguments.console_plain_http,
        config,
        client: client.clone(),
    };
    if let Some(address) = arguments.console {
        pages.serve(address, &options, shutdown.clone()).await?;
    }

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

/// What the console is made of.
struct Console {
    auth: ConsoleAuth,
    plain_http: bool,
    config: Config,
    client: Client,
}

impl Console {
    /// Serves it beside the agent until `stop`.
    async fn serve(
        self,
        address: SocketAddr,
        options: &Options,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let access = match self.auth {
            ConsoleAuth::Kubernetes => {
                Access::Cluster(Box::new(Cluster::new(self.config, self.client.clone())))
            }
            ConsoleAuth::Local => Access::Local,
        };
        if !access.suits(address) {
            bail!(
                "--console {address} can be reached from other machines: --console-auth local is for 127.0.0.1"
            );
        }
        if !address.ip().is_loopback() && !self.plain_http {
            bail!(
                "--console {address} can be reached from other machines, and the console has no TLS: listen on \
                 127.0.0.1 and come by kubectl port-forward or ssh -L, or say --console-plain-http"
            );
        }
        let (_, client) = watch::channel(Some(self.client));
        let settings = Settings {
            node_name: options.node_name.clone(),
            client,
            range: Range::Node(options.node_name.clone()),
            access,
            registry: options.registry.clone(),
            state_dir: options.state_dir.clone(),
            mesh: options.board.clone(),
        };
        let router = console(settings, stop.clone()).context("start the console")?;
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listen at --console {address}"))?;
        tracing::info!(address = %listener.local_addr()?, "console");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the console is no longer served");
            }
        });
        Ok(())
    }
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
