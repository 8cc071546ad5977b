//! Packets from nowhere: openings of connections and rubbish, in the name of others.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use quinn::crypto::rustls::QuicClientConfig;
use quinn_proto::{ClientConfig, Endpoint, EndpointConfig};
use rand_core::{OsRng, RngCore};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};

use crate::dial::Anybody;
use crate::{Answer, Failure, say};

/// Openings that are made before the flood, and are sent over and over from other addresses.
const OPENINGS: usize = 500;
const IP_LEN: usize = 20;
const UDP_LEN: usize = 8;

pub(crate) fn flood(at: SocketAddr, packets: u32, from: SocketAddr) -> Result<(), Failure> {
    let (SocketAddr::V4(at), SocketAddr::V4(from)) = (at, from) else { return Err("IPv4 only".into()) };
    let openings = openings(at)?;
    let raw = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW))?;
    say(&Answer::Ready)?;
    let (mut rubbish, mut sent) = ([0; 300], 0_u64);
    for number in 0..packets {
        let packet = match number % 4 {
            // An opening from an address of its own on this network.
            0 => {
                let host = Ipv4Addr::new(10, 9, (number >> 10) as u8 & 1, (number >> 2) as u8);
                let opening = &openings[number as usize / 4 % openings.len()];
                packet(SocketAddrV4::new(host, 1_024 + (number >> 2) as u16 % 60_000), at, opening)
            }
            // Rubbish with the shape of a packet of a connection, from the address of a peer.
            1 | 2 => {
                OsRng.fill_bytes(&mut rubbish);
                rubbish[0] = 0x40 | rubbish[0] & 0x3F;
                packet(from, at, &rubbish)
            }
            _ => {
                OsRng.fill_bytes(&mut rubbish);
                packet(
                    SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 200), 1_024 + number as u16 % 60_000),
                    at,
                    &rubbish,
                )
            }
        };
        // What the kernel has no room for is lost, as on a cable.
        sent += u64::from(sendto(&raw, &packet, SendFlags::empty(), &SocketAddrV4::new(*at.ip(), 0)).is_ok());
    }
    say(&Answer::Count(sent))
}

/// First packets of connections, each another one.
fn openings(at: SocketAddrV4) -> Result<Vec<Vec<u8>>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, true, None);
    let mut openings = Vec::new();
    while openings.len() < OPENINGS {
        let (_, mut connection) = endpoint.connect(Instant::now(), config.clone(), at.into(), "00.mesh")?;
        let mut bytes = Vec::new();
        if let Some(transmit) = connection.poll_transmit(Instant::now(), 1, &mut bytes) {
            openings.push(bytes[..transmit.size].to_vec());
        }
    }
    Ok(openings)
}

/// An IPv4 packet with any source. The kernel fills in the checksum of the header; UDP's may be absent.
fn packet(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let length = IP_LEN + UDP_LEN + payload.len();
    let mut packet = vec![0x45, 0];
    packet.extend((length as u16).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(((UDP_LEN + payload.len()) as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}
