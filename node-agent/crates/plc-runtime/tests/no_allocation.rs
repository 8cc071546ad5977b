//! A scan allocates nothing: counted by the allocator itself, on the thread that scans.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unsafe_code,
    reason = "an allocator that counts has no safe form"
)]

use lineshaft_exchange::{
    Exchange, FrameHeader, InboxWriter, Mailbox, OutboxReader, PortSize, Quality, Region, TripleBuffer,
    Wakeup,
};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use lineshaft_plc_io::{Address, FrameMap, SafeFrame};
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions, Machine};
use lineshaft_plc_runtime::mesh::{Bound, resolve};
use lineshaft_plc_runtime::protocol::{FaultPolicy, OnStale, Subscription, WatchdogSpec};
use lineshaft_plc_runtime::scan::{Outcome, Port, Scanner, Settings};
use lineshaft_plc_runtime::write::Patch;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is passed on to the system's allocator unchanged; the counter is a plain thread-local cell
// that needs no allocation itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const SOURCE: &str = "
FUNCTION Twice : DINT
VAR_INPUT x : DINT; END_VAR
Twice := x * 2;
END_FUNCTION
PROGRAM Main
VAR
  in1 AT %IW0 : WORD;
  out1 AT %QW0 : WORD;
  t : TON;
  c : CTU;
  a : ARRAY[0..9] OF LREAL;
  i : INT;
  n : DINT;
  s : STRING;
  remote : STRING;
  other : DINT;
  quality : BYTE;
  age : TIME;
  written : INT;
END_VAR
t(IN := NOT t.Q, PT := T#30ms);
c(CU := t.Q, PV := 5);
FOR i := 0 TO 9 DO a[i] := SQRT(INT_TO_LREAL(i)) + a[i]; END_FOR;
n := Twice(n + 1) MOD 1000;
s := CONCAT('n is ', DINT_TO_STRING(n));
out1 := in1;
END_PROGRAM
";

#[test]
fn a_scan_allocates_nothing() {
    for kind in [EngineKind::Jit, EngineKind::Interpreter] {
        scans_allocate_nothing(kind);
    }
}

/// Text and number are received, stale after 30 ms; text and number are published.
fn mesh(program: &lineshaft_plc_compiler::Program) -> (Bound, InboxWriter, OutboxReader) {
    let subscription = |to: &str, on_stale| Subscription {
        to: to.into(),
        from: String::new(),
        quality: None,
        age: None,
        timeout_ns: 30_000_000,
        on_stale,
        startup_grace_ns: 0,
    };
    let subscriptions = [
        Subscription {
            quality: Some("Main.quality".into()),
            age: Some("Main.age".into()),
            ..subscription("Main.remote", OnStale::Hold)
        },
        subscription("Main.other", OnStale::Substitute("-1".into())),
    ];
    let resolved = resolve(&program.layout, &["Main.s".into(), "Main.other".into()], &subscriptions);
    assert!(resolved.unpublished.is_empty() && resolved.unreceived.is_empty());
    let mailbox = Mailbox::create("test", resolved.info.plan()).unwrap();
    let bound = Bound::new(resolved.binding, Some((&mailbox, Wakeup::new().unwrap()))).unwrap();
    (bound, mailbox.inbox_writer().unwrap(), mailbox.outbox_reader().unwrap())
}

fn scans_allocate_nothing(kind: EngineKind) {
    let unit = SourceUnit { name: "main.st".into(), text: SOURCE.into() };
    let program = Arc::new(compile(&[unit], &Options::default()).unwrap());
    let keeper = Exchange::create("test", &[PortSize { inputs: 2, outputs: 2 }]).unwrap();
    let place = TripleBuffer::new(0, program.layout.bytes as usize);
    let region = Arc::new(Region::create("state", place.size()).unwrap());
    place.initialise(&region).unwrap();
    let options = EngineOptions { kind, budget: None };
    let (bound, mut inbox, mut outbox) = mesh(&program);
    let patches = [Patch::new(program.layout.find("Main.written").unwrap(), vec![7, 0])];
    let machine = Machine::new(program, Arc::new(AtomicU32::new(0)), options).unwrap();
    assert_eq!(machine.engine(), kind);
    let settings = Settings { fault: FaultPolicy::Halt, watchdog: WatchdogSpec::default() };
    let board = keeper.board().unwrap();
    let snapshot = place.writer(&region).unwrap();
    let mut scanner = Scanner::new(machine, board.clone(), snapshot, settings, Arc::default(), 0);
    let map = |text: &str| FrameMap::new(&[text.parse::<Address>().unwrap().elements(1)]);
    let port = Port {
        side: keeper.scan_side(0).unwrap(),
        inputs: map("%IW0"),
        outputs: map("%QW0"),
        safe: SafeFrame::zero(2),
    };
    scanner.connect(vec![port], board);
    scanner.bind(Some(Box::new(bound)), 0);
    let mut device = keeper.driver_side(0).unwrap();
    for scan in 1..200_i64 {
        let header = FrameHeader { sequence: scan as u64, time_ns: scan, quality: Quality::Good };
        device.inputs.publish(header, |frame| frame[0] = scan as u8);
        let now = scan * 10_000_000;
        if scan % 5 == 0 {
            inbox.set(0, &[1; 82]);
            inbox.set(1, &(scan as i32).to_le_bytes());
            inbox.publish();
            // Stale again before the next one comes.
            inbox.alive(0, now);
        }
        let before = ALLOCATIONS.with(Cell::get);
        // What is written from outside is made elsewhere and copied here.
        scanner.write(&patches);
        let position = scanner.due(now).unwrap();
        let outcome = scanner.scan(position, &|| now);
        let allocations = ALLOCATIONS.with(Cell::get) - before;
        assert!(matches!(outcome, Outcome::Good), "{outcome:?}");
        assert_eq!(allocations, 0, "in scan {scan}");
        assert_eq!(device.outputs.latest().1[0], scan as u8);
        let (head, values, _) = outbox.latest();
        assert_eq!(head.scan, scan as u64);
        let other = i32::from_le_bytes(values[values.len() - 4..].try_into().unwrap());
        let alive = scan >= 5 && scan % 5 < 3;
        assert_eq!(other, if alive { (scan - scan % 5) as i32 } else { -1 }, "in scan {scan}");
    }
}
