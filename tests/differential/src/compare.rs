//! One unit of programs on both engines.

use crate::allowed::Allowed;
use lineshaft_plc_compiler::diagnostic::Severity;
use lineshaft_plc_compiler::{Program, SourceUnit, compile};
use lineshaft_plc_runtime::engine::{EngineKind, EngineOptions, Machine};
use lineshaft_plc_runtime::virt::options;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const INTERVAL_NS: u64 = 10_000_000;
/// Scans of each program.
const SCANS: i64 = 4;
/// Back edges in one run of a program after which it is taken to be endless.
const BACK_EDGES: u64 = 3_000;

/// What became of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Units that do not compile.
    pub refused: u64,
    /// Units that ran.
    pub units: u64,
    /// Program instances that ran.
    pub programs: u64,
    /// Those of them that faulted in some scan.
    pub faulted: u64,
    /// Runs after which a float was NaN on both engines, with another sign or payload.
    pub other_nan: u64,
    /// Units that did something else because of that, and the same with one NaN for all.
    pub seen_nan: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.refused += other.refused;
        self.units += other.units;
        self.programs += other.programs;
        self.faulted += other.faulted;
        self.other_nan += other.other_nan;
        self.seen_nan += other.seen_nan;
    }
}

/// Runs it on both engines. `counted`: machine code counts back edges as the interpreter does, and so must end at
/// the same one; else a run that the interpreter ends is left out. `attention` ends what runs.
pub fn compare(text: &str, counted: bool, attention: &Arc<AtomicU32>) -> Result<Tally, String> {
    let unit = SourceUnit { name: "generated.st".to_owned(), text: text.to_owned() };
    match compile(&[unit], &options(INTERVAL_NS)) {
        Ok(program) => Pair::new(Arc::new(program), counted, attention)?.run(),
        Err(_) => Ok(Tally { refused: 1, ..Tally::default() }),
    }
}

/// Why the compiler refuses it.
pub fn refusal(text: &str) -> Option<String> {
    let unit = SourceUnit { name: "generated.st".to_owned(), text: text.to_owned() };
    compile(&[unit], &options(INTERVAL_NS)).err().map(|list| {
        let first = list.iter().find(|diagnostic| diagnostic.severity == Severity::Error);
        first.map_or_else(String::new, ToString::to_string)
    })
}

struct Pair {
    program: Arc<Program>,
    oracle: Machine,
    subject: Machine,
    counted: bool,
    allowed: Option<Allowed>,
    other_nan: u64,
}

impl Pair {
    fn new(program: Arc<Program>, counted: bool, attention: &Arc<AtomicU32>) -> Result<Self, String> {
        let start = |kind, counted: bool| {
            let options = EngineOptions { kind, budget: counted.then_some(BACK_EDGES) };
            Machine::new(Arc::clone(&program), Arc::clone(attention), options)
                .map_err(|error| error.to_string())
        };
        let (oracle, subject) = (start(EngineKind::Interpreter, true)?, start(EngineKind::Jit, counted)?);
        if let (EngineKind::Interpreter, refused) = (subject.engine(), subject.refused()) {
            return Err(format!("not compiled: {}", refused.unwrap_or_default()));
        }
        Ok(Self { program, oracle, subject, counted, allowed: None, other_nan: 0 })
    }

    fn run(mut self) -> Result<Tally, String> {
        let count = self.program.instances.len();
        let mut faulted = vec![false; count];
        for scan in 1..=SCANS {
            let now = scan * INTERVAL_NS as i64;
            for (instance, faulted) in faulted.iter_mut().enumerate() {
                let expected = self.oracle.run(instance, now);
                let endless = matches!(&expected, Err(fault) if fault.code.name() == "Watchdog");
                *faulted |= expected.is_err();
                if endless && !self.counted {
                    self.end_early(instance, now);
                    continue;
                }
                let program = Arc::clone(&self.program);
                let name = &program.instances[instance].name;
                let place = |what: String| format!("scan {scan} of {name}: {what}");
                let got = self.subject.run(instance, now);
                if expected != got {
                    return Err(place(format!("{expected:#?} interpreted, {got:#?} compiled")));
                }
                self.same_state().map_err(|what| place(format!("{what}; {expected:?}")))?;
            }
        }
        let faulted = faulted.iter().filter(|faulted| **faulted).count() as u64;
        Ok(Tally { units: 1, programs: count as u64, faulted, other_nan: self.other_nan, ..Tally::default() })
    }

    /// Machine code that does not count must end all the same when it is told to: no endless loop is without its
    /// poll. What it does until then differs from what the interpreter did.
    fn end_early(&mut self, instance: usize, now: i64) {
        self.subject.attention().store(1, Ordering::Relaxed);
        let _ = self.subject.run(instance, now);
        self.subject.attention().store(0, Ordering::Relaxed);
        self.subject.state_mut().copy_from_slice(self.oracle.state());
    }

    /// Equal but for what may differ. After another NaN the next run begins with the same on both engines again.
    fn same_state(&mut self) -> Result<(), String> {
        if self.oracle.state() == self.subject.state() {
            return Ok(());
        }
        let allowed = self.allowed.get_or_insert_with(|| Allowed::of(&self.program.layout));
        let judgement = allowed.judge(self.oracle.state(), self.subject.state());
        let Some(at) = judgement.forbidden else {
            if judgement.other_nan {
                self.other_nan += 1;
                self.subject.state_mut().copy_from_slice(self.oracle.state());
            }
            return Ok(());
        };
        let leaf = self.program.layout.leaves.iter().rev().find(|leaf| leaf.offset as usize <= at);
        let path = leaf.map_or("nothing", |leaf| leaf.path.as_str());
        let word = |state: &[u8]| {
            let start = at & !7;
            format!("{:02x?}", &state[start..(start + 8).min(state.len())])
        };
        Err(format!(
            "byte {at} in {path}: {} interpreted, {} compiled",
            word(self.oracle.state()),
            word(self.subject.state())
        ))
    }
}
