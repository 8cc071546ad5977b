//! Two hosts at a switch: the default port, the real multicast DNS, packets that get lost, a cable that is pulled, an
//! address that changes.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lineshaft_end_to_end::pair::{NEVER, Pair, SCAN_MS, TIMEOUT, findings};
use lineshaft_end_to_end::{Kubectl, Lan, Memory, wait_until};

/// Longer than any pause of a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Lines of a command that goes on, with the time of each.
struct Watch {
    child: Child,
    lines: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Watch {
    fn peers(kubectl: &Kubectl) -> Self {
        let mut child = kubectl
            .command(&["get", "mpeer", "--watch", "--no-headers"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::<Mutex<Vec<_>>>::default();
        let (stdout, into) = (child.stdout.take().unwrap(), lines.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                into.lock().unwrap().push((Instant::now(), line));
            }
        });
        Self { child, lines }
    }

    fn wait(&self, part: &str) -> Instant {
        wait_until(PATIENCE, part, || {
            let lines = self.lines.lock().unwrap();
            lines.iter().find(|(_, line)| line.contains(part)).map(|(at, _)| *at)
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn wait_good(memory: &Memory) -> Duration {
    let begun = Instant::now();
    let good = |memory: &Memory| findings(memory).map(|found| found["goodScans"]);
    let before = good(memory).unwrap_or_default();
    wait_until(PATIENCE, "good values", || (good(memory)? > before).then_some(()));
    begun.elapsed()
}

/// Waits until B has rested for so many scans, and says what it then had and what A had.
fn at_rest(of_a: &Memory, of_b: &Memory, scans: i64) -> (i64, i64) {
    wait_until(PATIENCE, "B rests", || {
        let before = of_b.read(&["Status.PLCState", "Status.rested"])?;
        let shown = of_a.number("Status.state")?;
        let after = of_b.number("Status.PLCState")?;
        let (state, rested) = (before[0].as_i64()?, before[1].as_i64()?);
        (rested >= scans && rested < 90 && state == after).then_some((state, shown))
    })
}

#[test]
fn two_hosts_on_a_network() {
    let lan = Lan::new();
    let Pair { mut a, mut b } = Pair::prepare([&lan.a, &lan.b], [None, None]);
    a.start();
    a.wait_ready("linea");
    let watch = Watch::peers(&a.kubectl());
    b.start();
    let begun = wait_until(PATIENCE, "B has its manifests", || {
        let created = |line: &String| line.contains("lineb") && line.contains("created");
        b.printed().iter().any(created).then(Instant::now)
    });
    let seen = watch.wait("lineb-");
    b.wait_ready("lineb");
    let took = seen.saturating_duration_since(begun);
    println!("A has B's object {took:?} after B was given its manifests");
    // A second where nothing else runs.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let at = format!("{}:5210", Lan::ADDRESS_B);
    wait_until(PATIENCE, &at, || a.lineshaft(&["peers"]).contains(&at).then_some(()));

    let pair = Pair { a, b };
    pair.pair_and_subscribe();
    let Pair { a, b } = &pair;
    let (of_a, of_b) = (a.memory("linea"), b.memory("lineb"));
    println!("good after {:?}", wait_good(&of_a));
    a.kubectl().ok(&["wait", "--for=condition=Ready", "msub/linea-remote", "--timeout=60s"]);
    assert!(a.lineshaft(&["mesh", "links"]).contains(&at));

    lost_packets(&lan, &of_a, &of_b);
    a_pulled_cable(&lan, &of_a);
    another_address(&lan, &of_a);
    let found = findings(&of_a).unwrap();
    assert_eq!(NEVER.map(|name| (name, found[name])), NEVER.map(|name| (name, 0)), "{found:?}");
    assert_eq!(found["restarts"], 0, "B counted on: {found:?}");
}

/// Nearly every third packet in both directions: what B last had is what A has soon after.
fn lost_packets(lan: &Lan, of_a: &Memory, of_b: &Memory) {
    for host in [&lan.a, &lan.b] {
        host.lose_percent(30);
    }
    let good = findings(of_a).unwrap()["goodScans"];
    for _ in 0..2 {
        let (had, has) = at_rest(of_a, of_b, 1_500 / SCAN_MS);
        assert_eq!(had, has, "B has rested for 1.5 s");
        of_b.wait("Status.rested", |rested| rested == 0);
    }
    println!("{} good scans under loss", findings(of_a).unwrap()["goodScans"] - good);
    for host in [&lan.a, &lan.b] {
        host.lose_percent(0);
    }
    wait_good(of_a);
}

/// Stale when its time has come, and fresh again: soon after a short while, and when the connection is given up too.
fn a_pulled_cable(lan: &Lan, of_a: &Memory) {
    for away in [Duration::from_millis(800), Duration::from_secs(5)] {
        let pulled = Instant::now();
        lan.unplug_b();
        of_a.wait("Status.quality", |quality| quality >= 0x80);
        wait_until(PATIENCE, "the cable has been out", || (pulled.elapsed() >= away).then_some(()));
        let age = Duration::from_nanos(of_a.number("Status.staleAfter").unwrap().unsigned_abs());
        println!("stale at an age of {age:?}");
        // Its time, and the next scan: one of A's, however late that is.
        assert!(age >= TIMEOUT && age < TIMEOUT + Duration::from_millis(500), "{age:?}");
        lan.plug_in_b();
        println!("good {:?} after {away:?} without a cable", wait_good(of_a));
    }
}

fn another_address(lan: &Lan, of_a: &Memory) {
    lan.b.ip(&format!("addr del {}/24 dev eth0", Lan::ADDRESS_B));
    lan.b.ip("addr add 10.9.0.77/24 dev eth0");
    of_a.wait("Status.quality", |quality| quality >= 0x80);
    println!("good {:?} after B's address was another one", wait_good(of_a));
}
