//! The console's HTTP server: the agent's console, and metrics and health of everything in this process.

use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use lineshaft_node_agent::console::{Access, TokenHash};
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Arguments;
use super::data_directory::DataDirectory;
use super::operator;
use super::options::ConsoleAuth;

/// What the console shows. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Watched {
    /// Metrics of the agent and of this process.
    pub(crate) registry: Registry,
    /// What the agent waits for.
    pub(crate) agent: lineshaft_node_agent::Readiness,
    /// Metrics of the operator, and what it waits for.
    pub(crate) operator: operator::Watched,
}

/// Files of the tokens' hashes in the data directory.
const TOKEN_FILE: &str = "console.token";
const LOOK_TOKEN_FILE: &str = "console-look.token";

/// Tokens that were made just now: nobody can tell them again.
#[derive(Default)]
pub(crate) struct NewTokens {
    /// For everything.
    pub(crate) all: Option<String>,
    /// To look only.
    pub(crate) look: Option<String>,
}

/// Why the console cannot be opened as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// Without a login it would be open to others.
    #[error(
        "--console {0} can be reached from other machines: add --console-auth token, or listen on 127.0.0.1"
    )]
    Open(SocketAddr),
    /// The token's file cannot be used.
    #[error("{}: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are no random numbers.
    #[error("cannot start the console: {0}")]
    Start(#[from] io::Error),
}

/// How people come in.
pub(crate) fn access(
    arguments: &Arguments,
    data: &DataDirectory,
) -> Result<(Access, NewTokens), AccessError> {
    let keep = |file| {
        let path = data.join(file);
        TokenHash::keep(&path).map_err(|source| AccessError::Token { path, source })
    };
    let (access, tokens) = match arguments.console_auth {
        ConsoleAuth::Local => (Access::Local, NewTokens::default()),
        ConsoleAuth::Token => {
            let (all, new) = keep(TOKEN_FILE)?;
            let (look, new_look) = keep(LOOK_TOKEN_FILE)?;
            (Access::Token { all, look }, NewTokens { all: new, look: new_look })
        }
    };
    if access.suits(arguments.console) {
        Ok((access, tokens))
    } else {
        Err(AccessError::Open(arguments.console))
    }
}

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    /// Somebody else has the port.
    #[error("{address} is in use by another program: choose another address with {flag}")]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// Forbidden, or no address of this machine.
    #[error("cannot listen on {address}: {source}: choose another address with {flag}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Takes an address.
pub(crate) async fn listen(address: SocketAddr, flag: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { address, flag },
        _ => ListenError::Other { address, flag, source },
    })
}

/// Serves until it is stopped.
pub(crate) async fn serve(
    listener: TcpListener,
    watched: Watched,
    console: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let measured = watched.clone();
    let router = console
        .route("/metrics", get(move || ready(metrics(&measured))))
        .route("/healthz", get(|| ready("ok\n")))
        .route("/readyz", get(move || ready(answer(&pending(&watched)))));
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn metrics(watched: &Watched) -> impl IntoResponse + use<> {
    let mut families = watched.registry.gather();
    families.extend(watched.operator.gather());
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&families, &mut text) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, encoder.format_type().to_owned())], text),
        Err(error) => {
            let text = error.to_string().into_bytes();
            (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, "text/plain".to_owned())], text)
        }
    }
}

fn pending(watched: &Watched) -> Vec<String> {
    let mut pending = watched.operator.pending();
    pending.extend(watched.agent.pending());
    pending
}

fn answer(pending: &[String]) -> (StatusCode, String) {
    if pending.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", pending.join(", ")))
    }
}
