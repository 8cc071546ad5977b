//! `lineshaft plc run`.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use lineshaft_plc_compiler::{Dialect, Options, compile};
use lineshaft_plc_runtime::virt::{self, Ended, Record, VirtualRun};

use super::FAULTED;
use super::arguments::{Engine, assignment, dialect, interval, paths};
use super::sources::{complain, explain};
use crate::failure::Failure;

/// A scan that loops more often than this hangs: it ends with the fault of a watchdog.
const BACK_EDGES_MAX: u64 = 100_000_000;

/// The flags of `lineshaft plc run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Structured Text; all files are one program, in any order
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Which Structured Text: iec (Ed. 3 to the letter), lineshaft, codesys (adds vendors' extensions)
    #[arg(long, value_name = "DIALECT", default_value = "lineshaft", value_parser = dialect)]
    dialect: Dialect,

    /// Number of scans
    #[arg(long, value_name = "N", default_value_t = 1)]
    scans: u64,

    /// Virtual time from one scan to the next, such as 10ms or 250us
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = interval)]
    interval: u64,

    /// Set a variable before the first scan, to a value as one writes it in the program; repeatable
    #[arg(long, value_name = "PATH=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,

    /// Print these variables after each scan; repeatable
    #[arg(long, value_name = "PATH,…")]
    trace: Vec<String>,

    /// What executes the program; machine code is far faster
    #[arg(long, value_enum, default_value_t = Engine::Jit)]
    engine: Engine,
}

/// Runs the subcommand.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let units = super::sources::read(&arguments.files)?;
    let options = Options { dialect: arguments.dialect, ..virt::options(arguments.interval) };
    let program = match compile(&units, &options) {
        Ok(program) => {
            complain(&program.diagnostics, &units);
            Arc::new(program)
        }
        Err(diagnostics) => {
            complain(&diagnostics, &units);
            return Ok(ExitCode::FAILURE);
        }
    };
    let run = VirtualRun {
        program: Arc::clone(&program),
        interval_ns: arguments.interval,
        scans: arguments.scans,
        sets: arguments.set.clone(),
        traces: paths(&arguments.trace),
        budget: Some(BACK_EDGES_MAX),
        engine: arguments.engine.into(),
    };
    let mut lines = Lines { out: BufWriter::new(io::stdout().lock()), failed: None };
    let ended = run.run(|record| lines.write(&record));
    lines.finish()?;
    match ended {
        Ok(Ended::Completed) => Ok(ExitCode::SUCCESS),
        Ok(Ended::Faulted) => Ok(ExitCode::from(FAULTED)),
        Err(error) => Err(explain(error, &program.layout)),
    }
}

/// Standard output, which may go away while the program runs.
struct Lines<W: Write> {
    out: BufWriter<W>,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
    fn write(&mut self, record: &Record) {
        if self.failed.is_none() {
            let written = serde_json::to_writer(&mut self.out, record)
                .map_err(io::Error::from)
                .and_then(|()| self.out.write_all(b"\n"));
            self.failed = written.err();
        }
    }

    fn finish(mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
    }
}
