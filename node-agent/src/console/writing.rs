//! A value for a variable: a form, a question with the old and the new value, the deed, an event that says who did it.
//!
//! The keeper decides what may be written and parses the value; here is decided who may write.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};
use lineshaft_api_client::{bounded, sentence};
use lineshaft_crds::PlcRuntime;
use lineshaft_crds::story::{self, Writer};
use lineshaft_plc_runtime::client::WriteOutcome;
use lineshaft_plc_runtime::protocol::{ValueChange, Write, Written};

use super::cluster::Deed;
use super::page::{may_see, percent, refusal, runtime_of, still};
use super::place::{Place, RuntimeName};
use super::view::render;
use super::view::variables::text;
use super::visitor::{Posted, Visitor};
use super::{Access, Console};

/// Of the event.
const REASON: &str = "VariableWritten";
/// Limit of the API.
const NOTE_BYTES_MAX: usize = 1024;

#[derive(Template)]
#[template(path = "console/write.html")]
struct Blank<'a> {
    form: &'a str,
    page: &'a str,
    path: &'a str,
    value: &'a str,
}

#[derive(Template)]
#[template(path = "console/written.html")]
struct Question<'a> {
    form: &'a str,
    page: &'a str,
    runtime: String,
    change: &'a ValueChange,
    old: String,
    new: String,
    value: &'a str,
}

/// A runtime that somebody may write to.
struct Target {
    name: RuntimeName,
    object: Arc<PlcRuntime>,
}

/// Whether a visitor may write variables of a runtime; else why not.
pub(crate) async fn may_write(
    console: &Console,
    visitor: &Visitor,
    runtime: &RuntimeName,
) -> Result<(), String> {
    if visitor.is_viewer() {
        return Err("The token that you logged in with may only look.".to_owned());
    }
    let Access::Cluster(cluster) = &console.access else { return Ok(()) };
    let Some(person) = visitor.person() else { return Err("You are not logged in any more.".to_owned()) };
    let (group, resource) = (lineshaft_crds::GROUP, "plcruntimes/variables");
    let deed = Deed { verb: "update", group, resource, namespace: runtime.namespace.clone() };
    if cluster.may(person, &deed).await {
        return Ok(());
    }
    let (name, namespace) = (person.name(), &runtime.namespace);
    Err(format!("{name} may not update plcruntimes/variables.{group} in the namespace {namespace}."))
}

/// `GET /runtimes/{runtime}/variables/write?path=PATH`
pub(crate) async fn form(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Path(runtime): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    match target(&console, &visitor, &runtime).await {
        Ok(target) => {
            let path = query.get("path").map_or("", String::as_str);
            filled(&console, &visitor, &target, path, "", "").into_response()
        }
        Err(refused) => *refused,
    }
}

/// `POST /runtimes/{runtime}/variables/check`: asks before it is done.
pub(crate) async fn check(
    State(console): State<Arc<Console>>,
    Path(runtime): Path<String>,
    posted: Posted,
) -> Response {
    let visitor = &posted.visitor;
    let target = match target(&console, visitor, &runtime).await {
        Ok(target) => target,
        Err(refused) => return *refused,
    };
    let (path, value) = (posted.get("path"), posted.get("value"));
    let change = match ask(&console, &target, path, value, true).await {
        Ok(mut written) => written.changes.pop(),
        Err(why) => return failed(&console, visitor, &target, path, value, &why),
    };
    let Some(change) = change else {
        return failed(&console, visitor, &target, path, value, "The keeper did not answer.");
    };
    let page = Place::Variables(target.name.clone()).path();
    let (old, new) = (text(&change.before), text(&change.after));
    let form = visitor.form.as_str();
    let runtime = target.name.to_string();
    let question = render(&Question { form, page: &page, runtime, change: &change, old, new, value });
    Html(still(&console, visitor, "Are you sure?", &page, "", question)).into_response()
}

/// `POST /runtimes/{runtime}/variables/write`
pub(crate) async fn write(
    State(console): State<Arc<Console>>,
    Path(runtime): Path<String>,
    posted: Posted,
) -> Response {
    let visitor = &posted.visitor;
    let target = match target(&console, visitor, &runtime).await {
        Ok(target) => target,
        Err(refused) => return *refused,
    };
    let (path, value) = (posted.get("path"), posted.get("value"));
    match ask(&console, &target, path, value, false).await {
        Ok(written) => {
            tell(&console, visitor, &target, &written).await;
            let page = Place::Variables(target.name).path();
            Redirect::to(&format!("{page}?q={}", percent(path))).into_response()
        }
        Err(why) => failed(&console, visitor, &target, path, value, &why),
    }
}

async fn target(console: &Console, visitor: &Visitor, runtime: &str) -> Result<Target, Box<Response>> {
    let refused = |status, why: &str| Box::new(refusal(status, why));
    let unknown = || refused(StatusCode::NOT_FOUND, "There is no such runtime here.");
    let name = RuntimeName::parse(runtime).ok_or_else(unknown)?;
    let forbidden = |why: String| refused(StatusCode::FORBIDDEN, &why);
    may_see(console, visitor, &Place::Variables(name.clone())).await.map_err(forbidden)?;
    may_write(console, visitor, &name).await.map_err(forbidden)?;
    let object = runtime_of(console, &name).ok_or_else(unknown)?;
    Ok(Target { name, object })
}

/// Asks the keeper to write, or only what would change; a sentence if it refuses.
async fn ask(
    console: &Console,
    target: &Target,
    path: &str,
    value: &str,
    only_check: bool,
) -> Result<Written, String> {
    if path.is_empty() || value.is_empty() {
        return Err("Name a variable and give it a value.".to_owned());
    }
    let writes = vec![Write { path: path.to_owned(), literal: value.to_owned() }];
    let uid = target.object.uid().unwrap_or_default();
    let answer = console
        .looks
        .ask(&uid, move |keeper| if only_check { keeper.check_write(writes) } else { keeper.write(writes) });
    match answer.await? {
        WriteOutcome::Written(written) => Ok(written),
        WriteOutcome::Refused(problem) => Err(format!("Nothing was written: {}.", problem.message)),
    }
}

/// Says who did it. Whoever may write needs no right to make events: the agent tells this one.
async fn tell(console: &Console, visitor: &Visitor, target: &Target, written: &Written) {
    debug_assert!(story::is_event(Writer::Agent, false, REASON), "{REASON} is not documented");
    let who = visitor.name();
    let scan = written.after_scan.unwrap_or_default();
    for ValueChange { path, before, after, .. } in &written.changes {
        let note = format!("{who} wrote {path}: {} to {}, after scan {scan}", text(before), text(after));
        tracing::info!(runtime = %target.name, note, "a variable was written");
        let event = Event {
            type_: EventType::Normal,
            reason: REASON.to_owned(),
            note: Some(bounded(&note, NOTE_BYTES_MAX)),
            action: "Writing".to_owned(),
            secondary: None,
        };
        let Some(client) = console.client.borrow().clone() else { continue };
        let reporter =
            Reporter { controller: "lineshaft-agent".to_owned(), instance: Some(console.node_name.clone()) };
        // One of its own each time: a recorder would count a second write as the first one again.
        let recorder = Recorder::new(client, reporter);
        if let Err(error) = recorder.publish(&event, &target.object.object_ref(&())).await {
            tracing::warn!(note, error = sentence(&error), "the event of a write was not published");
        }
    }
}

fn filled(
    console: &Console,
    visitor: &Visitor,
    target: &Target,
    path: &str,
    value: &str,
    failed: &str,
) -> Html<String> {
    let page = Place::Variables(target.name.clone()).path();
    let below = render(&Blank { form: &visitor.form, page: &page, path, value });
    let title = format!("Write a variable of {}", target.name);
    Html(still(console, visitor, &title, &page, failed, below))
}

fn failed(
    console: &Console,
    visitor: &Visitor,
    target: &Target,
    path: &str,
    value: &str,
    why: &str,
) -> Response {
    let page = filled(console, visitor, target, path, value, why);
    (StatusCode::UNPROCESSABLE_ENTITY, page).into_response()
}
