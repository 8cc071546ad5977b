//! The operator as a process among others: before its kinds exist, beside replicas, with objects it cannot read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod plant;

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::{CustomResourceExt, ResourceExt};
use lineshaft_crds::PlcRuntime;
use lineshaft_operator::{Options, install, router, run};
use lineshaft_test_fixture::{ApiServer, eventually, wait_for};
use plant::{GOOD, SOON, has, inline};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

async fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    (response[9..12].parse().unwrap(), response)
}

#[tokio::test]
async fn an_operator_waits_for_its_kinds_and_survives_an_object_it_cannot_read() {
    let server = ApiServer::empty();
    let client = server.client().await;
    let options = Options::new("test");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = router(options.registry.clone(), options.readiness.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let shutdown = CancellationToken::new();
    let operator = tokio::spawn(run(client.clone(), options.clone(), shutdown.clone()));

    eventually(SOON, "the missing kinds are named", async || {
        let (code, text) = get(address, "/readyz").await;
        (code == 503 && text.contains("kind plcruntimes.lineshaft.dev")).then_some(())
    })
    .await;
    assert_eq!(get(address, "/healthz").await.0, 200);
    let (_, metrics) = get(address, "/metrics").await;
    assert!(
        metrics.contains("lineshaft_operator_crd_missing{crd=\"plcruntimes.lineshaft.dev\"} 1"),
        "{metrics}"
    );

    // A schema that lets everything pass, as an older or newer one may do with some fields.
    install::install(&client).await.unwrap();
    let mut crd = PlcRuntime::crd();
    crd.spec.versions[0].schema = serde_json::from_value(json!({
        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
            "properties": {"status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": {"nodeName": {"type": "string"}}}}}
    }))
    .unwrap();
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    crds.patch(&crd.name_any(), &PatchParams::apply("lineshaft-install").force(), &Patch::Apply(&crd))
        .await
        .unwrap();
    eventually(SOON, "ready", async || (get(address, "/readyz").await.0 == 200).then_some(())).await;

    let resource = PlcRuntime::api_resource();
    let any: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &resource);
    eventually(SOON, "the lenient schema is in force", async || {
        let odd = DynamicObject::new("odd", &resource).data(json!({"spec": {"program": 5}}));
        any.create(&PostParams::default(), &odd).await.ok()
    })
    .await;
    let good = DynamicObject::new("good", &resource).data(json!({"spec": inline(GOOD)}));
    any.create(&PostParams::default(), &good).await.unwrap();
    let plcs: Api<PlcRuntime> = Api::default_namespaced(client.clone());
    wait_for(&plcs, "good", SOON, |plc| has(plc, "Accepted", "False", "NoNodeFits")).await;

    for line in [
        "lineshaft_operator_crd_missing{crd=\"plcruntimes.lineshaft.dev\"} 0",
        "lineshaft_operator_leader 1",
        "lineshaft_operator_reconciliations_total{controller=\"plcruntime\",outcome=\"applied\"}",
        "lineshaft_operator_build_info{version=",
    ] {
        eventually(SOON, line, async || get(address, "/metrics").await.1.contains(line).then_some(())).await;
    }
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(2), operator).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn one_of_two_replicas_acts_and_the_other_takes_over() {
    plant::install().await;
    let replica = async |name: &str| {
        let client = ApiServer::shared().client_as("lineshaft:operator", &["system:authenticated"]).await;
        let mut options = Options::new(name);
        options.leader_election = true;
        // Nothing to do: only the Lease matters here.
        options.scope = lineshaft_operator::Scope::Namespace("nowhere".to_owned());
        options.node_selector = Some("lineshaft.dev/test=nowhere".to_owned());
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(run(client, options.clone(), shutdown.clone()));
        (options.registry, shutdown, task)
    };
    let leads = |registry: &prometheus::Registry| {
        registry.gather().iter().any(|family| {
            family.name() == "lineshaft_operator_leader"
                && family.get_metric()[0].get_gauge().get_value() > 0.5
        })
    };
    let (first, stop_first, first_task) = replica("first").await;
    eventually(SOON, "the first leads", async || leads(&first).then_some(())).await;
    let (second, stop_second, second_task) = replica("second").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!leads(&second));
    stop_first.cancel();
    tokio::time::timeout(SOON, first_task).await.unwrap().unwrap().unwrap();
    // It waits for the end of the Lease as it knew it, though that was given back before.
    eventually(Duration::from_secs(20), "the second leads", async || leads(&second).then_some(())).await;
    stop_second.cancel();
    tokio::time::timeout(SOON, second_task).await.unwrap().unwrap().unwrap();
}
