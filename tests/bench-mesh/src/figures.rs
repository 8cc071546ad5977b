//! What many measurements come to.

use serde::{Deserialize, Serialize};

/// Times in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) p50: u64,
    pub(crate) p95: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Times {
    pub(crate) fn of(mut all: Vec<u64>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len() * percent / 100).min(all.len().saturating_sub(1));
            all.get(index).copied().unwrap_or_default()
        };
        Self { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }

    /// The median of each figure.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> u64| median(runs.iter().map(figure).collect());
        Self { p50: of(|t| t.p50), p95: of(|t| t.p95), p99: of(|t| t.p99), max: of(|t| t.max) }
    }
}

/// The upper one of two; 0 of nothing.
pub(crate) fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// The median of each round's own ratio: what disturbs a round disturbs both.
pub(crate) fn ratio(own: &[u64], reference: &[u64]) -> f64 {
    let mut ratios: Vec<f64> =
        own.iter().zip(reference).map(|(own, other)| *own as f64 / (*other).max(1) as f64).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

pub(crate) fn microseconds(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e3)
}

/// Of one core, in percent.
pub(crate) fn percent(cpu_ns: u64, took_ns: u64) -> f64 {
    cpu_ns as f64 * 100.0 / took_ns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_ratios() {
        let times = Times::of((1..=100).rev().collect());
        assert_eq!(times, Times { p50: 51, p95: 96, p99: 100, max: 100 });
        assert_eq!(Times::of(Vec::new()), Times::default());
        assert_eq!(ratio(&[20, 9_000, 42], &[10, 9, 21]), 2.0, "the second round was disturbed");
    }
}
