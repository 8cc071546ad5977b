//! Kubernetes events: the story that `kubectl describe` tells.
//!
//! Whoever has something to tell never waits for the API server: events go through a bounded queue to one task.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use lineshaft_api_client::{Backoff, bounded};
use lineshaft_crds::story::{Writer, is_event};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::metrics::Metrics;

/// Name under which events are reported.
const CONTROLLER: &str = "lineshaft-agent";
/// Events that wait for the API server; more are dropped and counted.
const QUEUE_MAX: usize = 256;
/// Limit of the API.
const NOTE_BYTES_MAX: usize = 1024;
/// Longest wait for the API server with one event.
const PUBLISH_MAX: Duration = Duration::from_secs(10);
/// Recorders kept at most; see [`Publisher::recorder`].
const RECORDERS_MAX: usize = 1024;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// Something that a person should look at.
    pub(crate) warning: bool,
    /// One PascalCase word.
    pub(crate) reason: &'static str,
    /// What the agent was doing, one PascalCase word.
    pub(crate) action: &'static str,
    /// A sentence, the same for the same happening.
    pub(crate) note: String,
}

impl Happening {
    pub(crate) fn normal(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self::new(false, reason, action, note)
    }

    pub(crate) fn warning(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self::new(true, reason, action, note)
    }

    pub(crate) fn new(
        warning: bool,
        reason: &'static str,
        action: &'static str,
        note: impl Into<String>,
    ) -> Self {
        debug_assert!(is_event(Writer::Agent, warning, reason), "{reason} is not documented");
        Self { warning, reason, action, note: note.into() }
    }
}

/// Takes events from anywhere in the agent.
#[derive(Clone)]
pub(crate) struct Teller {
    queue: mpsc::Sender<(ObjectReference, Happening)>,
    metrics: Metrics,
}

impl Teller {
    /// Queues one; the log has it in any case.
    pub(crate) fn tell(&self, about: &ObjectReference, happening: Happening) {
        let object = about.name.as_deref().unwrap_or_default();
        let namespace = about.namespace.as_deref().unwrap_or_default();
        let Happening { warning, reason, note, .. } = &happening;
        if *warning {
            tracing::warn!(namespace, object, reason, "{note}");
        } else {
            tracing::info!(namespace, object, reason, "{note}");
        }
        if self.queue.try_send((about.clone(), happening)).is_err() {
            self.metrics.event_dropped();
        }
    }
}

/// A teller and the task that publishes what it is told.
pub(crate) fn channel(
    node_name: &str,
    client: watch::Receiver<Option<Client>>,
    metrics: Metrics,
) -> (Teller, Publisher) {
    let (sender, queue) = mpsc::channel(QUEUE_MAX);
    let reporter = Reporter { controller: CONTROLLER.to_owned(), instance: Some(node_name.to_owned()) };
    let teller = Teller { queue: sender, metrics: metrics.clone() };
    (teller, Publisher { queue, client, reporter, recorders: HashMap::new(), metrics })
}

/// Publishes queued events in their order.
pub(crate) struct Publisher {
    queue: mpsc::Receiver<(ObjectReference, Happening)>,
    client: watch::Receiver<Option<Client>>,
    reporter: Reporter,
    recorders: HashMap<(Option<String>, &'static str), (String, Recorder)>,
    metrics: Metrics,
}

impl Publisher {
    /// Until nobody can tell anything any more, or the client's source is gone.
    pub(crate) async fn run(mut self) {
        while let Some((about, happening)) = self.queue.recv().await {
            self.publish(&about, happening).await;
        }
    }

    /// Waits for the API server as long as it takes: what happens without it is part of the story.
    async fn publish(&mut self, about: &ObjectReference, happening: Happening) {
        let note = bounded(&happening.note, NOTE_BYTES_MAX);
        let event = Event {
            type_: if happening.warning { EventType::Warning } else { EventType::Normal },
            reason: happening.reason.to_owned(),
            note: Some(note.clone()),
            action: happening.action.to_owned(),
            secondary: None,
        };
        let mut backoff = Backoff::new(happening.reason);
        loop {
            let Ok(client) = self.client.wait_for(Option::is_some).await.map(|client| client.clone()) else {
                return;
            };
            let Some(client) = client else { return };
            let recorder = self.recorder(client, about, happening.reason, &note);
            match timeout(PUBLISH_MAX, recorder.publish(&event, about)).await {
                Ok(Ok(())) => return,
                // An answer, and the same next time: the namespace ends, or this agent has no right to it.
                Ok(Err(kube::Error::Api(error))) if error.code < 500 && error.code != 429 => {
                    tracing::debug!(
                        reason = happening.reason,
                        error = error.message,
                        "an event was not published"
                    );
                    self.metrics.event_dropped();
                    return;
                }
                Ok(Err(_)) | Err(_) => {
                    tokio::select! {
                        () = sleep(backoff.fail()) => {}
                        changed = self.client.changed() => if changed.is_err() { return },
                    }
                }
            }
        }
    }

    /// One recorder for each object, reason and note: a recorder joins events of the same reason into a series
    /// that keeps the first note, and then the second program version would be told with the first one's name.
    fn recorder(
        &mut self,
        client: Client,
        about: &ObjectReference,
        reason: &'static str,
        note: &str,
    ) -> Recorder {
        if self.recorders.len() >= RECORDERS_MAX {
            self.recorders.clear();
        }
        let fresh = || (note.to_owned(), Recorder::new(client, self.reporter.clone()));
        match self.recorders.entry((about.uid.clone(), reason)) {
            std::collections::hash_map::Entry::Occupied(mut known) => {
                if known.get().0 != note {
                    known.insert(fresh());
                }
                known.get().1.clone()
            }
            std::collections::hash_map::Entry::Vacant(vacant) => vacant.insert(fresh()).1.clone(),
        }
    }
}
