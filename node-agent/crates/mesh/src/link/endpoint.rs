//! The socket of an agent: takes connections, and keeps those up that its wishes need.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::{AsyncUdpSocket, Connection, Incoming, Runtime as _};
use rand_core::RngCore;
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::hall::{Hall, Verdict};
use super::hub::{Active, Hub};
use super::session::{self, Ends};
use super::{Close, LinkError, Remote, authenticate, transport};
use crate::identity::{AgentId, Fingerprint, Identity};
use crate::membership::Membership;
use crate::tls::{self, Door, Expected, OtherKey};
use crate::trust::Trust;

/// A handshake that takes longer comes to nothing.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Peers that are connected; more are refused.
const MAX_PEERS: usize = 256;
/// What waits to be received or sent: the values of all peers at once, and what somebody sends who means harm.
const SOCKET_BUFFER: usize = 4 << 20;

/// Stands in errors for the address of a socket that does not know its own.
const UNKNOWN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// A peer that a connection is wanted with, and where it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub peer: AgentId,
    /// Where, the likeliest first.
    pub addresses: Vec<SocketAddr>,
}

/// The socket of an agent.
pub struct Endpoint {
    shared: Arc<Shared>,
    local: SocketAddr,
    targets: watch::Sender<Vec<Target>>,
    tasks: JoinSet<()>,
}

struct Shared {
    quic: quinn::Endpoint,
    identity: Arc<Identity>,
    site: String,
    trust: Arc<Trust>,
    hub: Arc<Hub>,
    /// Connections that want to pair.
    pairings: mpsc::Sender<(Connection, Fingerprint)>,
}

impl Endpoint {
    /// Listens at an address. Connections that want to pair come out of the channel, while the door is open.
    pub fn bind(
        address: SocketAddr,
        identity: Arc<Identity>,
        site: String,
        trust: Arc<Trust>,
        door: Arc<Door>,
        hub: Arc<Hub>,
    ) -> Result<(Self, mpsc::Receiver<(Connection, Fingerprint)>), LinkError> {
        let refused = |source| LinkError::Listen { address, source };
        let socket = UdpSocket::bind(address).map_err(refused)?;
        enlarge(&socket);
        let socket = quinn::TokioRuntime.wrap_udp_socket(socket).map_err(refused)?;
        Self::over(socket, identity, site, trust, door, hub)
    }

    /// Over a socket that is given.
    pub(super) fn over(
        socket: Arc<dyn AsyncUdpSocket>,
        identity: Arc<Identity>,
        site: String,
        trust: Arc<Trust>,
        door: Arc<Door>,
        hub: Arc<Hub>,
    ) -> Result<(Self, mpsc::Receiver<(Connection, Fingerprint)>), LinkError> {
        let unusable = |source| LinkError::Listen { address: UNKNOWN, source };
        let local = socket.local_addr().map_err(unusable)?;
        let server = transport::server(tls::server(identity.clone(), trust.clone(), door)?)?;
        let quic = quinn::Endpoint::new_with_abstract_socket(
            transport::endpoint(&identity),
            Some(server),
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(unusable)?;
        let (pairings, strangers) = mpsc::channel(4);
        let shared = Arc::new(Shared { quic, identity, site, trust, hub, pairings });
        let targets = watch::Sender::new(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(shared.clone()));
        tasks.spawn(dial_all(shared.clone(), targets.subscribe()));
        Ok((Self { shared, local, targets, tasks }, strangers))
    }

    /// Where it listens.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Replaces the peers that connections are kept with. An address that changes is tried at once.
    pub fn set_targets(&self, targets: Vec<Target>) {
        self.targets.send_if_modified(|present| {
            let changed = *present != targets;
            *present = targets;
            changed
        });
    }

    /// Dials an agent that is to be paired with, whoever it is.
    pub async fn connect_to_pair(&self, address: SocketAddr) -> Result<Connection, LinkError> {
        let tls = tls::client(&self.shared.identity.own(), Expected::Stranger, OtherKey::default())?;
        let config = transport::client(tls)?;
        let connecting = self.shared.quic.connect_with(config, address, &server_name(None))?;
        let timed_out = LinkError::Connection(quinn::ConnectionError::TimedOut);
        Ok(tokio::time::timeout(HANDSHAKE, connecting).await.map_err(|_| timed_out)??)
    }

    /// Ends all connections and waits until the peers could have learned of it.
    pub async fn shutdown(mut self) {
        self.tasks.shutdown().await;
        self.shared.quic.close(Close::Shutdown.code(), b"the agent ends");
        self.shared.quic.wait_idle().await;
    }
}

/// As far as the kernel lets us: beyond its limit with the right to administer networks only.
fn enlarge(socket: &UdpSocket) {
    if set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER).is_err() {
        let _ = set_socket_recv_buffer_size(socket, SOCKET_BUFFER);
    }
    let _ = set_socket_send_buffer_size(socket, SOCKET_BUFFER);
}

async fn accept(shared: Arc<Shared>) {
    let mut hall = Hall::default();
    loop {
        tokio::select! {
            incoming = shared.quic.accept() => {
                let Some(incoming) = incoming else { return };
                admit(&shared, incoming, &mut hall);
            }
            Some(_) = hall.handshakes.join_next() => hall.leave(),
        }
    }
}

fn admit(shared: &Arc<Shared>, incoming: Incoming, hall: &mut Hall) {
    match hall.judge(&incoming, |host| shared.hub.is_known(host)) {
        Verdict::Welcome(present) => {
            let shared = shared.clone();
            hall.handshakes.spawn(async move {
                match tokio::time::timeout(HANDSHAKE, incoming).await {
                    Ok(Ok(connection)) => welcome(&shared, connection),
                    _ => shared.hub.refused("handshake"),
                }
                drop(present);
            });
        }
        // Fails only for an address that is validated, which was just asked.
        Verdict::Prove => drop(incoming.retry()),
        Verdict::Refuse => {
            shared.hub.refused("too_many");
            incoming.refuse();
        }
        Verdict::Ignore => {
            shared.hub.refused("flood");
            incoming.ignore();
        }
    }
}

/// Sends a finished handshake where it belongs.
fn welcome(shared: &Arc<Shared>, connection: Connection) {
    match authenticate(&connection, &shared.trust) {
        Ok(Remote::Peer { agent } | Remote::Member { agent }) => {
            let shared = shared.clone();
            tokio::spawn(async move { shared.converse(connection, agent, false).await });
        }
        Ok(Remote::Pairing { key }) => {
            if let Err(refused) = shared.pairings.try_send((connection, key)) {
                let (connection, _) = refused.into_inner();
                session::refuse(&connection, &LinkError::Untrusted);
            }
        }
        Err(error) => {
            if let Some(reason) = error.refusal() {
                shared.hub.refused(reason);
            }
            session::refuse(&connection, &error);
        }
    }
}

/// Keeps one dialler for each target.
async fn dial_all(shared: Arc<Shared>, mut targets: watch::Receiver<Vec<Target>>) {
    let mut diallers: BTreeMap<AgentId, (watch::Sender<Vec<SocketAddr>>, tokio::task::AbortHandle)> =
        BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = targets.borrow_and_update().clone();
        diallers.retain(|peer, (_, dialler)| {
            let keep = wanted.iter().any(|target| target.peer == *peer);
            if !keep {
                dialler.abort();
            }
            keep
        });
        for target in wanted {
            if let Some((addresses, _)) = diallers.get(&target.peer) {
                addresses.send_replace(target.addresses);
            } else {
                let (sender, addresses) = watch::channel(target.addresses);
                let dialler = tasks.spawn(dial(shared.clone(), target.peer, addresses));
                diallers.insert(target.peer, (sender, dialler));
            }
        }
        if targets.changed().await.is_err() {
            return;
        }
    }
}

/// Keeps a connection to one peer up.
async fn dial(shared: Arc<Shared>, peer: AgentId, mut addresses: watch::Receiver<Vec<SocketAddr>>) {
    let mut backoff = Backoff::default();
    loop {
        let start = Instant::now();
        let known = addresses.borrow_and_update().clone();
        match shared.connect(peer, &known).await {
            Ok(connection) => {
                shared.converse(connection, peer, true).await;
            }
            Err(error) => {
                shared.hub.update_link(peer, |link| {
                    if let LinkError::KeyMismatch { shown, .. } = error {
                        link.key_mismatch = Some(shown);
                    }
                    link.last_error = Some(error.to_string());
                });
                shared.hub.link_changed();
            }
        }
        let pause = backoff.pause(start.elapsed(), rand_core::OsRng.next_u32());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // Seen somewhere else: no reason to wait.
            changed = addresses.changed() => if changed.is_err() { return },
        }
        shared.gone(peer).await;
    }
}

impl Shared {
    async fn connect(&self, peer: AgentId, addresses: &[SocketAddr]) -> Result<Connection, LinkError> {
        let (expected, name, own) = match self.trust.pin_of(peer) {
            Some(pin) => {
                let name = server_name(pin.keys.last());
                (Expected::Keys(pin.keys), name, self.identity.key_for(peer))
            }
            // Who is not paired can only be of the own site.
            None => (Expected::Member(self.site()?, peer), server_name(None), self.identity.own()),
        };
        let mut last = LinkError::Unexpected("no address is known");
        for &address in addresses {
            let shown = OtherKey::default();
            let tls = tls::client(&own, expected.clone(), shown.clone())?;
            let connecting = self.quic.connect_with(transport::client(tls)?, address, &name)?;
            let error = match tokio::time::timeout(HANDSHAKE, connecting).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(error)) => error.into(),
                Err(_) => LinkError::Connection(quinn::ConnectionError::TimedOut),
            };
            // That somebody else answers says more than that nobody does.
            match shown.get() {
                Some(&shown) => last = LinkError::KeyMismatch { address, shown },
                None if matches!(last, LinkError::KeyMismatch { .. }) => {}
                None => last = error,
            }
        }
        Err(last)
    }

    /// The own site, if this agent can show that it belongs to it.
    fn site(&self) -> Result<Arc<Membership>, LinkError> {
        let shows = |site: &Arc<Membership>| site.certificate(self.identity.fingerprint()).is_some();
        self.trust.membership().filter(shows).ok_or(LinkError::Untrusted)
    }

    /// Runs a session, unless a better connection with the peer exists.
    async fn converse(&self, connection: Connection, peer: AgentId, dialled: bool) {
        let me = match (authenticate(&connection, &self.trust), self.trust.membership()) {
            (Ok(Remote::Member { .. }), Some(site)) => site.me(),
            _ => self.identity.agent(),
        };
        let ends = Ends { me, site: self.site.clone(), peer, dialled };
        let id = connection.stable_id();
        if let Err(refused) = self.register(&connection, &ends) {
            session::refuse(&connection, &refused);
            return;
        }
        let address = connection.remote_address();
        self.hub.update_link(peer, |link| {
            link.connected = true;
            link.address = Some(address);
            link.revoked = false;
            link.key_mismatch = None;
            link.last_error = None;
        });
        self.hub.link_changed();
        let error =
            session::run(connection, ends, self.hub.clone(), self.trust.clone(), self.identity.clone()).await;
        tracing::info!(%peer, %error, "the connection has ended");
        if let Some(reason) = error.refusal() {
            self.hub.refused(reason);
        }
        let mut sessions = self.hub.sessions();
        if sessions.get(&peer).is_some_and(|active| active.connection.stable_id() == id) {
            sessions.remove(&peer);
            self.hub.update_link(peer, |link| {
                link.connected = false;
                link.revoked = error.closed_by_peer() == Some(Close::Revoked);
                link.last_error = Some(error.to_string());
            });
            self.hub.link_changed();
        }
    }

    /// Whether this connection is the one that stays. A new one of the same direction means that the peer has lost
    /// the old one.
    fn register(&self, connection: &Connection, ends: &Ends) -> Result<(), LinkError> {
        let mut sessions = self.hub.sessions();
        let preferred = ends.preferred();
        if let Some(old) = sessions.get(&ends.peer) {
            let alive = old.connection.close_reason().is_none();
            if alive && old.preferred && !preferred {
                return Err(LinkError::Duplicate);
            }
            session::refuse(&old.connection, &LinkError::Duplicate);
        } else if sessions.len() >= MAX_PEERS {
            return Err(LinkError::Overload("the agent has as many peers as it can"));
        }
        sessions.insert(ends.peer, Active { connection: connection.clone(), preferred });
        Ok(())
    }

    /// Waits until there is no session with the peer, whoever dialled it.
    async fn gone(&self, peer: AgentId) {
        loop {
            let active = {
                let sessions = self.hub.sessions();
                sessions.get(&peer).map(|active| active.connection.clone())
            };
            match active {
                Some(connection) if connection.close_reason().is_none() => {
                    connection.closed().await;
                }
                _ => return,
            }
        }
    }
}

/// Names the key that is expected, for a peer that is changing its own.
fn server_name(key: Option<&Fingerprint>) -> String {
    format!("{}.mesh", key.map_or_else(|| "0".repeat(32), Fingerprint::short))
}
