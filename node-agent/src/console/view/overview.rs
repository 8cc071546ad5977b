//! Overview: programs, their scans and faults, the host, the mesh in a line.

use std::collections::BTreeMap;

use kube::ResourceExt;
use lineshaft_crds::condition::is_true;
use lineshaft_crds::mesh_subscription::conditions as subscription;
use lineshaft_crds::plc_runtime::conditions as runtime;
use lineshaft_crds::{EdgeNode, MeshSubscription, PlcRuntime, edge_node};
use prometheus::proto::MetricFamily;

use super::{Cell, Part, Row, Table, Tone, note};
use crate::console::place::RuntimeName;

/// What the keepers counted of one program.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Longest scan, in seconds.
    pub(crate) longest: f64,
    /// Scans that ended after their next grid point.
    pub(crate) overruns: f64,
}

/// The figures of each program, by namespace and name, from what the agent's registry gathers.
pub(crate) fn figures(families: &[MetricFamily]) -> BTreeMap<(String, String), Figures> {
    let mut found: BTreeMap<(String, String), Figures> = BTreeMap::new();
    for family in families {
        for metric in family.get_metric() {
            let label = |wanted: &str| {
                let label = metric.get_label().iter().find(|label| label.name() == wanted);
                label.map(|label| label.value().to_owned()).unwrap_or_default()
            };
            let figures = || (label("namespace"), label("name"));
            match family.name() {
                "lineshaft_plc_scan_duration_max_seconds" => {
                    let entry = found.entry(figures()).or_default();
                    entry.longest = entry.longest.max(metric.get_gauge().get_value());
                }
                "lineshaft_plc_overruns_total" => {
                    found.entry(figures()).or_default().overruns += metric.get_counter().get_value();
                }
                _ => {}
            }
        }
    }
    found
}

/// The page.
pub(crate) fn parts(
    nodes: &[impl AsRef<EdgeNode>],
    runtimes: &[impl AsRef<PlcRuntime>],
    subscriptions: &[impl AsRef<MeshSubscription>],
    figures: &BTreeMap<(String, String), Figures>,
) -> Vec<Part> {
    let programs = Table {
        id: "runtimes",
        title: "Programs".to_owned(),
        columns: &["Program", "State", "Scan", "Longest scan", "Overruns", "Devices", "Last fault"],
        rows: runtimes.iter().map(|runtime| program(runtime.as_ref(), figures)).collect(),
        empty: "No program is bound here. Apply a PlcRuntime with kubectl.",
    };
    let hosts = Table {
        id: "nodes",
        title: "Hosts".to_owned(),
        columns: &["Host", "State", "Address", "Real time", "Agent"],
        rows: nodes.iter().map(|node| host(node.as_ref())).collect(),
        empty: "No host has joined yet.",
    };
    vec![mesh(subscriptions), programs.part(), hosts.part()]
}

fn program(object: &PlcRuntime, figures: &BTreeMap<(String, String), Figures>) -> Row {
    let name = RuntimeName::of(object);
    let status = object.status.clone().unwrap_or_default();
    let counted = figures.get(&(name.namespace.clone(), name.name.clone()));
    let state = Cell::condition(&status.conditions, runtime::READY);
    let broken: Vec<&str> = status
        .drivers
        .iter()
        .filter(|driver| driver.state != lineshaft_crds::plc_runtime::DriverState::Operational)
        .map(|driver| driver.name.as_str())
        .collect();
    let devices = match (status.drivers.len(), broken.len()) {
        (0, _) => Cell::new("–"),
        (all, 0) => Cell::new(format!("{all} of {all}")).tone(Tone::Good),
        (all, lost) => Cell::new(format!("{} of {all}", all - lost)).tone(Tone::Bad).note(broken.join(", ")),
    };
    let fault = match &status.last_fault {
        None => Cell::new("none"),
        Some(fault) => {
            let message = fault.message.clone().unwrap_or_default();
            let at = fault.at.clone().unwrap_or_default();
            Cell::new(fault.code.clone()).tone(Tone::Bad).note(format!("{at} {message}").trim().to_owned())
        }
    };
    let overruns = counted.map_or(0.0, |figures| figures.overruns);
    let overruns_tone = if overruns > 0.0 { Tone::Doubtful } else { Tone::Plain };
    let namespace = format!("{}, {}", name.namespace, status.node_name.as_deref().unwrap_or("no host"));
    Row {
        id: format!("runtime-{name}"),
        cells: vec![
            Cell::new(name.name.clone()).note(namespace).href(format!("/runtimes/{name}/variables")),
            state,
            Cell::maybe(status.scan),
            Cell::maybe(counted.map(|figures| duration(figures.longest))),
            Cell::maybe(counted.map(|_| overruns)).tone(overruns_tone),
            devices,
            fault,
        ],
    }
}

fn host(node: &EdgeNode) -> Row {
    let status = node.status.clone().unwrap_or_default();
    let realtime = status.realtime.as_ref();
    Row {
        id: format!("node-{}", node.name_any()),
        cells: vec![
            Cell::new(node.name_any()),
            Cell::condition(&status.conditions, edge_node::conditions::READY),
            Cell::maybe(status.addresses.first().map(|address| &address.address)),
            Cell::maybe(realtime.map(|realtime| format!("{:?}", realtime.grade)))
                .note(realtime.and_then(|realtime| realtime.refused.clone()).unwrap_or_default()),
            Cell::maybe(status.agent_version),
        ],
    }
}

fn mesh(subscriptions: &[impl AsRef<MeshSubscription>]) -> Part {
    let ready = subscriptions.iter().filter(|object| {
        let status = object.as_ref().status.as_ref();
        status.is_some_and(|status| is_true(&status.conditions, subscription::READY))
    });
    match (subscriptions.len(), ready.count()) {
        (0, _) => note("mesh-summary", Tone::Plain, "Mesh: no subscriptions."),
        (all, ready) if all == ready => {
            note("mesh-summary", Tone::Good, &format!("Mesh: all {all} subscriptions are Ready."))
        }
        (all, ready) => {
            note("mesh-summary", Tone::Bad, &format!("Mesh: {ready} of {all} subscriptions are Ready."))
        }
    }
}

/// `0.42 ms`
fn duration(seconds: f64) -> String {
    if seconds >= 1.0 { format!("{seconds:.2} s") } else { format!("{:.2} ms", seconds * 1000.0) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prometheus::{CounterVec, GaugeVec, Opts, Registry};
    use serde_json::json;

    use super::super::tests::object;
    use super::*;

    fn filler() -> Arc<PlcRuntime> {
        object(json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime",
            "metadata": {"name": "filler", "namespace": "plant"},
            "spec": {"program": {"sources": [{"name": "a.st", "inline": ""}]}},
            "status": {
                "nodeName": "box", "scan": "10ms",
                "drivers": [{"name": "press", "state": "Operational"}, {"name": "valve", "state": "Disconnected"}],
                "lastFault": {"code": "IndexOutOfBounds", "at": "a.st:4:2", "message": "12 is not in 0..9", "time": "2026-11-21T08:00:00Z"},
                "conditions": [{"type": "Ready", "status": "False", "reason": "DeviceLost", "message": "valve: refused",
                    "lastTransitionTime": "2026-11-21T08:00:00Z"}],
            },
        }))
    }

    #[test]
    fn a_program_in_trouble_says_so() {
        let none: [Arc<EdgeNode>; 0] = [];
        let subscriptions: [Arc<MeshSubscription>; 0] = [];
        let parts = parts(&none, &[filler()], &subscriptions, &BTreeMap::new());
        let html = &parts[1].html;
        for text in [
            "id=\"runtime-plant.filler\"",
            "/runtimes/plant.filler/variables",
            "DeviceLost",
            "valve: refused",
            "1 of 2",
            "IndexOutOfBounds",
            "a.st:4:2 12 is not in 0..9",
            "10ms",
            "plant, box",
        ] {
            assert!(html.contains(text), "{text}: {html}");
        }
        assert!(parts[0].html.contains("no subscriptions"));
        assert!(parts[2].html.contains("No host has joined yet"));
    }

    #[test]
    fn figures_come_from_the_registry() {
        let registry = Registry::new();
        let labels = ["namespace", "name", "task"];
        let longest =
            GaugeVec::new(Opts::new("lineshaft_plc_scan_duration_max_seconds", "h"), &labels).unwrap();
        let overruns = CounterVec::new(Opts::new("lineshaft_plc_overruns_total", "h"), &labels).unwrap();
        registry.register(Box::new(longest.clone())).unwrap();
        registry.register(Box::new(overruns.clone())).unwrap();
        for (task, seconds) in [("fast", 0.0004), ("slow", 0.002)] {
            longest.with_label_values(&["plant", "filler", task]).set(seconds);
            overruns.with_label_values(&["plant", "filler", task]).inc_by(2.0);
        }
        let figures = figures(&registry.gather());
        let filler_figures = figures[&("plant".to_owned(), "filler".to_owned())];
        assert_eq!(filler_figures, Figures { longest: 0.002, overruns: 4.0 });
        let row = program(&filler(), &figures);
        assert_eq!(row.cells[3].text, "2.00 ms");
        assert_eq!((row.cells[4].text.as_str(), row.cells[4].tone), ("4", Tone::Doubtful));
    }
}
