//! Whether an agent lives, from the times at which its Lease was seen to change.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What was seen of a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Observation {
    /// What its holder wrote.
    renewed: Timestamp,
    /// When that was first seen, on our clock; absent: it was old already.
    seen: Option<Instant>,
}

/// Whether an agent lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Liveness {
    /// It does, as far as is known for this long.
    Alive {
        /// When to look again.
        lapses_in: Duration,
    },
    /// It has not renewed its Lease in time.
    Lapsed,
    /// It never had a Lease.
    NeverSeen,
}

/// The first look compares with the wall clock, later ones do not, so that a host whose clock is wrong counts as alive
/// once it was seen to renew. After a restart of the operator, and after an interruption of its watch, a host that was
/// alive gets the benefit of the doubt.
pub(super) fn judge(
    before: Option<Observation>,
    renewed: Option<Timestamp>,
    was_ready: bool,
    interrupted: Option<Instant>,
    now: Instant,
    wall: Timestamp,
    timeout: Duration,
) -> (Option<Observation>, Liveness) {
    let Some(renewed) = renewed else { return (None, Liveness::NeverSeen) };
    let observation = match before {
        Some(before) if before.renewed == renewed => before,
        Some(_) => Observation { renewed, seen: Some(now) },
        None => {
            let fresh = wall.duration_since(renewed).unsigned_abs() < timeout;
            Observation { renewed, seen: (fresh || was_ready).then_some(now) }
        }
    };
    // A renewal may have been missed while nothing could be seen, or could not be made.
    let seen = if was_ready { observation.seen.max(interrupted) } else { observation.seen };
    let remaining = seen.and_then(|seen| timeout.checked_sub(now.saturating_duration_since(seen)));
    let liveness = match remaining {
        Some(remaining) if !remaining.is_zero() => Liveness::Alive { lapses_in: remaining },
        _ => Liveness::Lapsed,
    };
    (Some(observation), liveness)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(40);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_lease_that_is_renewed_lives_and_one_that_is_not_lapses() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(judge(None, None, false, None, start, at(1000), TIMEOUT).1, Liveness::NeverSeen);
        let (seen, live) = judge(None, Some(at(1000)), false, None, start, at(1001), TIMEOUT);
        assert_eq!(live, Liveness::Alive { lapses_in: TIMEOUT });
        let (seen, live) = judge(seen, Some(at(1000)), true, None, after(30), at(1031), TIMEOUT);
        assert_eq!(live, Liveness::Alive { lapses_in: Duration::from_secs(10) });
        let (seen, live) = judge(seen, Some(at(1030)), true, None, after(31), at(1032), TIMEOUT);
        assert_eq!(live, Liveness::Alive { lapses_in: TIMEOUT });
        let (seen, live) = judge(seen, Some(at(1030)), true, None, after(71), at(1072), TIMEOUT);
        assert_eq!(live, Liveness::Lapsed);
        let (_, live) = judge(seen, Some(at(1080)), false, None, after(80), at(1081), TIMEOUT);
        assert_eq!(live, Liveness::Alive { lapses_in: TIMEOUT });
    }

    #[test]
    fn a_host_with_a_wrong_clock_lives_once_it_was_seen_to_renew() {
        let start = Instant::now();
        let (seen, live) = judge(None, Some(at(10)), false, None, start, at(100_000), TIMEOUT);
        assert_eq!(live, Liveness::Lapsed);
        let (_, live) = judge(seen, Some(at(20)), false, None, start, at(100_010), TIMEOUT);
        assert!(matches!(live, Liveness::Alive { .. }));
    }

    #[test]
    fn after_a_restart_a_host_that_was_alive_gets_one_timeout() {
        let start = Instant::now();
        let (seen, live) = judge(None, Some(at(10)), true, None, start, at(100_000), TIMEOUT);
        assert!(matches!(live, Liveness::Alive { .. }));
        let (_, live) = judge(seen, Some(at(10)), true, None, start + TIMEOUT, at(100_040), TIMEOUT);
        assert_eq!(live, Liveness::Lapsed);
    }

    #[test]
    fn after_an_outage_of_the_api_server_a_host_that_was_alive_gets_one_timeout() {
        let start = Instant::now();
        let end = start + TIMEOUT * 3;
        let (seen, _) = judge(None, Some(at(1000)), true, None, start, at(1000), TIMEOUT);
        assert_eq!(judge(seen, Some(at(1000)), true, None, end, at(1120), TIMEOUT).1, Liveness::Lapsed);
        let (_, live) = judge(seen, Some(at(1000)), true, Some(end), end, at(1120), TIMEOUT);
        assert_eq!(live, Liveness::Alive { lapses_in: TIMEOUT });
        let later = end + TIMEOUT;
        assert_eq!(
            judge(seen, Some(at(1000)), true, Some(end), later, at(1160), TIMEOUT).1,
            Liveness::Lapsed
        );
        // One that had lapsed before does not come to life by it.
        assert_eq!(judge(seen, Some(at(1000)), false, Some(end), end, at(1120), TIMEOUT).1, Liveness::Lapsed);
    }
}
