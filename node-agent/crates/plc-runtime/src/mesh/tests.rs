//! Received and published values on a clock made by hand.

use super::*;
use crate::protocol::{OnStale, Problem, ProblemReason, Subscription};
use crate::state::{read_json, write_literal};
use lineshaft_exchange::{InboxWriter, OutboxReader};
use lineshaft_plc_compiler::layout::Layout;
use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};
use proptest::prelude::*;
use serde_json::json;
use std::sync::LazyLock;

const MS: i64 = 1_000_000;
const TIMEOUT: i64 = 100 * MS;

const PROGRAM: &str = "
TYPE ST_Status : STRUCT n : DINT; alarms : ARRAY[0..2] OF BOOL; name : STRING[5]; END_STRUCT END_TYPE
FUNCTION_BLOCK FB_Count VAR_INPUT up : BOOL; END_VAR VAR_OUTPUT count : INT; END_VAR END_FUNCTION_BLOCK
PROGRAM Main
VAR
  a, b : DINT; flag : BOOL; level : INT(0..100); text : STRING[5]; s, t : ST_Status;
  many : ARRAY[1..4] OF LREAL; q, q2 : BYTE; age : TIME; ref : REF_TO INT; fb : FB_Count;
  button AT %IX0.0 : BOOL; lamp AT %QX0.0 : BOOL; lamps AT %QB1 : BYTE; mark AT %MX0.3 : BOOL;
END_VAR
VAR CONSTANT limit : INT := 5; END_VAR
END_PROGRAM";

fn program() -> &'static Program {
    static COMPILED: LazyLock<Program> = LazyLock::new(|| {
        let unit = SourceUnit { name: "main.st".into(), text: PROGRAM.into() };
        compile(&[unit], &Options::default()).unwrap()
    });
    &COMPILED
}

fn from(to: &str, on_stale: OnStale) -> Subscription {
    Subscription {
        to: to.to_owned(),
        from: format!("LineB:{to}"),
        quality: None,
        age: None,
        timeout_ns: TIMEOUT as u64,
        on_stale,
        startup_grace_ns: 500 * MS as u64,
    }
}

fn hold(to: &str) -> Subscription {
    from(to, OnStale::Hold)
}

/// A program's memory, the scan's work, and the other side.
struct Bench {
    layout: Layout,
    state: Vec<u8>,
    bound: Bound,
    binding: Binding,
    mailbox: Mailbox,
    inbox: InboxWriter,
    outbox: OutboxReader,
}

impl Bench {
    fn new(publish: &[&str], subscriptions: &[Subscription]) -> Self {
        let program = program();
        let publish: Vec<String> = publish.iter().map(|&path| path.to_owned()).collect();
        let mut resolved = resolve(&program.layout, &publish, subscriptions);
        assert_eq!((&resolved.unpublished, &resolved.unreceived), (&vec![], &vec![]));
        resolved.binding.number = 1;
        let mailbox = Mailbox::create("test", resolved.info.plan()).unwrap();
        let binding = resolved.binding;
        let mut bound = Bound::new(binding.clone(), Some((&mailbox, Wakeup::new().unwrap()))).unwrap();
        bound.follow(None, 0);
        let (inbox, outbox) = (mailbox.inbox_writer().unwrap(), mailbox.outbox_reader().unwrap());
        let (layout, state) = (program.layout.clone(), program.initial.clone());
        Self { layout, state, bound, binding, mailbox, inbox, outbox }
    }

    /// The begin of a scan; the variable that must not be stale.
    fn latch(&mut self, now_ns: i64) -> Option<String> {
        self.bound.latch(&mut self.state, now_ns).map(|stale| stale.to.to_owned())
    }

    fn get(&self, path: &str) -> serde_json::Value {
        read_json(&self.layout, &self.state, path).unwrap()
    }

    fn write(&mut self, path: &str, literal: &str) {
        write_literal(&self.layout, &mut self.state, path, literal).unwrap();
    }

    /// A value for an entry, with its quality and its source.
    fn bring(&mut self, entry: usize, value: &[u8]) {
        self.inbox.set(entry, value);
        self.inbox.set_quality(entry, 0);
    }

    /// Goes on with other subscriptions in another mailbox, or in the same one.
    fn rebind(&mut self, subscriptions: &[Subscription], same: bool, now_ns: i64) {
        let mut resolved = resolve(&self.layout, &[], subscriptions);
        resolved.follow(&self.binding);
        resolved.binding.number = if same { self.binding.number } else { self.binding.number + 1 };
        self.binding = resolved.binding;
        let mut next = if same {
            Bound::new(self.binding.clone(), None).unwrap()
        } else {
            self.mailbox = Mailbox::create("test", resolved.info.plan()).unwrap();
            self.inbox = self.mailbox.inbox_writer().unwrap();
            let wakeup = Wakeup::new().unwrap();
            Bound::new(self.binding.clone(), Some((&self.mailbox, wakeup))).unwrap()
        };
        next.follow(Some(&mut self.bound), now_ns);
        self.bound = next;
    }
}

fn problems(publish: &[&str], subscriptions: &[Subscription]) -> Vec<Problem> {
    let publish: Vec<String> = publish.iter().map(|&path| path.to_owned()).collect();
    let resolved = resolve(&program().layout, &publish, subscriptions);
    resolved.unpublished.into_iter().chain(resolved.unreceived).collect()
}

#[test]
fn what_cannot_be_received_is_named() {
    let with = |quality: &str, age: &str| Subscription {
        quality: Some(quality.to_owned()),
        age: Some(age.to_owned()),
        ..hold("Main.b")
    };
    let substitute = |to: &str, literal: &str| from(to, OnStale::Substitute(literal.to_owned()));
    let cases = [
        (hold("Main.nothing"), ProblemReason::NotFound, "Main.nothing"),
        (hold("Main.button"), ProblemReason::Conflict, "input of the process image"),
        (hold("%IX0.1"), ProblemReason::Conflict, "input of the process image"),
        (hold("Main.lamp"), ProblemReason::Conflict, "output of the process image"),
        (hold("Main.lamps"), ProblemReason::Conflict, "output of the process image"),
        (hold("Main.limit"), ProblemReason::Conflict, "constant"),
        (hold("Main.fb.count"), ProblemReason::Conflict, "VAR_OUTPUT"),
        (hold("Main.fb"), ProblemReason::Conflict, "VAR_OUTPUT"),
        (hold("Main.ref"), ProblemReason::NotShareable, "REF_TO INT"),
        (
            with("Main.a", "Main.age"),
            ProblemReason::WrongType,
            "\"Main.a\" for \"Main.b\" is DINT where BYTE",
        ),
        (with("Main.q", "Main.q2"), ProblemReason::WrongType, "BYTE where TIME"),
        (with("Main.none", "Main.age"), ProblemReason::NotFound, "\"Main.none\""),
        (substitute("Main.level", "101"), ProblemReason::InvalidSubstitute, "0..100"),
        (substitute("Main.many", "1.0"), ProblemReason::InvalidSubstitute, "single values"),
    ];
    for (subscription, reason, part) in cases {
        let found = problems(&[], std::slice::from_ref(&subscription));
        assert_eq!(found.len(), 1, "{subscription:?}");
        assert_eq!((found[0].reason, &found[0].variable), (reason, &subscription.to), "{}", found[0].message);
        assert!(found[0].message.contains(part), "{}", found[0].message);
    }
    assert_eq!(problems(&["Main.button", "Main.lamp", "Main.limit", "Main.fb"], &[hold("Main.mark")]), []);
    assert_eq!(problems(&["Main.gone"], &[])[0].message, "the program has no variable \"Main.gone\"");
}

#[test]
fn two_writers_are_told_of_each_other() {
    let quality = |to: &str, quality: &str| Subscription { quality: Some(quality.to_owned()), ..hold(to) };
    for (first, second, named) in [
        (hold("Main.s"), hold("main.S.alarms[1]"), "Main.s"),
        (hold("Main.many[2]"), hold("Main.many"), "Main.many[2]"),
        (hold("Main.a"), hold("MAIN.A"), "Main.a"),
        (quality("Main.a", "Main.q"), quality("Main.b", "Main.q"), "Main.a"),
        (quality("Main.a", "Main.q"), hold("Main.q"), "Main.a"),
    ] {
        let found = problems(&[], &[first.clone(), second.clone()]);
        assert_eq!(found.len(), 1, "{first:?} {second:?}");
        assert_eq!((found[0].reason, &found[0].variable), (ProblemReason::Conflict, &second.to));
        assert!(found[0].message.contains(&format!("{named:?}")), "{}", found[0].message);
    }
    assert_eq!(problems(&[], &[hold("Main.many[2]"), hold("Main.many[3]")]), []);
    let failed = Subscription { on_stale: OnStale::Substitute("x".into()), ..hold("Main.a") };
    assert_eq!(problems(&[], &[failed, hold("Main.a")]).len(), 1, "only what works writes");
}

#[test]
fn types_of_all_kinds_arrive_and_leave() {
    let mut bench = Bench::new(
        &["Main.t", "Main.lamp", "Main.many", "Main.b"],
        &[hold("Main.s"), hold("Main.text"), hold("Main.mark"), hold("Main.many")],
    );
    let status = [&7i32.to_le_bytes()[..], &[1, 0, 1, 0], b"\x02\0abcde\0"].concat();
    let mut status = status;
    status.resize(bench.layout.size_of(bench.layout.find("Main.s").unwrap().ty) as usize, 0xEE);
    bench.bring(0, &status);
    bench.bring(1, b"\x03\0xyzzz\0");
    bench.bring(2, &[1]);
    bench.bring(3, &[1.0f64, 2.0, 3.0, 4.0].map(f64::to_le_bytes).concat());
    bench.inbox.publish();
    bench.inbox.alive(0, 1);
    bench.write("Main.mark", "FALSE");
    assert_eq!(bench.latch(2), None);
    assert_eq!(bench.get("Main.s"), json!({"n": 7, "alarms": [true, false, true], "name": "ab"}));
    assert_eq!(bench.get("Main.text"), json!("xyz"));
    assert_eq!(bench.get("Main.mark"), json!(true));
    assert_eq!(bench.get("Main.many"), json!([1.0, 2.0, 3.0, 4.0]));

    bench.write("Main.t.n", "9");
    bench.write("Main.t.name", "'cd'");
    bench.write("Main.lamp", "TRUE");
    bench.write("Main.b", "-3");
    let of = Published { scan: 4, start_ns: 5, start_unix_ns: 6, state: ScanState::Running };
    bench.bound.publish(&bench.state, of);
    let resolved =
        resolve(&bench.layout, &["Main.t", "Main.lamp", "Main.many", "Main.b"].map(str::to_owned), &[]);
    let (head, values, _) = bench.outbox.latest();
    assert_eq!(head, of);
    let value = |index: usize| {
        let place = &resolved.info.published[index].place;
        &values[place.start as usize..place.end as usize]
    };
    assert_eq!(&value(0)[..4], 9i32.to_le_bytes());
    assert_eq!(value(1), [1]);
    assert_eq!(value(2), [1.0f64, 2.0, 3.0, 4.0].map(f64::to_le_bytes).concat());
    assert_eq!(value(3), (-3i32).to_le_bytes());
}

#[test]
fn what_is_no_value_of_its_type_stays_outside() {
    let quality = |to: &str| Subscription { quality: Some("Main.q".to_owned()), ..hold(to) };
    for (to, bad, good) in [
        ("Main.flag", &[2][..], &[1][..]),
        ("Main.level", &[101, 0], &[100, 0]),
        ("Main.text", b"\x06\0aaaaaa", b"\x05\0aaaaa\0"),
        ("Main.mark", &[3], &[1]),
    ] {
        let mut bench = Bench::new(&[], &[quality(to)]);
        let before = bench.get(to);
        bench.inbox.alive(0, 1);
        bench.bring(0, bad);
        bench.inbox.publish();
        bench.latch(2);
        assert_eq!((bench.get(to), bench.get("Main.q")), (before.clone(), json!(SOURCE_BAD)), "{to}");
        bench.bring(0, good);
        bench.inbox.publish();
        bench.latch(3);
        assert_ne!(bench.get(to), before, "{to}");
        assert_eq!(bench.get("Main.q"), json!(0));
    }
}

const SOURCE_BAD: u8 = 0x85;
const STALE: u8 = 0x80;
const NOT_CONNECTED: u8 = 0x81;

#[test]
fn silence_is_noticed_at_its_time_and_ends_with_a_sign_of_life() {
    let subscription = Subscription {
        quality: Some("Main.q".to_owned()),
        age: Some("Main.age".to_owned()),
        ..hold("Main.a")
    };
    let mut bench = Bench::new(&[], &[subscription]);
    bench.latch(1);
    assert_eq!((bench.get("Main.q"), bench.get("Main.age")), (json!(NOT_CONNECTED), json!(i64::MAX)));
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 10);
    bench.latch(10 + TIMEOUT - 1);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(5), json!(0)));
    assert_eq!(bench.get("Main.age"), json!(TIMEOUT - 1));
    bench.latch(10 + TIMEOUT);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(5), json!(STALE)));
    // While it is stale nothing of it is taken, and what its bringer knows is shown if it is worse.
    bench.bring(0, &6i32.to_le_bytes());
    bench.inbox.set_quality(0, 0x84);
    bench.inbox.publish();
    bench.latch(11 + TIMEOUT);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(5), json!(0x84)));
    bench.inbox.set_quality(0, 0);
    bench.inbox.publish();
    bench.inbox.alive(0, 12 + TIMEOUT);
    bench.latch(12 + TIMEOUT);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(6), json!(0)));
}

#[test]
fn nobody_lives_in_the_future() {
    let mut bench = Bench::new(&[], &[from("Main.a", OnStale::Substitute("-1".to_owned()))]);
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, i64::MAX);
    bench.latch(10);
    assert_eq!(bench.get("Main.a"), json!(5));
    bench.latch(10 + TIMEOUT);
    assert_eq!(bench.get("Main.a"), json!(-1));
}

#[test]
fn a_substitute_stands_until_there_is_a_value() {
    let mut bench = Bench::new(&[], &[from("Main.a", OnStale::Substitute("-1".to_owned()))]);
    bench.latch(1);
    assert_eq!(bench.get("Main.a"), json!(-1), "nothing was ever received");
    bench.inbox.alive(0, 2);
    bench.inbox.publish();
    bench.latch(2);
    assert_eq!(bench.get("Main.a"), json!(-1), "alive, but without a value");
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.latch(3);
    assert_eq!(bench.get("Main.a"), json!(5));
    bench.latch(3 + TIMEOUT);
    assert_eq!(bench.get("Main.a"), json!(-1));
    bench.inbox.alive(0, 4 + TIMEOUT);
    bench.latch(4 + TIMEOUT);
    assert_eq!(bench.get("Main.a"), json!(5), "the same value, which is fresh again");
}

#[test]
fn a_fault_waits_for_the_grace_period() {
    let mut bench = Bench::new(&[], &[hold("Main.b"), from("Main.a", OnStale::Fault)]);
    bench.inbox.publish();
    bench.bound.runs(1_000 * MS);
    assert_eq!(bench.latch(1_499 * MS), None);
    assert_eq!(bench.latch(1_500 * MS), Some("Main.a".to_owned()));
    bench.inbox.alive(0, 1_501 * MS);
    assert_eq!(bench.latch(1_501 * MS), None);
    assert_eq!(bench.latch(1_601 * MS), Some("Main.a".to_owned()), "once is enough grace");
    bench.bound.runs(1_700 * MS);
    assert_eq!(bench.latch(1_700 * MS), None, "a new start has its own");
}

#[test]
fn a_program_that_begins_anew_gets_everything_again() {
    let quality = Subscription { quality: Some("Main.q".to_owned()), ..hold("Main.a") };
    let mut bench = Bench::new(&[], &[quality, from("Main.b", OnStale::Substitute("-1".to_owned()))]);
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.set_source(1, 1);
    bench.inbox.set_quality(0, 0x42);
    bench.inbox.publish();
    bench.inbox.alive(0, 1);
    bench.latch(2);
    let after = (json!(5), json!(-1), json!(0x42));
    assert_eq!((bench.get("Main.a"), bench.get("Main.b"), bench.get("Main.q")), after);
    bench.state.clone_from(&program().initial);
    bench.bound.forget();
    bench.latch(3);
    assert_eq!((bench.get("Main.a"), bench.get("Main.b"), bench.get("Main.q")), after);
}

#[test]
fn what_the_program_writes_itself_stays_until_another_value_comes() {
    let mut bench = Bench::new(&[], &[hold("Main.a"), hold("Main.b")]);
    bench.bring(0, &5i32.to_le_bytes());
    bench.bring(1, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 1);
    bench.latch(2);
    bench.write("Main.a", "8");
    bench.write("Main.b", "8");
    bench.bring(1, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.latch(3);
    assert_eq!((bench.get("Main.a"), bench.get("Main.b")), (json!(8), json!(5)));
}

/// Another list in another mailbox: entries that were there before do not blink.
#[test]
fn a_change_of_the_list_leaves_the_others_alone() {
    let a = Subscription {
        quality: Some("Main.q".to_owned()),
        ..from("Main.a", OnStale::Substitute("-1".to_owned()))
    };
    let b = Subscription { quality: Some("Main.q2".to_owned()), ..hold("Main.b") };
    let mut bench = Bench::new(&[], std::slice::from_ref(&a));
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 10);
    bench.latch(11);
    bench.rebind(&[b.clone(), a.clone()], false, 20);
    bench.latch(21);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(5), json!(0)));
    assert_eq!(bench.get("Main.q2"), json!(NOT_CONNECTED));
    // The first image of a bringer that does not know everything yet.
    bench.inbox.publish();
    bench.latch(22);
    assert_eq!(bench.get("Main.a"), json!(5));
    bench.latch(10 + TIMEOUT);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(-1), json!(NOT_CONNECTED)));
    bench.bring(1, &6i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 11 + TIMEOUT);
    bench.latch(11 + TIMEOUT);
    assert_eq!((bench.get("Main.a"), bench.get("Main.q")), (json!(6), json!(0)));

    // Another origin for the same variable is another subscription.
    let other = Subscription { from: "LineC:x".to_owned(), ..a.clone() };
    bench.rebind(&[other], false, 12 + TIMEOUT);
    bench.latch(12 + TIMEOUT);
    assert_eq!(bench.get("Main.a"), json!(-1));
}

#[test]
fn another_timeout_or_substitute_needs_no_other_mailbox() {
    let with = |timeout_ns: i64, literal: &str| Subscription {
        timeout_ns: timeout_ns as u64,
        ..from("Main.a", OnStale::Substitute(literal.to_owned()))
    };
    let mut bench = Bench::new(&[], &[with(TIMEOUT, "-1")]);
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 10);
    bench.latch(11);
    bench.rebind(&[with(20, "-1")], true, 12);
    bench.latch(29);
    assert_eq!(bench.get("Main.a"), json!(5));
    bench.latch(30);
    assert_eq!(bench.get("Main.a"), json!(-1));
    bench.rebind(&[with(20, "-2")], true, 31);
    bench.latch(31);
    assert_eq!(bench.get("Main.a"), json!(-2));
    bench.rebind(&[with(TIMEOUT, "-2")], true, 32);
    bench.latch(32);
    assert_eq!(bench.get("Main.a"), json!(5), "not stale by the new timeout");
}

#[test]
fn a_successor_of_the_bringer_is_believed_anew() {
    let mut bench = Bench::new(&[], &[hold("Main.a")]);
    bench.bring(0, &5i32.to_le_bytes());
    bench.inbox.publish();
    bench.inbox.alive(0, 1);
    bench.latch(2);
    bench.inbox = bench.mailbox.inbox_writer().unwrap();
    // Its first stamp is the same as that of its predecessor.
    bench.bring(0, &6i32.to_le_bytes());
    bench.inbox.publish();
    bench.latch(3);
    assert_eq!(bench.get("Main.a"), json!(6));
}

/// What happens to the two entries of the property below.
#[derive(Clone, Debug)]
enum Step {
    Bring { entry: usize, value: i32, quality: u8 },
    Publish,
    Alive(u16),
    Latch(i64),
    Rebind(bool),
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, any::<i32>(), prop_oneof![Just(0u8), Just(0x40), Just(0x84)])
            .prop_map(|(entry, value, quality)| Step::Bring { entry, value, quality }),
        3 => Just(Step::Publish),
        2 => (0..2u16).prop_map(Step::Alive),
        6 => (1..60i64).prop_map(Step::Latch),
        1 => any::<bool>().prop_map(Step::Rebind),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    /// A model in four lines: not stale and a value there, the newest published one; stale, the substitute or what
    /// was there; quality bad exactly while it is stale or the bringer says so.
    #[test]
    fn the_program_has_the_newest_value_or_knows_better(steps in proptest::collection::vec(step(), 1..80)) {
        let list = [
            Subscription { quality: Some("Main.q".into()), ..from("Main.a", OnStale::Substitute("-1".into())) },
            Subscription { quality: Some("Main.q2".into()), ..hold("Main.b") },
        ];
        let mut bench = Bench::new(&[], &list);
        bench.inbox.set_source(1, 1);
        let (mut set, mut published) = ([None; 2], [None; 2]);
        let (mut alive, mut shown) = ([0i64; 2], [None, Some(0)]);
        let mut now = 1000;
        for step in steps {
            match step {
                Step::Bring { entry, value, quality } => {
                    bench.inbox.set(entry, &value.to_le_bytes());
                    bench.inbox.set_quality(entry, quality);
                    set[entry] = Some((value, quality));
                }
                Step::Publish => {
                    bench.inbox.publish();
                    published = set;
                }
                Step::Alive(source) => {
                    bench.inbox.alive(source, now);
                    alive[usize::from(source)] = now;
                }
                Step::Forget => {
                    bench.state.clone_from(&program().initial);
                    bench.bound.forget();
                    shown = [None, Some(0)];
                }
                Step::Rebind(same) => {
                    bench.rebind(&list, same, now);
                    if !same {
                        bench.inbox.set_source(1, 1);
                        for entry in 0..2 {
                            if let Some((value, quality)) = set[entry] {
                                bench.inbox.set(entry, &i32::to_le_bytes(value));
                                bench.inbox.set_quality(entry, quality);
                            }
                            bench.inbox.alive(entry as u16, alive[entry]);
                        }
                        bench.inbox.publish();
                        published = set;
                    }
                }
                Step::Latch(later) => {
                    now += later * MS;
                    bench.latch(now);
                    for (entry, (path, quality)) in [("Main.a", "Main.q"), ("Main.b", "Main.q2")].into_iter().enumerate() {
                        // Before the first image nobody knows whose signs of life count.
                        let known = published.iter().any(Option::is_some) || bench.bound.has_image();
                        let stale = !known || alive[entry] == 0 || now - alive[entry] >= TIMEOUT;
                        match (stale, published[entry]) {
                            (false, Some((value, _))) => shown[entry] = Some(value),
                            (true, _) if entry == 0 => shown[entry] = Some(-1),
                            _ => {}
                        }
                        if let Some(value) = shown[entry] {
                            prop_assert_eq!(bench.get(path), json!(value), "entry {} at {}", entry, now);
                        }
                        let told = published[entry].map_or(NOT_CONNECTED, |(_, quality)| quality);
                        let worst = told.max(if stale { STALE } else { 0 });
                        prop_assert_eq!(bench.get(quality), json!(worst), "entry {} at {}", entry, now);
                    }
                }
            }
        }
    }
}
