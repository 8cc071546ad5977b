//! How QUIC is set up for cyclic values between a few known peers.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn::{
    AckFrequencyConfig, ClientConfig, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt,
};
use quinn_proto::HashedConnectionIdGenerator;

use super::LinkError;
use crate::identity::Identity;

/// Silence after which a connection is dead.
const IDLE: Duration = Duration::from_secs(3);
/// Also how soon a subscriber learns that its publisher has restarted.
const KEEP_ALIVE: Duration = Duration::from_millis(250);
/// Whoever waits for an acknowledgement adds this before it takes a packet for lost, and doubles it with each repetition:
/// with QUIC's 25 ms, what a request for missing values takes under heavy loss doubles.
const ACK_WITHIN: Duration = Duration::from_millis(5);
/// Room for datagrams that wait to be sent: the values of one scan.
const DATAGRAM_BUFFER: usize = 1 << 20;
const MIN_WINDOW: u64 = 1 << 20;
/// Above this it is no plant network, and others share it.
const FAR: Duration = Duration::from_millis(20);
const QUIC_V1: u32 = 1;
/// Bytes of all streams of a connection that wait here to be read.
const STREAM_BYTES: u32 = 8 << 20;
/// Streams of snapshots and long values at a time.
const STREAMS: u32 = 64;

/// For the accepting side.
pub(super) fn server(tls: rustls::ServerConfig) -> Result<ServerConfig, LinkError> {
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls)
        .map_err(|_| rustls::Error::General("no TLS 1.3 cipher suite for QUIC".to_owned()))?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport()).migration(false);
    Ok(config)
}

/// For the dialling side.
pub(super) fn client(tls: rustls::ClientConfig) -> Result<ClientConfig, LinkError> {
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls)
        .map_err(|_| rustls::Error::General("no TLS 1.3 cipher suite for QUIC".to_owned()))?;
    let mut config = ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport());
    Ok(config)
}

/// Keys that outlive the process: a peer of the process before learns of the restart with its next packet, since
/// the new one knows the old one's connection IDs for its own and may answer with a reset.
pub(super) fn endpoint(identity: &Identity) -> EndpointConfig {
    let secret = identity.derived("quic stateless reset");
    let mut config = EndpointConfig::new(Arc::new(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &secret)));
    let secret = identity.derived("quic connection ids");
    let (key, _) = secret.split_first_chunk::<8>().expect("a secret has 32 bytes");
    let key = u64::from_le_bytes(*key);
    // The drafts of QUIC are over.
    config.supported_versions(vec![QUIC_V1]);
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(key)));
    config
}

fn transport() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let mut acks = AckFrequencyConfig::default();
    acks.max_ack_delay(Some(ACK_WITHIN));
    let idle = IdleTimeout::try_from(IDLE).expect("three seconds are a QUIC timeout");
    config
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .ack_frequency_config(Some(acks))
        .initial_rtt(Duration::from_millis(10))
        .datagram_receive_buffer_size(Some(4 * DATAGRAM_BUFFER))
        .datagram_send_buffer_size(DATAGRAM_BUFFER)
        .receive_window(VarInt::from_u32(STREAM_BYTES))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(STREAMS))
        .congestion_controller_factory(Arc::new(PlantFactory));
    Arc::new(config)
}

#[derive(Debug)]
struct PlantFactory;

impl ControllerFactory for PlantFactory {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        let far = Arc::new(CubicConfig::default()).build(now, mtu);
        Box::new(Plant { far, shortest: None })
    }
}

/// A window of fixed size near by, Cubic far away. Cyclic load is known and admitted; a controller that takes each
/// loss for congestion would hold values back that are old when it lets them go.
struct Plant {
    far: Box<dyn Controller>,
    shortest: Option<Duration>,
}

impl Controller for Plant {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        self.far.on_sent(now, bytes, last_packet_number);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &quinn_proto::RttEstimator,
    ) {
        self.shortest = Some(rtt.min());
        self.far.on_ack(now, sent, bytes, app_limited, rtt);
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        self.far.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
    }

    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost_bytes: u64) {
        self.far.on_congestion_event(now, sent, persistent, lost_bytes);
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.far.on_mtu_update(new_mtu);
    }

    fn window(&self) -> u64 {
        match self.shortest {
            Some(shortest) if shortest > FAR => self.far.window(),
            _ => MIN_WINDOW.max(self.far.initial_window()),
        }
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self { far: self.far.clone_box(), shortest: self.shortest })
    }

    fn initial_window(&self) -> u64 {
        MIN_WINDOW
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}
