//! `lineshaft plc bench`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use lineshaft_plc_compiler::compile;
use lineshaft_plc_runtime::engine::EngineOptions;
use lineshaft_plc_runtime::fault::FaultRecord;
use lineshaft_plc_runtime::state::{Members, Shown};
use lineshaft_plc_runtime::virt::{self, Record, Simulation};
use serde::Serialize;

use super::FAULTED;
use super::arguments::{Engine, interval, paths};
use super::sources::{complain, explain};
use crate::failure::Failure;

/// The times of all scans are kept: 8 bytes each.
const SCANS_MAX: u64 = 10_000_000;

/// The flags of `lineshaft plc bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Structured Text; all files are one program, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Number of scans
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=SCANS_MAX))]
    scans: u64,

    /// Virtual time from one scan to the next, such as 10ms or 250us
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = interval)]
    interval: u64,

    /// Print these variables at the end; repeatable [default: all, in text without arrays and instances]
    #[arg(long, value_name = "PATH,…")]
    show: Vec<String>,

    /// What executes the program
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    engine: Engine,

    /// How the figures are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// How the figures are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object on standard output
    Json,
}

/// Everything that was measured, in nanoseconds.
#[derive(Debug, Serialize)]
struct Report {
    engine: String,
    /// Why that is not the engine that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    scans: usize,
    interval_ns: u64,
    compile_ns: CompileTimes,
    scan_ns: ScanTimes,
    values: Members,
}

/// From the text to the end of the first scan. The files were read before.
#[derive(Debug, Serialize)]
struct CompileTimes {
    /// Text to intermediate representation, all checks included.
    front_end: u64,
    /// What the engine makes of it, and initial values.
    code_generation: u64,
    /// The sum of both and the first scan.
    to_first_scan: u64,
}

#[derive(Debug, PartialEq, Serialize)]
struct ScanTimes {
    min: u64,
    p50: u64,
    p99: u64,
    max: u64,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let units = super::sources::read(&arguments.files)?;
    let began = Instant::now();
    let program = match compile(&units, &virt::options(arguments.interval)) {
        Ok(program) => Arc::new(program),
        Err(diagnostics) => {
            complain(&diagnostics, &units);
            return Ok(ExitCode::FAILURE);
        }
    };
    let front_end = began.elapsed();
    let options = EngineOptions { kind: arguments.engine.into(), budget: None };
    let generating = Instant::now();
    let mut simulation = Simulation::with(Arc::clone(&program), arguments.interval, options)?;
    let code_generation = generating.elapsed();
    complain(&program.diagnostics, &units);

    let mut times = match measure(&mut simulation, arguments.scans) {
        Ok(times) => times,
        Err(fault) => {
            print(|out| Ok(serde_json::to_writer(out, &Record::Fault { fault: *fault })?))?;
            return Ok(ExitCode::from(FAULTED));
        }
    };
    let first_scan = times.first().copied().unwrap_or_default();
    let values = values(&simulation, &arguments.show).map_err(|error| explain(error, &program.layout))?;
    let (engine, refused) = simulation.engine();
    let report = Report {
        engine: engine.to_string(),
        refused: refused.map(str::to_owned),
        scans: times.len(),
        interval_ns: arguments.interval,
        compile_ns: CompileTimes {
            front_end: nanoseconds(front_end),
            code_generation: nanoseconds(code_generation),
            to_first_scan: nanoseconds(front_end + code_generation).saturating_add(first_scan),
        },
        scan_ns: ScanTimes::of(&mut times),
        values,
    };
    print(|out| match arguments.output {
        Format::Json => Ok(serde_json::to_writer(out, &report)?),
        Format::Text => report.write_text(out, !arguments.show.is_empty()),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The time of each scan.
fn measure(simulation: &mut Simulation, scans: u64) -> Result<Vec<u64>, Box<FaultRecord>> {
    let mut times = Vec::with_capacity(scans as usize);
    for _ in 0..scans {
        let began = Instant::now();
        let scanned = simulation.step();
        let took = began.elapsed();
        scanned?;
        times.push(nanoseconds(took));
    }
    Ok(times)
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The variables that were asked for, or all.
fn values(simulation: &Simulation, show: &[String]) -> Result<Members, lineshaft_plc_runtime::Error> {
    if show.is_empty() {
        return Ok(simulation.values());
    }
    let shown = paths(show).into_iter().map(|path| {
        let value = simulation.get_ordered(&path)?;
        Ok((path, value))
    });
    shown.collect::<Result<_, _>>().map(Members)
}

fn print(write: impl FnOnce(&mut io::StdoutLock<'_>) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write(&mut out)?;
    out.write_all(b"\n")?;
    out.flush()
}

impl ScanTimes {
    /// Sorts the times, of which there is at least one.
    fn of(times: &mut [u64]) -> Self {
        times.sort_unstable();
        // The smallest time that so many percent of all scans do not exceed.
        let percentile = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { min: percentile(0), p50: percentile(50), p99: percentile(99), max: percentile(100) }
    }
}

impl Report {
    /// Ends without a line break.
    fn write_text(&self, out: &mut impl Write, everything: bool) -> io::Result<()> {
        let ScanTimes { min, p50, p99, max } = self.scan_ns;
        let compile = &self.compile_ns;
        let refused = self.refused.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        writeln!(
            out,
            "{}{refused}, {} scans, ns each: minimum {min}, p50 {p50}, p99 {p99}, maximum {max}",
            self.engine, self.scans
        )?;
        write!(
            out,
            "compiled, ns: front end {}, code generation {}, text to first scan {}",
            compile.front_end, compile.code_generation, compile.to_first_scan
        )?;
        for (path, value) in &self.values.0 {
            if everything || matches!(value, Shown::Scalar(_)) {
                write!(out, "\n{path} = {}", serde_json::to_string(value)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut times: Vec<u64> = (1..=200).rev().collect();
        assert_eq!(ScanTimes::of(&mut times), ScanTimes { min: 1, p50: 100, p99: 198, max: 200 });
        assert_eq!(ScanTimes::of(&mut [7]), ScanTimes { min: 7, p50: 7, p99: 7, max: 7 });
        assert_eq!(ScanTimes::of(&mut [3, 9, 5]), ScanTimes { min: 3, p50: 5, p99: 9, max: 9 });
    }
}
