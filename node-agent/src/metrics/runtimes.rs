//! `lineshaft_plc_*`: the keepers' own figures, handed on as they are at the time of a scrape.
//!
//! The keepers count; counting again here would double what an agent that restarts has missed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use lineshaft_plc_runtime::protocol::{DriverState, Outputs, Status, TaskStatus};
use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::families::{Families, Labels, stand_in, with};

/// The last known status of each runtime of this node.
#[derive(Default)]
pub(crate) struct Runtimes {
    known: Mutex<BTreeMap<(String, String), Known>>,
}

struct Known {
    uid: String,
    status: Arc<Status>,
    /// Faults by code. A keeper counts them all together and tells the last one's code.
    faults: BTreeMap<&'static str, u64>,
}

impl Runtimes {
    pub(crate) fn update(&self, namespace: &str, name: &str, uid: &str, status: Arc<Status>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        let mut faults = BTreeMap::new();
        let mut counted = 0;
        if let Some(before) = known.remove(&key) {
            // A new keeper counts from 0; what the one before it counted stays.
            counted = if before.status.pid == status.pid { before.status.counters.faults } else { 0 };
            faults = before.faults;
        }
        if let Some(fault) = &status.last_fault {
            *faults.entry(fault.code.name()).or_insert(0) += status.counters.faults.saturating_sub(counted);
        }
        known.insert(key, Known { uid: uid.to_owned(), status, faults });
    }

    pub(crate) fn remove(&self, namespace: &str, name: &str, uid: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        // A new object may have taken the name already.
        if known.get(&key).is_some_and(|known| known.uid == uid) {
            known.remove(&key);
        }
    }
}

/// The registry's view of [`Runtimes`].
pub(crate) struct Collected {
    runtimes: Arc<Runtimes>,
    desc: Desc,
}

impl Collected {
    pub(crate) fn new(runtimes: Arc<Runtimes>) -> Result<Self, prometheus::Error> {
        let desc = stand_in("lineshaft_plc_scans_total", "Scans done.", &["namespace", "name", "task"])?;
        Ok(Self { runtimes, desc })
    }
}

impl Collector for Collected {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let known = self.runtimes.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families = Families::new("lineshaft_plc_");
        for ((namespace, name), known) in known.iter() {
            let labels = vec![("namespace", namespace.as_str()), ("name", name.as_str())];
            families.of_runtime(&labels, &known.status);
            for (code, count) in &known.faults {
                let labels = with(&labels, "code", code);
                families.counter("faults_total", "Faults of the program, by code.", &labels, *count);
            }
        }
        families.finish()
    }
}

impl Families {
    fn of_runtime(&mut self, labels: &Labels<'_>, status: &Status) {
        let counters = &status.counters;
        for (name, help, value) in [
            ("runner_crashes_total", "Runner processes that ended by themselves.", counters.crashes),
            ("runner_starts_total", "Runner processes that were started.", counters.starts),
            ("watchdog_hits_total", "Scans that the watchdog found too long.", counters.watchdog),
            ("online_changes_total", "Programs that took over between two scans.", counters.online_changes),
        ] {
            self.counter(name, help, labels, value);
        }
        self.gauge(
            "outputs_live",
            "Whether devices see the program's values (1) or safe ones (0).",
            labels,
            if status.outputs == Outputs::Live { 1.0 } else { 0.0 },
        );
        for driver in &status.drivers {
            self.gauge(
                "driver_operational",
                "Whether the driver exchanges data with its device.",
                &with(labels, "driver", &driver.name),
                if driver.state == DriverState::Operational { 1.0 } else { 0.0 },
            );
        }
        for task in &status.tasks {
            self.of_task(&with(labels, "task", &task.name), task);
        }
    }

    fn of_task(&mut self, labels: &Labels<'_>, task: &TaskStatus) {
        self.counter("scans_total", "Scans done.", labels, task.scans);
        self.counter(
            "overruns_total",
            "Scans that ended after their next grid point.",
            labels,
            task.overruns,
        );
        self.counter("missed_scans_total", "Grid points without a scan.", labels, task.missed);
        let seconds = |ns: u64| ns as f64 / 1e9;
        for (name, help, ns) in [
            ("task_interval_seconds", "Time from one scan to the next.", task.interval_ns),
            ("scan_duration_max_seconds", "Longest duration of a scan.", task.exec_max_ns),
            ("scan_lateness_max_seconds", "Latest start of a scan after its grid point.", task.late_max_ns),
        ] {
            self.gauge(name, help, labels, seconds(ns));
        }
        self.histogram("scan_duration_seconds", "Durations of scans.", labels, &task.exec);
        self.histogram(
            "scan_lateness_seconds",
            "Starts of scans after their grid points.",
            labels,
            &task.late,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plcruntime::sample;
    use lineshaft_plc_runtime::protocol::Distribution;
    use prometheus::{Encoder, Registry, TextEncoder};

    fn text(registry: &Registry) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn series_come_and_go_with_their_runtime() {
        let registry = Registry::new();
        let runtimes = Arc::new(Runtimes::default());
        registry.register(Box::new(Collected::new(Arc::clone(&runtimes)).unwrap())).unwrap();
        assert_eq!(text(&registry), "");

        let mut seen = sample::running();
        seen.tasks[0].exec = Distribution { at_or_below: vec![0, 3, 5], count: 5, sum_ns: 20_000 };
        runtimes.update("plant", "filler", "a", Arc::new(seen));
        let shown = text(&registry);
        for line in [
            r#"lineshaft_plc_scans_total{namespace="plant",name="filler",task="main"} 5"#,
            r#"lineshaft_plc_scan_duration_seconds_bucket{namespace="plant",name="filler",task="main",le="0.000005"} 3"#,
            r#"lineshaft_plc_scan_duration_seconds_bucket{namespace="plant",name="filler",task="main",le="+Inf"} 5"#,
            r#"lineshaft_plc_driver_operational{namespace="plant",name="filler",driver="press"} 1"#,
        ] {
            assert!(shown.contains(line), "{line} is not in:\n{shown}");
        }
        runtimes.remove("plant", "filler", "an older object of that name");
        assert_eq!(text(&registry), shown);
        runtimes.remove("plant", "filler", "a");
        assert_eq!(text(&registry), "");
    }

    #[test]
    fn faults_are_counted_by_code_over_the_lives_of_keepers() {
        let registry = Registry::new();
        let runtimes = Arc::new(Runtimes::default());
        registry.register(Box::new(Collected::new(Arc::clone(&runtimes)).unwrap())).unwrap();
        let mut seen = sample::running();
        seen.last_fault = Some(sample::fault());
        for (pid, faults) in [(100, 1), (100, 3), (200, 2)] {
            seen.pid = pid;
            seen.counters.faults = faults;
            runtimes.update("plant", "filler", "a", Arc::new(seen.clone()));
        }
        let line = r#"lineshaft_plc_faults_total{namespace="plant",name="filler",code="IndexOutOfBounds"} 5"#;
        assert!(text(&registry).contains(line), "{}", text(&registry));
    }

    #[test]
    fn metrics_page_has_all() {
        let registry = Registry::new();
        let runtimes = Arc::new(Runtimes::default());
        registry.register(Box::new(Collected::new(Arc::clone(&runtimes)).unwrap())).unwrap();
        let seen = Status { last_fault: Some(sample::fault()), ..sample::running() };
        runtimes.update("plant", "filler", "a", Arc::new(seen));
        lineshaft_test_fixture::metrics_page("programs", &registry);
    }
}
