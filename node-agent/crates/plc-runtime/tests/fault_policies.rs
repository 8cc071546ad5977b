//! What the devices get while one of two tasks faults.

#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails here is the test")]

use lineshaft_exchange::{Exchange, FrameHeader, PortSize, Quality, Region, TripleBuffer};
use lineshaft_plc_compiler::{Options, SourceUnit, compile};
use lineshaft_plc_io::{Address, FrameMap, SafeFrame};
use lineshaft_plc_runtime::engine::{EngineOptions, Machine};
use lineshaft_plc_runtime::protocol::{FaultPolicy, WatchdogSpec};
use lineshaft_plc_runtime::scan::{Outcome, Port, Scanner, Settings};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

const MS: i64 = 1_000_000;

/// `Press` writes half of its outputs, then faults when input byte 1 is above 9. `Belt` counts.
const SOURCE: &str = "
PROGRAM Press
VAR
  speed AT %IB0 : BYTE; index AT %IB1 : BYTE;
  first AT %QB0 : BYTE; second AT %QB1 : BYTE; brake AT %QX2.0 : BOOL;
  a : ARRAY[0..9] OF BYTE;
END_VAR
first := speed;
brake := TRUE;
a[BYTE_TO_INT(index)] := 1;
second := speed;
END_PROGRAM
PROGRAM Belt
VAR count AT %QB3 : BYTE; n : USINT; END_VAR
n := n + 1;
count := USINT_TO_BYTE(n);
END_PROGRAM
CONFIGURATION C
  RESOURCE R ON PLC
    TASK fast(INTERVAL := T#10ms, PRIORITY := 1);
    TASK slow(INTERVAL := T#20ms, PRIORITY := 2);
    PROGRAM Press WITH fast : Press;
    PROGRAM Belt WITH slow : Belt;
  END_RESOURCE
END_CONFIGURATION
";

/// Safe values: `%QB0` is 0x55, `%QB1` holds, `%QX2.0` is TRUE, `%QB3` is 0x77.
const SAFE: SafeBytes = ([0x55, 0, 1, 0x77], [0, 0xff, 0, 0]);
type SafeBytes = ([u8; 4], [u8; 4]);

struct Bench {
    scanner: Scanner,
    keeper: Exchange,
}

impl Bench {
    fn new(fault: FaultPolicy) -> Self {
        let unit = SourceUnit { name: "main.st".into(), text: SOURCE.into() };
        let program = Arc::new(compile(&[unit], &Options::default()).unwrap());
        let keeper = Exchange::create("test", &[PortSize { inputs: 2, outputs: 4 }]).unwrap();
        let place = TripleBuffer::new(0, program.layout.bytes as usize);
        let region = Arc::new(Region::create("state", place.size()).unwrap());
        place.initialise(&region).unwrap();
        let machine = Machine::new(program, Arc::new(AtomicU32::new(0)), EngineOptions::default()).unwrap();
        let settings = Settings { fault, watchdog: WatchdogSpec::default() };
        let (board, snapshot) = (keeper.board().unwrap(), place.writer(&region).unwrap());
        let mut scanner = Scanner::new(machine, board.clone(), snapshot, settings, Arc::default(), 0);
        let map = |text: &str, n| FrameMap::new(&[text.parse::<Address>().unwrap().elements(n)]);
        let port = Port {
            side: keeper.scan_side(0).unwrap(),
            inputs: map("%IB0", 2),
            outputs: map("%QB0", 4),
            safe: SafeFrame { values: SAFE.0.to_vec(), hold: SAFE.1.to_vec() },
        };
        scanner.connect(vec![port], board);
        Self { scanner, keeper }
    }

    fn input(&self, frame: [u8; 2]) {
        let header = FrameHeader { sequence: 1, time_ns: 0, quality: Quality::Good };
        self.keeper.driver_side(0).unwrap().inputs.publish(header, |f| f.copy_from_slice(&frame));
    }

    fn outputs(&self) -> [u8; 4] {
        self.keeper.driver_side(0).unwrap().outputs.latest().1.try_into().unwrap()
    }

    /// Runs what is due; whether each scan was good or may be followed by another one.
    fn at(&mut self, now: i64) -> Vec<bool> {
        let mut went_on = Vec::new();
        while let Some(position) = self.scanner.due(now) {
            went_on.push(match self.scanner.scan(position, &|| now) {
                Outcome::Good => true,
                Outcome::Faulted { goes_on, .. } => goes_on,
            });
        }
        went_on
    }
}

/// Both tasks run well once, then the press faults with another speed, alone and beside the belt.
fn fault_beside_a_good_task(policy: FaultPolicy) -> (Bench, [u8; 4]) {
    let mut bench = Bench::new(policy);
    bench.input([0x11, 0]);
    assert_eq!(bench.at(0), [true, true]);
    assert_eq!(bench.outputs(), [0x11, 0x11, 1, 1]);
    bench.input([0x22, 10]);
    assert_eq!(bench.at(10 * MS), [true]);
    let alone = bench.outputs();
    assert_eq!(bench.at(20 * MS), [true, true]);
    (bench, alone)
}

#[test]
fn outputs_of_a_scan_that_broke_off_stay_what_they_were() {
    let (mut bench, alone) = fault_beside_a_good_task(FaultPolicy::ContinueHold);
    assert_eq!(alone, [0x11, 0x11, 1, 1]);
    assert_eq!(bench.outputs(), [0x11, 0x11, 1, 2], "nothing half-written goes out with another task's scan");
    bench.input([0x33, 0]);
    bench.at(30 * MS);
    assert_eq!(bench.outputs(), [0x33, 0x33, 1, 2]);
}

#[test]
fn a_faulty_task_alone_goes_safe_until_its_next_good_scan() {
    let (mut bench, alone) = fault_beside_a_good_task(FaultPolicy::ContinueSafe);
    assert_eq!(alone, [0x55, 0x11, 1, 1], "%QB1 holds, and %QB3 is the belt's");
    assert_eq!(bench.outputs(), [0x55, 0x11, 1, 2]);
    bench.input([0x33, 0]);
    bench.at(30 * MS);
    assert_eq!(bench.outputs(), [0x33, 0x33, 1, 2]);
}

#[test]
fn outputs_that_were_never_driven_stay_safe() {
    for policy in [FaultPolicy::ContinueHold, FaultPolicy::ContinueSafe] {
        let mut bench = Bench::new(policy);
        bench.input([0x11, 10]);
        assert_eq!(bench.at(0), [true, true]);
        assert_eq!(bench.outputs(), [0x55, 0, 1, 1], "{policy:?}");
    }
}

#[test]
fn ten_faults_of_one_task_in_a_row_halt_although_another_one_runs_well() {
    let mut bench = Bench::new(FaultPolicy::ContinueHold);
    bench.input([0x11, 10]);
    for slot in 0..9 {
        assert!(bench.at(slot * 10 * MS).iter().all(|went_on| *went_on), "slot {slot}");
    }
    assert_eq!(bench.at(90 * MS), [false]);
}
