//! What an agent is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lineshaft_plc_runtime::launch::Lifeline;

use crate::mesh::MeshBoard;
use crate::readiness::Readiness;

/// Which objects an agent looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every namespace.
    #[default]
    Cluster,
    /// One namespace: for tests that share a server.
    Namespace(String),
}

/// How the agent takes part in the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeshOptions {
    /// Where it listens for peers, unless a runtime has an endpoint of its own.
    pub listen: SocketAddr,
    /// The UDP port of multicast DNS.
    pub mdns_port: u16,
    /// The cluster or box that it belongs to; absent: this agent is a site of its own.
    pub site: Option<String>,
}

impl Default for MeshOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([0, 0, 0, 0], 5210)), mdns_port: 5353, site: None }
    }
}

/// Settings of an agent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this node: of its `EdgeNode`, and what `status.nodeName` must say of what runs here.
    pub node_name: String,
    /// Directory for everything that outlives the agent; one agent at a time.
    pub state_dir: PathBuf,
    /// Executable of keepers and runners, see [`lineshaft_plc_runtime::launch::default_exe`].
    pub keeper_exe: PathBuf,
    /// `WithParent`: keepers end, outputs safe, with the agent. `Independent`: they go on, and the next agent
    /// adopts them.
    pub lifeline: Lifeline,
    /// Where the metrics are registered.
    pub registry: prometheus::Registry,
    /// Told when the agent knows all that is bound to it.
    pub readiness: Readiness,
    /// Which objects to look at.
    pub scope: Scope,
    /// How to take part in the mesh.
    pub mesh: MeshOptions,
    /// Where the mesh says what it knows of received values.
    pub board: MeshBoard,
    /// Namespace of the node's Lease.
    pub lease_namespace: String,
    /// How long the Lease holds without a renewal; it is renewed four times as often.
    pub lease_duration: Duration,
    /// How long devices may take to confirm their safe values when a keeper is asked to end.
    pub safe_deadline: Duration,
}

impl Options {
    /// The usual settings for a node.
    pub fn new(node_name: String, state_dir: PathBuf, keeper_exe: PathBuf) -> Self {
        Self {
            node_name,
            state_dir,
            keeper_exe,
            lifeline: Lifeline::Independent,
            registry: prometheus::Registry::new(),
            readiness: Readiness::default(),
            scope: Scope::default(),
            mesh: MeshOptions::default(),
            board: MeshBoard::default(),
            lease_namespace: lineshaft_crds::SYSTEM_NAMESPACE.to_owned(),
            lease_duration: Duration::from_secs(40),
            safe_deadline: Duration::from_secs(5),
        }
    }

    /// Owner of the fields that this agent writes.
    pub(crate) fn field_manager(&self) -> String {
        format!("lineshaft-agent/{}", self.node_name)
    }
}
