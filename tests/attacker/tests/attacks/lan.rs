//! Hosts in network namespaces on one bridge, one of them the attacker's.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lineshaft_attacker::{Answer, End, Order};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// 10.9.0.1, .2 and .66 on one bridge. Gone when dropped.
pub(crate) struct Lan {
    pub(crate) a: String,
    pub(crate) b: String,
    pub(crate) mallory: String,
    bridge: String,
    /// One attack at a time: each takes all of the machine that it can get.
    _alone: MutexGuard<'static, ()>,
}

impl Lan {
    pub(crate) fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = |host| format!("lsx-{}-{number}{host}", std::process::id());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (a, b, mallory, bridge) = (name('a'), name('b'), name('m'), name('s'));
        let lan = Self { a, b, mallory, bridge, _alone: alone };
        ip(&format!("netns add {}", lan.bridge));
        ip(&format!("-n {} link add lan0 type bridge", lan.bridge));
        ip(&format!("-n {} link set lan0 up", lan.bridge));
        for (host, port, address) in [(&lan.a, "pa", 1), (&lan.b, "pb", 2), (&lan.mallory, "pm", 66)] {
            ip(&format!("netns add {host}"));
            ip(&format!("-n {host} link set lo up"));
            ip(&format!("link add eth0 netns {host} type veth peer name {port} netns {}", lan.bridge));
            ip(&format!("-n {} link set {port} master lan0", lan.bridge));
            ip(&format!("-n {} link set {port} up", lan.bridge));
            ip(&format!("-n {host} addr add 10.9.0.{address}/23 dev eth0"));
            ip(&format!("-n {host} link set eth0 up"));
            ip(&format!("-n {host} route add 224.0.0.0/4 dev eth0"));
        }
        lan
    }

    /// Starts the attacker on its host.
    pub(crate) fn attacker(&self, order: &Order) -> Attacker {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.mallory, env!("CARGO_BIN_EXE_lineshaft-attacker")])
            .arg(serde_json::to_string(order).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Attacker { child, input, output }
    }

    /// What an attack came to.
    pub(crate) fn attack(&self, order: &Order) -> Vec<Answer> {
        self.attacker(order).rest()
    }

    /// How the victim ended an attack.
    pub(crate) fn end_of(&self, order: &Order) -> End {
        match self.attack(order).pop() {
            Some(Answer::Ended(end)) => end,
            other => panic!("{order:?}: {other:?}"),
        }
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for host in [&self.a, &self.b, &self.mallory, &self.bridge] {
            let _ = Command::new("ip").args(["netns", "del", host]).status();
        }
    }
}

/// An attack under way. Killed when dropped.
pub(crate) struct Attacker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Attacker {
    /// What it tells next.
    pub(crate) fn next(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// What it still tells, to its end.
    pub(crate) fn rest(mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        while let Some(answer) = self.next() {
            answers.push(answer);
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "the attack went wrong: {status}, after {answers:?}");
        answers
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Moves this thread, and those that it starts from now on, to a host.
pub(crate) fn enter(host: &str) {
    let namespace = File::open(format!("/var/run/netns/{host}")).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {problem} (network namespaces need root)");
}
