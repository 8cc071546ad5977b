//! `lineshaft peers`, `pair` and `mesh`: what the console's network pages do, from a shell.
//!
//! All of it is reading and writing objects of the API server that `KUBECONFIG` names; agents and operator do the rest.

mod client;
mod links;
mod pairing;
mod peers;
mod subscribe;
mod table;

use std::process::ExitCode;

use lineshaft_api_client::sentence;

use crate::failure::Failure;
use client::Cluster;

/// Which API server.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// The kubeconfig [default: as kubectl: $KUBECONFIG, then ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<std::path::PathBuf>,

    /// The context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// The flags of `lineshaft peers`.
#[derive(Debug, clap::Args)]
pub(crate) struct PeersArguments {
    #[command(flatten)]
    server: Server,
}

/// `lineshaft pair`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Pair {
    /// Offer a code on this side, for the other side to claim
    Offer(pairing::OfferArguments),
    /// Claim the code that the other side offers
    ///
    /// Ends when both sides trust each other, or when it is known that they will not.
    Claim(pairing::ClaimArguments),
    /// List all pairings
    List(pairing::ListArguments),
    /// End the trust of a pairing: deletes it, and waits until the agent has dropped the key
    Revoke(pairing::RevokeArguments),
}

/// `lineshaft mesh`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Mesh {
    /// Receive variables of peers in a runtime, without a restart
    ///
    /// Adds to the MeshSubscription RUNTIME-remote, which is made if it is missing. A target that it has already gets
    /// the new source.
    Subscribe(subscribe::Arguments),
    /// List the connections to publishers, and how fresh their values are
    Links(links::Arguments),
    /// Follow the connections: a line for each change, until Ctrl-C
    Watch(links::WatchArguments),
}

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeshError {
    /// No kubeconfig, or a wrong one.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(String),
    /// The API server refused or did not answer.
    #[error("cannot {doing}: {}", sentence(source.as_ref()))]
    Api {
        /// What was to be done.
        doing: String,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// A watch ended.
    #[error("cannot watch: {}", sentence(.0.as_ref()))]
    Watch(Box<kube::runtime::watcher::Error>),
    /// What was asked for is not there, is ambiguous, or was refused. The whole sentence.
    #[error("{0}")]
    Said(String),
}

impl MeshError {
    fn api(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Api { doing, source: Box::new(source) }
    }
}

/// Runs `lineshaft peers`.
pub(crate) fn peers(arguments: &PeersArguments) -> Result<ExitCode, Failure> {
    with(&arguments.server, async |cluster| peers::list(&cluster).await)
}

/// Runs a subcommand of `lineshaft pair`.
pub(crate) fn pair(command: &Pair) -> Result<ExitCode, Failure> {
    match command {
        Pair::Offer(arguments) => {
            with(&arguments.server, async |cluster| pairing::offer(&cluster, arguments).await)
        }
        Pair::Claim(arguments) => {
            with(&arguments.server, async |cluster| pairing::claim(&cluster, arguments).await)
        }
        Pair::List(arguments) => with(&arguments.server, async |cluster| pairing::list(&cluster).await),
        Pair::Revoke(arguments) => {
            with(&arguments.server, async |cluster| pairing::revoke(&cluster, arguments).await)
        }
    }
}

/// Runs a subcommand of `lineshaft mesh`.
pub(crate) fn mesh(command: &Mesh) -> Result<ExitCode, Failure> {
    match command {
        Mesh::Subscribe(arguments) => {
            with(&arguments.server, async |cluster| subscribe::subscribe(&cluster, arguments).await)
        }
        Mesh::Links(arguments) => {
            with(&arguments.server, async |cluster| links::list(&cluster, arguments).await)
        }
        Mesh::Watch(arguments) => {
            with(&arguments.server, async |cluster| links::watch(&cluster, arguments).await)
        }
    }
}

fn with(
    server: &Server,
    work: impl AsyncFnOnce(Cluster) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| Failure::System { doing: "start a runtime", source })?;
    runtime.block_on(async { work(Cluster::connect(server).await?).await })
}
