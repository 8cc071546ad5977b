//! One site: agents of one cluster, and runtimes of one agent, need no pairing; nobody else gets in.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod certificates;
mod plant;
mod values;
