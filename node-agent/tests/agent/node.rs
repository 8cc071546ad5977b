//! The node itself: its EdgeNode and its Lease.

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, ResourceExt};
use lineshaft_crds::EdgeNode;
use lineshaft_crds::edge_node::{Scheduling, lease_name};
use lineshaft_node_agent::Lifeline;
use lineshaft_test_fixture::wait_for;
use serde_json::json;

use crate::plant::{Plant, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_shows_what_it_is_and_that_its_agent_lives() {
    let mut plant = Plant::new().await;
    plant.start_agent(Lifeline::WithParent);
    let nodes: Api<EdgeNode> = plant.namespace.cluster_api();
    let node = wait_for(&nodes, &plant.node, SOON, |node| node.status.is_some()).await;
    let status = node.status.clone().unwrap();
    assert!(!status.addresses.is_empty() && status.kernel.is_some() && status.cores >= Some(1));
    assert!(status.realtime.is_some() && status.memory_bytes > Some(0));
    assert_eq!(status.agent_version.as_deref(), Some(env!("CARGO_PKG_VERSION")));

    let leases: Api<Lease> = plant.namespace.api();
    let lease = wait_for(&leases, &lease_name(&plant.node), SOON, |lease| lease.spec.is_some()).await;
    let lease = lease.spec.unwrap();
    assert_eq!(lease.holder_identity.as_deref(), Some(plant.node.as_str()));
    assert_eq!(lease.lease_duration_seconds, Some(40));
    assert!(lease.renew_time.is_some());

    // What people set stays; what the agent reports is put right; what is deleted comes back.
    let patch =
        kube::api::Patch::Merge(json!({"spec": {"scheduling": "Disabled"}, "status": {"kernel": "wrong"}}));
    let params = kube::api::PatchParams::default();
    nodes.patch(&plant.node, &params, &patch).await.unwrap();
    nodes.patch_status(&plant.node, &params, &patch).await.unwrap();
    let node = wait_for(&nodes, &plant.node, SOON, |node| {
        node.status.as_ref().is_some_and(|now| now.kernel == status.kernel)
    })
    .await;
    assert_eq!(node.spec.scheduling, Scheduling::Disabled);
    nodes.delete(&plant.node, &kube::api::DeleteParams::default()).await.unwrap();
    wait_for(&nodes, &plant.node, SOON, |other| other.uid() != node.uid() && other.status.is_some()).await;
    plant.stop_agent().await.unwrap();
    nodes.delete(&plant.node, &kube::api::DeleteParams::default()).await.unwrap();
}
