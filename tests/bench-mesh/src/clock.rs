//! Clocks and the grid that everybody publishes on.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The clock that all processes of a machine share.
pub(crate) fn monotonic_ns() -> u64 {
    lineshaft_exchange::monotonic_ns().cast_unsigned()
}

/// What the calling thread has used of a CPU.
pub(crate) fn thread_cpu_ns() -> u64 {
    of(ClockId::ThreadCPUTime)
}

/// What the calling process has used.
pub(crate) fn process_cpu_ns() -> u64 {
    of(ClockId::ProcessCPUTime)
}

fn of(clock: ClockId) -> u64 {
    let used = clock_gettime(clock);
    used.tv_sec.cast_unsigned() * 1_000_000_000 + used.tv_nsec.cast_unsigned()
}

/// A grid of absolute times: who is late once is not late for ever.
pub(crate) struct Grid {
    next_ns: u64,
    interval_ns: u64,
}

impl Grid {
    pub(crate) fn new(micros: u64) -> Self {
        let interval_ns = micros * 1_000;
        Self { next_ns: monotonic_ns() + interval_ns, interval_ns }
    }

    /// Sleeps until the next step, as a scan does.
    pub(crate) fn step(&mut self) {
        let at = Timespec {
            tv_sec: (self.next_ns / 1_000_000_000).cast_signed(),
            tv_nsec: (self.next_ns % 1_000_000_000).cast_signed(),
        };
        // Interrupted by a signal: sleep on.
        while clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() {}
        self.next_ns += self.interval_ns;
        let now_ns = monotonic_ns();
        if self.next_ns < now_ns {
            // Steps that are over are left out, as scans are.
            self.next_ns += (now_ns - self.next_ns).div_ceil(self.interval_ns) * self.interval_ns;
        }
    }
}
