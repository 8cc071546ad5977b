//! The clocks of a running program.

use rustix::thread::ClockId;
use rustix::time::Timespec;

/// CLOCK_MONOTONIC, nanoseconds.
pub(crate) fn monotonic_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}

/// Sleeps until a time of CLOCK_MONOTONIC. A signal ends it early: callers look at the clock again.
pub(crate) fn sleep_until(ns: i64) {
    let request = Timespec { tv_sec: ns.div_euclid(1_000_000_000), tv_nsec: ns.rem_euclid(1_000_000_000) };
    let _ = rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &request);
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Nanoseconds since 1970.
pub(crate) fn unix_ns() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec)
}
