//! Where a runtime is announced, and which announced addresses can be true.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// An address of an interface of this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// As the system numbers interfaces.
    pub interface: u32,
    /// The address.
    pub ip: IpAddr,
    /// Bits of the network.
    pub prefix: u8,
}

/// Whether a runtime that listens at `listen` is announced with the address `ip` of an interface. A listener on all
/// addresses is announced on the chosen `interfaces` (none: all but the loopback), one on a certain address with
/// it alone. A loopback listener may use any address of its network, so the interface has not to have it.
pub fn announces(listen: IpAddr, interfaces: &[String], interface: &str, ip: IpAddr) -> bool {
    if !listen.is_unspecified() {
        return listen == ip;
    }
    // A socket on `::` takes IPv4 as well.
    let family = listen.is_ipv6() || ip.is_ipv4();
    let chosen =
        if interfaces.is_empty() { !ip.is_loopback() } else { interfaces.iter().any(|i| i == interface) };
    family && chosen
}

/// Whether a host at `ip` would be reached over the interface itself, without a router.
pub fn on_link(locals: &[Local], interface: u32, ip: IpAddr) -> bool {
    let unusable = ip.is_unspecified() || ip.is_multicast();
    !unusable && locals.iter().any(|local| local.interface == interface && same_network(local, ip))
}

/// The address to dial. Addresses that are valid on one link only need its interface.
pub fn dialled(ip: IpAddr, port: u16, interface: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => SocketAddrV6::new(v6, port, 0, interface).into(),
        _ => SocketAddr::new(ip, port),
    }
}

fn same_network(local: &Local, ip: IpAddr) -> bool {
    let (own, other, bits) = match (local.ip, ip) {
        (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits().into(), other.to_bits().into(), 32),
        (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128_u32),
        _ => return false,
    };
    let host_bits = bits.saturating_sub(local.prefix.into());
    let network = |address: u128| address.checked_shr(host_bits).unwrap_or(0);
    network(own) == network(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_follow_the_listener() {
        let none: [String; 0] = [];
        let eth1 = ["eth1".to_owned()];
        let lo = ["lo".to_owned()];
        for (listen, interfaces, interface, address, expected) in [
            ("0.0.0.0", none.as_slice(), "eth0", "10.0.0.1", true),
            ("0.0.0.0", &none, "eth0", "fe80::1", false),
            ("0.0.0.0", &none, "lo", "127.0.0.1", false),
            ("0.0.0.0", &eth1, "eth0", "10.0.0.1", false),
            ("0.0.0.0", &eth1, "eth1", "10.0.1.1", true),
            ("0.0.0.0", &lo, "lo", "127.0.0.1", true),
            ("::", &none, "eth0", "10.0.0.1", true),
            ("::", &none, "eth0", "fe80::1", true),
            ("::", &none, "lo", "::1", false),
            ("10.0.0.1", &none, "eth0", "10.0.0.1", true),
            ("10.0.0.1", &none, "eth0", "10.0.0.2", false),
            ("10.0.0.1", &eth1, "eth0", "10.0.0.1", true),
            ("127.0.0.1", &none, "lo", "127.0.0.1", true),
            ("127.0.0.1", &none, "eth0", "10.0.0.1", false),
        ] {
            let seen = announces(ip(listen), interfaces, interface, ip(address));
            assert_eq!(seen, expected, "{listen} {interfaces:?} {interface} {address}");
        }
    }

    #[test]
    fn only_neighbours_are_on_link() {
        let local = |interface, address: &str, prefix| Local { interface, ip: ip(address), prefix };
        let locals = [
            local(1, "127.0.0.1", 8),
            local(2, "192.168.10.11", 24),
            local(2, "fe80::1", 64),
            local(3, "10.0.0.1", 32),
            local(4, "1.2.3.4", 0),
        ];
        for (interface, address, expected) in [
            (2, "192.168.10.250", true),
            (2, "192.168.11.1", false),
            (2, "127.0.0.1", false),
            (2, "8.8.8.8", false),
            (2, "fe80::2", true),
            (2, "2001:db8::1", false),
            (1, "127.0.0.5", true),
            (1, "192.168.10.12", false),
            (3, "10.0.0.1", true),
            (3, "10.0.0.2", false),
            (4, "9.9.9.9", true),
            (4, "0.0.0.0", false),
            (4, "224.0.0.251", false),
            (9, "192.168.10.12", false),
        ] {
            assert_eq!(on_link(&locals, interface, ip(address)), expected, "{interface} {address}");
        }
    }

    #[test]
    fn link_local_addresses_carry_their_interface() {
        assert_eq!(dialled(ip("fe80::2"), 5210, 4).to_string(), "[fe80::2%4]:5210");
        assert_eq!(dialled(ip("10.0.0.2"), 5210, 4).to_string(), "10.0.0.2:5210");
    }
}
