//! What is run: each workload is a Structured Text program and a C program that does the same.

use crate::generate;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// A program in two languages and what its variables are at the end.
#[derive(Debug)]
pub(crate) struct Workload {
    /// Short name, by which it is chosen on the command line.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) title: &'static str,
    /// Scans of one run of a contender.
    pub(crate) scans: u32,
    source: Source,
    /// File of the C program, without its ending.
    pub(crate) reference: &'static str,
    /// Values after the last scan.
    expected: fn() -> Vec<(&'static str, Expected)>,
}

/// Where the Structured Text is.
#[derive(Debug)]
enum Source {
    /// A file of `workloads`.
    File,
    /// Too long and too uniform to be kept.
    Generated(fn() -> String),
}

/// A value at the end.
#[derive(Debug)]
enum Expected {
    Exactly(Value),
    /// Within 1e-12 of it: libraries differ in the last bit of a sine.
    About(f64),
}

/// The four workloads that the design fixes, then those on the side.
pub(crate) const WORKLOADS: [Workload; 7] = [
    Workload {
        name: "a",
        title: "integers: 100,000 x (i MOD 7) * 3",
        scans: 100,
        source: Source::File,
        reference: "a-integer",
        expected: || vec![("Main.s", Expected::Exactly(json!(900_000)))],
    },
    Workload {
        name: "b",
        title: "LREAL: 10,000 x SIN and SQRT",
        scans: 100,
        source: Source::File,
        reference: "b-float",
        expected: || vec![("Main.acc", Expected::About(101_198.256_226_898_94))],
    },
    Workload {
        name: "c",
        title: "ARRAY OF BOOL: primes up to 10,000",
        scans: 500,
        source: Source::File,
        reference: "c-sieve",
        expected: || vec![("Main.count", Expected::Exactly(json!(1229)))],
    },
    Workload {
        name: "d",
        title: "200 each of R_TRIG, CTU, TON in arrays",
        scans: 2000,
        source: Source::File,
        reference: "d-blocks",
        expected: blocks,
    },
    Workload {
        name: "flat",
        title: "the same as 600 named instances",
        scans: 2000,
        source: Source::Generated(generate::named_blocks),
        reference: "d-blocks",
        expected: blocks,
    },
    Workload {
        name: "sort",
        title: "bubble sort of 200 INTs",
        scans: 100,
        source: Source::File,
        reference: "sort",
        expected: || {
            vec![
                ("Main.sum", Expected::Exactly(json!(207_438_264))),
                ("Main.first", Expected::Exactly(json!(-32_712))),
                ("Main.last", Expected::Exactly(json!(32_148))),
            ]
        },
    },
    Workload {
        name: "empty",
        title: "a scan of nothing",
        scans: 20_000,
        source: Source::File,
        reference: "empty",
        expected: Vec::new,
    },
];

/// All counters have counted to 1,000, so that no timer runs any more.
fn blocks() -> Vec<(&'static str, Expected)> {
    vec![("Main.n", Expected::Exactly(json!(0))), ("Main.m", Expected::Exactly(json!(200)))]
}

impl Workload {
    /// The Structured Text: a file of `sources`, or one that is written to `scratch`.
    pub(crate) fn source(&self, sources: &Path, scratch: &Path) -> io::Result<PathBuf> {
        match self.source {
            Source::File => Ok(sources.join(self.reference).with_extension("st")),
            Source::Generated(text) => {
                let path = scratch.join(self.name).with_extension("st");
                std::fs::write(&path, text())?;
                Ok(path)
            }
        }
    }

    /// The variables whose values are known.
    pub(crate) fn variables(&self) -> Vec<&'static str> {
        (self.expected)().into_iter().map(|(path, _)| path).collect()
    }

    /// What is wrong with the values that a contender has left.
    pub(crate) fn wrong_values(&self, values: &serde_json::Map<String, Value>) -> Option<String> {
        (self.expected)().iter().find_map(|(path, expected)| {
            let found = values.get(*path).unwrap_or(&Value::Null);
            let good = match expected {
                // A peer may print every number as one with a fraction.
                Expected::Exactly(value) => found.as_f64() == value.as_f64(),
                Expected::About(value) => {
                    found.as_f64().is_some_and(|found| ((found - value) / value).abs() <= 1e-12)
                }
            };
            (!good).then(|| format!("{path} is {found} instead of {expected:?}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Places;
    use crate::contender::Contender;
    use lineshaft_plc_compiler::{SourceUnit, compile};
    use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions};
    use lineshaft_plc_runtime::virt::{self, Simulation};
    use std::sync::Arc;

    #[test]
    fn both_languages_compute_what_is_expected() {
        let sources = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/workloads"));
        let scratch = tempfile::tempdir().unwrap();
        let places = Places {
            lineshaft: PathBuf::new(),
            sources: sources.to_owned(),
            peers: PathBuf::new(),
            scratch: scratch.path().to_owned(),
        };
        for workload in &WORKLOADS {
            let run = Contender::reference(workload, &places).unwrap().run().unwrap();
            assert_eq!(workload.wrong_values(&run.values), None, "{}: C", workload.name);

            let path = workload.source(sources, scratch.path()).unwrap();
            let unit =
                SourceUnit { name: workload.name.to_owned(), text: std::fs::read_to_string(path).unwrap() };
            let program = compile(&[unit], &virt::options(1_000_000)).unwrap();
            assert_eq!(program.diagnostics, [], "{}", workload.name);
            let program = Arc::new(program);
            for kind in [EngineKind::Jit, EngineKind::Interpreter] {
                let options = EngineOptions { kind, budget: None };
                let mut simulation = Simulation::with(Arc::clone(&program), 1_000_000, options).unwrap();
                // The others do the same in each scan.
                let scans = if workload.reference == "d-blocks" { workload.scans } else { 1 };
                for _ in 0..scans {
                    simulation.step().unwrap();
                }
                let values = serde_json::to_value(simulation.values()).unwrap();
                let wrong = workload.wrong_values(values.as_object().unwrap());
                assert_eq!(wrong, None, "{}: {kind}", workload.name);
            }
        }
    }

    #[test]
    fn wrong_values_are_named() {
        let workload = &WORKLOADS[3];
        let values = |n: i32| json!({"Main.n": n, "Main.m": 200, "Main.k": 201}).as_object().unwrap().clone();
        assert_eq!(workload.wrong_values(&values(0)), None);
        let wrong = workload.wrong_values(&values(200)).unwrap();
        assert!(wrong.starts_with("Main.n is 200 instead of"), "{wrong}");
        assert!(workload.wrong_values(&serde_json::Map::new()).is_some());
    }

    #[test]
    fn a_sine_may_differ_in_its_last_bit() {
        let values = |acc: f64| json!({"Main.acc": acc}).as_object().unwrap().clone();
        assert_eq!(WORKLOADS[1].wrong_values(&values(101_198.256_226_898_9)), None);
        assert!(WORKLOADS[1].wrong_values(&values(101_198.256_3)).is_some());
    }
}
