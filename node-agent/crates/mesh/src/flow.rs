//! Flows: values from one runtime's scans to another's, in order, whatever the network does to the datagrams.
//!
//! [`Publication`] decides at each scan end of the publisher what leaves; [`Subscription`] takes what arrives and
//! keeps the newest complete image, knows what is missing and asks for it. Both are state machines without clocks
//! and sockets; times are nanoseconds of a monotonic clock.

mod deadband;
mod gaps;
mod publish;
mod receive;

pub use deadband::Deadband;
pub use publish::{Publication, PublicationConfig, PublishedSlot, Scan};
pub use receive::{Due, Received, ReceivedSlot, Subscription, SubscriptionConfig, Tally, Worth};

/// Values longer than this on the wire go on a stream of their own, bytes.
pub const BULK_ABOVE: u32 = 1_024;

/// Most slots of a flow.
pub const MAX_SLOTS: usize = 16_384;

#[cfg(test)]
mod tests;
