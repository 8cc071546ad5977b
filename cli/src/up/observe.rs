//! Watches our objects and their events, and shows them: a table on a terminal, lines elsewhere.

use std::collections::HashSet;
use std::time::Instant;

use futures::stream::{BoxStream, StreamExt, select_all};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::jiff::{Timestamp, tz::TimeZone};
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use lineshaft_api_client::{WatchBackoff, sentence};
use tokio_util::sync::CancellationToken;

use super::overview::{ObjectName, Overview, Row};
use super::plant::seconds;
use super::resource;
use super::screen::Screen;

/// One thing that was seen.
enum Seen {
    Object(ObjectName, Row),
    Gone(ObjectName),
    Event(Box<Event>),
    EventGone(Option<String>),
}

/// Shows until stopped. `footer` stands below the table, `begun` says since when everything is awaited.
pub(crate) async fn observe(
    client: Client,
    screen: Screen,
    footer: String,
    begun: Instant,
    stop: CancellationToken,
) {
    let started = Timestamp::now();
    let mut awaited = true;
    let mut overview = Overview::default();
    let mut told = HashSet::new();
    let mut streams: Vec<BoxStream<'static, Seen>> =
        resource::shown().map(|resource| objects(&client, resource)).collect();
    streams.push(events(&client));
    let mut seen = select_all(streams);
    loop {
        let next = tokio::select! {
            () = stop.cancelled() => return,
            next = seen.next() => next,
        };
        let Some(next) = next else { return };
        let line = match next {
            Seen::Object(name, row) => overview.put(name, row),
            Seen::Gone(name) => overview.remove(&name),
            // A watch that begins again, as after an outage, brings what was said before.
            Seen::Event(event) if !told.insert((event.metadata.uid.clone(), event.resource_version())) => {
                None
            }
            Seen::Event(event) => put_event(&mut overview, &event, started),
            Seen::EventGone(uid) => {
                told.retain(|(told, _)| *told != uid);
                None
            }
        };
        if awaited && overview.is_ready() {
            awaited = false;
            screen.line(&format!("everything is Ready after {}", seconds(begun)));
        }
        if screen.is_terminal() {
            screen.draw(format!("\n{}\n\n{footer}", overview.table()));
        } else if let Some(line) = line {
            screen.line(&line);
        }
    }
}

fn objects(client: &Client, resource: ApiResource) -> BoxStream<'static, Seen> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let kind = resource.kind;
    let name = move |object: &DynamicObject| {
        ObjectName::new(object.metadata.namespace.as_deref().unwrap_or_default(), &kind, &object.name_any())
    };
    watcher(api, watcher::Config::default())
        .backoff(WatchBackoff::new("lineshaft-up"))
        .filter_map(move |event| {
            let seen = match event {
                Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                    let name = name(&object);
                    serde_json::to_value(&object).ok().map(|value| Seen::Object(name, Row::of(&value)))
                }
                Ok(watcher::Event::Delete(object)) => Some(Seen::Gone(name(&object))),
                Ok(watcher::Event::Init | watcher::Event::InitDone) => None,
                Err(error) => {
                    tracing::debug!(error = sentence(&error), "watch of our objects");
                    None
                }
            };
            std::future::ready(seen)
        })
        .boxed()
}

fn events(client: &Client) -> BoxStream<'static, Seen> {
    let api: Api<Event> = Api::all(client.clone());
    watcher(api, watcher::Config::default())
        .backoff(WatchBackoff::new("lineshaft-up"))
        .filter_map(|event| {
            let seen = match event {
                Ok(watcher::Event::Apply(event) | watcher::Event::InitApply(event)) => {
                    Some(Seen::Event(Box::new(event)))
                }
                Ok(watcher::Event::Delete(event)) => Some(Seen::EventGone(event.metadata.uid)),
                Ok(_) => None,
                Err(error) => {
                    tracing::debug!(error = sentence(&error), "watch of events");
                    None
                }
            };
            std::future::ready(seen)
        })
        .boxed()
}

/// Events of an earlier run fill the table, but are not said again.
fn put_event(overview: &mut Overview, event: &Event, started: Timestamp) -> Option<String> {
    let regarding = event.regarding.as_ref()?;
    if !regarding.api_version.as_deref()?.starts_with(&format!("{}/", lineshaft_crds::GROUP)) {
        return None;
    }
    let name = ObjectName::new(
        regarding.namespace.as_deref().unwrap_or_default(),
        regarding.kind.as_deref()?,
        regarding.name.as_deref()?,
    );
    let time = event
        .series
        .as_ref()
        .map(|series| series.last_observed_time.0)
        .or(event.event_time.as_ref().map(|time| time.0))
        .or(event.metadata.creation_timestamp.as_ref().map(|time| time.0))?;
    let clock = time.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
    let reason = event.reason.as_deref().unwrap_or_default();
    let note = event.note.as_deref().unwrap_or_default();
    let line = overview.event(name, &clock, reason, note);
    (time >= started).then_some(line)
}
