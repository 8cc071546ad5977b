//! How PLC runtimes find, trust and feed each other.
//!
//! A variable that changes in one runtime is in the program of another at its next scan, with a quality that the
//! program can test. This crate holds the rules: what a value looks like on the wire ([`schema`], [`wire`]), when it
//! leaves and what its receiver does with loss and silence ([`flow`]), how agents find each other ([`discovery`]), how
//! two that have never met come to trust each other ([`pairing`]). It knows nothing of Kubernetes and runs no
//! program; towards scans it knows images of bytes only.
//!
//! Everything here takes time as an argument. What a peer sends is checked before any of it has an effect: whatever
//! the bytes, the answer is a value or an error, in time and memory that are bounded by the subscription.
//!
//! Start reading at [`flow`].

pub mod carry;
pub mod clock;
pub mod control;
pub mod discovery;
pub mod flow;
pub mod hex;
pub mod identity;
pub mod link;
pub mod membership;
pub mod pairing;
pub mod schema;
pub mod tls;
pub mod trust;
pub mod wire;

/// The monotonic clock, ns: the one that scans and shared memory use.
fn now_ns() -> u64 {
    lineshaft_exchange::monotonic_ns().max(0) as u64
}
