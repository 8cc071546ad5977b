//! In a real browser: what a person sees and clicks.

use kube::Api;
use lineshaft_crds::Pairing;
use serde_json::{Value, json};

use crate::browser::{Browser, ENTER, Look, TAB};
use crate::site::{Site, condition};

/// What anybody on the network may announce.
const MARKUP: &str = "<img src=x onerror=document.title=1>";

fn lineb(node: &str) -> Value {
    json!({
        "serviceName": "LineB", "runtimeID": "6f1c2a9e-0000-4000-8000-000000000000", "trust": "Unpaired",
        "publishedVariables": 1, "consolePort": 18102,
        "observers": [{"nodeName": node, "addresses": ["192.168.10.12:5210"], "interfaces": ["eth0"],
            "lastSeen": jiff::Timestamp::now().to_string()}],
        "conditions": [condition("NameUnique", "True", "NameUnique", ""),
            condition("Trusted", "False", "NotPaired", "no pairing pins its key"), condition("Reachable", "True", "Seen", "")],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discover_pair_and_watch_the_mesh_by_clicks() {
    let site = Site::local().await;
    site.runtime(
        "plca",
        "",
        json!({
            "nodeName": site.node, "scan": "100ms", "drivers": [{"name": "press", "state": "Operational"}],
            "conditions": [condition("Ready", "True", "Ready", "")],
        }),
    )
    .await;
    let browser = Browser::start(Look::default()).await;
    browser.go(&site.url("/")).await;
    browser.reads("#live", "live").await;
    browser.reads("#runtimes", "plca").await;
    browser.picture("overview").await;
    browser.click("nav a[href='/network/discovery']").await;
    browser.reads("h1", "Discovery").await;
    // The page is open when the peer appears.
    let peer = site.name("lineb");
    let mut status = lineb(&site.node);
    status["runtimeID"] = json!("aaaa1111-0000-4000-8000-000000000000");
    site.peer(&peer, status).await;
    browser.reads("#peer-aaaa1111", "Unpaired").await;
    browser.reads("#peer-aaaa1111", "192.168.10.12:5210").await;

    browser.picture("discovery").await;
    browser.click("#peer-aaaa1111 a[href^='/network/pairing']").await;
    browser.reads("h1", "Pairing").await;
    assert_eq!(browser.script("return document.getElementById('peer').value").await, json!(peer));
    browser.write("#code", "4821 7730").await;
    browser.click("#claim").await;
    let pairing = site.pairing().await;
    let name = pairing.metadata.name.unwrap();
    assert_eq!(pairing.spec.claim.unwrap().code, "4821-7730");
    let api: Api<Pairing> = site.namespace.cluster_api();
    site.say(
        &api,
        &name,
        json!({"role": "Claim", "peer": {"agentID": "0c9e0000-0000-4000-8000-000000000000", "name": "edge-b",
        "fingerprint": format!("sha256:{}", "0".repeat(64)), "runtimes": ["LineB"]},
        "conditions": [condition("Paired", "True", "Paired", "")]}),
    )
    .await;
    browser.reads(&format!("#pairing-{name}"), "edge-b").await;
    browser.reads(&format!("#pairing-{name}"), "Paired").await;

    browser.click("#offer").await;
    let offer = lineshaft_test_fixture::eventually(crate::site::SOON, "an offer", async || {
        site.pairings().await.into_iter().find(|pairing| pairing.spec.offer.is_some())
    })
    .await;
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(240);
    site.say(
        &api,
        offer.metadata.name.as_deref().unwrap(),
        json!({"code": "9035-1128", "expiresAt": expires.to_string(), "attemptsLeft": 3}),
    )
    .await;
    browser.reads("#pair-code", "9035-1128").await;
    browser.picture("pairing").await;

    browser.click("nav a[href='/network/mesh']").await;
    site.subscription("remote", json!({
        "entries": {"total": 1, "good": 1, "uncertain": 0, "bad": 0},
        "links": [{"publisher": site.name("LineB"), "connected": true, "staleness": "Fresh", "address": "192.168.10.12:5210",
            "lastReceivedAgeMilliseconds": 41, "rttMicroseconds": 210, "messagesPerSecond": 10, "messagesReceived": 5312, "transport": "Quic"}],
    }))
    .await;
    browser.reads(&format!("#link-{}", site.name("LineB")), "connected, fresh").await;
    browser.picture("mesh").await;

    browser.click("nav a[href='/network/pairing']").await;
    browser.click(&format!("#pairing-{name} a[href$='/revoke']")).await;
    browser.reads("#question", &name).await;
    browser.click("#confirm").await;
    browser.reads("h1", "Pairing").await;
    lineshaft_test_fixture::eventually(crate::site::SOON, "the pairing is revoked", async || {
        api.get_opt(&name).await.unwrap().is_none().then_some(())
    })
    .await;
    assert_eq!(browser.complaints().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_an_announcement_stays_text() {
    let site = Site::local().await;
    let browser = Browser::start(Look::default()).await;
    let mut status = lineb(&site.node);
    status["runtimeID"] = json!("bbbb2222-0000-4000-8000-000000000000");
    status["site"] = json!(MARKUP);
    status["version"] = json!(MARKUP);
    status["conditions"] =
        json!([condition("Reachable", "False", "DialFailed", "<script>document.title='script'</script>")]);
    site.peer(&site.name("hostile"), status.clone()).await;
    // Once in the page as it is loaded, once in an element that replaces another.
    browser.go(&site.url("/network/discovery")).await;
    browser.reads("#peer-bbbb2222", MARKUP).await;
    browser.reads("#live", "live").await;
    status["trust"] = json!("KeyMismatch");
    let api: Api<lineshaft_crds::MeshPeer> = site.namespace.cluster_api();
    site.say(&api, &site.name("hostile"), status).await;
    browser.reads("#peer-bbbb2222", "Another key").await;
    browser.reads("#peer-bbbb2222", "<script>document.title=").await;
    assert!(!browser.has("#peer-bbbb2222 img, #peer-bbbb2222 script").await);
    let title = browser.script("return document.title").await;
    assert!(title.as_str().unwrap().starts_with("Discovery"), "{title}");
    assert_eq!(browser.complaints().await, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_stops_a_script_that_got_in_all_the_same() {
    let site = Site::local().await;
    let browser = Browser::start(Look::default()).await;
    browser.go(&site.url("/")).await;
    browser.reads("#live", "live").await;
    browser.script("const hole = document.createElement('img'); hole.setAttribute('onerror', 'document.title=1'); hole.src = '/nowhere'; document.body.append(hole);").await;
    let complaints =
        lineshaft_test_fixture::eventually(crate::site::SOON, "the policy complains", async || {
            let complaints = browser.complaints().await.to_string();
            complaints.contains("Content Security Policy").then_some(complaints)
        });
    complaints.await;
    assert!(browser.script("return document.title").await.as_str().unwrap().starts_with("Overview"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_and_a_logout_by_keyboard() {
    let site = Site::with_login().await;
    let browser = Browser::start(Look::default()).await;
    browser.go(&site.url("/network/pairing")).await;
    assert_eq!(browser.path().await, "/login");
    // The field has the focus.
    browser.keys("wrong").await;
    browser.keys(ENTER).await;
    browser.reads("#failed", "not the token").await;
    browser.keys(&site.token).await;
    browser.keys(ENTER).await;
    browser.reads("h1", "Overview").await;
    browser.reads("#live", "live").await;
    // To the content, then the pages in their order: the second is Discovery.
    browser.keys(&TAB.repeat(3)).await;
    browser.keys(ENTER).await;
    browser.reads("h1", "Discovery").await;
    assert_eq!(browser.script("return document.cookie").await, json!(""), "scripts do not see the session");
    browser.click("header form button").await;
    browser.reads("#login", "Log in").await;
    browser.go(&site.url("/network/discovery")).await;
    assert_eq!(browser.path().await, "/login");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_leaves_when_the_session_ends() {
    let site = Site::with_login().await;
    let browser = Browser::start(Look::default()).await;
    browser.go(&site.url("/login")).await;
    browser.write("#token", &site.token).await;
    browser.click("#login").await;
    browser.reads("#live", "live").await;
    // Another tab logs out.
    browser
        .script("const body = new URLSearchParams(new FormData(document.querySelector('header form'))); fetch('/logout', {method: 'POST', body});")
        .await;
    browser.reads("#login", "Log in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pairing_in_a_browser_without_script() {
    let site = Site::local().await;
    let browser = Browser::start(Look { without_script: true, ..Look::default() }).await;
    browser.go(&site.url("/network/pairing")).await;
    browser.reads("h1", "Pairing").await;
    assert!(browser.has("noscript a").await, "without script this is an element, with it text");
    browser.click("#offer").await;
    let name = site.pairing().await.metadata.name.unwrap();
    let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(240);
    let api: Api<Pairing> = site.namespace.cluster_api();
    site.say(&api, &name, json!({"code": "4821-7730", "expiresAt": expires.to_string(), "attemptsLeft": 3}))
        .await;
    site.shows("/network/pairing", "3 attempts are left").await;
    browser.click("nav a[href='/network/pairing']").await;
    browser.reads("#pair-code", "4821-7730").await;
    browser.click(&format!("#pairing-{name} a[href$='/revoke']")).await;
    browser.click("#confirm").await;
    browser.reads("h1", "Pairing").await;
    lineshaft_test_fixture::eventually(crate::site::SOON, "the pairing is revoked", async || {
        site.pairings().await.is_empty().then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_fit_a_phone_and_the_dark() {
    let site = Site::local().await;
    site.peer(&site.name("wide"), {
        let mut status = lineb(&site.node);
        status["runtimeID"] = json!("cccc3333-0000-4000-8000-000000000000");
        status["site"] = json!("w".repeat(63));
        status
    })
    .await;
    site.shows("/network/discovery", "peer-cccc3333").await;
    let browser = Browser::start(Look { phone: true, dark: true, ..Look::default() }).await;
    for path in ["/", "/network/discovery", "/network/pairing", "/network/mesh", "/story"] {
        browser.go(&site.url(path)).await;
        browser.reads("#live", "live").await;
        let over = browser.script("return document.documentElement.scrollWidth - window.innerWidth").await;
        assert!(over.as_i64().unwrap() <= 0, "{path} is {over} pixels too wide");
        let ground = browser.script("return getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(ground, json!("rgb(16, 20, 26)"), "{path}");
    }
    browser.go(&site.url("/network/discovery")).await;
    browser.picture("phone").await;
}
