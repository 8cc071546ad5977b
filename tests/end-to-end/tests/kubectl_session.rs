//! What a user does with kubectl, in the order of a working day: look, change, break, misspell, delete.

use lineshaft_end_to_end::{Device, Kubectl, Plant, station, wait_until};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

struct Session {
    device: Device,
    plant: Plant,
    kubectl: Kubectl,
}

impl Session {
    fn new() -> Self {
        let device = Device::start();
        let mut plant = station::plant(&device);
        plant.start();
        plant.wait_ready("station");
        let kubectl = plant.kubectl();
        Self { device, plant, kubectl }
    }

    fn apply(&self, manifest: &str) -> String {
        self.kubectl.ok_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], manifest)
    }

    fn condition(&self, kind: &str, field: &str) -> String {
        let path = format!("-o=jsonpath={{.status.conditions[?(@.type==\"{kind}\")].{field}}}");
        self.kubectl.ok(&["get", "plc", "station", &path])
    }

    fn wait_version(&self, version: u16) {
        self.device.wait("holding", station::VERSION, SOON, |value| value == version);
    }
}

#[test]
fn kinds_are_pleasant_in_kubectl() {
    let Session { kubectl, plant, .. } = &Session::new();

    let all = kubectl.ok(&["get", "lineshaft"]);
    assert!(
        all.contains("plcruntime.lineshaft.dev/station") && all.contains("edgenode.lineshaft.dev/box"),
        "{all}"
    );

    let wide = kubectl.ok(&["get", "plc", "-o", "wide"]);
    let heads: Vec<&str> =
        wide.lines().next().unwrap().split("  ").map(str::trim).filter(|head| !head.is_empty()).collect();
    for head in ["NAME", "READY", "NODE", "PROGRAM", "SCAN", "FAULT", "AGE"] {
        assert!(heads.iter().any(|found| found.starts_with(head)), "no column {head} in {heads:?}");
    }
    let row = wide.lines().nth(1).unwrap();
    assert!(row.contains("station") && row.contains("True") && row.contains("box"), "{row}");

    let story = kubectl.ok(&["describe", "plc", "station"]);
    for event in ["Bound", "ProgramLoaded", "OutputsLive"] {
        assert!(story.contains(event), "no event {event} in:\n{story}");
    }

    let explained = kubectl.ok(&["explain", "plc.spec", "--recursive"]);
    assert!(explained.contains("intervalMicroseconds"), "{explained}");
    let field = kubectl.ok(&["explain", "plc.spec.tasks.intervalMicroseconds"]);
    assert!(field.contains("DESCRIPTION") && !field.contains("<empty>"), "{field}");

    kubectl.ok(&["wait", "--for=condition=Ready", "plc/station", "--timeout=5s"]);
    kubectl.ok(&["wait", "--for=condition=Ready", "enode/box", "--timeout=30s"]);
    let runtime = plant.manifests().join("runtime.yaml");
    let same =
        kubectl.output(&["diff", "--server-side", "--force-conflicts", "-f", runtime.to_str().unwrap()]);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));
}

#[test]
fn edit_and_diff() {
    let Session { kubectl, plant, .. } = &Session::new();
    let editor = plant.manifests().join("../editor");
    std::fs::write(
        &editor,
        "#!/bin/sh\nsed -i 's/intervalMicroseconds: 10000/intervalMicroseconds: 20000/' \"$1\"\n",
    )
    .unwrap();
    std::process::Command::new("chmod").arg("+x").arg(&editor).status().unwrap();

    let edited = kubectl.command(&["edit", "plc", "station"]).env("KUBE_EDITOR", &editor).output().unwrap();

    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    wait_until(SOON, "the new interval is in the status", || {
        let tasks =
            kubectl.ok(&["get", "plc", "station", "-o=jsonpath={.status.tasks[0].intervalMicroseconds}"]);
        (tasks == "20000").then_some(())
    });
    let runtime = plant.manifests().join("runtime.yaml");
    let differs =
        kubectl.output(&["diff", "--server-side", "--force-conflicts", "-f", runtime.to_str().unwrap()]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&differs.stdout).contains("+  - intervalMicroseconds: 10000")
            || String::from_utf8_lossy(&differs.stdout).contains("intervalMicroseconds: 10000")
    );
}

#[test]
fn a_changed_program_takes_over_and_keeps_its_values() {
    let session = Session::new();
    // The counter has run far enough that a restart from 0 would show.
    session.device.wait("holding", station::COUNTER, SOON, |value| value > 100);

    let writes = session.device.write_count();
    session.apply(&station::config_map(&station::program_with(2, "total := total + 2;")));
    session.wait_version(2);

    let seen: Vec<u16> = session
        .device
        .writes(writes)
        .iter()
        .filter(|write| write.area == "holding" && write.address == station::COUNTER)
        .map(|write| write.values[0])
        .collect();
    assert!(seen.iter().all(|value| *value > 100), "the counter must go on, never restart: {seen:?}");
    assert!(seen.is_sorted(), "{seen:?}");
    wait_until(SOON, "the events tell of the change", || {
        session.kubectl.ok(&["describe", "plc", "station"]).contains("OnlineChange").then_some(())
    });
}

#[test]
fn a_broken_program_is_refused_and_the_old_one_scans_on() {
    let session = Session::new();
    let hash = ["get", "plc", "station", "-o=jsonpath={.status.program.hash}"];
    let running = session.kubectl.ok(&hash);
    assert!(running.starts_with("sha256:"), "{running}");

    session.apply(&station::config_map(&station::program_with(3, "total := nonsense + 1;")));
    wait_until(SOON, "Accepted=False", || (session.condition("Accepted", "status") == "False").then_some(()));

    assert_eq!(session.condition("Accepted", "reason"), "CompileError");
    let message = session.condition("Accepted", "message");
    assert!(message.starts_with("station.st:9:14: "), "{message}");
    assert_eq!(session.kubectl.ok(&hash), running, "status shows which version runs");
    let before = session.device.get("holding", station::COUNTER);
    session.device.wait("holding", station::COUNTER, SOON, |value| value > before);
    assert_eq!(session.device.get("holding", station::VERSION), 1);

    session.apply(&station::config_map(&station::program_with(4, "total := total + 1;")));
    session.wait_version(4);
    session.kubectl.ok(&["wait", "--for=condition=Accepted", "plc/station", "--timeout=10s"]);
}

#[test]
fn a_misspelt_field_is_refused_by_name_and_path() {
    let session = Session::new();
    let misspelt = station::runtime(&session.device).replace("intervalMicroseconds", "intervallMicroseconds");

    let error = session.kubectl.refused_with(&["apply", "--server-side", "-f", "-"], &misspelt);

    assert!(error.contains("intervallMicroseconds") && error.contains("spec.tasks"), "{error}");
}

#[test]
fn deleting_waits_until_the_device_sees_the_safe_values() {
    let session = Session::new();
    wait_until(SOON, "outputs live", || station::is_live(&session.device).then_some(()));

    session.kubectl.ok(&["delete", "plc", "station", "--timeout=30s"]);

    assert!(station::is_safe(&session.device), "safe before the object is gone");
    let gone = session.kubectl.refused(&["get", "plc", "station"]);
    assert!(gone.contains("NotFound"), "{gone}");
}
