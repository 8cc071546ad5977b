//! Metric families that are made at the time of a scrape, of figures that others count.

use std::collections::{BTreeMap, HashMap};

use lineshaft_plc_runtime::protocol::Distribution;
use prometheus::core::Desc;
use prometheus::proto;

pub(super) type Labels<'a> = [(&'a str, &'a str)];

pub(super) fn with<'a>(labels: &Labels<'a>, name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    labels.iter().copied().chain([(name, value)]).collect()
}

/// One of a collector's families stands for all in the registry: it keeps a second agent out of the same one.
pub(super) fn stand_in(name: &str, help: &str, labels: &[&str]) -> Result<Desc, prometheus::Error> {
    let labels = labels.iter().map(|&label| label.to_owned()).collect();
    Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
}

/// Families by name, in the making.
pub(super) struct Families {
    prefix: &'static str,
    families: BTreeMap<&'static str, proto::MetricFamily>,
}

impl Families {
    /// Names begin with the prefix.
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, families: BTreeMap::new() }
    }

    pub(super) fn histogram(
        &mut self,
        name: &'static str,
        help: &str,
        labels: &Labels<'_>,
        times: &Distribution,
    ) {
        let seconds = |ns: u64| ns as f64 / 1e9;
        let bucket = |(&bound, &count): (&u64, &u64)| {
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds(bound));
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(Distribution::BOUNDS_NS.iter().zip(&times.at_or_below).map(bucket).collect());
        histogram.set_sample_count(times.count);
        histogram.set_sample_sum(seconds(times.sum_ns));
        let mut metric = proto::Metric::from_label(pairs(labels));
        metric.set_histogram(histogram);
        self.push(name, help, proto::MetricType::HISTOGRAM, metric);
    }

    pub(super) fn counter(&mut self, name: &'static str, help: &str, labels: &Labels<'_>, value: u64) {
        let mut counter = proto::Counter::default();
        counter.set_value(value as f64);
        let mut metric = proto::Metric::from_label(pairs(labels));
        metric.set_counter(counter);
        self.push(name, help, proto::MetricType::COUNTER, metric);
    }

    pub(super) fn gauge(&mut self, name: &'static str, help: &str, labels: &Labels<'_>, value: f64) {
        let mut gauge = proto::Gauge::default();
        gauge.set_value(value);
        let mut metric = proto::Metric::from_label(pairs(labels));
        metric.set_gauge(gauge);
        self.push(name, help, proto::MetricType::GAUGE, metric);
    }

    fn push(&mut self, name: &'static str, help: &str, type_: proto::MetricType, metric: proto::Metric) {
        let prefix = self.prefix;
        let family = self.families.entry(name).or_insert_with(|| {
            let mut family = proto::MetricFamily::default();
            family.set_name(format!("{prefix}{name}"));
            family.set_help(help.to_owned());
            family.set_field_type(type_);
            family
        });
        family.mut_metric().push(metric);
    }

    pub(super) fn finish(self) -> Vec<proto::MetricFamily> {
        self.families.into_values().collect()
    }
}

fn pairs(labels: &Labels<'_>) -> Vec<proto::LabelPair> {
    labels
        .iter()
        .map(|(name, value)| {
            let mut pair = proto::LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        })
        .collect()
}
