//! When tasks run: pure arithmetic on a grid of time, and the order of tasks that are due together.

use lineshaft_plc_compiler::{Program, Task, Trigger};

/// Pause of a program that no task runs.
pub const BACKGROUND_INTERVAL_NS: u64 = 10_000_000;

/// The grid of one cyclic task: `origin + k * interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    interval_ns: i64,
    next_ns: i64,
}

/// What a scan for a grid point did to the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// The scan ended after the next grid point.
    pub overrun: bool,
    /// Grid points that get no scan of their own.
    pub missed: u64,
}

impl Grid {
    /// The first grid point of absolute time at or after `now_ns`. An interval of 0 counts as 1.
    pub fn starting_at(now_ns: i64, interval_ns: u64) -> Self {
        let interval_ns = i64::try_from(interval_ns).unwrap_or(i64::MAX).max(1);
        let behind = now_ns.rem_euclid(interval_ns);
        let ahead = if behind == 0 { 0 } else { interval_ns - behind };
        Self { interval_ns, next_ns: now_ns.saturating_add(ahead) }
    }

    /// The next scan's grid point.
    pub fn next_ns(&self) -> i64 {
        self.next_ns
    }

    /// Whether a scan is due.
    pub fn is_due(&self, now_ns: i64) -> bool {
        self.next_ns <= now_ns
    }

    /// Leaves the present grid point behind, and every other one that has passed: those are missed, never run
    /// in a burst.
    pub fn advance(&mut self, end_ns: i64) -> Advance {
        self.next_ns = self.next_ns.saturating_add(self.interval_ns);
        let overrun = end_ns > self.next_ns;
        if self.next_ns > end_ns {
            return Advance { overrun, missed: 0 };
        }
        let missed = (end_ns - self.next_ns) / self.interval_ns + 1;
        self.next_ns = self.next_ns.saturating_add(missed.saturating_mul(self.interval_ns));
        Advance { overrun, missed: missed as u64 }
    }
}

/// Interval of a task's grid; `None` for a task that only an event releases.
pub fn interval_ns(task: &Task) -> Option<u64> {
    match task.trigger {
        Trigger::Cyclic { interval_ns } => Some(interval_ns),
        Trigger::Background => Some(BACKGROUND_INTERVAL_NS),
        Trigger::Event { interval_ns, .. } => interval_ns,
    }
}

/// Tasks in order of priority, highest first; equal ones in order of declaration.
pub fn by_priority(program: &Program) -> Vec<usize> {
    let mut order: Vec<usize> = (0..program.tasks.len()).collect();
    order.sort_by_key(|&i| {
        let task = &program.tasks[i];
        (matches!(task.trigger, Trigger::Background), task.priority)
    });
    order
}

/// Memory of a task that runs once per rising edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    last: bool,
}

impl Edge {
    /// Looks at the trigger: whether it rose since the last look.
    pub fn rises(&mut self, trigger: &Trigger, state: &[u8]) -> bool {
        let &Trigger::Event { offset, bit, .. } = trigger else { return false };
        let byte = state.get(offset as usize).copied().unwrap_or(0);
        let now = bit.map_or(byte != 0, |bit| byte >> (bit & 7) & 1 == 1);
        let rises = now && !self.last;
        self.last = now;
        rises
    }

    /// Whether the trigger was TRUE at the last look: then a task that also has an interval does not run on it.
    pub fn holds(&self) -> bool {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_late_scan_skips_what_has_passed() {
        let mut grid = Grid::starting_at(95, 10);
        assert_eq!(grid.next_ns(), 100);
        assert!(!grid.is_due(99) && grid.is_due(100));
        assert_eq!(grid.advance(104), Advance { overrun: false, missed: 0 });
        assert_eq!(grid.next_ns(), 110);
        assert_eq!(grid.advance(120), Advance { overrun: false, missed: 1 }, "ended exactly on it");
        assert_eq!(grid.next_ns(), 130);
        assert_eq!(grid.advance(155), Advance { overrun: true, missed: 2 });
        assert_eq!(grid.next_ns(), 160);
    }

    #[test]
    fn an_edge_is_seen_once() {
        let trigger = Trigger::Event { offset: 1, bit: Some(2), interval_ns: None };
        let mut edge = Edge::default();
        assert!(edge.rises(&trigger, &[0, 4]));
        assert!(!edge.rises(&trigger, &[0, 4]));
        assert!(!edge.rises(&trigger, &[0, 3]));
        assert!(edge.rises(&trigger, &[0, 4]));
        assert!(!Edge::default().rises(&trigger, &[]));
    }

    proptest! {
        #[test]
        fn the_next_point_is_on_the_grid_and_ahead(
            start in 0..1_000_000_i64,
            interval in 1..10_000_u64,
            late in 0..100_000_i64,
        ) {
            let mut grid = Grid::starting_at(start, interval);
            prop_assert!(grid.next_ns() >= start && grid.next_ns() < start + interval as i64);
            let before = grid.next_ns();
            let end = before + late;
            let advance = grid.advance(end);
            prop_assert!(grid.next_ns() > end);
            prop_assert_eq!(grid.next_ns() % interval as i64, 0);
            prop_assert_eq!((grid.next_ns() - before) as u64, (advance.missed + 1) * interval);
        }
    }
}
