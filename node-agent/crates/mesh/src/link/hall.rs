//! Who may come in: a bounded number of handshakes, and few answers to addresses that may be invented.
//!
//! An answer to an address that nobody has lies in the socket's buffer until the kernel gives up looking for its
//! owner, and values wait behind it. So answers to hosts that were never connected are rationed.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use quinn::Incoming;
use tokio::task::JoinSet;

use super::meter::Meter;
use crate::now_ns;

/// Handshakes under way; more are refused.
const MAX_HANDSHAKES: usize = 64;
/// Those of one host: two hosts at least have to be up to mischief to keep others out.
const MAX_HANDSHAKES_OF_HOST: usize = 32;
/// Above so many, an address must first show that it receives what is sent to it.
const VALIDATE_ABOVE: usize = 4;
/// Hosts that are asked to show it, a second; those that were connected before are always asked.
const ASKED: u64 = 50;

/// What becomes of somebody who knocks.
pub(super) enum Verdict {
    /// He comes in. To be kept until his handshake is over.
    Welcome(Arc<()>),
    /// He has to show that the address is his.
    Prove,
    /// He is told to go.
    Refuse,
    /// He hears nothing.
    Ignore,
}

/// Handshakes under way.
pub(super) struct Hall {
    pub(super) handshakes: JoinSet<()>,
    /// One reference for each handshake of a host, and this one.
    hosts: HashMap<IpAddr, Arc<()>>,
    asked: Meter,
}

impl Default for Hall {
    fn default() -> Self {
        Self { handshakes: JoinSet::new(), hosts: HashMap::new(), asked: Meter::new(ASKED, ASKED) }
    }
}

impl Hall {
    /// Judges a first packet. `known` says whether a peer was connected from a host.
    pub(super) fn judge(&mut self, incoming: &Incoming, known: impl FnOnce(IpAddr) -> bool) -> Verdict {
        let host = incoming.remote_address().ip();
        if incoming.remote_address_validated() {
            if self.handshakes.len() >= MAX_HANDSHAKES || self.of(host) >= MAX_HANDSHAKES_OF_HOST {
                return Verdict::Refuse;
            }
        } else if self.handshakes.len() >= VALIDATE_ABOVE {
            let asked = self.asked.take(1, now_ns()).is_ok() || known(host);
            return if asked { Verdict::Prove } else { Verdict::Ignore };
        }
        Verdict::Welcome(self.hosts.entry(host).or_default().clone())
    }

    /// A handshake is over.
    pub(super) fn leave(&mut self) {
        self.hosts.retain(|_, host| Arc::strong_count(host) > 1);
    }

    fn of(&self, host: IpAddr) -> usize {
        self.hosts.get(&host).map_or(0, |host| Arc::strong_count(host) - 1)
    }
}
