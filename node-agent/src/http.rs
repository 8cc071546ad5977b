//! `/metrics`, `/healthz` and `/readyz`, for the agent's own binary and for whoever runs it in one process.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::{Encoder, Registry, TextEncoder};

use crate::readiness::Readiness;

/// Serves the registry and the readiness that were given to [`crate::run`].
pub fn router(registry: Registry, readiness: Readiness) -> Router {
    Router::new()
        .route("/metrics", get(async move || metrics(&registry)))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async move || ready(&readiness)))
}

fn metrics(registry: &Registry) -> Response {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => ([(header::CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

fn ready(readiness: &Readiness) -> Response {
    match readiness.pending() {
        None => "ok\n".into_response(),
        Some(pending) => (StatusCode::SERVICE_UNAVAILABLE, format!("waiting: {pending}\n")).into_response(),
    }
}
