//! The `EdgeNode` controller on a real API server.

mod plant;

use lineshaft_crds::{ConditionStatus, EdgeNode, condition};
use lineshaft_test_fixture::wait_for;
use plant::{Plant, SOON};

fn ready(node: &EdgeNode) -> Option<(ConditionStatus, &str)> {
    let found = condition::find(&node.status.as_ref()?.conditions, "Ready")?;
    Some((found.status, found.reason.as_str()))
}

#[tokio::test]
async fn a_node_is_ready_while_its_agent_renews_its_lease() {
    let plant = Plant::start().await;
    let agent = plant.join_unready("edge").await;
    let until = async |status, reason: &'static str| {
        wait_for(&plant.nodes(), &agent.node, SOON, move |node| ready(node) == Some((status, reason))).await
    };
    until(ConditionStatus::Unknown, "NoLease").await;
    agent.renew().await;
    until(ConditionStatus::True, "AgentAlive").await;
    let lapsed = until(ConditionStatus::Unknown, "LeaseLapsed").await;
    let conditions = lapsed.status.unwrap().conditions;
    assert_eq!(
        condition::find(&conditions, "Ready").unwrap().message,
        "the agent has not renewed its Lease for 2 s"
    );
    agent.renew().await;
    until(ConditionStatus::True, "AgentAlive").await;
}

#[tokio::test]
async fn renewals_cause_no_writes() {
    let plant = Plant::start().await;
    let agent = plant.join("edge").await;
    let before = plant.nodes().get(&agent.node).await.unwrap();
    for _ in 0..8 {
        agent.renew().await;
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    let after = plant.nodes().get(&agent.node).await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
}
