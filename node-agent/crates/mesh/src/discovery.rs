//! How agents find each other: multicast DNS on the local networks, type `_lineshaft._udp`.
//!
//! Whoever is on the network can say anything here, so nothing that is heard has an effect beyond a list of peers
//! ([`Table`]): trust comes of pairing, and the key of a connection proves who the peer is. [`Advert`] is what a
//! runtime says of itself, [`reach`] where it is said, [`Discovery`] the sockets and the clock.

mod advert;
mod browse;
mod daemon;
pub mod reach;
mod table;

pub use advert::{Advert, AdvertError, Label, RuntimeId, SERVICE_TYPE, VersionText};
pub use browse::{Announcement, Discovery, Settings};
pub use daemon::DiscoveryError;
pub use table::{Addresses, Change, Limits, Peer, Rejection, Sighting, Table};
