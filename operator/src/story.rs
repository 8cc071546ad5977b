//! Events: the story of an object as `kubectl describe` tells it. Told on transitions only.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::Client;
use kube::core::ObjectMeta;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Resource, ResourceExt};
use lineshaft_api_client::{Reachability, bounded, sentence};
use lineshaft_crds::story::{Writer, is_event};

/// Name under which events are reported.
const CONTROLLER: &str = "lineshaft-operator";
/// The API server refuses longer notes.
const LONGEST_NOTE_BYTES: usize = 1024;

/// One sentence of a story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chapter {
    pub(crate) kind: EventType,
    /// In PascalCase, for programs.
    pub(crate) reason: &'static str,
    /// What the operator did, in PascalCase.
    pub(crate) action: &'static str,
    /// For people.
    pub(crate) note: String,
}

impl Chapter {
    pub(crate) fn normal(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        debug_assert!(is_event(Writer::Operator, false, reason), "{reason} is not documented");
        Self { kind: EventType::Normal, reason, action, note: note.into() }
    }

    pub(crate) fn warning(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        debug_assert!(is_event(Writer::Operator, true, reason), "{reason} is not documented");
        Self { kind: EventType::Warning, reason, action, note: note.into() }
    }
}

/// Publishes chapters.
pub(crate) struct Storyteller {
    client: Client,
    api: Reachability,
    reporter: Reporter,
    told: Mutex<HashMap<(String, &'static str), Told>>,
}

/// A recorder counts repetitions in the event that it wrote first, with the note of then. So a new note needs a new one.
#[derive(Clone)]
struct Told {
    note: String,
    recorder: Recorder,
}

impl Storyteller {
    pub(crate) fn new(client: Client, identity: &str, api: Reachability) -> Self {
        let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(identity.to_owned()) };
        Self { client, api, reporter, told: Mutex::default() }
    }

    /// Publishes; a failure is logged and forgotten, since no event is worth a failed reconciliation.
    pub(crate) async fn tell<K: Resource<DynamicType = ()>>(&self, object: &K, chapters: Vec<Chapter>) {
        for Chapter { kind, reason, action, note } in chapters {
            let note = bounded(&note, LONGEST_NOTE_BYTES);
            let recorder = self.recorder(object.uid().unwrap_or_default(), reason, &note);
            let event = Event {
                type_: kind,
                reason: reason.to_owned(),
                note: Some(note),
                action: action.to_owned(),
                secondary: None,
            };
            if let Err(error) = recorder.publish(&event, &object.object_ref(&())).await
                && !self.api.is_away()
            {
                tracing::warn!(
                    error = sentence(&error),
                    object = object.name_any(),
                    reason,
                    "cannot publish an event"
                );
            }
        }
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, metadata: &ObjectMeta) {
        if let Some(uid) = &metadata.uid {
            self.told.lock().unwrap_or_else(PoisonError::into_inner).retain(|(told, _), _| told != uid);
        }
    }

    fn recorder(&self, uid: String, reason: &'static str, note: &str) -> Recorder {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Told {
            note: note.to_owned(),
            recorder: Recorder::new(self.client.clone(), self.reporter.clone()),
        };
        let entry = told.entry((uid, reason)).or_insert_with(fresh);
        if entry.note != note {
            *entry = fresh();
        }
        entry.recorder.clone()
    }
}
