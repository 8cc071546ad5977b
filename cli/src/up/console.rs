//! The console's HTTP server: metrics and health.

use std::future::ready;
use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::operator;

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
    stop: CancellationToken,
) -> io::Result<()> {
    let measured = watched.clone();
    let router = Router::new()
        .route("/metrics", get(move || ready(metrics(&measured))))
        .route("/healthz", get(|| ready("ok\n")))
        .route("/readyz", get(move || ready(answer(&pending(&watched)))));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
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
