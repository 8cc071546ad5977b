//! The console: over HTTP, and in a real browser, against a real API server.
#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, clippy sees only test functions as tests; `json!` reads best where it is passed"
)]

mod browser;
mod clicks;
mod cluster;
mod http;
mod login;
mod requests;
mod site;
mod variables;
