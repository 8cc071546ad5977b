//! The web console: what a person at a browser sees of this node, and does to it.
//!
//! Pages are made on the server from API objects (`stores`, `view`) and the last values of the keepers (`looks`);
//! they work without script. With it, one event stream replaces elements by their ids (`live`). What is done, is done by
//! writing API objects (`actions`), as a manifest or `kubectl` would, but for variables: those are values of a running
//! program, and no object has them (`writing`). Who may see what is decided in `guard`; `web` holds the routes.

mod actions;
mod cluster;
mod guard;
mod live;
mod looks;
mod page;
mod place;
mod secret;
mod sessions;
mod stores;
mod view;
mod visitor;
mod web;
mod writing;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use kube::Client;
use prometheus::Registry;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

pub use cluster::Cluster;
pub use secret::TokenHash;
pub use stores::Range;

use crate::MeshBoard;
use guard::Entrance;
use looks::Looks;
use sessions::Sessions;
use stores::Stores;

/// Pages that are kept up to date at one time.
const STREAMS_MAX: usize = 32;

/// How people come in.
#[derive(Clone)]
pub enum Access {
    /// Whoever sits at this machine, without a login; on loopback addresses only.
    Local,
    /// With a token of this console.
    Token {
        /// Opens all of it.
        all: TokenHash,
        /// Opens what can be looked at, but for pairings: an open one shows its code.
        look: TokenHash,
    },
    /// With a token of Kubernetes.
    Cluster(Box<Cluster>),
}

impl Access {
    /// Whether this is safe at an address.
    pub fn suits(&self, address: SocketAddr) -> bool {
        match self {
            Self::Local => guard::is_private(address),
            Self::Token { .. } | Self::Cluster(_) => true,
        }
    }

    fn entrance(&self) -> Entrance {
        match self {
            Self::Local => Entrance::Local,
            Self::Token { .. } | Self::Cluster(_) => Entrance::Login,
        }
    }
}

/// What a console is told when it starts.
pub struct Settings {
    /// The node whose agent it belongs to.
    pub node_name: String,
    /// The client that it reads with, and writes with unless people log in with clients of their own. It may come
    /// later than the console.
    pub client: watch::Receiver<Option<Client>>,
    /// Which objects it shows.
    pub range: Range,
    /// Who may come in.
    pub access: Access,
    /// Where the agent's metrics are registered.
    pub registry: Registry,
    /// The agent's state directory, below which keepers listen.
    pub state_dir: PathBuf,
    /// What the agent knows of values that come from other runtimes.
    pub mesh: MeshBoard,
}

/// What all requests share.
pub(crate) struct Console {
    node_name: String,
    client: watch::Receiver<Option<Client>>,
    access: Access,
    registry: Registry,
    stores: Stores,
    sessions: Sessions,
    looks: Looks,
    mesh: MeshBoard,
    /// The form token of a console without sessions.
    form: String,
    streams: Arc<Semaphore>,
    stop: CancellationToken,
}

/// The routes of a console, which follows the API until `stop`. Serve them with
/// [`Router::into_make_service_with_connect_info`] of [`SocketAddr`]: a console must know who asks.
pub fn console(settings: Settings, stop: CancellationToken) -> io::Result<Router> {
    let Settings { node_name, client, range, access, registry, state_dir, mesh } = settings;
    let (stores, feed) = stores::stores();
    tokio::spawn(stores::follow(feed, client.clone(), range, stop.clone()));
    let console = Console {
        node_name,
        client,
        access,
        registry,
        stores,
        sessions: Sessions::default(),
        looks: Looks::new(crate::agent::keepers(&state_dir)),
        mesh,
        form: secret::make()?,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        stop,
    };
    Ok(web::router(Arc::new(console)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_login_a_console_is_for_its_own_machine() {
        let token = {
            let directory = tempfile::tempdir().unwrap();
            TokenHash::keep(&directory.path().join("token")).unwrap().0
        };
        for (address, is_private) in [
            ("127.0.0.1:1", true),
            ("[::1]:1", true),
            ("0.0.0.0:1", false),
            ("10.9.0.1:1", false),
            ("[::]:1", false),
        ] {
            assert_eq!(Access::Local.suits(address.parse().unwrap()), is_private, "{address}");
            assert!(
                Access::Token { all: token.clone(), look: token.clone() }.suits(address.parse().unwrap())
            );
        }
    }
}
