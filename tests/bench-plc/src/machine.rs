//! The machine that the figures are of.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::path::Path;
use std::process::Command;

/// What a reader needs to know to compare.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Machine {
    /// Where this process may run when it is not pinned.
    #[serde(skip)]
    allowed: CpuSet,
    cpu: String,
    cpus: usize,
    /// What everything runs on.
    pinned: usize,
    kernel: String,
    load: String,
    versions: Vec<String>,
}

impl Machine {
    /// Pins this process, and so everything that it starts, to the last CPU that it may use.
    pub(crate) fn pin(lineshaft: &Path, compiler: &str) -> rustix::io::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
        let pinned = usable.last().copied().unwrap_or_default();
        let mut one = CpuSet::new();
        one.set(pinned);
        sched_setaffinity(None, &one)?;
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Ok(Self {
            allowed,
            cpu: cpu_model(),
            cpus: usable.len(),
            pinned,
            kernel: kernel.trim().to_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
            versions: vec![version(lineshaft.as_os_str()), version(compiler.as_ref())],
        })
    }

    /// Lets this process, and what it starts from now on, use all CPUs again.
    pub(crate) fn unpin(&self) -> rustix::io::Result<()> {
        sched_setaffinity(None, &self.allowed)
    }

    pub(crate) fn print(&self) {
        println!("CPU       {}, {} usable, all scans pinned to number {}", self.cpu, self.cpus, self.pinned);
        println!("kernel    Linux {}, load {} at the start", self.kernel, self.load);
        println!("versions  {}", self.versions.join("; "));
    }
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Some architectures do not say it.
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

/// The first line that a tool says of its version.
fn version(tool: &std::ffi::OsStr) -> String {
    let output = Command::new(tool).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").to_owned()
}
