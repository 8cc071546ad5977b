//! SIGKILL of either side at random: it is back with new values soon, and what an earlier life of it said never shows
//! as new. `LINESHAFT_KILL_ROUNDS=200` for more rounds, `LINESHAFT_TEST_SEED` for the same ones.

use std::time::{Duration, Instant};

use lineshaft_end_to_end::pair::{Findings, NEVER, Pair, findings};
use lineshaft_end_to_end::{Dice, Host, Memory, Plant, Role, wait_until};
use lineshaft_plc_runtime::protocol::State;

/// Longer than any pause of a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const ROUNDS: usize = 6;
/// Scans that a value may be older at A than at B.
const BEHIND_MAX: i64 = 100;

/// How long it took to come back.
#[derive(Default)]
struct Figures {
    /// From the begin of `lineshaft up`, or of the kill where it went on, until A has new values.
    from_start: Vec<Duration>,
    /// From the first scan of the program that was killed until A has new values.
    from_scan: Vec<Duration>,
}

fn rounds() -> usize {
    let said = std::env::var("LINESHAFT_KILL_ROUNDS").ok();
    said.map_or(ROUNDS, |text| text.parse().unwrap())
}

fn scans(memory: &Memory) -> bool {
    memory.status().is_some_and(|status| status.state == State::Running && status.counters.starts > 0)
}

/// Ends a process of a plant, and starts `lineshaft up` again if it was that.
fn kill(plant: &mut Plant, role: Role, runtime: &Memory) -> Instant {
    let before = runtime.status().map(|status| status.runner_pid);
    if role == Role::Up {
        plant.kill();
        let start = Instant::now();
        plant.start();
        return start;
    }
    plant.process(role).kill();
    let start = Instant::now();
    wait_until(PATIENCE, "another runner", || {
        let status = runtime.status()?;
        (status.runner_pid.is_some() && Some(status.runner_pid) != before).then_some(())
    });
    start
}

/// What A's program has found, once it has a good value that B has had a moment ago.
///
/// Until its timeout a value of before the kill may be good: it is none that is shown as new, which `revived`, `leaps`
/// and `restarts` count.
fn values_of_now(of_a: &Memory, of_b: &Memory, before: &Findings, killed_a: bool) -> Option<Findings> {
    let at_least = of_b.number("Status.session")? - BEHIND_MAX;
    let found = findings(of_a)?;
    let at_most = of_b.number("Status.session")?;
    let more = |name: &str| found[name] > before[name];
    let again = killed_a || more("returns") || more("restarts");
    (again && found["quality"] < 0x40 && (at_least..=at_most).contains(&found["session"])).then_some(found)
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

#[test]
fn whoever_is_killed_is_back_soon_with_new_values() {
    let mut dice = Dice::from_environment();
    let host = Host::alone();
    let mut pair = Pair::prepare([&host, &host], [Some("127.0.0.1:5211"), Some("127.0.0.1:5212")]);
    pair.a.start();
    pair.b.start();
    pair.a.wait_ready("linea");
    pair.b.wait_ready("lineb");
    wait_until(PATIENCE, "A sees B", || pair.a.lineshaft(&["peers"]).contains("LineB").then_some(()));
    pair.pair_and_subscribe();
    let (of_a, of_b) = (pair.a.memory("linea"), pair.b.memory("lineb"));
    wait_until(PATIENCE, "good values", || (findings(&of_a)?["goodScans"] > 0).then_some(()));

    let mut figures = [Figures::default(), Figures::default()];
    for round in 0..rounds() {
        let until = Instant::now() + Duration::from_millis(dice.below(400));
        wait_until(PATIENCE, "a random while", || (Instant::now() >= until).then_some(()));
        let role = [Role::Up, Role::Up, Role::Keeper, Role::Runner][dice.below(4) as usize];
        let kills_a = dice.below(2) == 0;
        let (before, counted) = (findings(&of_a).unwrap(), of_b.number("Status.session").unwrap());
        let (plant, runtime) = if kills_a { (&mut pair.a, &of_a) } else { (&mut pair.b, &of_b) };
        let start = kill(plant, role, runtime);
        wait_until(PATIENCE, "it scans", || scans(runtime).then_some(()));
        let back = Instant::now();
        let after = wait_until(PATIENCE, "values of now", || values_of_now(&of_a, &of_b, &before, kills_a));
        let of_side = &mut figures[usize::from(!kills_a)];
        of_side.from_start.push(start.elapsed());
        of_side.from_scan.push(back.elapsed());
        assert_eq!(
            NEVER.map(|name| (name, after[name])),
            NEVER.map(|name| (name, 0)),
            "round {round}: {after:?}"
        );
        if kills_a {
            assert!(after["session"] >= counted, "round {round}: A shows what B had before: {after:?}");
            assert_eq!(after["restarts"], 0, "round {round}: {after:?}");
        } else {
            assert!(after["restarts"] <= before["restarts"] + 1, "round {round}: {before:?} {after:?}");
        }
        println!(
            "{round}: {role:?} of {}: {:?} {:?}",
            if kills_a { "A" } else { "B" },
            start.elapsed(),
            back.elapsed()
        );
    }
    for (side, mut figures) in ["A", "B"].into_iter().zip(figures) {
        for (what, times) in [("start", &mut figures.from_start), ("first scan", &mut figures.from_scan)] {
            times.sort();
            if let Some(max) = times.last() {
                let (p50, p95) = (percentile(times, 50), percentile(times, 95));
                println!(
                    "{side} killed {} times, from {what} to new values: p50 {p50:?} p95 {p95:?} max {max:?}",
                    times.len()
                );
                // A second where nothing else runs.
                assert!(what == "start" || p50 < Duration::from_secs(2), "{side}: {p50:?}");
            }
        }
    }
}
