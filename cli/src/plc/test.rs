//! `lineshaft plc test`.

mod coverage;
mod human;
mod json;
mod junit;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use lineshaft_plc_compiler::{SourceUnit, TestProgram, compile_tests};
use lineshaft_plc_runtime::testing::{self, Limits, Report, TestResult};
use lineshaft_plc_runtime::virt;

use super::arguments::Engine;
use super::sources::complain;
use crate::failure::Failure;
use crate::finding::colored;
use coverage::Coverage;

/// Nothing was tested: as for a wrong command line.
const BAD_INPUT: u8 = 2;
/// Loop passes and calls after which a part of a test is taken to hang.
const STEPS_MAX: u64 = 100_000_000;
/// What the interval of a task is that the sources do not give one; tests have no tasks.
const INTERVAL_NS: u64 = 10_000_000;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each test, an excerpt for each failure
    #[default]
    Human,
    /// One JSON object
    Json,
    /// XML as most build servers read it
    Junit,
}

/// The flags of `lineshaft plc test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Structured Text with TEST blocks; all files are one program, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Run only tests whose name contains this text, without regard to case; repeatable
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// How results are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,

    /// Show which statements ran
    #[arg(long)]
    coverage: bool,

    /// Write how often each line ran to this file, in the format of lcov
    #[arg(long, value_name = "FILE")]
    lcov: Option<PathBuf>,

    /// What executes the tests
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    engine: Engine,
}

/// What was tested, and what came of it.
struct Outcome<'a> {
    units: &'a [SourceUnit],
    tests: &'a TestProgram,
    report: &'a Report,
    coverage: Option<Coverage>,
}

impl Outcome<'_> {
    /// The results of one file, for each file that has any, in the order of the files.
    fn by_file(&self) -> impl Iterator<Item = (&str, Vec<&TestResult>)> {
        self.units.iter().filter_map(|unit| {
            let file = unit.name.as_str();
            let results = self.report.results.iter();
            let here: Vec<_> = results.filter(|r| self.tests.tests[r.test].at.file == file).collect();
            (!here.is_empty()).then_some((file, here))
        })
    }

    fn failed(&self) -> usize {
        self.report.failures().count()
    }

    fn passed(&self) -> usize {
        self.report.results.len() - self.failed()
    }
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let units = super::sources::read(&arguments.files)?;
    let covered = arguments.coverage || arguments.lcov.is_some();
    let tests = match compile_tests(&units, &virt::options(INTERVAL_NS), covered) {
        Ok(tests) => {
            complain(&tests.diagnostics, &units);
            tests
        }
        Err(diagnostics) => {
            complain(&diagnostics, &units);
            return Ok(ExitCode::from(BAD_INPUT));
        }
    };
    let limits = Limits { steps: STEPS_MAX, duration: None };
    let report = testing::run(&tests, arguments.engine.into(), limits, |test| {
        let name = test.name.to_lowercase();
        arguments.filter.is_empty() || arguments.filter.iter().any(|text| name.contains(&text.to_lowercase()))
    })?;
    if report.results.is_empty() {
        return Err(Failure::Usage(nothing_to_do(&tests)));
    }
    let coverage = covered.then(|| Coverage::new(&tests.statements, &report.hits, &units));
    if let (Some(path), Some(coverage)) = (&arguments.lcov, &coverage) {
        std::fs::write(path, coverage.lcov())
            .map_err(|error| Failure::Usage(format!("cannot write {}: {error}", path.display())))?;
    }
    let coverage = coverage.filter(|_| arguments.coverage);
    let outcome = Outcome { units: &units, tests: &tests, report: &report, coverage };
    let mut out = io::stdout().lock();
    let text = match arguments.output {
        Output::Human => human::text(&outcome, colored(&out)),
        Output::Json => json::text(&outcome),
        Output::Junit => junit::text(&outcome),
    };
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(if outcome.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn nothing_to_do(tests: &TestProgram) -> String {
    if tests.tests.is_empty() {
        return "the files have no TEST".to_owned();
    }
    let names: Vec<String> = tests.tests.iter().take(8).map(|test| format!("'{}'", test.name)).collect();
    format!("no test has such a name; there are {}", names.join(", "))
}
