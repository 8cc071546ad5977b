//! Many units, on all processors, one seed after the other.

use crate::choices::Recipe;
use crate::compare::{Tally, compare};
use crate::unit::text;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A unit may take this long, which is some thousand times what it needs; then it is ended and reported.
const TOO_LONG: Duration = Duration::from_secs(30);
/// Making a difference small may take this long.
const SHRINKING: Duration = Duration::from_mins(1);

/// A unit on which the engines differ, or which one of them does not survive.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Makes the unit.
    pub seed: u64,
    /// What is different.
    pub what: String,
    /// A small program with a difference.
    pub text: String,
}

/// What came of a campaign.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Sums.
    pub tally: Tally,
    /// All that was found.
    pub differences: Vec<Difference>,
    /// The first seed that was not run.
    pub next_seed: u64,
}

/// A unit that runs.
#[derive(Debug)]
struct Worker {
    attention: Arc<AtomicU32>,
    running: Mutex<Option<(u64, Instant)>>,
}

/// Whether back edges are counted for this seed. Mostly not: that is what runs in plants.
pub fn counted(seed: u64) -> bool {
    seed % 4 == 3
}

/// Runs units from `first_seed` on until `programs` program instances have run or the time is up. `progress` hears
/// of the sums now and then.
pub fn campaign(
    first_seed: u64,
    programs: u64,
    time: Option<Duration>,
    progress: impl Fn(u64, &Tally, usize) + Sync,
) -> Outcome {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(first_seed);
    let outcome = Mutex::new(Outcome::default());
    let started = Instant::now();
    let workers: Vec<Worker> =
        (0..threads).map(|_| Worker { attention: Arc::default(), running: Mutex::new(None) }).collect();
    let work = |worker: &Worker| {
        let enough = || lock(&outcome).tally.programs >= programs;
        let late = || time.is_some_and(|time| started.elapsed() > time);
        while !enough() && !late() {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let result = worker.try_seed(seed);
            let mut outcome = lock(&outcome);
            match result {
                Ok(tally) => outcome.tally += tally,
                Err(difference) => outcome.differences.push(difference),
            }
            if seed % 5_000 == 4_999 {
                progress(seed, &outcome.tally, outcome.differences.len());
            }
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = workers.iter().map(|worker| scope.spawn(|| work(worker))).collect();
        while handles.iter().any(|handle| !handle.is_finished()) {
            std::thread::park_timeout(Duration::from_millis(20));
            workers.iter().for_each(Worker::watch);
        }
    });
    let mut outcome = outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.next_seed = next.into_inner();
    outcome
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    fn try_seed(&self, seed: u64) -> Result<Tally, Difference> {
        let recipe = Recipe::from_seed(seed);
        let found = match self.attempt(&recipe, seed) {
            Ok(tally) => return Ok(tally),
            Err(found) => found,
        };
        eprintln!("seed {seed}: {found}");
        let (recipe, what) = self.shrink(recipe, found, seed);
        // The generator itself may be what fails.
        let text = catch_unwind(|| text(&recipe, false)).unwrap_or_default();
        Err(Difference { seed, what, text })
    }

    /// A difference that is there only while NaN has several forms is none: see [`crate::allowed`].
    fn attempt(&self, recipe: &Recipe, seed: u64) -> Result<Tally, String> {
        match self.attempt_with(recipe, seed, false) {
            Ok(tally) => Ok(tally),
            Err(found) => match self.attempt_with(recipe, seed, true) {
                Ok(tally) if tally.refused == 0 => Ok(Tally { seen_nan: 1, ..tally }),
                _ => Err(found),
            },
        }
    }

    /// A panic is a difference like any other.
    fn attempt_with(&self, recipe: &Recipe, seed: u64, one_nan: bool) -> Result<Tally, String> {
        self.attention.store(0, Ordering::Relaxed);
        *lock(&self.running) = Some((seed, Instant::now()));
        let result = catch_unwind(AssertUnwindSafe(|| {
            compare(&text(recipe, one_nan), counted(seed), &self.attention)
        }));
        *lock(&self.running) = None;
        result.unwrap_or_else(|panic| {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panic");
            Err(format!("panic: {message}"))
        })
    }

    fn shrink(&self, mut recipe: Recipe, mut what: String, seed: u64) -> (Recipe, String) {
        let started = Instant::now();
        'simpler: loop {
            for simpler in recipe.simpler() {
                if started.elapsed() > SHRINKING {
                    break 'simpler;
                }
                if let Err(found) = self.attempt(&simpler, seed) {
                    (recipe, what) = (simpler, found);
                    continue 'simpler;
                }
            }
            break;
        }
        (recipe, what)
    }

    /// Ends a run that takes too long; a compiler that does not come back can only be told of.
    fn watch(&self) {
        let Some((seed, since)) = *lock(&self.running) else { return };
        if since.elapsed() > TOO_LONG {
            self.attention.store(1, Ordering::Relaxed);
        }
        if since.elapsed() > 2 * TOO_LONG {
            eprintln!("seed {seed} does not end");
            std::process::exit(1);
        }
    }
}
