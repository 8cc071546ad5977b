//! As many generated programs as `DIFFERENTIAL_PROGRAMS` says.

#![allow(clippy::unwrap_used, reason = "what fails here is the test")]

use lineshaft_differential_tests::{Verdict, compare, program};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;

/// Programs in an ordinary run.
const PROGRAMS: u32 = 600;

#[test]
fn both_engines_agree() {
    let programs = std::env::var("DIFFERENTIAL_PROGRAMS").map_or(PROGRAMS, |count| count.parse().unwrap());
    let config =
        Config { cases: programs, failure_persistence: None, max_shrink_iters: 3_000, ..Config::default() };
    let counts = [const { Cell::new(0_u32) }; 3];
    let numbers = proptest::collection::vec(any::<u16>(), 100..2_500);
    let result = TestRunner::new(config).run(&numbers, |numbers| {
        let text = program(&numbers);
        let verdict =
            compare(&text).map_err(|difference| TestCaseError::fail(format!("{difference}\n{text}")))?;
        let count = &counts[verdict as usize];
        count.set(count.get() + 1);
        Ok(())
    });
    if let Err(proptest::test_runner::TestError::Fail(why, _)) = &result {
        println!("{why}");
    }
    assert!(result.is_ok());
    let [refused, completed, faulted] = counts.map(|count| count.get());
    println!("{refused} refused, {completed} completed, {faulted} faulted");
    assert_eq!((Verdict::Refused as usize, Verdict::Faulted as usize), (0, 2));
    assert!(refused < programs / 5, "{refused} of {programs} programs do not compile");
    assert!(completed > programs / 10 && faulted > programs / 50);
}
