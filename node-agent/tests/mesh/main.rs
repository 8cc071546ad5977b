//! Two runtimes, each a keeper and a runner process, with the rules of the mesh between them: what is published
//! after a scan of B is in the program of A at its next scan, all of it together; silence is noticed in time.
//!
//! The datagrams go from one state machine to the other without a network; what networks do to them is tested with
//! the crate `lineshaft-mesh`. Every statement about time is about what is known to have happened before what, so a
//! busy machine makes these tests slow, not wrong.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    clippy::panic,
    reason = "what fails here is the test"
)]

mod bringer;
mod carrier;
mod crowd;
mod runtime;

use carrier::Carrier;
use lineshaft_exchange::{Published, ScanState, monotonic_ns};
use lineshaft_plc_runtime::protocol::{OnStale, State, Subscription};
use runtime::{Runtime, hold};

const MS: i64 = 1_000_000;
/// Longer than any pause of a busy machine.
const NEVER: i64 = 3_600_000 * MS;

const FRAME: &str = "
TYPE ST_Frame : STRUCT
  n : DINT; list : ARRAY[0..9] OF DINT; name : STRING[12]; odd : ARRAY[1..3] OF BOOL;
END_STRUCT END_TYPE
";

/// Everything that is published says the same number.
const B: &str = "
PROGRAM Main
VAR
  n : DINT; list : ARRAY[0..9] OF DINT; name : STRING[12]; frame : ST_Frame; long : ARRAY[1..400] OF DINT; i : INT;
END_VAR
n := n + 1;
name := DINT_TO_STRING(n);
FOR i := 0 TO 9 DO list[i] := n; frame.list[i] := n; END_FOR;
FOR i := 1 TO 400 DO long[i] := n; END_FOR;
FOR i := 1 TO 3 DO frame.odd[i] := (n MOD 2) = 1; END_FOR;
frame.n := n;
frame.name := name;
END_PROGRAM
";

/// Counts scans in which it does not.
const A: &str = "
PROGRAM Main
VAR
  n : DINT; list : ARRAY[0..9] OF DINT; name : STRING[12]; frame : ST_Frame; long : ARRAY[1..400] OF DINT;
  other : DINT; quality : BYTE; age : TIME;
  scans : DINT; torn : DINT; i : INT; whole : BOOL;
END_VAR
scans := scans + 1;
whole := frame.n = n AND name = frame.name AND (n = 0 OR name = DINT_TO_STRING(n));
FOR i := 0 TO 9 DO whole := whole AND list[i] = n AND frame.list[i] = n; END_FOR;
FOR i := 1 TO 3 DO whole := whole AND frame.odd[i] = ((n MOD 2) = 1); END_FOR;
FOR i := 2 TO 400 DO whole := whole AND long[i] = long[1]; END_FOR;
IF NOT whole THEN torn := torn + 1; END_IF;
END_PROGRAM
";

const SHARED: [&str; 5] = ["Main.n", "Main.list", "Main.name", "Main.frame", "Main.long"];
/// What A shows of itself.
const SHOWN: [&str; 5] = ["Main.n", "Main.torn", "Main.scans", "Main.other", "Main.quality"];

fn publisher() -> Runtime {
    Runtime::start(&format!("{FRAME}{B}"), &SHARED, 5)
}

fn subscriber() -> Runtime {
    Runtime::start(&format!("{FRAME}{A}"), &SHOWN, 7)
}

/// A scan of A, as A itself published it.
#[derive(Clone, Copy, Debug)]
struct Sight {
    head: Published,
    n: i32,
    torn: i32,
    scans: i32,
    other: i32,
    quality: u8,
}

fn sight(head: Published, values: &[u8], places: &runtime::Places) -> Sight {
    let number = |path: &str| i32::from_le_bytes(values[places.of(path)].try_into().unwrap());
    Sight {
        head,
        n: number("Main.n"),
        torn: number("Main.torn"),
        scans: number("Main.scans"),
        other: number("Main.other"),
        quality: values[places.of("Main.quality")][0],
    }
}

#[test]
fn a_change_is_in_the_next_scan_and_all_of_it_together() {
    let (a, b) = (subscriber(), publisher());
    let wanted: Vec<_> = SHARED.iter().map(|path| hold(path, NEVER)).collect();
    a.subscribe(&wanted);
    let mut carrier = Carrier::between(&b, &a);
    let mut shown = a.shown();
    let (mut seen, mut last_scan) = (Vec::new(), 0);
    while seen.len() < 100 {
        carrier.carry();
        let Some(sight) = shown.newest(sight).filter(|sight| sight.head.scan > last_scan) else { continue };
        last_scan = sight.head.scan;
        if sight.n == 0 {
            // The runner has not taken the list yet.
            continue;
        }
        // Whatever was complete in the inbox before the scan began is in the scan.
        assert!(sight.n >= carrier.delivered_before(sight.head.start_ns), "{sight:?}");
        assert!(sight.n <= carrier.delivered_before(i64::MAX), "{sight:?}");
        assert_eq!(sight.torn, 0, "{sight:?}");
        if seen.last() != Some(&sight.n) {
            seen.push(sight.n);
        }
    }
    assert!(seen.is_sorted());
    a.wait_value("Main.long[400]", |value| value.as_i64().unwrap() > 0, || carrier.carry());
}

#[test]
fn a_killed_publisher_is_stale_after_its_timeout_and_not_before() {
    let (a, b) = (subscriber(), publisher());
    let timeout = 300 * MS;
    let quality = Some("Main.quality".to_owned());
    a.subscribe(&[
        Subscription { quality, ..hold("Main.n", timeout) },
        Subscription {
            from: "LineB:Main.n".to_owned(),
            on_stale: OnStale::Substitute("-1".to_owned()),
            ..hold("Main.other", timeout)
        },
    ]);
    let mut carrier = Carrier::between(&b, &a);
    let mut shown = a.shown();
    let before = loop {
        carrier.carry();
        match shown.newest(sight) {
            Some(sight) if sight.n > 20 && sight.quality == 0 => break sight,
            _ => {}
        }
    };
    b.kill();
    let (alive, last) = carrier.carry_rest();
    assert!(last >= before.n);
    let mut stale = Vec::new();
    while stale.len() < 5 {
        let sight = shown.next(sight);
        let silence = sight.head.start_ns - alive;
        let expected = if silence >= timeout { (last, -1, 0x80) } else { (last, last, 0) };
        // A scan that had begun before the last values came has those before.
        if sight.head.start_ns > alive && carrier.delivered_before(sight.head.start_ns) == last {
            assert_eq!((sight.n, sight.other, sight.quality), expected, "after {silence} ns");
        }
        if silence >= timeout {
            stale.push(silence);
        }
    }
    println!("first scan that saw it began {} us after the timeout", (stale[0] - timeout) / 1_000);
    // The program goes on, and the runtime is well.
    assert_eq!(a.status().state, State::Running);
}

#[test]
fn silence_can_halt_the_subscriber() {
    let (a, b) = (subscriber(), publisher());
    let timeout = 1_000 * MS;
    a.subscribe(&[hold("Main.n", timeout)]);
    let mut carrier = Carrier::between(&b, &a);
    let mut shown = a.shown();
    while shown.newest(sight).is_none_or(|sight| sight.n < 20) {
        carrier.carry();
    }
    // The value stays fresh in the change, so no grace period is needed.
    a.subscribe(&[Subscription { on_stale: OnStale::Fault, ..hold("Main.n", timeout) }]);
    b.kill();
    let (alive, last) = carrier.carry_rest();
    let halted = loop {
        let sight = shown.next(sight);
        if sight.head.state == ScanState::Faulted {
            break sight;
        }
        assert!(sight.head.start_ns < alive + timeout, "a scan of a program that must not run: {sight:?}");
    };
    assert!(monotonic_ns() >= alive + timeout && halted.n == last, "{halted:?}");
    let status = a.wait_state(State::Halted);
    assert_eq!(status.last_fault.unwrap().summary(), "MeshStale at LineB:Main.n in Main.n");
}

#[test]
fn another_list_needs_no_restart() {
    let (a, b) = (subscriber(), publisher());
    let runner = a.status().runner_pid;
    let mut shown = a.shown();
    let mut last_scans = 0;
    for list in [&["Main.n"][..], &["Main.name", "Main.n"], &["Main.frame"], &[]] {
        let wanted: Vec<_> = list.iter().map(|path| hold(path, NEVER)).collect();
        a.subscribe(&wanted);
        shown = a.shown();
        let mut carrier = Carrier::between(&b, &a);
        for path in list {
            let leaf = if *path == "Main.frame" { "Main.frame.n" } else { path };
            let before = a.read(leaf);
            a.wait_value(leaf, |value| *value != before, || carrier.carry());
        }
        let sight = shown.next(sight);
        assert!(sight.scans > last_scans, "the program began anew");
        last_scans = sight.scans;
    }
    // Nothing is received any more: what was received stays.
    let (n, scans) = (a.read("Main.n"), last_scans);
    while shown.next(sight).scans < scans + 5 {}
    assert_eq!(a.read("Main.n"), n);
    let status = a.status();
    assert_eq!((status.runner_pid, status.counters.starts, status.counters.online_changes), (runner, 1, 0));
}

#[test]
fn another_program_of_the_subscriber_keeps_what_it_receives() {
    let (mut a, b) = (subscriber(), publisher());
    a.subscribe(&[hold("Main.n", NEVER), hold("Main.list", NEVER)]);
    let mut carrier = Carrier::between(&b, &a);
    a.wait_value("Main.n", |value| value.as_i64().unwrap() > 5, || carrier.carry());
    // Everything lies elsewhere; the mailbox and who writes into it do not notice.
    a.load(&format!("{FRAME}{}", A.replace("n : DINT; list", "new : ARRAY[1..50] OF LREAL; n : DINT; list")));
    let before = a.read("Main.n").as_i64().unwrap();
    assert!(before > 5);
    a.wait_value("Main.list[9]", |value| value.as_i64().unwrap() > before + 5, || carrier.carry());
    assert_eq!(a.status().counters.online_changes, 1);
}
