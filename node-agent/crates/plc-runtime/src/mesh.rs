//! What a scan publishes, and what it receives of other runtimes: from paths to places in the state block, and the
//! work at the end and at the begin of each scan.
//!
//! The keeper resolves paths ([`resolve()`]) and owns the mailbox; the runner's scan thread only copies. Nothing here
//! knows how values travel.

mod claims;
mod incoming;
mod outgoing;
mod parts;
mod place;
mod resolve;

pub(crate) use claims::Claims;
pub use claims::bits;
pub use place::Places;
pub use resolve::{Resolved, describe, resolve};

use crate::Error;
use incoming::Incoming;
use lineshaft_exchange::{ExchangeError, Mailbox, Published, ScanState, Wakeup};
use outgoing::Outgoing;
use parts::Part;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What the scan has to do, in numbers of a program's state block.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Of the mailbox.
    pub(crate) number: u64,
    copies: Vec<Copy>,
    bits: Vec<BitCopy>,
    entries: Vec<EntrySpec>,
}

/// A stretch of the state block that is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copy {
    from: u32,
    to: u32,
    bytes: u32,
}

/// A published bit of the process image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BitCopy {
    from: u32,
    bit: u8,
    to: u32,
}

/// A received variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EntrySpec {
    to: String,
    from: String,
    /// In the state block.
    memory: Range<u32>,
    bit: Option<u8>,
    parts: Vec<Part>,
    quality: Option<u32>,
    age: Option<u32>,
    timeout_ns: i64,
    grace_ns: i64,
    action: Action,
    /// The entry of the binding before this one that was for the same variables.
    before: Option<u32>,
}

/// What follows when a value is stale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Action {
    Hold,
    /// This takes its place.
    Substitute(Vec<u8>),
    Fault,
}

/// A binding with its boxes: what a scan works with.
#[derive(Debug)]
pub struct Bound {
    number: u64,
    outgoing: Outgoing,
    incoming: Incoming,
    /// Wakes who carries published values away.
    wakeup: Option<Wakeup>,
}

/// A received value that is stale and must not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stale<'a> {
    pub(crate) to: &'a str,
    pub(crate) from: &'a str,
}

impl Bound {
    /// Attaches to a mailbox. `None`: to that of the binding that it follows, which has the same number.
    pub fn new(binding: Binding, mailbox: Option<(&Mailbox, Wakeup)>) -> Result<Self, Error> {
        let failed = |e: ExchangeError| Error::Exchange(e.to_string());
        let (mut outbox, mut inbox, mut wakeup) = (None, None, None);
        if let Some((mailbox, wake)) = mailbox {
            outbox = Some(mailbox.outbox_writer().map_err(failed)?);
            inbox = Some((mailbox.inbox_reader().map_err(failed)?, mailbox.plan().sources));
            wakeup = Some(wake);
        }
        Ok(Self {
            number: binding.number,
            outgoing: Outgoing::new(binding.copies, binding.bits, outbox),
            incoming: Incoming::new(binding.entries, inbox),
            wakeup,
        })
    }

    /// Goes on where another binding ended. Copies of numbers only.
    pub(crate) fn follow(&mut self, before: Option<&mut Self>, now_ns: i64) {
        let Some(before) = before else { return self.incoming.runs(now_ns) };
        if before.number == self.number && self.wakeup.is_none() {
            self.wakeup = before.wakeup.take();
            self.outgoing.take_box(&mut before.outgoing);
            self.incoming.take_box(&mut before.incoming);
        }
        self.incoming.follow(&before.incoming, now_ns);
    }

    /// Received values go into the state block; the answer is one that must not be stale.
    pub(crate) fn latch(&mut self, state: &mut [u8], now_ns: i64) -> Option<Stale<'_>> {
        self.incoming.latch(state, now_ns)
    }

    /// The values of a scan leave.
    pub(crate) fn publish(&mut self, state: &[u8], of: Published) {
        self.outgoing.publish(state, of);
        self.wake();
    }

    /// The program stands still, or has faulted.
    pub(crate) fn tell(&mut self, now: ScanState) {
        if self.outgoing.tell(now) {
            self.wake();
        }
    }

    /// The program runs from now on: grace periods begin.
    pub(crate) fn runs(&mut self, now_ns: i64) {
        self.incoming.runs(now_ns);
    }

    /// The state block has initial values again.
    pub(crate) fn forget(&mut self) {
        self.incoming.forget();
    }

    #[cfg(test)]
    fn has_image(&self) -> bool {
        self.incoming.has_image()
    }

    fn wake(&self) {
        if let Some(wakeup) = &self.wakeup {
            wakeup.signal();
        }
    }
}

#[cfg(test)]
mod tests;
