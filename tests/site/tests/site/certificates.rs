use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client, ResourceExt};
use lineshaft_crds::SYSTEM_NAMESPACE;
use lineshaft_crds::mesh_site::{AUTHORITIES_KEY, AUTHORITY, SIGNER, SITE_KEY, USAGES, name_of};
use lineshaft_mesh::identity::Identity;
use lineshaft_test_fixture::{eventually, wait_for};
use serde_json::json;

use crate::plant::{Cluster, SOON};

/// Somebody who asks for a certificate of a node.
async fn ask(client: &Client, site: &str, node: &str) -> String {
    let home = tempfile::tempdir().unwrap();
    let request = Identity::open(home.path()).unwrap().certificate_request(&name_of(site, node)).unwrap();
    let object = CertificateSigningRequest {
        metadata: ObjectMeta { generate_name: Some("test-".to_owned()), ..ObjectMeta::default() },
        spec: CertificateSigningRequestSpec {
            request: ByteString(request.into_bytes()),
            signer_name: SIGNER.to_owned(),
            usages: Some(USAGES.map(str::to_owned).to_vec()),
            ..CertificateSigningRequestSpec::default()
        },
        status: None,
    };
    let api: Api<CertificateSigningRequest> = Api::all(client.clone());
    api.create(&PostParams::default(), &object).await.unwrap().name_any()
}

/// Type and reason of the decision.
fn decision(request: &CertificateSigningRequest) -> Option<(String, String)> {
    let condition = request.status.as_ref()?.conditions.as_ref()?.first()?;
    Some((condition.type_.clone(), condition.reason.clone().unwrap_or_default()))
}

fn has_certificate(request: &CertificateSigningRequest) -> bool {
    request.status.as_ref().is_some_and(|status| status.certificate.is_some())
}

async fn decided(cluster: &Cluster, name: &str) -> (String, String) {
    let api: Api<CertificateSigningRequest> = Api::all(cluster.admin.clone());
    let decided = wait_for(&api, name, SOON, |request| decision(request).is_some()).await;
    decision(&decided).unwrap()
}

async fn published(cluster: &Cluster) -> ConfigMap {
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin.clone(), SYSTEM_NAMESPACE);
    eventually(SOON, "the authority", async || maps.get_opt(AUTHORITY).await.unwrap()).await
}

fn text(map: &ConfigMap, key: &str) -> String {
    map.data.as_ref().unwrap()[key].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_given_to_the_agent_of_its_node_alone() {
    let cluster = Cluster::start().await;
    let site = text(&published(&cluster).await, SITE_KEY);
    let groups = ["lineshaft:agents", "system:authenticated"];
    let server = cluster.server.as_ref().unwrap();
    let agent = server.client_as("lineshaft:node:edge-a", &groups).await;
    let requests: Api<CertificateSigningRequest> = Api::all(cluster.admin.clone());

    let own = ask(&agent, &site, "edge-a").await;
    wait_for(&requests, &own, SOON, has_certificate).await;
    assert_eq!(decided(&cluster, &own).await, ("Approved".to_owned(), "AgentOfNode".to_owned()));
    let denied = |reason: &str| ("Denied".to_owned(), reason.to_owned());
    let other = ask(&agent, &site, "edge-b").await;
    assert_eq!(decided(&cluster, &other).await, denied("OtherNode"));
    let elsewhere = ask(&agent, "another-site", "edge-a").await;
    assert_eq!(decided(&cluster, &elsewhere).await, denied("OtherSite"));
    let admin = ask(&cluster.admin, &site, "edge-a").await;
    assert_eq!(decided(&cluster, &admin).await, denied("NotAnAgent"));

    // What an agent may not: approve, sign, read the key, see the requests of others, change who is trusted.
    let own_view: Api<CertificateSigningRequest> = Api::all(agent.clone());
    let approval = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "status": {"conditions": [{"type": "Approved", "status": "True", "reason": "Me", "message": ""}]}});
    let params = PatchParams::apply("agent").force();
    let approve = own_view.patch_approval(&other, &params, &Patch::Apply(&approval)).await;
    let sign = json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "status": {"certificate": ByteString(b"x".to_vec())}});
    let sign = own_view.patch_status(&other, &params, &Patch::Apply(&sign)).await;
    let secrets: Api<Secret> = Api::namespaced(agent.clone(), SYSTEM_NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(agent.clone(), SYSTEM_NAMESPACE);
    let trust =
        maps.patch(AUTHORITY, &PatchParams::default(), &Patch::Merge(json!({"data": {"site": "x"}}))).await;
    for (what, refused) in [
        ("approve", approve.map(drop)),
        ("sign", sign.map(drop)),
        ("read the key", secrets.get(AUTHORITY).await.map(drop)),
        ("list requests", own_view.list(&ListParams::default()).await.map(drop)),
        ("change who is trusted", trust.map(drop)),
    ] {
        match refused {
            Err(kube::Error::Api(status)) => assert_eq!(status.code, 403, "{what}: {status:?}"),
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_of_the_authority_comes_beside_the_old_one() {
    let cluster = Cluster::start().await;
    let (a, b) = (cluster.agent("edge-a").await, cluster.agent("edge-b").await);
    let plca = cluster.runtime("plca", "edge-a").await;
    cluster.runtime("plcb", "edge-b").await;
    let entry = json!({"to": "Main.remote", "from": {"runtimeRef": {"name": "plcb"}, "variable": "Main.n"}});
    cluster.subscribe("remote", json!([entry])).await;
    cluster.subscribed("remote", "Ready", "AllFresh").await;
    let before = published(&cluster).await;

    let secrets: Api<Secret> = Api::namespaced(cluster.admin.clone(), SYSTEM_NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(cluster.admin.clone(), SYSTEM_NAMESPACE);
    secrets.delete(AUTHORITY, &DeleteParams::default()).await.unwrap();
    // The next request finds no key and has one made.
    let groups = ["lineshaft:agents", "system:authenticated"];
    let server = cluster.server.as_ref().unwrap();
    let third = server.client_as("lineshaft:node:edge-c", &groups).await;
    let request = ask(&third, &text(&before, SITE_KEY), "edge-c").await;
    wait_for(&Api::all(cluster.admin.clone()), &request, SOON, has_certificate).await;
    let old = text(&before, AUTHORITIES_KEY);
    let after = wait_for(&maps, AUTHORITY, SOON, |map: &ConfigMap| text(map, AUTHORITIES_KEY) != old).await;
    assert_eq!(text(&after, SITE_KEY), text(&before, SITE_KEY));
    assert!(text(&after, AUTHORITIES_KEY).ends_with(&old) && text(&after, AUTHORITIES_KEY) != old);
    a.grows(&plca, "Main.remote").await;
    let fresh = cluster.subscribed("remote", "Ready", "AllFresh").await.status.unwrap();
    assert!(fresh.links[0].connected);

    // Without the old one, both agents get certificates of the new one by themselves.
    let new = text(&after, AUTHORITIES_KEY).replace(&old, "");
    let only = Patch::Merge(json!({"data": {AUTHORITIES_KEY: new}}));
    maps.patch(AUTHORITY, &PatchParams::default(), &only).await.unwrap();
    let requests: Api<CertificateSigningRequest> = Api::all(cluster.admin.clone());
    let signed = async || {
        let list = requests.list(&ListParams::default()).await.unwrap();
        let again = |node: &str| {
            let of = format!("lineshaft-mesh-{node}-");
            list.iter().filter(|one| one.name_any().starts_with(&of) && has_certificate(one)).count() >= 2
        };
        (again(&a.node) && again(&b.node)).then_some(())
    };
    eventually(SOON, "new certificates", signed).await;
    a.grows(&plca, "Main.remote").await;
}
