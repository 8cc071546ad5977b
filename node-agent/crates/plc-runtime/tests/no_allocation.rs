//! A scan allocates nothing: counted by the allocator itself, on the thread that scans.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    unsafe_code,
    reason = "an allocator that counts has no safe form"
)]

use lineshaft_exchange::{Exchange, FrameHeader, PortSize, Quality, Region, TripleBuffer};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use lineshaft_plc_io::{Address, FrameMap, SafeFrame};
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions, Machine};
use lineshaft_plc_runtime::protocol::{FaultPolicy, WatchdogSpec};
use lineshaft_plc_runtime::scan::{Outcome, Port, Scanner, Settings};
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

fn scans_allocate_nothing(kind: EngineKind) {
    let unit = SourceUnit { name: "main.st".into(), text: SOURCE.into() };
    let program = Arc::new(compile(&[unit], &Options::default()).unwrap());
    let keeper = Exchange::create("test", &[PortSize { inputs: 2, outputs: 2 }]).unwrap();
    let place = TripleBuffer::new(0, program.layout.bytes as usize);
    let region = Arc::new(Region::create("state", place.size()).unwrap());
    place.initialise(&region).unwrap();
    let options = EngineOptions { kind, budget: None };
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
    let mut device = keeper.driver_side(0).unwrap();
    for scan in 1..200_i64 {
        let header = FrameHeader { sequence: scan as u64, time_ns: scan, quality: Quality::Good };
        device.inputs.publish(header, |frame| frame[0] = scan as u8);
        let now = scan * 10_000_000;
        let before = ALLOCATIONS.with(Cell::get);
        let position = scanner.due(now).unwrap();
        let outcome = scanner.scan(position, &|| now);
        let allocations = ALLOCATIONS.with(Cell::get) - before;
        assert!(matches!(outcome, Outcome::Good), "{outcome:?}");
        assert_eq!(allocations, 0, "in scan {scan}");
        assert_eq!(device.outputs.latest().1[0], scan as u8);
    }
}
