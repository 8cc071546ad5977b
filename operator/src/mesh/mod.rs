//! `MeshSubscription`: judged against the program of its runtime.
//!
//! `claims` says what entries write and what is wrong with them, purely, for the operator and for offline checks.

mod claims;

pub use claims::{Claim, Problem, claims, conflicts};
