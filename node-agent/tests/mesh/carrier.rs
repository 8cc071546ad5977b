//! Carries values from the outbox of one runtime into the inbox of another, by the rules of the mesh.

use crate::runtime::{PATIENCE, Runtime};
use lineshaft_exchange::{InboxWriter, OutboxReader, Published, ScanState, monotonic_ns};
use lineshaft_mesh::flow::{
    Publication, PublicationConfig, PublishedSlot, ReceivedSlot, Scan, Subscription, SubscriptionConfig,
};
use lineshaft_mesh::schema::Schema;
use lineshaft_plc_runtime::client::OpenMailbox;
use std::ops::Range;
use std::time::Instant;

const DATAGRAM: usize = 1_200;

pub struct Carrier {
    from: OpenMailbox,
    outbox: OutboxReader,
    publication: Publication,
    subscription: Subscription,
    places: Vec<Range<usize>>,
    inbox: InboxWriter,
    /// What lies in the inbox.
    held: Vec<u8>,
    /// When an image was complete, and the number in it.
    delivered: Vec<(i64, i32)>,
    alive_ns: i64,
    begun: Instant,
    _to: OpenMailbox,
}

impl Carrier {
    /// One flow with everything that `to` receives, from the variables of the same names.
    pub fn between(from: &Runtime, to: &Runtime) -> Self {
        let (from, to) = (from.mailbox(), to.mailbox());
        let mut outbox = from.mailbox.outbox_reader().unwrap();
        let (mut published, mut received, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for slot in &to.info.received {
            let name = slot.from.strip_prefix("LineB:").unwrap();
            let source = from.info.published.iter().find(|source| source.variable == name).unwrap();
            let (ours, theirs) = (
                Schema::of(&to.info.types, slot.ty).unwrap(),
                Schema::of(&from.info.types, source.ty).unwrap(),
            );
            assert_eq!(ours.hash(), theirs.hash(), "{} and {}", ours.text(), theirs.text());
            let place = |place: &Range<u32>| place.start as usize..place.end as usize;
            let codec = theirs.codec().clone();
            published.push(PublishedSlot { image: place(&source.place), codec, deadband: None });
            received.push(ReceivedSlot { image: place(&slot.place), codec: ours.codec().clone() });
            places.push(place(&slot.place));
        }
        let (flow, epoch) = (1, 1);
        let config = PublicationConfig { flow, epoch, every_scans: 1, beat_after_ns: 0 };
        let interval_ns = from.info.scan_ns;
        let (head, values, _) = outbox.latest();
        let mut publication = Publication::new(config, published, &scan(head, values));
        let mut subscription = Subscription::new(SubscriptionConfig { flow, epoch, interval_ns }, received);
        subscription.snapshot(&publication.snapshot(None), now()).unwrap();
        let inbox = to.mailbox.inbox_writer().unwrap();
        let in_inbox = vec![0xFF; subscription.image().len()];
        let mut carrier = Self {
            from,
            outbox,
            publication,
            subscription,
            places,
            inbox,
            held: in_inbox,
            delivered: vec![(0, 0)],
            alive_ns: 0,
            begun: Instant::now(),
            _to: to,
        };
        carrier.deliver();
        carrier
    }

    /// Waits for the next scan of the publisher and carries what it left.
    pub fn carry(&mut self) {
        assert!(self.begun.elapsed() < 2 * PATIENCE, "what is waited for never comes");
        assert!(self.from.wakeup.wait(Some(PATIENCE)).unwrap(), "the publisher does not scan");
        self.take();
    }

    /// Carries what a publisher that is dead left; its last sign of life and its last number.
    pub fn carry_rest(&mut self) -> (i64, i32) {
        self.take();
        (self.alive_ns, self.delivered_before(i64::MAX))
    }

    /// The newest number that was complete in the inbox before a time; that of the first received variable.
    pub fn delivered_before(&self, at_ns: i64) -> i32 {
        let newest = self.delivered.iter().rev().find(|(complete_ns, _)| *complete_ns < at_ns);
        newest.map_or(0, |(_, n)| *n)
    }

    fn take(&mut self) {
        let (head, values, fresh) = self.outbox.latest();
        if !fresh {
            return;
        }
        let scan = scan(head, values);
        for datagram in self.publication.scan(&scan, now(), DATAGRAM) {
            self.subscription.datagram(&datagram, now()).unwrap();
        }
        while let Some((_, stream)) = self.publication.bulk(&scan, |_| true) {
            self.subscription.bulk(&stream).unwrap();
        }
        self.deliver();
    }

    /// Everything of the flow goes into the inbox, together.
    fn deliver(&mut self) {
        let image = self.subscription.image();
        for (entry, (place, quality)) in self.places.iter().zip(self.subscription.qualities()).enumerate() {
            if self.held[place.clone()] != image[place.clone()] {
                self.inbox.set(entry, &image[place.clone()]);
            }
            self.inbox.set_quality(entry, quality as u8);
        }
        self.held.copy_from_slice(image);
        self.inbox.publish();
        if let Some(alive) = self.subscription.last_alive_ns() {
            self.alive_ns = alive.cast_signed();
            self.inbox.alive(0, self.alive_ns);
        }
        if let Some(n) = self.places.first().and_then(|place| image.get(place.start..place.start + 4)) {
            let n = i32::from_le_bytes(n.try_into().unwrap());
            self.delivered.push((monotonic_ns(), n));
        }
    }
}

fn scan(head: Published, values: &[u8]) -> Scan<'_> {
    Scan {
        image: values,
        quality: &[],
        number: head.scan,
        time_ns: head.start_unix_ns,
        running: head.state == ScanState::Running,
        synchronised: false,
    }
}

fn now() -> u64 {
    monotonic_ns().unsigned_abs()
}
