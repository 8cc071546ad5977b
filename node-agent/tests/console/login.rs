//! A console with a login, over HTTP.

use crate::http::{Answer, Request};
use crate::site::Site;

async fn log_in(site: &Site, token: &str) -> Answer {
    site.form("/login", &[("token", token)]).send(site.address).await
}

fn cookie(answer: &Answer) -> String {
    let header = answer.header("set-cookie").expect("a login gives a cookie");
    header.split(';').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_readable_without_a_login() {
    let site = Site::with_login().await;
    let paths =
        ["/", "/network/discovery", "/network/pairing", "/network/mesh", "/story", "/runtimes/a.b/variables"];
    for path in paths {
        let answer = site.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, Some("/login")), "{path}");
        assert!(answer.body.is_empty(), "{path}");
    }
    assert_eq!(site.get("/events?page=/").await.status, 401);
    assert_eq!(site.form("/network/pairing/offer", &[("form", "x")]).send(site.address).await.status, 401);
    let login = site.get("/login").await;
    assert_eq!(login.status, 200);
    assert_eq!(site.get("/assets/style.css").await.status, 200);
    for secret in [site.token.as_str(), "name=\"form\""] {
        assert!(!login.body.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_from_its_login_to_its_logout() {
    let site = Site::with_login().await;
    let wrong = log_in(&site, "wrong").await;
    assert_eq!(wrong.status, 403);
    assert!(wrong.header("set-cookie").is_none() && wrong.body.contains("not the token"));
    let foreign = site.form("/login", &[("token", &site.token)]).with("Origin", "http://evil.example");
    assert_eq!(foreign.send(site.address).await.status, 403);

    let answer = log_in(&site, &site.token).await;
    assert_eq!((answer.status, answer.header("location")), (303, Some("/")));
    let header = answer.header("set-cookie").unwrap();
    for flag in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(header.contains(flag), "{header}");
    }
    assert!(!header.contains(&site.token));
    let cookie = cookie(&answer);
    let page = Request::get("/network/pairing").with("Cookie", &cookie).send(site.address).await;
    assert_eq!(page.status, 200);

    // The form token of one session is worth nothing in another.
    let other = self::cookie(&log_in(&site, &site.token).await);
    let offer = site.form("/network/pairing/offer", &[("form", &page.form())]);
    assert_eq!(offer.clone().with("Cookie", &other).send(site.address).await.status, 403);
    assert!(site.pairings().await.is_empty());
    assert_eq!(offer.with("Cookie", &cookie).send(site.address).await.status, 303);

    let out =
        site.form("/logout", &[("form", &page.form())]).with("Cookie", &cookie).send(site.address).await;
    assert_eq!(out.header("location"), Some("/login"));
    let after = Request::get("/").with("Cookie", &cookie).send(site.address).await;
    assert_eq!(after.header("location"), Some("/login"));
    assert_eq!(Request::get("/").with("Cookie", &other).send(site.address).await.status, 200);
}
