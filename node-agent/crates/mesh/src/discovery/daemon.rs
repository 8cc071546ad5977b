//! Multicast DNS, by mdns-sd: one thread with sockets on all interfaces.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mdns_sd::{
    IfKind, IfPredicate, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo,
};

use super::advert::{Advert, SERVICE_TYPE, instance_of};
use super::browse::Announcement;
use super::reach::{Local, announces, dialled, on_link};
use super::table::{Addresses, Rejection, Sighting};

/// A peer that is asked whether it is there has this long to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Goodbyes are on the network by then.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// Addresses of interfaces are looked up again for adverts that do not fit them, so often at most.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
const INTERFACES_CHECKED_EVERY_SECONDS: u32 = 2;

/// Multicast DNS does not work on this host.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS: {0}")]
pub struct DiscoveryError(#[from] mdns_sd::Error);

/// What the network says.
#[derive(Debug)]
pub(super) enum Heard {
    Advert(Result<Sighting, Rejection>),
    Gone {
        instance: String,
    },
    /// More was said than could be listened to.
    Overrun,
}

/// Announces and listens until it is dropped.
pub(super) struct Daemon {
    mdns: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    locals: Vec<Local>,
    looked_up: Instant,
}

impl Daemon {
    /// Whoever announces himself after this has returned is heard.
    pub(super) async fn open(port: u16) -> Result<Self, DiscoveryError> {
        let mdns = ServiceDaemon::new_with_port(port)?;
        mdns.set_ip_check_interval(INTERFACES_CHECKED_EVERY_SECONDS)?;
        let events = mdns.browse(SERVICE_TYPE)?;
        let daemon = Self { mdns, events, locals: locals(), looked_up: Instant::now() };
        // That the search has started is said first, and by a thread that has its sockets.
        daemon.events.recv_async().await.map_err(|_| mdns_sd::Error::DaemonShutdown)?;
        Ok(daemon)
    }

    /// Asks the network anew, and hears again what is known.
    pub(super) fn browse_again(&mut self) -> Result<(), DiscoveryError> {
        self.events = self.mdns.browse(SERVICE_TYPE)?;
        Ok(())
    }

    pub(super) fn announce(&self, announcement: &Announcement) -> Result<(), DiscoveryError> {
        self.mdns.register(service(announcement)?)?;
        Ok(())
    }

    /// Looks up the addresses of this host, and whether they are others than before.
    pub(super) fn addresses_changed(&mut self) -> bool {
        let locals = locals();
        self.looked_up = Instant::now();
        let changed = locals != self.locals;
        self.locals = locals;
        changed
    }

    /// Says goodbye for an instance.
    pub(super) fn withdraw(&self, instance: &str) -> Result<(), DiscoveryError> {
        self.mdns.unregister(&format!("{instance}.{SERVICE_TYPE}"))?;
        Ok(())
    }

    /// Asks whether an instance is there; if nobody answers it will be heard to be gone.
    pub(super) fn ask(&self, instance: &str) -> Result<(), DiscoveryError> {
        self.mdns.verify(format!("{instance}.{SERVICE_TYPE}"), ANSWER_WITHIN)?;
        Ok(())
    }

    /// Records in the cache; `None` if the thread has ended.
    pub(super) async fn cached(&self) -> Option<u64> {
        let metrics = self.mdns.get_metrics().ok()?.recv_async().await.ok()?;
        let sizes = metrics.iter().filter(|(name, _)| name.starts_with("cached-"));
        Some(sizes.map(|(_, &count)| u64::try_from(count).unwrap_or(0)).sum())
    }

    /// Waits for what concerns us.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            match self.events.recv_async().await {
                Ok(ServiceEvent::ServiceResolved(service)) => return Heard::Advert(self.read(&service)),
                Ok(ServiceEvent::ServiceRemoved(_, full_name)) => {
                    if let Some(instance) = instance_of(&full_name) {
                        return Heard::Gone { instance: instance.to_owned() };
                    }
                }
                Ok(_) => {}
                Err(_) => return Heard::Overrun,
            }
        }
    }

    /// Says goodbye for all and ends.
    pub(super) async fn close(&self) {
        if let Ok(ended) = self.mdns.shutdown() {
            let _ = tokio::time::timeout(CLOSE_WITHIN, ended.recv_async()).await;
        }
    }

    fn read(&mut self, service: &ResolvedService) -> Result<Sighting, Rejection> {
        let record: Vec<_> =
            service.get_properties().iter().map(|entry| (entry.key(), entry.val())).collect();
        let advert = Advert::from_txt(&record).map_err(Rejection::Advert)?;
        advert.check_instance(service.get_fullname()).map_err(Rejection::Advert)?;
        let mut addresses = self.neighbours(service);
        if addresses.is_empty() && self.looked_up.elapsed() >= LOOK_UP_EVERY {
            self.addresses_changed();
            addresses = self.neighbours(service);
        }
        if addresses.is_empty() { Err(Rejection::OffLink) } else { Ok(Sighting { advert, addresses }) }
    }

    /// The addresses of a service that are on the link that they were received on.
    fn neighbours(&self, service: &ResolvedService) -> Addresses {
        let mut addresses = Addresses::new();
        if service.port == 0 {
            return addresses;
        }
        for address in service.get_addresses() {
            let ip = address.to_ip_addr();
            let interfaces = match address {
                ScopedIp::V4(v4) => v4.interface_ids(),
                ScopedIp::V6(v6) => std::slice::from_ref(v6.scope_id()),
                _ => continue,
            };
            for interface in interfaces.iter().filter(|interface| on_link(&self.locals, interface.index, ip))
            {
                let of_interface: &mut BTreeSet<_> = addresses.entry(interface.name.clone()).or_default();
                of_interface.insert(dialled(ip, service.port, interface.index));
            }
        }
        addresses
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The thread does not end by itself. One that has ended already needs nothing.
        let _ = self.mdns.shutdown();
    }
}

fn service(announcement: &Announcement) -> Result<ServiceInfo, mdns_sd::Error> {
    let Announcement { advert, listen, interfaces } = announcement;
    let record = advert.to_txt();
    let (instance, host, ip) = (advert.instance(), advert.host(), listen.ip());
    let mut service = if ip.is_loopback() {
        ServiceInfo::new(SERVICE_TYPE, &instance, &host, ip, listen.port(), record.as_slice())?
    } else {
        ServiceInfo::new(SERVICE_TYPE, &instance, &host, (), listen.port(), record.as_slice())?
            .enable_addr_auto()
    };
    let kind = if ip.is_loopback() { loopback_of(ip) } else { interfaces_of(ip, interfaces.clone()) };
    service.set_interfaces(vec![kind]);
    // The names are unique by construction; probing would take a second and might rename them.
    service.set_requires_probe(false);
    Ok(service)
}

fn loopback_of(ip: IpAddr) -> IfKind {
    if ip.is_ipv4() { IfKind::LoopbackV4 } else { IfKind::LoopbackV6 }
}

fn interfaces_of(listen: IpAddr, chosen: Vec<String>) -> IfKind {
    IfKind::Predicate(IfPredicate::new(move |interface| {
        announces(listen, &chosen, &interface.name, interface.ip())
    }))
}

fn locals() -> Vec<Local> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read the addresses of the interfaces");
        Vec::new()
    });
    let local = |interface: &if_addrs::Interface| {
        let prefix = match &interface.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        Some(Local { interface: interface.index?, ip: interface.ip(), prefix })
    };
    interfaces.iter().filter_map(local).collect()
}
