//! Generates programs and compares the engines on them, as many as asked for.

use lineshaft_differential_tests::{Recipe, Tally, campaign, compare, counted, refusal, text};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const USAGE: &str =
    "differential run PROGRAMS [FIRST_SEED [SECONDS]]   compare the engines on that many programs
differential show SEED                             the programs of a seed
differential try FILE                              compare the engines on a source
differential refused FIRST_SEED COUNT              which units do not compile, and why";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |position: usize| words.get(position).and_then(|word| word.parse::<u64>().ok());
    match (words.first().map(String::as_str), words.get(1), number(1)) {
        (Some("run"), _, Some(programs)) => {
            run(programs, number(2).unwrap_or(0), number(3).map(Duration::from_secs))
        }
        (Some("show"), _, Some(seed)) => {
            println!("{}", text(&Recipe::from_seed(seed), false));
            ExitCode::SUCCESS
        }
        (Some("try"), Some(file), _) => compare_file(file),
        (Some("refused"), _, Some(first)) => {
            for seed in first..first + number(2).unwrap_or(1) {
                if let Some(why) = refusal(&text(&Recipe::from_seed(seed), false)) {
                    println!("{seed}: {why}");
                }
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn shown(tally: &Tally) -> String {
    format!(
        "{} programs in {} units, {} of them faulted; {} units refused; NaN of another form after {} runs, seen by {} \
         units",
        tally.programs, tally.units, tally.faulted, tally.refused, tally.other_nan, tally.seen_nan
    )
}

fn run(programs: u64, first_seed: u64, time: Option<Duration>) -> ExitCode {
    let started = Instant::now();
    // Panics are caught and told with their seed.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = campaign(first_seed, programs, time, |seed, tally, differences| {
        let seconds = started.elapsed().as_secs();
        eprintln!("{seconds} s, seed {seed}: {}; {differences} differences", shown(tally));
    });
    for difference in &outcome.differences {
        println!("==== seed {}\n{}\n{}", difference.seed, difference.what, difference.text);
    }
    println!(
        "seeds {first_seed} to {}: {}; {} differences; {:.1} s",
        outcome.next_seed - 1,
        shown(&outcome.tally),
        outcome.differences.len(),
        started.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(!outcome.differences.is_empty()))
}

fn compare_file(file: &str) -> ExitCode {
    let source = match std::fs::read_to_string(file) {
        Ok(source) => source,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::from(2);
        }
    };
    if let Some(why) = refusal(&source) {
        println!("{why}");
        return ExitCode::from(2);
    }
    for seed in 0..4 {
        if let Err(difference) = compare(&source, counted(seed), &Arc::default()) {
            println!("{difference}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
