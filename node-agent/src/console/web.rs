//! Routes, assets, login.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tokio::time::Instant;

use super::page::{self, Asked, login_page, refusal, show};
use super::place::Place;
use super::sessions::{self, Who};
use super::visitor::{Posted, Visitor, admit};
use super::{Access, Console, actions, live, writing};

/// Forms are short.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// The script, the style, the icon: nothing comes from elsewhere.
const ASSETS: [(&str, &str, &str); 3] = [
    ("/assets/live.js", "text/javascript; charset=utf-8", include_str!("assets/live.js")),
    ("/assets/style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("/assets/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// Everything but metrics and health.
pub(crate) fn router(console: Arc<Console>) -> Router {
    let mut router = Router::new()
        .route("/", get(view))
        .route("/runtimes/{runtime}/variables", get(view))
        .route("/runtimes/{runtime}/variables/write", get(writing::form).post(writing::write))
        .route("/runtimes/{runtime}/variables/check", post(writing::check))
        .route("/network/discovery", get(view))
        .route("/network/pairing", get(view))
        .route("/network/mesh", get(view))
        .route("/story", get(view))
        .route("/events", get(live::events))
        .route("/login", get(login_form).post(log_in))
        .route("/logout", post(log_out))
        .route("/network/peers", post(actions::add_peer))
        .route("/network/peers/{name}/remove", get(page::confirm_remove).post(actions::remove_peer))
        .route("/network/pairing/offer", post(actions::offer))
        .route("/network/pairing/claim", post(actions::claim))
        .route("/network/pairing/{name}/revoke", get(page::confirm_revoke).post(actions::revoke))
        .route("/network/mesh/subscribe", post(actions::subscribe));
    for (path, kind, text) in ASSETS {
        router = router.route(path, get(async move || ([(header::CONTENT_TYPE, kind)], text)));
    }
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn_with_state(Arc::clone(&console), admit))
        .with_state(console)
}

async fn view(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    uri: Uri,
    axum::extract::Query(query): axum::extract::Query<BTreeMap<String, String>>,
) -> Response {
    match Place::parse(uri.path()) {
        Some(place) => show(&console, &visitor, Asked { place, query, failed: None }).await,
        None => refusal(StatusCode::NOT_FOUND, "There is no such page."),
    }
}

async fn login_form(State(console): State<Arc<Console>>, visitor: Visitor) -> Response {
    if visitor.form.is_empty() {
        login_page(&console, "").into_response()
    } else {
        Redirect::to("/").into_response()
    }
}

async fn log_in(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Response {
    let token = fields.get("token").map(|token| token.trim()).unwrap_or_default();
    let who = match &console.access {
        Access::Local => return Redirect::to("/").into_response(),
        Access::Token { all, .. } if all.is_of(token) => Ok(Who::Holder),
        Access::Token { look, .. } if look.is_of(token) => Ok(Who::Viewer),
        Access::Token { .. } => Err("This is not the token of this console.".to_owned()),
        Access::Cluster(cluster) => cluster.person(token).await.map(|person| Who::Person(Box::new(person))),
    };
    let cookie = match who {
        Ok(who) => console.sessions.begin(who, Instant::now()).map_err(|error| error.to_string()),
        Err(why) => Err(why),
    };
    match cookie {
        Ok(cookie) => {
            let lasts = sessions::LASTS.as_secs();
            let header = set_cookie(&visitor.cookie_name, &cookie, lasts);
            ([(header::SET_COOKIE, header)], Redirect::to("/")).into_response()
        }
        Err(why) => {
            tracing::warn!(reason = "Token", "the console refused a login");
            (StatusCode::FORBIDDEN, login_page(&console, &why)).into_response()
        }
    }
}

async fn log_out(State(console): State<Arc<Console>>, posted: Posted) -> Response {
    if let Some(cookie) = &posted.visitor.cookie {
        console.sessions.end(cookie);
    }
    let gone = set_cookie(&posted.visitor.cookie_name, "", 0);
    ([(header::SET_COOKIE, gone)], Redirect::to("/login")).into_response()
}

/// Scripts do not see it, other sites do not send it.
fn set_cookie(name: &str, value: &str, seconds: u64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    HeaderValue::try_from(text).expect("names and values of our cookies are letters, digits and dashes")
}
