//! The operator's part of the mesh. What travels between runtimes is no concern of it.
//!
//! * `subscriptions`, the controller of `MeshSubscription`: judges it against the program of its runtime and brings it to
//!   the node of that. `claims` says what entries write and what is wrong with them, for the operator and for offline
//!   checks; `build` is the operator's part of the status. Both are pure.
//! * `peers`, the controller of `MeshPeer`: finds names that two have, sums up, and removes what nobody sees or needs.
//!   `peer`, `peer_names` and `unused` decide, purely.
//! * `identity`, the authority that certifies the agents of this site.

pub(crate) mod build;
mod claims;
pub(crate) mod identity;
pub(crate) mod peer;
pub(crate) mod peer_names;
mod peers;
mod subscriptions;
mod unused;

pub use claims::{Claim, Problem, claims, conflicts};
pub(crate) use peers::MeshPeers;
pub(crate) use subscriptions::MeshSubscriptions;
