//! The event stream: which elements of a page are to be replaced, while somebody looks at it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use futures::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::Console;
use super::page::{Asked, parts, refusal};
use super::place::Place;
use super::view::{Part, changes};
use super::visitor::Visitor;

/// At most four updates a second.
const EVERY: Duration = Duration::from_millis(250);
/// Ages and countdowns move although no object does.
const CLOCK: Duration = Duration::from_secs(1);

struct Watching {
    console: Arc<Console>,
    visitor: Visitor,
    asked: Asked,
    ticks: Interval,
    seen: Vec<Part>,
    /// Count of changes at the last look, and when that was.
    looked: Option<(u64, Instant)>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

/// `GET /events?page=PATH`
pub(crate) async fn events(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let Some(place) = query.get("page").and_then(|path| Place::parse(path)) else {
        return refusal(StatusCode::NOT_FOUND, "There is no such page.");
    };
    let Ok(permit) = Arc::clone(&console.streams).try_acquire_owned() else {
        return refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many pages are open: reload this one to see it as it is.",
        );
    };
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let asked = Asked { place, query, failed: None };
    let watching = Watching {
        console,
        visitor,
        asked,
        ticks,
        seen: Vec::new(),
        looked: None,
        ended: false,
        _place: permit,
    };
    Sse::new(stream(watching)).keep_alive(KeepAlive::default()).into_response()
}

fn stream(watching: Watching) -> impl Stream<Item = Result<Event, Infallible>> {
    unfold(watching, |mut watching| async move {
        let event = watching.next().await?;
        Some((Ok(event), watching))
    })
}

impl Watching {
    async fn next(&mut self) -> Option<Event> {
        let stop = self.console.stop.clone();
        while !self.ended {
            tokio::select! {
                () = stop.cancelled() => return None,
                _ = self.ticks.tick() => {}
            }
            if !self.visitor.is_still_in(&self.console) {
                self.ended = true;
                return Some(Event::default().event("left").data("ended"));
            }
            if !self.is_due() {
                continue;
            }
            let Ok(now) = parts(&self.console, &self.visitor, &self.asked).await else {
                self.ended = true;
                return Some(Event::default().event("left").data("ended"));
            };
            let changed = changes(&self.seen, &now);
            let text = (!changed.is_empty()).then(|| serde_json::to_string(&changed));
            let event = text.and_then(Result::ok).map(|text| Event::default().data(text));
            self.seen = now;
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Whether there may be something new.
    fn is_due(&mut self) -> bool {
        let (count, now) = (*self.console.stores.changes().borrow(), Instant::now());
        let is_due = matches!(self.asked.place, Place::Variables(_))
            || self.looked.is_none_or(|(seen, at)| seen != count || now - at >= CLOCK);
        if is_due {
            self.looked = Some((count, now));
        }
        is_due
    }
}
