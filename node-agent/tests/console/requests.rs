//! Over HTTP: pages, actions without a script, refusals, the event stream.

use kube::{Api, ResourceExt};
use lineshaft_crds::{MeshPeer, MeshSubscription};
use lineshaft_test_fixture::eventually;
use serde_json::json;
use tokio::io::AsyncBufReadExt;

use crate::http::Request;
use crate::site::{SOON, Site, condition};

const PAGES: [&str; 5] = ["/", "/network/discovery", "/network/pairing", "/network/mesh", "/story"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_says_what_it_may_load_from_where() {
    let site = Site::local().await;
    for path in PAGES.into_iter().chain(["/assets/live.js", "/assets/style.css", "/assets/icon.svg"]) {
        let answer = site.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        // Nothing that a browser would load is of another host or stands in the page itself.
        for foreign in ["src=\"http", "src=\"//", "<style", "onclick", "javascript:"] {
            assert!(!answer.body.contains(foreign), "{path}: {foreign}");
        }
    }
    assert_eq!(site.get("/runtimes/no.such/variables").await.status, 404);
    assert_eq!(site.get("/nowhere").await.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_shows_programs_and_their_faults() {
    let site = Site::local().await;
    let status = json!({
        "nodeName": site.node, "scan": "10ms",
        "lastFault": {"code": "IndexOutOfBounds", "message": "12 is not in 0..9", "at": "main.st:4:2", "time": "2026-11-21T08:00:00Z"},
        "conditions": [condition("Ready", "False", "ProgramHalted", "halted after a fault")],
    });
    site.runtime("filler", "", status).await;
    let row = format!("id=\"runtime-{}.filler\"", site.namespace.name());
    let page = site.shows("/", &row).await;
    for text in ["ProgramHalted", "halted after a fault", "IndexOutOfBounds", "10ms"] {
        assert!(page.body.contains(text), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_sites_and_machines_are_refused() {
    let site = Site::local().await;
    let form = site.get("/network/pairing").await.form();
    let offer = site.form("/network/pairing/offer", &[("form", &form)]);
    let refused = [
        ("rebinding", Request::get("/").with("Host", "evil.example")),
        ("rebinding with the port", Request::get("/network/pairing").with("Host", "evil.example:9480")),
        ("events", Request::get("/events?page=/").with("Host", "evil.example")),
        ("another origin", offer.clone().with("Origin", "http://evil.example")),
        ("no origin", offer.clone().without("Origin")),
        ("a sandbox", offer.clone().with("Origin", "null")),
        (
            "rebinding with its own origin",
            offer.clone().with("Host", "evil.example").with("Origin", "http://evil.example"),
        ),
        ("no form token", site.form("/network/pairing/offer", &[])),
        ("a guessed form token", site.form("/network/pairing/offer", &[("form", &"0".repeat(48))])),
    ];
    for (what, request) in refused {
        let answer = request.send(site.address).await;
        assert_eq!(answer.status, 403, "{what}");
        assert!(answer.header("content-security-policy").is_some(), "{what}");
    }
    assert!(site.pairings().await.is_empty());
    // What was refused above is done by a page of our own.
    assert_eq!(offer.send(site.address).await.status, 303);
    site.pairing().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pairing_without_a_script() {
    let site = Site::local().await;
    let form = site.get("/network/pairing").await.form();
    let offered = site.form("/network/pairing/offer", &[("form", &form)]).send(site.address).await;
    assert_eq!((offered.status, offered.header("location")), (303, Some("/network/pairing")));
    let pairing = site.pairing().await;
    assert_eq!(pairing.spec.offer.unwrap().ttl_seconds, 300);
    let name = pairing.metadata.name.unwrap();
    // The test is the agent: it makes the code.
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(300);
    let api: Api<lineshaft_crds::Pairing> = site.namespace.cluster_api();
    site.say(
        &api,
        &name,
        json!({"role": "Offer", "code": "4821-7730", "expiresAt": expires.to_string(), "attemptsLeft": 3,
        "conditions": [condition("Paired", "False", "AwaitingClaim", "")]}),
    )
    .await;
    let page = site.shows("/network/pairing", "3 attempts are left").await;
    for text in ["AwaitingClaim", "id=\"pair-code\"", &format!("/network/pairing/{name}/revoke")] {
        assert!(page.body.contains(text), "{text}");
    }
    let confirm = site.get(&format!("/network/pairing/{name}/revoke")).await;
    assert!(confirm.body.contains(&format!("Revoke pairing {name}?")));
    assert_eq!(site.pairings().await.len(), 1, "a question revokes nothing");
    let revoke = site.form(&format!("/network/pairing/{name}/revoke"), &[("form", &confirm.form())]);
    assert_eq!(revoke.send(site.address).await.status, 303);
    eventually(SOON, "the pairing is gone", async || site.pairings().await.is_empty().then_some(())).await;

    let claim = |code| {
        site.form("/network/pairing/claim", &[("form", &form), ("address", "10.9.0.2:5210"), ("code", code)])
    };
    let wrong = claim("12").send(site.address).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("eight digits"), "{}", wrong.body);
    assert_eq!(claim("48217730").send(site.address).await.status, 303);
    let claimed = site.pairing().await.spec.claim.unwrap();
    assert_eq!((claimed.code.as_str(), claimed.address.as_deref()), ("4821-7730", Some("10.9.0.2:5210")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_and_subscriptions_without_a_script() {
    let site = Site::local().await;
    let form = site.get("/network/discovery").await.form();
    let add = |address| site.form("/network/peers", &[("form", &form), ("address", address)]);
    let wrong = add("<b>not an address</b>").send(site.address).await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.body.contains("role=\"alert\"") && !wrong.body.contains("<b>not"), "{}", wrong.body);
    // Other tests add peers too: the port is this test's own.
    let address = format!("10.9.0.2:{}", site.address.port());
    assert_eq!(add(&address).send(site.address).await.status, 303);
    site.shows("/network/discovery", &address).await;
    let api: Api<MeshPeer> = site.namespace.cluster_api();
    let peers = api.list(&kube::api::ListParams::default()).await.unwrap();
    let peer =
        peers.items.into_iter().find(|peer| peer.spec.addresses == [address.clone()]).unwrap().name_any();
    let remove =
        site.form(&format!("/network/peers/{peer}/remove"), &[("form", &form)]).send(site.address).await;
    assert_eq!(remove.status, 303);
    eventually(SOON, "the peer is gone", async || api.get_opt(&peer).await.unwrap().is_none().then_some(()))
        .await;

    let runtime = format!("{}.plca", site.namespace.name());
    let subscribe = site.form(
        "/network/mesh/subscribe",
        &[
            ("form", &form),
            ("runtime", &runtime),
            ("from", "LineB:Status.PLCState"),
            ("to", "Status.RemoteState"),
        ],
    );
    assert_eq!(subscribe.send(site.address).await.status, 303);
    let api: Api<MeshSubscription> = site.namespace.api();
    let made = api.list(&kube::api::ListParams::default()).await.unwrap().items.remove(0);
    assert_eq!(made.spec.subscribe[0].to, "Status.RemoteState");
}

/// Reads messages until one satisfies; gives the elements of that one by id.
pub(crate) async fn update(
    stream: &mut (impl AsyncBufReadExt + Unpin),
    holds: impl Fn(&[(String, String)]) -> bool,
) -> Vec<(String, String)> {
    let reading = async {
        loop {
            let mut line = String::new();
            assert_ne!(stream.read_line(&mut line).await.unwrap(), 0, "the stream goes on");
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let changed: Vec<(String, String)> = serde_json::from_str(data).unwrap();
            if holds(&changed) {
                return changed;
            }
        }
    };
    tokio::time::timeout(SOON, reading).await.expect("an update comes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_gets_only_what_changed() {
    let site = Site::local().await;
    let link = |age: i64| json!({"links": [{"publisher": "LineB", "connected": true, "staleness": "Fresh", "lastReceivedAgeMilliseconds": age}]});
    site.subscription("remote", link(41)).await;
    let receiver = format!("/runtimes/{}.plca/variables", site.namespace.name());
    site.shows("/network/mesh", &receiver).await;
    let (status, mut stream) = Request::get("/events?page=/network/mesh").stream(site.address).await;
    assert_eq!(status, 200);
    let first = update(&mut stream, |_| true).await;
    assert!(first.iter().any(|(id, _)| id == "links") && first.iter().any(|(id, _)| id == "subscriptions"));
    let api: Api<MeshSubscription> = site.namespace.api();
    site.say(&api, "remote", link(997)).await;
    let changed =
        update(&mut stream, |changed| changed.iter().any(|(_, html)| html.contains("997 ms ago"))).await;
    let (id, html) = changed.iter().find(|(_, html)| html.contains("997 ms ago")).unwrap();
    // Another test may bring a link of this name or a row at the same moment: then the table comes whole.
    assert!(id.starts_with("link-LineB") || id == "links", "{id}");
    assert!(html.starts_with("<tr") || html.starts_with("<section"), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_pages_are_kept_up_to_date_and_no_more() {
    let site = Site::local().await;
    let request = Request::get("/events?page=/");
    let mut open = Vec::new();
    for _ in 0..32 {
        let (status, stream) = request.stream(site.address).await;
        assert_eq!(status, 200);
        open.push(stream);
    }
    assert_eq!(request.stream(site.address).await.0, 503);
    open.pop();
    eventually(SOON, "a place is free again", async || {
        (request.stream(site.address).await.0 == 200).then_some(())
    })
    .await;
    assert_eq!(Request::get("/events?page=/etc/passwd").stream(site.address).await.0, 404);
}
