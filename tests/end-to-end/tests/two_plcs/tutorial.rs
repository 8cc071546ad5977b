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

fn reason(terminal: &mut Terminal<'_>, condition: &str) -> String {
    let path = format!("{{.status.conditions[?(@.type==\"{condition}\")].reason}}");
    terminal.run(&format!("kubectl get msub plca-remote -o jsonpath='{path}'")).text
}

#[test]
fn the_tutorial_is_true() {
    let place = workplace();
    let host = Host::alone();
    let mut tutorial = Tutorial::read("two-plcs.md");
    let mut here = Terminal::open(&host, place.path());
    here.ok(&tutorial.next("").commands.join("\n"));
    here.ok(&tutorial.next("1.").commands.join("\n"));
    let differs = here.ok(&tutorial.next("2.").commands.join("\n"));
    for part in ["LineA", "127.0.0.1:5211", "LineB", "127.0.0.1:5212", "variable: Status.PLCState"] {
        assert!(differs.contains(part), "{part} is not in:\n{differs}");
    }
    here.ok(&tutorial.next("3.").commands.join("\n"));

    let (mut a, mut b) = (here.clone(), here.clone());
    let up_a = here.start(&tutorial.next("4.").commands[0], "a");
    let start_b = tutorial.next("4.").commands[0].clone();
    let mut up_b = here.start(&start_b, "b");
    let [to_a, to_b, ready] = &tutorial.next("4.").commands[..] else { panic!("three commands") };
    a.ok(to_a);
    b.ok(to_b);
    for terminal in [&mut a, &mut b] {
        wait_until(PATIENCE, "READY True", || terminal.run(ready).text.contains("True").then_some(()));
    }

    let seen = tutorial.next("5.");
    until_as_told(&mut tutorial, &mut a, &seen.commands[0], &seen.prints);
    assert_eq!(a.ok("kubectl lineshaft peers"), a.ok("lineshaft peers"));
    wait_until(PATIENCE, "B sees A", || b.ok("lineshaft peers").contains("LineA").then_some(()));

    let offered = tutorial.next("6.");
    let mut offer = b.start(&offered.commands[0], "offer");
    let code = wait_until(PATIENCE, "a code", || {
        let printed = offer.printed();
        (printed.len() == offered.prints.len()).then(|| printed)
    });
    // Two streams, in any order.
    let ordered = code
        .iter()
        .filter(|line| !line.starts_with("on "))
        .chain(code.iter().filter(|line| line.starts_with("on ")));
    let ordered: Vec<String> = ordered.cloned().collect();
    tutorial.compare(&offered.prints, &ordered.join("\n")).unwrap();
    let claimed = tutorial.next("6.");
    let paired = a.ok(&claimed.commands[0]);
    tutorial.compare(&claimed.prints, &paired).unwrap();
    assert!(wait_until(PATIENCE, "the offer ends", || offer.ended()).success(), "{:?}", offer.printed());
    assert!(offer.printed().iter().any(|line| line.starts_with("paired with box-a, with LineA")));

    let (of_a, of_b) =
        (memory(&mut a, place.path(), "site-a", "plca"), memory(&mut b, place.path(), "site-b", "plcb"));
    let lives_of_a = lives(&up_a, &of_a);
    let follows = |state: i64| {
        let shown = of_a.wait("Status.RemoteState", |remote| remote != state);
        assert!((0..4).contains(&shown), "{shown}");
        shown
    };
    a.ok(&tutorial.next("7.").commands[0]);
    let as_manifest = a.ok("kubectl get msub plca-remote -o jsonpath='{.spec}' > made.json; kubectl apply -f later.yaml; kubectl get msub plca-remote -o jsonpath='{.spec}' | cmp made.json -");
    assert!(as_manifest.contains("meshsubscription.lineshaft.dev/plca-remote"), "{as_manifest}");
    follows(follows(0));

    let linked = tutorial.next("8.");
    until_as_told(&mut tutorial, &mut a, &linked.commands[0], &linked.prints);
    let refused = tutorial.next("8.");
    a.ok(&refused.commands[0]);
    until_as_told(&mut tutorial, &mut a, &refused.commands[1], &refused.prints);
    follows(of_a.number("Status.RemoteState").unwrap());

    // Less, none, and again: A's processes, its program and what it holds go on.
    let entries = "kubectl patch msub plca-remote --type=json -p";
    a.ok(&format!("{entries} '[{{\"op\": \"remove\", \"path\": \"/spec/subscribe/1\"}}]'"));
    wait_until(PATIENCE, "Compatible", || (reason(&mut a, "Compatible") == "Compatible").then_some(()));
    a.ok("kubectl delete msub plca-remote");
    let held = wait_until(PATIENCE, "what is not received any more stays", || {
        let before = of_a.number("Status.RemoteState")?;
        let (from, to) = (of_b.number("Status.PLCState")?, (of_b.number("Status.PLCState")? + 2) % 4);
        of_b.wait("Status.PLCState", |state| state == to);
        (from != to && of_a.number("Status.RemoteState") == Some(before)).then_some(before)
    });
    a.ok("kubectl apply -f later.yaml");
    follows(follows(held));
    wait_until(PATIENCE, "AllFresh", || (reason(&mut a, "Fresh") == "AllFresh").then_some(()));

    up_b.interrupt();
    wait_until(PATIENCE, "B ends", || up_b.ended());
    wait_until(PATIENCE, "Stale", || (reason(&mut a, "Fresh") == "Stale").then_some(()));
    drop(up_b);
    let _up_b = here.start(&start_b, "b");
    wait_until(PATIENCE, "AllFresh again", || (reason(&mut a, "Fresh") == "AllFresh").then_some(()));
    follows(of_a.number("Status.RemoteState").unwrap());

    let pairings = tutorial.next("8.");
    until_as_told(&mut tutorial, &mut b, &pairings.commands[0], &pairings.prints);
    b.ok(&tutorial.next("8.").commands[0]);
    wait_until(PATIENCE, "A knows", || a.ok("lineshaft peers").contains("RevokedByPeer").then_some(()));
    wait_until(PATIENCE, "and says it of the subscription", || {
        (reason(&mut a, "Connected") == "RevokedByPeer").then_some(())
    });
    assert_eq!(lives(&up_a, &of_a), lives_of_a, "nothing of A was started anew");
    tutorial.finish();
}
