//! On which node a runtime runs: a pure function that explains itself.
//!
//! A runtime that is bound stays where it is, whatever becomes of its node, until that node's agent has let go or a
//! person has declared the node fenced: no program ever drives outputs from two hosts.

use std::collections::BTreeMap;

use kube::ResourceExt;
use lineshaft_crds::edge_node::{Fencing, Grant, Scheduling, conditions};
use lineshaft_crds::plc_runtime::{RealtimeMode, Transfer};
use lineshaft_crds::{EdgeNode, PlcRuntime, PlcRuntimeSpec, condition};

/// What is to be written about the binding of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Node that it is bound to.
    pub(crate) node: Option<String>,
    /// Asks the old node's agent to let go.
    pub(crate) transfer: Option<Transfer>,
    /// Why nothing fits, if that is so.
    pub(crate) obstacle: Option<String>,
}

impl Decision {
    fn bound(node: &str) -> Self {
        Self { node: Some(node.to_owned()), transfer: None, obstacle: None }
    }
}

/// Decides. `load` has the number of runtimes bound to each node.
pub(crate) fn decide(plc: &PlcRuntime, nodes: &[EdgeNode], load: &BTreeMap<String, usize>) -> Decision {
    let status = plc.status.as_ref();
    let bound = status.and_then(|status| status.node_name.as_deref());
    let fenced =
        |name: &str| nodes.iter().any(|node| node.name_any() == name && node.spec.fencing == Fencing::Fenced);
    // A node that was declared dead holds nothing any more.
    let holder = status.and_then(|status| status.holder.as_deref()).filter(|holder| !fenced(holder));

    if let Some(current) = bound.filter(|&current| !fenced(current)) {
        let Some(why) = unwanted(plc, current, nodes) else { return Decision::bound(current) };
        return match choose(&plc.spec, nodes, load) {
            Err(obstacle) => Decision { obstacle: Some(obstacle), ..Decision::bound(current) },
            Ok(target) if holder.is_some() => {
                Decision { transfer: Some(Transfer { to: target, reason: why }), ..Decision::bound(current) }
            }
            Ok(target) => Decision::bound(&target),
        };
    }
    // Not bound, or to a fenced node. Somebody who still holds it must be bound to it to be able to let go.
    if let Some(holder) = holder {
        return Decision::bound(holder);
    }
    match choose(&plc.spec, nodes, load) {
        Ok(target) => Decision::bound(&target),
        Err(obstacle) => {
            Decision { node: bound.map(str::to_owned), transfer: None, obstacle: Some(obstacle) }
        }
    }
}

/// Why a runtime should leave the node that it is bound to. A node that is away is no reason: it may still run.
fn unwanted(plc: &PlcRuntime, current: &str, nodes: &[EdgeNode]) -> Option<String> {
    if let Some(wanted) = &plc.spec.node_name
        && wanted != current
    {
        return Some(format!("spec.nodeName asks for {wanted}"));
    }
    let node = nodes.iter().find(|node| node.name_any() == current)?;
    missing_label(&plc.spec, node).map(|label| format!("{current} lacks the label {label}"))
}

/// The best node of those that fit: fewest runtimes, then most spare memory, then the first by name.
fn choose(
    spec: &PlcRuntimeSpec,
    nodes: &[EdgeNode],
    load: &BTreeMap<String, usize>,
) -> Result<String, String> {
    let mut misfits: BTreeMap<Misfit, usize> = BTreeMap::new();
    let mut best: Option<(usize, i64, String)> = None;
    for node in nodes {
        if let Some(misfit) = misfit(spec, node) {
            *misfits.entry(misfit).or_default() += 1;
            continue;
        }
        let name = node.name_any();
        let spare = node.status.as_ref().and_then(|status| status.spare_memory_bytes).unwrap_or_default();
        let score = (load.get(&name).copied().unwrap_or_default(), -spare, name);
        if best.as_ref().is_none_or(|best| score < *best) {
            best = Some(score);
        }
    }
    best.map(|(_, _, name)| name).ok_or_else(|| explain(spec, nodes.len(), &misfits))
}

/// Why a node does not fit, in the order in which it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Misfit {
    OtherName,
    Label(String),
    Fenced,
    SchedulingDisabled,
    NotReady,
    NoRealtime,
}

fn misfit(spec: &PlcRuntimeSpec, node: &EdgeNode) -> Option<Misfit> {
    if spec.node_name.as_ref().is_some_and(|wanted| *wanted != node.name_any()) {
        return Some(Misfit::OtherName);
    }
    if let Some(label) = missing_label(spec, node) {
        return Some(Misfit::Label(label));
    }
    if node.spec.fencing == Fencing::Fenced {
        return Some(Misfit::Fenced);
    }
    // Whoever names a node has decided.
    if node.spec.scheduling == Scheduling::Disabled && spec.node_name.is_none() {
        return Some(Misfit::SchedulingDisabled);
    }
    let status = node.status.as_ref();
    if !status.is_some_and(|status| condition::is_true(&status.conditions, conditions::READY)) {
        return Some(Misfit::NotReady);
    }
    let realtime = status.and_then(|status| status.realtime.as_ref());
    let granted = realtime.is_some_and(|realtime| realtime.fifo == Grant::Granted);
    (spec.realtime.mode == RealtimeMode::Required && !granted).then_some(Misfit::NoRealtime)
}

fn missing_label(spec: &PlcRuntimeSpec, node: &EdgeNode) -> Option<String> {
    let labels = node.labels();
    let (key, value) = spec.node_selector.iter().find(|(key, value)| labels.get(*key) != Some(value))?;
    Some(format!("{key}={value}"))
}

fn explain(spec: &PlcRuntimeSpec, nodes: usize, misfits: &BTreeMap<Misfit, usize>) -> String {
    if nodes == 0 {
        return "no node has joined".to_owned();
    }
    let mut groups: Vec<String> = Vec::new();
    for (misfit, count) in misfits {
        let (is, lacks) = if *count == 1 { ("is", "lacks") } else { ("are", "lack") };
        groups.push(match misfit {
            Misfit::OtherName => {
                let wanted = spec.node_name.as_deref().unwrap_or_default();
                format!("{count} {is} not {wanted}")
            }
            Misfit::Label(label) => format!("{count} {lacks} the label {label}"),
            Misfit::Fenced => format!("{count} {is} fenced"),
            Misfit::SchedulingDisabled => format!("{count} {is} closed for scheduling"),
            Misfit::NotReady => format!("{count} {is} not ready"),
            Misfit::NoRealtime => format!("{count} {lacks} real-time priorities"),
        });
    }
    format!("0 of {nodes} nodes fit: {}", groups.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn node(name: &str, change: Value) -> EdgeNode {
        let mut node = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode",
            "metadata": {"name": name, "labels": {"line": "a"}}, "spec": {},
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "AgentAlive", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        });
        merge(&mut node, change);
        serde_json::from_value(node).unwrap()
    }

    fn plc(change: Value) -> PlcRuntime {
        let mut plc = json!({
            "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": "filler"},
            "spec": {"program": {"sources": []}}
        });
        merge(&mut plc, change);
        serde_json::from_value(plc).unwrap()
    }

    fn merge(into: &mut Value, change: Value) {
        match (into, change) {
            (Value::Object(into), Value::Object(change)) => {
                for (key, value) in change {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (into, change) => *into = change,
        }
    }

    fn not_ready() -> Value {
        json!({"status": {"conditions": []}})
    }

    fn decide_alone(plc: &PlcRuntime, nodes: &[EdgeNode]) -> Decision {
        decide(plc, nodes, &BTreeMap::new())
    }

    #[test]
    fn the_least_loaded_node_is_chosen_then_the_one_with_most_memory() {
        let nodes = [
            node("a", json!({})),
            node("b", json!({"status": {"spareMemoryBytes": 1000}})),
            node("c", json!({"status": {"spareMemoryBytes": 2000}})),
        ];
        assert_eq!(decide_alone(&plc(json!({})), &nodes), Decision::bound("c"));
        let load = BTreeMap::from([("c".to_owned(), 2), ("b".to_owned(), 1), ("a".to_owned(), 1)]);
        assert_eq!(decide(&plc(json!({})), &nodes, &load), Decision::bound("b"));
    }

    #[test]
    fn what_fits_nowhere_says_why() {
        let nodes = [
            node("a", not_ready()),
            node("b", json!({"spec": {"fencing": "Fenced"}})),
            node("c", json!({"spec": {"scheduling": "Disabled"}})),
            node("d", json!({"metadata": {"labels": {"line": "b"}}})),
            node("e", json!({})),
        ];
        let demanding =
            plc(json!({"spec": {"nodeSelector": {"line": "a"}, "realtime": {"mode": "Required"}}}));
        assert_eq!(
            decide_alone(&demanding, &nodes).obstacle.as_deref(),
            Some(
                "0 of 5 nodes fit: 1 lacks the label line=a, 1 is fenced, 1 is closed for scheduling, \
                 1 is not ready, 1 lacks real-time priorities"
            )
        );
        let named = plc(json!({"spec": {"nodeName": "z"}}));
        assert_eq!(decide_alone(&named, &nodes).obstacle.as_deref(), Some("0 of 5 nodes fit: 5 are not z"));
        assert_eq!(decide_alone(&named, &[]).obstacle.as_deref(), Some("no node has joined"));
    }

    #[test]
    fn a_node_that_is_named_may_be_closed_for_others() {
        let nodes = [node("a", json!({"spec": {"scheduling": "Disabled"}}))];
        assert_eq!(decide_alone(&plc(json!({"spec": {"nodeName": "a"}})), &nodes), Decision::bound("a"));
    }

    #[test]
    fn a_bound_runtime_stays_when_its_node_is_lost_or_gone() {
        let bound = plc(json!({"status": {"nodeName": "a", "holder": "a"}}));
        let others = [node("a", not_ready()), node("b", json!({}))];
        assert_eq!(decide_alone(&bound, &others), Decision::bound("a"));
        assert_eq!(decide_alone(&bound, &others[1..]), Decision::bound("a"));
    }

    #[test]
    fn a_move_waits_until_the_old_agent_let_go() {
        let nodes = [node("a", json!({})), node("b", json!({}))];
        let moving = plc(json!({"spec": {"nodeName": "b"}, "status": {"nodeName": "a", "holder": "a"}}));
        let decision = decide_alone(&moving, &nodes);
        assert_eq!(decision.node.as_deref(), Some("a"));
        assert_eq!(
            decision.transfer.unwrap(),
            Transfer { to: "b".into(), reason: "spec.nodeName asks for b".into() }
        );
        let released = plc(json!({"spec": {"nodeName": "b"}, "status": {"nodeName": "a"}}));
        assert_eq!(decide_alone(&released, &nodes), Decision::bound("b"));
    }

    #[test]
    fn a_move_to_nowhere_leaves_the_runtime_where_it_runs() {
        let moving = plc(json!({"spec": {"nodeName": "z"}, "status": {"nodeName": "a", "holder": "a"}}));
        let decision = decide_alone(&moving, &[node("a", json!({}))]);
        assert_eq!(decision.node.as_deref(), Some("a"));
        assert_eq!(decision.transfer, None);
        assert!(decision.obstacle.is_some());
    }

    #[test]
    fn a_lost_label_asks_for_a_move() {
        let nodes = [node("a", json!({"metadata": {"labels": {"line": "b"}}})), node("b", json!({}))];
        let bound =
            plc(json!({"spec": {"nodeSelector": {"line": "a"}}, "status": {"nodeName": "a", "holder": "a"}}));
        let transfer = decide_alone(&bound, &nodes).transfer.unwrap();
        assert_eq!(transfer, Transfer { to: "b".into(), reason: "a lacks the label line=a".into() });
    }

    #[test]
    fn a_fenced_node_loses_what_it_held() {
        let nodes = [node("a", json!({"spec": {"fencing": "Fenced"}})), node("b", json!({}))];
        let held = plc(json!({"status": {"nodeName": "a", "holder": "a"}}));
        assert_eq!(decide_alone(&held, &nodes), Decision::bound("b"));
        let nowhere = decide_alone(&held, &nodes[..1]);
        assert_eq!(nowhere.node.as_deref(), Some("a"));
        assert!(nowhere.obstacle.is_some());
    }

    #[test]
    fn a_holder_that_is_not_bound_is_bound_first_so_that_it_can_let_go() {
        let nodes = [node("a", json!({})), node("b", json!({"spec": {"fencing": "Fenced"}}))];
        let odd = plc(json!({"status": {"holder": "c"}}));
        assert_eq!(decide_alone(&odd, &nodes), Decision::bound("c"));
        let moved = plc(json!({"status": {"nodeName": "b", "holder": "c"}}));
        assert_eq!(decide_alone(&moved, &nodes), Decision::bound("c"));
    }

    /// A node of each kind, by its bits: ready, fenced, closed for scheduling.
    fn arbitrary_nodes() -> impl Strategy<Value = Vec<EdgeNode>> {
        proptest::collection::vec(0_u8..8, 0..5).prop_map(|kinds| {
            let of = |(index, bits): (usize, u8)| {
                let mut change = json!({"spec": {
                    "fencing": if bits & 2 == 0 { "Unfenced" } else { "Fenced" },
                    "scheduling": if bits & 4 == 0 { "Enabled" } else { "Disabled" }
                }});
                if bits & 1 == 0 {
                    merge(&mut change, not_ready());
                }
                node(["a", "b", "c", "d", "e"][index], change)
            };
            kinds.into_iter().enumerate().map(of).collect()
        })
    }

    fn arbitrary_name() -> impl Strategy<Value = Option<&'static str>> {
        prop_oneof![Just(None), Just(Some("a")), Just(Some("b")), Just(Some("z"))]
    }

    proptest! {
        /// The promise that this module is for.
        #[test]
        fn nothing_leaves_a_holder_that_is_not_fenced(
            nodes in arbitrary_nodes(), wanted in arbitrary_name(), bound in arbitrary_name(), holds in any::<bool>()
        ) {
            let holder = bound.filter(|_| holds);
            let plc = plc(json!({"spec": {"nodeName": wanted}, "status": {"nodeName": bound, "holder": holder}}));
            let decision = decide_alone(&plc, &nodes);
            let find = |name: &str| nodes.iter().find(|node| node.name_any() == name);
            let fenced = |name: &str| find(name).is_some_and(|node| node.spec.fencing == Fencing::Fenced);
            if let Some(holder) = holder.filter(|holder| !fenced(holder)) {
                prop_assert_eq!(decision.node.as_deref(), Some(holder));
            }
            if decision.node.as_deref() != bound {
                let target = find(decision.node.as_deref().expect("a binding is never taken away"));
                prop_assert_eq!(misfit(&plc.spec, target.expect("a node that exists")), None);
            }
            let mut reversed = nodes.clone();
            reversed.reverse();
            prop_assert_eq!(decide_alone(&plc, &reversed), decision);
        }
    }
}
