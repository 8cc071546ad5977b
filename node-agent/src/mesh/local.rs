//! What the API server says, as far as the mesh cares: runtimes of this node, what they receive, who is known.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use kube::ResourceExt;
use lineshaft_crds::mesh_peer::PeerSource;
use lineshaft_crds::mesh_subscription::{Target, runtime_publisher};
use lineshaft_crds::{MeshPeer, MeshSubscription, PlcRuntime};
use lineshaft_mesh::discovery::{Label, RuntimeId};
use lineshaft_mesh::identity::AgentId;

/// A runtime of this node that takes part in the mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalRuntime {
    /// UID of its object.
    pub(crate) id: RuntimeId,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Name of its object.
    pub(crate) object: String,
    /// What peers call it.
    pub(crate) name: Label,
    /// An endpoint of its own.
    pub(crate) listen: Option<SocketAddr>,
    /// Whether it is announced.
    pub(crate) advertise: bool,
    /// On these interfaces; none: all but the loopback.
    pub(crate) interfaces: Vec<String>,
    /// Variables that it publishes.
    pub(crate) published: u32,
}

/// Why a runtime takes no part in the mesh although it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LocalError {
    #[error("its UID {0:?} is no UUID")]
    Id(String),
    #[error(
        "its name {0:?} cannot be announced: only letters, digits, hyphens, dots and underscores are possible"
    )]
    Name(String),
    #[error("{0:?} is no address and port to listen at")]
    Listen(String),
}

impl LocalRuntime {
    /// `None` for one that takes no part.
    pub(crate) fn of(runtime: &PlcRuntime) -> Result<Option<Self>, LocalError> {
        let (mesh, discovery) = (runtime.spec.mesh.as_ref(), runtime.spec.discovery.as_ref());
        if mesh.is_none() && discovery.is_none() {
            return Ok(None);
        }
        let uid = runtime.uid().unwrap_or_default();
        let name = discovery.and_then(|said| said.service_name.clone()).unwrap_or_else(|| runtime.name_any());
        let listen = mesh.and_then(|mesh| mesh.listen.as_ref());
        Ok(Some(Self {
            id: uid.parse().map_err(|_| LocalError::Id(uid))?,
            namespace: runtime.namespace().unwrap_or_default(),
            object: runtime.name_any(),
            name: name.parse().map_err(|_| LocalError::Name(name))?,
            listen: listen
                .map(|listen| listen.parse().map_err(|_| LocalError::Listen(listen.clone())))
                .transpose()?,
            advertise: discovery.is_none_or(|said| said.advertise),
            interfaces: discovery.map(|said| said.interfaces.clone()).unwrap_or_default(),
            published: mesh.map_or(0, |mesh| u32::try_from(mesh.publish.len()).unwrap_or(u32::MAX)),
        }))
    }
}

/// Whose values a subscription wants.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Publisher {
    /// A runtime of another site, by the name under which it announces itself.
    Peer(String),
    /// A runtime of the same namespace.
    Runtime(String),
}

impl Publisher {
    /// As the status names it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Peer(name) => name.clone(),
            Self::Runtime(name) => runtime_publisher(name),
        }
    }
}

/// Whose values a runtime of this node wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalSubscription {
    /// UID of its object.
    pub(crate) uid: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Each once, in order.
    pub(crate) publishers: Vec<Publisher>,
    /// Where those of the own namespace are, by their name, as the operator says.
    pub(crate) targets: BTreeMap<String, LocalTarget>,
}

/// Where a runtime of the own site is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalTarget {
    /// Which runtime.
    pub(crate) runtime: RuntimeId,
    /// Its node.
    pub(crate) node: String,
    /// Where the agent of that node is reached.
    pub(crate) addresses: Vec<SocketAddr>,
}

impl LocalSubscription {
    pub(crate) fn of(subscription: &MeshSubscription) -> Self {
        let mut publishers: Vec<Publisher> =
            subscription.spec.subscribe.iter().filter_map(|entry| publisher_of(&entry.from)).collect();
        publishers.sort();
        publishers.dedup();
        Self {
            uid: subscription.uid().unwrap_or_default(),
            namespace: subscription.namespace().unwrap_or_default(),
            targets: publishers
                .iter()
                .filter_map(|publisher| match publisher {
                    Publisher::Runtime(name) => Some((name.clone(), LocalTarget::of(subscription, name)?)),
                    Publisher::Peer(_) => None,
                })
                .collect(),
            publishers,
        }
    }
}

impl LocalTarget {
    fn of(subscription: &MeshSubscription, name: &str) -> Option<Self> {
        let target = target_of(subscription, name)?;
        Some(Self {
            runtime: target.runtime_id.parse().ok()?,
            node: target.node_name.clone(),
            addresses: target.endpoints.iter().filter_map(|endpoint| endpoint.parse().ok()).collect(),
        })
    }
}

/// What the operator says of a publisher in the same namespace.
pub(crate) fn target_of<'a>(subscription: &'a MeshSubscription, name: &str) -> Option<&'a Target> {
    let publisher = runtime_publisher(name);
    subscription.status.as_ref()?.targets.iter().find(|target| target.publisher == publisher)
}

/// Where an entry's values come from.
pub(crate) fn publisher_of(from: &lineshaft_crds::mesh_subscription::Origin) -> Option<Publisher> {
    match (&from.peer, &from.runtime_ref) {
        (Some(peer), _) => Some(Publisher::Peer(peer.clone())),
        (None, Some(runtime)) => Some(Publisher::Runtime(runtime.name.clone())),
        // The API server lets no such entry in.
        (None, None) => None,
    }
}

/// A runtime of another site, as its object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownPeer {
    /// Name of the object.
    pub(crate) object: String,
    /// Namespaces that may use it; none: all.
    pub(crate) namespaces: Vec<String>,
    /// A person added it.
    pub(crate) manual: bool,
    /// Where that person said that it is.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Which runtime; known once it was seen or paired.
    pub(crate) runtime: Option<RuntimeId>,
    /// Its agent.
    pub(crate) agent: Option<AgentId>,
    /// What it is called.
    pub(crate) name: Option<String>,
}

impl KnownPeer {
    pub(crate) fn of(peer: &MeshPeer) -> Self {
        let status = peer.status.clone().unwrap_or_default();
        Self {
            object: peer.name_any(),
            namespaces: peer.spec.allowed_namespaces.clone(),
            manual: peer.spec.source == PeerSource::Manual,
            // Host names are not looked up: an address that moves belongs into discovery.
            addresses: peer.spec.addresses.iter().filter_map(|address| address.parse().ok()).collect(),
            runtime: status.runtime_id.and_then(|id| id.parse().ok()),
            agent: status.agent_id.and_then(|id| AgentId::try_from(id).ok()),
            name: status.service_name,
        }
    }
}
