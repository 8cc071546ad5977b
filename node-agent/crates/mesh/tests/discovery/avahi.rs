//! Avahi, the multicast DNS of most Linux hosts, sees an agent as it should.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lineshaft_mesh::discovery::{Advert, Settings};

use crate::hosts::{Lan, Node, advert, announcement, site};

/// Avahi with a message bus of its own on one host.
struct Avahi {
    host: String,
    home: tempfile::TempDir,
    processes: Vec<Child>,
}

/// Where `scripts/test` unpacks Debian's packages.
fn tools() -> PathBuf {
    let tools = std::env::var_os("LINESHAFT_AVAHI").expect("LINESHAFT_AVAHI: run scripts/test, or see there");
    tools.into()
}

fn libraries() -> OsString {
    let mut folders = std::fs::read_dir(tools().join("usr/lib")).unwrap().map(|entry| entry.unwrap().path());
    folders.find(|folder| folder.join("libavahi-common.so.3").exists()).unwrap().into()
}

impl Avahi {
    fn start(host: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut avahi = Self { host: host.to_owned(), home, processes: Vec::new() };
        avahi.write("bus.conf", &format!(
            "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>",
            avahi.bus().display()
        ));
        let bus = avahi
            .command(Path::new("dbus-daemon"))
            .arg("--nofork")
            .arg("--config-file")
            .arg(avahi.path("bus.conf"))
            .spawn();
        avahi.processes.push(bus.unwrap());
        avahi.wait_for("the message bus", |avahi| avahi.bus().exists());
        avahi.write("avahi.conf", "[server]\nuse-ipv6=no\n[publish]\ndisable-publishing=yes\n");
        let user = |file: &str| std::fs::read_to_string(file).unwrap() + "avahi:x:64999:";
        avahi.write("passwd", &(user("/etc/passwd") + "64999::/nonexistent:/bin/false\n"));
        avahi.write("group", &(user("/etc/group") + "\n"));
        // `ip netns exec` gives a process mounts of its own: Avahi wants /run, and a user even if it stays root.
        let daemon = avahi
            .command(Path::new("sh"))
            .current_dir(avahi.home.path())
            .args([
                "-c",
                "mount -t tmpfs none /run && mount --bind passwd /etc/passwd && \
                mount --bind group /etc/group && exec \"$@\"",
                "sh",
            ])
            .arg(tools().join("usr/sbin/avahi-daemon"))
            .args(["--no-drop-root", "--no-chroot", "--no-rlimits", "--file"])
            .arg(avahi.path("avahi.conf"))
            .spawn();
        avahi.processes.push(daemon.unwrap());
        avahi
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.host])
            .arg(program)
            .env("LD_LIBRARY_PATH", libraries())
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}", self.bus().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What `avahi-browse` resolves: lines of fields.
    fn browse(&self) -> Vec<Vec<String>> {
        let mut command = self.command(&tools().join("usr/bin/avahi-browse"));
        let output = command.args(["-rtp", "_lineshaft._udp"]).stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let resolved = text.lines().filter(|line| line.starts_with('='));
        resolved.map(|line| line.split(';').map(str::to_owned).collect()).collect()
    }

    fn wait_for(&self, what: &str, good: impl Fn(&Self) -> bool) {
        let begin = Instant::now();
        while !good(self) {
            assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::yield_now();
        }
    }

    fn bus(&self) -> PathBuf {
        self.path("bus")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for Avahi {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn avahi_sees_what_is_announced() {
    let lan = Lan::new();
    let node = Node::start(Some(&lan.a), Settings::new(site(2)));
    node.discovery().announce(vec![announcement(2, "LineB", "0.0.0.0:5210")]);
    let avahi = Avahi::start(&lan.b);
    avahi.wait_for("the runtime", |avahi| !avahi.browse().is_empty());
    let seen = avahi.browse();
    let [fields] = seen.as_slice() else { panic!("{seen:?}") };
    assert_eq!(
        fields[1..9],
        [
            "vb",
            "IPv4",
            "lineb-02020202",
            "_lineshaft._udp",
            "local",
            "02020202-02020202.local",
            "10.9.0.1",
            "5210"
        ]
    );
    // Avahi writes the record backwards; what it holds is an advert again.
    let record: BTreeMap<&str, &str> = fields[9].split('"').filter_map(|text| text.split_once('=')).collect();
    let record: Vec<_> = record.iter().map(|(&key, value)| (key, Some(value.as_bytes()))).collect();
    assert_eq!(Advert::from_txt(&record), Ok(advert(2, "LineB")));

    node.close();
    avahi.wait_for("the goodbye", |avahi| avahi.browse().is_empty());
}
