//! As many generated programs as `DIFFERENTIAL_PROGRAMS` says, from the seed that `DIFFERENTIAL_FROM` says.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use lineshaft_differential_tests::campaign;

/// Programs in an ordinary run.
const PROGRAMS: u64 = 3_000;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[test]
fn both_engines_agree() {
    let programs = number("DIFFERENTIAL_PROGRAMS", PROGRAMS);
    let outcome = campaign(number("DIFFERENTIAL_FROM", 0), programs, None, |seed, tally, differences| {
        println!("seed {seed}: {tally:?}, {differences} differences");
    });
    for difference in &outcome.differences {
        println!("seed {}: {}\n{}", difference.seed, difference.what, difference.text);
    }
    assert!(outcome.differences.is_empty());
    let tally = outcome.tally;
    println!("{tally:?}");
    assert!(tally.refused * 50 < tally.units, "the generator makes what the compiler refuses: {tally:?}");
    assert!(tally.faulted * 10 > tally.programs && tally.faulted * 2 < tally.programs, "{tally:?}");
}
