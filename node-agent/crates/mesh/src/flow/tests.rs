use std::collections::VecDeque;
use std::ops::Range;

use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use proptest::prelude::*;

use super::*;
use crate::schema::{Codec, Schema};
use crate::wire::{Header, Kind, Quality, WireError};

const MS: u64 = 1_000_000;
const RTT: u64 = MS;

/// A publisher, a subscriber and what the publisher has sent as of each DATA.
struct Pair {
    publication: Publication,
    subscription: Subscription,
    image: Vec<u8>,
    ranges: Vec<Range<usize>>,
    history: Vec<Vec<u8>>,
    scan: u64,
    now: u64,
    max_len: usize,
}

fn codecs(types: &[&str]) -> Vec<Codec> {
    let declared: Vec<String> =
        types.iter().enumerate().map(|(index, ty)| format!("v{index} : {ty};")).collect();
    let declared = declared.join(
        "
",
    );
    let text = format!("PROGRAM Main VAR {declared} END_VAR END_PROGRAM");
    let unit = SourceUnit { name: "main.st".into(), text };
    let layout = compile(&[unit], &Options::default()).unwrap().layout;
    (0..types.len())
        .map(|index| Schema::of(&layout, layout.find(&format!("Main.v{index}")).unwrap().ty).unwrap())
        .map(|schema| schema.codec().clone())
        .collect()
}

impl Pair {
    fn new(types: &[&str], max_len: usize) -> Self {
        let codecs = codecs(types);
        let mut ranges = Vec::new();
        let mut end = 0;
        for codec in &codecs {
            let start = end;
            end += codec.memory_len() as usize;
            ranges.push(start..end);
        }
        let published = |(codec, image): (&Codec, &Range<usize>)| PublishedSlot {
            image: image.clone(),
            codec: codec.clone(),
            deadband: None,
        };
        let received = |(codec, image): (&Codec, &Range<usize>)| ReceivedSlot {
            image: image.clone(),
            codec: codec.clone(),
        };
        let image = vec![0; end];
        let config = PublicationConfig { flow: 7, epoch: 3, every_scans: 1, beat_after_ns: 20 * MS };
        let publication = Publication::new(
            config,
            codecs.iter().zip(&ranges).map(published).collect(),
            &scan_of(&image, 0),
        );
        let subscription = Subscription::new(
            SubscriptionConfig { flow: 7, epoch: 3, interval_ns: 10 * MS },
            codecs.iter().zip(&ranges).map(received).collect(),
        );
        Self {
            publication,
            subscription,
            history: vec![image.clone()],
            image,
            ranges,
            scan: 0,
            now: 0,
            max_len,
        }
    }

    /// One scan of the publisher, 10 ms later.
    fn scan(&mut self) -> Vec<Vec<u8>> {
        self.scan += 1;
        self.now += 10 * MS;
        let datagrams = self.publication.scan(&scan_of(&self.image, self.scan), self.now, self.max_len);
        if self.publication.seq() as usize == self.history.len() {
            self.history.push(self.image.clone());
        }
        datagrams
    }

    fn deliver(&mut self, datagram: &[u8]) -> Received {
        self.subscription.datagram(datagram, self.now).unwrap()
    }

    fn snapshot(&mut self, have: Option<u64>) {
        let stream = self.publication.snapshot(have);
        assert_eq!(self.subscription.snapshot(&stream, self.now).unwrap(), Received::Commit);
    }

    fn set(&mut self, slot: usize, byte: u8) {
        let at = self.ranges[slot].start;
        self.image[at] = byte;
    }

    fn all_good(&self) -> bool {
        self.subscription.qualities().all(Quality::is_good)
    }
}

fn scan_of(image: &[u8], number: u64) -> Scan<'_> {
    Scan { image, quality: &[], number, time_ns: number as i64 * 10, running: true, synchronised: false }
}

#[test]
fn a_flow_starts_with_a_snapshot_and_goes_on_with_changes() {
    let mut pair = Pair::new(&["DINT", "STRING[10]", "ARRAY[0..3] OF BOOL"], 1_200);
    pair.set(0, 5);
    assert_eq!(pair.subscription.quality(0), Quality::NotConnected);
    let first = pair.scan();
    pair.snapshot(None);
    assert_eq!(pair.subscription.image(), pair.image);
    assert_eq!(pair.subscription.quality(0), Quality::PublisherStopped, "nothing says yet that it runs");
    assert_eq!(pair.deliver(&first[0]), Received::Nothing, "the snapshot has it already");
    assert!(pair.all_good());

    let beat = pair.scan();
    assert_eq!(pair.deliver(&beat[0]), Received::Alive, "nothing changed");
    assert_eq!(pair.subscription.last_alive_ns(), Some(pair.now));
    assert!(pair.scan().is_empty(), "the second sign of life waits twice as long");
    pair.set(2, 1);
    let change = pair.scan();
    assert_eq!(change[0].len(), 32 + 4 + 4, "one value of four bytes");
    assert_eq!(pair.deliver(&change[0]), Received::Commit);
    assert_eq!(pair.subscription.image(), pair.image);
    assert_eq!(pair.subscription.scan_time_ns(), 40);
}

#[test]
fn a_program_that_hangs_sends_nothing() {
    let mut pair = Pair::new(&["DINT"], 1_200);
    pair.snapshot(None);
    let scan = scan_of(&[0; 4], 1);
    assert_eq!(pair.publication.scan(&scan, 20 * MS, 1_200).len(), 1, "a beat");
    assert!(pair.publication.scan(&scan, 900 * MS, 1_200).is_empty(), "the scan counter stands still");
}

#[test]
fn neighbours_share_a_run_and_quality_ends_it() {
    let mut pair = Pair::new(&["INT"; 300], 60_000);
    for slot in 0..300 {
        pair.set(slot, 1);
    }
    let datagrams = pair.scan();
    assert_eq!(datagrams[0].len(), 32 + 2 * 4 + 600, "255 and 45");
    let mut quality = vec![Quality::Good; 300];
    quality[10] = Quality::SourceBad;
    let scan = Scan { quality: &quality, ..scan_of(&pair.image, 2) };
    let datagrams = pair.publication.scan(&scan, pair.now + MS, 60_000);
    assert_eq!(datagrams[0].len(), 32 + 4 + 2, "quality alone is a change");
    pair.snapshot(Some(0));
    pair.deliver(&datagrams[0]);
    assert_eq!(pair.subscription.quality(10), Quality::SourceBad);
}

#[test]
fn values_of_one_scan_show_together() {
    let mut pair = Pair::new(&["LINT"; 20], 100);
    pair.snapshot(None);
    (0..20).for_each(|slot| pair.set(slot, 9));
    let mut parts = pair.scan();
    assert!(parts.len() > 2);
    let last = parts.remove(1);
    for part in &parts {
        assert_eq!(pair.deliver(part), Received::Alive);
        assert!(pair.subscription.image().iter().all(|&b| b == 0));
        assert!(!pair.all_good(), "newer values exist");
    }
    assert_eq!(pair.deliver(&last), Received::Commit);
    assert_eq!(pair.subscription.image(), pair.image);
    assert!(pair.all_good());
}

#[test]
fn an_incomplete_set_shows_after_its_time_and_is_asked_for() {
    let mut pair = Pair::new(&["LINT"; 20], 100);
    pair.snapshot(None);
    (0..20).for_each(|slot| pair.set(slot, 9));
    let parts = pair.scan();
    for part in &parts[1..] {
        pair.deliver(part);
    }
    let start = pair.now;
    assert_eq!(pair.subscription.next_due(RTT), Some(start + 2 * MS));
    assert_eq!(pair.subscription.due(start + 2 * MS - 1, RTT), None);
    assert_eq!(pair.subscription.due(start + 2 * MS, RTT), Some(Due::Commit));
    assert_eq!(pair.subscription.quality(0), Quality::GapOpen);
    assert_eq!(pair.subscription.quality(19), Quality::Good);
    let request = Due::Resync { have: 0 };
    assert_eq!(pair.subscription.due(start + 5 * MS - 1, RTT), None);
    assert_eq!(pair.subscription.due(start + 5 * MS, RTT), Some(request));
    for after in [55, 155, 355, 755] {
        assert_eq!(pair.subscription.due(start + after * MS - 1, RTT), None);
        assert_eq!(pair.subscription.due(start + after * MS, RTT), Some(request));
    }
    assert_eq!(pair.subscription.due(start + 1_555 * MS, RTT), Some(Due::Reconnect));
    pair.snapshot(Some(0));
    assert_eq!(pair.subscription.image(), pair.image);
    assert!(pair.all_good());
    assert_eq!(pair.subscription.next_due(RTT), None);
}

#[test]
fn more_than_255_datagrams_are_two_sets() {
    let mut pair = Pair::new(&["LINT"; 400], 45);
    pair.snapshot(None);
    (0..400).for_each(|slot| pair.set(slot, 3));
    let first = pair.scan();
    assert_eq!(first.len(), 255);
    let second = pair.scan();
    assert_eq!(second.len(), 145);
    for datagram in first.iter().chain(&second) {
        pair.deliver(datagram);
    }
    assert_eq!(pair.subscription.image(), pair.image);
    assert!(pair.all_good());
}

#[test]
fn long_values_go_alone_and_the_newest_wins() {
    let mut pair = Pair::new(&["ARRAY[1..3000] OF BYTE", "DINT"], 1_200);
    pair.snapshot(None);
    let scan = scan_of(&[0; 3_004], 1);
    let (slot, old) = pair.publication.bulk(&scan, |_| true).unwrap();
    assert_eq!(slot, 0);
    pair.set(0, 77);
    let is_beat = |datagram: &Vec<u8>| Header::decode(datagram).unwrap().0.kind == Kind::Beat;
    assert!(pair.scan().iter().all(is_beat), "no datagram holds it");
    assert!(pair.publication.bulk(&scan, |_| false).is_none(), "one is in flight");
    let (_, new) = pair.publication.bulk(&scan, |_| true).unwrap();
    assert!(pair.publication.bulk(&scan, |_| true).is_none());
    assert_eq!(pair.subscription.bulk(&new).unwrap(), Received::Commit);
    assert_eq!(pair.subscription.bulk(&old).unwrap(), Received::Nothing);
    assert_eq!(pair.subscription.image()[0], 77);
}

#[test]
fn what_was_not_agreed_on_is_a_protocol_error() {
    let mut pair = Pair::new(&["BOOL", "DINT"], 1_200);
    pair.snapshot(None);
    pair.set(0, 1);
    let good = pair.scan().remove(0);
    let with = |at: usize, byte: u8| {
        let mut datagram = good.clone();
        datagram[at] = byte;
        datagram
    };
    let mut longer = good.clone();
    longer.push(0);
    let cases = [
        (good[..31].to_vec(), "short header"),
        (with(0, 9), "kind"),
        (with(1, 4), "flag"),
        (with(28, 1), "part beyond parts"),
        (with(29, 0), "no parts"),
        (with(32, 2), "slot outside"),
        (with(34, 0), "empty run"),
        (with(35, 0x07), "quality"),
        (with(36, 2), "BOOL 2"),
        (longer, "trailing byte"),
    ];
    for (datagram, what) in cases {
        assert!(pair.subscription.datagram(&datagram, 1).is_err(), "{what}");
    }
    assert_eq!(pair.subscription.image()[0], 0, "a refused datagram leaves nothing behind");
    assert_eq!(pair.subscription.datagram(&with(2, 8), 1).unwrap(), Received::Nothing, "another flow");
    assert_eq!(pair.subscription.datagram(&with(4, 9), 1).unwrap(), Received::Nothing, "another epoch");
    assert_eq!(pair.subscription.datagram(&good, 1).unwrap(), Received::Commit);
    assert_eq!(pair.subscription.datagram(&good, 1).unwrap(), Received::Nothing, "a replay");
}

/// What the network does to a datagram.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Deliver,
    Lose,
    Twice,
    /// Later, behind so many others.
    Late(usize),
}

#[derive(Debug, Clone)]
enum Event {
    Set(usize, u8),
    Scan(Vec<Fate>),
    Resync,
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => Just(Fate::Deliver),
        3 => Just(Fate::Lose),
        1 => Just(Fate::Twice),
        2 => (1usize..8).prop_map(Fate::Late),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        5 => (0usize..12, any::<u8>()).prop_map(|(slot, byte)| Event::Set(slot, byte)),
        5 => prop::collection::vec(fate(), 8).prop_map(Event::Scan),
        1 => Just(Event::Resync),
    ];
    prop::collection::vec(event, 1..120)
}

proptest! {
    /// Loss, reordering and duplication; whatever is shown as good is the newest value known to exist, and one
    /// answered request makes both images equal.
    #[test]
    fn whatever_the_network_does(events in events(), max_len in 45usize..90) {
        let mut pair = Pair::new(&["LINT"; 12], max_len);
        pair.snapshot(None);
        let mut late: VecDeque<(usize, Vec<u8>)> = VecDeque::new();
        let mut known = 0;
        for event in events {
            match event {
                Event::Set(slot, byte) => pair.set(slot, byte),
                Event::Scan(fates) => {
                    let mut arriving = Vec::new();
                    for (index, datagram) in pair.scan().into_iter().enumerate() {
                        match fates[index % fates.len()] {
                            Fate::Deliver => arriving.push(datagram),
                            Fate::Lose => {}
                            Fate::Twice => arriving.extend([datagram.clone(), datagram]),
                            Fate::Late(behind) => late.push_back((behind, datagram)),
                        }
                    }
                    for entry in &mut late {
                        entry.0 = entry.0.saturating_sub(1);
                    }
                    while late.front().is_some_and(|(behind, _)| *behind == 0) {
                        arriving.extend(late.pop_front().map(|(_, datagram)| datagram));
                    }
                    for datagram in arriving {
                        known = known.max(Header::decode(&datagram).unwrap().0.seq);
                        pair.deliver(&datagram);
                        good_is_new(&pair, known as usize)?;
                    }
                }
                Event::Resync => {
                    pair.now += MS;
                    known = pair.publication.seq();
                    let have = pair.subscription.due(pair.now + 60 * MS, RTT);
                    if let Some(Due::Resync { have }) = have {
                        pair.snapshot(Some(have));
                    } else {
                        known = known.min(pair.publication.seq());
                        pair.snapshot(Some(0));
                    }
                }
            }
            good_is_new(&pair, known as usize)?;
        }
        // The publisher falls silent: its next beat tells of what is missing.
        let mut beat = Vec::new();
        for _ in 0..4 {
            beat.extend(pair.scan());
        }
        pair.deliver(beat.last().unwrap());
        let quiet = pair.now + 10_000 * MS;
        while let Some(due) = pair.subscription.due(quiet, RTT) {
            match due {
                Due::Resync { have } => pair.snapshot(Some(have)),
                Due::Reconnect => pair.snapshot(Some(0)),
                Due::Commit => {}
            }
        }
        prop_assert_eq!(pair.subscription.image(), &pair.image[..]);
        prop_assert!(pair.all_good());
    }

    /// Any bytes are an answer or an error, and change nothing unless they are whole.
    #[test]
    fn fuzz_datagrams(bytes in prop::collection::vec(any::<u8>(), 0..200), genuine in any::<bool>()) {
        let mut pair = Pair::new(&["BOOL", "STRING[5]", "INT(0..9)", "ARRAY[1..2000] OF BYTE"], 1_200);
        let mut message = bytes;
        if genuine {
            // A right header in front gets the rest past the door.
            let mut front = vec![1, 1, 7, 0, 3, 0, 0, 0];
            front.append(&mut message);
            message = front;
        }
        let before = pair.subscription.image().to_vec();
        if pair.subscription.datagram(&message, 1).is_err() {
            prop_assert_eq!(pair.subscription.image(), &before[..]);
        }
        let mut stream = b"LSS1\x07\0\0\0\x03\0\0\0".to_vec();
        stream.extend_from_slice(&message);
        let _: Result<Received, WireError> = pair.subscription.snapshot(&stream, 1);
        let mut stream = b"LSB1\x07\0\x03\0\x03\0\0\0".to_vec();
        stream.extend_from_slice(&message);
        let _: Result<Received, WireError> = pair.subscription.bulk(&stream);
    }
}

fn good_is_new(pair: &Pair, known: usize) -> Result<(), TestCaseError> {
    for (slot, quality) in pair.subscription.qualities().enumerate() {
        if quality.is_good() {
            let range = pair.ranges[slot].clone();
            let shown = &pair.subscription.image()[range.clone()];
            prop_assert_eq!(shown, &pair.history[known][range], "slot {}", slot);
        }
    }
    Ok(())
}
