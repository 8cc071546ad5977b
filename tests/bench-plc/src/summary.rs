//! All rounds of one contender as one line.

use crate::contender::{Contender, Run};
use serde::Serialize;

/// Times in nanoseconds.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    contender: String,
    /// The least of all rounds.
    min: u64,
    /// The median of what the rounds say.
    p50: u64,
    /// The median of what the rounds say.
    p99: u64,
    /// The median of the ratios of the rounds, each to the reference of the same round.
    ratio: f64,
    /// The median; of a reference program the only one.
    compiling: Option<u64>,
    command: String,
}

impl Summary {
    /// The reference has run in the same rounds.
    pub(crate) fn of(contender: &Contender, runs: &[Run], reference: &[Run]) -> Self {
        let ratios = runs.iter().zip(reference);
        let compiling: Vec<u64> = runs.iter().filter_map(|run| contender.compile_ns(run)).collect();
        Self {
            contender: contender.name.clone(),
            min: runs.iter().map(|run| run.scan_ns.min).min().unwrap_or_default(),
            p50: median(runs.iter().map(|run| run.scan_ns.p50)),
            p99: median(runs.iter().map(|run| run.scan_ns.p99)),
            ratio: median_of_ratios(ratios.map(|(run, reference)| (run.scan_ns.p50, reference.scan_ns.p50))),
            compiling: (!compiling.is_empty()).then(|| median(compiling.into_iter())),
            command: contender.invocation.to_string(),
        }
    }

    pub(crate) fn print(&self) {
        let compiling = self.compiling.map_or_else(String::new, |ns| format!("{:.2} ms", ns as f64 / 1e6));
        println!(
            "    {:<24}{:>11}{:>11}{:>11}{:>9.2}{compiling:>14}",
            self.contender,
            microseconds(self.min),
            microseconds(self.p50),
            microseconds(self.p99),
            self.ratio
        );
    }
}

fn microseconds(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e3)
}

/// The upper one of two; 0 of nothing.
pub(crate) fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// A time that the clock does not resolve counts as 1 ns.
fn median_of_ratios(pairs: impl Iterator<Item = (u64, u64)>) -> f64 {
    let mut ratios: Vec<f64> = pairs.map(|(own, other)| own as f64 / other.max(1) as f64).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_round_does_not_count() {
        assert_eq!(median([5, 900, 4].into_iter()), 5);
        let ratio = median_of_ratios([(20, 10), (9_000, 9), (42, 21)].into_iter());
        assert_eq!(ratio, 2.0, "the second round was disturbed");
        assert_eq!(median(std::iter::empty()), 0);
    }
}
