//! Hosts in network namespaces: the same ports and the real multicast DNS on each of them, whatever else runs on the
//! machine. They need root.

use crate::plant::program_on;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A host of its own. It ends when dropped.
#[derive(Debug)]
pub struct Host {
    name: String,
}

/// Two hosts at a switch: [`Lan::ADDRESS_A`] and [`Lan::ADDRESS_B`] at their `eth0`.
#[derive(Debug)]
pub struct Lan {
    /// The first.
    pub a: Host,
    /// The second.
    pub b: Host,
    switch: Host,
}

impl Host {
    /// With nothing but its loopback.
    ///
    /// # Panics
    /// Without root.
    pub fn alone() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let host = Self { name: format!("lse-{}-{number}", std::process::id()) };
        run("ip", &format!("netns add {}", host.name));
        host.ip("link set lo up");
        host
    }

    /// Of its network namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs there.
    pub fn command(&self, program: &str) -> Command {
        program_on(Some(&self.name), Path::new(program))
    }

    /// Runs `ip` for it.
    ///
    /// # Panics
    /// When it fails.
    pub fn ip(&self, arguments: &str) {
        run("ip", &format!("-n {} {arguments}", self.name));
    }

    /// Loses so many of a hundred packets that arrive here; none from 0 on.
    ///
    /// # Panics
    /// When the kernel refuses.
    pub fn lose_percent(&self, percent: u32) {
        let mut rules = "flush ruleset\n".to_owned();
        if percent > 0 {
            let drop = format!("numgen random mod 100 < {percent} drop");
            let chain = format!("chain loss {{ type filter hook input priority 0; iif != lo {drop}; }}");
            writeln!(rules, "table inet loss {{\n{chain}\n}}").unwrap();
        }
        let mut nft = self.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut nft.stdin.take().unwrap(), rules.as_bytes()).unwrap();
        assert!(nft.wait().unwrap().success(), "nft: {rules}");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _already_gone = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

impl Lan {
    /// Of `eth0` of host A.
    pub const ADDRESS_A: &str = "10.9.0.1";
    /// Of `eth0` of host B.
    pub const ADDRESS_B: &str = "10.9.0.2";

    /// Lays the cables.
    ///
    /// # Panics
    /// Without root.
    pub fn new() -> Self {
        let lan = Self { a: Host::alone(), b: Host::alone(), switch: Host::alone() };
        lan.switch.ip("link add br0 type bridge");
        lan.switch.ip("link set br0 up");
        for (host, address, port) in
            [(&lan.a, Self::ADDRESS_A, "port-a"), (&lan.b, Self::ADDRESS_B, "port-b")]
        {
            let (name, switch) = (&host.name, &lan.switch.name);
            run("ip", &format!("link add eth0 netns {name} type veth peer name {port} netns {switch}"));
            lan.switch.ip(&format!("link set {port} master br0"));
            lan.switch.ip(&format!("link set {port} up"));
            host.ip(&format!("addr add {address}/24 dev eth0"));
            host.ip("link set eth0 up");
            host.ip("route add 224.0.0.0/4 dev eth0");
        }
        lan
    }

    /// Pulls the cable of host B out of the switch.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn unplug_b(&self) {
        self.switch.ip("link set port-b down");
    }

    /// Plugs it in again.
    ///
    /// # Panics
    /// When `ip` fails.
    pub fn plug_in_b(&self) {
        self.switch.ip("link set port-b up");
    }
}

impl Default for Lan {
    fn default() -> Self {
        Self::new()
    }
}

fn run(program: &str, arguments: &str) {
    let output = Command::new(program).args(arguments.split(' ')).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {problem} (network namespaces need root)");
}
