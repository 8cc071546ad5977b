//! What makes a scan thread punctual, as far as the system grants it. It has one `unsafe` block: the scheduling
//! class of a thread has no safe binding.

use crate::protocol::{RealtimeMode, RealtimeStatus};
use rustix::mm::MlockAllFlags;
use std::num::NonZeroU64;

/// SCHED_FIFO priority of the most important task; a less important one would be lower.
const FIFO_PRIORITY: u32 = 79;

/// Above every scan: it must run while one of them does not end.
const WATCHDOG_PRIORITY: u32 = 85;

/// Below every scan: a value may be late, a scan may not.
const CARRIER_PRIORITY: u32 = 60;

/// Puts the calling thread, which carries values between scans, before all ordinary work, or among it again.
pub fn carrier_class(prompt: bool) -> std::io::Result<()> {
    if prompt { fifo(CARRIER_PRIORITY) } else { class(libc::SCHED_OTHER, 0) }
}

/// Lets the calling thread interrupt scans. Refused where the scan's own class is refused, and not needed then.
pub(crate) fn prepare_watchdog(mode: RealtimeMode) {
    if mode != RealtimeMode::Off
        && let Err(error) = fifo(WATCHDOG_PRIORITY)
    {
        tracing::debug!(%error, "the watchdog stays an ordinary thread");
    }
}

/// Asks for everything that the mode wants, for the calling thread. What is refused is in the answer.
pub(crate) fn prepare(mode: RealtimeMode) -> RealtimeStatus {
    let mut status = RealtimeStatus { policy: "OTHER".to_owned(), ..RealtimeStatus::default() };
    if mode == RealtimeMode::Off {
        return status;
    }
    let mut refused = Vec::new();
    // What was never touched needs no lock: the compiler's stack is large and mostly empty.
    match rustix::mm::mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => status.memory_locked = true,
        Err(errno) => refused.push(format!("mlockall: {errno}")),
    }
    if let Err(errno) = rustix::thread::set_current_timer_slack(NonZeroU64::new(1)) {
        refused.push(format!("timer slack: {errno}"));
    }
    match fifo(FIFO_PRIORITY) {
        Ok(()) => {
            "FIFO".clone_into(&mut status.policy);
            status.priority = FIFO_PRIORITY;
        }
        Err(error) => refused.push(format!("SCHED_FIFO {FIFO_PRIORITY}: {error}")),
    }
    status.refused = refused.join("; ");
    status
}

/// Whether the system gives a thread of this process the priority of a scan thread. Found out by trying, on a
/// thread that ends with the answer.
pub fn try_fifo() -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("fifo-probe".to_owned())
        .spawn(|| fifo(FIFO_PRIORITY))?
        .join()
        .unwrap_or_else(|_| Err(std::io::Error::other("the probe broke off")))
}

fn fifo(priority: u32) -> std::io::Result<()> {
    class(libc::SCHED_FIFO, priority)
}

#[expect(unsafe_code, reason = "no safe binding exists")]
fn class(policy: libc::c_int, priority: u32) -> std::io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority as libc::c_int };
    // Threads and processes that this one starts are ordinary ones.
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread; the structure is initialised and outlives the call, which only reads it.
    let result = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
