//! Two sites that find each other, pair and share values: as the tutorial says, and on two hosts of a network.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod crowd;
mod hosts;
mod kills;
mod tutorial;
