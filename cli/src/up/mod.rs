//! `lineshaft up`: a whole plant on one box, started in order and ended in order.
//!
//! What can be wrong is looked at before anything starts: manifests, data directory, ports, executables. Then
//! the API server, what it has to know of us, operator and agent with credentials of their own, and last the
//! user's manifests. The other way round at the end: the agent first, so that outputs are safe before anything
//! else goes away.

mod access;
mod apiserver;
mod apply;
mod console;
mod data_directory;
mod identities;
mod install;
mod observe;
mod operator;
mod options;
mod outage;
mod overview;
mod plant;
mod resource;
mod screen;
mod signals;

use std::io;
use std::process::ExitCode;

use lineshaft_api_client::LIBRARY_LOGS;
use tracing_subscriber::EnvFilter;

use crate::check::{self, Checked};
use crate::failure::Failure;
use crate::finding::colored;
use crate::manifest::Manifest;

use data_directory::DataDirectory;
pub(crate) use options::Arguments;
use plant::{Ground, Plant};
use screen::Screen;
use signals::StopSignals;

/// Threads for API, operator, agent and console: they wait for each other most of the time.
const WORKER_THREADS: usize = 2;

/// Why `up` did not start, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpError {
    /// The manifests are wrong: the findings, with excerpts.
    #[error("{0}; nothing was started")]
    Manifests(String),
    /// The node has no usable name.
    #[error("{0}")]
    NodeName(String),
    /// The data directory cannot be used.
    #[error(transparent)]
    DataDirectory(#[from] data_directory::DataDirectoryError),
    /// A port is taken.
    #[error(transparent)]
    Listen(#[from] console::ListenError),
    /// The console cannot be opened as asked.
    #[error(transparent)]
    Console(#[from] console::AccessError),
    /// There is no API server.
    #[error(transparent)]
    Apiserver(#[from] apiserver::ApiserverError),
    /// No client can be made.
    #[error(transparent)]
    Identity(#[from] identities::IdentityError),
    /// The cluster refuses what has to be installed.
    #[error(transparent)]
    Install(#[from] install::InstallError),
    /// The cluster refuses a manifest.
    #[error(transparent)]
    Apply(#[from] apply::ApplyError),
    /// The executable of keepers is missing.
    #[error(transparent)]
    Keeper(#[from] lineshaft_plc_runtime::Error),
    /// A metric's name is taken.
    #[error("cannot register metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// The agent cannot start, or its outputs are not known to be safe.
    #[error(transparent)]
    Agent(#[from] lineshaft_node_agent::Error),
    /// Without its agent a node drives nothing.
    #[error("the agent ended without being asked to")]
    AgentEnded,
}

/// Runs the subcommand.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let screen = Screen::new();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("{LIBRARY_LOGS},{}", arguments.log)))
        .with_ansi(colored(&io::stderr()))
        .with_writer(screen.clone())
        .init();
    let manifests = check_manifests(&arguments, &screen)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()
        .map_err(|source| Failure::System { doing: "start threads", source })?;
    let ended = runtime.block_on(session(arguments, manifests, screen));
    // Nothing is waited for any more: what had to be confirmed, was.
    runtime.shutdown_background();
    ended
}

/// All of them, or none: with a finding, nothing is started.
fn check_manifests(arguments: &Arguments, screen: &Screen) -> Result<Vec<Manifest>, Failure> {
    if arguments.paths.is_empty() {
        return Ok(Vec::new());
    }
    let Checked { manifests, report } = check::check(&arguments.paths)?;
    eprint!("{}", report.found.excerpts(colored(&io::stderr())));
    if report.found.has_errors() {
        return Err(UpError::Manifests(report.summary()).into());
    }
    screen.line(&report.summary());
    Ok(manifests)
}

/// Makes sure of everything that a start needs.
async fn prepare(arguments: &Arguments, screen: &Screen) -> Result<Ground, UpError> {
    let node = arguments.node_name().map_err(UpError::NodeName)?;
    let embedded = arguments.kubeconfig.is_none();
    let apiserver = if embedded { Some(apiserver::find()?) } else { None };
    let keeper = lineshaft_node_agent::default_exe()?;
    let data = DataDirectory::open(&arguments.data_dir)?;
    let (access, tokens) = console::access(arguments, &data)?;
    let console = console::listen(arguments.console, "--console").await?;
    if embedded {
        // Given back at once: the API server takes it itself, and says the same if it is too late.
        drop(console::listen(arguments.listen, "--listen").await?);
    }
    let address = console.local_addr().unwrap_or(arguments.console);
    let was = if data.existed { "found" } else { "made" };
    screen.line(&format!("data directory {} {was}", data.path().display()));
    screen.line(&format!("console at http://{address}"));
    if let Some(token) = tokens.all {
        screen.line(&format!("token of the console, which is told this once: {token}"));
    }
    if let Some(token) = tokens.look {
        screen.line(&format!("token to look only, which is told this once: {token}"));
    }
    Ok(Ground { data, console, access, apiserver, keeper, node })
}

async fn session(
    arguments: Arguments,
    manifests: Vec<Manifest>,
    screen: Screen,
) -> Result<ExitCode, Failure> {
    let mut signals =
        StopSignals::catch().map_err(|source| Failure::System { doing: "catch signals", source })?;
    let mut ground = prepare(&arguments, &screen).await?;
    let apiserver = ground.apiserver.take();
    let mut plant = Plant::found(&arguments, ground, screen)?;
    let failed = tokio::select! {
        failed = plant.run(&arguments, apiserver, manifests) => failed.err(),
        () = signals.next() => None,
    };
    let stopped = plant.stop(signals.next()).await;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(stopped.map(|()| ExitCode::SUCCESS)?),
    }
}
