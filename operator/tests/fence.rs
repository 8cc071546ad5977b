//! What the credentials of an agent can do, and what they cannot.

mod plant;

use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use lineshaft_crds::edge_node::lease_name;
use lineshaft_crds::plc_runtime::FINALIZER;
use lineshaft_crds::{EdgeNode, PlcRuntime};
use plant::{Agent, GOOD, Plant, inline, refusal};
use serde_json::json;

async fn two_agents(plant: &Plant) -> (Agent, Agent) {
    let a = plant.join("a").await;
    let mut spec = inline(GOOD);
    spec["nodeName"] = json!(a.node);
    plant.create("filler", spec).await;
    plant.until("filler", "Accepted", "True", "Accepted").await;
    (a, plant.join_unready("b").await)
}

#[tokio::test]
async fn an_agent_reports_on_what_is_bound_to_its_node_and_on_nothing_else() {
    let plant = Plant::start().await;
    let (a, b) = two_agents(&plant).await;
    a.try_set_finalizers("filler", json!([FINALIZER])).await.unwrap();
    a.run("filler").await;
    for refused in [
        b.try_report("filler", json!({"holder": b.node})).await,
        b.try_set_finalizers("filler", json!([])).await,
    ] {
        let (code, message) = refusal(refused);
        assert_eq!(code, 422, "{message}");
        assert!(
            message.contains(&format!("node {} may only change runtimes that are bound to it", b.node)),
            "{message}"
        );
    }
}

#[tokio::test]
async fn an_agent_cannot_change_what_users_and_the_operator_own() {
    let plant = Plant::start().await;
    let (a, _) = two_agents(&plant).await;
    let spec = json!({"spec": {"run": "Stopped"}});
    let (code, message) =
        refusal(a.plcs().patch("filler", &PatchParams::default(), &Patch::Merge(spec)).await);
    assert!(code == 422 && message.contains("may not change the spec"), "{message}");
    for status in [
        json!({"nodeName": "elsewhere"}),
        json!({"accepted": {"generation": 99, "sourcesHash": format!("sha256:{}", "0".repeat(64))}}),
    ] {
        let (code, message) = refusal(a.try_report("filler", status).await);
        assert!(code == 422 && message.contains("which are the operator's"), "{message}");
    }
    let (code, message) = refusal(a.try_report("filler", json!({"holder": "elsewhere"})).await);
    assert!(code == 422 && message.contains("only name its own node"), "{message}");
}

#[tokio::test]
async fn an_agent_cannot_change_metadata_that_is_not_its_own() {
    let plant = Plant::start().await;
    let (a, _) = two_agents(&plant).await;
    let nodes: Api<EdgeNode> = Api::all(a.client.clone());
    let params = PatchParams::default();
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "b"}]);
    for metadata in [
        json!({"labels": {"line": "z"}}),
        json!({"annotations": {"lineshaft.dev/abandon-outputs": "true"}}),
        json!({"ownerReferences": owner}),
        json!({"finalizers": ["example.com/other"]}),
    ] {
        let patch = Patch::Merge(json!({"metadata": metadata}));
        let (code, message) = refusal(a.plcs().patch("filler", &params, &patch).await);
        assert!(code == 422 && message.contains("an agent may not change"), "{message}");
        let (code, message) = refusal(nodes.patch(&a.node, &params, &patch).await);
        assert!(code == 422 && message.contains("an agent may not change"), "{message}");
    }
}

#[tokio::test]
async fn an_agent_cannot_write_the_conditions_of_the_operator() {
    let plant = Plant::start().await;
    let (a, _) = two_agents(&plant).await;
    let ready = json!({"conditions": [{"type": "Ready", "status": "False", "reason": "Forged", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let (code, message) = refusal(a.try_report("filler", ready).await);
    assert!(code == 422 && message.contains("which are the operator's"), "{message}");
}

#[tokio::test]
async fn an_agent_cannot_create_or_delete_runtimes() {
    let plant = Plant::start().await;
    let (a, _) = two_agents(&plant).await;
    assert_eq!(refusal(a.plcs().delete("filler", &DeleteParams::default()).await).0, 403);
    let plc: PlcRuntime = serde_json::from_value(json!({
        "apiVersion": "lineshaft.dev/v1alpha1", "kind": "PlcRuntime", "metadata": {"name": "own"}, "spec": inline(GOOD)
    }))
    .unwrap();
    assert_eq!(refusal(a.plcs().create(&PostParams::default(), &plc).await).0, 403);
}

#[tokio::test]
async fn an_agent_has_one_node_and_one_lease() {
    let plant = Plant::start().await;
    let (a, b) = two_agents(&plant).await;
    let nodes: Api<EdgeNode> = Api::all(a.client.clone());
    let status = |node: &str| {
        json!({"apiVersion": "lineshaft.dev/v1alpha1", "kind": "EdgeNode", "metadata": {"name": node},
            "status": {"kernel": "6.1"}})
    };
    let params = PatchParams::apply("lineshaft-agent/node").force();
    nodes.patch_status(&a.node, &params, &Patch::Apply(status(&a.node))).await.unwrap();
    let (code, message) = refusal(nodes.patch_status(&b.node, &params, &Patch::Apply(status(&b.node))).await);
    assert!(code == 422 && message.contains("may only change the EdgeNode of that name"), "{message}");
    let unfence = json!({"spec": {"fencing": "Fenced"}});
    let (code, message) =
        refusal(nodes.patch(&a.node, &PatchParams::default(), &Patch::Merge(unfence)).await);
    assert!(code == 422 && message.contains("which is for people"), "{message}");
    let (code, message) = refusal(a.try_renew(&lease_name(&b.node)).await);
    assert!(code == 422 && message.contains("may only change the Lease"), "{message}");
    let other = EdgeNode::new(&plant.namespace.unique("c"), lineshaft_crds::EdgeNodeSpec::default());
    assert_eq!(refusal(nodes.create(&PostParams::default(), &other).await).0, 422);
}
