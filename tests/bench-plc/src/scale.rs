//! Long sources: text to first scan, checking, memory.

use crate::contender::{CompileTimes, Contender, ENGINES, nanoseconds};
use crate::invocation::{Invocation, shown};
use crate::summary::median;
use crate::{Error, Places, at, generate};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs of each measurement.
const ROUNDS: usize = 5;
/// Statements of the program that is run.
const STATEMENTS: usize = 20_000;
/// Lines of the program that is checked.
const LINES: usize = 200_000;
/// Between two looks at the memory of a process; it is not timed at the same time.
const LOOK: Duration = Duration::from_millis(1);

/// Measures and prints it all.
pub(crate) fn measure(places: &Places) -> Result<Value, Error> {
    println!("\nlong sources, median of {ROUNDS}, on all CPUs");
    let path = places.scratch.join("statements.st");
    std::fs::write(&path, generate::statements(STATEMENTS)).map_err(at(&path))?;
    let mut first_scans = Vec::new();
    for engine in ENGINES {
        first_scans.push(first_scan(&Contender::lineshaft(&places.lineshaft, engine, &path, 1))?);
    }
    let checking = checking(places)?;
    Ok(json!({"first_scan": first_scans, "checking": checking}))
}

fn first_scan(contender: &Contender) -> Result<Value, Error> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let run = contender.run()?;
        let called = run.values.get("Main.n").cloned().unwrap_or_default();
        if called != json!(generate::blocks_of(STATEMENTS)) {
            let wrong = format!("Main.n is {called}");
            return Err(Error::WrongValue { command: contender.invocation.to_string(), wrong });
        }
        times.extend(run.compile_ns);
    }
    let of = |part: fn(&CompileTimes) -> u64| median(times.iter().map(part));
    let front_end = of(|times| times.front_end);
    let code_generation = of(|times| times.code_generation);
    let to_first_scan = of(|times| times.to_first_scan);
    let memory = peak_kib(&contender.invocation)?;
    println!(
        "    {STATEMENTS} statements, {}: text to first scan {} ms (front end {}, code generation {}), {} MB",
        contender.name,
        to_first_scan / 1_000_000,
        front_end / 1_000_000,
        code_generation / 1_000_000,
        memory / 1024
    );
    println!("    {}", contender.invocation);
    Ok(json!({
        "contender": contender.name, "front_end_ns": front_end, "code_generation_ns": code_generation,
        "to_first_scan_ns": to_first_scan, "peak_kib": memory, "command": contender.invocation.to_string(),
    }))
}

fn checking(places: &Places) -> Result<Value, Error> {
    let path = places.scratch.join("lines.st");
    let text = generate::lines(LINES);
    let lines = text.lines().count();
    std::fs::write(&path, text).map_err(at(&path))?;
    let file = shown(&path);
    let check = Invocation::new(&places.lineshaft, ["plc", "check", file.as_str()]);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        check.output()?;
        times.push(nanoseconds(began));
    }
    let time = median(times.into_iter());
    let memory = peak_kib(&check)?;
    println!("    {lines} lines checked: {} ms, {} MB\n    {check}", time / 1_000_000, memory / 1024);
    Ok(json!({"lines": lines, "time_ns": time, "peak_kib": memory, "command": check.to_string()}))
}

/// The most memory that a process was seen to hold, in a run of its own.
fn peak_kib(invocation: &Invocation) -> Result<u64, Error> {
    let mut child = invocation.start()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let high = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        // A process that has ended has no memory any more.
        peak = high.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(peak);
        let ended = child.try_wait();
        let ended = ended.map_err(|source| Error::Start { command: invocation.to_string(), source })?;
        if ended.is_some() {
            return Ok(peak);
        }
        std::thread::sleep(LOOK);
    }
}
