//! What this host would grant to a runner: scheduling priority and locked memory.
//!
//! Judged by what the kernel says of this process, whose rights its keepers and runners inherit; whether a runner
//! really got them is in its runtime's status.

use std::fs;

use lineshaft_crds::edge_node::{Grant, RealtimeAbilities, RealtimeGrade};
use rustix::process::{Resource, getrlimit};

/// Bits of `CapEff` in /proc/self/status (capability.h).
const CAP_IPC_LOCK: u32 = 14;
const CAP_SYS_NICE: u32 = 23;
/// Memory that a small runner locks; a limit below it is as good as a refusal.
const LOCKED_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// As far as it can be told without starting a runner.
pub(crate) fn abilities(preemption: Option<String>) -> RealtimeAbilities {
    let capabilities = fs::read_to_string("/proc/self/status").ok().and_then(|file| effective(&file));
    let has = |capability: u32| capabilities.is_some_and(|bits| bits >> capability & 1 == 1);
    let limit = |resource| getrlimit(resource).current.unwrap_or(u64::MAX);
    let priority = has(CAP_SYS_NICE) || limit(Resource::Rtprio) > 0;
    let lock = has(CAP_IPC_LOCK) || limit(Resource::Memlock) >= LOCKED_BYTES_MIN;
    let budget = fs::read_to_string("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").ok();
    judged(preemption, priority, lock, budget.as_deref())
}

fn judged(
    preemption: Option<String>,
    priority: bool,
    lock: bool,
    group_budget: Option<&str>,
) -> RealtimeAbilities {
    // Where the kernel schedules real-time groups, a group without a budget is refused whatever its rights.
    let no_budget = group_budget.is_some_and(|budget| budget.trim() == "0");
    let mut refused = Vec::new();
    if no_budget {
        refused.push("SCHED_FIFO: RT_GROUP_SCHED without a budget");
    } else if !priority {
        refused.push("SCHED_FIFO: no CAP_SYS_NICE");
    }
    if !lock {
        refused.push("mlockall: no CAP_IPC_LOCK");
    }
    let grant = |granted| if granted { Grant::Granted } else { Grant::Refused };
    let fifo = priority && !no_budget;
    RealtimeAbilities {
        // Hard needs a self-test that no wake-up was late in.
        grade: if fifo && lock { RealtimeGrade::Firm } else { RealtimeGrade::Soft },
        fifo: grant(fifo),
        memory_lock: grant(lock),
        preemption,
        worst_lateness_microseconds: None,
        refused: (!refused.is_empty()).then(|| refused.join("; ")),
    }
}

fn effective(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_of_a_process() {
        assert_eq!(
            effective("Name:\tx\nCapEff:\t0000000000804000\n"),
            Some(1 << CAP_SYS_NICE | 1 << CAP_IPC_LOCK)
        );
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn what_is_refused_is_named() {
        let granted = judged(Some("PREEMPT_RT".to_owned()), true, true, None);
        assert_eq!((granted.grade, granted.refused), (RealtimeGrade::Firm, None));
        let refused = judged(None, false, false, None);
        assert_eq!(
            refused.refused.as_deref(),
            Some("SCHED_FIFO: no CAP_SYS_NICE; mlockall: no CAP_IPC_LOCK")
        );
        assert_eq!(refused.grade, RealtimeGrade::Soft);
        let group = judged(None, true, true, Some("0\n"));
        assert_eq!((group.fifo, group.memory_lock), (Grant::Refused, Grant::Granted));
        assert_eq!(group.refused.as_deref(), Some("SCHED_FIFO: RT_GROUP_SCHED without a budget"));
    }
}
