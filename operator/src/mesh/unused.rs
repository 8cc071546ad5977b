//! When a peer that nobody sees any more may go. Pure.
//!
//! The clocks of hosts may be wrong, so it is our own that counts: from when what agents say of the peer last changed.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use lineshaft_crds::mesh_peer::{PeerSource, Trust};
use lineshaft_crds::{MeshPeer, MeshSubscription};

use super::peer::reported;

/// An agent that sees a peer writes so at least this often.
const CONFIRMED_EVERY: Duration = Duration::from_mins(5);

/// What agents said of a peer, and since when they say just that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    said: u64,
    since: Instant,
}

impl Sighting {
    /// What agents say now.
    pub(super) fn of(peer: &MeshPeer, before: Option<Self>, now: Instant) -> Self {
        let mut hasher = DefaultHasher::new();
        reported(peer).hash(&mut hasher);
        let said = hasher.finish();
        before.filter(|before| before.said == said).unwrap_or(Self { said, since: now })
    }

    /// How long a peer that nobody needs still stays; zero: no longer.
    pub(super) fn left(self, peer: &MeshPeer, kept_for: Duration, now: Instant) -> Duration {
        let seen = peer.status.as_ref().is_some_and(|status| !status.observers.is_empty());
        // An agent that ends takes nothing back: what it wrote counts until it should have written again.
        let limit = if seen { CONFIRMED_EVERY + kept_for } else { kept_for };
        limit.saturating_sub(now.saturating_duration_since(self.since))
    }
}

/// Whether a person made it, a pairing pins it, or a subscription names it.
pub(super) fn is_needed(peer: &MeshPeer, subscriptions: &[MeshSubscription]) -> bool {
    let status = peer.status.clone().unwrap_or_default();
    let names = |subscription: &MeshSubscription| {
        subscription
            .spec
            .subscribe
            .iter()
            .any(|entry| entry.from.peer.is_some() && entry.from.peer == status.service_name)
    };
    peer.spec.source == PeerSource::Manual
        || status.trust.is_some_and(|trust| trust != Trust::Unpaired)
        || subscriptions.iter().any(names)
}

#[cfg(test)]
mod tests;
