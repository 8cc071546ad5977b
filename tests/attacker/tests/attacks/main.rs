//! Agents of a plant on one bridge with an attacker, who is a program of its own. Each attack gets what
//! docs/security.md says.

#![allow(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test"
)]

mod flood;
mod lan;
mod pairing;
mod peer;
mod site;
mod spoofed;
mod stranger;
