//! Published values, at the end of a scan.

use super::{BitCopy, Copy};
use lineshaft_exchange::{OutboxWriter, Published, ScanState};

/// What is published, and where it goes.
#[derive(Debug)]
pub(super) struct Outgoing {
    copies: Vec<Copy>,
    bits: Vec<BitCopy>,
    /// `None` until it is taken over from the binding before.
    outbox: Option<OutboxWriter>,
}

impl Outgoing {
    pub(super) fn new(copies: Vec<Copy>, bits: Vec<BitCopy>, outbox: Option<OutboxWriter>) -> Self {
        Self { copies, bits, outbox }
    }

    pub(super) fn take_box(&mut self, before: &mut Self) {
        self.outbox = before.outbox.take();
    }

    pub(super) fn publish(&mut self, state: &[u8], of: Published) {
        let Some(outbox) = &mut self.outbox else { return };
        outbox.publish(of, |values| {
            for copy in &self.copies {
                let (from, to, bytes) = (copy.from as usize, copy.to as usize, copy.bytes as usize);
                // The keeper took both from the layout of this program; what does not fit is left out.
                let source = state.get(from..from + bytes);
                if let (Some(source), Some(target)) = (source, values.get_mut(to..to + bytes)) {
                    target.copy_from_slice(source);
                }
            }
            for copy in &self.bits {
                let source = state.get(copy.from as usize);
                if let (Some(byte), Some(target)) = (source, values.get_mut(copy.to as usize)) {
                    *target = byte >> (copy.bit & 7) & 1;
                }
            }
        });
    }

    /// Whether it is news.
    pub(super) fn tell(&mut self, now: ScanState) -> bool {
        self.outbox.as_mut().is_some_and(|outbox| outbox.tell(now))
    }
}
