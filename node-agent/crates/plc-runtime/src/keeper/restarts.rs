//! How often something may start again, and after which pause. Pure: the caller brings the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(30);
const WINDOW: Duration = Duration::from_mins(1);

/// Restarts of the last minute.
#[derive(Debug)]
pub(super) struct Restarts {
    most: usize,
    times: VecDeque<Instant>,
    in_a_row: u32,
}

impl Restarts {
    pub(super) fn new(most: usize) -> Self {
        Self { most, times: VecDeque::new(), in_a_row: 0 }
    }

    /// The pause before the next restart; `None` when there were too many.
    pub(super) fn next(&mut self, now: Instant) -> Option<Duration> {
        while self.times.front().is_some_and(|&t| now.saturating_duration_since(t) > WINDOW) {
            self.times.pop_front();
        }
        if self.times.is_empty() {
            self.in_a_row = 0;
        }
        if self.times.len() >= self.most {
            return None;
        }
        self.times.push_back(now);
        let pause = PAUSE_MIN.saturating_mul(1 << self.in_a_row.min(16)).min(PAUSE_MAX);
        self.in_a_row += 1;
        Some(pause)
    }

    pub(super) fn clear(&mut self) {
        self.times.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_a_quiet_minute_forgives() {
        let mut restarts = Restarts::new(3);
        let start = Instant::now();
        let pauses: Vec<_> = (0..4).map(|i| restarts.next(start + Duration::from_secs(i))).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(pauses, [ms(100), ms(200), ms(400), None]);
        assert_eq!(restarts.next(start + Duration::from_secs(62)), ms(800), "one is forgotten");
        assert_eq!(restarts.next(start + Duration::from_secs(200)), ms(100));
        restarts.clear();
        assert_eq!(restarts.next(start + Duration::from_secs(201)), ms(100));
    }
}
