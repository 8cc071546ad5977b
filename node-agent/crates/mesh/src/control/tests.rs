use lineshaft_plc_compiler::layout::Elementary;
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use proptest::prelude::*;

use super::*;
use crate::schema::Schema;

const PROGRAM: &str = "PROGRAM Main VAR n : DINT; b : BOOL; text : STRING[100]; END_VAR END_PROGRAM";

fn schema(path: &str) -> Schema {
    let unit = SourceUnit { name: "main.st".into(), text: PROGRAM.into() };
    let layout = compile(&[unit], &Options::default()).unwrap().layout;
    Schema::of(&layout, layout.find(path).unwrap().ty).unwrap()
}

fn offered(path: &str, to: &[&str], min_interval_us: u64) -> Offered {
    let number = (path == "Main.n").then_some(Elementary::Dint);
    let to = to.iter().map(|&name| name.to_owned()).collect();
    Offered { schema: schema(path), number, image: 0..4, to, min_interval_us }
}

fn entry(i: u32, variable: &str, path_of_type: &str) -> Entry {
    let schema = schema(path_of_type);
    Entry {
        i,
        variable: variable.to_owned(),
        ty: schema.text().to_owned(),
        hash: schema.hash(),
        deadband: None,
        min_interval_us: 0,
        timeout_us: 300_000,
    }
}

fn wish(entries: Vec<Entry>) -> Subscribe {
    let [subscriber, subscriber_name, publisher] = ["a", "LineA", "b"].map(str::to_owned);
    Subscribe { subscriber, subscriber_name, publisher, entries }
}

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::new(10_000);
    catalogue.publish("Status.n", offered("Main.n", &[], 0));
    catalogue.publish("Status.slow", offered("Main.n", &[], 25_000));
    catalogue.publish("Status.secret", offered("Main.b", &["LineC"], 0));
    catalogue.publish("Status.text", offered("Main.text", &["LineA"], 0));
    catalogue
}

const PLENTY: Limits = Limits { flows: 1_024, bytes_per_second: 20_000_000, slots: 65_536, memory: 64 << 20 };

fn reasons(refused: &[Refused]) -> Vec<(u32, Reason)> {
    refused.iter().map(|r| (r.i, r.reason)).collect()
}

#[test]
fn entries_of_one_interval_form_a_flow() {
    let entries = vec![
        entry(0, "status.N", "Main.n"),
        entry(1, "Status.slow", "Main.n"),
        entry(2, "Status.text", "Main.text"),
        Entry { min_interval_us: 30_000, timeout_us: 900_000, ..entry(3, "Status.n", "Main.n") },
    ];
    let (flows, refused) = negotiate(&catalogue(), &wish(entries), PLENTY);
    assert!(refused.is_empty(), "{refused:?}");
    let shape: Vec<_> = flows
        .iter()
        .map(|f| (f.every_scans, f.interval_us, f.beat_us, f.slots.iter().map(|s| s.i).collect::<Vec<_>>()))
        .collect();
    assert_eq!(shape, [(1, 10_000, 75_000, vec![0, 2]), (3, 30_000, 75_000, vec![1, 3])]);
}

#[test]
fn each_entry_is_judged_by_itself() {
    let entries = vec![
        entry(0, "Status.n", "Main.b"),
        entry(1, "Status.secret", "Main.b"),
        entry(2, "Status.nothing", "Main.n"),
        Entry { timeout_us: 9_999, ..entry(3, "Status.n", "Main.n") },
        Entry { deadband: Some("x".into()), ..entry(4, "Status.n", "Main.n") },
        Entry { deadband: Some("1".into()), ..entry(5, "Status.text", "Main.text") },
        Entry { deadband: Some("-1".into()), ..entry(6, "Status.n", "Main.n") },
        Entry { deadband: Some("0.5".into()), ..entry(7, "Status.n", "Main.n") },
        Entry { deadband: Some("0".into()), ..entry(8, "Status.text", "Main.text") },
    ];
    let (flows, refused) = negotiate(&catalogue(), &wish(entries), PLENTY);
    assert_eq!(
        reasons(&refused),
        [
            (0, Reason::TypeMismatch),
            (1, Reason::NotPublished),
            (2, Reason::NotPublished),
            (3, Reason::TimeoutBelowInterval),
            (4, Reason::InvalidDeadband),
            (5, Reason::InvalidDeadband),
            (6, Reason::InvalidDeadband),
        ]
    );
    assert_eq!(refused[0].publisher_type.as_deref(), Some("DINT"));
    assert_eq!(refused[1], Refused { i: 1, reason: Reason::NotPublished, publisher_type: None }, "no oracle");
    assert_eq!(flows[0].slots.iter().map(|s| s.i).collect::<Vec<_>>(), [7, 8]);
    assert!(flows[0].slots[0].deadband.is_some());
}

#[test]
fn limits_hold() {
    let many = (0..=(MAX_ENTRIES as u32)).map(|i| entry(i, "Status.n", "Main.n")).collect();
    let (_, refused) = negotiate(&catalogue(), &wish(many), PLENTY);
    assert_eq!(reasons(&refused), [(MAX_ENTRIES as u32, Reason::LimitExceeded)]);

    let two = vec![entry(0, "Status.n", "Main.n"), entry(1, "Status.slow", "Main.n")];
    let (flows, refused) = negotiate(&catalogue(), &wish(two.clone()), Limits { flows: 1, ..PLENTY });
    assert_eq!((flows.len(), reasons(&refused)), (1, vec![(1, Reason::LimitExceeded)]));
    let (flows, refused) = negotiate(&catalogue(), &wish(two), Limits { bytes_per_second: 500, ..PLENTY });
    assert_eq!((flows.len(), reasons(&refused)), (1, vec![(1, Reason::RateExceeded)]));
}

#[test]
fn frames_survive_any_cut_and_unknown_messages() {
    let first = Message::Resync(Resync { name: FlowName { flow: 1, epoch: 2 }, have: 3 });
    let last = Message::Bye(Bye { reason: "shutdown".into() });
    let mut stream = encode(&first);
    let future = br#"{"dance":{"with":"me"}}"#;
    stream.extend_from_slice(&(future.len() as u32).to_le_bytes());
    stream.extend_from_slice(future);
    stream.extend(encode(&last));
    let mut reader = FrameReader::default();
    let mut messages = Vec::new();
    for byte in stream {
        reader.push(&[byte]);
        messages.extend(reader.next_message().unwrap());
    }
    assert_eq!(messages, [first, last]);
}

#[test]
fn a_subscribe_reads_as_documented() {
    let json = r#"{"subscribe":{"subscriber":"a","subscriberName":"LineA","publisher":"b","entries":[
        {"i":0,"variable":"Status.n","type":"DINT","hash":"00112233445566778899aabbccddeeff","timeoutUs":300000}]}}"#;
    let Message::Subscribe(wish) = serde_json::from_str(json).unwrap() else { panic!("a wish list") };
    assert_eq!((wish.entries[0].timeout_us, wish.entries[0].min_interval_us), (300_000, 0));
}

#[test]
fn a_frame_too_long_or_malformed_ends_the_stream() {
    let mut reader = FrameReader::default();
    reader.push(&(MAX_FRAME as u32 + 1).to_le_bytes());
    assert!(matches!(reader.next_message(), Err(FrameError::TooLong(_))));
    for json in ["", "[]", "{}", "{\"hello\":{}}", "{\"ready\":{\"flow\":70000,\"epoch\":1}}"] {
        let mut reader = FrameReader::default();
        reader.push(&(json.len() as u32).to_le_bytes());
        reader.push(json.as_bytes());
        assert!(matches!(reader.next_message(), Err(FrameError::Malformed(_))), "{json}");
    }
}

proptest! {
    #[test]
    fn fuzz_frames(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 1usize..20) {
        let mut reader = FrameReader::default();
        for piece in bytes.chunks(cut) {
            reader.push(piece);
            if reader.next_message().is_err() {
                break;
            }
        }
    }
}
