//! Who runs a workload: a command that prints its own times and the values at the end as one line of JSON.

use crate::invocation::{Invocation, shown};
use crate::workload::Workload;
use crate::{Error, Places};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::Path;
use std::time::Instant;

/// What executes our own code.
pub(crate) const ENGINES: [&str; 2] = ["jit", "interpreter"];
/// The C compiler of the reference programs and its flags; signed overflow wraps there too.
pub(crate) const COMPILER: &str = "gcc";
const FLAGS: [&str; 6] = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-fwrapv"];

/// What the script of a peer exits with where its compiler is not installed (`EX_UNAVAILABLE`).
const NOT_HERE: i32 = 69;

/// Why a peer does not take part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Absent {
    /// By its name.
    #[error("{0}: not on this machine")]
    NotHere(String),
    /// It is here and refuses the program: that says something of the peer, not of us.
    #[error("{0}: {1}")]
    CannotBuild(String, Error),
}

/// One way to run one workload.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: String,
    pub(crate) invocation: Invocation,
    /// What must run, where there is a choice.
    engine: Option<&'static str>,
    /// Time to compile it, where the run itself does not say.
    built_ns: Option<u64>,
}

/// What one run says; other fields are not ours to know.
#[derive(Debug, Deserialize)]
pub(crate) struct Run {
    pub(crate) scan_ns: ScanTimes,
    pub(crate) compile_ns: Option<CompileTimes>,
    pub(crate) values: Map<String, Value>,
    /// Of ours: what ran.
    engine: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ScanTimes {
    pub(crate) min: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct CompileTimes {
    pub(crate) front_end: u64,
    pub(crate) code_generation: u64,
    pub(crate) to_first_scan: u64,
}

impl Contender {
    /// Compiles the C program of a workload.
    pub(crate) fn reference(workload: &Workload, places: &Places) -> Result<Self, Error> {
        let program = places.scratch.join(workload.reference);
        let c = places.sources.join(workload.reference).with_extension("c");
        let timing = places.sources.join("timing.c");
        let files = [shown(&program), shown(&c), shown(&timing)];
        let [program_word, c_word, timing_word] = &files;
        let words = FLAGS.into_iter().chain(["-o", program_word, c_word, timing_word, "-lm"]);
        let began = Instant::now();
        Invocation::new(Path::new(COMPILER), words).output()?;
        let built_ns = Some(nanoseconds(began));
        let scans = workload.scans.to_string();
        let invocation = Invocation::new(&program, [scans.as_str()]);
        Ok(Self { name: "C, gcc -O2 -fwrapv".to_owned(), invocation, engine: None, built_ns })
    }

    /// `lineshaft plc bench`.
    pub(crate) fn lineshaft(program: &Path, engine: &'static str, source: &Path, scans: u32) -> Self {
        let (source, scans) = (shown(source), scans.to_string());
        let words = ["plc", "bench", &source, "--scans", &scans, "--engine", engine, "--output", "json"];
        let invocation = Invocation::new(program, words);
        Self { name: format!("lineshaft {engine}"), invocation, engine: Some(engine), built_ns: None }
    }

    /// Another compiler, by its script in `peers`: it takes the source, the program to make and the variables that
    /// the program must print, and the program is called like the reference.
    pub(crate) fn peer(
        script: &Path,
        workload: &Workload,
        source: &Path,
        places: &Places,
    ) -> Result<Self, Absent> {
        let name = script.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let program = places.scratch.join(format!("{}-{name}", workload.name));
        let files = [shown(source), shown(&program)];
        let variables = workload.variables();
        let words = files.iter().map(String::as_str).chain(variables.iter().copied());
        let began = Instant::now();
        match Invocation::new(script, words).output() {
            Ok(_) => {
                let built_ns = Some(nanoseconds(began));
                let scans = workload.scans.to_string();
                let invocation = Invocation::new(&program, [scans.as_str()]);
                Ok(Self { name, invocation, engine: None, built_ns })
            }
            Err(Error::Failed { code: Some(NOT_HERE), .. }) => Err(Absent::NotHere(name)),
            Err(error) => Err(Absent::CannotBuild(name, error)),
        }
    }

    /// Runs it once.
    pub(crate) fn run(&self) -> Result<Run, Error> {
        let text = self.invocation.output()?;
        let run: Run = serde_json::from_slice(&text)
            .map_err(|source| Error::Unreadable { command: self.invocation.to_string(), source })?;
        if run.engine.as_deref() == self.engine {
            return Ok(run);
        }
        Err(Error::OtherEngine { command: self.invocation.to_string() })
    }

    /// Text to first scan, or text to executable.
    pub(crate) fn compile_ns(&self, run: &Run) -> Option<u64> {
        run.compile_ns.as_ref().map(|times| times.to_first_scan).or(self.built_ns)
    }
}

/// Since then.
pub(crate) fn nanoseconds(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
