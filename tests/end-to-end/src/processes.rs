//! Which processes a plant has, found by a mark in their environment.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use std::fs;

/// Environment variable that marks every process of one plant.
pub(crate) const MARK: &str = "LINESHAFT_TEST_PLANT";

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `lineshaft up`: operator and agent.
    Up,
    /// `lineshaft-apiserver`.
    ApiServer,
    /// `lineshaft-plc keeper`.
    Keeper,
    /// `lineshaft-plc runner`.
    Runner,
}

/// A process of a plant.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// What it is for.
    pub role: Role,
}

impl Process {
    /// All living processes that carry the mark.
    pub(crate) fn all(mark: &str) -> Vec<Self> {
        let wanted = format!("{MARK}={mark}");
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(|pid| {
                // A zombie's environment is empty: it no longer counts as running.
                fs::read(format!("/proc/{pid}/environ"))
                    .is_ok_and(|bytes| bytes.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
            })
            .filter_map(|pid| Some(Self { pid, role: role(pid)? }))
            .collect()
    }

    /// SIGKILL, and waits for the end. A process that has just ended by itself is fine.
    ///
    /// # Panics
    /// When it cannot be watched.
    pub fn kill(&self) {
        let Some(pid) = Pid::from_raw(self.pid) else { return };
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        self.signal(Signal::KILL);
        // On a busy machine it answers for a while longer.
        poll(&mut [PollFd::new(&process, PollFlags::IN)], None).unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid) {
            let _ended_already = kill_process(pid, signal);
        }
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }
}

fn role(pid: i32) -> Option<Role> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0);
    let program = String::from_utf8_lossy(words.next()?).into_owned();
    let first = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
    match (program.rsplit('/').next()?, first.as_str()) {
        ("lineshaft", "up") => Some(Role::Up),
        ("lineshaft-apiserver", _) => Some(Role::ApiServer),
        ("lineshaft-plc", "keeper") => Some(Role::Keeper),
        ("lineshaft-plc", "runner") => Some(Role::Runner),
        _ => None,
    }
}
