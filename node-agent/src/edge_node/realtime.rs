//! What this host grants to a runner: scheduling priority and locked memory.
//!
//! Keepers and runners inherit the rights of this process. The priority is tried; memory is judged by limits, since
//! trying would lock the agent's own. What a runner really got is in its runtime's status.

use std::fs;
use std::io;

use lineshaft_crds::edge_node::{Grant, RealtimeAbilities, RealtimeGrade};
use rustix::process::{Resource, getrlimit};

/// Bit of `CapEff` in /proc/self/status (capability.h).
const CAP_IPC_LOCK: u32 = 14;
/// Memory that a small runner locks; a limit below it is as good as a refusal.
const LOCKED_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// As far as it can be told without starting a runner.
pub(crate) fn abilities(preemption: Option<String>) -> RealtimeAbilities {
    let capabilities = fs::read_to_string("/proc/self/status").ok().and_then(|file| effective(&file));
    let may_lock = capabilities.is_some_and(|bits| bits >> CAP_IPC_LOCK & 1 == 1)
        || getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX) >= LOCKED_BYTES_MIN;
    judged(preemption, &lineshaft_plc_runtime::try_fifo(), may_lock)
}

fn judged(preemption: Option<String>, fifo: &io::Result<()>, may_lock: bool) -> RealtimeAbilities {
    let mut refused = Vec::new();
    if let Err(error) = fifo {
        refused.push(format!("SCHED_FIFO: {error}"));
    }
    if !may_lock {
        refused.push("mlockall: no CAP_IPC_LOCK".to_owned());
    }
    let grant = |granted| if granted { Grant::Granted } else { Grant::Refused };
    RealtimeAbilities {
        // Hard needs a self-test in which no wake-up was late.
        grade: if refused.is_empty() { RealtimeGrade::Firm } else { RealtimeGrade::Soft },
        fifo: grant(fifo.is_ok()),
        memory_lock: grant(may_lock),
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
        assert_eq!(effective("Name:\tx\nCapEff:\t0000000000004000\n"), Some(1 << CAP_IPC_LOCK));
        assert_eq!(effective("Name:\tx\n"), None);
    }

    #[test]
    fn what_is_refused_is_named() {
        let granted = judged(Some("PREEMPT_RT".to_owned()), &Ok(()), true);
        assert_eq!((granted.grade, granted.refused), (RealtimeGrade::Firm, None));
        let refused = judged(None, &Err(io::Error::other("EPERM")), false);
        assert_eq!(refused.refused.as_deref(), Some("SCHED_FIFO: EPERM; mlockall: no CAP_IPC_LOCK"));
        assert_eq!((refused.grade, refused.fifo), (RealtimeGrade::Soft, Grant::Refused));
    }
}
