//! The console's metrics are what Prometheus accepts.

use lineshaft_end_to_end::{Device, repository, station, wait_until};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

#[test]
fn promtool_accepts_the_metrics() {
    let device = Device::start();
    let mut plant = station::plant(&device);
    plant.start();
    plant.wait_ready("station");

    assert_eq!(plant.get("/healthz").trim(), "ok");
    assert_eq!(plant.get("/readyz").trim(), "ok");
    let metrics = wait_until(Duration::from_secs(10), "scans are counted", || {
        let text = plant.get("/metrics");
        text.contains("lineshaft_plc_scan_duration_seconds_bucket").then_some(text)
    });
    for name in [
        "lineshaft_operator_reconciliations_total",
        "lineshaft_agent_keepers",
        "lineshaft_plc_overruns_total",
    ] {
        assert!(metrics.contains(name), "no {name} in:\n{metrics}");
    }

    let promtool = std::env::var_os("LINESHAFT_PROMTOOL")
        .map_or_else(|| repository("tests/.tools/usr/bin/promtool"), Into::into);
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(
        said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(),
        "{}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr)
    );
}
