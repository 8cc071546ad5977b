//! What the agent finds out about its host. Reading is here; what the texts mean is pure and tested.

use std::fs;
use std::net::{IpAddr, UdpSocket};

/// Facts that change only with the host's hardware, kernel or network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) host_name: String,
    pub(crate) operating_system: Option<String>,
    pub(crate) kernel: String,
    pub(crate) architecture: String,
    pub(crate) cores: Option<i32>,
    pub(crate) memory_bytes: Option<i64>,
    pub(crate) preemption: Option<String>,
}

/// Asks the kernel.
pub(crate) fn read() -> Facts {
    let system = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    let version = text(system.version());
    Facts {
        addresses: outward_addresses(),
        host_name: text(system.nodename()),
        operating_system: fs::read_to_string("/etc/os-release").ok().and_then(|file| pretty_name(&file)),
        kernel: text(system.release()),
        architecture: text(system.machine()),
        cores: std::thread::available_parallelism().ok().and_then(|cores| i32::try_from(cores.get()).ok()),
        memory_bytes: fs::read_to_string("/proc/meminfo").ok().and_then(|file| memory_bytes(&file)),
        preemption: preemption(&version, fs::read_to_string("/sys/kernel/realtime").ok().as_deref()),
    }
}

/// The host's own name, for agents that are not given one.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_lowercase()
}

/// The addresses that the host uses towards others, one a family; loopback where there is no network.
///
/// Connecting a UDP socket sends nothing: it asks the routing table which source address would be taken.
fn outward_addresses() -> Vec<IpAddr> {
    let towards = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let mut addresses: Vec<IpAddr> = towards
        .iter()
        .filter_map(|(own, other)| {
            let socket = UdpSocket::bind(own).ok()?;
            socket.connect(other).ok()?;
            Some(socket.local_addr().ok()?.ip())
        })
        .filter(|address| !address.is_unspecified())
        .collect();
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    addresses
}

/// `PRETTY_NAME` of os-release.
fn pretty_name(os_release: &str) -> Option<String> {
    let line = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    let name = line.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

/// `MemTotal` of meminfo.
fn memory_bytes(meminfo: &str) -> Option<i64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The kernel's preemption model, from its build text and the flag that real-time kernels show.
fn preemption(version: &str, realtime_flag: Option<&str>) -> Option<String> {
    if realtime_flag.is_some_and(|flag| flag.trim() == "1") {
        return Some("PREEMPT_RT".to_owned());
    }
    // PREEMPT_RT before PREEMPT, of which it is a longer form.
    ["PREEMPT_RT", "PREEMPT_DYNAMIC", "PREEMPT"]
        .into_iter()
        .find(|model| version.split_whitespace().any(|word| word == *model))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_kernel() {
        let os_release = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(os_release).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name("NAME=x\n"), None);
        assert_eq!(memory_bytes("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16_777_216));
        assert_eq!(memory_bytes("MemTotal: much\n"), None);
    }

    #[test]
    fn preemption_models() {
        for (version, flag, expected) in [
            ("#1 SMP PREEMPT_RT Debian 6.1.1", None, Some("PREEMPT_RT")),
            ("#1 SMP PREEMPT_DYNAMIC Debian 6.1.1", None, Some("PREEMPT_DYNAMIC")),
            ("#1 SMP PREEMPT Fri", None, Some("PREEMPT")),
            ("#1 SMP Debian", None, None),
            ("#1 SMP Debian", Some("1\n"), Some("PREEMPT_RT")),
        ] {
            assert_eq!(preemption(version, flag).as_deref(), expected, "{version}");
        }
    }

    #[test]
    fn this_host_has_facts() {
        let facts = read();
        assert!(!facts.addresses.is_empty() && !facts.kernel.is_empty() && facts.cores >= Some(1));
        assert!(facts.memory_bytes > Some(0));
    }
}
