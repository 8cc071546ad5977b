//! Prometheus metrics of the operator, prefix `lineshaft_operator_`.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// All metrics; registered once a process.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) reconcile_duration: HistogramVec,
    pub(crate) reconciliations: IntCounterVec,
    pub(crate) reconcile_errors: IntCounterVec,
    pub(crate) status_patches: IntCounterVec,
    pub(crate) watch_events: IntCounterVec,
    pub(crate) crd_missing: IntGaugeVec,
    pub(crate) leader: IntGauge,
    pub(crate) compile_duration: HistogramVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let metric = IntCounterVec::new(Opts::new(format!("lineshaft_operator_{name}"), help), labels)?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let histogram = |name: &str, help: &str, label: &str, buckets: Vec<f64>| {
            let options = HistogramOpts::new(format!("lineshaft_operator_{name}"), help).buckets(buckets);
            let metric = HistogramVec::new(options, &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let gauges = |name: &str, help: &str, label: &str| {
            let metric = IntGaugeVec::new(Opts::new(format!("lineshaft_operator_{name}"), help), &[label])?;
            registry.register(Box::new(metric.clone()))?;
            Ok::<_, prometheus::Error>(metric)
        };
        let leader =
            IntGauge::new("lineshaft_operator_leader", "Whether this replica is the one that acts.")?;
        registry.register(Box::new(leader.clone()))?;
        let build_info = gauges("build_info", "The running version; always 1.", "version")?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(Self {
            reconcile_duration: histogram(
                "reconcile_duration_seconds",
                "Time that one reconciliation took.",
                "controller",
                prometheus::exponential_buckets(0.001, 4.0, 8)?,
            )?,
            reconciliations: counter(
                "reconciliations_total",
                "Reconciliations by their outcome: applied, skipped (nothing to write), waiting (tried again at once), failed.",
                &["controller", "outcome"],
            )?,
            reconcile_errors: counter(
                "reconcile_errors_total",
                "Failed reconciliations by the kind of error.",
                &["controller", "reason"],
            )?,
            status_patches: counter(
                "status_patches_total",
                "Writes of a status by their result: succeeded, conflict, failed.",
                &["result"],
            )?,
            watch_events: counter(
                "watch_events_total",
                "Objects received from the API server's watches.",
                &["kind"],
            )?,
            crd_missing: gauges("crd_missing", "Whether a kind is not served yet.", "crd")?,
            leader,
            compile_duration: histogram(
                "compile_duration_seconds",
                "Time that checking one program took, by whether it compiled.",
                "result",
                prometheus::exponential_buckets(0.001, 4.0, 8)?,
            )?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_page_has_all() {
        let registry = Registry::new();
        let Metrics {
            reconcile_duration,
            reconciliations,
            reconcile_errors,
            status_patches,
            watch_events,
            crd_missing,
            leader: _,
            compile_duration,
        } = Metrics::register(&registry).unwrap();
        // Labels make a series.
        reconcile_duration.with_label_values(&["a"]);
        reconciliations.with_label_values(&["a", "b"]);
        reconcile_errors.with_label_values(&["a", "b"]);
        status_patches.with_label_values(&["a"]);
        watch_events.with_label_values(&["a"]);
        crd_missing.with_label_values(&["a"]);
        compile_duration.with_label_values(&["a"]);
        lineshaft_test_fixture::metrics_page("operator", &registry);
    }
}
