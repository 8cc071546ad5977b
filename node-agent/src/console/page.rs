//! Pages: what is read for each, and the shell around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use kube::ResourceExt;
use lineshaft_crds::PlcRuntime;

use super::cluster::Deed;
use super::place::{Place, RuntimeName};
use super::view::variables::{Look, filter};
use super::view::{self, Part, Tone, note, render};
use super::visitor::Visitor;
use super::writing::may_write;
use super::{Access, Console};

/// A page that somebody wants to see.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) place: Place,
    /// What stands behind the `?`.
    pub(crate) query: BTreeMap<String, String>,
    /// Why what they did just now did not work.
    pub(crate) failed: Option<String>,
}

impl Asked {
    fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

#[derive(Template)]
#[template(path = "console/shell.html")]
struct Shell<'a> {
    title: &'a str,
    node: &'a str,
    path: &'a str,
    links: [(&'static str, &'static str); 5],
    live: String,
    refresh: bool,
    failed: &'a str,
    parts: &'a [Part],
    above: String,
    below: String,
    form: &'a str,
    person: &'a str,
    has_session: bool,
}

#[derive(Template)]
#[template(path = "console/filter.html")]
struct FilterForm<'a> {
    filter: &'a str,
}

#[derive(Template)]
#[template(path = "console/add.html")]
struct AddForm<'a> {
    form: &'a str,
}

#[derive(Template)]
#[template(path = "console/pair.html")]
struct PairForms<'a> {
    form: &'a str,
    peers: Vec<(String, String, bool)>,
    other: bool,
}

#[derive(Template)]
#[template(path = "console/subscribe.html")]
struct SubscribeForm<'a> {
    form: &'a str,
    runtimes: Vec<String>,
}

#[derive(Template)]
#[template(path = "console/confirm.html")]
struct Confirm<'a> {
    form: &'a str,
    question: String,
    deed: &'static str,
    action: String,
    back: &'static str,
}

#[derive(Template)]
#[template(path = "console/login.html")]
struct Login<'a> {
    node: &'a str,
    what: &'static str,
    failed: &'a str,
}

#[derive(Template)]
#[template(path = "console/refusal.html")]
struct Refused<'a> {
    why: &'a str,
}

/// The navigation.
const LINKS: [(&str, &str); 5] = [
    ("/", "Overview"),
    ("/network/discovery", "Discovery"),
    ("/network/pairing", "Pairing"),
    ("/network/mesh", "Mesh connections"),
    ("/story", "Events"),
];

/// A page, for whoever may see it.
pub(crate) async fn show(console: &Console, visitor: &Visitor, asked: Asked) -> Response {
    let parts = match parts(console, visitor, &asked).await {
        Ok(parts) => parts,
        Err(why) => return refusal(StatusCode::FORBIDDEN, &why),
    };
    let status = match (&asked.failed, &asked.place) {
        (Some(_), _) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, Place::Variables(runtime)) if uid(console, runtime).is_none() => StatusCode::NOT_FOUND,
        (None, _) => StatusCode::OK,
    };
    let path = asked.place.path();
    let filter = asked.query("q");
    let live = format!("/events?page={path}&q={}", percent(filter));
    let title = asked.place.title();
    let (above, below) = forms(console, visitor, &asked);
    let shell = Shell {
        title: &title,
        node: &console.node_name,
        path: &path,
        links: LINKS,
        live,
        // A page that is loaded anew loses what was typed into its forms.
        refresh: below.is_empty(),
        failed: asked.failed.as_deref().unwrap_or_default(),
        parts: &parts,
        above,
        below,
        form: &visitor.form,
        person: visitor.person().map_or("", |person| person.name()),
        has_session: visitor.session.is_some(),
    };
    (status, Html(render(&shell))).into_response()
}

/// The parts of a page that change while it is open; a sentence for those who may not see them.
pub(crate) async fn parts(console: &Console, visitor: &Visitor, asked: &Asked) -> Result<Vec<Part>, String> {
    may_see(console, visitor, &asked.place).await?;
    let (stores, now) = (&console.stores, Timestamp::now());
    let mut parts = vec![note("api-note", Tone::Bad, &stores.interrupted().unwrap_or_default())];
    parts.extend(match &asked.place {
        Place::Overview => {
            let figures = view::overview::figures(&console.registry.gather());
            view::overview::parts(&stores.nodes(), &stores.runtimes(), &stores.subscriptions(), &figures)
        }
        Place::Variables(runtime) => {
            let may_write = may_write(console, visitor, runtime).await.is_ok();
            let look = look(console, runtime, asked.query("q")).await;
            view::variables::parts(&look, may_write.then(|| asked.place.path()).as_deref())
        }
        Place::Discovery => view::discovery::parts(&stores.peers(), now),
        Place::Pairing => view::pairing::parts(&stores.pairings(), now),
        Place::Mesh => view::mesh::parts(&stores.subscriptions(), &console.mesh.posted()),
        Place::Events => view::events::parts(&stores.events(), now),
    });
    Ok(parts)
}

pub(crate) async fn may_see(console: &Console, visitor: &Visitor, place: &Place) -> Result<(), String> {
    if visitor.is_viewer() && *place == Place::Pairing {
        return Err(
            "The token that you logged in with does not show pairings: an open one has a code.".to_owned()
        );
    }
    let Access::Cluster(cluster) = &console.access else { return Ok(()) };
    let Some(person) = visitor.person() else { return Err("You are not logged in any more.".to_owned()) };
    for (group, resource) in place.resources() {
        let deed = Deed { verb: "list", group, resource, namespace: String::new() };
        if !cluster.may(person, &deed).await {
            let name = person.name();
            return Err(format!("{name} may not list {resource}.{group} in the whole cluster."));
        }
    }
    Ok(())
}

async fn look(console: &Console, runtime: &RuntimeName, wanted: &str) -> Look {
    let Some(uid) = uid(console, runtime) else {
        return Look::Nothing(format!("There is no runtime {runtime} here."));
    };
    let runtimes = console.stores.runtimes();
    let alive = |uid: &str| runtimes.iter().any(|runtime| runtime.uid().as_deref() == Some(uid));
    match console.looks.look(&uid, alive).await {
        Err(why) => Look::Nothing(why),
        Ok(seen) => {
            let received = console.mesh.received(&uid);
            let (shown, all) = filter(&seen.variables, wanted);
            let shown = shown.into_iter().cloned().map(|variable| variable.with(&received));
            Look::Values { scan: seen.scan, shown: shown.collect(), all }
        }
    }
}

fn uid(console: &Console, runtime: &RuntimeName) -> Option<String> {
    runtime_of(console, runtime)?.uid()
}

/// The object of a runtime that is shown here.
pub(crate) fn runtime_of(console: &Console, runtime: &RuntimeName) -> Option<Arc<PlcRuntime>> {
    console.stores.runtimes().into_iter().find(|object| RuntimeName::of(object) == *runtime)
}

/// A page around something that stays as it is.
pub(crate) fn still(
    console: &Console,
    visitor: &Visitor,
    title: &str,
    path: &str,
    failed: &str,
    below: String,
) -> String {
    render(&Shell {
        title,
        node: &console.node_name,
        path,
        links: LINKS,
        live: String::new(),
        refresh: false,
        failed,
        parts: &[],
        above: String::new(),
        below,
        form: &visitor.form,
        person: visitor.person().map_or("", |person| person.name()),
        has_session: visitor.session.is_some(),
    })
}

/// What stands above and below the parts, and stays as it is while they change.
fn forms(console: &Console, visitor: &Visitor, asked: &Asked) -> (String, String) {
    let form = visitor.form.as_str();
    match &asked.place {
        Place::Overview | Place::Events => Default::default(),
        Place::Variables(_) => (render(&FilterForm { filter: asked.query("q") }), String::new()),
        Place::Discovery => (String::new(), render(&AddForm { form })),
        Place::Pairing => {
            let wanted = asked.query("peer");
            let peers: Vec<(String, String, bool)> = console
                .stores
                .peers()
                .iter()
                .map(|peer| {
                    let name = peer.name_any();
                    let service = peer.status.as_ref().and_then(|status| status.service_name.clone());
                    let chosen = name == wanted;
                    (name.clone(), service.unwrap_or(name), chosen)
                })
                .collect();
            let other = peers.iter().all(|(_, _, chosen)| !chosen);
            (String::new(), render(&PairForms { form, peers, other }))
        }
        Place::Mesh => {
            let names = console.stores.runtimes();
            let runtimes = names.iter().map(|object| RuntimeName::of(object).to_string()).collect();
            (String::new(), render(&SubscribeForm { form, runtimes }))
        }
    }
}

/// Asks before a pairing is revoked.
pub(crate) async fn confirm_revoke(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Response {
    let question = format!(
        "Revoke pairing {name}? Its connections close at once, and what is received over them becomes stale."
    );
    confirm(&console, &visitor, Place::Pairing, question, "Revoke", format!("/network/pairing/{name}/revoke"))
        .await
}

/// Asks before a peer is removed.
pub(crate) async fn confirm_remove(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Response {
    let question = format!("Remove peer {name}? Its pairing stays; a peer that is discovered comes back.");
    confirm(&console, &visitor, Place::Discovery, question, "Remove", format!("/network/peers/{name}/remove"))
        .await
}

async fn confirm(
    console: &Console,
    visitor: &Visitor,
    place: Place,
    question: String,
    deed: &'static str,
    action: String,
) -> Response {
    if let Err(why) = may_see(console, visitor, &place).await {
        return refusal(StatusCode::FORBIDDEN, &why);
    }
    let back = if place == Place::Pairing { "/network/pairing" } else { "/network/discovery" };
    Html(render(&Confirm { form: &visitor.form, question, deed, action, back })).into_response()
}

/// The login.
pub(crate) fn login_page(console: &Console, failed: &str) -> Html<String> {
    let what = match console.access {
        Access::Cluster(_) => "Token of Kubernetes",
        Access::Local | Access::Token { .. } => "Token of this console",
    };
    Html(render(&Login { node: &console.node_name, what, failed }))
}

/// A page that says no.
pub(crate) fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Html(render(&Refused { why }))).into_response()
}

/// A text as it may stand in a query.
pub(crate) fn percent(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_encoded() {
        assert_eq!(percent("Main.x_1 &ä"), "Main.x_1%20%26%C3%A4");
    }
}
