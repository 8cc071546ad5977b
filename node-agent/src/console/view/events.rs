//! Events: what happened to our objects, the newest first.

use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;

use super::{Cell, Part, Row, Table, Tone, ago};

/// Rows that a page shows.
const ROWS_MAX: usize = 200;

/// The page.
pub(crate) fn parts(events: &[impl AsRef<Event>], now: Timestamp) -> Vec<Part> {
    let mut ours: Vec<(Timestamp, &Event)> = events
        .iter()
        .map(AsRef::as_ref)
        .filter(|event| is_ours(event))
        .filter_map(|event| Some((last(event)?, event)))
        .collect();
    ours.sort_by_key(|(time, event)| (std::cmp::Reverse(*time), event.metadata.uid.clone()));
    let rows = ours.into_iter().take(ROWS_MAX).map(|(time, event)| row(event, time, now));
    let table = Table {
        id: "events",
        title: String::new(),
        columns: &["Ago", "Object", "What", "Note"],
        rows: rows.collect(),
        empty: "Nothing has happened in the last hour.",
    };
    vec![table.part()]
}

fn is_ours(event: &Event) -> bool {
    let version = event.regarding.as_ref().and_then(|regarding| regarding.api_version.as_deref());
    version.is_some_and(|version| version.starts_with(&format!("{}/", lineshaft_crds::GROUP)))
}

fn last(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref().map(|series| series.last_observed_time.0);
    series
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

fn row(event: &Event, time: Timestamp, now: Timestamp) -> Row {
    let regarding = event.regarding.clone().unwrap_or_default();
    let tone = if event.type_.as_deref() == Some("Warning") { Tone::Bad } else { Tone::Plain };
    let repeated = event.series.as_ref().map(|series| format!("{} times", series.count));
    Row {
        id: format!("event-{}", event.metadata.uid.as_deref().unwrap_or_default()),
        cells: vec![
            Cell::new(ago(now.as_second() - time.as_second())).note(repeated.unwrap_or_default()),
            Cell::new(regarding.name.unwrap_or_default()).note(regarding.kind.unwrap_or_default()),
            Cell::new(event.reason.clone().unwrap_or_default()).tone(tone),
            Cell::new(event.note.clone().unwrap_or_default()),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::super::tests::object;
    use super::*;

    fn event(uid: &str, kind: &str, version: &str, time: &str) -> Arc<Event> {
        object(
            json!({"metadata": {"uid": uid, "name": uid, "namespace": "plant"}, "eventTime": time, "type": "Warning",
            "regarding": {"apiVersion": version, "kind": kind, "name": "filler"}, "reason": uid, "note": "valve: refused"}),
        )
    }

    #[test]
    fn ours_only_and_the_newest_first() {
        let ours = "lineshaft.dev/v1alpha1";
        let events = [
            event("Older", "PlcRuntime", ours, "2026-11-21T08:00:00.000000Z"),
            event("Newer", "PlcRuntime", ours, "2026-11-21T08:01:00.000000Z"),
            event("Foreign", "Pod", "v1", "2026-11-21T08:01:00.000000Z"),
        ];
        let html = parts(&events, "2026-11-21T08:02:00Z".parse().unwrap())[0].html.clone();
        assert!(html.find("Newer") < html.find("Older"), "{html}");
        assert!(
            !html.contains("Foreign") && html.contains("valve: refused") && html.contains("2 min"),
            "{html}"
        );
    }
}
