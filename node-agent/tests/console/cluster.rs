//! A console of a cluster: people log in with their own tokens, and may do what the rules of the cluster let them.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use lineshaft_test_fixture::{ApiServer, eventually};
use serde_json::{Value, json};

use crate::site::{SOON, Site};
use crate::variables::{Program, get, log_in, told};

/// The roles as they are installed.
async fn install_roles() {
    let client = ApiServer::shared().client().await;
    let params = PatchParams::apply("console-test").force();
    for document in include_str!("../../../operator/install/rbac.yaml").split("\n---\n") {
        let object: Value = serde_saphyr::from_str(document).unwrap();
        let name = object["metadata"]["name"].as_str().unwrap();
        match object["kind"].as_str().unwrap() {
            "ClusterRole" => {
                let api: Api<ClusterRole> = Api::all(client.clone());
                api.patch(name, &params, &Patch::Apply(&object)).await.unwrap();
            }
            "ClusterRoleBinding" => {
                let api: Api<ClusterRoleBinding> = Api::all(client.clone());
                api.patch(name, &params, &Patch::Apply(&object)).await.unwrap();
            }
            // Of the namespace of the system, which the tests do not have.
            _ => {}
        }
    }
}

/// A person, as a service account of the test's namespace: their token.
async fn person(site: &Site, name: &str) -> String {
    let api: Api<ServiceAccount> = site.namespace.api();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    api.create(&PostParams::default(), &serde_json::from_value(account).unwrap()).await.unwrap();
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let answer = api.create_token_request(name, &PostParams::default(), &request).await.unwrap();
    answer.status.unwrap().token
}

/// Gives a person a role in the whole cluster, or in the test's namespace.
async fn allow(site: &Site, name: &str, role: &str, everywhere: bool) {
    let namespace = site.namespace.name();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": if everywhere { "ClusterRoleBinding" } else { "RoleBinding" },
        "metadata": {"name": site.name(&format!("{name}-{role}")), "labels": site.namespace.labels()},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]});
    let params = PostParams::default();
    if everywhere {
        let api: Api<ClusterRoleBinding> = site.namespace.cluster_api();
        api.create(&params, &serde_json::from_value(binding).unwrap()).await.unwrap();
    } else {
        let api: Api<RoleBinding> = site.namespace.api();
        api.create(&params, &serde_json::from_value(binding).unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_the_cluster_open_what_its_rules_allow() {
    install_roles().await;
    let site = Site::on_cluster().await;
    for path in ["/", "/network/discovery", "/network/pairing", "/network/mesh", "/story"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login")), "{path}");
    }
    assert_eq!(site.get("/events?page=/").await.status, 401);
    assert!(site.get("/login").await.body.contains("Token of Kubernetes"));
    let stranger = site.form("/login", &[("token", "eyJhbGciOiJub25lIn0.e30.x")]).send(site.address).await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.body.contains("does not know this token"), "{}", stranger.body);
    assert!(stranger.header("set-cookie").is_none());

    // Known, and allowed nothing: told what is missing.
    let nobody = log_in(&site, &person(&site, "nobody").await).await;
    for (path, missing) in [
        ("/", "may not list plcruntimes.lineshaft.dev"),
        ("/network/mesh", "may not list meshsubscriptions.lineshaft.dev"),
        ("/network/pairing", "may not list pairings.lineshaft.dev"),
        ("/story", "may not list events.events.k8s.io"),
        ("/network/pairing/some/revoke", "may not list pairings.lineshaft.dev"),
    ] {
        let refused = get(&site, path, &nobody).await;
        assert_eq!(refused.status, 403, "{path}");
        let name = format!("system:serviceaccount:{}:nobody {missing}", site.namespace.name());
        assert!(refused.body.contains(&name), "{path}: {}", refused.body);
    }

    let viewer = person(&site, "viewer").await;
    allow(&site, "viewer", "lineshaft-view", true).await;
    let viewer = log_in(&site, &viewer).await;
    let mesh = get(&site, "/network/mesh", &viewer).await;
    assert_eq!(mesh.status, 200, "{}", mesh.body);
    assert_eq!(get(&site, "/network/pairing", &viewer).await.status, 403, "codes are not for viewers");
    // A token that is taken back opens nothing after a while, whatever the session.
    let accounts: Api<ServiceAccount> = site.namespace.api();
    let fleeting = person(&site, "fleeting").await;
    allow(&site, "fleeting", "lineshaft-view", true).await;
    let fleeting = log_in(&site, &fleeting).await;
    assert_eq!(get(&site, "/network/mesh", &fleeting).await.status, 200);
    accounts.delete("fleeting", &DeleteParams::default()).await.unwrap();
    eventually(SOON, "it is closed", async || {
        (get(&site, "/network/mesh", &fleeting).await.status == 403).then_some(())
    })
    .await;

    // What they try all the same, they try with their own token.
    let fields = [("form", mesh.form()), ("address", "10.9.0.2:5210".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let add = site.form("/network/peers", &fields).with("Cookie", &viewer).send(site.address).await;
    assert_eq!(add.status, 422);
    assert!(add.body.contains("cannot create resource") && add.body.contains("viewer"), "{}", add.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_needs_the_right_to_it_and_bears_the_name_of_its_author() {
    install_roles().await;
    let site = Site::on_cluster().await;
    let program = Program::run(&site).await;
    let (viewer, editor) = (person(&site, "viewer").await, person(&site, "editor").await);
    for name in ["viewer", "editor"] {
        allow(&site, name, "lineshaft-view", true).await;
    }
    allow(&site, "editor", "lineshaft-edit", false).await;
    let (viewer, editor) = (log_in(&site, &viewer).await, log_in(&site, &editor).await);

    let path = program.path.as_str();
    let page = eventually(SOON, "its variables", async || {
        Some(get(&site, path, &viewer).await).filter(|page| page.body.contains("Main.limit"))
    });
    assert!(!page.await.body.contains("/write?path="));
    let form = get(&site, "/network/mesh", &viewer).await.form();
    let send = async |step: &str, cookie: &str, form: &str| {
        let fields = [("form", form), ("path", "Main.limit"), ("value", "7")];
        site.form(&format!("{path}/{step}"), &fields).with("Cookie", cookie).send(site.address).await
    };
    for step in ["check", "write"] {
        let refused = send(step, &viewer, &form).await;
        assert_eq!(refused.status, 403, "{step}");
        let missing = "may not update plcruntimes/variables.lineshaft.dev in the namespace";
        assert!(refused.body.contains(missing), "{step}: {}", refused.body);
    }
    assert!(get(&site, &format!("{path}?q=limit"), &viewer).await.body.contains(">50<"));

    assert!(get(&site, path, &editor).await.body.contains("/write?path=Main.limit"));
    let form = get(&site, &format!("{path}/write?path=Main.limit"), &editor).await.form();
    assert!(send("check", &editor, &form).await.body.contains("id=\"new\">7<"));
    assert_eq!(send("write", &editor, &form).await.status, 303);
    let author = format!("system:serviceaccount:{}:editor wrote Main.limit: 50 to 7", site.namespace.name());
    eventually(SOON, "an event that names its author", async || {
        told(&site).await.iter().any(|note| note.contains(&author)).then_some(())
    })
    .await;
    program.end().await;
}
