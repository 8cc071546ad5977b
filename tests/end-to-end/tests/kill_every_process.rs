//! SIGKILL of every process in turn, at random points, fifty times: no committed object is lost, outputs go
//! safe whenever the program ends, nothing is left running, and everything comes back.

use lineshaft_end_to_end::{Device, Dice, Plant, Role, station, wait_until};
use std::time::{Duration, Instant};

const ROUNDS: usize = 50;
const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn nothing_committed_is_lost_and_outputs_go_safe() {
    let mut dice = Dice::from_environment();
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");
    let mut committed: Vec<String> = Vec::new();

    for round in 0..ROUNDS {
        wait_until(LIMIT, "outputs live", || station::is_live(&device).then_some(()));
        let role = [Role::Up, Role::ApiServer, Role::Keeper, Role::Runner][round % 4];
        let writes = device.write_count();

        commit_until(&plant, round, Instant::now() + Duration::from_millis(dice.below(400)), &mut committed);
        plant.process(role).kill();

        match role {
            Role::Up => {
                plant.wait_end();
                wait_until(LIMIT, "outputs safe", || station::is_safe(&device).then_some(()));
                plant.wait_nothing_left();
                plant.start();
            }
            Role::ApiServer => {}
            Role::Keeper | Role::Runner => {
                wait_until(LIMIT, "the device was told the safe values", || {
                    station::was_made_safe(&device, writes).then_some(())
                });
            }
        }
        plant.wait_ready("station");
        let found = plant.kubectl().ok(&["get", "configmap", "-l", "test=committed", "-o", "name"]);
        for name in &committed {
            assert!(
                found.lines().any(|line| line.ends_with(&format!("/{name}"))),
                "round {round}: {name} is lost"
            );
        }
    }

    wait_until(LIMIT, "outputs live", || station::is_live(&device).then_some(()));
    assert_eq!(plant.terminate().code(), Some(0));
    assert!(station::is_safe(&device));
    plant.wait_nothing_left();
}

/// Writes objects until `end`; those that the server acknowledged must be found again.
fn commit_until(plant: &Plant, round: usize, end: Instant, committed: &mut Vec<String>) {
    let kubectl = plant.kubectl();
    for number in 0.. {
        let name = format!("committed-{round}-{number}");
        let manifest = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default, labels: {{test: committed}}}}\n"
        );
        kubectl.ok_with(&["create", "-f", "-"], &manifest);
        committed.push(name);
        if Instant::now() >= end {
            break;
        }
    }
}
