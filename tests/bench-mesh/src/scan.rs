//! What publishing and receiving add to a scan: the scan engine in one process, with a program that has so many LREAL
//! of each direction, declared in turn, so that no two neighbours are published.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use lineshaft_exchange::{Exchange, InboxWriter, Mailbox, Region, TripleBuffer, Wakeup};
use lineshaft_plc_compiler::{Options, Program, SourceUnit, compile};
use lineshaft_plc_runtime::engine::{EngineOptions, Machine};
use lineshaft_plc_runtime::mesh::{Bound, resolve};
use lineshaft_plc_runtime::protocol::{FaultPolicy, OnStale, Subscription, WatchdogSpec};
use lineshaft_plc_runtime::scan::{Occupant, Outcome as Scanned, Scanner, Settings};
use serde::Serialize;

use crate::clock::monotonic_ns;
use crate::figures::{Times, microseconds};
use crate::{Error, Outcome};

const SCANS: usize = 2_000;
const INTERVAL_NS: i64 = 1_000_000;

#[derive(Debug, Serialize)]
pub(crate) struct Line {
    what: String,
    times: Times,
}

/// What arrives before a scan.
#[derive(Clone, Copy, PartialEq)]
enum Arrives {
    Nothing,
    Beats,
    One,
    All,
}

pub(crate) fn measure(count: usize) -> Outcome<Vec<Line>> {
    let program = Arc::new(program(count)?);
    let line = |what: &str, published: usize, received: usize, arrives| -> Outcome<Line> {
        let what = what.replace('N', &count.to_string());
        Ok(Line { what, times: scans(&program, published, received, arrives)? })
    };
    Ok(vec![
        line("without the mesh", 0, 0, Arrives::Nothing)?,
        line("N published", count, 0, Arrives::Nothing)?,
        line("N received, nothing arrives", 0, count, Arrives::Nothing)?,
        line("N received, signs of life arrive", 0, count, Arrives::Beats)?,
        line("N received, one new value arrives", 0, count, Arrives::One)?,
        line("N received, all values are new", 0, count, Arrives::All)?,
    ])
}

pub(crate) fn print(lines: &[Line]) {
    println!(
        "\nscan: what the mesh adds to a scan, {SCANS} scans each, µs\n    {:<42}{:>9}{:>9}{:>9}",
        "", "p50", "p99", "added"
    );
    let alone = lines.first().map_or(0, |line| line.times.p50);
    for line in lines {
        let added = microseconds(line.times.p50.saturating_sub(alone));
        let times = [line.times.p50, line.times.p99].map(microseconds);
        println!("    {:<42}{:>9}{:>9}{added:>9}", line.what, times[0], times[1]);
    }
    println!("    repeat with: target/release/bench-mesh scan [VARIABLES]");
}

fn program(count: usize) -> Outcome<Program> {
    let declared: Vec<String> = (0..count).map(|n| format!("p{n} : LREAL; r{n} : LREAL;")).collect();
    let declared = declared.join("\n");
    let text = format!("PROGRAM Main\nVAR\n{declared}\nEND_VAR\np0 := p0 + 1.0;\nEND_PROGRAM");
    let options = Options { default_interval_ns: INTERVAL_NS as u64, ..Options::default() };
    compile(&[SourceUnit { name: "main.st".into(), text }], &options)
        .map_err(|errors| Error::Wrong(format!("the program does not compile: {errors:?}")))
}

/// Times of scans with this many variables in each direction.
fn scans(program: &Arc<Program>, published: usize, received: usize, arrives: Arrives) -> Outcome<Times> {
    let publish: Vec<String> = (0..published).map(|n| format!("Main.p{n}")).collect();
    let subscriptions: Vec<Subscription> = (0..received).map(subscription).collect();
    let resolved = resolve(&program.layout, &publish, &subscriptions);
    if let Some(problem) = resolved.unpublished.iter().chain(&resolved.unreceived).next() {
        return Err(Error::Wrong(problem.message.clone()));
    }
    let mailbox = Mailbox::create("bench", resolved.info.plan())?;
    let wakeup = Wakeup::new()?;
    let mut carrier = mailbox.inbox_writer()?;
    let mesh = match published + received {
        0 => None,
        _ => Some(Box::new(Bound::new(resolved.binding, Some((&mailbox, wakeup.try_clone()?)))?)),
    };
    let exchange = Exchange::create("bench", &[])?;
    let snapshot = TripleBuffer::new(0, program.initial.len());
    let region = Arc::new(Region::create("bench", snapshot.size())?);
    snapshot.initialise(&region)?;
    let machine = || Machine::new(program.clone(), Arc::new(AtomicU32::new(0)), EngineOptions::default());
    let settings = Settings { fault: FaultPolicy::default(), watchdog: WatchdogSpec::default() };
    let board = exchange.board()?;
    let mut scanner = Scanner::new(machine()?, board, snapshot.writer(&region)?, settings, Arc::default(), 0);
    scanner.replace(Occupant { machine: machine()?, snapshot: snapshot.writer(&region)?, mesh }, 0);
    let mut times = Vec::with_capacity(SCANS);
    for number in 0..SCANS as i64 {
        let now_ns = (number + 1) * INTERVAL_NS;
        bring(&mut carrier, received, arrives, number, now_ns);
        let Some(position) = scanner.due(now_ns) else { continue };
        let began_ns = monotonic_ns();
        let outcome = scanner.scan(position, &|| now_ns);
        times.push(monotonic_ns() - began_ns);
        wakeup.take();
        if let Scanned::Faulted { fault, .. } = outcome {
            return Err(Error::Wrong(format!("the program faulted: {fault:?}")));
        }
    }
    check(program, scanner.machine().state(), received, arrives)?;
    Ok(Times::of(times))
}

/// What the mesh would have brought before this scan.
fn bring(carrier: &mut InboxWriter, received: usize, arrives: Arrives, number: i64, now_ns: i64) {
    let value = (number as f64).to_le_bytes();
    let count = match arrives {
        Arrives::Nothing | Arrives::Beats if number > 0 => 0,
        Arrives::One if number > 0 => 1,
        _ => received,
    };
    for entry in 0..count {
        carrier.set(entry, &value);
        carrier.set_quality(entry, 0);
        carrier.set_source(entry, 0);
    }
    if count > 0 {
        carrier.publish();
    }
    if received > 0 && (number == 0 || arrives != Arrives::Nothing) {
        carrier.alive(0, now_ns);
    }
}

/// The values that the program has in the end.
fn check(program: &Program, state: &[u8], received: usize, arrives: Arrives) -> Outcome<()> {
    let read = |path: &str| {
        let at = program.layout.find(path).map(|place| place.offset as usize)?;
        Some(f64::from_le_bytes(state.get(at..at + 8)?.try_into().ok()?))
    };
    let last = SCANS as f64 - 1.0;
    let (first, others) = match arrives {
        Arrives::Nothing | Arrives::Beats => (0.0, 0.0),
        Arrives::One => (last, 0.0),
        Arrives::All => (last, last),
    };
    for index in 0..received {
        let expected = if index == 0 { first } else { others };
        let found = read(&format!("Main.r{index}"));
        if found != Some(expected) {
            return Err(Error::Wrong(format!("Main.r{index} is {found:?} and not {expected}")));
        }
    }
    match read("Main.p0") {
        Some(scans) if scans > last - 1.0 => Ok(()),
        other => Err(Error::Wrong(format!("Main.p0 is {other:?} after {SCANS} scans"))),
    }
}

fn subscription(index: usize) -> Subscription {
    Subscription {
        to: format!("Main.r{index}"),
        from: format!("LineB:Main.p{index}"),
        quality: None,
        age: None,
        // Silence is no matter of this measurement.
        timeout_ns: 3_600_000_000_000,
        on_stale: OnStale::Hold,
        startup_grace_ns: 0,
    }
}
