//! Agents that find each other by real multicast DNS: on the loopback, between hosts, among attackers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod avahi;
mod forged;
mod hosts;
mod lan;
mod loopback;
mod spoofed;
