use lineshaft_exchange::{InboxReader, Mailbox, MailboxPlan};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};

use super::*;
use crate::flow::{
    Publication, PublicationConfig, PublishedSlot, ReceivedSlot, Scan, Subscription, SubscriptionConfig,
};
use crate::schema::{Codec, Schema};

/// Two flows of two DINTs into one inbox with as many sources as are said.
struct Bench {
    inlet: Inlet,
    reader: InboxReader,
    flows: Vec<(Publication, Subscription, [u32; 2])>,
    scan: u64,
}

fn dint() -> Codec {
    let text = "PROGRAM Main VAR v : DINT; END_VAR END_PROGRAM".to_owned();
    let layout = compile(&[SourceUnit { name: "main.st".into(), text }], &Options::default()).unwrap().layout;
    Schema::of(&layout, layout.find("Main.v").unwrap().ty).unwrap().codec().clone()
}

fn scan(image: &[u8], number: u64, running: bool) -> Scan<'_> {
    Scan { image, quality: &[], number, time_ns: 0, running, synchronised: false }
}

impl Bench {
    fn new(sources: u16) -> Self {
        let plan = MailboxPlan { published: 0, received: vec![0..4, 4..8, 8..12, 12..16], sources };
        let mailbox = Mailbox::create("test", plan).unwrap();
        let inbox = Arc::new(Inbox::new(mailbox.inbox_writer().unwrap()));
        let place = |inbox| Place { inbox, size: 4, timeout_ns: u64::MAX };
        let inlet = Inlet::new(inbox, (0..4).map(place).collect());
        let flow = |flow: u16| {
            let config = PublicationConfig { flow, epoch: 7, every_scans: 1, beat_after_ns: 0 };
            let slots: [_; 2] = [0..4, 4..8];
            let published = slots.clone().map(|image| PublishedSlot { image, codec: dint(), deadband: None });
            let received = slots.map(|image| ReceivedSlot { image, codec: dint() });
            let mut publication = Publication::new(config, published.to_vec(), &scan(&[0; 8], 0, true));
            let config = SubscriptionConfig { flow, epoch: 7, interval_ns: 1 };
            let mut subscription = Subscription::new(config, received.to_vec());
            subscription.snapshot(&publication.snapshot(None), 1).unwrap();
            let first = u32::from(flow) * 2;
            (publication, subscription, [first, first + 1])
        };
        Self { inlet, reader: mailbox.inbox_reader().unwrap(), flows: vec![flow(0), flow(1)], scan: 0 }
    }

    /// A scan of one publisher arrives at this time.
    fn arrives(&mut self, flow: usize, values: [i32; 2], now_ns: u64) {
        self.scan += 1;
        let image = [values[0].to_le_bytes(), values[1].to_le_bytes()].concat();
        let (publication, subscription, entries) = &mut self.flows[flow];
        for datagram in publication.scan(&scan(&image, self.scan, true), now_ns, 1_200) {
            subscription.datagram(&datagram, now_ns).unwrap();
        }
        self.inlet.deliver(&Delivery { subscription, entries: &*entries });
        self.inlet.show(true);
    }

    /// What the program sees of an entry: value, quality, last sign of life.
    fn seen(&mut self, entry: usize) -> (i32, u8, i64) {
        self.reader.latest();
        let image = self.reader.image().unwrap();
        let head = image.head(entry);
        let value = i32::from_le_bytes(image.value(entry).try_into().unwrap());
        (value, head.quality, self.reader.alive(head.source))
    }
}

#[test]
fn each_flow_has_signs_of_life_of_its_own() {
    let mut bench = Bench::new(2);
    bench.arrives(0, [1, 2], 10);
    bench.arrives(1, [3, 4], 20);
    assert_eq!([0, 1, 2, 3].map(|entry| bench.seen(entry)), [(1, 0, 10), (2, 0, 10), (3, 0, 20), (4, 0, 20)]);
    bench.arrives(0, [1, 5], 30);
    assert_eq!([1, 2].map(|entry| bench.seen(entry)), [(5, 0, 30), (3, 0, 20)]);
}

#[test]
fn a_sign_of_life_shows_without_a_new_image() {
    let mut bench = Bench::new(2);
    bench.arrives(0, [1, 2], 10);
    assert!(bench.reader.latest().1);
    bench.scan += 1;
    let (publication, subscription, entries) = &mut bench.flows[0];
    let image = [1_i32.to_le_bytes(), 2_i32.to_le_bytes()].concat();
    let datagrams = publication.scan(&scan(&image, bench.scan, true), 50, 1_200);
    assert_eq!(datagrams.len(), 1, "a BEAT");
    subscription.datagram(&datagrams[0], 50).unwrap();
    bench.inlet.alive(&Delivery { subscription, entries: &*entries });
    bench.inlet.show(false);
    assert!(!bench.reader.latest().1);
    assert_eq!(bench.seen(0), (1, 0, 50));
}

#[test]
fn what_another_negotiation_showed_is_no_sign_of_life() {
    let mut bench = Bench::new(2);
    bench.arrives(0, [1, 2], 10);
    let config = SubscriptionConfig { flow: 9, epoch: 8, interval_ns: 1 };
    let slots = [0..4, 4..8].map(|image| ReceivedSlot { image, codec: dint() });
    let fresh = Subscription::new(config, slots.to_vec());
    bench.inlet.alive(&Delivery { subscription: &fresh, entries: &[0, 1] });
    assert_eq!(bench.seen(0), (1, 0, 0), "the program sees that nobody is known to live");
}

#[test]
fn values_that_come_back_show_anew() {
    let mut bench = Bench::new(2);
    bench.arrives(0, [1, 2], 10);
    for entry in 0..4 {
        bench.inlet.problem(entry, EntryProblem::NotConnected);
    }
    assert_eq!(bench.seen(0).1, Quality::NotConnected as u8);
    let Some(Standing::Value { quality, .. }) = bench.inlet.standing(0) else {
        unreachable!("it had a value")
    };
    assert_eq!(quality, Quality::NotConnected);
    bench.arrives(0, [1, 3], 40);
    assert_eq!([0, 1].map(|entry| bench.seen(entry)), [(1, 0, 40), (3, 0, 40)]);
    assert_eq!(bench.inlet.standing(2), Some(Standing::Waiting), "nothing ever came for it");
    assert_eq!((bench.inlet.silence_ns(2), bench.inlet.silence_ns(0).is_some()), (None, true));
}

#[test]
fn a_wish_that_is_over_gives_its_sources_back() {
    let bench = Bench::new(1);
    let inbox = bench.inlet.inbox.clone();
    let mut bench = bench;
    bench.arrives(0, [1, 2], 10);
    assert_eq!(inbox.lock().taken, [true]);
    drop(bench);
    assert_eq!(inbox.lock().taken, [false]);
}
