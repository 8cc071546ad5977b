//! Who sent a request: checked before any handler runs, and told to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Form, FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::Instant;

use super::Console;
use super::cluster::Person;
use super::guard::{self, Asked, Verdict};
use super::page::refusal;
use super::sessions::{Session, Who};

/// Name of the session's cookie, before the port: browsers give cookies to every port of a host.
const COOKIE: &str = "lineshaft-session";
/// Sent with every answer: nothing from elsewhere, no frames, no guesses at types, no copies.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // With less than this browsers send `Origin: null` with a form.
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Somebody who was let in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    /// Their session; none where there is no login.
    pub(crate) session: Option<Arc<Session>>,
    /// The cookie of that session.
    pub(crate) cookie: Option<String>,
    /// What their forms carry.
    pub(crate) form: String,
    /// Name of the cookie.
    pub(crate) cookie_name: String,
}

impl Visitor {
    /// Somebody whom the API server knows.
    pub(crate) fn person(&self) -> Option<&Person> {
        match &self.session.as_ref()?.who {
            Who::Person(person) => Some(person),
            Who::Holder | Who::Viewer => None,
        }
    }

    /// Whether they may only look.
    pub(crate) fn is_viewer(&self) -> bool {
        self.session.as_ref().is_some_and(|session| matches!(session.who, Who::Viewer))
    }

    /// Who they are, as others read it.
    pub(crate) fn name(&self) -> &str {
        match self.session.as_ref().map(|session| &session.who) {
            None => "somebody at the machine of the console",
            Some(Who::Holder) => "the holder of the console's token",
            Some(Who::Viewer) => "the holder of the token to look",
            Some(Who::Person(person)) => person.name(),
        }
    }

    /// Whether what was let in still is.
    pub(crate) fn is_still_in(&self, console: &Console) -> bool {
        let Some(cookie) = &self.cookie else { return true };
        console.sessions.find(cookie, Instant::now()).is_some()
    }
}

/// A form of one of our pages.
pub(crate) struct Posted {
    pub(crate) visitor: Visitor,
    fields: BTreeMap<String, String>,
}

impl Posted {
    /// A field without space around it; empty if it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", |value| value.trim())
    }
}

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let visitor = request.extensions().get::<Visitor>().cloned().unwrap_or_default();
        let path = request.uri().path().to_owned();
        let form = Form::<BTreeMap<String, String>>::from_request(request, state).await;
        let Form(fields) = form.map_err(IntoResponse::into_response)?;
        let token = fields.get("form").map(String::as_str).unwrap_or_default();
        if visitor.form.is_empty() || !guard::equal(token, &visitor.form) {
            tracing::warn!(reason = "FormToken", "the console refused a form");
            return Err(refusal(
                StatusCode::FORBIDDEN,
                "The form is not of this session. Go back, load the page again, and repeat what you did.",
            ));
        }
        // Whoever may only look may still leave.
        if visitor.is_viewer() && path != "/logout" {
            return Err(refusal(StatusCode::FORBIDDEN, "The token that you logged in with may only look."));
        }
        Ok(Self { visitor, fields })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// Lets a request in or not, and puts the headers on the answer.
pub(crate) async fn admit(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    let mut response = match enter(&console, &mut request) {
        Ok(()) => next.run(request).await,
        Err(response) => *response,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn enter(console: &Console, request: &mut Request) -> Result<(), Box<Response>> {
    let refused = |status, why: &str| Box::new(refusal(status, why));
    let unknown = || refused(StatusCode::INTERNAL_SERVER_ERROR, "It is not known who asks.");
    let ConnectInfo(source) = request.extensions().get::<ConnectInfo<SocketAddr>>().ok_or_else(unknown)?;
    let source = source.ip();
    let visitor = visitor(console, request.headers());
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let path = request.uri().path();
    let is_known = !visitor.form.is_empty();
    let asked = Asked {
        source,
        host: text(header::HOST),
        origin: text(header::ORIGIN),
        changes: !matches!(*request.method(), Method::GET | Method::HEAD),
        session: is_known.then_some(visitor.form.as_str()),
        public: path == "/login" || path.starts_with("/assets/"),
    };
    match guard::judge(console.access.entrance(), &asked) {
        Verdict::Allowed => {
            request.extensions_mut().insert(visitor);
            Ok(())
        }
        Verdict::LogIn if asked.changes || path == "/events" => {
            Err(refused(StatusCode::UNAUTHORIZED, "You are not logged in any more."))
        }
        Verdict::LogIn => Err(Box::new(Redirect::to("/login").into_response())),
        Verdict::Refused(why) => {
            tracing::warn!(%source, reason = ?why, "the console refused a request");
            Err(refused(StatusCode::FORBIDDEN, why.sentence()))
        }
    }
}

fn visitor(console: &Console, headers: &HeaderMap) -> Visitor {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let port: String = port.chars().filter(char::is_ascii_digit).collect();
    let cookie_name = format!("{COOKIE}-{port}");
    if console.access.entrance() == guard::Entrance::Local {
        return Visitor { form: console.form.clone(), cookie_name, ..Visitor::default() };
    }
    let cookie = cookie(headers, &cookie_name);
    let session = cookie.and_then(|cookie| console.sessions.find(cookie, Instant::now()));
    Visitor {
        form: session.as_ref().map(|session| session.form.clone()).unwrap_or_default(),
        cookie: session.is_some().then(|| cookie.unwrap_or_default().to_owned()),
        session,
        cookie_name,
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_told_apart_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; lineshaft-session-18102=two"));
        headers.append(header::COOKIE, HeaderValue::from_static("lineshaft-session-18101=one;b"));
        assert_eq!(cookie(&headers, "lineshaft-session-18101"), Some("one"));
        assert_eq!(cookie(&headers, "lineshaft-session-18102"), Some("two"));
        assert_eq!(cookie(&headers, "lineshaft-session-1810"), None);
    }
}
