//! `docs/tutorials/two-plcs.md`, word by word, on a box of its own.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use lineshaft_end_to_end::{
    Host, Memory, Running, Terminal, Tutorial, apiserver, kubectl, program, repository, wait_until,
};

/// Longer than any pause of a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where somebody is who has built everything.
fn workplace() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let at = |path: &str| place.path().join(path);
    symlink(repository("manifests"), at("manifests")).unwrap();
    std::fs::create_dir_all(at("target/release")).unwrap();
    std::fs::create_dir_all(at("target/go")).unwrap();
    for (path, real) in [
        ("target/release/lineshaft", program()),
        ("target/release/kubectl-lineshaft", program()),
        ("target/go/kubectl", kubectl()),
        ("target/go/lineshaft-apiserver", apiserver()),
    ] {
        symlink(real.canonicalize().unwrap(), at(path)).unwrap();
    }
    place
}

/// Repeats commands until they print what the page says.
fn until_as_told(tutorial: &mut Tutorial, terminal: &mut Terminal<'_>, commands: &str, prints: &[String]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match tutorial.compare(prints, &terminal.run(commands).text) {
            Ok(()) => return,
            Err(difference) => assert!(Instant::now() < deadline, "{commands}: {difference}"),
        }
    }
}

/// Who runs, and for how long: numbers of processes, starts of the program, programs that took over.
fn lives(up: &Running, memory: &Memory) -> (Vec<i32>, u64, u64) {
    let mut pids: Vec<i32> = up.processes().iter().map(|process| process.pid).collect();
    pids.sort_unstable();
    let counters = memory.status().unwrap().counters;
    (pids, counters.starts, counters.online_changes)
}

fn memory(terminal: &mut Terminal<'_>, place: &Path, site: &str, runtime: &str) -> Memory {
    let uid = terminal.ok(&format!("kubectl get plc {runtime} -o jsonpath={{.metadata.uid}}"));
    Memory::of(&place.join(site), &uid)
}

/// Somebody who follows the page.
struct Reader<'a> {
    page: Tutorial,
    /// Where everything is started.
    here: Terminal<'a>,
    /// Their KUBECONFIG leads to site A and to site B.
    a: Terminal<'a>,
    b: Terminal<'a>,
}

impl<'a> Reader<'a> {
    /// Steps 1 to 3.
    fn new(host: &'a Host, place: &Path) -> Self {
        let mut page = Tutorial::read("two-plcs.md");
        let mut here = Terminal::open(host, place);
        here.ok(&page.next("").commands.join("\n"));
        here.ok(&page.next("1.").commands.join("\n"));
        let differs = here.ok(&page.next("2.").commands.join("\n"));
        for part in ["LineA", "127.0.0.1:5211", "LineB", "127.0.0.1:5212", "variable: Status.PLCState"] {
            assert!(differs.contains(part), "{part} is not in:\n{differs}");
        }
        here.ok(&page.next("3.").commands.join("\n"));
        Self { page, a: here.clone(), b: here.clone(), here }
    }

    /// Step 4; the second is started by the command that is given as well.
    fn start(&mut self) -> (Running, Running, String) {
        let up_a = self.here.start(&self.page.next("4.").commands[0], "a");
        let start_b = self.page.next("4.").commands[0].clone();
        let up_b = self.here.start(&start_b, "b");
        let [to_a, to_b, ready] = &self.page.next("4.").commands[..] else { panic!("three commands") };
        self.a.ok(to_a);
        self.b.ok(to_b);
        for terminal in [&mut self.a, &mut self.b] {
            wait_until(PATIENCE, "READY True", || terminal.run(ready).text.contains("True").then_some(()));
        }
        (up_a, up_b, start_b)
    }

    /// Steps 5 and 6.
    fn find_and_pair(&mut self) {
        let seen = self.page.next("5.");
        until_as_told(&mut self.page, &mut self.a, &seen.commands[0], &seen.prints);
        assert_eq!(self.a.ok("kubectl lineshaft peers"), self.a.ok("lineshaft peers"));
        let b = &mut self.b;
        wait_until(PATIENCE, "B sees A", || b.ok("lineshaft peers").contains("LineA").then_some(()));

        let offered = self.page.next("6.");
        let mut offer = b.start(&offered.commands[0], "offer");
        let mut printed = wait_until(PATIENCE, "a code", || {
            let printed = offer.printed();
            (printed.len() == offered.prints.len()).then_some(printed)
        });
        // Two streams, in any order.
        printed.sort_by_key(|line| line.starts_with("on "));
        self.page.compare(&offered.prints, &printed.join("\n")).unwrap();
        let claimed = self.page.next("6.");
        let paired = self.a.ok(&claimed.commands[0]);
        self.page.compare(&claimed.prints, &paired).unwrap();
        let ended = wait_until(PATIENCE, "the offer ends", || offer.ended());
        assert!(ended.success(), "{:?}", offer.printed());
        assert!(offer.printed().iter().any(|line| line.starts_with("paired with box-a, with LineA")));
    }

    /// Step 7, both ways.
    fn subscribe(&mut self) {
        self.a.ok(&self.page.next("7.").commands[0]);
        let spec = "kubectl get msub plca-remote -o jsonpath='{.spec}'";
        let made = self.a.ok(spec);
        self.a.ok("kubectl apply -f later.yaml");
        assert_eq!(self.a.ok(spec), made, "the manifest is the same");
    }

    /// Step 8, as far as nothing ends.
    fn verify(&mut self) {
        let linked = self.page.next("8.");
        until_as_told(&mut self.page, &mut self.a, &linked.commands[0], &linked.prints);
        let refused = self.page.next("8.");
        self.a.ok(&refused.commands[0]);
        until_as_told(&mut self.page, &mut self.a, &refused.commands[1], &refused.prints);
    }

    /// The end of step 8.
    fn revoke(&mut self) {
        let pairings = self.page.next("8.");
        until_as_told(&mut self.page, &mut self.b, &pairings.commands[0], &pairings.prints);
        self.b.ok(&self.page.next("8.").commands[0]);
        let a = &mut self.a;
        wait_until(PATIENCE, "A knows", || a.ok("lineshaft peers").contains("RevokedByPeer").then_some(()));
        self.wait_reason("Connected", "RevokedByPeer");
    }

    /// Waits for what A's subscription says.
    fn wait_reason(&mut self, condition: &str, wanted: &str) {
        let path = format!("{{.status.conditions[?(@.type==\"{condition}\")].reason}}");
        let command = format!("kubectl get msub plca-remote -o jsonpath='{path}'");
        wait_until(PATIENCE, wanted, || (self.a.run(&command).text == wanted).then_some(()));
    }
}

/// Less, none, and again; what A holds stays meanwhile.
fn change_and_delete(reader: &mut Reader<'_>, of_a: &Memory, of_b: &Memory) {
    let less = "kubectl patch msub plca-remote --type=json -p '[{\"op\": \"remove\", \"path\": \"/spec/subscribe/1\"}]'";
    reader.a.ok(less);
    reader.wait_reason("Compatible", "Compatible");
    reader.a.ok("kubectl delete msub plca-remote");
    wait_until(PATIENCE, "what is not received any more stays", || {
        let (held, state) = (of_a.number("Status.RemoteState")?, of_b.number("Status.PLCState")?);
        of_b.wait("Status.PLCState", |other| other == (state + 2) % 4);
        (of_a.number("Status.RemoteState") == Some(held)).then_some(())
    });
    reader.a.ok("kubectl apply -f later.yaml");
    follows(of_a);
    reader.wait_reason("Fresh", "AllFresh");
}

/// Waits until A has had two other states of B.
fn follows(of_a: &Memory) {
    let mut last = of_a.number("Status.RemoteState").unwrap();
    for _ in 0..2 {
        last = of_a.wait("Status.RemoteState", |state| state != last);
        assert!((0..4).contains(&last), "{last}");
    }
}

#[test]
fn the_tutorial_is_true() {
    let place = workplace();
    let host = Host::alone();
    let mut reader = Reader::new(&host, place.path());
    let (up_a, mut up_b, start_b) = reader.start();
    reader.find_and_pair();
    let of_a = memory(&mut reader.a, place.path(), "site-a", "plca");
    let of_b = memory(&mut reader.b, place.path(), "site-b", "plcb");
    let lives_of_a = lives(&up_a, &of_a);

    reader.subscribe();
    follows(&of_a);
    reader.verify();
    follows(&of_a);
    change_and_delete(&mut reader, &of_a, &of_b);

    up_b.interrupt();
    wait_until(PATIENCE, "B ends", || up_b.ended());
    reader.wait_reason("Fresh", "Stale");
    drop(up_b);
    let _up_b = reader.here.start(&start_b, "b");
    reader.wait_reason("Fresh", "AllFresh");
    follows(&of_a);

    reader.revoke();
    assert_eq!(lives(&up_a, &of_a), lives_of_a, "nothing of A was started anew");
    reader.page.finish();
}
