//! Scans on a clock made by hand.

use super::*;
use crate::engine::EngineOptions;
use lineshaft_exchange::{Exchange, PortSize, Region, TripleBuffer};
use lineshaft_plc_compiler::ir::{
    Block, Const, FaultCode, FuncId, Function, Inst, Module, Op, Site, SiteId, Terminator, Ty, Value,
};
use lineshaft_plc_compiler::layout::{Layout, Sections};
use lineshaft_plc_compiler::{Instance, Task};
use std::cell::Cell;
use std::sync::atomic::AtomicU32;

const MS: i64 = 1_000_000;

/// A program that adds 1 to the byte at 80, copies input byte 0 to output byte 0, and faults when input byte 1
/// is above 9.
fn program(tasks: &[(&str, Trigger, u32)]) -> Arc<Program> {
    let types = [Ty::Ptr, Ty::I8, Ty::I8, Ty::I8, Ty::I8, Ty::I64, Ty::Ptr, Ty::I8];
    let inst = |result: Option<u32>, op| Inst { result: result.map(Value), op, site: SiteId(0) };
    let (state, v) = (Value(6), Value);
    let insts = vec![
        inst(Some(6), Op::StateAddr(0)),
        inst(Some(1), Op::Load { ptr: state, offset: 80 }),
        inst(Some(2), Op::Const(Const::I8(1))),
        inst(Some(3), Op::Int { op: lineshaft_plc_compiler::ir::IntOp::Add, a: v(1), b: v(2) }),
        inst(None, Op::Store { ptr: state, offset: 80, value: v(3) }),
        inst(Some(4), Op::Load { ptr: state, offset: 65 }),
        inst(Some(5), Op::ZeroExtend(v(4))),
        inst(None, Op::CheckIndex { index: v(5), low: 0, high: 9 }),
        inst(Some(7), Op::Load { ptr: state, offset: 64 }),
        inst(None, Op::Store { ptr: state, offset: 72, value: v(7) }),
    ];
    let block = Block { params: vec![Value(0)], insts, end: Terminator::Return(None) };
    let function = Function {
        name: "P".into(),
        result: None,
        blocks: vec![block],
        value_types: types.to_vec(),
        frame_bytes: 0,
        object_bytes: 0,
        contexts: Vec::new(),
    };
    let site = Site { file: "t.st".into(), line: 1, column: 1 };
    let sections = Sections { inputs: 64..72, outputs: 72..80, ..Sections::default() };
    let instance =
        |i: usize| Instance { name: format!("I{i}"), program: "P".into(), offset: 80, entry: FuncId(0) };
    let task = |(i, (name, trigger, priority)): (usize, &(&str, Trigger, u32))| Task {
        name: (*name).into(),
        trigger: trigger.clone(),
        priority: *priority,
        instances: vec![i],
        outputs: vec![(0, 8)],
    };
    Arc::new(Program {
        module: Module { functions: vec![function], sites: vec![site], dispatch: Vec::new() },
        layout: Layout { bytes: 128, sections, ..Layout::default() },
        initial: vec![0; 128],
        instances: (0..tasks.len()).map(instance).collect(),
        tasks: tasks.iter().enumerate().map(task).collect(),
        diagnostics: Vec::new(),
    })
}

struct Bench {
    scanner: Scanner,
    keeper: Exchange,
    clock: Cell<i64>,
    /// What each look at the clock adds.
    step: Cell<i64>,
}

fn bench(tasks: &[(&str, Trigger, u32)], fault: FaultPolicy) -> Bench {
    let sizes = [PortSize { inputs: 2, outputs: 1 }];
    let keeper = Exchange::create("test", &sizes).unwrap();
    let region = Arc::new(Region::create("state", TripleBuffer::new(0, 128).size()).unwrap());
    TripleBuffer::new(0, 128).initialise(&region).unwrap();
    let machine =
        Machine::new(program(tasks), Arc::new(AtomicU32::new(0)), EngineOptions::default()).unwrap();
    let settings = Settings { fault, watchdog: WatchdogSpec::default() };
    let snapshot = TripleBuffer::new(0, 128).writer(&region).unwrap();
    let board = keeper.board().unwrap();
    let mut scanner = Scanner::new(machine, board.clone(), snapshot, settings, Arc::default(), 0);
    let bits =
        |text: &str, n| FrameMap::new(&[text.parse::<lineshaft_plc_io::Address>().unwrap().elements(n)]);
    let port = Port {
        side: keeper.scan_side(0).unwrap(),
        inputs: bits("%IB0", 2),
        outputs: bits("%QB0", 1),
        safe: SafeFrame { values: vec![0x55], hold: vec![0] },
    };
    scanner.connect(vec![port], board);
    Bench { scanner, keeper, clock: Cell::new(0), step: Cell::new(0) }
}

impl Bench {
    fn input(&self, frame: [u8; 2]) {
        let header = FrameHeader { sequence: 1, time_ns: 0, quality: Quality::Good };
        self.keeper.driver_side(0).unwrap().inputs.publish(header, |f| f.copy_from_slice(&frame));
    }

    fn output(&self) -> u8 {
        self.keeper.driver_side(0).unwrap().outputs.latest().1[0]
    }

    /// Runs what is due at a time; names of the tasks that ran.
    fn at(&mut self, ns: i64) -> Vec<String> {
        self.clock.set(ns);
        let mut ran = Vec::new();
        while let Some(position) = self.scanner.due(self.clock.get()) {
            ran.push(self.scanner.tasks[position].name.clone());
            let clock = || {
                self.clock.set(self.clock.get() + self.step.get());
                self.clock.get()
            };
            self.scanner.scan(position, &clock);
        }
        ran
    }
}

fn every(ms: u64) -> Trigger {
    Trigger::Cyclic { interval_ns: ms * 1_000_000 }
}

#[test]
fn inputs_are_latched_and_outputs_committed() {
    let mut bench = bench(&[("main", every(10), 0)], FaultPolicy::Halt);
    bench.input([0x2a, 0]);
    assert_eq!(bench.at(0), ["main"]);
    assert_eq!(bench.output(), 0x2a);
    assert_eq!(bench.at(9 * MS), [""; 0]);
    bench.input([0x2b, 0]);
    assert_eq!(bench.output(), 0x2a, "only a scan commits");
    assert_eq!(bench.at(10 * MS), ["main"]);
    assert_eq!(bench.output(), 0x2b);
    assert_eq!(bench.scanner.machine().state()[80], 2);
}

#[test]
fn due_tasks_run_by_priority_on_their_own_grids() {
    let mut bench = bench(&[("slow", every(20), 5), ("fast", every(10), 1)], FaultPolicy::Halt);
    assert_eq!(bench.at(0), ["fast", "slow"]);
    assert_eq!(bench.at(10 * MS), ["fast"]);
    assert_eq!(bench.at(20 * MS), ["fast", "slow"]);
}

#[test]
fn a_long_scan_is_an_overrun_and_skipped_points_are_missed() {
    let mut bench = bench(&[("main", every(10), 0)], FaultPolicy::Halt);
    // Three looks at the clock a scan: begin, end of the programs, end.
    bench.step.set(8 * MS);
    assert_eq!(bench.at(0), ["main"]);
    let figures = bench.keeper.board().unwrap().tasks[0].figures.snapshot();
    assert_eq!((figures.scans, figures.overruns, figures.missed), (1, 1, 2));
    assert_eq!(bench.scanner.next_wake_ns(), 30 * MS);
}

#[test]
fn an_event_task_runs_once_for_an_edge() {
    let trigger = Trigger::Event { offset: 80, bit: Some(1), interval_ns: None };
    let mut bench = bench(&[("main", every(10), 5), ("event", trigger, 0)], FaultPolicy::Halt);
    // The byte counts 1, 2, 3, 4 …: its bit 1 rises at 2, while the event itself adds one.
    assert_eq!(bench.at(0), ["main"]);
    assert_eq!(bench.at(10 * MS), ["main", "event"]);
    assert_eq!(bench.at(20 * MS), ["main"]);
    assert_eq!(bench.at(30 * MS), ["main"]);
    assert_eq!(bench.at(40 * MS), ["main", "event"], "at 6");
}

#[test]
fn an_event_task_with_an_interval_runs_on_it_while_the_event_is_false() {
    let trigger = Trigger::Event { offset: 80, bit: Some(2), interval_ns: Some(20 * MS as u64) };
    let mut bench = bench(&[("main", every(10), 5), ("event", trigger, 0)], FaultPolicy::Halt);
    // Each scan counts the byte by one; its bit 2 is the event.
    assert_eq!(bench.at(0), ["event", "main"], "1, 2");
    assert_eq!(bench.at(10 * MS), ["main"], "3");
    assert_eq!(bench.at(20 * MS), ["event", "event", "main"], "4: its own scan raises it; 5, 6");
    assert_eq!(bench.at(30 * MS), ["main"], "7");
    assert_eq!(bench.at(40 * MS), ["main"], "8: held, the grid passes");
    assert_eq!(bench.at(60 * MS), ["event", "main"], "9, 10");
}

#[test]
fn faults_follow_the_policy() {
    for (policy, output, goes_on) in [
        (FaultPolicy::Halt, 0x11, false),
        (FaultPolicy::ContinueHold, 0x11, true),
        (FaultPolicy::ContinueSafe, 0x55, true),
    ] {
        let mut bench = bench(&[("main", every(10), 0)], policy);
        bench.input([0x11, 0]);
        bench.at(0);
        bench.input([0x22, 10]);
        for scan in 1..=10 {
            let position = bench.scanner.due(scan * 10 * MS).unwrap();
            let Outcome::Faulted { fault, goes_on: may } = bench.scanner.scan(position, &|| scan * 10 * MS)
            else {
                panic!("no fault");
            };
            assert_eq!(
                (fault.code, fault.scan, &*fault.task),
                (FaultCode::IndexOutOfBounds, scan as u64 + 1, "main")
            );
            assert_eq!(bench.output(), output, "{policy:?}");
            assert_eq!(may, goes_on && scan < 10, "ten in a row");
        }
    }
}

#[test]
fn standing_still_stops_the_task_clock() {
    let mut bench = bench(&[("main", every(10), 0)], FaultPolicy::Halt);
    bench.at(10 * MS);
    bench.scanner.resume(15 * MS, 1_005 * MS);
    assert_eq!(bench.scanner.next_wake_ns(), 1_010 * MS);
    assert_eq!(bench.scanner.task_time_ns(1_010 * MS), 20 * MS);
}
