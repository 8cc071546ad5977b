//! The agent's metrics: its own doings here, the figures of the runtimes in [`runtimes`], those of
//! the mesh in [`mesh`].

mod families;
mod mesh;
mod runtimes;

use std::sync::Arc;
use std::time::Duration;

use lineshaft_plc_runtime::protocol::Status;
use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::mesh::MeshBoard;
use runtimes::Runtimes;

/// All metrics of one agent; clones share them.
#[derive(Clone)]
pub(crate) struct Metrics {
    reconcile_duration: HistogramVec,
    reconciliations: IntCounterVec,
    reconcile_errors: IntCounterVec,
    watch_events: IntCounterVec,
    status_patches: IntCounterVec,
    lease_renewals: IntCounterVec,
    events_dropped: IntCounter,
    pairing_attempts: IntCounterVec,
    keepers: IntGauge,
    keeper_starts: IntCounterVec,
    damaged_records: IntCounter,
    api_reachable: IntGauge,
    runtimes: Arc<Runtimes>,
}

impl Metrics {
    /// Makes and registers them.
    pub(crate) fn register(registry: &Registry, board: MeshBoard) -> Result<Self, prometheus::Error> {
        let build_info = IntGaugeVec::new(
            Opts::new("lineshaft_agent_build_info", "Always 1; the labels say which agent this is."),
            &["version"],
        )?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        registered(registry, build_info)?;
        let counters = |name: &str, help: &str, labels: &[&str]| {
            registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let metrics = Self {
            reconcile_duration: registered(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "lineshaft_agent_reconcile_duration_seconds",
                        "Time of one pass over one object.",
                    )
                    .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
                    &["controller"],
                )?,
            )?,
            reconciliations: counters(
                "lineshaft_agent_reconciliations_total",
                "Passes over objects, by how they ended.",
                &["controller", "outcome"],
            )?,
            reconcile_errors: counters(
                "lineshaft_agent_reconcile_errors_total",
                "Passes that failed, by reason.",
                &["controller", "reason"],
            )?,
            watch_events: counters(
                "lineshaft_agent_watch_events_total",
                "Events received from the API server.",
                &["kind", "type"],
            )?,
            status_patches: counters(
                "lineshaft_agent_status_patches_total",
                "Status writes to the API server, by result.",
                &["kind", "result"],
            )?,
            lease_renewals: counters(
                "lineshaft_agent_lease_renewals_total",
                "Renewals of the node's Lease, by result.",
                &["result"],
            )?,
            events_dropped: registered(
                registry,
                IntCounter::new(
                    "lineshaft_agent_events_dropped_total",
                    "Kubernetes events that were not published: too many at once, or refused.",
                )?,
            )?,
            pairing_attempts: counters(
                "lineshaft_agent_pairing_attempts_total",
                "Claims made and answered, by how they ended.",
                &["role", "outcome"],
            )?,
            keepers: registered(
                registry,
                IntGauge::new("lineshaft_agent_keepers", "Keepers that this agent is connected to.")?,
            )?,
            keeper_starts: counters(
                "lineshaft_agent_keeper_starts_total",
                "Keepers that were started anew or adopted.",
                &["kind"],
            )?,
            damaged_records: registered(
                registry,
                IntCounter::new(
                    "lineshaft_agent_damaged_records_total",
                    "Stored programs that were damaged and set aside.",
                )?,
            )?,
            api_reachable: registered(
                registry,
                IntGauge::new(
                    "lineshaft_agent_api_reachable",
                    "Whether the watch of the API server goes on (1) or is interrupted (0).",
                )?,
            )?,
            runtimes: Arc::default(),
        };
        registry.register(Box::new(runtimes::Collected::new(Arc::clone(&metrics.runtimes))?))?;
        registry.register(Box::new(mesh::Collected::new(board)?))?;
        Ok(metrics)
    }

    pub(crate) fn reconciled(&self, controller: &str, took: Duration, outcome: &str) {
        self.reconcile_duration.with_label_values(&[controller]).observe(took.as_secs_f64());
        self.reconciliations.with_label_values(&[controller, outcome]).inc();
    }

    pub(crate) fn reconcile_failed(&self, controller: &str, reason: &str) {
        self.reconcile_errors.with_label_values(&[controller, reason]).inc();
    }

    pub(crate) fn watch_event(&self, kind: &str, type_: &str) {
        self.watch_events.with_label_values(&[kind, type_]).inc();
    }

    pub(crate) fn status_patch(&self, kind: &str, result: &str) {
        self.status_patches.with_label_values(&[kind, result]).inc();
    }

    pub(crate) fn lease_renewal(&self, result: &str) {
        self.lease_renewals.with_label_values(&[result]).inc();
    }

    pub(crate) fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    pub(crate) fn pairing_attempt(&self, role: &str, paired: bool) {
        let outcome = if paired { "paired" } else { "failed" };
        self.pairing_attempts.with_label_values(&[role, outcome]).inc();
    }

    pub(crate) fn keeper_connected(&self, kind: &str) {
        self.keepers.inc();
        self.keeper_starts.with_label_values(&[kind]).inc();
    }

    pub(crate) fn keeper_gone(&self) {
        self.keepers.dec();
    }

    pub(crate) fn record_damaged(&self) {
        self.damaged_records.inc();
    }

    pub(crate) fn api_reachable(&self, reachable: bool) {
        self.api_reachable.set(i64::from(reachable));
    }

    /// The newest figures of a runtime.
    pub(crate) fn runtime(&self, namespace: &str, name: &str, uid: &str, status: Arc<Status>) {
        self.runtimes.update(namespace, name, uid, status);
    }

    /// Its series end.
    pub(crate) fn runtime_gone(&self, namespace: &str, name: &str, uid: &str) {
        self.runtimes.remove(namespace, name, uid);
    }
}

fn registered<C: Collector + Clone + 'static>(
    registry: &Registry,
    metric: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_page_has_all() {
        let registry = Registry::new();
        let board = MeshBoard::default();
        board.pin(crate::mesh::sample());
        let metrics = Metrics::register(&registry, board).unwrap();
        // Labels make a series.
        metrics.reconciled("a", Duration::ZERO, "b");
        metrics.reconcile_failed("a", "b");
        metrics.watch_event("a", "b");
        metrics.status_patch("a", "b");
        metrics.lease_renewal("a");
        metrics.pairing_attempt("a", true);
        metrics.keeper_connected("a");
        lineshaft_test_fixture::metrics_page("agent", &registry);
    }
}
