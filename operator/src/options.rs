//! How an operator runs.

use std::time::Duration;

use prometheus::Registry;

use crate::readiness::Readiness;

/// How an operator runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which runtimes it takes care of.
    pub scope: Scope,
    /// Label selector of the hosts and peers that it takes care of; absent: all. Tests share a server.
    pub node_selector: Option<String>,
    /// Name of this replica, unique among all.
    pub identity: String,
    /// Namespace of the Leases of nodes and of the operator.
    pub lease_namespace: String,
    /// Whether several replicas agree on one that acts. Off on one box.
    pub leader_election: bool,
    /// How long a node's Lease may go without being renewed before the node counts as lost.
    pub node_lease_timeout: Duration,
    /// How long a discovered peer stays that nobody sees or needs any more.
    pub unseen_peer_kept_for: Duration,
    /// Objects of a kind that are worked on at once.
    pub concurrency: u16,
    /// Where metrics are registered; one a process.
    pub registry: Registry,
    /// What the operator waits for, for whoever serves `/readyz`.
    pub readiness: Readiness,
}

/// Which runtimes an operator takes care of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of every namespace.
    All,
    /// Those of one namespace.
    Namespace(String),
}

impl Options {
    /// The defaults, for a replica of this name.
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            scope: Scope::All,
            node_selector: None,
            identity: identity.into(),
            lease_namespace: lineshaft_crds::SYSTEM_NAMESPACE.to_owned(),
            leader_election: false,
            node_lease_timeout: Duration::from_secs(40),
            unseen_peer_kept_for: Duration::from_mins(2),
            concurrency: 8,
            registry: Registry::new(),
            readiness: Readiness::default(),
        }
    }
}
