//! Multicast DNS responses as anybody can send them: bytes made by hand, out of a plain socket.

use std::net::{Ipv4Addr, UdpSocket};

use lineshaft_mesh::discovery::{Advert, SERVICE_TYPE};

use crate::hosts::enter;

const IN: u16 = 1;
const FLUSH: u16 = 0x8000;
const MINUTES: u32 = 4_500;

/// Sends packets from a host.
pub(crate) fn send(host: &str, packets: Vec<Vec<u8>>) {
    let host = host.to_owned();
    let sender = std::thread::spawn(move || {
        enter(&host);
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        for packet in packets {
            socket.send_to(&packet, "224.0.0.251:5353").unwrap();
        }
    });
    sender.join().unwrap();
}

/// An advert with all of its records.
pub(crate) fn announcement(advert: &Advert, address: Ipv4Addr, port: u16) -> Vec<u8> {
    let record: Vec<String> = advert.to_txt().iter().map(|(key, value)| format!("{key}={value}")).collect();
    response(&advert.instance(), &record, address, port, MINUTES)
}

/// The same names, and whatever TXT record.
pub(crate) fn announcement_with(instance: &str, record: &[String], address: Ipv4Addr, port: u16) -> Vec<u8> {
    response(instance, record, address, port, MINUTES)
}

/// Takes an advert back.
pub(crate) fn goodbye(advert: &Advert) -> Vec<u8> {
    response(&advert.instance(), &[], Ipv4Addr::UNSPECIFIED, 0, 0)
}

fn response(instance: &str, record: &[String], address: Ipv4Addr, port: u16, ttl: u32) -> Vec<u8> {
    let full_name = format!("{instance}.{SERVICE_TYPE}");
    let host = format!("forged-{instance}.local.");
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    answer(&mut packet, SERVICE_TYPE, 12, IN, ttl, &name(&full_name));
    let mut service = vec![0, 0, 0, 0];
    service.extend(port.to_be_bytes());
    service.extend(name(&host));
    answer(&mut packet, &full_name, 33, IN | FLUSH, ttl, &service);
    let text: Vec<u8> = record.iter().flat_map(|text| label(text)).collect();
    answer(&mut packet, &full_name, 16, IN | FLUSH, ttl, if text.is_empty() { &[0] } else { &text });
    answer(&mut packet, &host, 1, IN | FLUSH, ttl, &address.octets());
    packet
}

fn answer(packet: &mut Vec<u8>, owner: &str, kind: u16, class: u16, ttl: u32, data: &[u8]) {
    packet.extend(name(owner));
    packet.extend(kind.to_be_bytes());
    packet.extend(class.to_be_bytes());
    packet.extend(ttl.to_be_bytes());
    packet.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    packet.extend(data);
}

fn name(text: &str) -> Vec<u8> {
    text.split('.').flat_map(label).collect()
}

fn label(text: &str) -> Vec<u8> {
    std::iter::once(u8::try_from(text.len()).unwrap()).chain(text.bytes()).collect()
}
