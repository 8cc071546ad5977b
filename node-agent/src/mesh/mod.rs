//! The mesh of this agent: who is found, who is trusted, what goes where.
//!
//! Data flows one way. What the API server says ([`mirror`], [`local`]) and what the network says make a [`plan`], which
//! the [`thread`] that has the sockets follows; what it sees comes back as a value and makes, with what people want
//! ([`pairings`]), what is said of [`peers`] and [`subscriptions`] and written by the [`writer`]; what the API server
//! said is [`remembered`] on the disk. Values lie in the [`mailboxes`] of runtimes; what has
//! become of what is received is [`shown`]. The [`board`] has what is known at this moment, for the console. What
//! makes agents of one cluster trust each other is the [`site`]. Start reading at [`controller`].

mod board;
mod controller;
mod counts;
mod local;
mod mailboxes;
mod mirror;
mod pairer;
mod pairings;
mod peers;
mod plan;
mod remembered;
mod shown;
mod site;
mod subscriptions;
mod thread;
mod writer;

pub use board::MeshBoard;
#[cfg(test)]
pub(crate) use board::tests::sample;
pub(crate) use board::{Figures, Posted, Received};
pub(crate) use controller::{Context, Runtimes, run};
pub(crate) use mailboxes::{Keepers, Keeping};
pub(crate) use remembered::Memory;
